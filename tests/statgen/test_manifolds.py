"""Manifolds and adversarial accuracy against values of another system and plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from genobench.statgen import (
    adversarial_accuracy,
    adversarial_accuracy_without,
    manifold_scores,
    manifold_scores_without,
    pairwise,
    precision_recall_curve,
)


def _uniform(n_samples: int, seed: int) -> np.ndarray:
    """The recipe `unif_NxM_seedS` of the reference vectors, made with the published code of DiscreteGenoGen."""
    return np.random.default_rng(seed).integers(0, 3, size=(n_samples, 30)).astype(np.int8)


def _constant() -> np.ndarray:
    """The recipe `const_40x30`: two constant variants and three equal samples."""
    calls = _uniform(40, 0)
    calls[:, 3], calls[:, 10] = 1, 0
    calls[5] = calls[6] = calls[4]
    return calls


def _triple(reference, synthetic, measure="manhattan"):
    return pairwise(reference, reference, measure), pairwise(synthetic, reference, measure), pairwise(synthetic, synthetic, measure)


def _without(triple, groups, group):
    reference, synthetic = (np.flatnonzero(side != group) for side in groups)
    within, across, among = triple
    return within[np.ix_(reference, reference)], across[np.ix_(synthetic, reference)], among[np.ix_(synthetic, synthetic)]


@pytest.mark.parametrize(
    ("reference", "measure", "k", "expected"),
    [
        (_uniform(40, 0), "squared-euclidean", 5, (0.9833333333333333, 0.95)),
        (_uniform(40, 0), "squared-euclidean", 10, (1.0, 1.0)),
        (_uniform(40, 0), "manhattan", 5, (1.0, 0.975)),
        (_constant(), "squared-euclidean", 5, (0.7666666666666667, 0.95)),
        (_constant(), "squared-euclidean", 10, (0.95, 1.0)),
        (_constant(), "manhattan", 5, (0.8, 0.975)),
        (_constant(), "manhattan", 10, (0.9666666666666667, 1.0)),
    ],
)
def test_precision_recall__agree_with_discretegenogen(reference, measure, k, expected):
    """Reference vectors, pairs with unif_60x30_seed1; ranking by squared Euclidean distance is ranking by Euclidean distance."""
    assert manifold_scores(*_triple(reference, _uniform(60, 1), measure), k=k)[:2] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("reference", "measure", "expected"),
    [
        (_uniform(40, 0), "manhattan", (0.375, 0.6833333333333333)),
        (_uniform(40, 0), "squared-euclidean", (0.425, 0.6)),
        (_constant(), "manhattan", (0.6, 0.6666666666666666)),
        (_constant(), "squared-euclidean", (0.65, 0.7333333333333333)),
    ],
)
def test_adversarial_accuracy__agrees_with_discretegenogen_where_ties_count_nothing(reference, measure, expected):
    assert adversarial_accuracy(*_triple(reference, _uniform(60, 1), measure), tie=0) == pytest.approx(expected, rel=1e-9)


@given(seed=st.integers(0, 10_000), k=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_manifold_scores__are_the_papers_equations(seed, k):
    """Kynkäänniemi et al. 2019, equations 1 and 2, and Naeem et al. 2020, equations 3 and 4, written out with scipy's distances."""
    reference, synthetic = _uniform(25, seed), _uniform(20, seed + 1)
    within, among, across = (cdist(*pair, "cityblock") for pair in ((reference,) * 2, (synthetic,) * 2, (synthetic, reference)))
    reference_radius, synthetic_radius = np.sort(within, axis=1)[:, k], np.sort(among, axis=1)[:, k]
    expected = (
        np.mean([any(across[j, i] <= reference_radius[i] for i in range(25)) for j in range(20)]),
        np.mean([any(across[j, i] <= synthetic_radius[j] for j in range(20)) for i in range(25)]),
        sum(across[j, i] <= reference_radius[i] for i in range(25) for j in range(20)) / (k * 20),
        np.mean([any(across[j, i] <= reference_radius[i] for j in range(20)) for i in range(25)]),
    )
    assert manifold_scores(*_triple(reference, synthetic), k=k) == pytest.approx(expected)


def test_precision_recall_curve__is_the_scores_at_each_k():
    triple = _triple(_uniform(40, 0), _uniform(60, 1))
    expected = [manifold_scores(*triple, k=k)[:2] for k in (7, 1, 3)]
    np.testing.assert_array_equal(precision_recall_curve(*triple, ks=(7, 1, 3)), expected)


@given(seed=st.integers(0, 10_000), k=st.integers(1, 4), n_groups=st.integers(2, 20), is_clumped=st.booleans())
@settings(max_examples=40, deadline=None)
def test_scores_without__are_those_of_the_matrices_without_the_group(seed, k, n_groups, is_clumped):
    """Also where relatives are one group, equal or nearly, and where most samples are of one group, so that lists of neighbours run out."""
    rng = np.random.default_rng(seed)
    reference, synthetic = _uniform(150, seed), _uniform(130, seed + 1)
    synthetic[:30] = reference[:30]
    groups = tuple(rng.integers(0, n_groups, size=size) for size in (150, 130))
    if is_clumped:
        reference[40:100] = reference[40]
        groups[0][45:] = 1
        groups[0][:4] = 0
    triple = _triple(reference, synthetic)
    manifolds = manifold_scores_without(*triple, k=k, reference_groups=groups[0], synthetic_groups=groups[1])
    halves = adversarial_accuracy_without(*triple, reference_groups=groups[0], synthetic_groups=groups[1])
    assert len(manifolds) == len(halves) == max(side.max() for side in groups) + 1
    for group in range(len(halves)):
        remaining = _without(triple, groups, group)
        np.testing.assert_allclose(manifolds[group], manifold_scores(*remaining, k=k), rtol=1e-12)
        np.testing.assert_allclose(halves[group], adversarial_accuracy(*remaining), rtol=1e-12)


def test_scores_without__take_distances_too_long_to_carry_a_group_in_32_bits():
    """Distances of a billion times twenty groups; a scale changes no score."""
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 20, size=60), rng.integers(0, 20, size=50)
    triple = _triple(_uniform(60, 0), _uniform(50, 1))
    long = [distances * 30_000_000 for distances in triple]
    expected = manifold_scores_without(*triple, k=3, reference_groups=groups[0], synthetic_groups=groups[1])
    np.testing.assert_array_equal(manifold_scores_without(*long, k=3, reference_groups=groups[0], synthetic_groups=groups[1]), expected)


def test_scores_without__refuse_one_group_and_too_few_samples():
    triple, groups = _triple(_uniform(6, 0), _uniform(6, 1)), np.array([0, 0, 0, 0, 1, 1])
    with pytest.raises(ValueError, match="all samples are of one group"):
        manifold_scores_without(*triple, k=1, reference_groups=np.zeros(6, dtype=int), synthetic_groups=np.zeros(6, dtype=int))
    with pytest.raises(ValueError, match="k is 2 but 2 samples remain without the largest group"):
        manifold_scores_without(*triple, k=2, reference_groups=groups, synthetic_groups=groups)
    with pytest.raises(ValueError, match="a set has 1 samples; it must have two at least"):
        adversarial_accuracy_without(*triple, reference_groups=np.array([0] * 5 + [1]), synthetic_groups=groups)


def test_adversarial_accuracy__is_zero_for_a_copy_and_one_for_sets_apart():
    calls = _uniform(20, 0)
    assert adversarial_accuracy(*_triple(calls, calls)) == (0.0, 0.0)
    apart = np.hstack([np.zeros_like(calls), calls]), np.hstack([np.full_like(calls, 2), calls])
    assert adversarial_accuracy(*_triple(*apart)) == (1.0, 1.0)


def test_adversarial_accuracy__of_two_draws_from_one_population_is_a_half():
    """300 samples a side over 30 variants, where ties are common: within four standard errors (0.029 for a half, by 0.5 / sqrt(300))."""
    rng = np.random.default_rng(6)
    first, second = (rng.binomial(2, 0.4, size=(300, 30)).astype(np.int8) for _ in range(2))
    halves = adversarial_accuracy(*_triple(first, second))
    assert np.abs(np.array(halves) - 0.5).max() < 4 * 0.5 / np.sqrt(300)


def test_manifold_scores__of_a_set_with_itself_are_full():
    """Each sample lies in its own ball and, whatever k, at least in those that it helps to span."""
    calls = _uniform(20, 0)
    scores = manifold_scores(*_triple(calls, calls), k=3)
    assert (scores.precision, scores.recall, scores.coverage) == (1.0, 1.0, 1.0)
    assert scores.density >= 1


def test_manifold_scores__of_two_draws_without_ties_have_a_density_of_one():
    """Naeem et al. 2020, section 3.3: the expectation is 1. Two hundred draws of 60 and 60 points: within four standard errors."""
    densities = []
    for seed in range(200):
        first, second = (np.random.default_rng((seed, side)).normal(size=(60, 3)) for side in range(2))
        triple = [(1e6 * cdist(*pair)).astype(np.int32) for pair in ((first, first), (second, first), (second, second))]
        densities.append(manifold_scores(*triple, k=5).density)
    assert abs(np.mean(densities) - 1) < 4 * np.std(densities) / np.sqrt(200)
