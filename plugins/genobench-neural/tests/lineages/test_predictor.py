"""The trait's effects and its heritability, against ridge regression and simulated traits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import Genotypes, PackedCalls
from genobench.statgen import BlockLayout
from genobench.testing import example_genotypes
from genobench_neural.batches import PackedBatches
from genobench_neural.lineages.predictor import TraitPredictor, fit_predictor


def predictor_of(batches: PackedBatches, condition: torch.Tensor, *, n_trait: int = 1, n_quantitative: int = 2) -> TraitPredictor:
    is_class = torch.arange(condition.shape[1]) >= n_quantitative
    random = torch.Generator().manual_seed(1)
    return fit_predictor(batches, condition, torch.arange(len(condition)), n_trait=n_trait, is_class=is_class, generator=random)


def test_fit_predictor__has_the_effects_of_ridge_regression() -> None:
    """In the primal form, by numpy: (X'X / s + k I)^-1 X'y / s has the same predictions as the dual."""
    train = example_genotypes(n_samples=30)
    layout = BlockLayout.of_variants(train.variants, block_size=8)
    batches = PackedBatches.of_genotypes(train, layout, torch.device("cpu"))
    condition = torch.randn(30, 2, generator=torch.Generator().manual_seed(5))
    found = predictor_of(batches, condition)
    effects = found.effects.reshape(-1)[torch.from_numpy(layout.place_of)]
    calls = train.to_array().astype(float)
    masked = np.ma.masked_less(calls, 0)
    x = (masked - masked.mean(axis=0)).filled(0.0)
    scale = np.mean((x**2).sum(axis=1))
    covariate, trait = condition[:, 1].double().numpy(), condition[:, 0].double().numpy()
    y = trait - covariate * (covariate @ trait) / (covariate @ covariate + 1)
    ratio = float(found.residual / found.explained)
    expected = np.linalg.solve(x.T @ x / scale + ratio * np.eye(x.shape[1]), x.T @ y / scale)
    np.testing.assert_allclose(effects.numpy(), expected, rtol=1e-2, atol=1e-5)
    np.testing.assert_allclose(float(found.explained + found.residual), y.var(ddof=1), rtol=1e-4)


def test_fit_predictor__finds_heritability() -> None:
    """A trait of 400 independent variants in 600 samples: the standard error is near sqrt(2 * 400) / 600 (Visscher et al. 2014)."""
    random = np.random.default_rng(6)
    calls = random.integers(0, 3, (600, 400)).astype(np.int8)
    variants = pd.DataFrame({"chromosome": "1", "position_bp": range(1, 401), "id": [f"v{k}" for k in range(400)], "ref": "A", "alt": "G"})
    layout = BlockLayout.of_variants(variants, block_size=8)
    train = Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": [f"s{k}" for k in range(600)]}), variants)
    batches = PackedBatches.of_genotypes(train, layout, torch.device("cpu"))
    value = (calls - 1.0) @ random.normal(size=400)
    trait = 0.8**0.5 * value / value.std() + 0.2**0.5 * random.normal(size=600)
    condition = torch.tensor(np.stack([trait, random.normal(size=600)], axis=1), dtype=torch.float32)
    found = predictor_of(batches, condition)
    assert float(found.explained / (found.explained + found.residual)) == pytest.approx(0.8, abs=4 * 800**0.5 / 600)
    assert found.is_population.tolist() == [False, False]


def half_sibs(n_traits: int, *, n_families: int) -> tuple[PackedBatches, torch.Tensor, np.ndarray]:
    """Of 15 a family, traits of heritability .5 with a herd for each family, one-hot, and the relationship beside herds."""
    random = np.random.default_rng(7)
    number = np.repeat(np.arange(n_families), 15)
    shares = random.uniform(0.1, 0.5, 800)
    sires = random.binomial(1, shares, (2, n_families, 800))
    is_first = random.random((len(number), 800)) < 0.5
    calls = np.where(is_first, sires[0, number], sires[1, number]) + random.binomial(1, shares, is_first.shape)
    variants = pd.DataFrame({"chromosome": "1", "position_bp": range(1, 801), "id": [f"v{k}" for k in range(800)], "ref": "A", "alt": "G"})
    layout = BlockLayout.of_variants(variants, block_size=8)
    samples = pd.DataFrame({"id": [f"s{k}" for k in range(len(number))]})
    batches = PackedBatches.of_genotypes(
        Genotypes(PackedCalls.from_calls(calls.astype(np.int8)), samples, variants), layout, torch.device("cpu")
    )
    x = calls - calls.mean(axis=0)
    values = x @ random.normal(size=(800, n_traits))
    herd = (number[:, None] == np.arange(n_families)) - 1 / n_families
    traits = values / values.std(axis=0) + random.normal(size=values.shape) + herd @ random.normal(size=(n_families, n_traits))
    relationship = x @ x.T / np.mean((x**2).sum(axis=1))
    within = np.eye(len(number)) - (number[:, None] == number) / 15
    return batches, torch.tensor(np.hstack([traits - traits.mean(axis=0), herd]), dtype=torch.float32), within @ relationship @ within


def test_fit_predictor__finds_heritability_beside_herds_that_are_families() -> None:
    """As simulated, within four standard errors of a mean over traits.

    That of one trait is near 1 / the root of the sum of squared relationships of pairs (Visscher et al. 2014).
    """
    batches, condition, relationship = half_sibs(16, n_families=30)
    found = predictor_of(batches, condition, n_trait=16, n_quantitative=16)
    error = (relationship[np.triu_indices(len(relationship), k=1)] ** 2).sum() ** -0.5
    heritability = found.explained / (found.explained + found.residual)
    assert float(heritability.mean()) == pytest.approx(0.5, abs=4 * error / 16**0.5)
    assert not found.is_population[:16].any()


def test_fit_predictor__only_classes_are_populations() -> None:
    """Two populations, F_ST near 1/3, as a class and as a quantitative column."""
    random = np.random.default_rng(2)
    population = np.arange(60) % 2
    calls = random.binomial(2, np.where(np.arange(200) % 2 == population[:, None], 0.2, 0.8)).astype(np.int8)
    variants = pd.DataFrame({"chromosome": "1", "position_bp": range(1, 201), "id": [f"v{k}" for k in range(200)], "ref": "A", "alt": "G"})
    train = Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": [f"s{k}" for k in range(60)]}), variants)
    batches = PackedBatches.of_genotypes(train, BlockLayout.of_variants(variants, block_size=8), torch.device("cpu"))
    named = torch.tensor(population[:, None] - 0.5, dtype=torch.float32)
    condition = torch.cat([torch.tensor(random.normal(size=(60, 1)), dtype=torch.float32), named, named, -named], dim=1)
    assert predictor_of(batches, condition).is_population.tolist() == [False, False, True, True]


def test_fit_predictor__a_trait_without_heritability_has_no_effects() -> None:
    """Each of 30 pairs of one genotype twice has opposite values, so that relatives are less alike than others: the estimate is 0."""
    random = np.random.default_rng(3)
    calls = np.repeat(random.integers(0, 3, (30, 80)), 2, axis=0).astype(np.int8)
    variants = pd.DataFrame({"chromosome": "1", "position_bp": range(1, 81), "id": [f"v{k}" for k in range(80)], "ref": "A", "alt": "G"})
    train = Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": [f"s{k}" for k in range(60)]}), variants)
    batches = PackedBatches.of_genotypes(train, BlockLayout.of_variants(variants, block_size=8), torch.device("cpu"))
    trait = torch.tensor([1.0, -1.0]).repeat(30)[:, None]
    found = predictor_of(batches, trait)
    assert float(found.explained) == pytest.approx(0, abs=1e-5)
    assert float(found.effects.abs().max()) == pytest.approx(0, abs=1e-5)
