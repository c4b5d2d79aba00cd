"""Correlations of pairs of variants, against numpy, values of another system, and what must hold."""

from __future__ import annotations

import numpy as np
import pytest

from genobench import MISSING, PackedCalls
from genobench.statgen import corrected_r2, filled_positions_bp, genome_blocks, r2_matrix
from genobench.statgen.linkage import variant_planes


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_r2_matrix__is_the_squared_correlation_over_sharedlinked_calls(linked_calls, missing):
    calls = linked_calls(30, 12, missing=missing)
    r2, n_both = r2_matrix(calls[:, :5], calls[:, 5:])
    for i in range(5):
        for j in range(7):
            both = (calls[:, i] != MISSING) & (calls[:, 5 + j] != MISSING)
            assert n_both[i, j] == both.sum()
            assert r2[i, j] == pytest.approx(np.corrcoef(calls[both, i], calls[both, 5 + j])[0, 1] ** 2, abs=1e-6)


def test_r2_matrix__is_undefined_where_a_variant_does_not_vary(linked_calls):
    calls = linked_calls(30, 2)
    calls[:, 0] = 1
    assert np.isnan(r2_matrix(calls[:, :1], calls[:, 1:])[0]).all()


def test_r2_matrix__agrees_with_discretegenogen():
    """reference-vectors.json: the set unif_40x30_seed0, mean r2 over all 435 pairs by scikit-allel's rogers_huff_r (float32)."""
    calls = np.random.default_rng(0).integers(0, 3, size=(40, 30)).astype(np.int8)
    r2 = r2_matrix(calls, calls)[0]
    assert r2[np.triu_indices(30, 1)].mean() == pytest.approx(0.026576904579997063, rel=1e-5)


def test_corrected_r2__keeps_one_and_centres_chance():
    """E[r2] of unlinked variants is 1 / (n - 1), which the correction takes to zero (Bulik-Sullivan et al. 2015)."""
    np.testing.assert_allclose(corrected_r2(np.array([1.0, 1 / 19]), 20), [1, 0], atol=1e-12)


def test_filled_positions__interpolates_on_the_map():
    filled = filled_positions_bp(
        chromosomes=["1", "1", "1", "1", "2", "2"],
        positions_bp=[1e6, np.nan, 3e6, np.nan, np.nan, np.nan],
        positions_cm=[0.0, 0.25, 1.0, 2.0, 2.0, 3.0],
    )
    np.testing.assert_allclose(filled, [1e6, 1.5e6, 3e6, 5e6, 2e6, 3e6])


@pytest.mark.parametrize("positions_cm", [None, [0.0, np.nan, 1.0]])
def test_filled_positions__leaves_gaps_without_a_whole_map(positions_cm):
    filled = filled_positions_bp(chromosomes=["1"] * 3, positions_bp=[1e6, np.nan, 3e6], positions_cm=positions_cm)
    np.testing.assert_array_equal(filled, [1e6, np.nan, 3e6])


def test_filled_positions__serve_the_mice(shared_data):
    import pandas as pd

    variants = pd.read_csv(shared_data / "mouse_hs_1940" / "variants.csv")
    filled = filled_positions_bp(chromosomes=variants["chrom"].astype(str), positions_bp=variants["pos"], positions_cm=variants["cM"])
    assert np.isfinite(filled).all()
    assert genome_blocks(variants["chrom"].to_numpy()).max() >= 19


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_r2_matrix__is_exact(linked_calls, missing):
    """Sums are of whole numbers: against the same formula in Python's own, only the last divisions round."""
    calls = linked_calls(41, 6, missing=missing)
    r2, _ = r2_matrix(calls, calls)
    for i in range(6):
        for j in range(6):
            both = [(int(x), int(y)) for x, y in calls[:, [i, j]] if MISSING not in (x, y)]
            n, x, y = len(both), sum(a for a, _ in both), sum(b for _, b in both)
            covariance = n * sum(a * b for a, b in both) - x * y
            spread = (n * sum(a * a for a, _ in both) - x * x) * (n * sum(b * b for _, b in both) - y * y)
            assert r2[i, j] == pytest.approx(covariance**2 / spread, rel=1e-14)


def test_r2_matrix__takes_packed_calls(linked_calls):
    calls = linked_calls(30, 12, missing=0.1)
    packed = PackedCalls.from_calls(calls)
    np.testing.assert_array_equal(r2_matrix(packed, packed)[0], r2_matrix(calls, calls)[0])


def test_variant_planes__are_the_same_read_whole_or_here_and_there(linked_calls):
    """Few variants far apart are gathered; many near one another are read in one span."""
    calls = linked_calls(20, 90, missing=0.1)
    packed = PackedCalls.from_calls(calls)
    for places in (np.array([3, 88]), np.arange(5, 60)[::-1]):
        for source in (calls, packed):
            planes = variant_planes(source, places)
            np.testing.assert_array_equal(planes.alt.numpy(), np.maximum(calls[:, places], 0).T)
            assert planes.observed is not None
            np.testing.assert_array_equal(planes.observed.numpy(), (calls[:, places] != MISSING).T)


def test_r2_matrix__agrees_with_scikit_allel(linked_calls):
    """Rogers and Huff's r by scikit-allel, in float32; without missing calls it is Pearson's."""
    import allel

    calls = linked_calls(60, 25)
    theirs = allel.rogers_huff_r(np.ascontiguousarray(calls.T)).astype(np.float64) ** 2
    np.testing.assert_allclose(r2_matrix(calls, calls)[0][np.triu_indices(25, 1)], theirs, rtol=1e-5, atol=1e-6)
