"""Kinship, by what Mendel's laws make of it, and groups of relatives by what must hold; PLINK 2 is in tests/oracles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genobench import MISSING, Genotypes, PackedCalls
from genobench.errors import GenotypesError
from genobench.statgen import (
    identity_by_state,
    king_between,
    king_robust,
    kinship,
    kinship_clusters,
    opposing_homozygotes,
    relative_clusters,
    relative_components,
)


def _genotypes(calls: np.ndarray, chromosomes: list[str] | None = None) -> Genotypes:
    n_samples, n_variants = calls.shape
    variants = pd.DataFrame(
        {
            "chromosome": chromosomes or ["1"] * n_variants,
            "position_bp": np.arange(1, n_variants + 1),
            "id": [f"v{column}" for column in range(n_variants)],
            "ref": "A",
            "alt": "C",
        }
    )
    samples = pd.DataFrame({"id": [f"s{row}" for row in range(n_samples)]})
    return Genotypes(calls=PackedCalls.from_calls(calls.astype(np.int8)), samples=samples, variants=variants)


@pytest.fixture(scope="module")
def family() -> Genotypes:
    """Unlinked variants of two unrelated parents, two full sibs, a half sib, an unrelated sample, and a duplicate of the first parent."""
    rng = np.random.default_rng(5)
    n_variants = 40_000
    frequencies = rng.uniform(0.1, 0.9, n_variants)
    haplotypes = rng.random((8, n_variants)) < frequencies
    founders = [haplotypes[2 * place : 2 * place + 2] for place in range(4)]

    def child(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.stack([np.where(rng.random(n_variants) < 0.5, *parent) for parent in (one, other)])

    mother, father, other_father, stranger = founders
    members = [mother, father, child(mother, father), child(mother, father), child(mother, other_father), stranger, mother]
    return _genotypes(np.stack([member.sum(axis=0) for member in members]))


@pytest.mark.parametrize(
    ("pair", "expected"),
    [((0, 1), 0.0), ((0, 2), 0.25), ((2, 3), 0.25), ((2, 4), 0.125), ((1, 4), 0.0), ((2, 5), 0.0), ((0, 6), 0.5), ((3, 3), 0.5)],
)
def test_king_robust__gives_the_kinship_of_the_pedigree(family, pair, expected):
    """Manichaikul et al. 2010, table 1. Two unlinked variants in five are heterozygous, so the standard error is about 0.005."""
    assert king_robust(family)[pair] == pytest.approx(expected, abs=0.02)


def test_king_robust__is_symmetric_and_blind_to_which_allele_is_alt(family):
    phi = king_robust(family)
    np.testing.assert_array_equal(phi, phi.T)
    np.testing.assert_array_equal(king_robust(_genotypes(2 - family.to_array())), phi)


def test_king_robust__uses_autosomes_and_shared_calls_only(family):
    calls = family.to_array()[:, :2_000].copy()
    chromosomes = ["1"] * 1_500 + ["X"] * 500
    calls[1, :700] = MISSING
    by_hand = king_robust(_genotypes(calls[:, 700:1_500]))
    phi = king_robust(_genotypes(calls, chromosomes))
    assert phi[1, 2] == pytest.approx(by_hand[1, 2], abs=1e-6)
    assert phi[0, 2] != pytest.approx(by_hand[0, 2], abs=1e-4)


def test_king_robust__is_undefined_without_heterozygous_calls():
    assert np.isnan(king_robust(_genotypes(np.array([[0, 2, 0], [1, 1, 0]])))[0, 1])


@pytest.fixture(scope="module")
def two_sets() -> tuple[np.ndarray, np.ndarray]:
    """70 and 45 samples x 300 variants, one call in thirty missing."""
    rng = np.random.default_rng(9)
    frequencies = rng.uniform(0.1, 0.9, 300)
    sets = [rng.binomial(2, frequencies, size=(n, 300)).astype(np.int8) for n in (70, 45)]
    for calls in sets:
        calls[rng.random(calls.shape) < 1 / 30] = MISSING
    return sets[0], sets[1]


def _pairs(sets: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calls of all pairs, and where both have one, each of shape (n_queries, n_references, n_variants)."""
    left, right = np.broadcast_arrays(sets[0][:, None], sets[1][None])
    return left, right, (left != MISSING) & (right != MISSING)


def test_opposing_homozygotes__are_counted(two_sets):
    left, right, is_shared = _pairs(two_sets)
    expected = ((np.abs(left - right) == 2) & is_shared).sum(axis=2)
    np.testing.assert_array_equal(opposing_homozygotes(*two_sets), expected)
    np.testing.assert_array_equal(opposing_homozygotes(*map(PackedCalls.from_calls, two_sets)), expected)


def test_opposing_homozygotes__of_parent_and_child_there_are_none(family):
    calls = family.to_array()
    counts = opposing_homozygotes(calls[:2], calls[2:6])
    assert counts[0].tolist()[:3] == [0, 0, 0]
    assert counts[:, 3].min() > 1_000


def test_identity_by_state__is_one_less_half_the_mean_difference(two_sets):
    left, right, is_shared = _pairs(two_sets)
    expected = 1 - np.abs(left - right).mean(axis=2, where=is_shared) / 2
    np.testing.assert_allclose(identity_by_state(*two_sets), expected, atol=1e-6)


def test_king_between__is_what_king_robust_gives_for_both_sets_together(two_sets):
    joined = np.concatenate(two_sets)
    chromosomes = ["1"] * 250 + ["X"] * 50
    within = king_robust(_genotypes(joined, chromosomes))
    between = king_between(*two_sets, is_used=np.arange(300) < 250)
    np.testing.assert_array_equal(between, within[:70, 70:])


def test_kinship__is_the_same_in_tiles_and_blocks(two_sets, monkeypatch):
    whole = king_between(*two_sets), king_robust(_genotypes(two_sets[0]))
    monkeypatch.setattr(kinship, "_ROWS_PER_TILE", 20)
    monkeypatch.setattr(kinship, "PLANE_BYTES", 1)
    np.testing.assert_array_equal(king_between(*two_sets), whole[0])
    np.testing.assert_array_equal(king_robust(_genotypes(two_sets[0])), whole[1])


def test_kinship__between_sets_needs_the_same_variants(two_sets):
    with pytest.raises(GenotypesError, match="have 300 and 200 variants"):
        king_between(two_sets[0], two_sets[1][:, :200])


def test_relative_components__join_chains_of_relatives():
    phi = np.full((5, 5), 0.0, dtype=np.float32)
    np.fill_diagonal(phi, 0.5)
    phi[0, 3] = phi[3, 0] = phi[3, 4] = phi[4, 3] = 0.1
    assert relative_components(phi).tolist() == [0, 1, 2, 0, 0]


def test_relative_clusters__hold_no_pair_below_the_threshold(shared_data):
    phi = _rat_kinship(shared_data)
    clusters = relative_clusters(phi)
    for cluster in np.unique(clusters):
        members = np.flatnonzero(clusters == cluster)
        assert phi[np.ix_(members, members)].min() >= 0.0884 - 1e-6


def test_kinship_clusters__keep_all_relatives_together_while_no_component_is_large(shared_data):
    phi = _rat_kinship(shared_data)
    components = kinship_clusters(phi, largest_share=1.0)
    assert np.all(components[:, None] == components[None, :], where=phi >= 0.0884)
    assert np.bincount(kinship_clusters(phi)).max() < np.bincount(components).max()


def test_relative_clusters__of_one_sample_is_one():
    assert relative_clusters(np.array([[0.5]], dtype=np.float32)).tolist() == [0]


def _rat_kinship(shared_data) -> np.ndarray:
    calls = np.load(shared_data / "rat_hs_192" / "genotypes.npz")["dosage"][:, :12_000]
    return king_robust(_genotypes(calls))
