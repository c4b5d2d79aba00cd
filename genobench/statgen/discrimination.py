"""How well a number tells two groups apart: AUC with its standard error, and the true-positive rate at a false-positive rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def auc_with_standard_error(positives: ArrayLike, negatives: ArrayLike) -> tuple[float, float]:
    """Area under the ROC curve: the chance that a positive outranks a negative, a tie counting one half.

    Args:
        positives: Values of the positives, shape (n_positives,), at least two; higher means "positive".
        negatives: Values of the negatives, shape (n_negatives,), at least two.

    Returns:
        The AUC in [0, 1] and its standard error.

    Raises:
        ValueError: If a group has fewer than two values.

    References:
        DeLong E.R., DeLong D.M., Clarke-Pearson D.L. 1988. Biometrics 44: 837-845. https://doi.org/10.2307/2531595 ; by sorting, as in
        Sun X., Xu W. 2014. IEEE Signal Processing Letters 21: 1389-1393. https://doi.org/10.1109/LSP.2014.2337313
    """
    high, low = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    if len(high) < 2 or len(low) < 2:
        raise ValueError(f"an AUC with a standard error needs two values in each group; there are {len(high)} and {len(low)}.")
    # Shares of the other group below each value, ties counting one half: DeLong's structural components.
    beaten = _midrank_within(low, high) / len(low)
    unbeaten = 1 - _midrank_within(high, low) / len(high)
    variance = beaten.var(ddof=1) / len(high) + unbeaten.var(ddof=1) / len(low)
    return float(beaten.mean()), float(np.sqrt(variance))


def true_positive_rate(positives: ArrayLike, negatives: ArrayLike, *, false_positive_rate: float) -> float:
    """Share of positives found when at most the given share of negatives may be taken for positives.

    Args:
        positives: Values of the positives, shape (n_positives,); higher means "positive".
        negatives: Values of the negatives, shape (n_negatives,).
        false_positive_rate: In [0, 1).

    Returns:
        Share of positives, in [0, 1], above the lowest threshold that keeps to the rate; a tie with the threshold does not count as found.
    """
    low = np.sort(np.asarray(negatives, dtype=np.float64))[::-1]
    n_allowed = _n_allowed(len(low), false_positive_rate)
    return float(np.mean(np.asarray(positives, dtype=np.float64) > low[n_allowed]))


def true_positive_rate_interval(positives: ArrayLike, negatives: ArrayLike, *, false_positive_rate: float) -> tuple[float, float]:
    """95 % interval of the share of positives found at a false-positive rate.

    It holds both noises: of the positives, and of the threshold, which a few negatives place. With 292 negatives and 1,000 positives an
    interval that took the threshold as given would hold the truth at a rate of 10 % six times in ten, not 19 times in 20.

    Args:
        positives: Values of the positives, shape (n_positives,); higher means "positive".
        negatives: Values of the negatives, shape (n_negatives,).
        false_positive_rate: In [0, 1).

    Returns:
        Lower and upper bound in [0, 1].

    References:
        The distances of both bounds from the estimate are added in squares: Zou G.Y., Donner A. 2008. Construction of confidence limits
        about effect measures. Statistics in Medicine 27: 1693-1702. https://doi.org/10.1002/sim.3095 . That of the positives is
        Wilson's; that of the threshold lies where Wilson's bounds of the false-positive rate put it.
    """
    found, low = np.asarray(positives, dtype=np.float64), np.sort(np.asarray(negatives, dtype=np.float64))[::-1]
    n_allowed = _n_allowed(len(low), false_positive_rate)
    fewest, most = (bound * len(low) for bound in wilson_interval(n_allowed, len(low)))
    strict, rate, loose = (
        float(np.mean(found > low[place])) for place in (int(np.floor(fewest)), n_allowed, min(int(np.ceil(most)), len(low) - 1))
    )
    least, greatest = wilson_interval(round(rate * len(found)), len(found))
    return max(0.0, rate - float(np.hypot(rate - least, rate - strict))), min(1.0, rate + float(np.hypot(greatest - rate, loose - rate)))


def _n_allowed(n_negatives: int, false_positive_rate: float) -> int:
    return int(np.floor(false_positive_rate * n_negatives + 1e-9))


def wilson_interval(n_successes: int, n_trials: int) -> tuple[float, float]:
    """95 % interval of a share.

    Args:
        n_successes: From 0 to n_trials.
        n_trials: At least 1.

    Returns:
        Lower and upper bound in [0, 1].

    References:
        Wilson E.B. 1927. Journal of the American Statistical Association 22: 209-212. https://doi.org/10.1080/01621459.1927.10502953
    """
    z = 1.959963984540054
    share = n_successes / n_trials
    centre = (share + z**2 / (2 * n_trials)) / (1 + z**2 / n_trials)
    half = z * np.sqrt(share * (1 - share) / n_trials + z**2 / (4 * n_trials**2)) / (1 + z**2 / n_trials)
    # The bound beside a share of 0 or 1 is that share; arithmetic would leave a rounding error there.
    low = 0.0 if n_successes == 0 else float(centre - half)
    high = 1.0 if n_successes == n_trials else float(centre + half)
    return low, high


def _midrank_within(reference: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many reference values lie below each value, a tie counting one half."""
    ordered = np.sort(reference)
    return (np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")) / 2
