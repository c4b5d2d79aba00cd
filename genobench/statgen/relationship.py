"""Genomic relationship (twice the kinship) between all pairs of samples: VanRaden's two methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench.errors import GenotypesError
from genobench.statgen.frequency import alt_frequency
from genobench.statgen.products import MISSING_CODE, call_codes, inner_products, row_tiles, variant_blocks
from genobench.statgen.standardising import standardise

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls

    Floats = NDArray[np.float64]
    Relationship = NDArray[np.float32]

MATRIX_BYTES: Final = 4 << 30
"""A matrix of relationships may take this much, which is 32,768 samples; a second one is needed where calls are missing."""

BLOCK_BYTES: Final = 1 << 27
"""Standardised calls of one block of variants, as float32, take at most this much."""

_ROWS_PER_TILE: Final = 1024
_CALLS_PER_PIECE: Final = 1 << 20
_VARIANTS_PER_PIECE: Final = 512
_MOST_MISSING_IN_SPARSE: Final = 0.05


def vanraden_1(
    calls: Calls | CallMatrix, *, is_used: ArrayLike | None = None, alt_frequencies: ArrayLike | None = None, device: str = "cpu"
) -> Relationship:
    """Relationship by VanRaden's first method: Z Z' / (2 sum p (1 - p)), where Z is calls less 2 p.

    The product of the calls themselves is exact, in whole numbers; what centring takes from it are sums of rows. A missing call stands at
    2 p, so that it adds nothing.

    Args:
        calls: Shape (n_samples, n_variants), in 0, 1, 2 or MISSING; packed calls are decoded in blocks.
        is_used: Which variants (the autosomal ones, say), shape (n_variants,); all for None.
        alt_frequencies: p of the population that relationship is counted from, shape (n_variants,); of these samples for None.
        device: Where the products are made.

    Returns:
        Shape (n_samples, n_samples), symmetric: about 1 plus the inbreeding of a sample on the diagonal, 0.5 for full sibs.

    Raises:
        GenotypesError: If no variant varies, or there are more samples than `MATRIX_BYTES` holds.

    References:
        VanRaden P.M. 2008. Efficient methods to compute genomic predictions. Journal of Dairy Science 91: 4414-4423, method 1.
        https://doi.org/10.3168/jds.2007-0980
    """
    n_samples, n_variants = calls.shape
    mean = _base_means(calls, is_used, alt_frequencies)
    # Calls less one lie in -1, 0, 1, which halves the sums; a variant without weight is all zeros, as one of heterozygotes would be.
    has_weight = np.isfinite(mean)
    centre = np.where(has_weight, mean - 1, 0.0)
    total = torch.zeros((n_samples, n_samples), dtype=torch.int32, device=device)
    row_sums = torch.zeros(n_samples, dtype=torch.float64, device=device)
    of_missing: torch.Tensor | None = None
    for block in variant_blocks(n_samples, n_variants):
        codes = call_codes(calls, block, device=device)
        is_missing = codes == MISSING_CODE
        codes -= 1
        codes.masked_fill_(is_missing, 0)
        codes.masked_fill_(torch.from_numpy(~has_weight[block]).to(device), 0)
        centres = torch.from_numpy(centre[block]).to(device)
        _add_gram(total, codes)
        row_sums += _weighted_sums(codes, centres)
        if is_missing.any():
            of_missing = torch.zeros(total.shape, device=device) if of_missing is None else of_missing
            _add_missing(of_missing, codes, is_missing, centres.float())
    scale = 1 / float(np.sum(mean * (1 - mean / 2), where=has_weight))
    return _centred(total, row_sums, float(centre @ centre), of_missing, scale)


def vanraden_2(
    calls: Calls | CallMatrix, *, is_used: ArrayLike | None = None, alt_frequencies: ArrayLike | None = None, device: str = "cpu"
) -> Relationship:
    """Relationship by VanRaden's second method: the mean over variants of z z' / (2 p (1 - p)), where z is calls less 2 p.

    Each variant counts alike, so rare alleles that two samples share weigh much. Products are made in float32. A missing call stands at
    2 p, so that it adds nothing.

    Args:
        calls: Shape (n_samples, n_variants), in 0, 1, 2 or MISSING; packed calls are decoded in blocks.
        is_used: Which variants (the autosomal ones, say), shape (n_variants,); all for None.
        alt_frequencies: p of the population that relationship is counted from, shape (n_variants,); of these samples for None.
        device: Where the products are made.

    Returns:
        Shape (n_samples, n_samples), symmetric, on the scale of `vanraden_1`. The mean is over the variants that vary.

    Raises:
        GenotypesError: If no variant varies, or there are more samples than `MATRIX_BYTES` holds.

    References:
        VanRaden P.M. 2008. Journal of Dairy Science 91: 4414-4423, method 2. https://doi.org/10.3168/jds.2007-0980
    """
    n_samples, n_variants = calls.shape
    mean = _base_means(calls, is_used, alt_frequencies)
    has_weight = np.isfinite(mean)
    inverse_spread = np.zeros(n_variants)
    np.divide(1, np.sqrt(mean * (1 - mean / 2)), out=inverse_spread, where=has_weight)
    total = torch.zeros((n_samples, n_samples), dtype=torch.float32, device=device)
    buffer: torch.Tensor | None = None
    for block in variant_blocks(n_samples, n_variants, plane_bytes=BLOCK_BYTES // 4):
        codes = call_codes(calls, block, device=device)
        buffer = torch.empty(codes.shape, device=device) if buffer is None else buffer
        standardised = standardise(codes, mean=np.nan_to_num(mean[block]), inverse_spread=inverse_spread[block], out=buffer)
        for rows in row_tiles(n_samples, rows_per_tile=_ROWS_PER_TILE):
            total[rows, rows.start :].addmm_(standardised[rows], standardised[rows.start :].T)
    total /= float(np.count_nonzero(has_weight))
    return _mirrored(total)


def _base_means(calls: Calls | CallMatrix, is_used: ArrayLike | None, alt_frequencies: ArrayLike | None) -> Floats:
    """2 p of each variant that has weight; NaN for the others."""
    n_samples, n_variants = calls.shape
    if 4 * n_samples**2 > MATRIX_BYTES:
        raise GenotypesError(f"relationships of {n_samples} samples take {4 * n_samples**2} bytes; at most {MATRIX_BYTES} are allowed.")
    mean = 2 * (alt_frequency(calls) if alt_frequencies is None else np.asarray(alt_frequencies, dtype=np.float64))
    used = np.ones(n_variants, dtype=bool) if is_used is None else np.asarray(is_used, dtype=bool)
    weighted = np.where(used & (mean > 0) & (mean < 2), mean, np.nan)
    if not np.isfinite(weighted).any():
        raise GenotypesError(f"relationship needs a variant that varies; none of {int(used.sum())} does.")
    return weighted


def _add_gram(total: torch.Tensor, planes: torch.Tensor) -> None:
    """Adds planes @ planes.T to total, on the diagonal and above."""
    tiles = row_tiles(len(planes), rows_per_tile=_ROWS_PER_TILE)
    buffer = torch.empty(max(tile.stop - tile.start for tile in tiles) * len(planes), dtype=torch.int32, device=planes.device)
    for rows in tiles:
        n_rows, n_columns = rows.stop - rows.start, len(planes) - rows.start
        out = buffer[: n_rows * n_columns].view(n_rows, n_columns)
        total[rows, rows.start :] += inner_products(planes[rows], planes[rows.start :], out=out)


def _weighted_sums(planes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Each row's sum, with weights, in float64; by pieces that stay in the processor's cache."""
    rows = max(1, _CALLS_PER_PIECE // len(weights))
    return torch.cat([planes[start : start + rows].to(torch.float64) @ weights for start in range(0, len(planes), rows)])


def _add_missing(total: torch.Tensor, planes: torch.Tensor, is_missing: torch.Tensor, centres: torch.Tensor) -> None:
    """Adds to total what, with its transpose, puts missing calls at the mean: (M D) (A + M D / 2)', A the planes less the centres D."""
    for start in range(0, len(centres), _VARIANTS_PER_PIECE):
        piece = slice(start, start + _VARIANTS_PER_PIECE)
        places = is_missing[:, piece].nonzero().T
        if not places.shape[1]:
            continue
        centred = planes[:, piece].T.contiguous().to(torch.float32).sub_(centres[piece, None])
        shifts = centres[piece][places[1]]
        centred[places[1], places[0]] += shifts / 2
        shift = torch.sparse_coo_tensor(places, shifts, (len(planes), len(centred)), check_invariants=True, is_coalesced=True)
        is_sparse = places.shape[1] <= _MOST_MISSING_IN_SPARSE * centred.numel()
        torch.addmm(total, shift if is_sparse else shift.to_dense(), centred, out=total)


def _centred(total: torch.Tensor, row_sums: torch.Tensor, constant: float, of_missing: torch.Tensor | None, scale: float) -> Relationship:
    """(product - row sum - column sum + constant) times scale; written where the product stood."""
    result = total.view(torch.float32)
    for rows in row_tiles(len(total), rows_per_tile=_ROWS_PER_TILE):
        values = total[rows, rows.start :].to(torch.float64)
        values -= row_sums[rows, None]
        values -= row_sums[None, rows.start :]
        values += constant
        if of_missing is not None:
            values += of_missing[rows, rows.start :]
            values += of_missing[rows.start :, rows].T
        values *= scale
        result[rows, rows.start :] = values.to(torch.float32)
    return _mirrored(result)


def _mirrored(upper: torch.Tensor) -> Relationship:
    for rows in row_tiles(len(upper), rows_per_tile=_ROWS_PER_TILE):
        square = upper[rows, rows]
        square.copy_(square.triu() + square.triu(1).T)
        upper[rows.stop :, rows] = upper[rows, rows.stop :].T
    relationship: Relationship = upper.cpu().numpy()
    return relationship
