"""Sums of calls times weights against Python's fractions, which do not round, and counts against a plain count."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from genobench import MISSING
from genobench.calls import pack_calls
from genobench.statgen.call_sums import CallSums, call_sums


def _sums(calls: np.ndarray, weights: np.ndarray) -> CallSums:
    (sums,) = call_sums(pack_calls(calls), weights, n_variants=calls.shape[1])
    return sums


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_call_sums__are_those_of_fractions(missing):
    rng = np.random.default_rng(4)
    calls = rng.integers(0, 3, (300, 9)).astype(np.int8)
    calls[rng.random(calls.shape) < missing] = MISSING
    weights = np.column_stack([rng.standard_normal(300), 1e-200 * rng.standard_normal(300), np.zeros(300), rng.integers(-5, 6, 300)])
    found = _sums(calls, weights)
    expected = [
        [float(sum(int(call) * Fraction(w) for call, w in zip(column, row, strict=True) if call != MISSING)) for column in calls.T]
        for row in weights.T
    ]
    # Each weight is rounded to 2 ** -47 of the largest at most, and calls add up to 600 at most.
    for sums, exact, row in zip(found.weighted, expected, weights.T, strict=True):
        np.testing.assert_allclose(sums, exact, rtol=1e-15, atol=600 * 2.0**-47 * np.abs(row).max())
    np.testing.assert_array_equal(found.counts, [(calls == value).sum(axis=0) for value in (0, 1, 2)])


def test_call_sums__do_not_depend_on_the_order_of_samples_at_all():
    rng = np.random.default_rng(5)
    calls, weights, order = rng.integers(0, 3, (500, 5)).astype(np.int8), rng.standard_normal((500, 2)), rng.permutation(500)
    np.testing.assert_array_equal(_sums(calls, weights).weighted, _sums(calls[order], weights[order]).weighted)


def test_call_sums__of_a_million_samples_stay_within_whole_numbers():
    """Of one sum of digits, 48 times 64 times a million would not fit in 32 bits."""
    calls = np.full((1_000_000, 3), 2, dtype=np.int8)
    calls[1:, 2] = MISSING
    found = _sums(calls, np.full((1_000_000, 1), 1 / 3))
    # What missing calls have added is taken off in floats: at most a rounding of 2 ** -53 for each of a million steps up to 1e6 / 3.
    np.testing.assert_allclose(found.weighted[0], [2e6 / 3, 2e6 / 3, 2 / 3], rtol=1e-12, atol=1e6 * 2.0**-53 * 1e6)
    np.testing.assert_array_equal(found.counts, [[0, 0, 0], [0, 0, 0], [1_000_000, 1_000_000, 1]])


def test_call_sums__say_where_calls_are_missing():
    calls = np.array([[0, MISSING, 1, 2, 0, MISSING], [1, 1, MISSING, 2, 0, 0]], dtype=np.int8)
    missing = _sums(calls, np.ones((2, 1))).missing
    assert missing is not None
    np.testing.assert_array_equal(missing.toarray().T, calls == MISSING)
    assert _sums(np.zeros((2, 6), dtype=np.int8), np.ones((2, 1))).missing is None
