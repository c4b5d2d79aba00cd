"""The Markov chain of private covariances: its noise and sensitivity, and what it learns where there is next to no noise."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from genobench import FitContext, Genotypes, PackedCalls, SettingsError
from genobench.testing import EXAMPLE_TRAITS, GeneratorSuite, example_genotypes
from genobench_neural.dp_markov import DpMarkov
from genobench_neural.private.accounting import PrivacyBudget, gaussian_delta, gaussian_mu
from genobench_neural.private.haplotype_chain import ChainSize, HaplotypeChain, fit_chain
from genobench_neural.private.moments import MomentMechanism, ProductSums, shrunk_frequencies
from genobench_neural.private.streams import Noise

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class TestDpMarkov(GeneratorSuite):
    plugin = DpMarkov


def context(folder: Path, reported: list[Mapping[str, float]] | None = None) -> FitContext:
    def report(_step: int, losses: Mapping[str, float]) -> None:
        if reported is not None:
            reported.append(losses)

    return FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=folder, report=report)


def released(calls: np.ndarray, *, epsilon: float, seed: int = 1, **changes: Any) -> Any:
    mechanism = MomentMechanism(PrivacyBudget.of_samples(epsilon, len(calls)), frequency_share=0.3, condition_share=0.2, n_lags=3)
    reach = torch.arange(calls.shape[1])
    condition = torch.randn(len(calls), 2, generator=torch.Generator().manual_seed(9))
    mechanism = dataclasses.replace(mechanism, **changes)
    return mechanism.release(
        PackedCalls.from_calls(calls), np.arange(calls.shape[1]), reach=reach, condition=condition, noise=Noise.of_seed(seed)
    )


def clipped_means(calls: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Means of the products of neighbours over the samples of `released`, each sample's clipped to the square root of 1.15.

    Products with up to three variants before are scaled such that independent variants would have .8 of a squared length of 1 in them on
    average, and products with the condition .2.
    """
    condition = torch.randn(len(calls), 2, generator=torch.Generator().manual_seed(9)).numpy()
    x, variance = calls - 2 * p, 2 * p * (1 - p)
    of_pairs = sum(((x[:, lag:] * x[:, :-lag]) ** 2).sum(axis=1) for lag in (1, 2, 3))
    usual = sum((variance[lag:] * variance[:-lag]).sum() for lag in (1, 2, 3))
    of_singles = (x**2).sum(axis=1) * (condition**2).sum(axis=1) / (2 * variance.sum())
    clipped = np.minimum(1, (1.15 / (0.8 * of_pairs / usual + 0.2 * of_singles)) ** 0.5)
    means: np.ndarray = (clipped[:, None] * x[:, 1:] * x[:, :-1]).mean(axis=0)
    return means


def test_moments__with_next_to_no_noise_are_those_of_numpy() -> None:
    calls = np.random.default_rng(1).binomial(2, 0.4, (300, 400)).astype(np.int8)
    calls[:, 1] = calls[:, 0]
    moments = released(calls, epsilon=1e6)
    # Frequencies are expected over a grid of 200: half a step, and five standard deviations of the noise of 400 sums.
    frequency_noise = (1.02 * 400) ** 0.5 / (0.3**0.5 * gaussian_mu(PrivacyBudget.of_samples(1e6, 300))) / (2 * 300)
    np.testing.assert_allclose(moments.alt_frequency, calls.mean(axis=0) / 2, atol=0.5 / 200 + 5 * frequency_noise)
    expected = clipped_means(calls, moments.alt_frequency.numpy().astype(float))
    np.testing.assert_allclose(moments.covariance[1:, 0], expected, atol=5 * moments.covariance_noise + 1e-6)


def test_moments__differ_between_two_seeds_by_the_noise_that_they_say() -> None:
    calls = np.random.default_rng(1).binomial(2, 0.4, (300, 400)).astype(np.int8)
    # The frequencies take next to all of the budget, so that both seeds centre alike; what is left makes the noise.
    first, second = (released(calls, epsilon=2e4, seed=seed, frequency_share=1 - 1e-5) for seed in (1, 2))
    difference = (first.covariance - second.covariance)[3:]
    assert float(difference.std()) == pytest.approx(first.covariance_noise * 2**0.5, rel=0.1)
    assert float((first.slopes - second.slopes).std()) == pytest.approx(first.slope_noise * 2**0.5, rel=0.15)


def test_products__one_sample_changes_them_by_no_more_than_the_length() -> None:
    random = torch.Generator().manual_seed(4)
    p = torch.rand(30, generator=random) * 0.8 + 0.1
    condition = torch.randn(5, 2, generator=random)
    for alleles in (torch.zeros(5, 30), torch.full((5, 30), 2.0), torch.randint(3, (5, 30), generator=random).float()):
        products = ProductSums(p, torch.arange(30), condition, n_lags=4, condition_share=0.3)
        products.add((alleles - 2 * p)[:1], 10 * condition[:1])
        squared = (products.pair_scale**2 * (products.covariance * products.is_pair).square().sum()) + (
            products.single_scale**2 * products.slopes.square().sum()
        )
        assert float(squared.sqrt()) <= products.length + 1e-4


def test_budget__both_releases_together_spend_it() -> None:
    budget = PrivacyBudget.of_samples(3.0, 1000)
    mu = gaussian_mu(budget)
    both = ((0.3**0.5 * mu) ** 2 + (0.7**0.5 * mu) ** 2) ** 0.5
    assert gaussian_delta(3.0, both) == pytest.approx(budget.delta, rel=1e-4)


def test_shrunk_frequencies__are_nearer_to_the_true_ones_than_noisy_ones() -> None:
    random = np.random.default_rng(5)
    true = random.beta(1.5, 3, 3000)
    noisy = true + random.normal(0, 0.15, 3000)
    shrunk = shrunk_frequencies(torch.from_numpy(noisy).float(), 0.15).numpy()
    assert ((shrunk - true) ** 2).mean() < 0.7 * ((noisy - true) ** 2).mean()


def test_fit_chain__finds_the_weights_of_a_chain() -> None:
    """Yule-Walker: of x_k = .5 x_(k-1) + .3 x_(k-2) + noise, the correlations are r_1 = .5 / .7 and r_2 = .5 r_1 + .3."""
    n = 200
    correlation = np.tile([0.5 / 0.7, 0.5 * 0.5 / 0.7 + 0.3], (n, 1))
    noise = np.full((n, 2), 1e-3)
    noise[0], noise[1, 1] = np.inf, np.inf
    weights = fit_chain(correlation, noise, np.append(np.ones(n - 1, dtype=bool), False))
    # Shrinkage by the noise is of the order of its variance, 1e-6.
    np.testing.assert_allclose(weights[50:], np.tile([0.5, 0.3], (n - 50, 1)), atol=1e-5)


def test_haplotype_chain__draws_the_correlation_that_it_was_given() -> None:
    size = ChainSize(n_blocks=1, block_size=100, n_variants=100, n_lags=1, n_condition=1)
    network = HaplotypeChain(size)
    network.place.copy_(torch.arange(100))
    network.is_followed.copy_(torch.arange(100) < 99)
    p = torch.full((100,), 0.3)
    network.begin_with(torch.full((100, 1), 0.8), p, torch.zeros(100, 1))
    random = torch.Generator().manual_seed(1)
    network.calibrate(torch.zeros(5, 1), random)
    calls = network.draw(torch.zeros(4000, 1), random)[0].numpy().astype(float)
    r = np.array([np.corrcoef(calls[:, k], calls[:, k + 1])[0, 1] for k in range(99)])
    # Four standard errors of one pair, and of one variant, drawn and (from 4,096 haplotypes) calibrated; means over pairs have less.
    assert r.mean() == pytest.approx(0.8, abs=4 * (1 - 0.8**2) * (1 / 4000 + 1 / 4096) ** 0.5)
    assert calls.mean() / 2 == pytest.approx(0.3, abs=4 * (0.3 * 0.7 * (1 / 8000 + 1 / 4096)) ** 0.5)


def test_generate__the_condition_moves_what_it_moved_in_training(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=600)
    calls = train.to_array()
    column = EXAMPLE_TRAITS["quantitative"].column
    noise = np.random.default_rng(1).normal(0, 0.2, 600)
    train = train.with_samples(train.samples.assign(**{column: calls[:, 10] + noise}))
    sampler = DpMarkov(epsilon=300.0).fit(train, context(tmp_path))
    condition = train.samples.iloc[np.resize(np.arange(600), 2000)].assign(**{column: np.repeat([0.2, 1.8], 1000)})
    synthetic = sampler.generate(2000, seed=1, condition=condition[[column, *EXAMPLE_TRAITS["quantitative"].covariates]]).to_array()[:, 10]
    assert synthetic[1000:].mean() - synthetic[:1000].mean() > 0.4


def test_fit__reports_epsilon_and_saves_it(tmp_path: Path) -> None:
    reported: list[Mapping[str, float]] = []
    sampler = DpMarkov(epsilon=2.5).fit(example_genotypes(n_samples=72), context(tmp_path, reported))
    assert reported[-1]["epsilon"] == 2.5
    sampler.save(tmp_path / "saved")
    privacy = json.loads((tmp_path / "saved" / "sampler.json").read_text())["sampler"]["network"]["privacy"]
    assert (privacy["epsilon"], privacy["delta"]) == (2.5, pytest.approx(72**-1.1))


@pytest.mark.parametrize(("name", "value"), [("epsilon", 0.0), ("n_lags", -1), ("frequency_share", 1.0), ("condition_share", 1.0)])
def test_settings__refuse_values_out_of_range(name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        DpMarkov(**changes)


def test_fit__constant_variants_vary_by_the_least_frequency(tmp_path: Path) -> None:
    """With next to no noise their shrunk frequency is the prior's least; alleles of both haplotypes are drawn by .002 or more."""
    calls = np.random.default_rng(1).binomial(2, 0.5, (300, 40)).astype(np.int8)
    calls[:, :10], calls[:, 10:20] = 0, 2
    table = example_genotypes(n_samples=300, n_variants=40)
    train = Genotypes(calls=PackedCalls.from_calls(calls), samples=table.samples, variants=table.variants)
    synthetic = DpMarkov(epsilon=1e5).fit(train, context(tmp_path)).generate(5000, seed=1).to_array()
    for share in (synthetic[:, :10].mean() / 2, 1 - synthetic[:, 10:20].mean() / 2):
        assert share > 0.002 - 4 * (0.002 / 100_000) ** 0.5


def test_fit__noise_of_the_system_is_new_in_each_fit_and_that_of_the_seed_is_not(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=60)

    def generated(generator: DpMarkov) -> np.ndarray:
        return generator.fit(train, context(tmp_path)).generate(30, seed=1).to_array()

    assert (generated(DpMarkov()) == generated(DpMarkov())).all()
    irreproducible = DpMarkov(is_reproducible=False)
    assert (generated(irreproducible) != generated(irreproducible)).any()


def test_fit__saves_whether_it_can_be_repeated(tmp_path: Path) -> None:
    DpMarkov(is_reproducible=False).fit(example_genotypes(n_samples=60), context(tmp_path)).save(tmp_path / "saved")
    assert json.loads((tmp_path / "saved" / "sampler.json").read_text())["sampler"]["network"]["privacy"]["is_reproducible"] is False
