"""How well a number tells two groups apart: AUC, true-positive rate at a false-positive rate, advantage, who stands out from all.

Each comes with an interval that holds the noise of both groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.special import kolmogi, stdtrit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

FEWEST_FAMILIES: Final = 20
"""With fewer families than this an AUC's interval takes samples one by one: few clusters tell a variance badly."""


def auc_with_standard_error(
    positives: ArrayLike, negatives: ArrayLike, *, families: tuple[ArrayLike, ArrayLike] | None = None
) -> tuple[float, float]:
    """Area under the ROC curve: the chance that a positive outranks a negative, a tie counting one half.

    Args:
        positives: Values of the positives, shape (n_positives,), at least two; higher means "positive".
        negatives: Values of the negatives, shape (n_negatives,), at least two.
        families: A number per positive and a number per negative that relatives share, shapes (n_positives,) and (n_negatives,). Values
            of one family may hang together, and a family may hold positives and negatives. None: every value stands alone.

    Returns:
        The AUC in [0, 1] and its standard error.

    Raises:
        ValueError: If a group has fewer than two values.

    References:
        DeLong E.R., DeLong D.M., Clarke-Pearson D.L. 1988. Biometrics 44: 837-845. https://doi.org/10.2307/2531595 ; by sorting, as in
        Sun X., Xu W. 2014. IEEE Signal Processing Letters 21: 1389-1393. https://doi.org/10.1109/LSP.2014.2337313 ; with families
        Obuchowski N.A. 1997. Nonparametric analysis of clustered ROC curve data. Biometrics 53: 567-578, which is DeLong's where every
        family has one value. https://doi.org/10.2307/2533958
    """
    auc, variances = _auc_with_variances(positives, negatives, families)
    return auc, float(np.sqrt(max(0.0, sum(variances))))


def auc_with_interval(
    positives: ArrayLike, negatives: ArrayLike, *, families: tuple[ArrayLike, ArrayLike] | None = None
) -> tuple[float, tuple[float, float]]:
    """The AUC and its 95 % interval, by Student's t.

    Where the groups are parted in full, or as good as, DeLong's variance is zero or nearly so; Wilson's interval of a share of 0 or 1 in
    the smaller group then says how sure that is.

    Args:
        positives: Values of the positives, shape (n_positives,), at least two; higher means "positive".
        negatives: Values of the negatives, shape (n_negatives,), at least two.
        families: As in `auc_with_standard_error`; passed over where there are fewer than `FEWEST_FAMILIES`.

    Returns:
        The AUC in [0, 1], and the lower and the upper bound.

    Raises:
        ValueError: If a group has fewer than two values.

    References:
        The degrees of freedom are Welch's, or the number of families less one. Welch B.L. 1947. Biometrika 34: 28-35.
        https://doi.org/10.1093/biomet/34.1-2.28
    """
    n_positives, n_negatives = np.size(positives), np.size(negatives)
    n_families = 0 if families is None else len(np.unique(np.concatenate([np.ravel(side) for side in families])))
    is_clustered = FEWEST_FAMILIES <= n_families < n_positives + n_negatives
    auc, variances = _auc_with_variances(positives, negatives, families if is_clustered else None)
    variance = max(0.0, sum(variances))
    n_smaller = min(n_positives, n_negatives)
    n_found = round(auc * n_smaller)
    if n_found in {0, n_smaller}:
        return auc, wilson_interval(n_found, n_smaller)
    if variance == 0:
        return auc, (auc, auc)
    of_positives, of_negatives, _ = variances
    welch = (of_positives + of_negatives) ** 2 / (of_positives**2 / (n_positives - 1) + of_negatives**2 / (n_negatives - 1))
    half = float(stdtrit(n_families - 1 if is_clustered else welch, 0.975)) * float(np.sqrt(variance))
    return auc, (max(0.0, auc - half), min(1.0, auc + half))


def _auc_with_variances(
    positives: ArrayLike, negatives: ArrayLike, families: tuple[ArrayLike, ArrayLike] | None
) -> tuple[float, tuple[float, float, float]]:
    """The AUC, and what positives, negatives and families that hold both add to its variance."""
    high, low = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    if len(high) < 2 or len(low) < 2:
        raise ValueError(f"an AUC with a standard error needs two values in each group; there are {len(high)} and {len(low)}.")
    # Shares of the other group below each value, ties counting one half: DeLong's structural components.
    beaten = _midrank_within(low, high) / len(low)
    unbeaten = 1 - _midrank_within(high, low) / len(high)
    auc = float(beaten.mean())
    if families is None:
        return auc, (float(beaten.var(ddof=1)) / len(high), float(unbeaten.var(ddof=1)) / len(low), 0.0)
    labels = np.unique(np.concatenate([np.ravel(side) for side in families]), return_inverse=True)[1]
    of_positives, of_negatives = labels[: len(high)], labels[len(high) :]
    n_families = int(labels.max()) + 1
    first = np.bincount(of_positives, beaten - auc, minlength=n_families)
    second = np.bincount(of_negatives, unbeaten - auc, minlength=n_families)
    sums = (float(first @ first), float(second @ second), 2 * float(first @ second))
    counts = (len(np.unique(of_positives)), len(np.unique(of_negatives)), n_families)
    sizes = (len(high) ** 2, len(low) ** 2, len(high) * len(low))
    terms = [count / (count - 1) * total / size for count, total, size in zip(counts, sums, sizes, strict=True)]
    return auc, (terms[0], terms[1], terms[2])


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


class ShareAbove(NamedTuple):
    """Positives that stand out from all negatives.

    Args:
        share: Share of positives above every negative.
        interval: Of its expectation over draws of the negatives, 95 %.
    """

    share: float
    interval: tuple[float, float]


def share_above_all(positives: ArrayLike, negatives: ArrayLike) -> ShareAbove:
    """Share of positives above every negative.

    Each of m positives stands above all n negatives with chance 1 / (n + 1) if they are exchangeable: the largest of n + 1 values is as
    likely any of them. That k or more of them do has the chance m (m - 1) ... / ((m + n) (m + n - 1) ...), k factors each. The interval
    takes a part of the positives as above whatever negatives are drawn, and the others as exchangeable with the negatives.

    Args:
        positives: Values of the positives, shape (n_positives,), at least one; higher means "positive". A tie is not above.
        negatives: Values of the negatives, shape (n_negatives,), at least one.

    Returns:
        The share and its interval.

    References:
        A closed argument; the same as for conformal p-values: Bates S. et al. 2023. Testing for outliers with conformal p-values. Annals of
        Statistics 51: 149-178. https://doi.org/10.1214/22-AOS2244
    """
    found = np.asarray(positives, dtype=np.float64)
    n_positives, n_negatives = len(found), np.size(negatives)
    n_above = int(np.count_nonzero(found > np.max(negatives)))
    by_chance = 1 / (n_negatives + 1)
    places = np.arange(n_positives)
    at_least = np.cumprod((n_positives - places) / (n_positives + n_negatives - places))
    # The least number that chance exceeds in one case of forty at most.
    n_by_chance = int(np.argmax(at_least <= 0.025)) if at_least[-1] <= 0.025 else n_positives
    bounds = [sure / n_positives for sure in (max(0, n_above - n_by_chance), n_above)]
    low, high = (sure + (1 - sure) * by_chance for sure in bounds)
    share = n_above / n_positives
    return ShareAbove(share, (min(low, share), max(high, share)))


def best_advantage(positives: ArrayLike, negatives: ArrayLike) -> tuple[float, tuple[float, float]]:
    """The largest true-positive rate less false-positive rate over all thresholds: the Kolmogorov-Smirnov distance to one side.

    Chosen on the very values that it is stated for, it lies above zero where nothing tells the groups apart: at about
    0.6 sqrt(1 / n_positives + 1 / n_negatives). The interval is that of all thresholds at once, so it holds for the best one.

    Args:
        positives: Values of the positives, shape (n_positives,), at least one; higher means "positive".
        negatives: Values of the negatives, shape (n_negatives,), at least one.

    Returns:
        The advantage in [0, 1] and its 95 % interval.

    References:
        Yeom S. et al. 2018. Privacy risk in machine learning: analyzing the connection to overfitting. IEEE Computer Security Foundations
        Symposium: 268-282. https://doi.org/10.1109/CSF.2018.00027 ; the interval by the largest distance of two empirical
        distributions from the true ones, Smirnov N. 1948. Annals of Mathematical Statistics 19: 279-281.
        https://doi.org/10.1214/aoms/1177730256
    """
    high, low = np.sort(np.asarray(positives, dtype=np.float64)), np.sort(np.asarray(negatives, dtype=np.float64))
    thresholds = np.concatenate([high, low])
    missed = np.searchsorted(high, thresholds, side="right") / len(high)
    spared = np.searchsorted(low, thresholds, side="right") / len(low)
    advantage = max(0.0, float((spared - missed).max()))
    half = float(kolmogi(0.05)) * float(np.sqrt(1 / len(high) + 1 / len(low)))
    return advantage, (max(0.0, advantage - half), min(1.0, advantage + half))


def _midrank_within(reference: Floats, values: Floats) -> Floats:
    """How many reference values lie below each value, a tie counting one half."""
    ordered = np.sort(reference)
    return (np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")) / 2
