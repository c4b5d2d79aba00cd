"""What panels show of association studies: the studies that are scored, places along the genome, and p-values by rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from scipy.special import betaincinv

from genobench.builtin.association.gwas import AssociationStudy
from genobench.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.builtin.association.agreement import Agreement
    from genobench.contracts import Comparison

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

STUDY: Final = AssociationStudy()
"""The metric whose two studies are drawn."""

_GAP: Final = 0.006
_LEAST_WIDTH: Final = 0.004
"""Shares of the whole genome: between two chromosomes, and what a chromosome of a single variant takes."""

_MOST_RANKS: Final = 400


def studies(comparison: Comparison, *, seed: int) -> Agreement | str:
    """The association studies of holdout and of synthetic samples that `gwas` compares.

    Args:
        comparison: What that metric is shown.
        seed: Of the scores.

    Returns:
        The two studies; or why there are none.
    """
    if not comparison.trait.column:
        return "there is no phenotype"
    if not comparison.holdout.n_samples:
        return "there is no holdout"
    try:
        return STUDY.agreement(comparison, seed=seed)
    except DatasetError as error:
        return str(error).rstrip(".")


@dataclass(frozen=True, eq=False)
class GenomeAxis:
    """Chromosomes side by side, in the order of the file, on an axis from 0 to 1.

    Args:
        x: Of each variant, shape (n_variants,); NaN where its position is not known.
        names: Of the chromosomes that have a variant with a position.
        starts: Where each begins, shape (n_chromosomes,).
        ends: Where each ends, shape (n_chromosomes,).
        number: Of each variant's chromosome among these, shape (n_variants,); -1 where its position is not known.
    """

    x: Floats
    names: tuple[str, ...]
    starts: Floats
    ends: Floats
    number: Places

    @classmethod
    def of(cls, chromosomes: NDArray[np.object_], positions_bp: Floats) -> Self:
        """Each chromosome as wide as what its variants span, but never too narrow to be seen.

        Args:
            chromosomes: Shape (n_variants,).
            positions_bp: Shape (n_variants,); NaN where not known.
        """
        is_placed = np.isfinite(positions_bp)
        names = list(dict.fromkeys(chromosomes[is_placed]))
        rows = [np.flatnonzero(is_placed & (chromosomes == name)) for name in names]
        low = np.array([positions_bp[places].min() for places in rows])
        span = np.array([positions_bp[places].max() for places in rows]) - low
        whole = max(1.0, float(span.sum()))
        width = np.maximum(span, _LEAST_WIDTH * whole)
        starts = np.concatenate([[0.0], np.cumsum(width + _GAP * whole)[:-1]]) if names else np.zeros(0)
        x, number = np.full(len(chromosomes), np.nan), np.full(len(chromosomes), -1, dtype=np.intp)
        for place, variants in enumerate(rows):
            x[variants] = starts[place] + (width[place] - span[place]) / 2 + positions_bp[variants] - low[place]
            number[variants] = place
        end = starts[-1] + width[-1] if names else 1.0
        return cls(x / end, tuple(map(str, names)), starts / end, (starts + width) / end, number)


def expected_log10_p(n_tests: int) -> Floats:
    """-log10 of the mean of each order statistic of so many uniform p-values, the smallest p first, shape (n_tests,)."""
    expected: Floats = -np.log10(np.arange(1, n_tests + 1) / (n_tests + 1))
    return expected


def order_band(n_tests: int, share: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """Where so large a share of each order statistic of independent uniform p-values lies, pointwise.

    Args:
        n_tests: At least one.
        share: In (0, 1).

    Returns:
        At a few hundred ranks: the expected -log10 p, its lower and its upper limit, each shape (n_ranks,), the smallest p first.

    References:
        The i-th smallest of n is Beta(i, n + 1 - i): Casella G., Berger R.L. 2002. Statistical Inference, 2nd ed., example 5.4.5.
    """
    ranks = np.unique(np.geomspace(1, n_tests, min(n_tests, _MOST_RANKS)).round())
    tail = (1 - share) / 2
    low, high = (-np.log10(betaincinv(ranks, n_tests + 1 - ranks, quantile)) for quantile in (1 - tail, tail))
    return -np.log10(ranks / (n_tests + 1)), low, high


def thinned(x: Floats, y: Floats, *, least: float = 2.0, cells: tuple[int, int] = (320, 20)) -> Places:
    """Points that stand for all: each from `least` up, and below it one in each cell of a grid.

    Args:
        x: Shape (n_points,), from 0 to 1.
        y: Shape (n_points,), from 0.
        least: From here up every point is kept.
        cells: How many columns, and rows below `least`.

    Returns:
        Places of the points that are kept, in their order; points without a number are not.
    """
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    mass = known[y[known] < least]
    columns = np.floor(x[mass] * cells[0]).astype(np.intp)
    rows = np.floor(y[mass] / least * cells[1]).astype(np.intp)
    _, first = np.unique(columns * cells[1] + rows, return_index=True)
    kept: Places = np.sort(np.concatenate([known[y[known] >= least], mass[first]]))
    return kept
