"""Alleles gathered from packed haplotypes, a donor at each place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench import PackedCalls
from genobench_classical.donors import drawn_donors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from genobench.statgen import GeneticPath

_CALLS_PER_CHUNK: Final = 1 << 21
_ROWS_PER_CHUNK: Final = 256


def packed_in_chunks(
    n_samples: int,
    n_variants: int,
    drawn: Callable[[slice], NDArray[np.int8]],
    *,
    calls_per_chunk: int = _CALLS_PER_CHUNK,
    rows_per_chunk: int = _ROWS_PER_CHUNK,
) -> NDArray[np.uint8]:
    """Rows drawn and packed some at a time, shape (n_samples, ceil(n_variants / 4)).

    Args:
        n_samples: Rows.
        n_variants: Columns.
        drawn: Calls or alleles of the rows of a slice, shape (n_rows, n_variants); asked for in order.
        calls_per_chunk: The most calls asked for at a time, but at least one row.
        rows_per_chunk: The most rows asked for at a time.
    """
    packed = np.empty((n_samples, -(-n_variants // 4)), dtype=np.uint8)
    n_rows = max(1, min(rows_per_chunk, calls_per_chunk // n_variants))
    for start in range(0, n_samples, n_rows):
        rows = slice(start, min(n_samples, start + n_rows))
        packed[rows] = PackedCalls.from_calls(drawn(rows)).packed
    return packed


def copied_alleles(haplotypes: PackedCalls, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int8]:
    """Alleles of haplotype rows[i, j] at variant columns[j], shape (n_rows, n_columns)."""
    alleles: NDArray[np.int8] = ((haplotypes.packed[rows, columns // 4] >> (2 * (columns % 4)).astype(np.uint8)) & 3).view(np.int8)
    return alleles


def mosaic_haplotypes(
    haplotypes: PackedCalls, weights: NDArray[np.float64], path: GeneticPath, *, rate: float, rng: np.random.Generator
) -> NDArray[np.int8]:
    """One mosaic a row of weights: a donor, drawn by weight, and one of its haplotypes anew wherever the copying changes.

    Args:
        haplotypes: Those of the donors, shape (2 * n_donors, n_variants).
        weights: P(donor), shape (n_rows, n_donors).
        path: Where the variants lie.
        rate: Changes a morgan.
        rng: Draws changes, donors and sides.

    Returns:
        Alleles, columns in the order of the genotypes, shape (n_rows, n_variants).
    """
    is_new = rng.random((len(weights), len(path.order))) < path.change_probability(rate)
    is_new[:, 0] = True
    segment = is_new.cumsum(axis=1) - 1
    n_segments = int(segment[:, -1].max()) + 1
    copied = 2 * drawn_donors(weights, n_segments, rng) + rng.integers(2, size=(len(weights), n_segments))
    alleles = np.empty(segment.shape, dtype=np.int8)
    alleles[:, path.order] = copied_alleles(haplotypes, np.take_along_axis(copied, segment, axis=1), path.order)
    return alleles


def gametes(haplotypes: PackedCalls, parents: NDArray[np.int64], path: GeneticPath, rng: np.random.Generator) -> NDArray[np.int8]:
    """One gamete of each parent: its two haplotypes with crossovers by Haldane's map, shape (n_parents, n_variants).

    All variants are inherited as those of autosomes are, whatever their chromosome is called.

    Args:
        haplotypes: Those of the generation of the parents, shape (2 * n_samples, n_variants).
        parents: Samples of it.
        path: Where the variants lie.
        rng: Draws crossovers and, by a recombination fraction of 1/2 between chromosomes, which haplotype each begins with.

    References:
        Haldane J.B.S. 1919. The combination of linkage values, and the calculation of distances between the loci of linked factors.
        Journal of Genetics 8: 299-309.
    """
    side = (rng.random((len(parents), len(path.order))) < path.recombination()).cumsum(axis=1) % 2
    alleles = np.empty(side.shape, dtype=np.int8)
    alleles[:, path.order] = copied_alleles(haplotypes, 2 * parents[:, None] + side, path.order)
    return alleles
