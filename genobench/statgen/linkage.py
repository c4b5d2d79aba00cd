"""Linkage disequilibrium between calls: r2 of pairs of variants, and its decay over distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.calls import MISSING
from genobench.statgen.frequency import is_autosome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import Calls

LD_EDGES_BP: Final = (1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1.5e5, 2.5e5, 5e5, 1e6, 1.5e6, 2.5e6, 5e6)
"""Edges of the distance bins: about even on a log scale, and such that 50-150 kb and 0.5-1.5 Mb are whole bins."""

MAX_PAIRS_PER_CHROMOSOME: Final = 500_000
"""Beyond this many pairs of variants on a chromosome, evenly spaced runs of left-hand variants stand for all of them."""

_VARIANTS_PER_RUN: Final = 128
_BP_PER_CM: Final = 1e6
# One call that differs from all others by one allele adds 1 - 1/n to the sum of squares; anything smaller is rounding.
_LEAST_SPREAD: Final = 0.25


@dataclass(frozen=True, eq=False)
class LdDecay:
    """Sums of r2 over pairs of variants, by genome block and distance bin.

    Args:
        edges_bp: Edges of the bins, shape (n_bins + 1,); a bin holds its lower edge.
        r2_sum: Sum of corrected r2, shape (n_blocks, n_bins).
        pair_count: Pairs in the sum, shape (n_blocks, n_bins). A pair belongs to the block of its left-hand variant.
    """

    edges_bp: NDArray[np.float64]
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


def _ratio_of_sums(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Means from sums and counts of one shape; NaN where the count is zero."""
    means = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def r2_matrix(left: Calls, right: Calls) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Squared correlation of calls between two sets of variants, over the samples that have both calls.

    Args:
        left: Calls, shape (n_samples, n_left).
        right: Calls of the same samples, shape (n_samples, n_right).

    Returns:
        r2 in [0, 1], shape (n_left, n_right), NaN where a variant does not vary among the samples with both calls; and the number of those
        samples, same shape. Not corrected for the number of samples; this is PLINK's `--r2` for unphased calls.

    References:
        Rogers A.R., Huff C. 2009. Linkage disequilibrium between loci with unknown phase. Genetics 182: 839-844.
        https://doi.org/10.1534/genetics.108.093153
    """
    r2, n_both = _pairwise_r2(_variant_major(left), _variant_major(right))
    return r2, n_both


def corrected_r2(r2: NDArray[np.floating[Any]], n_samples: ArrayLike) -> NDArray[np.floating[Any]]:
    """r2 less what chance alone gives among few samples: r2 - (1 - r2) / (n - 2), about zero on average for unlinked variants.

    Args:
        r2: Squared correlations, any shape.
        n_samples: Samples behind each, a number or the same shape, above 2.

    Returns:
        Same shape; a little below zero for some pairs.

    References:
        Bulik-Sullivan B. et al. 2015. LD score regression. Nature Genetics 47: 291-295, online methods.
        https://doi.org/10.1038/ng.3211
    """
    corrected: NDArray[np.floating[Any]] = r2 - (1 - r2) / (np.asarray(n_samples, dtype=r2.dtype) - 2)
    return corrected


def ld_decay(
    calls: Calls,
    *,
    chromosomes: Iterable[str],
    positions_bp: ArrayLike,
    is_used: NDArray[np.bool_] | None = None,
    blocks: NDArray[np.intp] | None = None,
    edges_bp: Sequence[float] = LD_EDGES_BP,
) -> LdDecay:
    """Corrected r2 between variants of one chromosome, added up over bins of their distance.

    Autosomes only. Variants without a position, and those that do not vary, take no part. Correlations are over the samples that have
    both calls. Where a chromosome has more than `MAX_PAIRS_PER_CHROMOSOME` pairs, evenly spaced runs of neighbouring variants stand for
    the left-hand side, the same ones every time.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.
        chromosomes: Shape (n_variants,).
        positions_bp: Shape (n_variants,); NaN where not known. Need not be sorted.
        is_used: Which variants take part, for example by minor allele frequency, shape (n_variants,); None: all.
        blocks: A number from 0 for each variant, as `genobench.statgen.genome_blocks` gives; None: a block a chromosome.
        edges_bp: Rising edges of the distance bins, above zero.

    Returns:
        Sums by block and bin.
    """
    names, numbered = np.unique(np.asarray(list(chromosomes), dtype=str), return_inverse=True)
    blocks = numbered if blocks is None else blocks
    positions = np.asarray(positions_bp, dtype=np.float64)
    edges = np.asarray(edges_bp, dtype=np.float64)
    n_blocks = int(blocks.max(initial=-1)) + 1
    decay = LdDecay(
        edges_bp=edges,
        r2_sum=np.zeros((n_blocks, len(edges) - 1)),
        pair_count=np.zeros((n_blocks, len(edges) - 1), dtype=np.int64),
    )
    if len(calls) <= 2:
        return decay
    is_usable = is_autosome(names)[numbered] & np.isfinite(positions) & (True if is_used is None else is_used)
    for number in range(len(names)):
        places = np.flatnonzero(is_usable & (numbered == number))
        places = places[np.argsort(positions[places], kind="stable")]
        _add_chromosome(decay, calls[:, places], positions[places], blocks[places])
    return decay


def filled_positions_bp(*, chromosomes: Iterable[str], positions_bp: ArrayLike, positions_cm: ArrayLike | None) -> NDArray[np.float64]:
    """Positions, those that are not known read off the genetic map.

    Args:
        chromosomes: Shape (n_variants,).
        positions_bp: Shape (n_variants,); NaN where not known.
        positions_cm: Shape (n_variants,); used where every variant has one. None where there is no map.

    Returns:
        Shape (n_variants,), whole numbers: as given where known; else linear between the neighbours on the map that are known, beyond
        the last of them by the chromosome's mean rate, or at 1 Mb a cM where the chromosome has no two that are known; NaN where there
        is no whole map.
    """
    filled = np.array(positions_bp, dtype=np.float64)
    centimorgans = None if positions_cm is None else np.asarray(positions_cm, dtype=np.float64)
    if centimorgans is None or not np.isfinite(centimorgans).all():
        return filled
    names = np.asarray(list(chromosomes), dtype=str)
    for name in np.unique(names[np.isnan(filled)]):
        places = np.flatnonzero(names == name)
        known = places[np.isfinite(filled[places])]
        unknown = places[np.isnan(filled[places])]
        if len(known) < 2 or np.ptp(centimorgans[known]) == 0:
            filled[places] = np.rint(centimorgans[places] * _BP_PER_CM)
            continue
        knots_cm, knots_bp = np.sort(centimorgans[known]), np.sort(filled[known])
        bp_per_cm = (knots_bp[-1] - knots_bp[0]) / (knots_cm[-1] - knots_cm[0])
        beyond = centimorgans[unknown] - np.clip(centimorgans[unknown], knots_cm[0], knots_cm[-1])
        filled[unknown] = np.rint(np.interp(centimorgans[unknown], knots_cm, knots_bp) + beyond * bp_per_cm)
    return filled


def _add_chromosome(decay: LdDecay, calls: Calls, positions: NDArray[np.float64], blocks: NDArray[np.intp]) -> None:
    """Add the pairs of one chromosome, whose variants are sorted by position."""
    centred, observed = _variant_major(calls)
    varies = np.einsum("ij,ij->i", centred, centred) > _LEAST_SPREAD
    centred, positions, blocks = centred[varies], positions[varies], blocks[varies]
    observed = None if observed is None else observed[varies]
    # Column k of `bounds` is the first variant at least edges_bp[k] to the right of each variant.
    bounds = np.searchsorted(positions, positions[:, None] + decay.edges_bp)
    n_pairs = int((bounds[:, -1] - bounds[:, 0]).sum())
    stride = _VARIANTS_PER_RUN * max(1, -(-n_pairs // MAX_PAIRS_PER_CHROMOSOME))
    for start in range(0, len(positions), stride):
        run = slice(start, min(start + _VARIANTS_PER_RUN, len(positions)))
        window = slice(start, int(bounds[run.stop - 1, -1]))
        if (bounds[run, -1] == bounds[run, 0]).all():
            continue
        r2, n_both = _pairwise_r2(
            (centred[run], None if observed is None else observed[run]), (centred[window], None if observed is None else observed[window])
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            corrected = corrected_r2(r2, n_both)
        sums, counts = _sums_between(corrected, bounds[run] - start)
        np.add.at(decay.r2_sum, blocks[run], sums)
        np.add.at(decay.pair_count, blocks[run], counts)


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


def _variant_major(calls: Calls) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Calls less their mean, zero where missing, shape (n_variants, n_samples); and where they are observed, or None if everywhere."""
    centred = np.ascontiguousarray(calls.T).astype(np.float32)
    is_missing = centred == MISSING
    if not is_missing.any():
        centred -= centred.mean(axis=1, keepdims=True)
        return centred, None
    n_observed = np.maximum(1, np.count_nonzero(~is_missing, axis=1)).astype(np.float32)
    means = centred.sum(axis=1, where=~is_missing) / n_observed
    centred -= means[:, None]
    centred[is_missing] = 0
    return centred, (~is_missing).astype(np.float32)


def _pairwise_r2(
    left: tuple[NDArray[np.float32], NDArray[np.float32] | None], right: tuple[NDArray[np.float32], NDArray[np.float32] | None]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    (x, x_observed), (y, y_observed) = left, right
    if x_observed is None and y_observed is None:
        covariance = x @ y.T
        spread_x, spread_y = np.einsum("ij,ij->i", x, x)[:, None], np.einsum("ij,ij->i", y, y)[None, :]
        n_both = np.float32(x.shape[1])
    else:
        x_mask = np.ones_like(x) if x_observed is None else x_observed
        y_mask = np.ones_like(y) if y_observed is None else y_observed
        n_both = np.maximum(1, x_mask @ y_mask.T)
        sum_x, sum_y = x @ y_mask.T, x_mask @ y.T
        covariance = x @ y.T - sum_x * sum_y / n_both
        spread_x = (x * x) @ y_mask.T - sum_x**2 / n_both
        spread_y = x_mask @ (y * y).T - sum_y**2 / n_both
    spread_x[spread_x < _LEAST_SPREAD] = np.nan
    spread_y[spread_y < _LEAST_SPREAD] = np.nan
    return np.minimum(1, covariance**2 / (spread_x * spread_y)), np.broadcast_to(n_both, covariance.shape)
