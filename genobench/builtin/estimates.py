"""Scores from estimates: the jackknife's standard error with an interval that knows from how many groups it came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

from genobench import Score
from genobench.statgen import jackknife_standard_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


def jackknifed(
    name: str, value: float, deleted: ArrayLike, sizes: ArrayLike, *, limits: tuple[float, float] | None = None, reason: str = ""
) -> Score:
    """A score with the standard error of a delete-a-group jackknife and a 95 % interval by Student's t.

    Few groups tell a standard error badly: with 20, value ± 1.96 errors covers .925 where the t quantile covers .95.

    Args:
        name: As declared.
        value: The estimate from everything; NaN gives a missing score.
        deleted: The estimate without each group, shape (n_groups,).
        sizes: Observations in each group, shape (n_groups,); empty groups are passed over.
        limits: The smallest and the largest value that there can be; the interval is cut there. None for none.
        reason: Why the value is NaN, where it is.

    Returns:
        The score; without noise where fewer than two groups hold anything, or some estimate is not finite.
    """
    if not np.isfinite(value):
        return missing(name, reason or "It is not defined for these samples.")
    without, n_in = np.asarray(deleted, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    without, n_in = without[n_in > 0], n_in[n_in > 0]
    error = jackknife_standard_error(float(value), without, n_in)
    if not np.isfinite(error):
        return Score(name, float(value))
    half = float(stdtrit(len(n_in) - 1, 0.975)) * error
    low, high = float(value) - half, float(value) + half
    if limits is not None:
        low, high = max(limits[0], low), min(limits[1], high)
    return Score(name, float(value), standard_error=error, interval=(min(low, float(value)), max(high, float(value))))


def missing(name: str, reason: str) -> Score:
    """A score that could not be computed, and why."""
    return Score(name, float("nan"), reason=reason)


def all_missing(names: Sequence[str], reason: str) -> tuple[Score, ...]:
    """Every one of these scores missing for one reason."""
    return tuple(missing(name, reason) for name in names)
