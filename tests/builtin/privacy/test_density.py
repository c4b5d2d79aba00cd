"""Kernel densities against scipy's sums of exponentials."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from genobench.builtin.privacy.density import log_density, log_density_ratios


def _distances(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(800, 1200, shape).astype(np.int32)


def test_log_density__is_the_mean_of_exponentials():
    distances = _distances(30, 50)
    expected = logsumexp(-distances / 17.0, axis=1) - np.log(50)
    np.testing.assert_allclose(log_density(distances, 17.0), expected, rtol=1e-6)


def test_log_density__of_a_copy_is_finite_at_any_width():
    assert log_density(np.array([[0, 90_000]], dtype=np.int32), 1.0) == pytest.approx([-np.log(2)])


def test_log_density_ratios__take_the_width_from_the_reference():
    """Ten reference samples 10, 11, ..., 19 away from everybody: the width is 9."""
    reference = np.tile(np.arange(10, 20, dtype=np.int32), (3, 1))
    synthetic = _distances(3, 40)
    first, second = log_density_ratios(synthetic, synthetic[:2], reference, reference[:2])
    expected = logsumexp(-synthetic / 9, axis=1) - np.log(40) - logsumexp(-reference / 9, axis=1) + np.log(10)
    np.testing.assert_allclose(first, expected, rtol=1e-6)
    np.testing.assert_allclose(second, expected[:2], rtol=1e-6)
