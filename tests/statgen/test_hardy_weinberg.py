"""The exact test, against whole-number arithmetic and the table of its paper."""

from __future__ import annotations

from math import comb, factorial, log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genobench.statgen import hardy_weinberg_log10_p


def _exact(ref: int, heterozygous: int, alt: int) -> float:
    """log10 p by whole numbers of any size: nothing is rounded before the last step."""
    n = ref + heterozygous + alt
    n_alt = heterozygous + 2 * alt

    def ways(k: int) -> int:
        homozygous = factorial((n_alt - k) // 2) * factorial((2 * n - n_alt - k) // 2)
        n_ways: int = 2**k * factorial(n) // (homozygous * factorial(k))
        return n_ways

    numbers = [ways(k) for k in range(n_alt % 2, min(n_alt, 2 * n - n_alt) + 1, 2)]
    return log10(sum(number for number in numbers if number <= ways(heterozygous))) - log10(comb(2 * n, n_alt))


@given(st.lists(st.tuples(*(st.integers(0, 60) for _ in range(3))), min_size=1, max_size=8))
def test_hardy_weinberg__agrees_with_whole_numbers(triples):
    expected = [_exact(*triple) for triple in triples]
    np.testing.assert_allclose(hardy_weinberg_log10_p(np.array(triples).T), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("triple", [(600, 0, 600), (0, 1200, 0), (1199, 0, 1), (5, 1000, 7), (801, 399, 0), (300, 601, 299)])
def test_hardy_weinberg__is_exact_far_out_in_the_tails(triple):
    assert hardy_weinberg_log10_p(np.array([triple]).T)[0] == pytest.approx(_exact(*triple), rel=1e-9, abs=1e-9)


def test_hardy_weinberg__gives_the_table_of_the_paper():
    """Wigginton et al. 2005, table 1: 100 samples with 21 copies of the rarer allele."""
    heterozygous = np.array([7, 9, 11, 13, 15, 17, 19, 21])
    rare = (21 - heterozygous) // 2
    p = 10 ** hardy_weinberg_log10_p(np.stack([100 - heterozygous - rare, heterozygous, rare]))
    np.testing.assert_allclose(p, [0.000001, 0.000048, 0.000919, 0.010293, 0.069576, 0.284042, 1.0, 0.593645], atol=1.1e-6)


def test_hardy_weinberg__does_not_mind_which_allele_is_alt():
    counts = np.random.default_rng(1).integers(0, 50, size=(3, 40))
    np.testing.assert_array_equal(hardy_weinberg_log10_p(counts), hardy_weinberg_log10_p(counts[::-1]))


def test_hardy_weinberg__is_one_where_nothing_varies():
    assert hardy_weinberg_log10_p(np.array([[0, 9, 0], [0, 0, 0], [0, 0, 9]])).tolist() == [0, 0, 0]
    assert hardy_weinberg_log10_p(np.zeros((3, 0), dtype=np.int64)).shape == (0,)
