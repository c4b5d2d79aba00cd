"""Alleles gathered from packed haplotypes, a donor at each place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench import PackedCalls
from genobench_classical.donors import drawn_donors

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from genobench_classical.places import GeneticPlaces

_CALLS_PER_CHUNK: Final = 1 << 21
_ROWS_PER_CHUNK: Final = 256


def packed_in_chunks(n_samples: int, n_variants: int, drawn: Callable[[slice], NDArray[np.int8]]) -> NDArray[np.uint8]:
    """Rows drawn and packed some at a time, shape (n_samples, ceil(n_variants / 4)).

    Args:
        n_samples: Rows.
        n_variants: Columns.
        drawn: Calls or alleles of the rows of a slice, shape (n_rows, n_variants); asked for in order.
    """
    packed = np.empty((n_samples, -(-n_variants // 4)), dtype=np.uint8)
    n_rows = max(1, min(_ROWS_PER_CHUNK, _CALLS_PER_CHUNK // n_variants))
    for start in range(0, n_samples, n_rows):
        rows = slice(start, min(n_samples, start + n_rows))
        packed[rows] = PackedCalls.from_calls(drawn(rows)).packed
    return packed


def copied_alleles(haplotypes: PackedCalls, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int8]:
    """Alleles of haplotype rows[i, j] at variant columns[j], shape (n_rows, n_columns)."""
    alleles: NDArray[np.int8] = ((haplotypes.packed[rows, columns // 4] >> (2 * (columns % 4)).astype(np.uint8)) & 3).view(np.int8)
    return alleles


def mosaic_donors(
    weights: NDArray[np.float64], change: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Donors along a mosaic: a new one, drawn by weight, wherever the copying changes.

    Args:
        weights: P(donor), shape (n_rows, n_donors).
        change: P(change before a variant), in the order along chromosomes, shape (n_variants,).
        rng: Draws changes and donors.

    Returns:
        The donor at each variant, shape (n_rows, n_variants), and the number of the segment, likewise.
    """
    is_new = rng.random((len(weights), len(change))) < change
    is_new[:, 0] = True
    segment = is_new.cumsum(axis=1) - 1
    donors = drawn_donors(weights, int(segment[:, -1].max()) + 1, rng)
    return np.take_along_axis(donors, segment, axis=1), segment


def mosaic_haplotypes(
    haplotypes: PackedCalls, weights: NDArray[np.float64], places: GeneticPlaces, *, rate: float, rng: np.random.Generator
) -> NDArray[np.int8]:
    """One mosaic of haplotypes a row of weights, columns in the order of the genotypes, shape (n_rows, n_variants)."""
    donors, segment = mosaic_donors(weights, places.change_probability(rate), rng)
    side = np.take_along_axis(rng.integers(2, size=(len(weights), int(segment[:, -1].max()) + 1)), segment, axis=1)
    alleles = np.empty(donors.shape, dtype=np.int8)
    alleles[:, places.order] = copied_alleles(haplotypes, 2 * donors + side, places.order)
    return alleles


def gametes(haplotypes: PackedCalls, parents: NDArray[np.int64], places: GeneticPlaces, rng: np.random.Generator) -> NDArray[np.int8]:
    """One gamete of each parent: its two haplotypes with crossovers by Haldane's map, shape (n_parents, n_variants).

    Args:
        haplotypes: Those of the generation of the parents, shape (2 * n_samples, n_variants).
        parents: Samples of it.
        places: Where the variants lie.
        rng: Draws crossovers and, by a recombination fraction of 1/2 between chromosomes, which haplotype each begins with.

    References:
        Haldane J.B.S. 1919. The combination of linkage values, and the calculation of distances between the loci of linked factors.
        Journal of Genetics 8: 299-309.
    """
    side = (rng.random((len(parents), len(places.order))) < places.recombination()).cumsum(axis=1) % 2
    alleles = np.empty(side.shape, dtype=np.int8)
    alleles[:, places.order] = copied_alleles(haplotypes, 2 * parents[:, None] + side, places.order)
    return alleles
