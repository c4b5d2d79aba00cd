"""The trait as networks are fitted to it: classes that weigh the same, ordered classes by cumulative log odds, or standardised values.

What a model gives for a sample is called raw: the standardised value (one number), log odds of the classes up to a constant (one number
for each class in training), or, for ordinal classes, the log odds of being at most class j (one number for each but the last).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import torch
from torch.nn import functional

from genobench import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Genotypes, Trait

    Floats = NDArray[np.float64]

_BOUND: Final = 1e4
"""Log odds that stand for certainty, beyond the first and the last class."""

_LEAST_GAP: Final = 1e-6
"""Between the log odds of neighbouring ordinal classes, so that each class has a chance."""


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
            if np.ptp(values) == 0:
                raise DatasetError(
                    f"The trait '{trait.column}' is {values[0]:g} in all of the {len(values)} training samples that have it; "
                    f"there is nothing to learn from a constant."
                )
            mean, spread = float(values.mean()), float(values.std())
            return cls(trait=trait, classes=(), present=np.zeros(0, dtype=np.intp), mean=mean, standard_deviation=spread)
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
    def n_scores(self) -> int:
        """How many numbers a model learns for a sample: one, or one for each class that training has if these have no order."""
        return len(self.present) if self.trait.kind == "categorical" else 1

    def samples_with_target(self, genotypes: Genotypes) -> Genotypes:
        """The samples that have a phenotype, of a class that training has.

        Raises:
            DatasetError: If the column is absent, or a class is none of the trait's.
        """
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
        counts = np.bincount(numbers.astype(np.intp), minlength=len(self.present))
        balanced: Floats = (len(numbers) / np.count_nonzero(counts) / np.maximum(counts, 1))[numbers.astype(np.intp)]
        return balanced

    def first_cuts(self) -> torch.Tensor:
        """Numbers from which `raw` makes the constant part: as likely in each class, float64, shape (n_cuts,)."""
        if self.trait.kind != "ordinal":
            return torch.zeros(self.n_scores, dtype=torch.float64)
        n_present = len(self.present)
        below = torch.arange(1, n_present, dtype=torch.float64) / n_present
        cuts = torch.logit(below)
        # The inverse of softplus, by which later cuts stand on earlier ones.
        return torch.cat([cuts[:1], torch.log(torch.expm1(cuts.diff()))])

    def raw(self, cuts: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Constant part and scores together.

        Args:
            cuts: As `first_cuts`; of ordinal classes the first log odds, then what softplus makes the distances to the next.
            scores: Shape (n_samples, n_scores); for ordinal classes added to all log odds, which keeps their order.

        Returns:
            Shape (n_samples, n_raw).
        """
        if self.trait.kind != "ordinal":
            return cuts + scores
        return torch.cat([cuts[:1], functional.softplus(cuts[1:]) + _LEAST_GAP]).cumsum(0) + scores

    def losses(self, raw: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Half the squared error of the standardised value, or the log loss of the class; shape (n_samples,)."""
        if not self.classes:
            return 0.5 * (raw[:, 0] - numbers).square()
        return -self._log_probabilities(raw).gather(1, numbers.long()[:, None])[:, 0]

    def predictions(self, raw: torch.Tensor) -> Floats:
        """Values, shape (n_samples,), or probabilities of all classes, shape (n_samples, n_classes), 0 for a class that training lacks."""
        if not self.classes:
            values: Floats = self.mean + self.standard_deviation * raw[:, 0].double().cpu().numpy()
            return values
        probabilities = np.zeros((len(raw), len(self.classes)))
        of_present = self._log_probabilities(raw).exp().double().cpu().numpy()
        probabilities[:, self.present] = of_present / of_present.sum(axis=1, keepdims=True)
        return probabilities

    def _log_probabilities(self, raw: torch.Tensor) -> torch.Tensor:
        """Of the classes that training has, shape (n_samples, n_present)."""
        if self.trait.kind == "categorical":
            return functional.log_softmax(raw, dim=1)
        # P(j) = s(a) - s(b) = s(a) s(-b) (1 - exp(b - a)), s the logistic function, a and b the log odds of at most j and j - 1.
        bounded = functional.pad(functional.pad(raw, (0, 1), value=_BOUND), (1, 0), value=-_BOUND)
        above, below = bounded[:, 1:], bounded[:, :-1]
        between = torch.log1p(-torch.exp((below - above).clamp(max=-_LEAST_GAP)))
        return functional.logsigmoid(above) + functional.logsigmoid(-below) + between


def _known(genotypes: Genotypes, trait: Trait) -> NDArray[np.bool_]:
    if trait.column not in genotypes.samples:
        raise DatasetError(f"The samples have no column '{trait.column}'; their columns are {list(genotypes.samples)}.")
    column = genotypes.samples[trait.column]
    if trait.kind != "quantitative":
        return column.notna().to_numpy(dtype=bool).copy()
    try:
        values: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"The quantitative trait '{trait.column}' holds what is no number: {error}.") from error
    return np.isfinite(values)


def _texts(genotypes: Genotypes, trait: Trait) -> NDArray[Any]:
    return genotypes.samples[trait.column].astype(str).to_numpy(dtype=object)


def _places(texts: NDArray[Any], classes: tuple[str, ...], trait: Trait) -> NDArray[np.intp]:
    place = {name: number for number, name in enumerate(classes)}
    unknown = sorted(set(texts) - set(classes))
    if unknown:
        raise DatasetError(f"The class '{unknown[0]}' of '{trait.column}' is none of {', '.join(classes)}.")
    return np.array([place[text] for text in texts], dtype=np.intp)
