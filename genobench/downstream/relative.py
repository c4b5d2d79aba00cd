"""Relative utility: what share of real samples' gain over covariates alone an arm has, with an interval for the ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.downstream.pairing import NOT_BOTH, Pair, Row, contrasts, mean_of_rows, split_means
from genobench.leaderboard.estimates import error_of_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from genobench.downstream.measures import Measure
    from genobench.downstream.measuring import Measured

    Floats = NDArray[np.float64]

_N_ANGLES: Final = 181
_N_HALVINGS: Final = 50


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
    rows = contrasts((arm, real, covariates), ((1.0, 0.0, -1.0), (0.0, 1.0, -1.0)), measure)
    below = mean_of_rows([row.combined((0.0, 1.0)) for row in rows], shared=shared)
    if math.isnan(below.mean):
        return RelativeUtility(math.nan, None, "; ".join(below.reasons) or NOT_BOTH)
    interval = below.interval
    if interval is None:
        return RelativeUtility(math.nan, None, "the noise of real samples' gain over covariates alone is not known")
    if interval[0] <= 0:
        found = "are worse than covariates alone" if interval[1] < 0 else "are not clearly better than covariates alone"
        return RelativeUtility(math.nan, None, f"real samples {found}, so there is no gain to have a share of")
    share = mean_of_rows([row.combined((1.0, 0.0)) for row in rows], shared=shared).mean / below.mean
    noise = _Noise.of(rows, shared=shared)
    return RelativeUtility(share, tuple(_last_within(noise, share, side) for side in (-1, 1)))  # type: ignore[arg-type]


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
    def of(cls, rows: Sequence[Row], *, shared: float) -> _Noise:
        present = [row for row in rows if not row.reason]
        means, n_splits = split_means(present)
        units = means if n_splits > 1 else np.array([row.values for row in present])
        known = [row for row in present if math.isfinite(row.error)]
        holdout = np.zeros((2, 2))
        for row in known:
            one, other, total = (row.combined(weights).error ** 2 for weights in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)))
            # The variance of a sum is that of both and twice their covariance.
            cross = (total - one - other) / 2
            holdout += np.array([[one, cross], [cross, other]]) / len(known)
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
