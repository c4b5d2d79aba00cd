"""What every linear classifier reads off its training samples: who has the trait, its values or classes, and covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from genobench import Covariates, DatasetError, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

N_FOLDS: Final = 3
"""Parts that training is cut into where a penalty is chosen without validation samples."""

_FEWEST_BESIDE: Final = 2
"""Samples more than fixed effects, so that a residual variance is left to estimate."""


@dataclass(frozen=True, eq=False)
class Known:
    """Training samples whose trait is known, with their covariates.

    Args:
        target: What is learned of the trait.
        genotypes: The samples.
        covariates: Learned from them.
        columns: Their covariates, shape (n_samples, width); means are 0.
    """

    target: Target
    genotypes: Genotypes
    covariates: Covariates
    columns: Floats

    @classmethod
    def of(cls, train: Genotypes, context: FitContext) -> Self:
        """Leave out samples without the trait, and learn covariates from the rest.

        Raises:
            DatasetError: If nothing can be learned of the trait (`Target.fit`), or a covariate is absent.
        """
        target = Target.fit(train, context.trait)
        known = target.known(train)
        covariates = Covariates.fit(known, context.trait, n_components=context.n_components)
        return cls(target=target, genotypes=known, covariates=covariates, columns=covariates.matrix(known))

    @property
    def design(self) -> Floats:
        """An intercept and the covariates, shape (n_samples, 1 + width)."""
        return design_of(self.columns)

    @property
    def classes(self) -> Indices:
        """Places of the samples' classes among those that training has, shape (n_samples,)."""
        return self.target.numbers(self.genotypes).astype(np.intp)

    @property
    def weights(self) -> Floats:
        """Of the samples, so that classes weigh the same, shape (n_samples,)."""
        return self.target.weights(self.target.numbers(self.genotypes))

    def values(self) -> Floats:
        """Values of the samples, or the places of their classes, shape (n_samples,), which suffice for a linear model.

        Raises:
            DatasetError: If there are hardly more samples than covariates.
        """
        values = self.target.values(self.genotypes)
        fewest = self.columns.shape[1] + 1 + _FEWEST_BESIDE
        if len(values) < fewest:
            raise DatasetError(
                f"Only {len(values)} training samples have a value of '{self.target.trait.column}'; "
                f"a linear model with {self.columns.shape[1]} covariates needs at least {fewest}."
            )
        return values

    def folds(self, seed: int) -> Iterator[tuple[Indices, Indices]]:
        """Rows to fit on and rows to be asked about, a family on one side only; nothing where there is one sample."""
        for asked in self.target.folds(self.genotypes, n_folds=N_FOLDS, seed=seed):
            yield np.setdiff1d(np.arange(self.genotypes.n_samples), asked), asked


def design_of(columns: Floats) -> Floats:
    """An intercept before columns, shape (n_samples, 1 + width)."""
    return np.column_stack([np.ones(len(columns)), columns])
