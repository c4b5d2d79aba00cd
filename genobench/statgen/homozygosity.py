"""Runs of homozygosity: long stretches of the genome in which a sample has (almost) no heterozygous call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.calls import MISSING
from genobench.statgen.frequency import is_autosome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

MAX_BP_PER_VARIANT: Final = 100_000
"""Sparser than one variant per 100 kb, runs are not told from chance: F_ROH is then NaN. A 50k chip has one per 50 kb."""

_CALLS_PER_BLOCK: Final = 1 << 22


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of homozygosity of some samples, sample by sample, in order of position within each chromosome.

    Args:
        sample: Row of the sample, shape (n_runs,).
        first_variant: Column of the first variant of the run, shape (n_runs,).
        last_variant: Column of the last one.
        length_bp: Last position - first position + 1.
        n_called: Variants of the run at which the sample has a call.
        n_samples: Samples that were looked at.
        covered_bp: Length of the genome in which runs could lie, `covered_bp` of these variants.
        n_placed: Variants in it.
    """

    sample: Places
    first_variant: Places
    last_variant: Places
    length_bp: Floats
    n_called: NDArray[np.int64]
    n_samples: int
    covered_bp: float
    n_placed: int

    @property
    def number(self) -> NDArray[np.int64]:
        """Runs of each sample, shape (n_samples,)."""
        return np.bincount(self.sample, minlength=self.n_samples).astype(np.int64)

    @property
    def total_bp(self) -> Floats:
        """Length of all runs of each sample, shape (n_samples,)."""
        return np.bincount(self.sample, weights=self.length_bp, minlength=self.n_samples).astype(np.float64)

    @property
    def f_roh(self) -> Floats:
        """Share of the covered genome that lies in runs, for each sample, shape (n_samples,); NaN where variants are too sparse.

        References:
            McQuillan R. et al. 2008. Runs of homozygosity in European populations. American Journal of Human Genetics 83: 359-372,
            "F_ROH". https://doi.org/10.1016/j.ajhg.2008.08.007
        """
        if not is_dense(self.covered_bp, self.n_placed):
            return np.full(self.n_samples, np.nan)
        return self.total_bp / self.covered_bp


def is_dense(covered_bp: float, n_placed: int) -> bool:
    """Whether there is at least a variant per `MAX_BP_PER_VARIANT`.

    Args:
        covered_bp: As `covered_genome` gives it.
        n_placed: Likewise.
    """
    return covered_bp > 0 and covered_bp <= MAX_BP_PER_VARIANT * n_placed


def covered_genome(chromosomes: Iterable[str], positions_bp: ArrayLike, *, max_gap_bp: float = 1e6) -> tuple[float, int]:
    """Length of the autosomal genome between variants that are near enough for a run to span them, and how many variants lie in it.

    Args:
        chromosomes: Shape (n_variants,).
        positions_bp: Shape (n_variants,); NaN where not known. Need not be sorted.
        max_gap_bp: Between neighbours further apart than this nothing is covered.

    Returns:
        The length in bp, and the number of autosomal variants with a position.
    """
    segments = _Segments.of(chromosomes, positions_bp, max_gap_bp)
    return segments.covered_bp, int((~segments.is_end).sum())


def runs_of_homozygosity(
    calls: Calls | CallMatrix,
    *,
    chromosomes: Iterable[str],
    positions_bp: ArrayLike,
    min_length_bp: float = 4e6,
    min_variants: int = 30,
    max_heterozygotes: int = 1,
    max_gap_bp: float = 1e6,
) -> Runs:
    """Runs of consecutive variants on an autosome with few heterozygous calls, found from the left.

    The first variant after a heterozygous one (or at the start of a chromosome, or behind a long gap) begins a run if, going on until one
    heterozygous call too many, it gets long enough; the run then is as long as that, without heterozygous calls at its right end, and the
    search goes on behind it. If it does not get long enough the next stretch is tried, so that a heterozygote before a run never uses up
    the one that the run may have. Missing calls neither end a run nor count as variants of it. With no heterozygote allowed these are the
    runs of PLINK 1.9 `--homozyg --homozyg-het 0` where one whole window takes a variant in; with one, PLINK differs in where runs meet (it
    begins the next run at the heterozygote that ended the last).

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.
        chromosomes: Shape (n_variants,); all but autosomes are passed over.
        positions_bp: Shape (n_variants,); variants where it is NaN are passed over. Need not be sorted.
        min_length_bp: Shorter runs do not count.
        min_variants: Runs with calls at fewer variants do not count.
        max_heterozygotes: Heterozygous calls that a run may have: genotyping errors and new mutations.
        max_gap_bp: Neighbours further apart than this are never in one run.

    Returns:
        The runs.

    References:
        Consecutive runs: Marras G. et al. 2015. Analysis of runs of homozygosity and their relationship with inbreeding in five cattle
        breeds farmed in Italy. Animal Genetics 46: 110-121. https://doi.org/10.1111/age.12259 ; what 50k chips
        can tell of runs: Purfield D.C. et al. 2012. BMC Genetics 13: 70. https://doi.org/10.1186/1471-2156-13-70
    """
    segments = _Segments.of(chromosomes, positions_bp, max_gap_bp)
    n_samples, width = calls.shape[0], len(segments.columns)
    found = [np.zeros((0, 4), dtype=np.int64)]
    n_rows = max(1, _CALLS_PER_BLOCK // max(1, width))
    for begin in range(0, n_samples if width else 0, n_rows):
        rows = slice(begin, begin + n_rows)
        block = (calls[rows] if isinstance(calls, np.ndarray) else calls.rows(rows)).take(segments.columns, axis=1)
        runs = _runs_of_block(block, segments, (min_length_bp, min_variants, max_heterozygotes))
        runs[:, 0] += begin
        found.append(runs)
    sample, first, last, n_called = np.concatenate(found).T
    return Runs(
        sample=sample,
        first_variant=segments.columns[first],
        last_variant=segments.columns[last],
        length_bp=segments.positions[last] - segments.positions[first] + 1,
        n_called=n_called,
        n_samples=n_samples,
        covered_bp=segments.covered_bp,
        n_placed=int((~segments.is_end).sum()),
    )


@dataclass(frozen=True, eq=False)
class _Segments:
    """Placed autosomal variants in order, with a column behind each segment (of a chromosome, without a long gap) that ends every run.

    `columns` are their columns in the calls (that of the last variant again for an end), `next_end` the place of the end of the segment
    that a place is in; all are of shape (n_placed + n_segments,).
    """

    columns: Places
    positions: Floats
    is_end: NDArray[np.bool_]
    next_end: Places
    covered_bp: float

    @classmethod
    def of(cls, chromosomes: Iterable[str], positions_bp: ArrayLike, max_gap_bp: float) -> _Segments:
        names, numbered = np.unique(np.asarray(list(chromosomes), dtype=str), return_inverse=True)
        positions = np.asarray(positions_bp, dtype=np.float64)
        placed = np.flatnonzero(is_autosome(names)[numbered] & np.isfinite(positions)) if len(names) else np.zeros(0, dtype=np.intp)
        placed = placed[np.lexsort((positions[placed], numbered[placed]))]
        gaps = np.diff(positions[placed])
        is_together = (np.diff(numbered[placed]) == 0) & (gaps <= max_gap_bp)
        # A segment's last variant stands twice: once for itself, once for the end.
        times = np.append(np.where(is_together, 1, 2), 2)[: len(placed)]
        ends = np.cumsum(times)[times == 2] - 1
        columns = np.repeat(placed, times)
        is_end = np.zeros(len(columns), dtype=np.bool_)
        is_end[ends] = True
        return cls(
            columns=columns,
            positions=positions[columns],
            is_end=is_end,
            next_end=np.repeat(ends, np.diff(ends, prepend=-1)),
            covered_bp=float((gaps[is_together]).sum()),
        )


def _runs_of_block(block: Calls, segments: _Segments, limits: tuple[float, int, int]) -> NDArray[np.int64]:
    """Runs of some samples.

    Args:
        block: Calls at `segments.columns`, shape (n_rows, width).
        segments: What the columns are.
        limits: Least length, least number of variants, most heterozygotes.

    Returns:
        Row, first place, last place, number of calls, shape (n_runs, 4).
    """
    min_length_bp, min_variants, max_heterozygotes = limits
    width = block.shape[1]
    is_break = block == 1
    is_break[:, segments.is_end] = True
    is_break = is_break.ravel()
    breaks = np.flatnonzero(is_break)
    starts = np.concatenate([[0], breaks[:-1] + 1])
    # A stretch and those that it may be joined to, one heterozygote between two; cut off below where a segment ends.
    stops = np.concatenate([breaks[max_heterozygotes:], np.repeat(breaks[-1:], min(max_heterozygotes, len(breaks)))])
    is_candidate = (stops - starts >= min_variants) & (breaks > starts)
    start, stop = starts[is_candidate], stops[is_candidate]
    row, first = np.divmod(start, width)
    last = np.minimum(stop, row * width + segments.next_end[first]) - 1
    for _ in range(max_heterozygotes):
        last -= is_break[last]
    n_called = last - start + 1
    missing = np.flatnonzero(block == MISSING)
    n_called = n_called - (np.searchsorted(missing, last + 1) - np.searchsorted(missing, start))
    length_bp = segments.positions[last - row * width] - segments.positions[first] + 1
    is_run = (length_bp >= min_length_bp) & (n_called >= min_variants)
    kept = np.flatnonzero(is_run)[_leftmost_disjoint(start[is_run], last[is_run])]
    return np.stack([row[kept], first[kept], last[kept] - row[kept] * width, n_called[kept]], axis=1).astype(np.int64)


def _leftmost_disjoint(start: Places, last: Places) -> Places:
    """Places of the intervals that a walk from the left takes: each begins behind the one taken before. Both ends rise."""
    remaining, taken = np.arange(len(start)), []
    while len(remaining):
        is_free = np.append([True], start[remaining[1:]] > last[remaining[:-1]])
        free = remaining[is_free]
        taken.append(free)
        rest = remaining[~is_free]
        # The interval taken last at or before each of the others may cover its start.
        before = free[np.searchsorted(start[free], start[rest]) - 1]
        remaining = rest[start[rest] > last[before]]
    return np.sort(np.concatenate(taken)) if taken else np.zeros(0, dtype=np.intp)
