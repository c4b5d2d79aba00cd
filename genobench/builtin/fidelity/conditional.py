"""Fidelity: does the trait that a synthetic sample carries go with its genotypes, as it does in real ones?

A classifier trained on the holdout predicts the trait of synthetic samples from their calls, and that of training samples. Both are new to
it, so neither is favoured; trained on train it would know the samples that a generator copied. Where samples come from several
populations everything is done within them: a trait that goes with the population alone carries no genotypes of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import Metric, Predictions, ScoreSpec
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.statgen import sample_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from genobench import Comparison, Genotypes, Prediction, Score, Trait

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]
    Estimate = Callable[[Indices], float]

_N_GROUPS: Final = 20
_FEWEST: Final = 10
_ROUNDING: Final = 1e-12


@dataclass(frozen=True)
class ConditionalValues(Metric):
    """Correlation of a quantitative trait with what the genotypes say of it, in synthetic samples less in real ones.

    Below 0 the generated trait goes with the genotypes less than it should, above 0 more. Values and predictions are taken from their mean
    in each population. The predictor is taken as given: standard errors leave out a group of synthetic and one of training samples at a
    time, relatives together.

    Args:
        classifier: Its name among the installed classifiers.
        population_columns: The first of these columns that both sides have says the population.
    """

    classifier: str = "ridge"
    population_columns: tuple[str, ...] = ("population", "vendor", "breed")

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="conditional_values_gap",
            summary="correlation of predicted and carried trait in synthetic samples less that in real ones, within populations",
            unit="correlation",
            direction="target",
            ideal=0.0,
            version=2,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Predictions, ...]:  # noqa: ARG002 - the same for every trait
        """Synthetic and training samples predicted from the holdout."""
        return _requests(self.classifier)

    def applies_to(self, trait: Trait) -> bool:
        """Quantitative traits only."""
        return trait.kind == "quantitative"

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The difference of the two correlations."""
        return _gap(self.scores[0].name, self.classifier, comparison, self.population_columns, _correlation, seed=seed)


@dataclass(frozen=True)
class ConditionalClasses(Metric):
    """How well the genotypes tell the classes that samples carry, in synthetic samples less in real ones.

    "How well" is the AUC of a class's predicted probability between its samples and the others of the same population: over all such
    pairs for each class, and then averaged over classes. Below 0 the generated class goes with the
    genotypes less than it should, above 0 more. Noise as for `ConditionalValues`.

    Args:
        classifier: Its name among the installed classifiers.
        population_columns: The first of these columns that both sides have says the population.
    """

    classifier: str = "logistic"
    population_columns: tuple[str, ...] = ("population", "vendor", "breed")

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="conditional_classes_gap",
            summary="AUC of telling carried classes by genotypes in synthetic samples less that in real ones, within populations",
            unit="AUC",
            direction="target",
            ideal=0.0,
            version=3,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Predictions, ...]:  # noqa: ARG002 - the same for every trait
        """Synthetic and training samples predicted from the holdout."""
        return _requests(self.classifier)

    def applies_to(self, trait: Trait) -> bool:
        """Traits with classes only."""
        return trait.kind != "quantitative"

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The difference of the two AUCs."""
        return _gap(self.scores[0].name, self.classifier, comparison, self.population_columns, _class_auc, seed=seed)


def _requests(classifier: str) -> tuple[Predictions, Predictions]:
    return (Predictions(classifier, "holdout", "synthetic"), Predictions(classifier, "holdout", "train"))


def _gap(
    name: str,
    classifier: str,
    comparison: Comparison,
    columns: tuple[str, ...],
    estimate_of: Callable[[Prediction, Indices], Estimate],
    *,
    seed: int,
) -> tuple[Score, ...]:
    """What an estimate gives for synthetic samples less what it gives for training samples."""
    predictions = [comparison.results[request] for request in _requests(classifier)]
    reasons = [prediction for prediction in predictions if isinstance(prediction, str)]
    if reasons:
        return all_missing((name,), reasons[0])
    sides = (comparison.synthetic, comparison.train)
    estimates = [estimate_of(*pair) for pair in zip(predictions, _populations(sides, columns), strict=True)]
    known = [np.flatnonzero(_is_known(genotypes, comparison.trait)) for genotypes in sides]
    families = (None, comparison.groups.get("train"))
    groups = [
        sample_groups(family, genotypes.n_samples, seed=seed, n_groups=_N_GROUPS) for family, genotypes in zip(families, sides, strict=True)
    ]

    def gap(left_out: int) -> float:
        of_synthetic, of_train = (
            estimate(rows[group[rows] != left_out]) for estimate, rows, group in zip(estimates, known, groups, strict=True)
        )
        return of_synthetic - of_train

    n_groups = max(int(group.max(initial=-1)) for group in groups) + 1
    sizes = sum(np.bincount(group[rows], minlength=n_groups) for rows, group in zip(known, groups, strict=True))
    reason = (
        f"'{comparison.trait.column}' and its predictions must vary within a population of at least {_FEWEST} samples, "
        "among synthetic and among training samples, and they do not."
    )
    return (jackknifed(name, gap(-1), [gap(group) for group in range(n_groups)], sizes, reason=reason),)


def _populations(sides: tuple[Genotypes, Genotypes], columns: tuple[str, ...]) -> list[Indices]:
    """The population of each sample of each side, numbered from 0; one population where no column says it."""
    column = next((name for name in columns if all(name in side.samples for side in sides)), None)
    if column is None:
        return [np.zeros(side.n_samples, dtype=np.intp) for side in sides]
    return [np.unique(side.samples[column].astype(str).to_numpy(dtype=object), return_inverse=True)[1] for side in sides]


def _is_known(genotypes: Genotypes, trait: Trait) -> NDArray[np.bool_]:
    is_known: NDArray[np.bool_] = genotypes.samples[trait.column].notna().to_numpy(dtype=bool)
    return is_known


def _correlation(prediction: Prediction, populations: Indices) -> Estimate:
    """Correlation within populations, of some rows."""
    values = np.stack([np.asarray(prediction.truth, dtype=np.float64), prediction.predicted])

    def estimate(rows: Indices) -> float:
        centred = []
        for population in np.unique(populations[rows]):
            inside = values[:, rows[populations[rows] == population]]
            if inside.shape[1] >= _FEWEST:
                centred.append(inside - inside.mean(axis=1, keepdims=True))
        if not centred:
            return float("nan")
        truth, predicted = np.concatenate(centred, axis=1)
        # Predictions that differ by rounding alone are alike.
        scale = np.sqrt(len(truth)) * _ROUNDING * (1 + np.abs(prediction.predicted).max())
        spreads = np.sqrt(np.sum(truth**2)), np.sqrt(np.sum(predicted**2))
        return float(truth @ predicted / (spreads[0] * spreads[1])) if spreads[0] > 0 and spreads[1] > scale else float("nan")

    return estimate


def _class_auc(prediction: Prediction, populations: Indices) -> Estimate:
    """Mean over classes of the AUC of each class's probability within populations, of some rows."""
    labels = np.asarray(prediction.truth).astype(str)

    def estimate(rows: Indices) -> float:
        inside = [rows[populations[rows] == population] for population in np.unique(populations[rows])]
        inside = [places for places in inside if len(places) >= _FEWEST]
        aucs = []
        for column, label in enumerate(prediction.classes):
            won = n_pairs = 0.0
            for places in inside:
                is_in_class = labels[places] == label
                probabilities = prediction.predicted[places, column]
                won += _pairs_won(probabilities[is_in_class], probabilities[~is_in_class])
                n_pairs += np.count_nonzero(is_in_class) * np.count_nonzero(~is_in_class)
            if n_pairs:
                aucs.append(won / n_pairs)
        return float(np.mean(aucs)) if aucs else float("nan")

    return estimate


def _pairs_won(high: Floats, low: Floats) -> float:
    """In how many pairs the first outranks the second, a tie counting one half."""
    ordered = np.sort(low)
    return float(np.searchsorted(ordered, high, side="left").sum() + np.searchsorted(ordered, high, side="right").sum()) / 2
