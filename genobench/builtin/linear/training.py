"""What every linear classifier reads off its training samples: who has the trait, its values or classes, covariates, and folds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from genobench import Covariates, DatasetError
from genobench.statgen import sample_groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes, Trait

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

N_FOLDS: Final = 3
"""Parts that training is cut into, whole families each, where a penalty is chosen without validation samples."""

_FEWEST_VALIDATION: Final = 10
"""With fewer validation samples that have the trait, folds within training say more."""

_FEWEST_BESIDE: Final = 2
"""Samples more than fixed effects, so that a residual variance is left to estimate."""


@dataclass(frozen=True, eq=False)
class Known:
    """Training samples whose trait is known, with their covariates.

    Args:
        genotypes: The samples.
        covariates: Learned from them.
        columns: Their covariates, shape (n_samples, width); means are 0.
    """

    genotypes: Genotypes
    covariates: Covariates
    columns: Floats

    @classmethod
    def of(cls, train: Genotypes, context: FitContext) -> Self:
        """Leave out samples without the trait, and learn covariates from the rest.

        Raises:
            DatasetError: If the trait's column or a covariate is absent, or no sample has the trait.
        """
        known = with_known_trait(train, context.trait)
        if not known.n_samples:
            raise DatasetError(
                f"None of the {train.n_samples} training samples has a value of '{context.trait.column}'; there is nothing to learn from."
            )
        covariates = Covariates.fit(known, context.trait, n_components=context.n_components)
        return cls(genotypes=known, covariates=covariates, columns=covariates.matrix(known))

    @property
    def design(self) -> Floats:
        """An intercept and the covariates, shape (n_samples, 1 + width)."""
        return design_of(self.columns)


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of samples.

    Args:
        labels: All classes of the trait, in order.
        numbers: The place of each sample's class among `labels`, shape (n_samples,).
    """

    labels: tuple[str, ...]
    numbers: Indices

    @property
    def present(self) -> Indices:
        """The places of those that occur."""
        return np.unique(self.numbers)


def design_of(columns: Floats) -> Floats:
    """An intercept before columns, shape (n_samples, 1 + width)."""
    return np.column_stack([np.ones(len(columns)), columns])


def with_known_trait(genotypes: Genotypes, trait: Trait) -> Genotypes:
    """The samples whose trait is known.

    Raises:
        DatasetError: If there is no such column.
    """
    if trait.column not in genotypes.samples:
        raise DatasetError(f"The training samples have no column '{trait.column}'; their columns are {list(genotypes.samples)}.")
    is_known: NDArray[np.bool_] = genotypes.samples[trait.column].notna().to_numpy()
    return genotypes if is_known.all() else genotypes.take_samples(np.flatnonzero(is_known))


def values_of(genotypes: Genotypes, trait: Trait) -> Floats:
    """Values of a quantitative trait, or the places of classes in their order, shape (n_samples,).

    Raises:
        DatasetError: If a value is no finite number, or a class none of the trait's.
    """
    if trait.kind != "quantitative":
        return classes_of(genotypes, trait).numbers.astype(np.float64)
    try:
        values: Floats = genotypes.samples[trait.column].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"The quantitative trait '{trait.column}' holds what is no number: {error}.") from error
    if not np.isfinite(values).all():
        raise DatasetError(f"The trait '{trait.column}' holds the value {values[~np.isfinite(values)][0]}; values must be finite.")
    return values


def values_to_learn(known: Known, trait: Trait) -> Floats:
    """Values of the training samples, or the places of their classes, shape (n_samples,), which suffice for a linear model.

    Raises:
        DatasetError: If there are hardly more samples than covariates, the trait is constant, or fewer than two classes occur.
    """
    values = values_of(known.genotypes, trait)
    fewest = known.columns.shape[1] + 1 + _FEWEST_BESIDE
    if len(values) < fewest:
        raise DatasetError(
            f"Only {len(values)} training samples have a value of '{trait.column}'; "
            f"a linear model with {known.columns.shape[1]} covariates needs at least {fewest}."
        )
    if trait.kind != "quantitative":
        classes_to_learn(known, trait)
    elif np.ptp(values) == 0:
        raise DatasetError(f"The trait '{trait.column}' is {values[0]} in all {len(values)} training samples; it must vary.")
    return values


def classes_of(genotypes: Genotypes, trait: Trait) -> Classes:
    """Classes of samples whose trait is known; where the trait names none, those that occur, in alphabetical order.

    Raises:
        DatasetError: If a class is none of the trait's.
    """
    texts: pd.Series[str] = genotypes.samples[trait.column].astype(str)
    labels = trait.classes or tuple(sorted(set(texts)))
    place = {label: number for number, label in enumerate(labels)}
    unknown = sorted(set(texts) - set(labels))
    if unknown:
        raise DatasetError(f"The class '{unknown[0]}' of '{trait.column}' is none of {', '.join(labels)}.")
    return Classes(labels=labels, numbers=np.array([place[text] for text in texts], dtype=np.intp))


def classes_to_learn(known: Known, trait: Trait) -> Classes:
    """Classes of the training samples.

    Raises:
        DatasetError: If a class is none of the trait's, or fewer than two occur.
    """
    classes = classes_of(known.genotypes, trait)
    if len(classes.present) < 2:
        found = ", ".join(classes.labels[number] for number in classes.present)
        raise DatasetError(f"The training samples hold fewer than two classes of '{trait.column}' ({found}).")
    return classes


def validation_of(context: FitContext) -> Genotypes | None:
    """The validation samples whose trait is known; None where they are too few to choose by."""
    if context.validation is None or context.trait.column not in context.validation.samples:
        return None
    known = with_known_trait(context.validation, context.trait)
    return known if known.n_samples >= _FEWEST_VALIDATION else None


def folds_of(known: Known, context: FitContext) -> Iterator[tuple[Indices, Indices]]:
    """Rows to fit on and rows to be asked about, a family on one side only; nothing where there is one sample."""
    family = context.trait.family
    samples = known.genotypes.samples
    families = samples[family].to_numpy() if family in samples else None
    groups = sample_groups(families, len(samples), seed=context.seed, n_groups=N_FOLDS)
    for group in range(int(groups.max()) + 1) if groups.any() else ():
        yield np.flatnonzero(groups != group), np.flatnonzero(groups == group)
