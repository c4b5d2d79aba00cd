"""Wasserstein distances: scipy in one dimension, closed forms in several."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import wasserstein_distance

from genobench.statgen import SlicedClouds, sliced_wasserstein, sorted_wasserstein

points = arrays(np.float64, st.integers(1, 12), elements=st.floats(-5, 5, width=32))


@given(points, points)
def test_sorted_wasserstein__agrees_with_scipy(one, other):
    expected = wasserstein_distance(one, other)
    assert sorted_wasserstein(np.sort(one), np.sort(other), power=1) == pytest.approx(expected, abs=1e-9)


def test_sliced_wasserstein__of_a_shifted_cloud_is_the_shift_over_the_root_of_dimensions():
    """Along a direction the shift is its projection, whose mean square over the sphere is |shift|^2 / d; here over 4,000 directions."""
    rng = np.random.default_rng(1)
    cloud = rng.standard_normal((50, 6))
    shift = rng.standard_normal(6)
    distance = sliced_wasserstein(cloud, cloud + shift, seed=1, n_directions=4_000)
    assert distance == pytest.approx(np.linalg.norm(shift) / np.sqrt(6), rel=0.05)


def test_sliced_wasserstein__of_two_normal_clouds_is_the_difference_of_their_spreads():
    """Standard deviations 1 and 3: the 2-Wasserstein distance is 2 in every direction; 4,000 points, error about 0.05."""
    rng = np.random.default_rng(2)
    clouds = rng.standard_normal((4_000, 3)), 3 * rng.standard_normal((4_000, 3))
    assert sliced_wasserstein(*clouds, seed=1) == pytest.approx(2, abs=0.2)


def test_sliced_wasserstein__is_symmetric_and_zero_for_the_same_points_in_any_order():
    rng = np.random.default_rng(3)
    one, other = rng.standard_normal((2, 20, 4))
    assert sliced_wasserstein(one, one[rng.permutation(20)], seed=1) == pytest.approx(0, abs=1e-9)
    assert sliced_wasserstein(one, other, seed=1) == pytest.approx(sliced_wasserstein(other, one, seed=1))


def test_sliced_wasserstein__counts_each_point_by_its_share():
    """A cloud and the same cloud three times over are the same distribution."""
    rng = np.random.default_rng(4)
    one, other = rng.standard_normal((2, 10, 3))
    assert sliced_wasserstein(one, np.tile(other, (3, 1)), seed=1) == pytest.approx(sliced_wasserstein(one, other, seed=1))


def test_sliced_clouds__leave_points_out():
    rng = np.random.default_rng(5)
    one, other = rng.standard_normal((2, 15, 3))
    left_out = np.arange(15) < 4, np.arange(15) % 5 == 0
    clouds = SlicedClouds.of(one, other, seed=2)
    expected = sliced_wasserstein(one[~left_out[0]], other[~left_out[1]], seed=2)
    assert clouds.without(left_out) == pytest.approx(expected)
