"""The decay of linkage disequilibrium over distance, in base pairs or on the genetic map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.statgen.linkage import corrected_r2
from genobench.statgen.linkage_windows import placed_variants, windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls

LD_EDGES_BP: Final = (1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1.5e5, 2.5e5, 5e5, 1e6, 1.5e6, 2.5e6, 5e6)
"""Edges of the distance bins: about even on a log scale, and such that 50-150 kb and 0.5-1.5 Mb are whole bins."""

LD_EDGES_CM: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0)
"""The same at 1 Mb a cM."""

MAX_PAIRS_PER_CHROMOSOME: Final = 500_000
"""Beyond this many pairs of variants on a chromosome, evenly spaced runs of left-hand variants stand for all of them."""


@dataclass(frozen=True, eq=False)
class LdDecay:
    """Sums of r2 over pairs of variants, by genome block and distance bin.

    Args:
        edges: Edges of the bins, in the unit of the positions, shape (n_bins + 1,); a bin holds its lower edge.
        r2_sum: Sum of corrected r2, shape (n_blocks, n_bins).
        pair_count: Pairs in the sum, shape (n_blocks, n_bins). A pair belongs to the block of its left-hand variant.
    """

    edges: NDArray[np.float64]
    r2_sum: NDArray[np.float64]
    pair_count: NDArray[np.int64]

    @property
    def mean_r2(self) -> NDArray[np.float64]:
        """Mean corrected r2 of each bin, shape (n_bins,); NaN in an empty bin."""
        return _ratio_of_sums(self.r2_sum.sum(axis=0), self.pair_count.sum(axis=0))

    @property
    def mean_r2_without(self) -> NDArray[np.float64]:
        """The same with each block left out, shape (n_blocks, n_bins)."""
        return _ratio_of_sums(self.r2_sum.sum(axis=0) - self.r2_sum, self.pair_count.sum(axis=0) - self.pair_count)

    def pooled(self, low: float, high: float) -> LdDecay:
        """One bin in place of those that lie within [low, high)."""
        is_inside = (self.edges[:-1] >= low) & (self.edges[1:] <= high)
        return LdDecay(
            edges=np.array([low, high]),
            r2_sum=self.r2_sum[:, is_inside].sum(axis=1, keepdims=True),
            pair_count=self.pair_count[:, is_inside].sum(axis=1, keepdims=True),
        )


def _ratio_of_sums(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Means from sums and counts of one shape; NaN where the count is zero."""
    means = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def ld_decay(
    calls: Calls | CallMatrix,
    *,
    chromosomes: Iterable[str],
    positions: ArrayLike,
    is_used: NDArray[np.bool_] | None = None,
    blocks: NDArray[np.intp] | None = None,
    edges: Sequence[float] = LD_EDGES_BP,
    device: str = "cpu",
) -> LdDecay:
    """Corrected r2 between variants of one chromosome, added up over bins of their distance.

    Autosomes only. Variants without a position, and pairs of which one does not vary, take no part. Correlations are over the samples that
    have both calls. Where a chromosome has more than `MAX_PAIRS_PER_CHROMOSOME` pairs, evenly spaced runs of neighbouring variants stand
    for the left-hand side, the same ones every time.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING; an array, or packed.
        chromosomes: Shape (n_variants,).
        positions: In bp, or in cM with edges in cM, shape (n_variants,); NaN where not known. Need not be sorted.
        is_used: Which variants take part, for example by minor allele frequency, shape (n_variants,); None: all.
        blocks: A number from 0 for each variant, as `genobench.statgen.genome_blocks` gives; None: a block a chromosome.
        edges: Rising edges of the distance bins, above zero; `LD_EDGES_CM` suits a map.
        device: Where the products are taken.

    Returns:
        Sums by block and bin.
    """
    variants = placed_variants(chromosomes=chromosomes, positions=positions, is_used=is_used, blocks=blocks)
    bounds = np.asarray(edges, dtype=np.float64)
    decay = LdDecay(
        edges=bounds,
        r2_sum=np.zeros((variants.n_blocks, len(bounds) - 1)),
        pair_count=np.zeros((variants.n_blocks, len(bounds) - 1), dtype=np.int64),
    )
    if calls.shape[0] <= 2:
        return decay
    columns = variants.first_at(bounds)
    for window in windows([calls], variants, reach=bounds[-1], max_pairs=MAX_PAIRS_PER_CHROMOSOME, device=device):
        with np.errstate(divide="ignore", invalid="ignore"):
            corrected = corrected_r2(window.r[0] ** 2, window.n_both[0])
        sums, counts = _sums_between(corrected, columns[window.run] - window.others.start)
        np.add.at(decay.r2_sum, variants.blocks[window.run], sums)
        np.add.at(decay.pair_count, variants.blocks[window.run], counts)
    return decay


def _sums_between(values: NDArray[np.floating[Any]], bounds: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum and number of the finite values of each row between neighbouring bounds.

    Args:
        values: Shape (n_rows, n_columns).
        bounds: Columns, rising along a row, shape (n_rows, n_bins + 1).

    Returns:
        Sums and numbers, shape (n_rows, n_bins) each.
    """
    n_rows, n_columns = values.shape
    # One column more, since a bound may lie behind the last column.
    padded = np.zeros((n_rows, n_columns + 1), dtype=values.dtype)
    padded[:, :-1] = values
    is_finite = np.isfinite(padded)
    counts = np.diff(bounds, axis=1).astype(np.int64)
    flat = (bounds + (n_columns + 1) * np.arange(n_rows)[:, None]).ravel()
    is_empty = counts == 0
    if not is_finite.all():
        padded[~is_finite] = 0
        found = np.add.reduceat(is_finite.ravel(), flat, dtype=np.int64).reshape(bounds.shape)[:, :-1]
        counts = np.where(is_empty, 0, found)
    sums = np.add.reduceat(padded.ravel(), flat, dtype=np.float64).reshape(bounds.shape)[:, :-1]
    return np.where(is_empty, 0, sums), counts
