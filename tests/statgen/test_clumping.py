"""Clumps by hand, and r2 of haplotypes against the EM algorithm and against haplotypes that are known."""

from __future__ import annotations

import numpy as np
import pytest

from genobench import MISSING, GenotypesError, PackedCalls
from genobench.statgen import clump, haplotype_r2


def _counts(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    counts = np.zeros((3, 3, 1), dtype=np.int64)
    both = (left != MISSING) & (right != MISSING)
    np.add.at(counts[:, :, 0], (left[both], right[both]), 1)
    return counts


def _by_expectation(counts: np.ndarray) -> float:
    """r2 by the EM algorithm: Excoffier L., Slatkin M. 1995. Molecular Biology and Evolution 12: 921-927."""
    total = 2 * counts.sum()
    known = {(i, j): 2 * counts[2 * i, 2 * j] + counts[1, 2 * j] + counts[2 * i, 1] for i in (0, 1) for j in (0, 1)}
    share = 0.5
    for _ in range(20_000):
        coupled, apart = counts[1, 1] * share, counts[1, 1] * (1 - share)
        f11, f00 = (known[1, 1] + coupled) / total, (known[0, 0] + coupled) / total
        f10, f01 = (known[1, 0] + apart) / total, (known[0, 1] + apart) / total
        share = f11 * f00 / (f11 * f00 + f10 * f01)
    p, q = f11 + f10, f11 + f01
    return float((f11 - p * q) ** 2 / (p * (1 - p) * q * (1 - q)))


@pytest.mark.parametrize("seed", range(8))
def test_haplotype_r2__is_what_the_em_algorithm_ends_at(seed, linked_calls):
    calls = linked_calls(60, 2, missing=0.05, seed=seed)
    counts = _counts(calls[:, 0], calls[:, 1])
    assert haplotype_r2(counts)[0] == pytest.approx(_by_expectation(counts[:, :, 0]), abs=1e-9)


def test_haplotype_r2__of_known_haplotypes_is_their_correlation():
    """Nobody is heterozygous at both variants, so that every haplotype is known."""
    haplotypes = np.array([[0, 0]] * 10 + [[1, 1]] * 6 + [[0, 1]] * 2 + [[1, 0]] * 4)
    calls = 2 * haplotypes
    expected = np.corrcoef(haplotypes.T)[0, 1] ** 2
    assert haplotype_r2(_counts(calls[:, 0], calls[:, 1]))[0] == pytest.approx(expected, rel=1e-12)


def test_haplotype_r2__is_nan_where_a_variant_does_not_vary():
    calls = np.array([0, 1, 2, MISSING, 1])
    assert np.isnan(haplotype_r2(_counts(calls, np.array([1, 1, 1, 1, 1]) * 0))).all()
    assert np.isnan(haplotype_r2(_counts(calls, np.array([2, 2, 2, 0, 2])))).all()
    assert haplotype_r2(_counts(calls, calls))[0] == pytest.approx(1, rel=1e-12)


# Six variants in two groups that are alike: a, b, c, d on chromosome 1 at 0, 100, 250 and 900 kb, e there but not linked, f elsewhere.
@pytest.fixture
def genome() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    linked, apart = rng.integers(0, 3, 100), rng.integers(0, 3, 100)
    return {
        "calls": np.column_stack([linked, linked, linked, linked, apart, linked]).astype(np.int8),
        "chromosomes": np.array(["1", "1", "1", "1", "1", "2"]),
        "positions_bp": np.array([1, 100_001, 250_001, 900_001, 50_001, 1]),
        "log10_p": np.array([-9.0, -3.0, -8.0, -6.0, -5.0, -4.5]),
    }


def test_clump__gathers_what_is_linked_within_reach(genome):
    """Of the first, the third is 250 kb away, which is out of reach; the second is a member, because 1e-3 is below 1e-2."""
    clumps = clump(**genome)
    assert clumps.index.tolist() == [0, 2, 3, 4, 5]
    assert [members.tolist() for members in clumps.members] == [[1], [], [], [], []]
    assert clumps.clump_of.tolist() == [0, 0, 1, 2, 3, 4]


def test_clump__takes_each_variant_once_and_lists_the_significant(genome):
    """With a reach of 1 Mb all linked ones are the first's; the second is not significant at 1e-3, but it is taken."""
    clumps = clump(**genome, reach_bp=1_000_000, most_member_p=1e-3)
    assert clumps.index.tolist() == [0, 4, 5]
    assert [members.tolist() for members in clumps.members] == [[2, 3], [], []]
    assert clumps.clump_of.tolist() == [0, 0, 0, 0, 1, 2]


def test_clump__does_not_depend_on_the_order_or_form_of_variants(genome):
    order = np.array([4, 2, 5, 0, 3, 1])
    moved = {name: values[..., order] for name, values in genome.items()}
    moved["calls"] = PackedCalls.from_calls(np.ascontiguousarray(moved["calls"]))
    assert order[clump(**moved, reach_bp=1e6).index].tolist() == clump(**genome, reach_bp=1e6).index.tolist()


def test_clump__leaves_out_what_has_no_p_value_or_position(genome):
    genome["log10_p"][0] = np.nan
    genome["positions_bp"] = np.where(np.arange(6) == 3, np.nan, genome["positions_bp"])
    clumps = clump(**genome)
    assert clumps.index.tolist() == [2, 4, 5]
    assert clumps.clump_of.tolist() == [-1, 0, 0, -1, 1, 2]


def test_clump__of_nothing_significant_is_none(genome):
    clumps = clump(**genome, most_index_p=1e-20)
    assert (len(clumps.index), clumps.members, set(clumps.clump_of.tolist())) == (0, (), {-1})


def test_clump__compares_p_values_below_the_smallest_float(genome):
    genome["log10_p"] = np.array([-5_000.0, -3.0, -6_000.0, -7_000.0, -5.0, -4.5])
    assert clump(**genome, reach_bp=1e6).index[0] == 3


def test_clump__refuses_other_numbers_of_variants(genome):
    genome["log10_p"] = genome["log10_p"][:5]
    with pytest.raises(GenotypesError, match="calls have 6 variants, but there are 5 p-values"):
        clump(**genome)


@pytest.mark.parametrize("limit", ["most_index_p", "most_member_p"])
def test_clump__refuses_a_limit_that_is_no_p_value(genome, limit):
    with pytest.raises(ValueError, match=f"{limit} is 0; it must be above 0"):
        clump(**(genome | {limit: 0}))
