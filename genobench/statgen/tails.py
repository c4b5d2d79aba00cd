"""Tail probabilities of test statistics as base-10 logarithms, down to those far below the smallest float."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import betaln, log_ndtr, stdtr

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

# Below this, scipy's distribution nears the smallest float, and the continued fraction takes over.
_SMALLEST: Final = 1e-250
_SAME: Final = 1e-15
_MOST_TERMS: Final = 10_000


def chi_squared_log10_p(statistic: ArrayLike) -> Floats:
    """Base-10 logarithm of the probability of a larger chi-squared with 1 degree of freedom; it never underflows.

    Args:
        statistic: Any shape; what is below 0 counts as 0.

    Returns:
        log10 p, at most 0, same shape.
    """
    root = np.sqrt(np.maximum(np.asarray(statistic, dtype=np.float64), 0))
    result: Floats = (np.log(2) + log_ndtr(-root)) / np.log(10)
    return result


def student_log10_p(statistic: ArrayLike, degrees: ArrayLike) -> Floats:
    """Base-10 logarithm of the two-sided p-value of Student's t; it never underflows.

    With n degrees of freedom and x = n / (n + t ** 2), p is the regularised incomplete beta function I_x(n / 2, 1 / 2). Where that is too
    small for a float, its logarithm is that of its first factor, x ** a (1 - x) ** b / (a B(a, b)), and of the continued fraction.

    Args:
        statistic: t, any shape; NaN where there is none.
        degrees: n, a number or of a shape that goes with it.

    Returns:
        log10 p, at most 0, in the shape of both together; NaN where t is NaN or n is not above 0; minus infinity where t is infinite, and
        nowhere else.

    References:
        NIST Digital Library of Mathematical Functions, 8.17.1 (I_x) and 8.17.22 (the continued fraction). https://dlmf.nist.gov/8.17
    """
    t, n = np.broadcast_arrays(np.abs(np.asarray(statistic, dtype=np.float64)), np.asarray(degrees, dtype=np.float64))
    result = np.full(t.shape, np.nan)
    is_known = ~np.isnan(t) & (n > 0)
    p = 2 * stdtr(n[is_known], -t[is_known])
    is_tiny = p < _SMALLEST
    log10_p = np.log10(p, out=np.zeros_like(p), where=~is_tiny)
    log10_p[is_tiny] = _far_log_p(t[is_known][is_tiny], n[is_known][is_tiny]) / np.log(10)
    result[is_known] = np.minimum(log10_p, 0.0)
    return result


def _far_log_p(t: Floats, n: Floats) -> Floats:
    """Natural logarithm of I_x(n / 2, 1 / 2) in the far tail, shape (n_values,)."""
    log_ratio = 2 * np.log(t) - np.log(n)
    log_x, log_rest = -np.logaddexp(0, log_ratio), -np.logaddexp(0, -log_ratio)
    a = n / 2
    first = a * log_x + log_rest / 2 - np.log(a) - betaln(a, 0.5)
    far: Floats = first - np.log(_continued_fraction(np.exp(log_x), a))
    return far


def _continued_fraction(x: Floats, a: Floats) -> Floats:
    """1 + d1 / (1 + d2 / (1 + ...)) of equation 8.17.22 with b = 1 / 2, by Lentz's method as modified by Thompson and Barnett.

    For x well below (a + 1) / (a + b + 2), as here, a few dozen terms are enough.
    """
    b = 0.5
    value, upper, lower = np.ones_like(x), np.ones_like(x), np.zeros_like(x)
    for term in range(1, _MOST_TERMS):
        m = term // 2
        if term % 2:
            numerator = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            numerator = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        lower = 1 / (1 + numerator * lower)
        upper = 1 + numerator / upper
        change = upper * lower
        value = value * change
        if np.all(np.abs(change - 1) < _SAME):
            break
    return value
