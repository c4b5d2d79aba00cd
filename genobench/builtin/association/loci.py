"""Loci: independent signals of a scan, and which of two lists stand for the same stretch of the genome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from genobench.statgen import clump, filled_positions_bp, r2_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Genotypes
    from genobench.builtin.association.scans import Scan

    Places = NDArray[np.intp]

REACH_BP: Final = 5_000_000.0
LEAST_R2: Final = 0.2
"""Two variants stand for one locus where they lie no farther apart than that and are linked by this much."""

_INDEPENDENT_R2: Final = 0.1
"""Clumps whose most significant variants are linked by less are loci of their own, as in FUMA."""


@dataclass(frozen=True, eq=False)
class Genome:
    """Where variants are, and how they are linked among real samples.

    Args:
        genotypes: Samples that linkage is measured on.
        chromosomes: Shape (n_variants,).
        positions_bp: Shape (n_variants,); NaN where not known.
    """

    genotypes: Genotypes
    chromosomes: NDArray[np.object_]
    positions_bp: NDArray[np.float64]

    @classmethod
    def of(cls, genotypes: Genotypes) -> Self:
        """That of some samples."""
        table = genotypes.variants
        chromosomes = table["chromosome"].to_numpy(dtype=object)
        positions = filled_positions_bp(
            chromosomes=chromosomes,
            positions_bp=table["position_bp"].to_numpy(dtype=np.float64, na_value=np.nan),
            positions_cm=table["position_cm"].to_numpy(dtype=np.float64, na_value=np.nan) if "position_cm" in table else None,
        )
        return cls(genotypes, chromosomes, positions)

    def loci(self, scan: Scan, *, most_p: float) -> Places:
        """The most significant variant of each clump of a scan, by the linkage among its own samples.

        References:
            Limit of r2 between loci: Watanabe K. et al. 2017. Nature Communications 8: 1826. https://doi.org/10.1038/s41467-017-01261-5
        """
        return clump(
            scan.cohort.genotypes.calls,
            scan.lowest_log10_p,
            chromosomes=self.chromosomes,
            positions_bp=self.positions_bp,
            most_index_p=most_p,
            least_r2=_INDEPENDENT_R2,
            reach_bp=REACH_BP,
        ).index

    def windows(self, window_bp: float) -> tuple[Places, NDArray[np.object_]]:
        """Stretches of the genome that hold variants, in its order.

        Args:
            window_bp: Length of each.

        Returns:
            The window of each variant, shape (n_variants,), -1 where its position is not known; and the chromosome of each window.
        """
        is_placed = np.isfinite(self.positions_bp)
        windows = np.full(len(is_placed), -1, dtype=np.intp)
        chromosomes: list[object] = []
        for name in dict.fromkeys(self.chromosomes):
            places = np.flatnonzero(is_placed & (self.chromosomes == name))
            found, number = np.unique(np.floor((self.positions_bp[places] - 1) / window_bp), return_inverse=True)
            windows[places] = len(chromosomes) + number
            chromosomes.extend([name] * len(found))
        return windows, np.array(chromosomes, dtype=object)

    def thinned(self, weights: NDArray[np.float64], window_bp: float) -> Places:
        """The variant with the largest weight in each window, and all without a position, in the order of the file.

        Args:
            weights: Shape (n_variants,).
            window_bp: Length of a window.
        """
        windows, _ = self.windows(window_bp)
        order = np.lexsort((-weights, windows))
        _, first = np.unique(windows[order], return_index=True)
        heaviest = order[first]
        thinned: Places = np.union1d(heaviest, np.flatnonzero(windows < 0))
        return thinned

    def is_same_locus(self, variants: Places, others: Places) -> NDArray[np.bool_]:
        """Whether variants stand for one locus, shape (n_variants, n_others)."""
        near: NDArray[np.bool_] = (self.chromosomes[variants][:, None] == self.chromosomes[others]) & (
            np.abs(self.positions_bp[variants][:, None] - self.positions_bp[others]) <= REACH_BP
        )
        if not near.any():
            return near
        calls = self.genotypes.calls
        r2, _ = r2_matrix(calls.columns(variants), calls.columns(others))
        is_same: NDArray[np.bool_] = near & ((np.nan_to_num(r2) >= LEAST_R2) | (variants[:, None] == others))
        return is_same


def shared_loci(is_same: NDArray[np.bool_]) -> tuple[int, int]:
    """How many distinct loci two lists hold together, and how many of these stand in both.

    Loci that stand for the same one, directly or by others between them, count once.

    Args:
        is_same: Whether loci of the two lists stand for one, shape (n_one, n_other).

    Returns:
        Shared loci, and all of them.
    """
    n_one, n_other = is_same.shape
    one, other = np.nonzero(is_same)
    n_nodes = n_one + n_other
    graph = coo_array((np.ones(len(one)), (one, n_one + other)), shape=(n_nodes, n_nodes))
    n_all, number = connected_components(graph, directed=False)
    return len(np.intersect1d(number[:n_one], number[n_one:])), int(n_all)
