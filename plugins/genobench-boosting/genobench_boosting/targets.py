"""The trait as trees are fitted to it: numbers of classes with balanced weights, or standardised values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from genobench import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Genotypes, Trait

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Target:
    """What is learned of a trait; made by `fit`, from training samples only.

    Args:
        trait: The trait.
        classes: All its classes, in order; empty for a quantitative trait.
        present: Place of those that training has among `classes`, shape (n_present,).
        mean: Of the values in training.
        standard_deviation: Likewise.
    """

    trait: Trait
    classes: tuple[str, ...]
    present: NDArray[np.intp]
    mean: float = 0.0
    standard_deviation: float = 1.0

    @classmethod
    def fit(cls, train: Genotypes, trait: Trait) -> Self:
        """Learn it from training samples; those without a phenotype do not count.

        Raises:
            DatasetError: If the column is absent, no sample has a phenotype, the values are all alike, a class is none of the trait's, or
                there are fewer than two classes.
        """
        known = _known(train, trait)
        if not known.any():
            raise DatasetError(f"None of the {train.n_samples} training samples has a phenotype '{trait.column}'; at least two must.")
        if trait.kind == "quantitative":
            values = train.samples[trait.column].to_numpy(dtype=np.float64, na_value=np.nan)[known]
            spread = float(values.std())
            if not spread > 1e-12 * (abs(float(values.mean())) + 1e-300):
                raise DatasetError(
                    f"The trait '{trait.column}' is {values[0]:g} in all of the {len(values)} training samples that have it; "
                    f"there is nothing to learn from a constant."
                )
            return cls(trait=trait, classes=(), present=np.zeros(0, dtype=np.intp), mean=float(values.mean()), standard_deviation=spread)
        texts = _texts(train, trait)[known]
        classes = trait.classes or tuple(sorted(set(texts)))
        present = np.unique(_places(texts, classes, trait))
        if len(present) < 2:
            raise DatasetError(
                f"All {len(texts)} training samples with a known '{trait.column}' are of the class '{classes[present[0]]}'; "
                f"a classifier needs samples of at least two of {', '.join(classes)}."
            )
        return cls(trait=trait, classes=classes, present=present)

    @property
    def n_present(self) -> int:
        """How many classes training has; 0 for a quantitative trait."""
        return len(self.present)

    def samples_with_target(self, genotypes: Genotypes) -> Genotypes:
        """The samples that have a phenotype, of a class that training has."""
        known = _known(genotypes, self.trait)
        if self.classes:
            texts = _texts(genotypes, self.trait)[known]
            known[known] = np.isin(_places(texts, self.classes, self.trait), self.present)
        return genotypes if known.all() else genotypes.take_samples(np.flatnonzero(known))

    def numbers(self, genotypes: Genotypes) -> Floats:
        """Of samples that all have a target: places among the classes that training has, or standardised values, shape (n_samples,)."""
        if self.classes:
            return np.searchsorted(self.present, _places(_texts(genotypes, self.trait), self.classes, self.trait)).astype(np.float64)
        return (genotypes.samples[self.trait.column].to_numpy(dtype=np.float64) - self.mean) / self.standard_deviation

    def weights(self, numbers: Floats) -> Floats:
        """Of samples: 1 on average, and as much in each class that there is, however many samples it has; shape (n_samples,)."""
        if not self.classes:
            return np.ones(len(numbers))
        counts = np.bincount(numbers.astype(np.intp), minlength=self.n_present)
        balanced: Floats = (len(numbers) / np.count_nonzero(counts) / np.maximum(counts, 1))[numbers.astype(np.intp)]
        return balanced

    def columns(self, numbers: Floats) -> Floats:
        """The target as columns: an indicator for each class that training has, or values; shape (n_samples, n_columns)."""
        return (numbers[:, None] == np.arange(self.n_present)).astype(np.float64) if self.classes else numbers[:, None]

    def predictions(self, raw: Floats) -> Floats:
        """What is predicted, from what trees give.

        Args:
            raw: Standardised values, shape (n_samples,), or probabilities of the classes that training has, shape (n_samples, n_present).

        Returns:
            Values, shape (n_samples,), or probabilities of all classes, shape (n_samples, n_classes), 0 for a class that training lacks.
        """
        if not self.classes:
            return self.mean + self.standard_deviation * raw
        probabilities = np.zeros((len(raw), len(self.classes)))
        probabilities[:, self.present] = raw / raw.sum(axis=1, keepdims=True)
        return probabilities


def _known(genotypes: Genotypes, trait: Trait) -> NDArray[np.bool_]:
    if trait.column not in genotypes.samples:
        raise DatasetError(f"The samples have no column '{trait.column}'; their columns are {list(genotypes.samples)}.")
    column = genotypes.samples[trait.column]
    if trait.kind == "quantitative":
        known: NDArray[np.bool_] = np.isfinite(column.to_numpy(dtype=np.float64, na_value=np.nan))
    else:
        known = column.notna().to_numpy(dtype=bool).copy()
    return known


def _texts(genotypes: Genotypes, trait: Trait) -> NDArray[Any]:
    return genotypes.samples[trait.column].astype(str).to_numpy(dtype=object)


def _places(texts: NDArray[Any], classes: tuple[str, ...], trait: Trait) -> NDArray[np.intp]:
    place = {name: number for number, name in enumerate(classes)}
    unknown = sorted(set(texts) - set(classes))
    if unknown:
        raise DatasetError(f"The class '{unknown[0]}' of '{trait.column}' is none of {', '.join(classes)}.")
    return np.array([place[text] for text in texts], dtype=np.intp)
