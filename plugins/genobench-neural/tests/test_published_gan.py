"""The published GAN and WGAN: penalty in closed form, condition as scalars, and fits at tiny sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import ConditionEncoder, Trait
from genobench.testing import example_context, example_genotypes
from genobench_neural.gan import Gan
from genobench_neural.published.conditions import condition_scalars
from genobench_neural.published.dense import Beside
from genobench_neural.published.gan import published_temperature
from genobench_neural.wgan import Wgan

if TYPE_CHECKING:
    from pathlib import Path

    from genobench import Generator


def test_beside__mirrors_the_condition_in_front() -> None:
    """Human MULTI: height, sex in front and sex, height behind."""
    joined = Beside(1, 1)(torch.tensor([[9.0]]), torch.tensor([[1.0, 2.0]]))
    assert joined.tolist() == [[2.0, 1.0, 9.0, 1.0, 2.0]]


def test_condition_scalars__are_values_and_class_numbers_as_in_the_table() -> None:
    """Height in m, and the number of the class; a missing value is the mean."""
    table = pd.DataFrame({"height": [1.62, 1.78, 1.91, 1.69], "line": ["a", "c", "b", "a"]})
    encoder = ConditionEncoder.of_samples(table, Trait(column="height", kind="quantitative", covariates=("line",)))
    matrix, offset = condition_scalars(encoder)
    asked = pd.DataFrame({"height": [1.78, None], "line": ["c", "b"]})
    torch.testing.assert_close(torch.from_numpy(encoder.encode(asked)) @ matrix + offset, torch.tensor([[1.78, 2.0], [1.75, 1.0]]))


@pytest.mark.parametrize(
    "settings",
    [
        Gan(preset="cow-chr14", max_epochs=2),
        Gan(preset="human-ensembl", max_epochs=2, is_conditional=True),
        Wgan(preset="cow-all", max_epochs=2),
        Wgan(preset="human-ensembl", max_epochs=2),
        Wgan(preset="human-multi", max_epochs=2),
    ],
    ids=lambda settings: f"{type(settings).__name__}-{settings.preset}",
)
def test_preset__fits_generates_and_loads(tmp_path: Path, settings: Generator) -> None:
    train = example_genotypes(n_samples=24, missing_share=0.05)
    sampler = settings.fit(train, example_context(tmp_path / "fit"))
    synthetic = sampler.generate(9, seed=2).to_array()
    sampler.save(tmp_path / "saved")
    assert (type(settings).load(tmp_path / "saved").generate(9, seed=2).to_array() == synthetic).all()
    assert set(np.unique(synthetic)) <= {0, 1, 2}


def test_preset__gan_learns_which_variants_are_constant(tmp_path: Path) -> None:
    n_constant = 30
    train = example_genotypes(n_samples=48, n_variants=40, n_constant=n_constant)
    settings = Gan(preset="cow-chr14", max_epochs=150, batch_size=24)
    synthetic = settings.fit(train, example_context(tmp_path)).generate(200, seed=1).to_array()
    is_right = synthetic[:, :n_constant] == train.to_array()[0, :n_constant]
    # By chance a third is right; samples go together, so that variants alone count as independent.
    assert is_right.mean() > 1 / 3 + 4 * (2 / 9 / n_constant) ** 0.5


@pytest.mark.parametrize(("epoch", "temperature"), [(1, 0.9991), (500, 0.55), (1000, 0.1)])
def test_published_temperature__falls_from_nearly_1_to_a_tenth(epoch: int, temperature: float) -> None:
    assert published_temperature(epoch, 1000) == pytest.approx(temperature)
