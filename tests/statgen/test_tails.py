"""Logarithms of p-values, against mpmath's incomplete beta function and closed forms."""

from __future__ import annotations

import mpmath  # type: ignore[import-untyped]  # it comes without types
import numpy as np
import pytest

from genobench.statgen.tails import chi_squared_log10_p, student_log10_p


def _beta_log10_p(t: float, n: float) -> float:
    """By mpmath's incomplete beta function, which gives up on large n."""
    with mpmath.workdps(60):
        x = mpmath.mpf(n) / (mpmath.mpf(n) + mpmath.mpf(t) ** 2)
        return float(mpmath.log10(mpmath.betainc(mpmath.mpf(n) / 2, mpmath.mpf(1) / 2, 0, x, regularized=True)))


def _integrated_log10_p(t: float, n: float) -> float:
    """By mpmath's quadrature of the density beyond t, over that at t, in steps of five times the length in which it falls by e."""
    with mpmath.workdps(40):
        t, n = mpmath.mpf(t), mpmath.mpf(n)
        at_t = mpmath.log1p(t * t / n)
        length = (n + t * t) / ((n + 1) * t)
        edges = [t + 5 * step * length for step in range(30)]
        beyond = mpmath.quad(lambda s: mpmath.exp(-(n + 1) / 2 * (mpmath.log1p(s * s / n) - at_t)), edges)
        constant = mpmath.loggamma((n + 1) / 2) - mpmath.loggamma(n / 2) - mpmath.log(n * mpmath.pi) / 2
        return float((mpmath.log(2 * beyond) + constant - (n + 1) / 2 * at_t) / mpmath.log(10))


@pytest.mark.parametrize("n", [1, 3, 17, 96.5])
def test_student_log10_p__is_that_of_mpmath(n):
    t = np.array([1e-3, 0.5, 6.0, 38.0, 900.0, 1e5, 1e40])
    np.testing.assert_allclose(student_log10_p(t, n), [_beta_log10_p(value, n) for value in t], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(student_log10_p(-t, n), student_log10_p(t, n))


@pytest.mark.parametrize("n", [1_932, 400_000])
def test_student_log10_p__of_many_samples_is_that_of_mpmath(n):
    """Both sides of where floats end. The logarithm of the gamma function of 2e5 is 2e6: its rounding is 5e-10, some 1e-12 of log p."""
    t = np.array([5.0, 33.0, 36.0, 45.0, 900.0])
    np.testing.assert_allclose(student_log10_p(t, n), [_integrated_log10_p(value, n) for value in t], rtol=1e-11)


def test_student_log10_p__has_closed_forms_of_one_and_two_degrees():
    """n = 1 is Cauchy's distribution, p = 2 atan(1 / t) / pi; n = 2 has p = 1 - t / sqrt(2 + t ** 2), about 1 / t ** 2 far out."""
    t = np.array([2.0, 50.0, 1e9, 1e140, 1e300])
    np.testing.assert_allclose(student_log10_p(t, 1), np.log10(2 / np.pi * np.arctan(1 / t)), rtol=1e-12)
    np.testing.assert_allclose(student_log10_p(t[2:], 2), -2 * np.log10(t[2:]), rtol=1e-12)


def test_student_log10_p__keeps_falling_where_floats_end():
    t = np.linspace(30, 60, 3_001)
    steps = np.diff(student_log10_p(t, 10_000))
    assert (steps < 0).all()
    # No jump where one way of computing hands over to the other: neighbouring steps differ by the curvature alone.
    assert np.abs(np.diff(steps)).max() < 1e-4


def test_student_log10_p__of_what_is_not_there():
    result = student_log10_p([0.0, np.nan, np.inf, 3.0, 3.0], [5, 5, 5, 0, -1])
    np.testing.assert_array_equal(result, [0.0, np.nan, -np.inf, np.nan, np.nan])


def test_chi_squared_log10_p__is_that_of_mpmath():
    """p = erfc(sqrt(x / 2)) with one degree of freedom."""
    x = np.array([0.0, 0.4549, 3.84, 700.0, 5_000.0, 1e6])
    with mpmath.workdps(40):
        expected = [float(mpmath.log10(mpmath.erfc(mpmath.sqrt(mpmath.mpf(value) / 2)))) for value in x]
    np.testing.assert_allclose(chi_squared_log10_p(x), expected, rtol=1e-12, atol=1e-14)
