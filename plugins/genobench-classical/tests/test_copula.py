"""The copula: its covariances and correlations against closed forms, and every rule for generators."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import multivariate_normal, norm

from genobench import MISSING, FitContext, Genotypes, SettingsError, Trait
from genobench.statgen import BlockLayout
from genobench.testing import GeneratorSuite, example_context, example_genotypes, genotypes_of
from genobench_classical.copula import Copula
from genobench_classical.gaussian import call_covariance, category_means
from genobench_classical.latent import LatentScores
from genobench_classical.strata import cumulative_shares

if TYPE_CHECKING:
    from pathlib import Path

QUICK = Copula(n_components=4, n_rounds=30)


class TestCopula(GeneratorSuite):
    """Every rule for generators."""

    plugin = Copula
    settings = {"n_components": 4, "n_rounds": 5}  # noqa: RUF012 - a suite's attribute


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


def autoregression(n_samples: int, n_variants: int) -> np.ndarray:
    """Calls of a latent first-order autoregression with correlation .8, which begins anew at the middle."""
    rng = np.random.default_rng(3)
    latent = rng.standard_normal((n_samples, n_variants))
    for k in (*range(1, n_variants // 2), *range(n_variants // 2 + 1, n_variants)):
        latent[:, k] = 0.8 * latent[:, k - 1] + 0.6 * latent[:, k]
    return (latent > -0.2).astype(np.int8) + (latent > 0.9)


def test_copula__reproduces_a_given_latent_correlation(tmp_path: Path) -> None:
    """A first-order autoregression, cut: calls of training and of generated samples have the same correlations within noise."""
    calls = autoregression(1500, 40)
    synthetic = Copula(n_components=0).fit(genotypes_of(calls), example_context(tmp_path)).generate(4000, seed=2).to_array()
    wanted, found = np.corrcoef(calls.T), np.corrcoef(synthetic.T)
    # Correlations of 1,500 and 4,000 samples differ by chance with a standard deviation of at most this.
    error = np.sqrt(1 / 1500 + 1 / 4000)
    assert np.abs(wanted - found).max() < 5 * error
    assert np.abs(np.diag(wanted, 1) - np.diag(found, 1)).mean() < error


def test_copula__missing_calls_do_not_lessen_correlations(tmp_path: Path) -> None:
    calls = autoregression(1500, 40)
    is_linked = np.arange(39) != 19
    wanted = np.diag(np.corrcoef(calls.T), 1)[is_linked]
    calls[np.random.default_rng(4).random(calls.shape) < 0.25] = MISSING
    synthetic = Copula(n_components=0).fit(genotypes_of(calls), example_context(tmp_path)).generate(4000, seed=2).to_array()
    found = np.diag(np.corrcoef(synthetic.T), 1)[is_linked]
    # Of 1,500 samples .75 x .75 have both calls. With .75 of each correlation, .6, the mean would be .15 off.
    error = (1 - wanted.mean() ** 2) * np.sqrt(1 / (1500 * 0.75**2) + 1 / 4000)
    assert abs((found - wanted).mean()) < error
    np.testing.assert_allclose(found, wanted, atol=5 * error)


def test_latent_scores__with_missing_calls_have_the_products_of_complete_ones() -> None:
    calls = autoregression(4000, 40)
    incomplete = np.where(np.random.default_rng(4).random(calls.shape) < 0.25, MISSING, calls).astype(np.int8)
    products = []
    for some in (calls, incomplete):
        train = genotypes_of(some)
        stratum_of = np.zeros(len(some), dtype=np.intp)
        layout = BlockLayout.of_variants(train.variants, block_size=40)
        at_most = cumulative_shares(train, stratum_of, 1)
        scores = LatentScores.of_training(train.calls, stratum_of=stratum_of, at_most=at_most, layout=layout).of_block(0)
        products.append(np.diag(scores.T @ scores / len(scores), 1)[:19])
    # A product of two normal scores has a standard deviation of at most sqrt(2), whichever samples are left out.
    np.testing.assert_allclose(products[1], products[0], atol=5 * np.sqrt(2 / 4000 * (1 / 0.75**2 - 1)))


def with_columns(n_samples: int, n_variants: int) -> Genotypes:
    """Calls moved by two columns that are nearly one, as cut normal variables; shares are about .5, .3 and .2."""
    rng = np.random.default_rng(11)
    both = rng.standard_normal((n_samples, 1))
    columns = 0.95 * both + np.sqrt(1 - 0.95**2) * rng.standard_normal((n_samples, 2))
    latent = 0.6 * both + 0.8 * rng.standard_normal((n_samples, n_variants))
    train = genotypes_of((latent > 0).astype(np.int8) + (latent > 0.84))
    return train.with_samples(train.samples.assign(weight=columns[:, 0], height=columns[:, 1]))


def test_copula__shares_are_exact_where_columns_move_calls(tmp_path: Path) -> None:
    train = with_columns(2000, 24)
    trait = Trait(column="weight", kind="quantitative", covariates=("height",))
    sampler = Copula(n_components=4, n_rounds=5).fit(train, FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path))
    asked = pd.concat([train.samples[["weight", "height"]]] * 10, ignore_index=True)
    synthetic = sampler.generate(20000, seed=2, condition=asked).to_array()
    for genotype in range(3):
        wanted, found = (train.to_array() == genotype).mean(axis=0), (synthetic == genotype).mean(axis=0)
        np.testing.assert_allclose(found, wanted, atol=4 * np.sqrt(0.25 / 20000))


def test_copula__effects_are_those_within_classes(tmp_path: Path) -> None:
    """Half of the calls' latent variance goes with weight within each of two lines, between which weight differs by six."""
    rng = np.random.default_rng(13)
    is_second = np.arange(4000) % 2 == 1
    within = rng.standard_normal(4000)
    latent = 0.5 * within[:, None] + np.sqrt(0.75) * rng.standard_normal((4000, 12))
    train = genotypes_of((latent > 0).astype(np.int8) + (latent > 0.84))
    train = train.with_samples(
        train.samples.assign(weight=within + np.where(is_second, 3.0, -3.0), line=np.where(is_second, "second", "first"))
    )
    trait = Trait(column="weight", kind="quantitative", covariates=("line",))
    sampler = Copula(n_components=0, n_rounds=5).fit(train, FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path))
    asked = pd.DataFrame({"weight": np.repeat([2.0, 3.0, 4.0], 10000), "line": "second"})
    found = sampler.generate(30000, seed=2, condition=asked).to_array().reshape(3, 10000, 12).mean(axis=(1, 2))
    # The mean call at latent mean m and variance .75, less thresholds 0 and .84.
    wanted = [sum(norm.sf((cut - 0.5 * value) / np.sqrt(0.75)) for cut in (0.0, 0.84)) for value in (-1, 0, 1)]
    # 2,000 samples of a line, of which the variance of a mean call is at most 1; each variant has fresh noise, but not fresh columns.
    np.testing.assert_allclose(found, wanted, atol=4 / np.sqrt(2000 * 12))


def test_copula__genotype_shares_are_those_of_training(tmp_path: Path) -> None:
    """The prior draws two classes together, as much one as the other where both have as many samples: their mean stays."""
    train = example_genotypes(n_samples=300)
    sexes = pd.DataFrame({"sex": ["female", "male"] * 2000})
    train = train.with_samples(train.samples.assign(sex=sexes["sex"].head(300)))
    fitted = QUICK.fit(train, FitContext(trait=Trait(column="sex", kind="categorical"), seed=1, device="cpu", folder=tmp_path))
    synthetic = fitted.generate(4000, seed=2, condition=sexes).to_array()
    for genotype in range(3):
        wanted, found = (train.to_array() == genotype).mean(axis=0), (synthetic == genotype).mean(axis=0)
        # The largest of 60 variants; a share has a standard error of at most .5 / sqrt(4000).
        np.testing.assert_allclose(found, wanted, atol=5 * 0.5 / np.sqrt(4000))


def test_copula__the_trait_moves_calls(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=400)
    calls = train.to_array()
    moved = train.samples.assign(weight=calls[:, 7] + np.random.default_rng(1).normal(0, 0.5, 400))
    sampler = QUICK.fit(train.with_samples(moved), example_context(tmp_path))
    condition = pd.DataFrame({"weight": np.repeat([0.0, 2.0], 500), "sex": train.samples["sex"].iloc[0]})
    found = sampler.generate(1000, seed=1, condition=condition).to_array()[:, 7]
    # Against no effect: the variance of a call is at most 1, so this is four standard errors of the difference.
    assert found[500:].mean() - found[:500].mean() > 4 * np.sqrt(2 / 500)


@pytest.mark.parametrize(("name", "value"), [("n_components", -1), ("block_size", 2), ("ridge", 0.0)])
def test_settings__refuse_values_out_of_range(name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        dataclasses.replace(QUICK, **changes)
