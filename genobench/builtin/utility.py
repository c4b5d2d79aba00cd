"""Utility: a trait of the holdout, predicted by a classifier that was trained on synthetic samples only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import Comparison, Metric, Prediction, Predictions, Score, ScoreSpec, Trait
from genobench.builtin.estimates import jackknifed
from genobench.statgen import balanced_accuracy, balanced_log_loss, explained_share, pearson_r, sample_groups

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_N_GROUPS: Final = 20
_NOBODY: Final = "The trait is known of no holdout sample."


@dataclass(frozen=True)
class TrainOnSyntheticValues(Metric):
    """Prediction of a quantitative trait in the holdout by a classifier trained on synthetic samples.

    Standard errors leave out a group of holdout families at a time; the training samples are taken as given.

    Args:
        classifier: Its name among the installed classifiers.
    """

    classifier: str = "ridge"

    family = "utility"
    scores: ClassVar = (
        ScoreSpec(
            name="tstr_pearson_r",
            summary="correlation of predicted and true values in the holdout, trained on synthetic samples",
            unit="correlation",
            direction="higher",
            ideal=1.0,
            version=2,
            is_primary=True,
        ),
        ScoreSpec(
            name="tstr_r2",
            summary="1 - squared error / squared deviation from the holdout's mean, trained on synthetic samples",
            unit="share of variance",
            direction="higher",
            ideal=1.0,
            version=2,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Predictions, ...]:  # noqa: ARG002 - the same for every trait
        """The holdout predicted from synthetic samples."""
        return (Predictions(self.classifier, "synthetic"),)

    def applies_to(self, trait: Trait) -> bool:
        """Quantitative traits only."""
        return trait.kind == "quantitative"

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """Correlation and explained share of variance."""
        prediction = comparison.results[self.needs(comparison.trait)[0]]
        if isinstance(prediction, str):
            return tuple(Score(spec.name, float("nan"), reason=prediction) for spec in self.scores)
        prediction = _of_rows(prediction, np.isfinite(np.asarray(prediction.truth, dtype=np.float64)))
        truth = np.asarray(prediction.truth, dtype=np.float64)
        if not len(truth):
            return tuple(Score(spec.name, float("nan"), reason=_NOBODY) for spec in self.scores)
        return (
            _with_jackknife("tstr_pearson_r", prediction, lambda rows: pearson_r(truth[rows], prediction.predicted[rows]), seed=seed),
            _with_jackknife("tstr_r2", prediction, lambda rows: explained_share(truth[rows], prediction.predicted[rows]), seed=seed),
        )


@dataclass(frozen=True)
class TrainOnSyntheticClasses(Metric):
    """Prediction of the holdout's classes by a classifier trained on synthetic samples.

    Both scores weigh classes the same, however many samples they have. Standard errors leave out a group of holdout families at a time;
    the training samples are taken as given.

    Args:
        classifier: Its name among the installed classifiers.
    """

    classifier: str = "logistic"

    family = "utility"
    scores: ClassVar = (
        ScoreSpec(
            name="tstr_balanced_accuracy",
            summary="mean over classes of the share of the holdout predicted right, trained on synthetic samples",
            unit="share",
            direction="higher",
            ideal=1.0,
            version=3,
            is_primary=True,
        ),
        ScoreSpec(
            name="tstr_log_loss",
            summary="mean over classes of the mean negative log probability of the true class, trained on synthetic samples",
            unit="nat",
            direction="lower",
            ideal=0.0,
            version=3,
        ),
    )

    def needs(self, trait: Trait) -> tuple[Predictions, ...]:  # noqa: ARG002 - the same for every trait
        """The holdout predicted from synthetic samples."""
        return (Predictions(self.classifier, "synthetic"),)

    def applies_to(self, trait: Trait) -> bool:
        """Traits with classes only."""
        return trait.kind != "quantitative"

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """Balanced accuracy and balanced log loss."""
        prediction = comparison.results[self.needs(comparison.trait)[0]]
        if isinstance(prediction, str):
            return tuple(Score(spec.name, float("nan"), reason=prediction) for spec in self.scores)
        prediction = _of_rows(prediction, np.asarray(prediction.truth) != "")
        if not len(prediction.truth):
            return tuple(Score(spec.name, float("nan"), reason=_NOBODY) for spec in self.scores)
        place = {label: number for number, label in enumerate(prediction.classes)}
        unknown = sorted({str(label) for label in prediction.truth} - set(place))
        if unknown:
            reason = f"The holdout has the class '{unknown[0]}', which the classifier '{self.classifier}' was never told of."
            return tuple(Score(spec.name, float("nan"), reason=reason) for spec in self.scores)
        truth = np.array([place[str(label)] for label in prediction.truth], dtype=np.intp)
        told = prediction.predicted
        return (
            _with_jackknife("tstr_balanced_accuracy", prediction, lambda rows: balanced_accuracy(truth[rows], told[rows]), seed=seed),
            _with_jackknife("tstr_log_loss", prediction, lambda rows: balanced_log_loss(truth[rows], told[rows]), seed=seed),
        )


def _of_rows(prediction: Prediction, is_kept: NDArray[np.bool_]) -> Prediction:
    return replace(prediction, truth=prediction.truth[is_kept], predicted=prediction.predicted[is_kept], groups=prediction.groups[is_kept])


def _with_jackknife(name: str, prediction: Prediction, estimate: Callable[[NDArray[np.intp]], float], *, seed: int) -> Score:
    """The score over all of the holdout, its standard error from leaving out groups of families."""
    n_samples = len(prediction.truth)
    value = estimate(np.arange(n_samples))
    if not np.isfinite(value):
        reason = "The holdout's values, or the predictions for them, are all alike, so there is nothing to correlate."
        return Score(name, float("nan"), reason=reason)
    groups = sample_groups(prediction.groups, n_samples, seed=seed, n_groups=_N_GROUPS)
    sizes = np.bincount(groups)
    deleted = [estimate(np.flatnonzero(groups != group)) for group in range(len(sizes))]
    return jackknifed(name, value, deleted, sizes)
