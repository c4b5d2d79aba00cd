"""The WGAN, at tiny sizes: its penalty and draws against closed forms, and what must hold of any generator."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import GenobenchError, SettingsError
from genobench.testing import GeneratorSuite, example_context, example_genotypes
from genobench_neural.clusters.losses import gradient_penalty
from genobench_neural.wgan import Wgan

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from genobench import Genotypes

    KillAt = Callable[[int], AbstractContextManager[Callable[..., None]]]

QUICK = {"max_epochs": 1, "n_rounds": 1, "n_clusters": 4}
TINY = Wgan(max_epochs=4, batch_size=8, n_critic=1, block_size=8, n_clusters=4, n_rounds=4, n_shared=2, width=8, n_hidden=4)


class TestWgan(GeneratorSuite):
    """Every rule for generators."""

    plugin = Wgan
    settings = QUICK


def test_gradient_penalty__of_a_linear_critic_is_closed() -> None:
    weight = torch.arange(1.0, 7.0).reshape(2, 1, 3)
    x = torch.randn(2, 5, 3, requires_grad=True)
    penalty = gradient_penalty(lambda x: (x * weight).sum(dim=(0, 2)), x)
    assert float(penalty) == pytest.approx((91**0.5 - 1) ** 2, rel=1e-5)


def test_fit__other_seed_other_model(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=40)
    first, other = (TINY.fit(train, example_context(tmp_path / str(seed), seed=seed)).generate(9, seed=5).to_array() for seed in (1, 2))
    assert (first != other).any()


def test_generate__alleles_have_their_frequencies_from_training(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=200, n_variants=30)
    synthetic = TINY.fit(train, example_context(tmp_path)).generate(2000, seed=5).to_array()
    expected = train.to_array().mean(axis=0) / 2
    standard_error = np.sqrt(expected * (1 - expected) / 2 * (1 / 2000 + 1 / 200))
    assert (np.abs(synthetic.mean(axis=0) / 2 - expected) / standard_error).max() < 4


def test_generate__linkage_is_nearer_to_training_than_independent_variants(
    tmp_path: Path, assert_linked: Callable[[Genotypes, Genotypes], None]
) -> None:
    train = example_genotypes(n_samples=200)
    settings = dataclasses.replace(TINY, block_size=4, n_clusters=8, n_rounds=10)
    assert_linked(settings.fit(train, example_context(tmp_path)).generate(2000, seed=5), train)


def test_fit__runs_without_adversarial_training(tmp_path: Path) -> None:
    sampler = Wgan(training_calls=0, n_clusters=4, n_rounds=2).fit(example_genotypes(n_samples=20), example_context(tmp_path))
    assert sampler.generate(3, seed=1).n_samples == 3


def test_generate__constant_variants_stay_constant(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=30, n_constant=2)
    synthetic = TINY.fit(train, example_context(tmp_path)).generate(100, seed=1).to_array()
    assert (synthetic[:, :2] == [0, 2]).all()


def test_generate__the_condition_changes_the_genotypes(tmp_path: Path) -> None:
    """Where the trait is a variant and noise, samples asked for at its ends differ there, beyond four standard errors."""
    train = example_genotypes(n_samples=300, n_variants=20)
    alleles = train.to_array()[:, 3]
    train = train.with_samples(train.samples.assign(weight=alleles + np.random.default_rng(1).normal(0, 0.3, 300)))
    condition = pd.DataFrame({"weight": np.repeat([0.0, 2.0], 500), "sex": "male"})
    synthetic = TINY.fit(train, example_context(tmp_path)).generate(1000, seed=1, condition=condition).to_array()[:, 3]
    low, high = synthetic[:500], synthetic[500:]
    assert high.mean() - low.mean() > 4 * np.sqrt((high.var() + low.var()) / 500)


def test_fit__a_divergent_loss_is_an_error_that_says_when(tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match=r"became (nan|inf|-inf) at step \d+ of"):
        dataclasses.replace(TINY, max_epochs=20, critic_rate=1e30).fit(example_genotypes(n_samples=40), example_context(tmp_path))


def test_fit__reports_steps_with_their_total(tmp_path: Path) -> None:
    points: list[tuple[int, dict[str, float]]] = []
    recording = dataclasses.replace(example_context(tmp_path), report=lambda step, losses: points.append((step, dict(losses))))
    TINY.fit(example_genotypes(n_samples=40, n_variants=50), recording)
    step, losses = points[-1]
    assert step == losses["total_steps"] == 4 * 40 / (8 * 2)
    assert {"critic distance", "gradient penalty", "generator loss"} <= set(losses)


@pytest.mark.usefixtures("always_saved")
def test_fit__goes_on_after_a_kill_to_the_same_model(tmp_path: Path, killed_at: KillAt) -> None:
    train = example_genotypes(n_samples=40)
    whole = TINY.fit(train, example_context(tmp_path / "whole")).generate(9, seed=5)
    interrupted = example_context(tmp_path / "killed")
    with killed_at(2) as report:
        TINY.fit(train, dataclasses.replace(interrupted, report=report))
    steps: list[int] = []
    again = TINY.fit(train, dataclasses.replace(interrupted, report=lambda step, _losses: steps.append(step)))
    assert steps[0] > 2
    assert (again.generate(9, seed=5).to_array() == whole.to_array()).all()


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("learning_rate", 0.0), ("average_decay", 1.0), ("n_clusters", 0)])
def test_settings__refuse_values_out_of_range(name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        dataclasses.replace(TINY, **changes)
