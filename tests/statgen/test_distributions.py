"""The Wasserstein distance, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from genobench.statgen import wasserstein_distance

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(("n_left", "n_right"), [(30, 30), (7, 40), (1, 1)])
def test_wasserstein_distance__agrees_with_scipy(n_left, n_right):
    left, right = RNG.normal(size=n_left), RNG.normal(0.5, 2, size=n_right).round(1)
    assert wasserstein_distance(left, right) == pytest.approx(stats.wasserstein_distance(left, right))


def test_wasserstein_distance__leaves_out_what_has_no_weight():
    left, right = RNG.normal(size=20), RNG.normal(size=15)
    groups = np.arange(20) % 4
    weights = groups[None, :] != np.arange(4)[:, None]
    distances = wasserstein_distance(left, right, left_weights=weights)
    expected = [stats.wasserstein_distance(left[groups != group], right) for group in range(4)]
    np.testing.assert_allclose(distances, expected)


def test_wasserstein_distance__of_shifted_numbers_is_the_shift():
    values = RNG.normal(size=(3, 25))
    np.testing.assert_allclose(wasserstein_distance(values, values + np.array([[0.0], [0.5], [-2.0]])), [0, 0.5, 2])


def test_wasserstein_distance__is_undefined_without_numbers():
    assert np.isnan(wasserstein_distance([], [1.0, 2.0]))
