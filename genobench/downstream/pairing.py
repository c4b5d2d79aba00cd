"""Arms against each other on the same holdouts: means over splits and seeds, and paired differences, with their noise.

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
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.downstream.estimates import Estimate
from genobench.leaderboard.estimates import error_of_mean
from genobench.statgen import jackknife_standard_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from genobench.downstream.measures import Measure
    from genobench.downstream.measuring import Measured

    Floats = NDArray[np.float64]

Pair = tuple[str, int]
"""A split's sha256 and a seed."""

_OTHER_SAMPLES: Final = "the two arms were not judged on the same samples"
NOT_BOTH: Final = "no pair of split and seed has both"


def mean_of(side: Mapping[Pair, Measured], *, measure: Measure, shared: float) -> Estimate:
    """A measure of one arm, averaged.

    Args:
        side: The measure of each pair of split and seed.
        measure: Which measure it is.
        shared: The share of all samples that is in a holdout; 1 where all splits have one holdout.
    """
    rows = [Row(pair[0], (one.value,), one.deleted[:, None], one.sizes, one.reason) for pair, one in side.items()]
    return replace(mean_of_rows(rows, shared=shared), limits=measure.limits)


def gain(first: Mapping[Pair, Measured], second: Mapping[Pair, Measured], *, measure: Measure, shared: float) -> Estimate:
    """By how much the first arm is better than the second, averaged over the pairs of split and seed that both have.

    Args:
        first: The measure of each pair of split and seed of the first arm.
        second: Of the second; where a split has no such seed, as with arms that no generator has a part in, the split's first.
        measure: Which measure it is.
        shared: The share of all samples that is in a holdout; 1 where all splits have one holdout.
    """
    return mean_of_rows(contrasts((first, second), ((1.0, -1.0),), measure), shared=shared)


@dataclass(frozen=True, eq=False)
class Row:
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

    def combined(self, weights: tuple[float, ...]) -> Row:
        """The weighted sum of its numbers."""
        total = float(np.dot(weights, self.values))
        return Row(self.split, (total,), (self.deleted @ np.asarray(weights))[:, None], self.sizes, self.reason)

    @property
    def error(self) -> float:
        """Of its first number, by the jackknife; NaN where it cannot be had."""
        return jackknife_standard_error(self.values[0], self.deleted[:, 0], self.sizes)


def contrasts(sides: Sequence[Mapping[Pair, Measured]], weights: Sequence[tuple[float, ...]], measure: Measure) -> list[Row]:
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
            rows.append(Row(split, (math.nan,) * len(weights), np.empty((0, len(weights))), np.empty(0, dtype=np.intp), reason))
            continue
        values = measure.goodness(np.array([one.value for one in present]))
        deleted = measure.goodness(np.column_stack([one.deleted for one in present]))
        matrix = np.array(weights).T
        rows.append(Row(split, tuple((values @ matrix).tolist()), deleted @ matrix, present[0].sizes))
    return rows


def _beside(side: Mapping[Pair, Measured], split: str, seed: int) -> Measured | None:
    """What stands beside a pair: that of the same seed, or the split's first."""
    if (split, seed) in side:
        return side[split, seed]
    seeds = sorted(other for sha256, other in side if sha256 == split)
    return side[split, seeds[0]] if seeds else None


def mean_of_rows(rows: Sequence[Row], *, shared: float) -> Estimate:
    """The mean of the rows' only number."""
    present = [row for row in rows if not row.reason]
    reasons = tuple(dict.fromkeys(row.reason for row in rows if row.reason))
    if not present:
        return Estimate(math.nan, None, math.inf, 0, 0, reasons or (NOT_BOTH,))
    means, n_splits = split_means(present)
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


def split_means(rows: Sequence[Row]) -> tuple[Floats, int]:
    """The mean of each split's rows, shape (n_splits, n_numbers), and how many splits there are."""
    by_split: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for row in rows:
        by_split[row.split].append(row.values)
    return np.array([np.mean(values, axis=0) for values in by_split.values()]), len(by_split)
