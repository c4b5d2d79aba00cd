"""The WGAN, at tiny sizes: its penalty and draws against closed forms, and what must hold of any generator."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import MISSING, FitContext, GenobenchError, Genotypes, PackedCalls, SettingsError, Trait
from genobench.testing import GeneratorSuite
from genobench_neural import training
from genobench_neural.clusters.losses import gradient_penalty
from genobench_neural.preset_settings import overridden
from genobench_neural.wgan import PLAN, Wgan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

QUICK = {"max_epochs": 1, "n_rounds": 1, "n_clusters": 4}
TINY = Wgan(max_epochs=4, batch_size=8, n_critic=1, block_size=8, n_clusters=4, n_rounds=4, n_shared=2, width=8, n_hidden=4)
TRAIT = Trait(column="weight", kind="quantitative", covariates=("sex",))


class TestWgan(GeneratorSuite):
    """Every rule for generators."""

    plugin = Wgan
    settings = QUICK


def autoregressive_haplotypes(n_samples: int, n_variants: int, *, seed: int) -> np.ndarray:
    """Calls of samples with two haplotypes each, whose alleles are a Markov chain that repeats itself with probability .95."""
    random = np.random.default_rng(seed)
    frequencies = random.uniform(0.2, 0.8, n_variants)
    haplotypes = np.empty((2 * n_samples, n_variants), dtype=np.int8)
    uniform = random.random(2 * n_samples)
    for variant in range(n_variants):
        is_new = random.random(2 * n_samples) > 0.95
        uniform = np.where(is_new, random.random(2 * n_samples), uniform)
        haplotypes[:, variant] = uniform < frequencies[variant]
    return haplotypes[:n_samples] + haplotypes[n_samples:]


def genotypes_of(calls: np.ndarray, *, seed: int = 0) -> Genotypes:
    n_samples, n_variants = calls.shape
    random = np.random.default_rng(seed)
    samples = pd.DataFrame(
        {
            "id": [f"s{k}" for k in range(n_samples)],
            "sex": np.where(random.random(n_samples) < 0.5, "male", "female"),
            "weight": random.normal(20, 3, n_samples),
        }
    )
    variants = pd.DataFrame(
        {
            "chromosome": np.where(np.arange(n_variants) < n_variants * 2 // 3, "1", "X"),
            "position_bp": np.arange(1, n_variants + 1) * 1000,
            "id": [f"v{k}" for k in range(n_variants)],
            "ref": "A",
            "alt": "G",
        }
    )
    return Genotypes(PackedCalls.from_calls(calls), samples, variants)


def context(folder: Path, *, seed: int = 1, trait: Trait = TRAIT) -> FitContext:
    return FitContext(trait=trait, seed=seed, device="cpu", folder=folder)


@pytest.fixture(scope="module")
def train() -> Genotypes:
    return genotypes_of(autoregressive_haplotypes(40, 50, seed=3))


def test_gradient_penalty__of_a_linear_critic_is_closed() -> None:
    weight = torch.arange(1.0, 7.0).reshape(2, 1, 3)
    x = torch.randn(2, 5, 3, requires_grad=True)
    penalty = gradient_penalty(lambda x: (x * weight).sum(dim=(0, 2)), x)
    assert float(penalty) == pytest.approx((91**0.5 - 1) ** 2, rel=1e-5)


def test_generate__has_the_shape_and_values_of_the_contract(train: Genotypes, tmp_path: Path) -> None:
    synthetic = TINY.fit(train, context(tmp_path)).generate(13, seed=5)
    assert synthetic.to_array().shape == (13, 50)
    assert set(np.unique(synthetic.to_array())) <= {0, 1, 2}
    pd.testing.assert_frame_equal(synthetic.variants, train.variants)


def test_generate__keeps_the_condition_in_the_sample_table(train: Genotypes, tmp_path: Path) -> None:
    condition = pd.DataFrame({"weight": [19.0, 22.5], "sex": ["male", "female"]})
    synthetic = TINY.fit(train, context(tmp_path)).generate(2, seed=5, condition=condition)
    pd.testing.assert_frame_equal(synthetic.samples[["weight", "sex"]], condition)


def test_generate__same_seed_same_samples_and_other_seed_others(train: Genotypes, tmp_path: Path) -> None:
    sampler = TINY.fit(train, context(tmp_path))
    first = sampler.generate(9, seed=5).to_array()
    assert (first == sampler.generate(9, seed=5).to_array()).all()
    assert (first != sampler.generate(9, seed=6).to_array()).any()


def test_fit__same_seed_same_model_whatever_the_global_generator(train: Genotypes, tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = TINY.fit(train, context(tmp_path)).generate(9, seed=5).to_array()
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = TINY.fit(train, context(tmp_path)).generate(9, seed=5).to_array()
    assert (first == again).all()
    assert (torch.get_rng_state() == state).all()


def test_fit__other_seed_other_model(train: Genotypes, tmp_path: Path) -> None:
    first = TINY.fit(train, context(tmp_path, seed=1)).generate(9, seed=5).to_array()
    assert (first != TINY.fit(train, context(tmp_path, seed=2)).generate(9, seed=5).to_array()).any()


def test_load__gives_identical_samples(train: Genotypes, tmp_path: Path) -> None:
    sampler = TINY.fit(train, context(tmp_path))
    sampler.save(tmp_path / "saved")
    loaded = Wgan.load(tmp_path / "saved").generate(9, seed=5)
    expected = sampler.generate(9, seed=5)
    assert (loaded.to_array() == expected.to_array()).all()
    pd.testing.assert_frame_equal(loaded.samples, expected.samples)
    pd.testing.assert_frame_equal(loaded.variants, expected.variants)
    assert {path.suffix for path in (tmp_path / "saved").iterdir()} == {".safetensors", ".json", ".parquet"}


def test_load__says_what_is_lacking(tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match="holds no whole sampler"):
        Wgan.load(tmp_path)


def test_generate__alleles_have_their_frequencies_from_training(tmp_path: Path) -> None:
    train = genotypes_of(autoregressive_haplotypes(200, 30, seed=4))
    synthetic = TINY.fit(train, context(tmp_path)).generate(2000, seed=5).to_array()
    expected = train.to_array().mean(axis=0) / 2
    standard_error = np.sqrt(expected * (1 - expected) / 2 * (1 / 2000 + 1 / 200))
    assert np.abs(synthetic.mean(axis=0) / 2 - expected).max() < (4 * standard_error).max()


def test_generate__linkage_is_nearer_to_training_than_independent_variants(tmp_path: Path) -> None:
    train = genotypes_of(autoregressive_haplotypes(200, 60, seed=6))
    settings = dataclasses.replace(TINY, block_size=4, n_clusters=8, n_rounds=10)
    synthetic = settings.fit(train, context(tmp_path)).generate(200, seed=5).to_array()

    def neighbour_r2(calls: np.ndarray) -> float:
        correlations = np.corrcoef(calls[:, :40], rowvar=False)
        return float(np.mean(np.diagonal(correlations, 1) ** 2))

    wanted = neighbour_r2(train.to_array())
    assert wanted > 0.3
    assert neighbour_r2(synthetic) > 0.6 * wanted


def test_fit__runs_without_adversarial_training(train: Genotypes, tmp_path: Path) -> None:
    sampler = Wgan(training_calls=0, n_clusters=4, n_rounds=2).fit(train, context(tmp_path))
    assert sampler.generate(3, seed=1).n_samples == 3


def test_fit__takes_one_variant(tmp_path: Path) -> None:
    train = genotypes_of(np.array([[0], [1], [2], [1]], dtype=np.int8))
    assert TINY.fit(train, context(tmp_path)).generate(5, seed=1).to_array().shape == (5, 1)


def test_fit__takes_fewer_samples_than_a_batch(tmp_path: Path) -> None:
    train = genotypes_of(autoregressive_haplotypes(3, 20, seed=1))
    assert TINY.fit(train, context(tmp_path)).generate(5, seed=1).n_samples == 5


def test_generate__constant_variants_stay_constant(tmp_path: Path) -> None:
    calls = autoregressive_haplotypes(30, 20, seed=1)
    calls[:, 4], calls[:, 11] = 0, 2
    synthetic = TINY.fit(genotypes_of(calls), context(tmp_path)).generate(100, seed=1).to_array()
    assert (synthetic[:, 4] == 0).all()
    assert (synthetic[:, 11] == 2).all()


def test_fit__takes_missing_calls_and_generates_none(tmp_path: Path) -> None:
    calls = autoregressive_haplotypes(30, 20, seed=1)
    calls[np.random.default_rng(2).random(calls.shape) < 0.2] = MISSING
    calls[:, 7] = MISSING
    synthetic = TINY.fit(genotypes_of(calls), context(tmp_path)).generate(20, seed=1).to_array()
    assert (synthetic >= 0).all()


def test_generate__refuses_a_class_that_training_did_not_have(train: Genotypes, tmp_path: Path) -> None:
    sampler = TINY.fit(train, context(tmp_path))
    condition = pd.DataFrame({"weight": [20.0], "sex": ["ox"]})
    with pytest.raises(GenobenchError, match=r"sex = 'ox', which no training sample has; .* female, male"):
        sampler.generate(1, seed=1, condition=condition)


def test_generate__refuses_a_condition_of_another_length(train: Genotypes, tmp_path: Path) -> None:
    condition = pd.DataFrame({"weight": [20.0], "sex": ["male"]})
    with pytest.raises(GenobenchError, match="has 1 rows; 2 samples need as many"):
        TINY.fit(train, context(tmp_path)).generate(2, seed=1, condition=condition)


def test_generate__the_condition_changes_the_genotypes(tmp_path: Path) -> None:
    calls = autoregressive_haplotypes(300, 20, seed=8)
    train = genotypes_of(calls)
    train = train.with_samples(train.samples.assign(weight=calls[:, 3] + np.random.default_rng(1).normal(0, 0.3, 300)))
    sampler = TINY.fit(train, context(tmp_path))
    weights = np.repeat([0.0, 2.0], 500)
    condition = pd.DataFrame({"weight": weights, "sex": "male"})
    synthetic = sampler.generate(1000, seed=1, condition=condition).to_array()[:, 3]
    assert synthetic[500:].mean() - synthetic[:500].mean() > 0.3


def test_fit__a_divergent_loss_is_an_error_that_says_when(train: Genotypes, tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match=r"became (nan|inf|-inf) at step \d+ of"):
        dataclasses.replace(TINY, max_epochs=20, critic_rate=1e30).fit(train, context(tmp_path))


def test_fit__reports_steps_with_their_total(train: Genotypes, tmp_path: Path) -> None:
    points: list[tuple[int, dict[str, float]]] = []
    recording = FitContext(
        trait=TRAIT, seed=1, device="cpu", folder=tmp_path, report=lambda step, losses: points.append((step, dict(losses)))
    )
    TINY.fit(train, recording)
    step, losses = points[-1]
    assert step == losses["total_steps"] == overridden(PLAN, dataclasses.asdict(TINY)).steps(40, 50)
    assert {"critic distance", "gradient penalty", "generator loss"} <= set(losses)


class Killed(Exception):  # noqa: N818 - stands for a kill, which is no error
    pass


def test_fit__goes_on_after_a_kill_to_the_same_model(train: Genotypes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "_SHARE_OF_WRITING", math.inf)
    whole = TINY.fit(train, context(tmp_path / "whole")).generate(9, seed=5)

    def report(step: int, _losses: Any) -> None:
        if step > 1:
            raise Killed

    monkeypatch.setattr(training, "_REPORT_EVERY_SECONDS", 0.0)
    with pytest.raises(Killed):
        TINY.fit(train, dataclasses.replace(context(tmp_path / "killed"), report=report))
    steps: list[int] = []
    again = TINY.fit(train, dataclasses.replace(context(tmp_path / "killed"), report=lambda step, _losses: steps.append(step)))
    assert steps[0] > 2
    assert (again.generate(9, seed=5).to_array() == whole.to_array()).all()


def test_fit__a_device_that_is_not_there_is_an_error(train: Genotypes, tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match="is no device"):
        TINY.fit(train, FitContext(trait=TRAIT, seed=1, device="abacus", folder=tmp_path))


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("learning_rate", 0.0), ("average_decay", 1.0), ("n_clusters", 0)])
def test_settings__refuse_values_out_of_range(name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        dataclasses.replace(TINY, **changes)


class FirstChoice:
    """A trial that takes the lowest value, or the first choice."""

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:  # noqa: ARG002 - a Trial
        return low

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:  # noqa: ARG002 - a Trial
        return low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ARG002 - a Trial
        return choices[0]


def test_suggest__gives_valid_settings() -> None:
    assert isinstance(Wgan.suggest(FirstChoice()), Wgan)
