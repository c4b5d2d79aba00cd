"""The default GAN: its start, its penalty, and the rules of every generator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from genobench import SettingsError
from genobench.statgen import BlockLayout
from genobench.testing import GeneratorSuite, example_context, example_genotypes, genotypes_of
from genobench_neural.clusters.losses import squared_gradient
from genobench_neural.factors import leading_scores
from genobench_neural.gan import Gan
from genobench_neural.training_data import TrainingData

QUICK = {"max_epochs": 1, "n_rounds": 1, "n_clusters": 4, "n_shared": 2, "width": 8, "n_hidden": 4}


class TestGan(GeneratorSuite):
    plugin = Gan
    settings = QUICK


def test_leading_scores__are_the_principal_components() -> None:
    """Against numpy's singular value decomposition of standardised calls, freed of the condition by least squares.

    Forty more copies of one variant and eighty of another lead by far, so that the iteration has converged to rounding.
    """
    copied = np.r_[:40, [3] * 40, [7] * 80]
    train = genotypes_of(example_genotypes(n_samples=50).to_array()[:, copied])
    layout = BlockLayout.of_variants(train.variants, block_size=16)
    data = TrainingData.of_genotypes(train, example_context(Path()), layout)
    condition = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    scores = leading_scores(data.batches, data.block_shares, condition, n_factors=2, generator=generator).double().numpy()
    calls = train.to_array().astype(float)
    x = (calls - calls.mean(axis=0)) / calls.std(axis=0)
    known = np.column_stack([np.ones(50), condition.numpy()])
    left = x - known @ np.linalg.lstsq(known, x, rcond=None)[0]
    expected = np.linalg.svd(left)[0][:, :2] * 50**0.5
    np.testing.assert_allclose(np.abs(scores.T @ expected / 50), np.eye(2), atol=1e-4)
    np.testing.assert_allclose(scores.T @ scores / 50, np.eye(2), atol=1e-4)


@pytest.mark.parametrize("n_different", [1, 3])
def test_leading_scores__are_0_beyond_the_rank(n_different: int) -> None:
    """Copies of one or three variants have one or three components, whatever is asked for."""
    calls = example_genotypes(n_samples=50, n_variants=12).to_array()[:, 4 : 4 + n_different]
    train = genotypes_of(calls[:, np.arange(12) % n_different])
    layout = BlockLayout.of_variants(train.variants, block_size=4)
    data = TrainingData.of_genotypes(train, example_context(Path()), layout)
    none = torch.zeros(50, 0)
    scores = leading_scores(data.batches, data.block_shares, none, n_factors=5, generator=torch.Generator().manual_seed(1))
    assert (scores[:, n_different:] == 0).all()
    np.testing.assert_allclose(scores.square().mean(dim=0)[:n_different], 1.0, rtol=1e-4)


def test_squared_gradient__of_a_linear_score_is_closed() -> None:
    weight = torch.arange(1.0, 7.0).view(2, 1, 3)
    x = torch.zeros(2, 5, 3, requires_grad=True)
    penalty = squared_gradient((x * weight).sum(dim=(0, 2)), x)
    assert float(penalty.detach()) == pytest.approx(91.0)


def test_fit__runs_without_adversarial_training(tmp_path: Path) -> None:
    sampler = Gan(training_calls=0, n_clusters=4, n_rounds=2).fit(example_genotypes(n_samples=20), example_context(tmp_path))
    assert sampler.generate(3, seed=1).n_samples == 3


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("n_clusters", 0), ("n_shared", 0)])
def test_settings__refuse_values_out_of_range(name: str, value: int) -> None:
    changes: dict[str, int] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}; it must be at least"):
        Gan(**changes)  # type: ignore[arg-type] # settings by name
