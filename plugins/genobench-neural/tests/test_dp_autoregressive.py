"""The autoregression trained by DP-SGD: its rules, its budget, and what it learns where there is next to no noise."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from genobench import FitContext, SettingsError
from genobench.testing import EXAMPLE_TRAITS, GeneratorSuite, example_context, example_genotypes
from genobench_neural.dp_autoregressive import DpAutoregressive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from genobench import Genotypes

QUICK: dict[str, Any] = {"n_frequency_steps": 3, "n_linkage_steps": 3, "n_lags": 2}


class TestDpAutoregressive(GeneratorSuite):
    plugin = DpAutoregressive
    settings = QUICK


def fit(generator: DpAutoregressive, folder: Path, train: Any, reported: list[Mapping[str, float]] | None = None) -> Any:
    def report(_step: int, losses: Mapping[str, float]) -> None:
        if reported is not None:
            reported.append(losses)

    return generator.fit(train, FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=folder, report=report))


def test_fit__finds_frequencies_and_linkage_where_there_is_little_noise(
    tmp_path: Path, assert_linked: Callable[[Genotypes, Genotypes], None]
) -> None:
    train = example_genotypes(n_samples=400)
    # Every batch holds all samples.
    synthetic = fit(DpAutoregressive(epsilon=1e5, rate=1.0), tmp_path, train).generate(2000, seed=2)
    difference = (synthetic.to_array().mean(axis=0) - train.to_array().mean(axis=0)) / 2
    # Standard errors of the frequency of 4,000 alleles drawn, and of the 4,096 by which biases are calibrated, at a frequency of one half.
    assert np.abs(difference).max() < 4 * (0.25 / 4000 + 0.25 / 4096) ** 0.5
    assert_linked(synthetic, train)


def test_fit__reports_the_epsilon_that_it_reached_and_no_loss(tmp_path: Path) -> None:
    reported: list[Mapping[str, float]] = []
    sampler = fit(DpAutoregressive(epsilon=2.5, **QUICK), tmp_path, example_genotypes(n_samples=72), reported)
    assert 2.49 < reported[-1]["epsilon"] <= 2.5
    assert set().union(*reported) == {"length of noisy gradient", "total_steps", "epsilon", "delta"}
    sampler.save(tmp_path / "saved")
    privacy = json.loads((tmp_path / "saved" / "sampler.json").read_text())["sampler"]["network"]["privacy"]
    assert 2.49 < privacy["epsilon_reached"] <= 2.5


@pytest.mark.parametrize(
    ("name", "value"), [("epsilon", 0.0), ("n_lags", -1), ("rate", 1.5), ("linkage_rate", 0.0), ("n_frequency_steps", 0)]
)
def test_settings__refuse_values_out_of_range(name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        DpAutoregressive(**changes)


@pytest.mark.usefixtures("always_saved")
def test_fit__goes_on_after_a_kill_with_the_noise_of_the_system_that_it_had(
    tmp_path: Path, killed_at: Callable[[int], AbstractContextManager[Callable[..., None]]]
) -> None:
    """Else the steps that are done again would be released twice, with two noises."""
    train = example_genotypes(n_samples=40)
    generator = DpAutoregressive(**{**QUICK, "n_linkage_steps": 20}, is_reproducible=False)
    before: list[Mapping[str, float]] = []
    with killed_at(10) as kill:

        def report(step: int, losses: Mapping[str, float]) -> None:
            before.append(losses)
            kill(step)

        generator.fit(train, dataclasses.replace(example_context(tmp_path), report=report))
    after: dict[int, Mapping[str, float]] = {}
    generator.fit(train, dataclasses.replace(example_context(tmp_path), report=after.__setitem__))
    assert after[10]["length of noisy gradient"] == before[-1]["length of noisy gradient"]
