"""A mean over splits and seeds with its noise, what it says of a gain, and what is left of several gains when chance is allowed for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence


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
