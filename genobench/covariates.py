"""What is known of samples beside their calls, as columns of a model: classes, values, and principal components of the calls.

The one place where covariates become numbers, for every classifier and for tests of association: learned from training samples only,
and the same for whatever is predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pandas as pd

from genobench.errors import DatasetError
from genobench.statgen import Imputer, PrincipalComponents, is_autosome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.contracts import Trait
    from genobench.genotypes import Genotypes

    Floats = NDArray[np.float64]

_DEPENDENT: Final = 1e-6
"""A column whose part beside the columns before it is less than this share of it follows from them, and is left out. So is one that is
shorter than this: a class of a single sample has a length of about 1, and values one of the root of the number of samples."""

_ALIKE: Final = 1e-12
"""Values whose standard deviation is no more than this share of their mean differ by rounding."""


@dataclass(frozen=True, eq=False)
class CovariateColumn:
    """One column of the table of samples, as numbers.

    Args:
        name: Its name.
        classes: The classes that stand for a number each: those of training but the most frequent one; empty for values.
        known: All classes of training; empty for values.
        mean: Of values over the training samples that have one.
        standard_deviation: Likewise; of values that are all alike, 1.
    """

    name: str
    classes: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    mean: float = 0.0
    standard_deviation: float = 1.0

    @classmethod
    def fit(cls, values: pd.Series[Any]) -> Self:
        """Learn it from the training samples' column: numbers are values, all else (truth values, texts) classes."""
        if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
            numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
            numbers = numbers[np.isfinite(numbers)]
            if not len(numbers):
                return cls(str(values.name))
            mean, deviation = float(numbers.mean()), float(numbers.std())
            return cls(str(values.name), mean=mean, standard_deviation=deviation if deviation > _ALIKE * abs(mean) else 1.0)
        counts = values.dropna().astype(str).value_counts().sort_index(kind="stable")
        known = tuple(counts.index)
        most_frequent = counts.idxmax() if len(counts) else ""
        return cls(str(values.name), classes=tuple(name for name in known if name != most_frequent), known=known)

    @property
    def names(self) -> tuple[str, ...]:
        """Of its numbers."""
        return tuple(f"{self.name}={name}" for name in self.classes) if self.known else (self.name,)

    def numbers(self, samples: pd.DataFrame) -> Floats:
        """Shape (n_samples, n_numbers); NaN where the value is missing or its class was not seen in training."""
        values = samples[self.name]
        if not self.known:
            numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
            standardised: Floats = ((numbers - self.mean) / self.standard_deviation)[:, None]
            standardised[~np.isfinite(standardised)] = np.nan
            return standardised
        texts: NDArray[Any] = values.astype(str).to_numpy(dtype=object)
        is_known = np.isin(texts, np.array(self.known, dtype=object)) & values.notna().to_numpy()
        one_hot: Floats = (texts[:, None] == np.array(self.classes, dtype=object)).astype(np.float64)
        one_hot[~is_known] = np.nan
        return one_hot


@dataclass(frozen=True, eq=False)
class Covariates:
    """Covariates of a trait as columns of numbers; made by `fit`, from training samples only.

    Columns are the trait's covariates, then scores on principal components of the calls. Each has mean 0 over the training samples, and
    those that follow from the ones before (a constant, a class that is another by another name) are left out. A missing value, or a
    class that training did not have, is 0, the average.

    Args:
        columns: How each covariate is read.
        components: Principal components of the training samples' autosomal calls; None for none.
        imputer: Completes missing calls before these.
        component_spread: Standard deviations of the training samples' scores, shape (n_components,).
        means: Of all numbers over training, shape (n_numbers,).
        kept: The numbers that are columns, shape (width,).
        names: Of the columns.
    """

    columns: tuple[CovariateColumn, ...]
    components: PrincipalComponents | None
    imputer: Imputer | None
    component_spread: Floats
    means: Floats
    kept: NDArray[np.intp]
    names: tuple[str, ...]

    @classmethod
    def fit(cls, train: Genotypes, trait: Trait, *, n_components: int = 0) -> Self:
        """Learn from training samples.

        A classifier takes `context.trait` and `context.n_components`.

        Args:
            train: Training samples.
            trait: Its covariates are taken.
            n_components: Principal components of the autosomal calls (all calls where no chromosome is an autosome).

        Raises:
            DatasetError: If the training samples lack a covariate.
        """
        _check_present(train.samples, trait.covariates, "training")
        columns = tuple(CovariateColumn.fit(train.samples[name]) for name in trait.covariates)
        components, imputer, spread = None, None, np.ones(0)
        if n_components and train.n_samples > 2:
            calls = train.to_array()
            imputer = Imputer.fit(calls)
            is_used = is_autosome(train.variants["chromosome"])
            calls = imputer.complete(calls)
            wanted = min(n_components, train.n_samples - 1)
            components = PrincipalComponents.fit(calls, wanted, seed=0, is_used=is_used if is_used.any() else None)
            spread = components.project(calls).std(axis=0)
            spread[spread == 0] = 1.0
        whole = cls(
            columns=columns,
            components=components,
            imputer=imputer,
            component_spread=spread,
            means=np.zeros(0),
            kept=np.zeros(0, dtype=np.intp),
            names=(),
        )
        numbers = whole._numbers(train)
        is_there = np.isfinite(numbers)
        means = np.where(is_there, numbers, 0.0).sum(axis=0) / np.maximum(is_there.sum(axis=0), 1)
        kept = _independent(np.where(is_there, numbers - means, 0.0))
        names = [*(name for column in columns for name in column.names), *(f"PC{k + 1}" for k in range(len(spread)))]
        return cls(
            columns=columns,
            components=components,
            imputer=imputer,
            component_spread=spread,
            means=means,
            kept=kept,
            names=tuple(names[k] for k in kept),
        )

    @property
    def width(self) -> int:
        """How many columns."""
        return len(self.kept)

    def matrix(self, genotypes: Genotypes) -> Floats:
        """The columns of any samples, shape (n_samples, width); without a constant.

        Raises:
            DatasetError: If the samples lack a covariate.
        """
        _check_present(genotypes.samples, tuple(column.name for column in self.columns), "these")
        numbers = self._numbers(genotypes)[:, self.kept] - self.means[self.kept]
        return np.where(np.isfinite(numbers), numbers, 0.0)

    def _numbers(self, genotypes: Genotypes) -> Floats:
        """Before means are taken off and columns are chosen, NaN where missing."""
        parts = [np.zeros((genotypes.n_samples, 0)), *(column.numbers(genotypes.samples) for column in self.columns)]
        if self.components is not None and self.imputer is not None:
            parts.append(self.components.project(self.imputer.complete(genotypes.to_array())) / self.component_spread)
        return np.concatenate(parts, axis=1)


def _check_present(samples: pd.DataFrame, names: tuple[str, ...], which: str) -> None:
    absent = [name for name in names if name not in samples.columns]
    if absent:
        raise DatasetError(f"The {which} samples have no covariate '{absent[0]}'; their columns are {list(samples.columns)}.")


def _independent(centred: Floats) -> NDArray[np.intp]:
    """Columns that do not follow from those before them, by Gram and Schmidt's method (twice, against rounding)."""
    kept: list[int] = []
    basis = np.zeros((len(centred), 0))
    for place, column in enumerate(centred.T):
        length = float(np.linalg.norm(column))
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        if length > _DEPENDENT and np.linalg.norm(rest) > _DEPENDENT * length:
            kept.append(place)
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return np.array(kept, dtype=np.intp)
