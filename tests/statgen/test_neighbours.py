"""Distances against scipy, manifolds and adversarial accuracy against values of another system."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genobench import MISSING, GenotypesError
from genobench.statgen import adversarial_accuracy, manifold_precision_recall, nearest_distance, neighbour_radius, pairwise_distances


def _uniform(n_samples: int, seed: int) -> np.ndarray:
    """The recipe `unif_NxM_seedS` of the reference vectors."""
    return np.random.default_rng(seed).integers(0, 3, size=(n_samples, 30)).astype(np.int8)


def _constant() -> np.ndarray:
    """The recipe `const_40x30`: two constant variants and three equal samples."""
    calls = _uniform(40, 0)
    calls[:, 3], calls[:, 10] = 1, 0
    calls[5] = calls[6] = calls[4]
    return calls


def _triple(reference, synthetic, distance):
    return (
        pairwise_distances(reference, reference, distance),
        pairwise_distances(synthetic, reference, distance),
        pairwise_distances(synthetic, synthetic, distance),
    )


@pytest.mark.parametrize(("distance", "name"), [("manhattan", "cityblock"), ("squared-euclidean", "sqeuclidean")])
def test_pairwise_distances__equal_scipy(distance, name):
    """More variants than a block holds, so that blocks are joined."""
    rng = np.random.default_rng(1)
    queries, references = (rng.integers(0, 3, size=(n, 9_001)).astype(np.int8) for n in (7, 11))
    result = pairwise_distances(queries, references, distance)
    np.testing.assert_array_equal(result, cdist(queries, references, name))
    assert result.dtype == np.int32


def test_pairwise_distances__refuse_missing_calls():
    calls = np.array([[0, MISSING]], dtype=np.int8)
    with pytest.raises(GenotypesError, match="the references have missing calls"):
        pairwise_distances(np.zeros((1, 2), dtype=np.int8), calls)


def test_pairwise_distances__refuse_other_variants():
    with pytest.raises(GenotypesError, match="queries have 2 variants but references have 3"):
        pairwise_distances(np.zeros((1, 2), dtype=np.int8), np.zeros((1, 3), dtype=np.int8))


def test_pairwise_distances__stay_when_alleles_swap():
    first, second = _uniform(8, 0), _uniform(9, 1)
    np.testing.assert_array_equal(pairwise_distances(2 - first, 2 - second), pairwise_distances(first, second))


@pytest.mark.parametrize(
    ("reference", "distance", "k", "expected"),
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
def test_precision_recall__agrees_with_discretegenogen(reference, distance, k, expected):
    """reference-vectors.json, pairs with unif_60x30_seed1; ranking by squared Euclidean distance is ranking by Euclidean distance."""
    assert manifold_precision_recall(*_triple(reference, _uniform(60, 1), distance), k=k) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("reference", "distance", "expected"),
    [
        (_uniform(40, 0), "manhattan", (0.375, 0.6833333333333333)),
        (_uniform(40, 0), "squared-euclidean", (0.425, 0.6)),
        (_constant(), "manhattan", (0.6, 0.6666666666666666)),
        (_constant(), "squared-euclidean", (0.65, 0.7333333333333333)),
    ],
)
def test_adversarial_accuracy__agrees_with_discretegenogen_up_to_ties(reference, distance, expected):
    """reference-vectors.json counts a tie as not nearer; ours adds half the share of ties to each half."""
    within, across, among = _triple(reference, _uniform(60, 1), distance)
    ties = (np.mean(neighbour_radius(within, 1) == across.min(axis=0)), np.mean(neighbour_radius(among, 1) == across.min(axis=1)))
    halves = adversarial_accuracy(within, across, among)
    np.testing.assert_allclose(np.array(halves) - np.array(ties) / 2, expected)


def test_adversarial_accuracy__is_zero_for_a_copy_and_one_for_sets_apart():
    calls = _uniform(20, 0)
    assert adversarial_accuracy(*_triple(calls, calls, "manhattan")) == (0.0, 0.0)
    apart = np.hstack([np.zeros_like(calls), calls]), np.hstack([np.full_like(calls, 2), calls])
    assert adversarial_accuracy(*_triple(*apart, "manhattan")) == (1.0, 1.0)


def test_adversarial_accuracy__of_two_draws_from_one_population_is_a_half():
    """300 samples a side over 30 variants, where ties are common: within four standard errors (0.029 for a half, by 0.5 / sqrt(300))."""
    rng = np.random.default_rng(6)
    first, second = (rng.binomial(2, 0.4, size=(300, 30)).astype(np.int8) for _ in range(2))
    halves = adversarial_accuracy(*_triple(first, second, "manhattan"))
    assert np.abs(np.array(halves) - 0.5).max() < 4 * 0.5 / np.sqrt(300)


def test_precision_recall__of_a_set_with_itself_is_one():
    calls = _uniform(20, 0)
    assert manifold_precision_recall(*_triple(calls, calls, "manhattan"), k=3) == (1.0, 1.0)


def test_neighbour_radius__counts_other_samples_from_one():
    line = np.array([[0, 0], [0, 1], [2, 1], [2, 2]], dtype=np.int8)
    assert neighbour_radius(pairwise_distances(line, line), 1).tolist() == [1, 1, 1, 1]
    assert neighbour_radius(pairwise_distances(line, line), 3).tolist() == [4, 3, 3, 4]


@pytest.mark.parametrize("k", [0, 4])
def test_neighbour_radius__refuses_k_without_a_neighbour(k):
    with pytest.raises(ValueError, match=f"k is {k} but 4 samples have 3 neighbours each"):
        neighbour_radius(np.zeros((4, 4), dtype=np.int32), k)


def test_nearest_distance__is_the_least_of_each_query():
    assert nearest_distance(np.array([[3, 1], [0, 5]], dtype=np.int32)).tolist() == [1, 0]
