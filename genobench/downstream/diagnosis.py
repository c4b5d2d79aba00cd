"""What figures show of the predictions of a line: those of all its holdouts together, as a confusion matrix or by confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from genobench.downstream.measuring import judged
from genobench.errors import GenobenchError
from genobench.outcomes import Z_95

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from genobench.downstream.records import PredictionRecord

    Floats = NDArray[np.float64]
    Counts = NDArray[np.intp]

N_BINS: Final = 10


@dataclass(frozen=True, eq=False)
class Pooled:
    """Predictions for the holdouts of several splits and seeds.

    Args:
        truth: The place of each sample's class, or its value, shape (n_predictions,). A sample of several holdouts is there several times.
        predicted: Class probabilities, shape (n_predictions, n_classes), or values, shape (n_predictions,).
        n_holdouts: How many holdouts there are.
    """

    truth: Counts | Floats
    predicted: Floats
    n_holdouts: int


class Reliability(NamedTuple):
    """How often a call is right, by the probability of the called class; every class has the same weight, as in the calibration error.

    Args:
        middle: Of each bin that holds a call, shape (n_filled,).
        confidence: Mean probability of the called class in each, shape (n_filled,).
        share_right: Share of these calls that are right, shape (n_filled,).
        low: Lower limit of its 95 % interval, shape (n_filled,).
        high: Upper limit, shape (n_filled,).
        n_calls: Calls in each, over all holdouts, shape (n_filled,).
    """

    middle: Floats
    confidence: Floats
    share_right: Floats
    low: Floats
    high: Floats
    n_calls: Counts


def pooled(records: Iterable[PredictionRecord]) -> Pooled | str:
    """The predictions of one line.

    Args:
        records: Of one classifier, generator and arm, each with predictions.

    Returns:
        All of them; or why there are none.
    """
    found, reason = [], "no prediction"
    for record in records:
        try:
            found.append(judged(record))
        except GenobenchError as error:
            reason = str(error).rstrip(".")
    if not found:
        return reason
    return Pooled(np.concatenate([one.truth for one in found]), np.concatenate([one.predicted for one in found]), len(found))


def confusion(found: Pooled) -> Counts:
    """Samples of each class (rows) that are called each class (columns): the most probable one, the first of several.

    Args:
        found: Of classes.

    Returns:
        Shape (n_classes, n_classes), over all holdouts.
    """
    n_classes = found.predicted.shape[1]
    counts = np.zeros((n_classes, n_classes), dtype=np.intp)
    np.add.at(counts, (found.truth.astype(np.intp), found.predicted.argmax(axis=1)), 1)
    return counts


def reliability(found: Pooled, *, n_bins: int = N_BINS) -> Reliability:
    """Shares of right calls in bins of equal width over the probability of the called class, each bin with its upper end.

    The interval is that of one holdout: Wilson's, for as many samples as a holdout has in the bin on average, since holdouts have samples
    in common. Where weights differ, n is the number of equal weights that would have the same noise, (sum w)^2 / sum w^2.

    Args:
        found: Of classes.
        n_bins: From 0 to 1.

    References:
        Wilson E.B. 1927. Journal of the American Statistical Association 22: 209-212. https://doi.org/10.1080/01621459.1927.10502953.
        The number: Kish L. 1965. Survey Sampling, section 8.2.
    """
    true, called = found.truth.astype(np.intp), found.predicted.argmax(axis=1)
    confidence = found.predicted[np.arange(len(true)), called]
    weights = 1.0 / np.bincount(true)[true]
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.intp) - 1, 0, n_bins - 1)
    n_calls = np.bincount(bins, minlength=n_bins)
    is_filled = n_calls > 0

    def sums(values: Floats) -> Floats:
        totals: Floats = np.bincount(bins, values, minlength=n_bins)[is_filled].astype(np.float64)
        return totals

    weight = sums(weights)
    share = np.minimum(sums(weights * (called == true)) / weight, 1.0)
    n_equal = np.maximum(weight**2 / sums(weights**2) / found.n_holdouts, 1.0)
    low, high = np.array([_wilson(*pair) for pair in zip(share.tolist(), n_equal.tolist(), strict=True)]).reshape(-1, 2).T
    middle = (np.flatnonzero(is_filled) + 0.5) / n_bins
    return Reliability(middle, sums(weights * confidence) / weight, share, low, high, n_calls[is_filled])


def _wilson(share: float, n: float) -> tuple[float, float]:
    """95 % interval of a share of n samples, a number that need not be whole."""
    z2 = Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)
