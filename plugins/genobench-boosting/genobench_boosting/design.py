"""What trees see of samples: the calls of the variants that were chosen, completed, then covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from genobench import Covariates
from genobench.statgen import Imputer
from genobench_boosting.screening import explained_shares, most_associated

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Genotypes, Target

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """Samples as trees are grown on them, or judged by them.

    Args:
        columns: Calls of chosen variants, then covariates, shape (n_samples, width).
        n_covariates: How many of the columns, the last ones, are covariates.
        numbers: As `Target.numbers` gives them, shape (n_samples,).
        weights: As `Target.weights` gives them, shape (n_samples,).
    """

    columns: NDArray[np.float32]
    n_covariates: int
    numbers: Floats
    weights: Floats


@dataclass(frozen=True, eq=False)
class Design:
    """How samples become columns; made by `fit`, from the samples that trees are grown on and no others.

    Args:
        variants: Positions of the chosen variants, in file order, shape (n_chosen,).
        imputer: Completes missing calls of all variants.
        covariates: Columns beside the calls.
    """

    variants: NDArray[np.intp]
    imputer: Imputer
    covariates: Covariates

    @classmethod
    def fit(cls, train: Genotypes, target: Target, *, most_variants: int, n_components: int) -> Self:
        """Choose variants by their marginal association with the trait beside the covariates.

        Args:
            train: Samples that all have a target.
            target: The trait.
            most_variants: So many variants at most; those that do not vary are never chosen.
            n_components: Principal components among the covariates.
        """
        covariates = Covariates.fit(train, target.trait, n_components=n_components)
        calls = train.to_array()
        imputer = Imputer.fit(calls)
        calls = imputer.complete(calls)
        variants = np.flatnonzero(calls.min(axis=0) < calls.max(axis=0))
        if len(variants) > most_variants:
            numbers = target.numbers(train)
            shares = explained_shares(
                calls[:, variants],
                outcome=_columns(target, numbers),
                covariates=covariates.matrix(train),
                weights=target.weights(numbers),
            )
            variants = variants[most_associated(shares, most_variants)]
        return cls(variants=variants, imputer=imputer, covariates=covariates)

    @property
    def width(self) -> int:
        """How many columns; 0 where no variant varies, and no covariate."""
        return len(self.variants) + self.covariates.width

    def columns(self, genotypes: Genotypes) -> NDArray[np.float32]:
        """The columns of any samples, shape (n_samples, width)."""
        calls = self.imputer.complete(genotypes.to_array())[:, self.variants]
        return np.concatenate([calls.astype(np.float32), self.covariates.matrix(genotypes).astype(np.float32)], axis=1)

    def part(self, genotypes: Genotypes, target: Target) -> Part:
        """Samples that all have a target."""
        numbers = target.numbers(genotypes)
        return Part(
            columns=self.columns(genotypes),
            n_covariates=self.covariates.width,
            numbers=numbers,
            weights=target.weights(numbers),
        )


def _columns(target: Target, numbers: Floats) -> Floats:
    """An indicator for each class that training has, or values; shape (n_samples, n_columns)."""
    return (numbers[:, None] == np.arange(target.n_present)).astype(np.float64) if target.classes else numbers[:, None]
