"""Numbers that are none: found wherever they are, and no generator makes calls of 0 out of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch

from genobench import FitContext, GenobenchError
from genobench.testing import EXAMPLE_TRAITS, example_genotypes
from genobench_neural.ctgan import Ctgan
from genobench_neural.diffusion import Diffusion
from genobench_neural.finite import check_drawn_by, check_weights, n_not_finite
from genobench_neural.gan import Gan
from genobench_neural.latent_flow import LatentFlow
from genobench_neural.rbm import Rbm
from genobench_neural.simplex import drawn_genotypes
from genobench_neural.vae import Vae
from genobench_neural.wgan import Wgan

if TYPE_CHECKING:
    from pathlib import Path

    from genobench import Generator

TRAIN = example_genotypes(n_samples=60, n_variants=40)


def test_n_not_finite__counts_in_nested_states_and_leaves_out_what_is_finite() -> None:
    state = {
        "network": {"weight": torch.tensor([1.0, math.nan, math.inf]), "bias": torch.zeros(2)},
        "optimiser": [{"step": torch.tensor(3), "lr": 0.1}, (torch.tensor([-math.inf], dtype=torch.bfloat16),)],
        "empty": torch.zeros(0),
        "rows": torch.tensor([2**40]),
    }
    assert n_not_finite(state) == {"network.weight": 2, "optimiser.1.0": 1}


def test_check_weights__names_the_tensor_and_lets_infinity_stand_for_never() -> None:
    network = torch.nn.Linear(3, 2)
    network.bias.data[:] = -math.inf
    check_weights(network)
    network.weight.data[1, 2] = math.nan
    with pytest.raises(GenobenchError, match="Of the 6 numbers of 'weight' in the fitted model 1 are NaN"):
        check_weights(network)


def test_check_drawn_by__counts_what_is_no_number() -> None:
    check_drawn_by(torch.tensor([0.0, math.inf, -math.inf]))
    with pytest.raises(GenobenchError, match="gives NaN for 2 of 3 numbers that calls are drawn by"):
        check_drawn_by(torch.tensor([0.0, math.nan, math.nan]))


@pytest.mark.parametrize("logit", [math.nan, math.inf])
def test_drawn_genotypes__logits_that_give_no_probabilities_are_an_error(logit: float) -> None:
    with pytest.raises(GenobenchError, match="gives NaN"):
        drawn_genotypes(torch.tensor([[[0.0, logit, 0.0]]]), torch.Generator())


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (Diffusion(learning_rate=1e3, max_epochs=20, n_sampling_steps=20), "numbers of 'thresholds' in the fitted model .* are NaN"),
        (Diffusion(learning_rate=1e30, max_epochs=20), "became nan at step"),
        (Gan(learning_rate=1e38, training_calls=20_000), "numbers of .* are NaN or infinite, so training stopped"),
        (Wgan(learning_rate=1e38, training_calls=20_000), "numbers of .* are NaN or infinite, so training stopped"),
        (Vae(preset="cow-chr14", learning_rate=1e3, max_epochs=20), "became nan at step"),
        (Ctgan(learning_rate=1e30, training_calls=200_000), "became nan at step"),
        (Rbm(learning_rate=1e3, training_calls=200_000), "became nan at step"),
        (LatentFlow(chain_rate=1e30), "became nan at step"),
        (LatentFlow(flow_rate=1e38, flow_steps=20, chain_epochs=1), "became nan at step"),
    ],
)
def test_fit__an_absurd_rate_ends_with_an_error(tmp_path: Path, generator: Generator, message: str) -> None:
    """With the first ones, of `diffusion`, `gan` and `wgan`, calls were all 0, and the fits had ended well."""
    context = FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=tmp_path)
    with pytest.raises(GenobenchError, match=message):
        generator.fit(TRAIN, context)


def test_fit__weights_that_the_last_update_made_no_numbers_are_no_sampler(tmp_path: Path) -> None:
    """The losses of a step are of the weights before it."""
    context = FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=tmp_path)
    with pytest.raises(GenobenchError, match=r"After step 1 of 1, .* are NaN or infinite"):
        Vae(learning_rate=3e38, begun_rate=3e38, training_calls=1).fit(TRAIN, context)
