"""What a classifier learns of a trait: which samples have it, their classes or values, what each weighs, and which samples may judge a fit.

The one place where a trait becomes numbers, for every classifier: learned from training samples only, and the same for whatever judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from genobench.errors import DatasetError
from genobench.statgen import sample_groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.contracts import FitContext, Trait
    from genobench.genotypes import Genotypes

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

_FEWEST_VALIDATION: Final = 10
"""With fewer validation samples that have the trait, folds within training say more."""

_ROUNDING: Final = 1e-12
"""Values that differ by less, over the largest of them, are one value."""


@dataclass(frozen=True, eq=False)
class Target:
    """What is learned of a trait; made by `fit`, from training samples only.

    Missing phenotypes are left out; classes weigh the same however many samples they have; a class that training lacks gets probability
    0. What `numbers` gives is what a model is fitted to, and `predictions` the way back.

    Args:
        trait: The trait.
        classes: All its classes, in order; empty for a quantitative trait.
        present: Places of those that training has among `classes`, shape (n_present,).
        mean: Of the values in training.
        standard_deviation: Likewise.
    """

    trait: Trait
    classes: tuple[str, ...]
    present: Indices
    mean: float = 0.0
    standard_deviation: float = 1.0

    @classmethod
    def fit(cls, train: Genotypes, trait: Trait) -> Self:
        """Learn it from training samples; a classifier takes `context.trait`.

        Raises:
            DatasetError: If the column is absent, no sample has the trait, a value is no finite number, all values are alike, a class is
                none of the trait's, or fewer than two classes occur.
        """
        is_known = _is_known(train, trait)
        if not is_known.any():
            raise DatasetError(
                f"None of the {train.n_samples} training samples has a value of '{trait.column}'; there is nothing to learn from."
            )
        if trait.kind == "quantitative":
            values = _values(train, trait)[is_known]
            if np.ptp(values) <= _ROUNDING * np.abs(values).max():
                raise DatasetError(
                    f"The trait '{trait.column}' is {values[0]:g} in all of the {len(values)} training samples that have it; it must vary."
                )
            return cls(trait, (), np.zeros(0, dtype=np.intp), mean=float(values.mean()), standard_deviation=float(values.std()))
        texts = _texts(train, trait)[is_known]
        classes = trait.classes or tuple(sorted(set(texts)))
        present = np.unique(_places(texts, classes, trait))
        if len(present) < 2:
            raise DatasetError(
                f"All of the {len(texts)} training samples that have '{trait.column}' are of the class '{classes[present[0]]}'; "
                f"a classifier needs samples of at least two classes."
            )
        return cls(trait, classes, present)

    @property
    def n_present(self) -> int:
        """How many classes training has; 0 for a quantitative trait."""
        return len(self.present)

    def known(self, genotypes: Genotypes) -> Genotypes:
        """The samples, of training or others, that have the trait, of a class that training has.

        Raises:
            DatasetError: If the column is absent, a value is no finite number, or a class is none of the trait's.
        """
        is_known = _is_known(genotypes, self.trait)
        if self.classes:
            texts = _texts(genotypes, self.trait)[is_known]
            if self.trait.classes:
                _places(texts, self.classes, self.trait)
            is_known[is_known] = np.isin(texts, [self.classes[place] for place in self.present])
        return genotypes if is_known.all() else genotypes.take_samples(np.flatnonzero(is_known))

    def values(self, known: Genotypes) -> Floats:
        """Of samples as `known` gives them: values as they are, or places among `classes`, shape (n_samples,)."""
        if self.classes:
            return _places(_texts(known, self.trait), self.classes, self.trait).astype(np.float64)
        return _values(known, self.trait)

    def numbers(self, known: Genotypes) -> Floats:
        """Of samples as `known` gives them: standardised values, or places among the classes that training has, shape (n_samples,)."""
        if self.classes:
            return np.searchsorted(self.present, self.values(known)).astype(np.float64)
        return (self.values(known) - self.mean) / self.standard_deviation

    def weights(self, numbers: Floats) -> Floats:
        """Of samples: 1 on average, and as much in each class that occurs, however many samples it has; shape (n_samples,).

        Args:
            numbers: As `numbers` gives them, of all samples that are weighed together.
        """
        if not self.classes:
            return np.ones(len(numbers))
        places = numbers.astype(np.intp)
        counts = np.bincount(places, minlength=self.n_present)
        balanced: Floats = len(places) / (np.count_nonzero(counts) * counts[places])
        return balanced

    def predictions(self, numbers: Floats) -> Floats:
        """What a predictor gives.

        Args:
            numbers: Standardised values, shape (n_samples,), or probabilities of the classes in training, shape (n_samples, n_present).

        Returns:
            Values of the trait, shape (n_samples,), or probabilities of all classes, shape (n_samples, n_classes), 0 for one that training
            lacks.
        """
        if not self.classes:
            return self.mean + self.standard_deviation * numbers
        probabilities = np.zeros((len(numbers), len(self.classes)))
        probabilities[:, self.present] = numbers
        return probabilities

    def validation(self, context: FitContext) -> Genotypes | None:
        """The validation samples that have the trait; None where they are fewer than ten or all alike, so that folds say more."""
        if context.validation is None or self.trait.column not in context.validation.samples:
            return None
        known = self.known(context.validation)
        return known if known.n_samples >= _FEWEST_VALIDATION and np.ptp(self.values(known)) > 0 else None

    def folds(self, known: Genotypes, *, n_folds: int, seed: int) -> list[Indices]:
        """Rows of each part that training is cut into, whole families each; no part where the samples do not make two.

        Args:
            known: Training samples as `known` gives them.
            n_folds: At most so many, about equal in size.
            seed: Which families come together.
        """
        family = self.trait.family
        families = known.samples[family].to_numpy() if family in known.samples else None
        groups = sample_groups(families, known.n_samples, seed=seed, n_groups=n_folds)
        return [np.flatnonzero(groups == group) for group in np.unique(groups)] if groups.any() else []


def _is_known(genotypes: Genotypes, trait: Trait) -> NDArray[np.bool_]:
    if trait.column not in genotypes.samples:
        raise DatasetError(f"The samples have no column '{trait.column}'; their columns are {list(genotypes.samples)}.")
    if trait.kind != "quantitative":
        return genotypes.samples[trait.column].notna().to_numpy(dtype=bool).copy()
    values = _values(genotypes, trait)
    if np.isinf(values).any():
        raise DatasetError(f"The trait '{trait.column}' holds the value {values[np.isinf(values)][0]}; values must be finite.")
    return ~np.isnan(values)


def _values(genotypes: Genotypes, trait: Trait) -> Floats:
    """NaN where missing."""
    try:
        values: Floats = genotypes.samples[trait.column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"The quantitative trait '{trait.column}' holds what is no number: {error}.") from error
    return values


def _texts(genotypes: Genotypes, trait: Trait) -> NDArray[Any]:
    return genotypes.samples[trait.column].astype(str).to_numpy(dtype=object)


def _places(texts: NDArray[Any], classes: tuple[str, ...], trait: Trait) -> Indices:
    place = {name: number for number, name in enumerate(classes)}
    unknown = sorted(set(texts) - set(classes))
    if unknown:
        raise DatasetError(f"The class '{unknown[0]}' of '{trait.column}' is none of {', '.join(classes)}.")
    return np.array([place[text] for text in texts], dtype=np.intp)
