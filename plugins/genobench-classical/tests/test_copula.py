"""The copula: its covariances and correlations against closed forms, and every rule for generators."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from genobench import FitContext, GenobenchError, Genotypes, PackedCalls, SettingsError
from genobench.testing import EXAMPLE_TRAITS, GeneratorSuite, example_genotypes
from genobench_classical.copula import Copula
from genobench_classical.gaussian import call_covariance, category_means
from genobench_classical.latent import Families

if TYPE_CHECKING:
    from pathlib import Path

QUICK = Copula(n_components=4, n_rounds=30)


class TestCopula(GeneratorSuite):
    """Every rule for generators."""

    plugin = Copula
    settings = {"n_components": 4, "n_rounds": 5}  # noqa: RUF012 - a suite's attribute


def context(folder: Path) -> FitContext:
    return FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=folder)


def genotypes_of(calls: np.ndarray) -> Genotypes:
    table = example_genotypes(n_samples=len(calls), n_variants=calls.shape[1])
    return Genotypes(calls=PackedCalls.from_calls(calls.astype(np.int8)), samples=table.samples, variants=table.variants)


@pytest.mark.parametrize("rho", [-0.8, -0.2, 0.3, 0.9])
def test_call_covariance__is_that_of_bivariate_normal_probabilities(rho: float) -> None:
    left, right = np.array([-0.3, 0.9]), np.array([0.1, 1.5])
    found = call_covariance(torch.tensor([[rho]]), torch.tensor(left[:, None], dtype=torch.float32), torch.tensor(right[:, None]).float())
    both = multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    wanted = sum(float(both.cdf([-h, -k])) - norm.sf(h) * norm.sf(k) for h in left for k in right)
    assert float(found) == pytest.approx(wanted, abs=2e-3)


def test_call_covariance__gradient_is_the_bivariate_density() -> None:
    rho = torch.tensor([[0.4]], requires_grad=True)
    call_covariance(rho, torch.tensor([[0.2], [1.0]]), torch.tensor([[-0.5], [0.7]])).sum().backward()
    both = multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]])
    wanted = sum(float(both.pdf([h, k])) for h in (0.2, 1.0) for k in (-0.5, 0.7))
    assert rho.grad is not None
    assert float(rho.grad) == pytest.approx(wanted, rel=1e-4)


def test_category_means__of_a_cut_in_the_middle_is_the_half_normal_mean() -> None:
    means = category_means(np.array([[0.5], [0.5]]))
    half_normal = np.sqrt(2 / np.pi)
    np.testing.assert_allclose(means[:, 0], [-half_normal, 0.0, half_normal], atol=1e-12)


def test_copula__reproduces_a_given_latent_correlation(tmp_path: Path) -> None:
    """A first-order autoregression, cut: calls of training and of generated samples have the same correlations within noise."""
    rng = np.random.default_rng(3)
    n_samples, n_variants = 1500, 40
    latent = np.empty((n_samples, n_variants))
    for k in range(n_variants):
        start = k in (0, n_variants // 2)
        fresh = rng.standard_normal(n_samples)
        latent[:, k] = fresh if start else 0.8 * latent[:, k - 1] + 0.6 * fresh
    calls = (latent > -0.2).astype(np.int8) + (latent > 0.9)
    synthetic = Copula(n_components=0).fit(genotypes_of(calls), context(tmp_path)).generate(4000, seed=2).to_array()
    wanted, found = np.corrcoef(calls.T), np.corrcoef(synthetic.T)
    # Correlations of 1,500 and 4,000 samples differ by chance with a standard deviation of at most sqrt(1/1500 + 1/4000) = .03.
    assert np.abs(wanted - found).max() < 0.15
    assert np.abs(np.diag(wanted, 1) - np.diag(found, 1)).mean() < 0.035


def test_copula__genotype_shares_are_those_of_training(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=300)
    synthetic = QUICK.fit(train, context(tmp_path)).generate(4000, seed=2).to_array()
    for genotype in range(3):
        wanted, found = (train.to_array() == genotype).mean(axis=0), (synthetic == genotype).mean(axis=0)
        # A prior draws strata together, and the shares themselves are of 300 samples.
        assert np.abs(wanted - found).max() < 5 * 0.5 / np.sqrt(4000) + 0.02


def test_copula__the_trait_moves_calls(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=400)
    calls = train.to_array()
    moved = train.samples.assign(weight=calls[:, 7] + np.random.default_rng(1).normal(0, 0.5, 400))
    sampler = QUICK.fit(train.with_samples(moved), context(tmp_path))
    condition = pd.DataFrame({"weight": np.repeat([0.0, 2.0], 500), "sex": "male"})
    if "male" not in set(train.samples["sex"]):
        condition["sex"] = train.samples["sex"].iloc[0]
    found = sampler.generate(1000, seed=1, condition=condition).to_array()[:, 7]
    assert found[500:].mean() - found[:500].mean() > 0.4


def test_families__keep_the_relationship_of_their_members(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=240, n_variants=200)
    unrelated = QUICK.fit(train, context(tmp_path)).generate(240, seed=1).to_array()
    related = dataclasses.replace(QUICK, least_relationship=0.15).fit(train, context(tmp_path)).generate(240, seed=1).to_array()

    def largest(calls: np.ndarray) -> float:
        correlation = np.corrcoef(calls)
        np.fill_diagonal(correlation, -1)
        return float(np.median(correlation.max(axis=1)))

    assert largest(related) > largest(unrelated) + 0.05


def test_families__of_two_blocks_are_two() -> None:
    gram = np.eye(10)
    gram[:5, :5] += 0.5
    gram[5:, 5:] += 0.5
    families, family_of = Families.of_gram(gram, least=0.2)
    assert sorted(families.sizes) == [5, 5]
    assert len(set(family_of[:5])) == len(set(family_of[5:])) == 1
    factor = families.factor(0)
    np.testing.assert_allclose(factor @ factor.T, np.full((5, 5), 1 / 3) + 2 / 3 * np.eye(5), atol=0.01)


def test_copula__takes_one_variant_and_two_samples(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=2, n_variants=1)
    assert QUICK.fit(train, context(tmp_path)).generate(5, seed=1).calls.shape == (5, 1)


def test_copula__refuses_a_class_that_training_did_not_have(tmp_path: Path) -> None:
    sampler = QUICK.fit(example_genotypes(), context(tmp_path))
    with pytest.raises(GenobenchError, match="sex = 'ox', which no training sample has"):
        sampler.generate(1, seed=1, condition=pd.DataFrame({"weight": [1.0], "sex": ["ox"]}))


@pytest.mark.parametrize(("name", "value"), [("n_components", -1), ("block_size", 2), ("least_relationship", 0.0), ("ridge", 0.0)])
def test_settings__refuse_values_out_of_range(name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        dataclasses.replace(QUICK, **changes)
