"""Relationship, by VanRaden's formulas in numpy and by pedigree; PLINK 2 and GEMMA are in tests/oracles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genobench import MISSING, PackedCalls
from genobench.errors import GenotypesError
from genobench.statgen import king_between, relationship, vanraden_1, vanraden_2

METHODS = [vanraden_1, vanraden_2]


@pytest.fixture(scope="module")
def calls() -> np.ndarray:
    """130 samples x 700 variants; the first ten do not vary, the next has no call."""
    rng = np.random.default_rng(4)
    made = rng.binomial(2, rng.uniform(0.02, 0.98, 700), size=(130, 700)).astype(np.int8)
    made[:, :10] = 2
    made[:, 10] = MISSING
    return made


def _by_hand(calls: np.ndarray, frequencies: np.ndarray | None = None) -> dict[Any, np.ndarray]:
    """VanRaden 2008, methods 1 and 2, with missing calls at 2 p."""
    masked = np.ma.masked_equal(calls, MISSING).astype(float)
    p = (masked.mean(axis=0) / 2).filled(0) if frequencies is None else frequencies
    varies = (p > 0) & (p < 1)
    z, variance = (masked - 2 * p).filled(0)[:, varies], (2 * p * (1 - p))[varies]
    return {vanraden_1: z @ z.T / variance.sum(), vanraden_2: (z / variance) @ z.T / varies.sum()}


@pytest.mark.parametrize("missing_share", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("method", METHODS)
def test_relationship__is_what_the_formula_says(calls, method, missing_share, monkeypatch):
    """Calls missing nowhere, here and there (a sparse correction) and in many places (a dense one); in blocks and tiles."""
    monkeypatch.setattr(relationship, "_ROWS_PER_TILE", 50)
    monkeypatch.setattr(relationship, "BLOCK_BYTES", 1)
    given = np.where(np.random.default_rng(1).random(calls.shape) < missing_share, np.int8(MISSING), calls)
    expected = _by_hand(given)[method]
    for form in (given, PackedCalls.from_calls(given)):
        made = method(form)
        np.testing.assert_allclose(made, expected, atol=2e-6)
        np.testing.assert_array_equal(made, made.T)


@pytest.mark.parametrize("method", METHODS)
def test_relationship__counts_from_the_base_that_is_given(calls, method):
    base = np.random.default_rng(2).uniform(0.3, 0.7, calls.shape[1])
    np.testing.assert_allclose(method(calls, alt_frequencies=base), _by_hand(calls, base)[method], atol=5e-6)


@pytest.mark.parametrize("method", METHODS)
def test_relationship__leaves_out_variants_that_are_not_used(calls, method):
    is_used = np.arange(calls.shape[1]) % 3 == 0
    np.testing.assert_allclose(method(calls, is_used=is_used), method(calls[:, is_used]), atol=2e-6)


@pytest.mark.parametrize("method", METHODS)
def test_relationship__does_not_mind_which_allele_is_alt(calls, method):
    swapped = np.where(calls == MISSING, MISSING, 2 - calls).astype(np.int8)
    np.testing.assert_allclose(method(calls), method(swapped), atol=2e-6)


def test_relationship__of_one_sample_leaves_the_others_where_they_are(calls):
    order = np.random.default_rng(3).permutation(len(calls))
    np.testing.assert_allclose(vanraden_1(calls[order]), vanraden_1(calls)[np.ix_(order, order)], atol=1e-6)


def test_relationship__is_twice_the_kinship():
    """A child of two unrelated parents, from the base's frequencies: 0.5 with each; 20,000 variants, standard error about 0.01."""
    rng = np.random.default_rng(7)
    frequencies = rng.uniform(0.2, 0.8, 20_000)
    haplotypes = rng.random((4, 20_000)) < frequencies
    child = np.where(rng.random(20_000) < 0.5, haplotypes[0], haplotypes[1]).astype(np.int8) + np.where(
        rng.random(20_000) < 0.5, haplotypes[2], haplotypes[3]
    )
    trio = np.stack([haplotypes[0].astype(np.int8) + haplotypes[1], haplotypes[2].astype(np.int8) + haplotypes[3], child]).astype(np.int8)
    expected = np.array([[1, 0, 0.5], [0, 1, 0.5], [0.5, 0.5, 1]])
    for method in METHODS:
        np.testing.assert_allclose(method(trio, alt_frequencies=frequencies), expected, atol=0.05)
    np.testing.assert_allclose(2 * king_between(trio[:2], trio[2:])[:, 0], [0.5, 0.5], atol=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_relationship__says_what_it_needs(calls, method, monkeypatch):
    with pytest.raises(GenotypesError, match="needs a variant that varies; none of 11 does"):
        method(calls[:, :11])
    monkeypatch.setattr(relationship, "MATRIX_BYTES", 1_000)
    with pytest.raises(GenotypesError, match="relationships of 130 samples take 67600 bytes; at most 1000 are allowed"):
        method(calls)
