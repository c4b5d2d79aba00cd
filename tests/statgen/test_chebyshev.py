"""Chebyshev series against the functions that they stand for."""

from __future__ import annotations

import numpy as np

from genobench.statgen.chebyshev import chebyshev_coefficients, chebyshev_series, highest_angles, node_angles


def test_chebyshev_series__is_the_function_between_its_nodes() -> None:
    """The exponential function's coefficients fall faster than any power: 20 are enough for rounding."""
    slopes, places = np.array([0.5, -1.0, 2.0]), np.array([-0.9, 0.123, 1.0])
    coefficients = chebyshev_coefficients(np.exp(np.cos(node_angles(20))[:, None] * slopes))
    np.testing.assert_allclose(chebyshev_series(coefficients, np.arccos(places)), np.exp(slopes * places), rtol=1e-13)


def test_highest_angles__finds_maxima_inside_and_at_both_ends() -> None:
    """Of -(t - a) ** 2 at a where that is inside, and at the nearest end where it is not; of two maxima the higher."""
    tops = np.array([0.3, -0.99, 0.0, 1.7, -5.0])
    places = np.cos(node_angles(12))[:, None]
    parabolas = chebyshev_coefficients(-((places - tops) ** 2))
    np.testing.assert_allclose(np.cos(highest_angles(parabolas)), [0.3, -0.99, 0.0, 1.0, -1.0], atol=1e-8)
    # t ** 4 / 4 - t ** 2 / 2 turns at 0 and at 1 and -1; the slope of .01 t favours the right of the two maxima of its negative.
    twice = chebyshev_coefficients(-((1.2 * places) ** 4 / 4 - (1.2 * places) ** 2 / 2) + 0.01 * places)
    found = 1.2 * float(np.cos(highest_angles(twice))[0])
    slope = found - found**3 + 0.01 / 1.2
    assert found > 0.9
    assert abs(slope) < 1e-6
