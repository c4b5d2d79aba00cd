"""Arms against each other on the same holdouts: means over splits and seeds, paired differences, and relative utility, with intervals.

A difference is taken within each pair of split and seed, so that what a split does to both arms cancels. Its noise within a pair is that
of the holdout, by leaving out the same groups of families from both arms; between pairs it is the spread. Both are joined as for a score
(`genobench.leaderboard.estimates`): what is added to spread/n is the greater of the overlap of training sets as Nadeau and Bengio take
it, and the jackknife's variance of the holdout times the share of samples that holdouts have in common.

Differences are gains: above 0 the first arm is better, whether higher, lower or nearer to an ideal is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from genobench.leaderboard.estimates import error_of_mean
from genobench.statgen import jackknife_standard_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from genobench.downstream.measures import Measure, Measured

    Floats = NDArray[np.float64]

Pair = tuple[str, int]
"""A split's sha256 and a seed."""

_OTHER_SAMPLES: Final = "the two arms were not judged on the same samples"
_NOT_BOTH: Final = "no pair of split and seed has both"
_N_ANGLES: Final = 181
_N_HALVINGS: Final = 50


@dataclass(frozen=True)
class Estimate:
    """A mean over splits, each with the mean of its seeds.

    Args:
        mean: NaN where there is none.
        standard_error: None where no noise is known: no jackknife, and no spread of holdouts either.
        degrees: Of freedom, for Student's t.
        n_splits: Splits that have it.
        n_pairs: Pairs of split and seed that have it.
        reasons: Why pairs lack it, each once.
        limits: The least and the greatest value that there can be; the interval is cut there.
    """

    mean: float
    standard_error: float | None
    degrees: float
    n_splits: int
    n_pairs: int
    reasons: tuple[str, ...] = ()
    limits: tuple[float, float] = (-math.inf, math.inf)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, by Student's t; None where no noise is known."""
        half = self._errors(0.975)
        return None if half is None else (max(self.limits[0], self.mean - half), min(self.limits[1], self.mean + half))

    @property
    def p_value(self) -> float:
        """Two-sided, of a mean of 0; NaN where no noise is known."""
        from scipy.special import stdtr

        if self.standard_error is None or not math.isfinite(self.mean):
            return math.nan
        if self.standard_error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return 2 * float(stdtr(self.degrees, -abs(self.mean) / self.standard_error))

    @property
    def verdict(self) -> Literal["helps", "harms", "no difference seen"] | None:
        """Of a gain: whether it is clear of 0; None where no noise is known."""
        interval = self.interval
        if interval is None or not math.isfinite(self.mean):
            return None
        return "helps" if interval[0] > 0 else "harms" if interval[1] < 0 else "no difference seen"

    @property
    def least_visible(self) -> float | None:
        """The gain that would have been clear of 0 four times in five, had it been there; None where no noise is known."""
        half, more = self._errors(0.975), self._errors(0.8)
        return None if half is None or more is None else half + more

    def _errors(self, quantile: float) -> float | None:
        """So many standard errors."""
        from scipy.special import stdtrit

        return None if self.standard_error is None else float(stdtrit(self.degrees, quantile)) * self.standard_error


@dataclass(frozen=True)
class RelativeUtility:
    """What share of the gain of real samples over covariates alone an arm has.

    Args:
        value: (arm - covariates) / (real - covariates); NaN where there is none.
        interval: 95 %, by Fieller's theorem; None where there is none.
        reason: Why there is none; "" where there is one.
    """

    value: float
    interval: tuple[float, float] | None
    reason: str = ""


def mean_of(side: Mapping[Pair, Measured], *, measure: Measure, shared: float) -> Estimate:
    """A measure of one arm, averaged.

    Args:
        side: The measure of each pair of split and seed.
        measure: Which measure it is.
        shared: The share of all samples that is in a holdout; 1 where all splits have one holdout.
    """
    rows = [_Row(pair[0], (one.value,), one.deleted[:, None], one.sizes, one.reason) for pair, one in side.items()]
    return replace(_mean(rows, shared=shared), limits=measure.limits)


def gain(first: Mapping[Pair, Measured], second: Mapping[Pair, Measured], *, measure: Measure, shared: float) -> Estimate:
    """By how much the first arm is better than the second, averaged over the pairs of split and seed that both have.

    Args:
        first: The measure of each pair of split and seed of the first arm.
        second: Of the second; where a split has no such seed, as with arms that no generator has a part in, the split's first.
        measure: Which measure it is.
        shared: The share of all samples that is in a holdout; 1 where all splits have one holdout.
    """
    return _mean(_contrasts((first, second), ((1.0, -1.0),), measure), shared=shared)


def relative_utility(
    *,
    arm: Mapping[Pair, Measured],
    real: Mapping[Pair, Measured],
    covariates: Mapping[Pair, Measured],
    measure: Measure,
    shared: float,
) -> RelativeUtility:
    """What share of the gain of real samples over covariates alone an arm has.

    The interval holds every share u for which the mean of (arm - covariates) - u (real - covariates) has an interval with 0 in it, by the
    same rule as any other mean here. It is bounded because the interval of real - covariates must lie above 0; else there is no share.

    Args:
        arm: The measure of each pair of split and seed.
        real: Of training on real samples.
        covariates: Of covariates alone.
        measure: Which measure it is.
        shared: The share of all samples that is in a holdout; 1 where all splits have one holdout.

    References:
        Fieller E.C. 1954. Some problems in interval estimation. Journal of the Royal Statistical Society B 16: 175-185.
        https://doi.org/10.1111/j.2517-6161.1954.tb00159.x
    """
    rows = _contrasts((arm, real, covariates), ((1.0, 0.0, -1.0), (0.0, 1.0, -1.0)), measure)
    below = _mean([row.combined((0.0, 1.0)) for row in rows], shared=shared)
    if math.isnan(below.mean):
        return RelativeUtility(math.nan, None, "; ".join(below.reasons) or _NOT_BOTH)
    interval = below.interval
    if interval is None:
        return RelativeUtility(math.nan, None, "the noise of real samples' gain over covariates alone is not known")
    if interval[0] <= 0:
        found = "are worse than covariates alone" if interval[1] < 0 else "are not clearly better than covariates alone"
        return RelativeUtility(math.nan, None, f"real samples {found}, so there is no gain to have a share of")
    share = _mean([row.combined((1.0, 0.0)) for row in rows], shared=shared).mean / below.mean
    noise = _Noise.of(rows, shared=shared)
    return RelativeUtility(share, tuple(_last_within(noise, share, side) for side in (-1, 1)))  # type: ignore[arg-type]


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values for as many comparisons as there are, so that the chance of a single false one is kept.

    Args:
        p_values: Of each comparison; NaN where there is none.

    Returns:
        Adjusted, in the order given; NaN stays NaN and does not count.

    References:
        Holm S. 1979. A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6: 65-70.
        https://www.jstor.org/stable/4615733
    """
    order = sorted((value, place) for place, value in enumerate(p_values) if not math.isnan(value))
    adjusted, least = [math.nan] * len(p_values), 0.0
    for rank, (value, place) in enumerate(order):
        least = max(least, min(1.0, value * (len(order) - rank)))
        adjusted[place] = least
    return adjusted


@dataclass(frozen=True, eq=False)
class _Row:
    """One or more numbers of a pair of split and seed, and what they are without each group of families.

    Args:
        split: The split.
        values: Shape (n_numbers,).
        deleted: Shape (n_groups, n_numbers).
        sizes: Samples in each group, shape (n_groups,).
        reason: Why they are NaN.
    """

    split: str
    values: tuple[float, ...]
    deleted: Floats
    sizes: NDArray[np.intp]
    reason: str = ""

    def combined(self, weights: tuple[float, ...]) -> _Row:
        """The weighted sum of its numbers."""
        total = float(np.dot(weights, self.values))
        return _Row(self.split, (total,), (self.deleted @ np.asarray(weights))[:, None], self.sizes, self.reason)

    @property
    def error(self) -> float:
        """Of its first number, by the jackknife; NaN where it cannot be had."""
        return jackknife_standard_error(self.values[0], self.deleted[:, 0], self.sizes)


@dataclass(frozen=True, eq=False)
class _Noise:
    """Means of two numbers over splits, and the two kinds of noise in them, from which those of any sum of both follow.

    Args:
        mean: Shape (2,).
        spread: Covariance between splits (or the seeds of one), shape (2, 2); zeros for a single pair.
        holdout: Mean covariance by the jackknife, shape (2, 2).
        n_units: Splits, or seeds of a single one.
        shared: The share of all samples that is in a holdout; 1 for a single split.
        n_groups: The groups of a jackknife.
    """

    mean: Floats
    spread: Floats
    holdout: Floats
    n_units: int
    shared: float
    n_groups: int

    @classmethod
    def of(cls, rows: Sequence[_Row], *, shared: float) -> _Noise:
        present = [row for row in rows if not row.reason]
        means, n_splits = _split_means(present)
        units = means if n_splits > 1 else np.array([row.values for row in present])
        known = [row for row in present if math.isfinite(row.error)]
        sums = [_Row(row.split, (row.values[0] + row.values[1],), row.deleted.sum(axis=1)[:, None], row.sizes).error for row in known]
        each = [[_Row(row.split, (row.values[i],), row.deleted[:, [i]], row.sizes).error for i in (0, 1)] for row in known]
        holdout = np.zeros((2, 2))
        for total, (one, other) in zip(sums, each, strict=True):
            cross = (total**2 - one**2 - other**2) / 2
            holdout += np.array([[one**2, cross], [cross, other**2]]) / len(known)
        return cls(
            mean=means.mean(axis=0),
            spread=np.cov(units, rowvar=False) if len(units) > 1 else np.zeros((2, 2)),
            holdout=holdout,
            n_units=len(units),
            shared=shared if n_splits > 1 else 1.0,
            n_groups=max((len(row.sizes) for row in known), default=0),
        )

    def excludes_zero(self, weights: Floats) -> bool:
        """Whether the weighted sum of both is clear of 0."""
        from scipy.special import stdtrit

        spread, noise = (max(0.0, float(weights @ matrix @ weights)) for matrix in (self.spread, self.holdout))
        if self.n_units > 1:
            error, degrees = error_of_mean(spread=spread, noise=noise, n_units=self.n_units, shared=self.shared)
        else:
            error, degrees = math.sqrt(noise), self.n_groups - 1
        return abs(float(weights @ self.mean)) > float(stdtrit(degrees, 0.975)) * error


def _last_within(noise: _Noise, share: float, side: int) -> float:
    """The farthest share on one side of the estimate that the data do not exclude.

    Shares are walked through as angles, which reach infinity; there the interval of the denominator excludes 0, so the walk ends.
    """

    def excluded(angle: float) -> bool:
        return noise.excludes_zero(np.array([1.0, -(share + side * math.tan(angle))]))

    angles = np.linspace(0, math.pi / 2, _N_ANGLES)[:-1]
    inside = max(place for place, angle in enumerate(angles) if place == 0 or not excluded(float(angle)))
    low, high = float(angles[inside]), float(angles[inside + 1]) if inside + 1 < len(angles) else math.pi / 2
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if excluded(middle) else (middle, high)
    return share + side * math.tan(low)


def _contrasts(sides: Sequence[Mapping[Pair, Measured]], weights: Sequence[tuple[float, ...]], measure: Measure) -> list[_Row]:
    """Weighted sums of the goodness of several arms, for each pair of the first that all have."""
    rows = []
    for split, seed in sides[0]:
        found = [sides[0][split, seed], *(_beside(side, split, seed) for side in sides[1:])]
        reasons = ["no prediction" if one is None else one.reason for one in found]
        reason = next(filter(None, reasons), "")
        present = [one for one in found if one is not None]
        if not reason and any(one.samples != present[0].samples for one in present):
            reason = _OTHER_SAMPLES
        if reason:
            rows.append(_Row(split, (math.nan,) * len(weights), np.empty((0, len(weights))), np.empty(0, dtype=np.intp), reason))
            continue
        values = measure.goodness(np.array([one.value for one in present]))
        deleted = measure.goodness(np.column_stack([one.deleted for one in present]))
        matrix = np.array(weights).T
        rows.append(_Row(split, tuple((values @ matrix).tolist()), deleted @ matrix, present[0].sizes))
    return rows


def _beside(side: Mapping[Pair, Measured], split: str, seed: int) -> Measured | None:
    """What stands beside a pair: that of the same seed, or the split's first."""
    if (split, seed) in side:
        return side[split, seed]
    seeds = sorted(other for sha256, other in side if sha256 == split)
    return side[split, seeds[0]] if seeds else None


def _mean(rows: Sequence[_Row], *, shared: float) -> Estimate:
    """The mean of the rows' only number."""
    present = [row for row in rows if not row.reason]
    reasons = tuple(dict.fromkeys(row.reason for row in rows if row.reason))
    if not present:
        return Estimate(math.nan, None, math.inf, 0, 0, reasons or (_NOT_BOTH,))
    means, n_splits = _split_means(present)
    squares = [row.error**2 for row in present if math.isfinite(row.error)]
    noise = math.fsum(squares) / len(squares) if squares else 0.0
    if len(present) == 1:
        error, degrees = (math.sqrt(noise), float(len(present[0].sizes) - 1)) if squares else (None, math.inf)
    else:
        units = means[:, 0] if n_splits > 1 else np.array([row.values[0] for row in present])
        spread, overlap = float(np.var(units, ddof=1)), shared if n_splits > 1 else 1.0
        if squares or (overlap < 1 and spread > 0):
            error, degrees = error_of_mean(spread=spread, noise=noise, n_units=len(units), shared=overlap)
        else:
            # One holdout, whose noise the spread of seeds does not tell; or units that happen to be alike.
            error, degrees = None, math.inf
    return Estimate(float(means.mean()), error, degrees, n_splits, len(present), reasons)


def _split_means(rows: Sequence[_Row]) -> tuple[Floats, int]:
    """The mean of each split's rows, shape (n_splits, n_numbers), and how many splits there are."""
    by_split: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for row in rows:
        by_split[row.split].append(row.values)
    return np.array([np.mean(values, axis=0) for values in by_split.values()]), len(by_split)
