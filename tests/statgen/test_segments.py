"""Longest shared segments against a scan of every pair, variant by variant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genobench import MISSING, GenotypesError, PackedCalls
from genobench.statgen import longest_shared_segment
from genobench.statgen.segments import VARIANTS_PER_WORD


def _scanned(queries: np.ndarray, references: np.ndarray, chromosomes: list[str]) -> np.ndarray:
    longest = np.zeros((len(queries), len(references)), dtype=int)
    for row, query in enumerate(queries):
        for column, reference in enumerate(references):
            run = 0
            for place, (first, second) in enumerate(zip(query, reference, strict=True)):
                if place and chromosomes[place] != chromosomes[place - 1]:
                    run = 0
                run = 0 if {int(first), int(second)} == {0, 2} else run + 1
                longest[row, column] = max(longest[row, column], run)
    return longest


def _drawn(seed: int, n_samples: int, n_variants: int, alt_frequency: float) -> np.ndarray:
    return np.random.default_rng(seed).binomial(2, alt_frequency, size=(n_samples, n_variants)).astype(np.int8)


@given(seed=st.integers(0, 10_000), n_variants=st.integers(1, 200), alt_frequency=st.floats(0.02, 0.5), n_chromosomes=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_longest_shared_segment__equals_a_scan(seed, n_variants, alt_frequency, n_chromosomes):
    """To the variant, but where every run is shorter than a word: then never too long."""
    queries, references = _drawn(seed, 4, n_variants, alt_frequency), _drawn(seed + 1, 5, n_variants, alt_frequency)
    queries[0, ::7] = MISSING
    chromosomes = sorted(str(place % n_chromosomes) for place in range(n_variants))
    expected = _scanned(queries, references, chromosomes)
    result = longest_shared_segment(queries, references, chromosomes)
    assert result.dtype == np.int32
    is_long = expected >= VARIANTS_PER_WORD - 1
    np.testing.assert_array_equal(result[is_long], expected[is_long])
    assert (result <= expected).all()


def test_longest_shared_segment__finds_a_planted_one():
    """Opposing at variants 99 and 250 and at random elsewhere, alike between."""
    references = _drawn(1, 1, 400, 0.5)
    queries = 2 - references
    queries[0, 100:250] = references[0, 100:250]
    queries[0, [99, 250]], references[0, [99, 250]] = 0, 2
    assert longest_shared_segment(queries, references, ["1"] * 400).item() == 150


def test_longest_shared_segment__ends_with_the_chromosome():
    calls = np.ones((1, 100), dtype=np.int8)
    assert longest_shared_segment(calls, calls.copy(), ["1"] * 30 + ["2"] * 70).item() == 70


def test_longest_shared_segment__is_the_longest_chromosome_for_a_copy_and_symmetric():
    calls = _drawn(2, 30, 300, 0.3)
    chromosomes = ["1"] * 120 + ["2"] * 180
    within = longest_shared_segment(calls, calls, chromosomes)
    assert (np.diagonal(within) == 180).all()
    np.testing.assert_array_equal(within, within.T)
    np.testing.assert_array_equal(within, longest_shared_segment(calls, calls.copy(), chromosomes))


def test_longest_shared_segment__stays_when_alleles_swap_and_when_packed():
    queries, references, chromosomes = _drawn(3, 20, 500, 0.2), _drawn(4, 30, 500, 0.2), ["1"] * 500
    result = longest_shared_segment(queries, references, chromosomes)
    np.testing.assert_array_equal(longest_shared_segment(2 - queries, 2 - references, chromosomes), result)
    packed = PackedCalls.from_calls(queries), PackedCalls.from_calls(references)
    np.testing.assert_array_equal(longest_shared_segment(*packed, chromosomes), result)


def test_longest_shared_segment__over_several_tiles_is_that_of_each_part():
    """More references than a tile is wide, so that tiles are joined."""
    queries, references, chromosomes = _drawn(5, 20, 60, 0.1), _drawn(6, 8300, 60, 0.1), ["1"] * 60
    result = longest_shared_segment(queries, references, chromosomes)
    np.testing.assert_array_equal(result[:, 8150:], longest_shared_segment(queries, references[8150:], chromosomes))


def test_longest_shared_segment__refuses_other_numbers_of_variants():
    with pytest.raises(GenotypesError, match="queries have 2 variants, references 2, and chromosomes are given for 3"):
        longest_shared_segment(np.zeros((1, 2), dtype=np.int8), np.zeros((1, 2), dtype=np.int8), ["1", "1", "2"])
