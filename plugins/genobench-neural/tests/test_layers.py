"""What several networks share: the embedding of time and the count of weights, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from genobench_neural.layers import give_first_weights, n_parameters, time_embedding


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
