"""The correlation score of Viñas et al.: do two sets of samples have the same matrix of correlations between variants?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench.statgen.linkage import variant_planes
from genobench.statgen.products import MISSING_CODE, call_codes, inner_products

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from genobench.calls import CallMatrix, Calls
    from genobench.statgen.linkage import VariantPlanes

STRIP_BYTES: Final = 1 << 28
"""Of each set, so much of the unpacked calls is held at a time (256 MiB): 10,000 samples x 26,843 variants."""

_TILE: Final = 2048
_VARIANTS_PER_PIECE: Final = 1024
# A multiply-add in float64 takes about as long as 16 in int8, and what is done to each pair of variants as 8,000 of them (measured on
# two cores with VNNI, where the products of int8 run at 1,500 billion operations a second).
_FLOAT64_COST: Final = 16.0
_PAIR_COST: Final = 8_000.0
# A spread less than this share of the sum of squares is rounding.
_ROUNDING: Final = 1e-12


def correlation_score(first: Calls | CallMatrix, second: Calls | CallMatrix, *, device: str = "cpu") -> float:
    """Pearson correlation, over all pairs of variants, of their correlation in one set of samples and in the other.

    A variant that does not vary has correlation 0 with all others; a missing call takes the mean of its variant. Nothing is as large as the
    matrix of correlations: either tiles of it are made from exact products and added up, or, where there are few samples, only sums over it
    are made from products between samples, since for standardised calls Z (n x m) and C = Z'Z / n the sum of C_A C_B is
    |Z_A Z_B'|^2 / (n_A n_B), and that of C is |Z 1|^2 / n.

    Args:
        first: Calls, shape (n_first, n_variants), in 0, 1, 2 or MISSING; an array, or packed.
        second: Calls over the same variants, shape (n_second, n_variants).
        device: Where the products are taken.

    Returns:
        In [-1, 1]; 0.0 where the correlations do not vary in one of the sets.

    References:
        Viñas R. et al. 2022. Adversarial generation of gene expression data. Bioinformatics 38: 730-737 (gamma of the matrices of
        correlations). https://doi.org/10.1093/bioinformatics/btab035 ; for genotypes, with the population standard deviation:
        `correlation_score` of https://github.com/SihanXXX/DiscreteGenoGen
    """
    n_variants = first.shape[1]
    n_samples = first.shape[0] + second.shape[0]
    by_variants = n_variants**2 / 2 * (n_samples + 2 * _PAIR_COST)
    by_samples = _FLOAT64_COST * n_variants * n_samples**2 / 2
    sums = (_sums_by_variants if by_variants < by_samples else _sums_by_samples)(first, second, device)
    n_pairs = n_variants * (n_variants - 1) / 2
    x, y, xx, yy, xy = sums.tolist()
    if n_pairs == 0:
        return 0.0
    spread_x, spread_y = xx - x * x / n_pairs, yy - y * y / n_pairs
    if spread_x <= _ROUNDING * xx or spread_y <= _ROUNDING * yy:
        return 0.0
    return float(np.clip((xy - x * y / n_pairs) / np.sqrt(spread_x * spread_y), -1, 1))


@dataclass(frozen=True, eq=False)
class _Standard:
    """Planes of some variants with what standardises them; the scale of a variant that does not vary is 0."""

    planes: VariantPlanes
    mean: torch.Tensor
    scale: torch.Tensor

    def __getitem__(self, rows: slice) -> _Standard:
        return _Standard(self.planes[rows], self.mean[rows], self.scale[rows])

    def correlations(self, other: _Standard) -> torch.Tensor:
        """C between two sets of variants, float64, shape (n_self, n_other)."""
        x, y = self.planes, other.planes
        found = inner_products(x.alt, y.alt).double()
        if x.observed is None and y.observed is None:
            found.addr_(self.mean * x.n_samples, other.mean, alpha=-1)
        else:
            x_seen = torch.ones_like(x.alt) if x.observed is None else x.observed
            y_seen = torch.ones_like(y.alt) if y.observed is None else y.observed
            found.sub_(inner_products(x_seen, y.alt).double().mul_(self.mean[:, None]))
            found.sub_(inner_products(x.alt, y_seen).double().mul_(other.mean))
            found.add_(inner_products(x_seen, y_seen).double().mul_(self.mean[:, None]).mul_(other.mean))
        return found.mul_(self.scale[:, None]).mul_(other.scale)


def _standard(calls: Calls | CallMatrix, start: int, stop: int, device: str) -> _Standard:
    planes = variant_planes(calls, np.arange(start, stop), device=device)
    ones = torch.ones((1, planes.n_samples), dtype=torch.int8, device=device)
    total, squares = (inner_products(plane, ones)[:, 0].double() for plane in (planes.alt, planes.alt * planes.alt))
    n_seen = planes.n_samples if planes.observed is None else inner_products(planes.observed, ones)[:, 0].double().clamp_(min=1)
    # Whole numbers: a variant varies exactly if this is above zero.
    spread = n_seen * squares - total * total
    return _Standard(planes, mean=total / n_seen, scale=torch.where(spread > 0, (n_seen / spread).sqrt(), 0.0))


def _sums_by_variants(first: Calls | CallMatrix, second: Calls | CallMatrix, device: str) -> NDArray[np.float64]:
    """Sums over pairs of variants of C_A, C_B, C_A^2, C_B^2 and C_A C_B, a tile of the upper triangle at a time."""
    n_variants = first.shape[1]
    width = max(_TILE, STRIP_BYTES // max(1, first.shape[0], second.shape[0]) // _TILE * _TILE)
    sums = torch.zeros(5, dtype=torch.float64, device=device)
    for strip in range(0, n_variants, width):
        stop = min(strip + width, n_variants)
        held = [_standard(side, strip, stop, device) for side in (first, second)]
        for right in range(strip, n_variants, _TILE):
            right_stop = min(right + _TILE, n_variants)
            if right_stop <= stop:
                others = [side[right - strip : right_stop - strip] for side in held]
            else:
                others = [_standard(side, right, right_stop, device) for side in (first, second)]
            for left in range(strip, min(stop, right + 1), _TILE):
                rows = slice(left - strip, min(left + _TILE, stop) - strip)
                a, b = (mine[rows].correlations(other) for mine, other in zip(held, others, strict=True))
                if left == right:
                    a, b = a.triu_(1), b.triu_(1)
                a, b = a.ravel(), b.ravel()
                sums += torch.stack([a.sum(), b.sum(), a @ a, b @ b, a @ b])
    return np.array(sums.tolist())


def _sums_by_samples(first: Calls | CallMatrix, second: Calls | CallMatrix, device: str) -> NDArray[np.float64]:
    """The same sums, from products between samples: half of the whole matrix less its diagonal."""
    sides = [_StandardRows.of(calls, device) for calls in (first, second)]
    varying = [side.scale > 0 for side in sides]
    totals = [side.square_of_row_sums() for side in sides]
    squares = [_squared_norm_of_products(sides[left], sides[right]) for left, right in ((0, 0), (1, 1), (0, 1))]
    on_diagonal = [*(v.sum() for v in varying), *(v.sum() for v in varying), (varying[0] & varying[1]).sum()]
    return np.array([(whole - float(number)) / 2 for whole, number in zip([*totals, *squares], on_diagonal, strict=True)])


@dataclass(frozen=True, eq=False)
class _StandardRows:
    """Standardised calls of a set of samples, made a piece at a time."""

    calls: Calls | CallMatrix
    mean: torch.Tensor
    scale: torch.Tensor
    device: str

    @classmethod
    def of(cls, calls: Calls | CallMatrix, device: str) -> _StandardRows:
        pieces = [_standard(calls, piece.start, piece.stop, device) for piece in _pieces(calls.shape[1])]
        if not pieces:
            nothing = torch.zeros(0, dtype=torch.float64, device=device)
            return cls(calls, nothing, nothing, device)
        return cls(calls, torch.cat([piece.mean for piece in pieces]), torch.cat([piece.scale for piece in pieces]), device)

    def values(self, samples: slice, piece: slice) -> torch.Tensor:
        """Standardised calls, 0 where missing, float64, shape (n_chosen_samples, n_piece)."""
        codes = call_codes(self.calls, piece, samples, device=self.device)
        values = codes.double().sub_(self.mean[piece]).mul_(self.scale[piece])
        return values.masked_fill_(codes == MISSING_CODE, 0.0)

    def square_of_row_sums(self) -> float:
        """|Z 1|^2: the sum over all of C."""
        everybody = slice(0, self.calls.shape[0])
        row_sums = sum(self.values(everybody, piece).sum(dim=1) for piece in _pieces(self.calls.shape[1]))
        return float(torch.as_tensor(row_sums).square().sum())


def _squared_norm_of_products(left: _StandardRows, right: _StandardRows) -> float:
    """|Z_A Z_B'|^2, a tile of samples at a time."""
    total = 0.0
    for rows in _tiles(left.calls.shape[0]):
        for columns in _tiles(right.calls.shape[0]):
            if left is right and columns.start < rows.start:
                continue
            tile = torch.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=torch.float64, device=left.device)
            for piece in _pieces(left.calls.shape[1]):
                here = left.values(rows, piece)
                tile.addmm_(here, (here if left is right and rows == columns else right.values(columns, piece)).t())
            total += float(tile.square_().sum()) * (2 if left is right and columns.start > rows.start else 1)
    return total


def _pieces(n_variants: int) -> Iterator[slice]:
    return (slice(start, min(start + _VARIANTS_PER_PIECE, n_variants)) for start in range(0, n_variants, _VARIANTS_PER_PIECE))


def _tiles(n_samples: int) -> Iterator[slice]:
    return (slice(start, min(start + _TILE, n_samples)) for start in range(0, n_samples, _TILE))
