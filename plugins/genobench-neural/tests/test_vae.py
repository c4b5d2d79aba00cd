"""The default autoencoder: its windows, its start, and the rules of every generator."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import SettingsError
from genobench.testing import GeneratorSuite, example_context, example_genotypes
from genobench_neural.batches import MISSING_CODE
from genobench_neural.vae import Vae
from genobench_neural.windows.networks import WindowVae, WindowVaeSize, line_layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genobench import Genotypes

QUICK = {"max_epochs": 3, "n_latent": 4, "n_window": 4, "width": 8, "batch_size": 16}
START = Vae(max_epochs=0, n_latent=4, n_window=8)


class TestVae(GeneratorSuite):
    plugin = Vae
    settings = QUICK


def two_chromosomes(n_each: int) -> tuple[WindowVae, torch.Tensor]:
    """A network over two chromosomes with zero weights, and its `n_before`."""
    variants = pd.DataFrame({"chromosome": ["1", "2"] * n_each, "position_bp": range(2 * n_each, 0, -1)})
    layout, n_before = line_layout(variants)
    size = WindowVaeSize(n_places=layout.block_size, n_condition=0, n_latent=1, width=2, n_residual=0, n_window=3)
    network = WindowVae(size, n_before, torch.Generator().manual_seed(1)).requires_grad_(requires_grad=False)
    network.means.fill_(1.0)
    network.scales.fill_(1.0)
    return network, n_before


def test_line_layout__orders_variants_along_chromosomes() -> None:
    variants = pd.DataFrame({"chromosome": ["2", "1", "2", "1", "2"], "position_bp": pd.array([5, 9, 3, 2, 4], dtype="Int64")})
    layout, n_before = line_layout(variants)
    assert layout.variant_at.tolist() == [[2, 4, 0, 3, 1, -1, -1, -1]]
    assert n_before[:5].tolist() == [0, 1, 2, 0, 1]


def test_windows__hold_what_lies_before_on_the_same_chromosome() -> None:
    network, _ = two_chromosomes(4)
    codes = torch.tensor([[0], [1], [2], [MISSING_CODE], [2], [1], [0], [0]], dtype=torch.uint8)
    windows = network.windows(codes)[:, :, 0]
    assert windows[3].tolist() == [[-1.0, 0.0, 1.0], [-0.5, 0.5, -0.5]]
    assert windows[4].tolist() == [[0.0] * 3] * 2
    assert windows[5].tolist() == [[0.0, 0.0, 1.0], [0.0, 0.0, -0.5]]


def test_windows__of_some_places_are_those_of_all() -> None:
    network, _ = two_chromosomes(8)
    codes = torch.randint(0, 4, (16, 5), generator=torch.Generator().manual_seed(1)).byte()
    for places in (slice(0, 2), slice(1, 9), slice(12, 99)):
        assert torch.equal(network.windows(codes, places), network.windows(codes)[places])


def test_local__is_the_weights_times_the_windows() -> None:
    network, _ = two_chromosomes(8)
    generator = torch.Generator().manual_seed(1)
    network.window.copy_(torch.randn(network.window.shape, generator=generator))
    codes = torch.randint(0, 4, (16, 5), generator=generator).byte()
    expected = torch.einsum("pcnk,pck->cpn", network.windows(codes), network.window)
    torch.testing.assert_close(network.local(codes), expected)


def test_draw__has_the_probabilities_that_training_sees() -> None:
    """The second variant of a chromosome given the first, drawn in turn, is as likely as `log_probabilities` says."""
    network, _ = two_chromosomes(2)
    generator = torch.Generator().manual_seed(1)
    network.window.copy_(torch.randn(network.window.shape, generator=generator))
    network.bias.copy_(torch.randn(network.bias.shape, generator=generator))
    drawn = network.draw(torch.zeros(30_000, 0), generator)[0].T
    codes = torch.tensor([[0, 1, 2]] * 4, dtype=torch.uint8)
    log_p = network.log_probabilities(torch.zeros(3, 1), torch.zeros(3, 0), codes)
    for first, second in ((0, 1), (2, 3)):
        for genotype in range(3):
            rows = drawn[first] == genotype
            expected = log_p[:, second, genotype].exp()
            shares = drawn[second, rows].long().bincount(minlength=3) / rows.sum()
            assert ((shares - expected).abs() <= 4 * (expected * (1 - expected) / rows.sum()).sqrt() + 1e-6).all()


def test_draw__begins_anew_at_a_chromosome() -> None:
    """Window weights at the first variant of a chromosome are never read."""
    network, n_before = two_chromosomes(3)
    network.window[n_before == 0] = 50.0
    first = network.draw(torch.zeros(500, 0), torch.Generator().manual_seed(1))
    network.window.zero_()
    assert torch.equal(first, network.draw(torch.zeros(500, 0), torch.Generator().manual_seed(1)))


def test_start__has_the_frequencies_of_training(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=400)
    synthetic = START.fit(train, example_context(tmp_path)).generate(2000, seed=1).to_array()
    frequency = train.to_array().mean(axis=0) / 2
    standard_error = np.sqrt(frequency * (1 - frequency) / 2 * (1 / 2000 + 1 / 400))
    assert (np.abs(synthetic.mean(axis=0) / 2 - frequency) / standard_error).max() < 4


def test_start__has_the_linkage_of_training(tmp_path: Path, assert_linked: Callable[[Genotypes, Genotypes], None]) -> None:
    train = example_genotypes(n_samples=400)
    assert_linked(START.fit(train, example_context(tmp_path)).generate(2000, seed=1), train)


def losses_of(train: Genotypes, folder: Path) -> dict[str, float]:
    """The last losses of a fit with validation samples."""
    points: list[dict[str, float]] = []
    validation = example_genotypes(n_samples=30, seed=2)
    recording = dataclasses.replace(
        example_context(folder), validation=validation, report=lambda _step, losses: points.append(dict(losses))
    )
    Vae(**QUICK, patience=20).fit(train, recording)  # type: ignore[arg-type] # settings by name
    return points[-1]


def test_fit__reports_the_loss_on_validation_samples(tmp_path: Path) -> None:
    assert {"cross-entropy", "kl divergence", "validation loss"} <= set(losses_of(example_genotypes(n_samples=40), tmp_path))


def test_fit__takes_a_validation_class_that_training_lacks(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=40)
    assert "validation loss" in losses_of(train.with_samples(train.samples.assign(sex="female")), tmp_path)


def test_unconditional__ignores_the_condition(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=40)
    sampler = Vae(**QUICK, is_conditional=False).fit(train, example_context(tmp_path))  # type: ignore[arg-type] # settings by name
    low, high = (
        sampler.generate(20, seed=1, condition=pd.DataFrame({"weight": [value] * 20, "sex": "male"})).to_array() for value in (-50.0, 50.0)
    )
    assert (low == high).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_window": 0}, "n_window is 0; it must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be above 0"),
        ({"average_decay": 1.0}, "average_decay is 1.0; it must be below 1"),
        ({"output": "argmax"}, "output is 'argmax', which the default cannot do"),
    ],
)
def test_settings__refuse_values_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Vae(**changes)
