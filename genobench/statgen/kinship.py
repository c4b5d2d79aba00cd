"""Kinship of samples from their calls, what it is made of, and groups of relatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench.errors import GenotypesError
from genobench.statgen.frequency import is_autosome
from genobench.statgen.products import MISSING_CODE, call_codes, inner_products, is_call, row_tiles, variant_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls
    from genobench.genotypes import Genotypes

    Kinship = NDArray[np.float32]
    Mask = NDArray[np.bool_]

SECOND_DEGREE: Final = 0.0884
"""Lower bound of kinship for second-degree relatives (half sibs, grandparents): 2 ** -3.5, Manichaikul et al. 2010, table 1."""

PLANE_BYTES: Final = 1 << 26
"""A plane of one block of variants takes at most this much; six stand at a time."""

_ROWS_PER_TILE: Final = 1024


@dataclass(frozen=True, eq=False)
class _PairCounts:
    """Numbers of variants for each pair of a row's and a column's sample, of those where both have a call: int32, (n_rows, n_columns)."""

    both_heterozygous: torch.Tensor
    opposing: torch.Tensor
    both_homozygous: torch.Tensor
    heterozygous_row: torch.Tensor
    heterozygous_column: torch.Tensor

    @classmethod
    def empty(cls, n_rows: int, n_columns: int, device: str) -> _PairCounts:
        return cls(*(torch.zeros((n_rows, n_columns), dtype=torch.int32, device=device) for _ in range(5)))

    def add(self, rows: torch.Tensor, columns: torch.Tensor) -> None:
        """Count a block of codes."""
        (row_carriers, row_signs), (column_carriers, column_signs) = _carriers_and_signs(rows), _carriers_and_signs(columns)
        both_heterozygous = inner_products(row_carriers, column_carriers)
        same_less_opposing = inner_products(row_signs, column_signs)
        if (rows == MISSING_CODE).any() or (columns == MISSING_CODE).any():
            row_homozygous, column_homozygous = row_signs.abs(), column_signs.abs()
            both_homozygous = inner_products(row_homozygous, column_homozygous)
            heterozygous_row = both_heterozygous + inner_products(row_carriers, column_homozygous)
            heterozygous_column = both_heterozygous + inner_products(row_homozygous, column_carriers)
        else:
            heterozygous_row = row_carriers.sum(dim=1, dtype=torch.int32)[:, None]
            heterozygous_column = column_carriers.sum(dim=1, dtype=torch.int32)[None, :]
            both_homozygous = rows.shape[1] + both_heterozygous - heterozygous_row - heterozygous_column
        self.both_heterozygous.add_(both_heterozygous)
        self.both_homozygous.add_(both_homozygous)
        self.opposing.add_((both_homozygous - same_less_opposing) // 2)
        self.heterozygous_row.add_(heterozygous_row)
        self.heterozygous_column.add_(heterozygous_column)

    def king(self) -> torch.Tensor:
        """Manichaikul et al. 2010, equation 11."""
        fewer = torch.minimum(self.heterozygous_row, self.heterozygous_column).to(torch.float32)
        shared = self.both_heterozygous.to(torch.float32) / 2 - self.opposing
        shared -= (self.heterozygous_row + self.heterozygous_column).to(torch.float32) / 4
        return torch.where(fewer > 0, shared / fewer + 0.5, torch.nan)

    def identity_by_state(self) -> torch.Tensor:
        """1 - mean |difference| / 2."""
        one_heterozygous = self.heterozygous_row + self.heterozygous_column - 2 * self.both_heterozygous
        n_shared = (one_heterozygous + self.both_heterozygous + self.both_homozygous).to(torch.float32)
        return 1 - (one_heterozygous.to(torch.float32) / 2 + self.opposing) / n_shared


def king_robust(genotypes: Genotypes, *, device: str = "cpu") -> Kinship:
    """KING-robust kinship between all pairs of samples, from the variants of the autosomes that both have a call for.

    Args:
        genotypes: Samples and variants.
        device: Where the products are made.

    Returns:
        Kinship, shape (n_samples, n_samples): about 0.5 for a sample with itself or a duplicate, 0.25 for full sibs, 0.125 for half sibs,
        0 or below for unrelated samples; NaN where the less heterozygous of the two has no heterozygous call.

    References:
        Manichaikul A. et al. 2010. Robust relationship inference in genome-wide association studies. Bioinformatics 26: 2867-2873,
        equation 11. https://doi.org/10.1093/bioinformatics/btq559
    """
    return _within(genotypes.calls, is_autosome(genotypes.variants["chromosome"]), _PairCounts.king, device)


def king_between(
    queries: Calls | CallMatrix, references: Calls | CallMatrix, *, is_used: ArrayLike | None = None, device: str = "cpu"
) -> Kinship:
    """KING-robust kinship between the samples of two sets; `king_robust` says what it is.

    Args:
        queries: Calls, shape (n_queries, n_variants), in 0, 1, 2 or MISSING.
        references: Calls, shape (n_references, n_variants).
        is_used: Which variants, shape (n_variants,): those of the autosomes; all for None.
        device: Where the products are made.

    Returns:
        Kinship, shape (n_queries, n_references); NaN where the less heterozygous of the two has no heterozygous call.

    Raises:
        GenotypesError: If the sets have different numbers of variants.

    References:
        Manichaikul A. et al. 2010. Bioinformatics 26: 2867-2873, equation 11. https://doi.org/10.1093/bioinformatics/btq559
    """
    return _between(queries, references, is_used, _PairCounts.king, device)


def identity_by_state(
    queries: Calls | CallMatrix, references: Calls | CallMatrix, *, is_used: ArrayLike | None = None, device: str = "cpu"
) -> Kinship:
    """Share of alleles that two samples have in common, over the variants that both have a call for.

    Args:
        queries: Calls, shape (n_queries, n_variants), in 0, 1, 2 or MISSING.
        references: Calls, shape (n_references, n_variants).
        is_used: Which variants, shape (n_variants,); all for None.
        device: Where the products are made.

    Returns:
        1 - mean |difference of calls| / 2, in [0, 1], shape (n_queries, n_references); NaN where no variant has a call in both.

    Raises:
        GenotypesError: If the sets have different numbers of variants.

    References:
        PLINK's DST: Purcell S. et al. 2007. American Journal of Human Genetics 81: 559-575. https://doi.org/10.1086/519795
    """
    return _between(queries, references, is_used, _PairCounts.identity_by_state, device)


def opposing_homozygotes(
    queries: Calls | CallMatrix, references: Calls | CallMatrix, *, is_used: ArrayLike | None = None, device: str = "cpu"
) -> NDArray[np.int32]:
    """Number of variants at which one sample has two REF alleles and the other two ALT alleles; a parent and its child have none.

    Args:
        queries: Calls, shape (n_queries, n_variants), in 0, 1, 2 or MISSING.
        references: Calls, shape (n_references, n_variants).
        is_used: Which variants, shape (n_variants,); all for None.
        device: Where the products are made.

    Returns:
        Counts, shape (n_queries, n_references).

    Raises:
        GenotypesError: If the sets have different numbers of variants.

    References:
        Hayes B.J. 2011. Efficient parentage assignment and pedigree reconstruction with dense single nucleotide polymorphism data. Journal
        of Dairy Science 94: 2114-2117. https://doi.org/10.3168/jds.2010-3896
    """
    used = _used(queries, references, is_used)
    counts = torch.zeros((queries.shape[0], references.shape[0]), dtype=torch.int32, device=device)
    for block in _blocks(max(counts.shape), used):
        rows, columns = (_codes(calls, block, slice(None), used, device) for calls in (queries, references))
        counts += inner_products(is_call(rows, 0), is_call(columns, 2))
        counts += inner_products(is_call(rows, 2), is_call(columns, 0))
    opposing: NDArray[np.int32] = counts.cpu().numpy()
    return opposing


def _within(calls: Calls | CallMatrix, used: Mask, formula: Callable[[_PairCounts], torch.Tensor], device: str) -> Kinship:
    """A symmetric measure of all pairs of one set, half of them computed."""
    n_samples = calls.shape[0]
    result = np.empty((n_samples, n_samples), dtype=np.float32)
    for rows in row_tiles(n_samples, rows_per_tile=_ROWS_PER_TILE):
        columns = slice(rows.start, n_samples)
        counts = _PairCounts.empty(rows.stop - rows.start, n_samples - rows.start, device)
        for block in _blocks(n_samples - rows.start, used):
            codes = _codes(calls, block, columns, used, device)
            counts.add(codes[: rows.stop - rows.start], codes)
        values = formula(counts).cpu().numpy()
        result[rows, columns] = values
        result[columns, rows] = values.T
    return result


def _between(
    queries: Calls | CallMatrix,
    references: Calls | CallMatrix,
    is_used: ArrayLike | None,
    formula: Callable[[_PairCounts], torch.Tensor],
    device: str,
) -> Kinship:
    used = _used(queries, references, is_used)
    result = np.empty((queries.shape[0], references.shape[0]), dtype=np.float32)
    for rows in row_tiles(queries.shape[0], rows_per_tile=_ROWS_PER_TILE):
        counts = _PairCounts.empty(rows.stop - rows.start, references.shape[0], device)
        for block in _blocks(references.shape[0], used):
            counts.add(_codes(queries, block, rows, used, device), _codes(references, block, slice(None), used, device))
        result[rows] = formula(counts).cpu().numpy()
    return result


def _used(queries: Calls | CallMatrix, references: Calls | CallMatrix, is_used: ArrayLike | None) -> Mask:
    if queries.shape[1] != references.shape[1]:
        raise GenotypesError(f"the sets have {queries.shape[1]} and {references.shape[1]} variants; they must have the same ones.")
    return np.ones(queries.shape[1], dtype=bool) if is_used is None else np.asarray(is_used, dtype=bool)


def _blocks(n_samples: int, used: Mask) -> Iterator[slice]:
    for block in variant_blocks(n_samples, len(used), plane_bytes=PLANE_BYTES):
        if used[block].any():
            yield block


def _codes(calls: Calls | CallMatrix, block: slice, samples: slice, used: Mask, device: str) -> torch.Tensor:
    """Codes of the used variants of a block."""
    codes = call_codes(calls, block, samples, device=device)
    return codes if used[block].all() else codes[:, torch.from_numpy(np.flatnonzero(used[block])).to(codes.device)]


def _carriers_and_signs(codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Planes of heterozygous calls, and of homozygous ones as -1 (REF) and 1 (ALT)."""
    return is_call(codes, 1), is_call(codes, 2) - is_call(codes, 0)


def relative_components(phi: Kinship, threshold: float = SECOND_DEGREE) -> NDArray[np.intp]:
    """Groups of samples that are linked by a chain of relatives.

    Args:
        phi: Kinship, shape (n_samples, n_samples); NaN counts as unrelated.
        threshold: Two samples are relatives from this kinship on.

    Returns:
        The group of each sample, numbered from 0 in order of first appearance, shape (n_samples,). No two relatives are apart.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    is_related = csr_array((phi >= threshold).astype(np.int8))
    return _in_order_of_appearance(connected_components(is_related, directed=False)[1])


def relative_clusters(phi: Kinship, threshold: float = SECOND_DEGREE) -> NDArray[np.intp]:
    """Complete-linkage clusters of relatives: within a cluster every pair is at or above the threshold.

    Args:
        phi: Kinship, shape (n_samples, n_samples); NaN counts as the least related pair.
        threshold: Kinship at which clustering ends.

    Returns:
        The cluster of each sample, numbered from 0 in order of first appearance, shape (n_samples,). Relatives may be apart.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(phi) < 2:
        return np.zeros(len(phi), dtype=np.intp)
    similarity = np.nan_to_num(phi.astype(np.float64), nan=float(np.nanmin(phi)))
    distance = np.maximum(0, 0.5 - np.minimum(similarity, 0.5))
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform((distance + distance.T) / 2, checks=False), method="complete")
    return _in_order_of_appearance(fcluster(tree, t=0.5 - threshold, criterion="distance"))


def kinship_clusters(phi: Kinship, threshold: float = SECOND_DEGREE, largest_share: float = 0.2) -> NDArray[np.intp]:
    """Groups of relatives to keep on one side of a split.

    Args:
        phi: Kinship, shape (n_samples, n_samples).
        threshold: Two samples are relatives from this kinship on.
        largest_share: Where chains of relatives join more than this share of the samples, complete-linkage clusters are taken instead, and
            some relatives then come apart.

    Returns:
        The group of each sample, numbered from 0 in order of first appearance, shape (n_samples,).
    """
    components = relative_components(phi, threshold)
    if np.bincount(components).max(initial=0) > largest_share * len(phi):
        return relative_clusters(phi, threshold)
    return components


def _in_order_of_appearance(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[numbers]
