"""Measures between all pairs against scipy and plain counts, nearest neighbours against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from genobench import MISSING, GenotypesError, PackedCalls
from genobench.statgen import hidden_variants, nearest_distance, nearest_distances, neighbour_radii, neighbour_radius, pairwise, products

MEASURES = ("manhattan", "squared-euclidean", "manhattan-visible", "opposing-homozygotes")


def _uniform(n_samples: int, n_variants: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, size=(n_samples, n_variants)).astype(np.int8)


def _expected(queries: np.ndarray, references: np.ndarray, measure: str) -> np.ndarray:
    """In float64, by scipy; opposing homozygotes are the calls that differ by two."""
    shown = np.arange(queries.shape[1]) % 10 != 9
    match measure:
        case "manhattan":
            return cdist(queries, references, "cityblock")
        case "squared-euclidean":
            return cdist(queries, references, "sqeuclidean")
        case "manhattan-visible":
            return cdist(queries[:, shown], references[:, shown], "cityblock")
    n_opposing: np.ndarray = np.count_nonzero(np.abs(queries[:, None, :] - references[None, :, :]) == 2, axis=2)
    return n_opposing


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("packs", [(False, False), (True, True), (True, False)], ids=["arrays", "packed", "mixed"])
def test_pairwise__equals_scipy_to_the_last_bit(measure, packs, monkeypatch):
    """In blocks of 64 variants and tiles of a few rows, so that both are joined."""
    monkeypatch.setattr(products, "PLANE_BYTES", 64)
    queries, references = _uniform(37, 203, 1), _uniform(53, 203, 2)
    left, right = (
        PackedCalls.from_calls(calls) if is_packed else calls for calls, is_packed in zip((queries, references), packs, strict=True)
    )
    result = pairwise(left, right, measure)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, _expected(queries, references, measure))


@pytest.mark.parametrize("measure", MEASURES)
def test_pairwise__of_a_set_with_itself_is_symmetric_and_equals_scipy(measure):
    calls = PackedCalls.from_calls(_uniform(61, 203, 3))
    result = pairwise(calls, calls, measure)
    np.testing.assert_array_equal(result, result.T)
    np.testing.assert_array_equal(result, _expected(calls.rows(slice(None)), calls.rows(slice(None)), measure))
    assert not np.diagonal(result).any()


@given(seed=st.integers(0, 10_000), n_variants=st.integers(0, 90), measure=st.sampled_from(MEASURES))
@settings(max_examples=40, deadline=None)
def test_pairwise__stays_when_alleles_swap_and_follows_its_samples(seed, n_variants, measure):
    queries, references = _uniform(5, n_variants, seed), _uniform(7, n_variants, seed + 1)
    result, order = pairwise(queries, references, measure), np.random.default_rng(seed).permutation(7)
    np.testing.assert_array_equal(pairwise(2 - queries, 2 - references, measure), result)
    np.testing.assert_array_equal(pairwise(queries, references[order], measure), result[:, order])
    np.testing.assert_array_equal(pairwise(references, queries, measure), result.T)


@pytest.mark.parametrize("pack", [np.asarray, PackedCalls.from_calls], ids=["array", "packed"])
def test_pairwise__refuses_missing_calls(pack):
    calls = np.array([[0, MISSING]], dtype=np.int8)
    with pytest.raises(GenotypesError, match="the references have missing calls"):
        pairwise(np.zeros((1, 2), dtype=np.int8), pack(calls))


def test_pairwise__refuses_other_variants():
    with pytest.raises(GenotypesError, match="queries have 2 variants but references have 3"):
        pairwise(np.zeros((1, 2), dtype=np.int8), np.zeros((1, 3), dtype=np.int8))


def test_hidden_variants__are_a_tenth():
    assert np.flatnonzero(hidden_variants(35)).tolist() == [9, 19, 29]


@pytest.mark.parametrize(("measure", "metric"), [("manhattan", "manhattan"), ("squared-euclidean", "sqeuclidean")])
def test_nearest_distances__equal_scikit_learn(measure, metric):
    queries, references = _uniform(300, 40, 4), _uniform(80, 40, 5)
    peer = NearestNeighbors(n_neighbors=7, algorithm="brute", metric=metric).fit(references.astype(float))
    expected = peer.kneighbors(queries.astype(float))[0]
    distances = pairwise(queries, references, measure)
    np.testing.assert_array_equal(nearest_distances(distances, 7), expected)
    np.testing.assert_array_equal(nearest_distance(distances), expected[:, 0])


def test_neighbour_radii__equal_scikit_learn_without_the_sample_itself():
    calls = _uniform(90, 40, 6)
    peer = NearestNeighbors(algorithm="brute", metric="manhattan").fit(calls.astype(float))
    expected = np.sort(peer.kneighbors(n_neighbors=9)[0], axis=1)
    np.testing.assert_array_equal(neighbour_radii(pairwise(calls, calls), (9, 1, 4)), expected.T[[8, 0, 3]])


def test_neighbour_radius__counts_other_samples_from_one():
    line = np.array([[0, 0], [0, 1], [2, 1], [2, 2]], dtype=np.int8)
    assert neighbour_radius(pairwise(line, line), 1).tolist() == [1, 1, 1, 1]
    assert neighbour_radius(pairwise(line, line), 3).tolist() == [4, 3, 3, 4]


@pytest.mark.parametrize("k", [0, 4])
def test_neighbour_radius__refuses_k_without_a_neighbour(k):
    with pytest.raises(ValueError, match=f"k is {k} but 4 samples have 3 neighbours each"):
        neighbour_radius(np.zeros((4, 4), dtype=np.int32), k)


def test_nearest_distances__refuse_more_than_there_are():
    with pytest.raises(ValueError, match="k is 3 but there are 2 references"):
        nearest_distances(np.zeros((4, 2), dtype=np.int32), 3)
