"""The published autoencoder: its loss by hand, its presets through the settings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from genobench.testing import example_context, example_genotypes
from genobench_neural.batches import MISSING_CODE
from genobench_neural.layers import give_first_weights, kl_divergence
from genobench_neural.published.vae import cross_entropy, unplaced_vae
from genobench_neural.vae import Vae

if TYPE_CHECKING:
    from pathlib import Path


def test_loss__is_what_one_computes_by_hand() -> None:
    """Two variants of one sample, probabilities 1/4, 1/4, 1/2 and 1/3 each: -log(1/2) - log(1/3); KL of N(1, 4) from N(0, 1)."""
    logits = torch.tensor([[[0.0, 0.0, math.log(2)], [0.0, 0.0, 0.0], [9.0, 0.0, 0.0]]])
    codes = torch.tensor([[2, 1, MISSING_CODE]], dtype=torch.uint8)
    assert float(cross_entropy(logits, codes)) == pytest.approx(math.log(2) + math.log(3), rel=1e-6)
    divergence = kl_divergence(torch.tensor([[1.0]]), torch.tensor([[math.log(4)]]))
    assert float(divergence) == pytest.approx(-0.5 * (1 + math.log(4) - 1 - 4), rel=1e-6)


def test_loss__is_a_sum_over_samples() -> None:
    mean, log_variance = torch.randn(3, 2, generator=torch.Generator().manual_seed(1)), torch.zeros(3, 2)
    assert float(kl_divergence(mean, log_variance)) == pytest.approx(0.5 * float(mean.square().sum()), rel=1e-5)


@pytest.mark.parametrize("changes", [{}, {"output": "draw", "is_conditional": True}])
def test_preset__fits_generates_and_loads(tmp_path: Path, changes: dict[str, object]) -> None:
    train = example_genotypes(n_samples=24, missing_share=0.05)
    settings = Vae(preset="cow-chr14", max_epochs=2, **changes)  # type: ignore[arg-type] # values of a parameter list
    sampler = settings.fit(train, example_context(tmp_path / "fit"))
    synthetic = sampler.generate(9, seed=2).to_array()
    sampler.save(tmp_path / "saved")
    assert (Vae.load(tmp_path / "saved").generate(9, seed=2).to_array() == synthetic).all()
    assert set(np.unique(synthetic)) <= {0, 1, 2}


def test_output__argmax_drops_the_randomness_that_a_draw_has() -> None:
    """Where z says nothing, the likeliest genotype has no variance; one draw has that of softmax(0, 1, 0)."""
    networks = {}
    for output in ("argmax", "draw"):
        networks[output] = network = unplaced_vae({"n_variants": 5, "widths": (4,), "n_latent": 2, "n_condition": 0, "output": output})
        give_first_weights(network.decoder, torch.device("cpu"), torch.Generator().manual_seed(1))
        network.eval().requires_grad_(False)
        network.decoder.exit.weight.zero_()
        network.decoder.exit.bias.copy_(torch.tensor([0.0, 1.0, 0.0]).repeat(5))
    calls = {output: network.draw(torch.zeros(4000, 0), torch.Generator().manual_seed(1))[0, :, :5] for output, network in networks.items()}
    assert (calls["argmax"] == 1).all()
    share = math.e / (math.e + 2)
    assert abs(float((calls["draw"] == 1).float().mean()) - share) < 4 * (share * (1 - share) / 20_000) ** 0.5
