"""Runs of homozygosity, against a search variant by variant; PLINK stands in tests/oracles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genobench import MISSING, PackedCalls
from genobench.statgen import covered_genome, is_dense, runs_of_homozygosity

LIMITS: dict[str, Any] = {"min_length_bp": 40, "min_variants": 4, "max_gap_bp": 30}


def _slowly(calls, chromosomes, positions, *, min_length_bp, min_variants, max_heterozygotes, max_gap_bp):
    """(sample, first, last) of each run, by the words of the docstring, one variant at a time; variants are sorted here."""
    runs: list[tuple[int, int, int]] = []
    for row, sample in enumerate(calls):
        start = 0
        while start < len(sample):
            is_behind = start == 0 or sample[start - 1] == 1 or not _is_near(chromosomes, positions, start, max_gap_bp)
            if sample[start] == 1 or not (is_behind or (runs and runs[-1][:1] == (row,) and runs[-1][2] == start - 1)):
                start += 1
                continue
            end, n_heterozygotes = start + 1, 0
            while end < len(sample) and _is_near(chromosomes, positions, end, max_gap_bp):
                n_heterozygotes += sample[end] == 1
                if n_heterozygotes > max_heterozygotes:
                    break
                end += 1
            last = end - 1
            while sample[last] == 1:
                last -= 1
            n_called = np.count_nonzero(sample[start : last + 1] != MISSING)
            if positions[last] - positions[start] + 1 >= min_length_bp and n_called >= min_variants:
                runs.append((row, start, last))
                start = last + 1
            else:
                start += 1
    return runs


def _is_near(chromosomes, positions, place, max_gap_bp):
    return chromosomes[place] == chromosomes[place - 1] and positions[place] - positions[place - 1] <= max_gap_bp


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.floats(0.02, 0.5))
def test_runs__are_those_of_a_search_variant_by_variant(seed, max_heterozygotes, heterozygosity):
    rng = np.random.default_rng(seed)
    calls = rng.choice([0, 1, 2, MISSING], p=[0.5 - heterozygosity / 2, heterozygosity, 0.45 - heterozygosity / 2, 0.05], size=(6, 80))
    calls = calls.astype(np.int8)
    chromosomes, positions = np.repeat(["1", "2"], 40), np.concatenate([np.cumsum(rng.integers(1, 40, 40)) for _ in range(2)])
    found = runs_of_homozygosity(calls, chromosomes=chromosomes, positions_bp=positions, max_heterozygotes=max_heterozygotes, **LIMITS)
    expected = _slowly(calls, chromosomes, positions, max_heterozygotes=max_heterozygotes, **LIMITS)
    assert list(zip(found.sample, found.first_variant, found.last_variant, strict=True)) == expected
    np.testing.assert_array_equal(found.length_bp, positions[found.last_variant] - positions[found.first_variant] + 1)


def _one_sample(heterozygous_at: list[int], n_variants: int = 100, **more):
    calls = np.zeros((1, n_variants), dtype=np.int8)
    calls[0, heterozygous_at] = 1
    positions = 50_000.0 * np.arange(n_variants) + 1
    where: dict[str, Any] = {"chromosomes": ["1"] * n_variants, "positions_bp": positions}
    return runs_of_homozygosity(calls, **where | more)


def test_runs__join_two_stretches_over_one_heterozygote():
    """Variants 50 kb apart: 40 + 1 + 40 span 4 Mb; 5 + 1 + 40 do not."""
    joined = _one_sample([40, 81])
    assert (joined.first_variant.tolist(), joined.last_variant.tolist(), joined.length_bp.tolist()) == ([0], [80], [4_000_001])
    assert _one_sample([5, 46], n_variants=47).number.tolist() == [0]


def test_runs__do_not_lose_their_heterozygote_to_one_before_them():
    """Stretches of 3, 50 and 46 variants: the first does not begin a run that ends at the second heterozygote and halves the run."""
    found = _one_sample([3, 54, 101, 103], n_variants=104, min_length_bp=4.5e6)
    assert (found.first_variant.tolist(), found.last_variant.tolist()) == ([4], [100])


def test_runs__end_at_long_gaps_and_at_chromosomes():
    positions = 50_000.0 * np.arange(200) + 1
    assert _one_sample([], n_variants=200, positions_bp=positions).length_bp.tolist() == [9_950_001]
    gapped = positions + 1e6 * (np.arange(200) >= 100)
    assert _one_sample([], n_variants=200, positions_bp=gapped).length_bp.tolist() == [4_950_001] * 2
    names = np.repeat(["1", "2"], 100)
    assert _one_sample([], n_variants=200, positions_bp=positions, chromosomes=names).length_bp.tolist() == [4_950_001] * 2
    assert _one_sample([], n_variants=200, positions_bp=positions, chromosomes=["X"] * 200).number.tolist() == [0]


def test_runs__need_calls():
    """A sample that has no call at all is no proof of homozygosity."""
    calls = np.full((1, 100), MISSING, dtype=np.int8)
    calls[0, ::4] = 0
    where: dict[str, Any] = {"chromosomes": ["1"] * 100, "positions_bp": 50_000.0 * np.arange(100) + 1}
    assert runs_of_homozygosity(calls, **where).number.tolist() == [0]
    assert runs_of_homozygosity(calls, **where, min_variants=25).n_called.tolist() == [25]


def test_runs__do_not_mind_order_storage_or_blocks(monkeypatch):
    rng = np.random.default_rng(4)
    calls = rng.choice([0, 1, 2], p=[0.5, 0.05, 0.45], size=(40, 300)).astype(np.int8)
    names, positions = np.repeat(["1", "2", "X"], 100), np.tile(50_000.0 * np.arange(100) + 1, 3)
    positions[::50] = np.nan
    first = runs_of_homozygosity(calls, chromosomes=names, positions_bp=positions)
    assert len(first.sample) > 10
    monkeypatch.setattr("genobench.statgen.homozygosity._CALLS_PER_BLOCK", 900)
    order = rng.permutation(300)
    second = runs_of_homozygosity(PackedCalls.from_calls(calls[:, order]), chromosomes=names[order], positions_bp=positions[order])
    np.testing.assert_array_equal(first.number, second.number)
    np.testing.assert_array_equal(first.length_bp, second.length_bp)
    np.testing.assert_array_equal(first.first_variant, order[second.first_variant])


def test_f_roh__is_one_for_a_sample_without_heterozygotes():
    found = _one_sample([])
    assert found.f_roh == pytest.approx(1, abs=1e-5)
    assert _one_sample(list(range(0, 100, 3))).f_roh == 0


def test_f_roh__is_undefined_where_variants_are_sparse():
    sparse = _one_sample([], positions_bp=110_000.0 * np.arange(100) + 1)
    assert np.isnan(sparse.f_roh).all()
    assert sparse.number.tolist() == [1]
    assert is_dense(*covered_genome(["1"] * 100, 90_000.0 * np.arange(100)))
    assert not is_dense(*covered_genome(["1"] * 100, 110_000.0 * np.arange(100)))
    assert not is_dense(*covered_genome([], []))


def test_runs__of_no_samples_or_no_variants_are_none():
    for shape in ((0, 50), (3, 0)):
        where: dict[str, Any] = {"chromosomes": ["1"] * shape[1], "positions_bp": np.arange(shape[1]) * 5e4}
        assert runs_of_homozygosity(np.zeros(shape, dtype=np.int8), **where).number.tolist() == [0] * shape[0]
