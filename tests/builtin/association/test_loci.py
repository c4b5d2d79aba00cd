"""Which loci are the same, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from genobench.builtin.association.loci import Genome, shared_loci
from genobench.statgen import r2_matrix
from genobench.testing import genotypes_of


def _genome() -> Genome:
    """Variants 0 to 4 on one chromosome: 1 is 0 with a tenth of the samples changed, 2 has nothing to do with it, 3 is 0, far away."""
    rng = np.random.default_rng(1)
    first = rng.binomial(2, 0.5, 400)
    second = np.where(np.arange(400) < 40, 2 - first, first)
    calls = np.stack([first, second, rng.binomial(2, 0.5, 400), first, np.zeros(400)], axis=1).astype(np.int8)
    genotypes = genotypes_of(calls)
    return Genome(genotypes, np.array(["1"] * 5, dtype=object), np.array([1.0, 5_000_001.0, 3.0, 5_000_002.0, 4.0]))


def test_is_same_locus__needs_distance_and_linkage() -> None:
    genome = _genome()
    every = np.arange(5)
    r2, _ = r2_matrix(genome.genotypes.calls, genome.genotypes.calls)
    assert r2[0, 1] > 0.2 > r2[0, 2]
    same = genome.is_same_locus(every, every)
    assert same.diagonal().all(), "a variant is its own locus, even one that does not vary"
    assert np.argwhere(np.triu(same, 1)).tolist() == [[0, 1], [1, 3]]


def test_is_same_locus__never_across_chromosomes_or_without_a_position() -> None:
    genome = _genome()
    other = Genome(
        genome.genotypes, np.array(["1", "2", "1", "1", "1"], dtype=object), np.where(np.arange(5) == 3, np.nan, genome.positions_bp)
    )
    assert not other.is_same_locus(np.array([0]), np.array([1, 2, 3, 4])).any()


@pytest.mark.parametrize(
    ("same", "expected"),
    [
        ([[1, 0], [0, 1]], (2, 2)),
        ([[1, 0], [0, 0]], (1, 3)),
        ([[0, 0, 0]], (0, 4)),
        ([[1, 1, 0]], (1, 2)),  # One locus here is two there, and a third has no partner.
        ([[1, 0], [1, 1]], (1, 1)),  # All hang together.
    ],
)
def test_shared_loci__counts_distinct_ones(same: list[list[int]], expected: tuple[int, int]) -> None:
    assert shared_loci(np.array(same, dtype=bool)) == expected


def test_shared_loci__of_nothing_are_none() -> None:
    assert shared_loci(np.zeros((0, 3), dtype=bool)) == (0, 3)


def test_thinned__keeps_the_heaviest_variant_of_each_window() -> None:
    genotypes = _genome().genotypes
    chromosomes = np.array(["1", "1", "2", "1", "2"], dtype=object)
    genome = Genome(genotypes, chromosomes, np.array([1.0, 1_000_000.0, 5.0, 1_000_001.0, np.nan]))
    windows, of_windows = genome.windows(1_000_000.0)
    assert windows.tolist() == [0, 0, 2, 1, -1]
    assert of_windows.tolist() == ["1", "1", "2"]
    assert genome.thinned(np.array([0.1, 0.2, 0.0, 0.3, 0.0]), 1_000_000.0).tolist() == [1, 2, 3, 4]
    assert genome.thinned(np.array([0.2, 0.1, 0.0, 0.3, 0.0]), 1e9).tolist() == [2, 3, 4]
