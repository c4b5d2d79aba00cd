"""Which pairs of variants lie near one another, and their correlations, a window at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.statgen.frequency import is_autosome
from genobench.statgen.linkage import correlations, variant_planes
from genobench.statgen.products import PLANE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls

_VARIANTS_PER_RUN: Final = 128


@dataclass(frozen=True, eq=False)
class PlacedVariants:
    """The variants that take part, sorted by chromosome and position.

    Args:
        places: Columns of the calls, shape (n_placed,).
        chromosomes: A number for the chromosome of each, rising, shape (n_placed,).
        positions: In bp or cM, rising within a chromosome, shape (n_placed,).
        blocks: The block of the genome of each, shape (n_placed,).
        n_blocks: Number of blocks, of all variants.
    """

    places: NDArray[np.intp]
    chromosomes: NDArray[np.intp]
    positions: NDArray[np.float64]
    blocks: NDArray[np.intp]
    n_blocks: int

    def first_at(self, distances: ArrayLike) -> NDArray[np.intp]:
        """For each variant the first one on its chromosome that lies at least so far to the right.

        Args:
            distances: In the unit of the positions, shape (n_distances,).

        Returns:
            Shape (n_placed, n_distances); the end of the chromosome where nothing lies so far.
        """
        distances = np.asarray(distances, dtype=np.float64)
        found = np.empty((len(self.places), len(distances)), dtype=np.intp)
        for here in self.chromosome_slices():
            positions = self.positions[here]
            found[here] = here.start + np.searchsorted(positions, positions[:, None] + distances)
        return found

    def chromosome_slices(self) -> list[slice]:
        """Where each chromosome begins and ends."""
        edges = [*np.flatnonzero(np.diff(self.chromosomes, prepend=-1)).tolist(), len(self.places)]
        return [slice(start, stop) for start, stop in pairwise(edges)]


@dataclass(frozen=True, eq=False)
class Window:
    """Correlations between a run of variants and those in reach to the right of it.

    Args:
        run: The left-hand variants, of the placed ones.
        others: The right-hand ones; they begin with the run itself.
        r: For each set of samples, float64, shape (n_run, n_others); NaN where a variant does not vary.
        n_both: For each set, the samples with both calls, shape (1,) or (n_run, n_others).
    """

    run: slice
    others: slice
    r: tuple[NDArray[np.float64], ...]
    n_both: tuple[NDArray[np.float64], ...]


def placed_variants(
    *,
    chromosomes: Iterable[str],
    positions: ArrayLike,
    is_used: NDArray[np.bool_] | None = None,
    blocks: NDArray[np.intp] | None = None,
) -> PlacedVariants:
    """The autosomal variants with a position, in order.

    Args:
        chromosomes: Shape (n_variants,).
        positions: In bp or cM, shape (n_variants,); NaN where not known. Need not be sorted.
        is_used: Which variants take part, shape (n_variants,); None: all.
        blocks: A number from 0 for each variant, as `genobench.statgen.genome_blocks` gives; None: a block a chromosome.

    Returns:
        Those that take part.
    """
    names, numbered = np.unique(np.asarray(list(chromosomes), dtype=str), return_inverse=True)
    blocks = numbered if blocks is None else blocks
    where = np.asarray(positions, dtype=np.float64)
    is_usable = is_autosome(names)[numbered] & np.isfinite(where) & (True if is_used is None else is_used)
    places = np.flatnonzero(is_usable)
    places = places[np.lexsort((where[places], numbered[places]))]
    return PlacedVariants(
        places=places,
        chromosomes=numbered[places],
        positions=where[places],
        blocks=blocks[places],
        n_blocks=int(blocks.max(initial=-1)) + 1,
    )


def windows(
    sides: Sequence[Calls | CallMatrix],
    variants: PlacedVariants,
    *,
    reach: float,
    max_pairs: int | None = None,
    device: str = "cpu",
) -> Iterator[Window]:
    """Correlations of all pairs of one chromosome that lie less than `reach` apart, in every set of samples alike.

    A window's matrix also holds pairs that lie farther apart, or on two chromosomes, or the wrong way round: take what
    `PlacedVariants.first_at` says. Whole chromosomes are unpacked together, as many as fit into `PLANE_BYTES`.

    Args:
        sides: Calls of one or more sets of samples over the same variants.
        variants: Those that take part.
        reach: In the unit of the positions.
        max_pairs: A chromosome with more pairs than this is represented by evenly spaced runs of left-hand variants, the same ones every
            time; None for no such limit.
        device: Where the products are taken.

    Yields:
        Windows in order.
    """
    ends = variants.first_at([reach])[:, 0]
    for segment in _segments(variants, max(side.shape[0] for side in sides)):
        planes = [variant_planes(side, variants.places[segment], device=device) for side in sides]
        for run in _runs(variants, ends, segment, max_pairs):
            others = slice(run.start, int(ends[run.stop - 1]))
            here, there = (slice(part.start - segment.start, part.stop - segment.start) for part in (run, others))
            pairs = [correlations(plane[here], plane[there]) for plane in planes]
            yield Window(run, others, r=tuple(r.cpu().numpy() for r, _ in pairs), n_both=tuple(n_both.cpu().numpy() for _, n_both in pairs))


def _segments(variants: PlacedVariants, n_samples: int) -> Iterator[slice]:
    """Whole chromosomes together, as many as fit into the budget, at least one."""
    start = stop = 0
    for here in variants.chromosome_slices():
        if here.stop - start > max(1, PLANE_BYTES // max(1, n_samples)) and stop > start:
            yield slice(start, stop)
            start = stop
        stop = here.stop
    if stop > start:
        yield slice(start, stop)


def _runs(variants: PlacedVariants, ends: NDArray[np.intp], segment: slice, max_pairs: int | None) -> Iterator[slice]:
    """The left-hand variants of each window: all of them, or evenly spaced runs where a chromosome has too many pairs."""
    n_right = ends - np.arange(len(ends)) - 1
    is_left = np.ones(len(ends), dtype=bool)
    for here in variants.chromosome_slices() if max_pairs is not None else ():
        n_kept_in = -(-int(n_right[here].sum()) // (max_pairs or 1))
        run_number = np.arange(here.stop - here.start) // _VARIANTS_PER_RUN
        is_left[here] = run_number % max(1, n_kept_in) == 0
    edges = np.flatnonzero(np.diff(is_left[segment], prepend=False, append=False)) + segment.start
    for start, stop in edges.reshape(-1, 2).tolist():
        for first in range(start, stop, _VARIANTS_PER_RUN):
            yield slice(first, min(first + _VARIANTS_PER_RUN, stop))
