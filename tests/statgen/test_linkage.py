"""LD, against numpy's correlation, values of another system, and what must hold."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from genobench import MISSING
from genobench.statgen import LD_EDGES_BP, corrected_r2, filled_positions_bp, genome_blocks, ld_decay, minor_allele_frequency, r2_matrix

SEED = 4


def _calls(n_samples: int, n_variants: int, *, missing: float = 0.0) -> np.ndarray:
    """Calls with LD: sums of two autoregressive haplotypes."""
    rng = np.random.default_rng(SEED)
    calls = np.zeros((n_samples, n_variants), dtype=np.int8)
    for _ in range(2):
        noise = rng.standard_normal((n_samples, n_variants))
        latent = noise.copy()
        for column in range(1, n_variants):
            latent[:, column] = 0.85 * latent[:, column - 1] + np.sqrt(1 - 0.85**2) * noise[:, column]
        calls += latent < 0.2
    calls[rng.random(calls.shape) < missing] = MISSING
    return calls


def _one_by_one(calls, chromosomes, positions, edges):
    """Mean corrected r2 and number of pairs by bin, with numpy.corrcoef on one pair at a time."""
    sums, counts = np.zeros(len(edges) - 1), np.zeros(len(edges) - 1, dtype=int)
    for i in range(calls.shape[1]):
        for j in range(calls.shape[1]):
            distance = positions[j] - positions[i]
            place = np.searchsorted(edges, distance, side="right") - 1
            both = (calls[:, i] != MISSING) & (calls[:, j] != MISSING)
            x, y = calls[both, i], calls[both, j]
            if chromosomes[i] != chromosomes[j] or not 0 <= place < len(sums) or np.ptp(x) == 0 or np.ptp(y) == 0:
                continue
            r2 = np.corrcoef(x, y)[0, 1] ** 2
            sums[place] += r2 - (1 - r2) / (both.sum() - 2)
            counts[place] += 1
    return sums / counts, counts


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_r2_matrix__is_the_squared_correlation_over_shared_calls(missing):
    calls = _calls(30, 12, missing=missing)
    r2, n_both = r2_matrix(calls[:, :5], calls[:, 5:])
    for i in range(5):
        for j in range(7):
            both = (calls[:, i] != MISSING) & (calls[:, 5 + j] != MISSING)
            assert n_both[i, j] == both.sum()
            assert r2[i, j] == pytest.approx(np.corrcoef(calls[both, i], calls[both, 5 + j])[0, 1] ** 2, abs=1e-6)


def test_r2_matrix__is_undefined_where_a_variant_does_not_vary():
    calls = _calls(30, 2)
    calls[:, 0] = 1
    assert np.isnan(r2_matrix(calls[:, :1], calls[:, 1:])[0]).all()


def test_r2_matrix__agrees_with_discretegenogen():
    """reference-vectors.json: the set unif_40x30_seed0, mean r2 over all 435 pairs by scikit-allel's rogers_huff_r (float32)."""
    calls = np.random.default_rng(0).integers(0, 3, size=(40, 30)).astype(np.int8)
    r2 = r2_matrix(calls, calls)[0]
    assert r2[np.triu_indices(30, 1)].mean() == pytest.approx(0.026576904579997063, rel=1e-5)


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_ld_decay__equals_one_pair_at_a_time(missing):
    calls = _calls(25, 40, missing=missing)
    calls[:, 7] = 2
    rng = np.random.default_rng(SEED)
    chromosomes = np.array(["1"] * 25 + ["2"] * 15, dtype=object)
    positions = rng.integers(1, 300_000, size=40).astype(float)
    edges = (1_000, 20_000, 60_000, 150_000)
    decay = ld_decay(calls, chromosomes=chromosomes, positions=positions, edges=edges)
    means, counts = _one_by_one(calls, chromosomes, positions, np.array(edges))
    np.testing.assert_array_equal(decay.pair_count.sum(axis=0), counts)
    np.testing.assert_allclose(decay.mean_r2, means, atol=1e-6)


def test_ld_decay__without_a_block_equals_the_other_chromosomes_alone():
    calls = _calls(25, 60)
    chromosomes = np.repeat(["1", "2", "3"], 20)
    positions = np.tile(np.arange(1, 21) * 10_000.0, 3)
    decay = ld_decay(calls, chromosomes=chromosomes, positions=positions)
    others = chromosomes != "2"
    alone = ld_decay(calls[:, others], chromosomes=chromosomes[others], positions=positions[others])
    np.testing.assert_allclose(decay.mean_r2_without[1], alone.mean_r2)


def test_ld_decay__leaves_out_sex_chromosomes_unknown_positions_and_unused_variants():
    calls = _calls(25, 40)
    chromosomes = np.array(["1"] * 20 + ["X"] * 20, dtype=object)
    positions = np.tile(np.arange(1, 21) * 10_000.0, 2)
    positions[:2] = np.nan
    is_used = np.arange(40) != 5
    decay = ld_decay(calls, chromosomes=chromosomes, positions=positions, is_used=is_used)
    assert decay.pair_count.sum() == 17 * 16 / 2


def test_ld_decay__is_the_same_when_alleles_swap_and_samples_and_variants_are_shuffled():
    calls, rng = _calls(25, 40, missing=0.05), np.random.default_rng(SEED)
    chromosomes, positions = np.repeat(["1", "2"], 20), np.tile(np.arange(1, 21) * 10_000.0, 2)
    swapped = np.where(calls == MISSING, MISSING, 2 - calls).astype(np.int8)
    order = rng.permutation(40)
    first = ld_decay(calls, chromosomes=chromosomes, positions=positions)
    second = ld_decay(swapped[rng.permutation(25)][:, order], chromosomes=chromosomes[order], positions=positions[order])
    np.testing.assert_allclose(first.mean_r2, second.mean_r2, atol=1e-6)


def test_ld_decay__is_about_zero_without_linkage():
    """The correction takes away what chance gives: the mean is within four standard errors of zero at 20 samples."""
    rng = np.random.default_rng(SEED)
    calls = rng.binomial(2, 0.4, size=(20, 400)).astype(np.int8)
    decay = ld_decay(calls, chromosomes=["1"] * 400, positions=np.arange(1, 401) * 5_000.0, blocks=np.arange(400) // 20)
    pooled = decay.r2_sum.sum() / decay.pair_count.sum()
    # r2 of independent variants has a variance of about 2 / n**2; pairs that share a variant are uncorrelated.
    assert abs(pooled) < 4 * np.sqrt(2) / 20 / np.sqrt(decay.pair_count.sum())


def test_ld_decay__stays_near_when_runs_stand_for_all(monkeypatch):
    calls = _calls(200, 2_000)
    decay_of = partial(ld_decay, chromosomes=["1"] * 2_000, positions=np.arange(1, 2_001) * 10_000.0)
    whole = decay_of(calls)
    monkeypatch.setattr("genobench.statgen.linkage_decay.MAX_PAIRS_PER_CHROMOSOME", 200_000)
    thinned = decay_of(calls)
    assert thinned.pair_count.sum() < 250_000 < whole.pair_count.sum()
    is_filled = whole.pair_count.sum(axis=0) > 0
    np.testing.assert_allclose(thinned.mean_r2[is_filled], whole.mean_r2[is_filled], atol=0.02)


def test_ld_decay__passes_over_pairs_that_do_not_vary_together():
    """The first two variants vary, but not among the samples that have both calls; the far one is too far for a pair."""
    calls = np.array([[0, 0, 0], [1, MISSING, 1], [0, 0, 2], [0, 1, 0], [0, 0, 1]], dtype=np.int8)
    decay = ld_decay(calls, chromosomes=["1"] * 3, positions=[1e4, 2e4, 9e9], edges=(1e3, 1e6))
    assert decay.pair_count.tolist() == [[0]]
    decay = ld_decay(calls, chromosomes=["1"] * 3, positions=[1e4, 2e4, 3e4], edges=(1e3, 1e6))
    assert decay.pair_count.tolist() == [[2]]


def test_ld_decay__is_empty_for_two_samples():
    decay = ld_decay(_calls(2, 10), chromosomes=["1"] * 10, positions=np.arange(10) * 1e4)
    assert np.isnan(decay.mean_r2).all()


def test_corrected_r2__keeps_one_and_centres_chance():
    """E[r2] of unlinked variants is 1 / (n - 1), which the correction takes to zero (Bulik-Sullivan et al. 2015)."""
    np.testing.assert_allclose(corrected_r2(np.array([1.0, 1 / 19]), 20), [1, 0], atol=1e-12)


def test_ld_decay__of_the_bulls_is_what_was_measured_before_us(shared_data):
    """cattle_bulls_500: mean r2 .14 at 100 kb and .066 at 1 Mb, as the project's brief on the demo data states them (two digits)."""
    import pandas as pd

    calls = np.load(shared_data / "cattle_bulls_500" / "genotypes.npz")["dosage"]
    variants = pd.read_csv(shared_data / "cattle_bulls_500" / "variants.csv")
    decay = ld_decay(
        calls,
        chromosomes=variants["chrom"].astype(str),
        positions=variants["pos"],
        is_used=minor_allele_frequency(calls) >= 0.05,
        edges=(5e4, 1.5e5, 5e5, 1.5e6),
    )
    assert decay.mean_r2[[0, 2]] == pytest.approx([0.14, 0.066], abs=0.01)


def test_edges__hold_the_two_distances_that_scores_name_as_whole_bins():
    assert {5e4, 1.5e5, 5e5, 1.5e6} <= set(LD_EDGES_BP)


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
