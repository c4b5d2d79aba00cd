"""Frequencies, against worked examples, scikit-allel and what must hold."""

from __future__ import annotations

import allel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genobench import MISSING
from genobench.statgen import (
    alt_frequency,
    expected_heterozygosity,
    genotype_counts,
    genotype_frequencies,
    is_autosome,
    minor_allele_frequency,
    observed_heterozygosity,
)

CALLS = np.array([[0, 1, 2, MISSING], [1, 1, 2, MISSING], [2, MISSING, 2, MISSING], [0, 0, 1, MISSING]], dtype=np.int8)
any_calls = arrays(np.int8, st.tuples(st.integers(1, 12), st.integers(1, 9)), elements=st.integers(-1, 2))


def test_alt_frequency__counts_alt_alleles_among_calls():
    np.testing.assert_allclose(alt_frequency(CALLS), [3 / 8, 2 / 6, 7 / 8, np.nan])


def test_genotype_counts__leave_missing_calls_out():
    np.testing.assert_array_equal(genotype_counts(CALLS), [[2, 1, 0, 0], [1, 2, 1, 0], [1, 0, 3, 0]])


def test_genotype_counts__are_the_same_in_blocks_of_rows(monkeypatch):
    monkeypatch.setattr("genobench.statgen.frequency._ROWS_PER_BLOCK", 2)
    np.testing.assert_array_equal(genotype_counts(CALLS), [[2, 1, 0, 0], [1, 2, 1, 0], [1, 0, 3, 0]])


@given(any_calls)
def test_alt_frequency__turns_to_its_complement_when_alleles_swap(calls):
    swapped = np.where(calls == MISSING, MISSING, 2 - calls).astype(np.int8)
    np.testing.assert_allclose(alt_frequency(swapped), 1 - alt_frequency(calls))
    np.testing.assert_allclose(minor_allele_frequency(swapped), minor_allele_frequency(calls), atol=1e-15)


@given(any_calls)
def test_genotype_frequencies__agree_with_the_allele_frequency(calls):
    shares = genotype_frequencies(calls)
    np.testing.assert_allclose(shares[1] / 2 + shares[2], alt_frequency(calls), atol=1e-12)
    np.testing.assert_allclose(observed_heterozygosity(calls), shares[1])


def test_heterozygosity__agrees_with_scikit_allel():
    calls = np.random.default_rng(1).integers(-1, 3, size=(40, 50)).astype(np.int8)
    alleles = np.stack([np.where(calls < 0, -1, calls >= 1), np.where(calls < 0, -1, calls >= 2)], axis=-1).transpose(1, 0, 2)
    genotypes = allel.GenotypeArray(alleles)
    counts = genotypes.count_alleles(max_allele=1)
    np.testing.assert_allclose(observed_heterozygosity(calls), allel.heterozygosity_observed(genotypes))
    # Nei's unbiased form is the mean pairwise difference between allele copies.
    np.testing.assert_allclose(expected_heterozygosity(calls), allel.mean_pairwise_difference(counts))


@pytest.mark.parametrize(("name", "expected"), [("1", True), ("29", True), ("0", False), ("X", False), ("MT", False), ("", False)])
def test_is_autosome__wants_a_positive_whole_number(name, expected):
    assert is_autosome([name, "1"]).tolist() == [expected, True]
