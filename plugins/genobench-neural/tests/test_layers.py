"""What several networks share, against numpy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from genobench_neural.layers import give_first_weights, n_parameters, ridge_slopes, standardising, time_embedding


def test_embedding__is_sines_then_cosines() -> None:
    embedded = time_embedding(torch.tensor([3]), 4)[0]
    assert embedded.tolist() == pytest.approx([np.sin(3), np.sin(3e-4), np.cos(3), np.cos(3e-4)], rel=1e-5)


def test_give_first_weights__draws_as_torch_does_and_leaves_the_global_generator_alone() -> None:
    """Uniform in ±1 / sqrt(n_in), of variance 1 / (3 n_in)."""
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(100, 300), nn.LayerNorm(300))
    before = torch.get_rng_state()
    give_first_weights(network, torch.device("cpu"), torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
    weight = next(network.parameters()).detach()
    assert float(weight.abs().max()) <= 0.1
    # A uniform variable's squares have variance 4 / 45 times the fourth power of the bound.
    assert float(weight.square().mean()) == pytest.approx(0.01 / 3, abs=4 * (4 / 45 * 0.1**4 / weight.numel()) ** 0.5)
    assert n_parameters(network) == 300 * 101 + 2 * 300


def test_standardising__brings_calls_to_mean_0_and_variance_1() -> None:
    calls = np.array([0, 0, 1, 2, 1, 1, 0, 2])
    shares = torch.tensor([[np.mean(calls == genotype) for genotype in range(3)], [0.0, 0.0, 1.0]])
    means, scales = standardising(shares)
    assert means.tolist() == pytest.approx([calls.mean(), 2.0])
    assert scales.tolist() == pytest.approx([1 / calls.std(), 0.0])


def test_ridge_slopes__are_those_of_least_squares_with_the_penalty_as_samples() -> None:
    """Ridge regression is least squares with sqrt(ridge) I below x and zeros below y (Hastie et al. 2009, exercise 3.12)."""
    random = np.random.default_rng(1)
    x, y = random.normal(size=(2, 30, 3)), random.normal(size=(2, 30, 4))
    found = ridge_slopes(torch.from_numpy(x).float(), torch.from_numpy(y).float(), ridge=5.0).numpy()
    for one, of_x, of_y in zip(found, x, y, strict=True):
        expected = np.linalg.lstsq(np.vstack([of_x, 5**0.5 * np.eye(3)]), np.vstack([of_y, np.zeros((3, 4))]), rcond=None)[0]
        np.testing.assert_allclose(one, expected, rtol=1e-3, atol=1e-5)
