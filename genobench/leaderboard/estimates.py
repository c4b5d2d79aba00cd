"""A score averaged over seeds, with an interval that holds both kinds of noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from genobench.outcomes import UNITS_FROM_0_TO_1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genobench.outcomes import Band, ScoreRecord


@dataclass(frozen=True)
class Estimate:
    """A score of a row, averaged over its seeds.

    Args:
        mean: Mean over the seeds that have the score; NaN where none has.
        interval: 95 % interval of the mean; None where no noise is known.
        n_seeds: Seeds that have the score.
        band: What real samples score.
        reasons: Why seeds lack the score, each once.
    """

    mean: float
    interval: tuple[float, float] | None
    n_seeds: int
    band: Band | None
    reasons: tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether no seed has the score."""
        return self.n_seeds == 0

    @property
    def against_band(self) -> Literal["as real", "above", "below"] | None:
        """Where the mean lies: within the real band, above it or below it; None where the score or the band is missing."""
        if self.is_missing or self.band is None:
            return None
        if self.mean > self.band.high:
            return "above"
        return "below" if self.mean < self.band.low else "as real"


def estimate(scores: Sequence[ScoreRecord], *, reasons: Sequence[str] = ()) -> Estimate:
    """Mean over seeds with a 95 % interval.

    Two sources of noise are kept apart and their squares added: the spread of the seeds, and each score's own error, mostly that of the
    holdout. All seeds share one holdout, so the second does not shrink with more seeds. What a score's own error says of the draw of
    synthetic samples is thereby counted twice: the interval is on the wide side. Few seeds tell their spread badly, and the interval is
    widened for that by Student's t, with as many degrees of freedom as the share of the spread in all noise leaves.

    Args:
        scores: Those of the seeds, one each; missing ones are left out of the mean.
        reasons: Why further seeds have none.

    Returns:
        The estimate; with one seed, the score's own interval, which knows nothing of other seeds.

    References:
        Welch B.L. 1947. Biometrika 34: 28-35, the effective degrees of freedom. https://doi.org/10.1093/biomet/34.1-2.28
    """
    from scipy.special import stdtrit

    present = [score for score in scores if not score.is_missing]
    why = [score.reason or "no reason was recorded" for score in scores if score.is_missing]
    told = tuple(dict.fromkeys([*why, *reasons]))
    band = next((score.band for score in reversed(scores) if score.band is not None), None)
    n_seeds = len(present)
    if n_seeds == 0:
        return Estimate(mean=math.nan, interval=None, n_seeds=0, band=band, reasons=told)
    mean = math.fsum(score.value for score in present) / n_seeds
    if n_seeds == 1:
        return Estimate(mean=mean, interval=_clipped(present[0].bounds, present[0].unit), n_seeds=1, band=band, reasons=told)
    between = math.fsum((score.value - mean) ** 2 for score in present) / (n_seeds - 1) / n_seeds
    errors = [score.error for score in present if score.error is not None]
    within = math.fsum(error**2 for error in errors) / len(errors) if errors else 0.0
    degrees = (n_seeds - 1) * ((between + within) / between) ** 2 if between > 0 else math.inf
    half_width = float(stdtrit(degrees, 0.975)) * math.sqrt(between + within)
    interval = _clipped((mean - half_width, mean + half_width), present[0].unit)
    return Estimate(mean=mean, interval=interval, n_seeds=n_seeds, band=band, reasons=told)


def _clipped(interval: tuple[float, float] | None, unit: str) -> tuple[float, float] | None:
    """An interval cut to what its unit allows."""
    if interval is None or unit not in UNITS_FROM_0_TO_1:
        return interval
    return (max(0.0, interval[0]), min(1.0, interval[1]))
