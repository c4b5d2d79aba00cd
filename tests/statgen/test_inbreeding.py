"""Heterozygosity and inbreeding, against scikit-allel, closed forms and simulation."""

from __future__ import annotations

import allel
import numpy as np
import pytest

from genobench import MISSING, PackedCalls
from genobench.statgen import (
    expected_heterozygosity,
    genotype_counts,
    heterozygosity_components,
    population_inbreeding,
    sample_heterozygosity,
    sample_inbreeding,
)


def _inbred_calls(f: float, *, n_samples: int = 50, n_variants: int = 4000, seed: int = 1) -> np.ndarray:
    """Calls of samples whose two alleles are identical by descent with probability f."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.1, 0.9, n_variants)
    first, second = (rng.random((2, n_samples, n_variants)) < p).astype(np.int8)
    calls: np.ndarray = (first + np.where(rng.random(first.shape) < f, first, second)).astype(np.int8)
    return calls


def _with_missing(calls: np.ndarray, share: float = 0.1) -> np.ndarray:
    return np.where(np.random.default_rng(2).random(calls.shape) < share, MISSING, calls).astype(np.int8)


def test_sample_heterozygosity__counts_among_calls():
    calls = np.array([[0, 1, 1, 2, MISSING], [MISSING] * 5, [1, 1, 1, 1, 1]], dtype=np.int8)
    for given in (calls, PackedCalls.from_calls(calls)):
        np.testing.assert_allclose(sample_heterozygosity(given), [2 / 4, np.nan, 1])


def test_sample_inbreeding__is_the_method_of_moments_sample_by_sample():
    calls = _with_missing(_inbred_calls(0.1, n_samples=12, n_variants=80))
    rates = expected_heterozygosity(calls)
    expected = []
    for sample in calls:
        is_called = sample != MISSING
        homozygous, by_chance = np.count_nonzero(is_called & (sample != 1)), np.sum(1 - rates[is_called])
        expected.append((homozygous - by_chance) / (is_called.sum() - by_chance))
    np.testing.assert_allclose(sample_inbreeding(calls), expected)
    np.testing.assert_allclose(sample_inbreeding(PackedCalls.from_calls(calls)), expected)


def test_sample_inbreeding__takes_many_expectations_at_once():
    calls = _with_missing(_inbred_calls(0, n_samples=9, n_variants=60))
    rates = np.stack([expected_heterozygosity(calls), np.full(60, 0.5)])
    both = sample_inbreeding(calls, rates)
    np.testing.assert_allclose(both, [sample_inbreeding(calls, rates[0]), sample_inbreeding(calls, rates[1])])


def test_sample_inbreeding__is_undefined_for_a_sample_without_calls():
    calls = _inbred_calls(0, n_samples=5, n_variants=30)
    calls[2] = MISSING
    assert np.isnan(sample_inbreeding(calls)).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("f", [0.0, 0.2, 0.6])
def test_inbreeding__is_what_was_simulated(f):
    """200,000 calls, each heterozygous about 0.37 (1 - f) of the time: standard error below sqrt(0.37 * 0.63 / 2e5) / 0.37 = 0.003."""
    calls = _inbred_calls(f)
    assert population_inbreeding(genotype_counts(calls)) == pytest.approx(f, abs=0.015)
    assert sample_inbreeding(calls).mean() == pytest.approx(f, abs=0.015)


def test_population_inbreeding__is_unbiased_among_few_inbred_samples():
    """Six samples with F = 0.5, 40,000 variants: Nei's expectation without observed heterozygosity would give 0.477."""
    calls = _inbred_calls(0.5, n_samples=6, n_variants=40_000)
    assert population_inbreeding(genotype_counts(calls)) == pytest.approx(0.5, abs=0.012)


def test_heterozygosity_components__are_those_of_weir_and_cockerham():
    """scikit-allel wants two populations; of two equal ones the components b and c within are those of each."""
    calls = _with_missing(_inbred_calls(0.3, n_samples=20, n_variants=100))
    twice = np.concatenate([calls, calls])
    alleles = np.stack([np.where(twice < 0, -1, twice >= 1), np.where(twice < 0, -1, twice >= 2)], axis=-1).transpose(1, 0, 2)
    _, b, c = allel.weir_cockerham_fst(alleles, [list(range(20)), list(range(20, 40))])
    b, c = b[:, 1], c[:, 1]
    observed, expected = heterozygosity_components(genotype_counts(calls))
    np.testing.assert_allclose(observed, 2 * c)
    np.testing.assert_allclose(expected, 2 * (b + c))
    assert population_inbreeding(genotype_counts(calls)) == pytest.approx(1 - c.sum() / (b + c).sum())


def test_population_inbreeding__is_undefined_where_nothing_varies():
    assert np.isnan(population_inbreeding(genotype_counts(np.zeros((5, 3), dtype=np.int8))))
    assert np.isnan(population_inbreeding(genotype_counts(np.ones((1, 3), dtype=np.int8))))
