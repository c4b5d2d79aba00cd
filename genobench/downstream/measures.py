"""Measures of prediction: which there are for a kind of trait, what they mean, and what they are worked out from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.contracts import ScoreSpec, TraitKind
from genobench.statgen import (
    accuracy_of_genetic_values,
    auroc,
    balanced_accuracy,
    balanced_brier,
    balanced_log_loss,
    calibration_line,
    expected_calibration_error,
    explained_share,
    macro_f1,
    mean_squared_error,
    pearson_r,
    quadratic_kappa,
    within_group_r,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CLASSES: Final[frozenset[TraitKind]] = frozenset({"categorical", "ordinal"})
_ORDINAL: Final[frozenset[TraitKind]] = frozenset({"ordinal"})
_VALUES: Final[frozenset[TraitKind]] = frozenset({"quantitative"})

_LIMITS: Final = {
    "share": (0.0, 1.0),
    "AUC": (0.0, 1.0),
    "correlation": (-1.0, 1.0),
    "kappa": (-1.0, 1.0),
    "share of variance": (-math.inf, 1.0),
    "nat": (0.0, math.inf),
    "squared probability": (0.0, 2.0),
    "squared unit of the trait": (0.0, math.inf),
}
"""The least and the greatest value that there can be, by unit."""

_ALIKE: Final = "the holdout's values are all alike"
_PREDICTED_ALIKE: Final = "the predictions are all alike"
_ONE_CLASS: Final = "the holdout has one class only"


@dataclass(frozen=True, eq=False)
class Judged:
    """Predictions for samples whose trait is known.

    Args:
        truth: The place of each sample's class, or its value, shape (n_samples,).
        predicted: Class probabilities, shape (n_samples, n_classes), or values, shape (n_samples,).
        families: A number that relatives share, shape (n_samples,).
        heritability: Of the trait; None where it is not known.
        covariate_groups: A number that samples with the same covariates of classes share, shape (n_samples,); None where there are none.
    """

    truth: NDArray[np.intp] | Floats
    predicted: Floats
    families: NDArray[np.intp]
    heritability: float | None
    covariate_groups: NDArray[np.intp] | None = None

    def rows(self, kept: NDArray[np.intp]) -> Judged:
        """Some of the samples."""
        groups = None if self.covariate_groups is None else self.covariate_groups[kept]
        return Judged(self.truth[kept], self.predicted[kept], self.families[kept], self.heritability, groups)


@dataclass(frozen=True)
class Measure:
    """A measure of predictions.

    Args:
        spec: Name, unit, direction, ideal, version; primary is the one that tables lead with.
        kinds: The kinds of trait that it is for.
        value: The measure of predictions; NaN where it is not defined.
        why_missing: Why it is not defined, where it is not.
    """

    spec: ScoreSpec
    kinds: frozenset[TraitKind]
    value: Callable[[Judged], float]
    why_missing: str = _ALIKE

    @property
    def name(self) -> str:
        """Its key."""
        return self.spec.name

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest value that there can be."""
        return _LIMITS.get(self.spec.unit, (-math.inf, math.inf))

    def goodness(self, value: Floats) -> Floats:
        """The measure turned so that higher is better: itself, its negative, or its negative distance from the ideal."""
        if self.spec.direction == "target":
            return -np.abs(value - (self.spec.ideal or 0.0))
        return value if self.spec.direction == "higher" else -value


def _r(judged: Judged) -> float:
    """0 where predictions are all alike but values are not: one that tells nothing must not drop out of a mean of correlations."""
    found = pearson_r(judged.truth, judged.predicted)
    return 0.0 if math.isnan(found) and float(np.ptp(judged.truth)) > 0 else found


def _r_over_h(judged: Judged) -> float:
    return math.nan if judged.heritability is None else accuracy_of_genetic_values(_r(judged), judged.heritability)


def _within_r(judged: Judged, groups: NDArray[np.intp] | None) -> float:
    """0 where predictions are all alike within each group but values are not."""
    if groups is None:
        return math.nan
    found = within_group_r(judged.truth, judged.predicted, groups)
    if math.isnan(found) and math.isfinite(within_group_r(judged.truth, judged.truth, groups)):
        return 0.0
    return found


MEASURES: Final[tuple[Measure, ...]] = (
    Measure(
        ScoreSpec("balanced_accuracy", "mean over classes of the share called right", "share", "higher", 1.0, 1, is_primary=True),
        _CLASSES,
        lambda judged: balanced_accuracy(judged.truth, judged.predicted),
    ),
    Measure(
        ScoreSpec("macro_f1", "mean over classes of F1", "share", "higher", 1.0, 1),
        _CLASSES,
        lambda judged: macro_f1(judged.truth, judged.predicted),
    ),
    Measure(
        ScoreSpec("auroc", "area under the ROC curve; of more than two classes the mean of each against the rest", "AUC", "higher", 1.0, 1),
        _CLASSES,
        lambda judged: auroc(judged.truth, judged.predicted),
        _ONE_CLASS,
    ),
    Measure(
        ScoreSpec("quadratic_kappa", "agreement in order beyond chance, weighted by squares", "kappa", "higher", 1.0, 1),
        _ORDINAL,
        lambda judged: quadratic_kappa(judged.truth, judged.predicted),
        _ONE_CLASS,
    ),
    Measure(
        ScoreSpec("log_loss", "mean over classes of the negative log probability of the true class", "nat", "lower", 0.0, 1),
        _CLASSES,
        lambda judged: balanced_log_loss(judged.truth, judged.predicted),
    ),
    Measure(
        ScoreSpec("brier", "mean over classes of the squared error of all probabilities", "squared probability", "lower", 0.0, 1),
        _CLASSES,
        lambda judged: balanced_brier(judged.truth, judged.predicted),
    ),
    Measure(
        ScoreSpec("calibration_error", "distance of confidence from the share called right, 10 bins", "share", "lower", 0.0, 1),
        _CLASSES,
        lambda judged: expected_calibration_error(judged.truth, judged.predicted),
    ),
    Measure(
        ScoreSpec(
            "pearson_r",
            "correlation of predicted and true values",
            "correlation",
            "higher",
            1.0,
            1,
            is_primary=True,
        ),
        _VALUES,
        _r,
    ),
    Measure(
        ScoreSpec("within_family_r", "correlation about the means of families, pooled", "correlation", "higher", 1.0, 1),
        _VALUES,
        lambda judged: _within_r(judged, judged.families),
        "no family in the holdout has two samples whose values differ",
    ),
    Measure(
        ScoreSpec(
            "within_covariates_r",
            "correlation about the means of samples with the same covariates (vendor, sex, batch), pooled",
            "correlation",
            "higher",
            1.0,
            1,
        ),
        _VALUES,
        lambda judged: _within_r(judged, judged.covariate_groups),
        "no covariate of the trait has classes, or no two samples with the same ones have values that differ",
    ),
    Measure(
        ScoreSpec("r_over_h", "correlation divided by the root of the heritability", "r/h", "higher", 1.0, 1),
        _VALUES,
        _r_over_h,
        f"the trait's heritability is not known, or {_ALIKE}",
    ),
    Measure(
        ScoreSpec("r2", "1 - squared error / squared deviation from the holdout's mean", "share of variance", "higher", 1.0, 1),
        _VALUES,
        lambda judged: explained_share(judged.truth, judged.predicted),
    ),
    Measure(
        ScoreSpec("mse", "mean squared error", "squared unit of the trait", "lower", 0.0, 1),
        _VALUES,
        lambda judged: mean_squared_error(judged.truth, judged.predicted),
    ),
    Measure(
        ScoreSpec("slope", "slope of the regression of true on predicted values", "ratio", "target", 1.0, 1),
        _VALUES,
        lambda judged: calibration_line(judged.truth, judged.predicted).slope,
        _PREDICTED_ALIKE,
    ),
    Measure(
        ScoreSpec("intercept", "intercept of the regression of true on predicted values", "unit of the trait", "target", 0.0, 1),
        _VALUES,
        lambda judged: calibration_line(judged.truth, judged.predicted).intercept,
        _PREDICTED_ALIKE,
    ),
)
"""All measures; of each kind of trait the primary one first."""


def measures_for(kind: TraitKind) -> tuple[Measure, ...]:
    """The measures of traits of this kind, the primary one first."""
    return tuple(measure for measure in MEASURES if kind in measure.kinds)
