"""Effects given a band of linkage: numpy's solutions of the equations, and exact sums over who has an effect."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from genobench.builtin.linear.linkage_band import LinkageBand, infinitesimal_effects, sparse_effects

REACH = 40.0
CHROMOSOMES = np.array(["2"] * 5 + ["10"] * 30 + ["X"] + ["2"] * 8)
"""44 variants; those of chromosome 2 stand in two stretches."""


@pytest.fixture(scope="module")
def numbers():
    """Of 60 samples and 44 variants, linked with those beside them, each with mean 0 and variance 1; the fourth has no content."""
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(60, 44))
    walk = np.cumsum(steps, axis=1)
    walk = walk - np.concatenate([np.zeros((60, 6)), walk[:, :-6]], axis=1)
    standard = (walk - walk.mean(axis=0)) / walk.std(axis=0)
    standard[:, 3] = 0.0
    return standard


@pytest.fixture(scope="module")
def positions():
    found = np.random.default_rng(2).permutation(44 * 7)[:44].astype(float)
    found[[10, 20]] = np.nan
    return found


def dense(numbers, positions):
    """Correlations of variants of a chromosome, fading with distance, by their definition."""
    distance = np.abs(positions[:, None] - positions)
    fading = np.where((CHROMOSOMES[:, None] == CHROMOSOMES) & (distance < REACH), 1 - distance / REACH, 0.0)
    linked = numbers.T @ numbers / len(numbers) * fading
    np.fill_diagonal(linked, 1.0)
    return linked


def band_of(numbers, positions, chromosomes=CHROMOSOMES):
    return LinkageBand.of(lambda variants: numbers[:, variants], chromosomes=chromosomes, positions_bp=positions, reach_bp=REACH)


@pytest.mark.parametrize("ridge", [0.05, 4.0])
def test_infinitesimal__solves_the_equations_of_ldpred(numbers, positions, ridge):
    marginal = np.random.default_rng(3).normal(size=44)
    expected = np.linalg.solve(dense(numbers, positions) + ridge * np.eye(44), marginal)
    np.testing.assert_allclose(infinitesimal_effects(band_of(numbers, positions), marginal, ridge=ridge), expected, rtol=1e-9, atol=1e-12)


def test_infinitesimal__reads_long_chromosomes_in_pieces(monkeypatch, numbers, positions):
    marginal = np.random.default_rng(3).normal(size=44)
    whole = infinitesimal_effects(band_of(numbers, positions), marginal, ridge=1.0)
    monkeypatch.setattr("genobench.builtin.linear.linkage_band._VARIANTS_PER_TILE", 7)
    np.testing.assert_allclose(infinitesimal_effects(band_of(numbers, positions), marginal, ridge=1.0), whole, rtol=1e-12)


def test_band__gives_no_combination_a_negative_variance():
    """Eight variants that are one: cut off at the reach, without fading, their linkage has a negative eigenvalue."""
    at = 10.0 * np.arange(8)
    is_near = (np.abs(at[:, None] - at) < REACH).astype(float)
    assert np.linalg.eigvalsh(is_near).min() < -0.5
    column = np.resize([1.0, -1.0], 20)[:, None]
    band = band_of(np.repeat(column, 8, axis=1), at, np.array(["1"] * 8))
    effects = np.column_stack([infinitesimal_effects(band, unit, ridge=1e-9) for unit in np.eye(8)])
    assert np.linalg.eigvalsh(np.linalg.inv(effects)).min() > 0


def chains_of(band, marginal, *, share, variance, n_sweeps=400):
    """Twenty chains, shape (20, n_variants)."""
    found = sparse_effects(
        band,
        marginal,
        shares=np.full(20, share),
        variances=np.full(20, variance),
        n_samples=50.0,
        n_sweeps=n_sweeps,
        n_discarded=n_sweeps // 5,
        seed=0,
    )
    return found.T


def test_sparse__of_variants_without_neighbours_is_the_mixture_of_two_normals():
    """No draw has a part in it: Vilhjálmsson et al. 2015, the special case without linkage."""
    marginal = np.array([0.0, 0.1, -0.3, 0.5])
    band = band_of(np.zeros((5, 4)), np.full(4, np.nan), np.array(["1"] * 4))
    has = 0.2 * norm.pdf(marginal, scale=np.sqrt(0.09 + 1 / 50))
    none = 0.8 * norm.pdf(marginal, scale=np.sqrt(1 / 50))
    expected = has / (has + none) * marginal * 0.09 / (0.09 + 1 / 50)
    for chain in chains_of(band, marginal, share=0.2, variance=0.09, n_sweeps=5):
        np.testing.assert_allclose(chain, expected, rtol=1e-10, atol=1e-15)


def test_sparse__with_effects_everywhere_is_the_infinitesimal_model(numbers, positions):
    """Within four standard errors of the mean of 20 chains."""
    band, marginal = band_of(numbers, positions), np.random.default_rng(4).normal(size=44) / 3
    chains = chains_of(band, marginal, share=1.0, variance=0.05)
    error = chains.std(axis=0, ddof=1) / np.sqrt(20)
    expected = infinitesimal_effects(band, marginal, ridge=1 / (50 * 0.05))
    assert (np.abs(chains.mean(axis=0) - expected) <= 4 * error + 1e-12).all()


def test_sparse__of_linked_variants_is_the_sum_over_who_has_an_effect():
    """Four linked variants, 16 sets of those that have an effect: within four standard errors of the mean of 20 chains.

    Marginal effects are normal with mean D effects and covariance D / n_samples.
    """
    rng = np.random.default_rng(6)
    shared = rng.normal(size=(200, 1))
    numbers = shared + 0.7 * rng.normal(size=(200, 4))
    numbers = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    at = np.array([0.0, 5.0, 10.0, 15.0])
    linked = numbers.T @ numbers / 200 * (1 - np.abs(at[:, None] - at) / REACH)
    marginal = linked @ [0.6, 0.0, 0.0, -0.2] + 0.02
    total, weight = np.zeros(4), 0.0
    for has in product([0.0, 1.0], repeat=4):
        prior = np.diag(has) * 0.1
        covariance = linked @ prior @ linked + linked / 50
        likelihood = np.prod(np.where(has, 0.3, 0.7)) * multivariate_normal.pdf(marginal, cov=covariance)
        total += likelihood * (prior @ linked @ np.linalg.solve(covariance, marginal))
        weight += likelihood
    band = band_of(numbers, at, np.array(["1"] * 4))
    chains = chains_of(band, marginal, share=0.3, variance=0.1, n_sweeps=2_000)
    error = chains.std(axis=0, ddof=1) / np.sqrt(20)
    assert (np.abs(chains.mean(axis=0) - total / weight) <= 4 * error).all()
    assert (error < 0.02).all()


def test_sparse__moves_chains_of_all_shares_apart(numbers, positions):
    band, marginal = band_of(numbers, positions), np.random.default_rng(5).normal(size=44) / 3
    shares = np.array([0.01, 0.3, 1.0])
    first, again, other = (
        sparse_effects(band, marginal, shares=shares, variances=0.02 / shares, n_samples=50.0, n_sweeps=20, n_discarded=5, seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (np.abs(first[:, 0]) < np.abs(first[:, 2])).mean() > 0.5
