"""The published presets: parameter counts, widths and settings against the description (Xie et al. 2025, arXiv:2508.09212)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from genobench import SettingsError
from genobench_neural.gan import Gan
from genobench_neural.layers import n_parameters
from genobench_neural.preset_settings import overridden
from genobench_neural.published.dense import DenseDecoder, normalised_layers
from genobench_neural.published.gan import unplaced_gan
from genobench_neural.published.networks import gan_critic, gan_description, vae_description, vae_encoder
from genobench_neural.published.presets import GANS, VAES, WGANS, PublishedGan
from genobench_neural.published.vae import unplaced_vae
from genobench_neural.vae import Vae
from genobench_neural.wgan import PLAN, Wgan


@pytest.mark.parametrize(
    ("name", "n_all", "n_decoder"),
    [
        ("cow-chr14", 12_306_369, 6_139_329),
        ("human-ensembl", 23_418_863, 11_698_159),
        ("human-multi", 1_085_839_099, 542_917_371),
    ],
)
def test_vae__has_the_published_number_of_parameters(name: str, n_all: int, n_decoder: int) -> None:
    preset = VAES[name]
    network = unplaced_vae(vae_description(preset, preset.n_variants, 0))
    with torch.device("meta"):
        encoder = vae_encoder(preset, preset.n_variants, 0)
    assert n_parameters(network) == n_decoder
    assert n_parameters(network) + n_parameters(encoder) == n_all


def gan_parameters(preset: PublishedGan, n_columns: int) -> tuple[int, int]:
    network = unplaced_gan(gan_description(preset, preset.n_variants, n_condition=n_columns, n_columns=n_columns))
    with torch.device("meta"):
        critic = gan_critic(preset, preset.n_variants, n_columns=n_columns)
    return n_parameters(network), n_parameters(critic)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("cow-chr14", (12_671_437, 8_466_265)),
        ("human-ensembl", (22_183_738, 19_075_893)),
        ("human-multi", (525_875_433, 555_116_202)),
    ],
)
def test_gan__has_the_published_number_of_parameters(name: str, published: tuple[int, int]) -> None:
    assert gan_parameters(GANS[name], 0) == published


@pytest.mark.parametrize(
    ("name", "n_columns", "published"),
    [
        ("cow-all", 1, (651_987_122, 683_770_751)),
        ("human-ensembl", 2, (22_200_360, 19_096_201)),
        ("human-multi", 2, (526_459_953, 555_239_494)),
    ],
)
def test_wgan__has_the_published_number_of_parameters(name: str, n_columns: int, published: tuple[int, int]) -> None:
    """Cows have one trait; humans have sex, one scalar for its two classes, and height."""
    assert gan_parameters(WGANS[name], n_columns) == published


def test_widths__that_are_fractions_of_3m_follow_the_data() -> None:
    assert GANS["cow-chr14"].generator_widths(1771) == (885, 1771)
    assert GANS["cow-chr14"].generator_widths(600) == (300, 600)
    assert WGANS["cow-all"].critic_widths(50161) == (4180, 2090, 1045)


def test_layers__three_equal_widths_are_a_residual_block() -> None:
    """4096 -> 2048, Res(2048): two linear layers of the block beside the one that changes the width."""
    layers = normalised_layers(16, (8, 8, 8, 4))
    n_block = 2 * (8 * 8 + 8 + 2 * 8)
    assert n_parameters(layers) == (16 * 8 + 8 + 2 * 8) + n_block + (8 * 4 + 4 + 2 * 4)
    assert n_parameters(normalised_layers(8, (8, 8, 8))) == n_block


def test_decoder__gives_a_triple_a_variant() -> None:
    decoder = DenseDecoder(widths=(8, 16), n_latent=4, n_variants=5)
    assert decoder(torch.zeros(3, 4), torch.zeros(3, 0)).shape == (3, 5, 3)


def test_overridden__takes_what_is_set_and_leaves_the_rest() -> None:
    preset = overridden(VAES["cow-chr14"], {"batch_size": 32, "learning_rate": None, "n_window": 8})
    assert (preset.batch_size, preset.learning_rate, preset.output) == (32, 5e-4, "argmax")


@pytest.mark.parametrize("generator", [Vae, Gan, Wgan])
def test_settings__refuse_an_unknown_preset(generator: type[Vae | Gan | Wgan]) -> None:
    with pytest.raises(SettingsError, match=r"preset is 'cow'; it must be one of default, .*human-ensembl, human-multi"):
        generator(preset="cow")


@pytest.mark.parametrize(
    ("generator", "preset", "name"),
    [(Vae, "cow-chr14", "n_window"), (Gan, "human-multi", "n_clusters"), (Wgan, "cow-all", "n_shared")],
)
def test_settings__refuse_what_a_published_preset_lacks(generator: type[Vae | Gan | Wgan], preset: str, name: str) -> None:
    changes: dict[str, Any] = {"preset": preset, name: 8}
    with pytest.raises(SettingsError, match=f"{name} is 8, but the preset '{preset}' has no such thing"):
        generator(**changes)


def test_settings__of_a_preset_may_be_the_default_generators_value() -> None:
    """The default trains with batches of 64, the preset with 512."""
    settings = dataclasses.asdict(Wgan(preset="human-ensembl", batch_size=PLAN.batch_size))
    assert overridden(WGANS["human-ensembl"], settings).batch_size == PLAN.batch_size == 64


def test_presets__run_in_float32_as_published() -> None:
    assert not any(preset.is_bf16 for preset in (*GANS.values(), *WGANS.values()))
    assert overridden(GANS["cow-chr14"], dataclasses.asdict(Gan(preset="cow-chr14", is_bf16=True))).is_bf16


@pytest.mark.parametrize(("generator", "preset"), [(Gan, "cow-chr14"), (Wgan, "cow-all")])
def test_settings__of_a_published_preset_are_checked(generator: type[Gan | Wgan], preset: str) -> None:
    """Batch normalisation has no variance of one sample."""
    with pytest.raises(SettingsError, match="batch_size is 1; it must be at least 2"):
        generator(preset=preset, batch_size=1)


@pytest.mark.parametrize("generator", [Gan, Wgan])
@pytest.mark.parametrize(("name", "value"), [("n_residual", -1), ("ridge", 0.0), ("temperature", 0.0), ("average_decay", 1.0)])
def test_plan__refuses_values_out_of_range(generator: type[Gan | Wgan], name: str, value: float) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        overridden(generator().plan, changes)
