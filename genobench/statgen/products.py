"""Exact products of small whole numbers: int8 planes in, int32 sums out, on CPU and CUDA, by blocks of a stated size.

Distances, kinship and linkage of calls are sums over variants (or samples) of products of small whole numbers, so they are matrix products
of int8 *planes* (indicators such as "heterozygous", or the calls themselves) added up in int32, which no order of summation can change.
The matrix units of CPU (VNNI, AMX) and GPU do these many times faster than floating point. How the others use this module::

    for variants in variant_blocks(n_samples, n_variants):        # a plane of a block stays under PLANE_BYTES
        codes = call_codes(calls, variants, device=device)        # int8 tensor (n_samples, n_block): 0, 1, 2, MISSING_CODE
        carriers = is_call(codes, 1)                              # int8 tensor of 0 and 1
        both_heterozygous += gram(carriers)                       # int32 (n_samples, n_samples), half the work of a product
        opposite += inner_products(is_call(codes, 0), is_call(codes, 2))      # left @ right.T

For products between variants transpose a block of planes: `gram(codes.t().contiguous())`. The tensors of one call stand on one device.
"""

from __future__ import annotations

import time
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from genobench.calls import CALLS_PER_BYTE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genobench.calls import CallMatrix, Calls

MISSING_CODE: Final = 3
"""What `call_codes` gives for a missing call: the two lowest bits of -1, and the code that packed calls have for it."""

PLANE_BYTES: Final = 1 << 27
"""No plane of one block of variants takes more than this (128 MiB): 10,000 samples x 13,421 variants."""

# Pieces that stay in the cache are unpacked three times as fast as a whole block.
_BYTES_PER_PIECE: Final = 1 << 19
_FLOAT32_WHOLE: Final = 1 << 24
_ROWS_PER_TILE: Final = 2048
_CUDA_MULTIPLE: Final = 8
_CUDA_ROWS: Final = 24
_TRIAL_SIZE: Final = 256
_BYTE_TO_FOUR_CODES: Final = 0x03030303


def variant_blocks(n_samples: int, n_variants: int, *, plane_bytes: int = PLANE_BYTES) -> Iterator[slice]:
    """Slices that cover the variants, each so narrow that an int8 plane of all samples stays within the budget.

    Args:
        n_samples: Rows of a plane.
        n_variants: Variants to cover.
        plane_bytes: The budget.

    Yields:
        Slices in order; each starts at a multiple of 64, and so on a whole byte of packed calls.
    """
    width = max(64, plane_bytes // max(1, n_samples) // 64 * 64)
    for start in range(0, n_variants, width):
        yield slice(start, min(start + width, n_variants))


def call_codes(calls: Calls | CallMatrix, variants: slice, samples: slice | None = None, *, device: str = "cpu") -> torch.Tensor:
    """A block of calls as an int8 tensor, unpacked on the device.

    Args:
        calls: Calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING; an array, or packed.
        variants: Which variants; the slice must start at a multiple of four, as those of `variant_blocks` do.
        samples: Which samples; None takes all.
        device: Where the tensor stands.

    Returns:
        Shape (n_chosen_samples, n_chosen_variants): 0, 1, 2, or MISSING_CODE where the call is missing.

    Raises:
        ValueError: If the block starts elsewhere.
    """
    first, last, _ = (slice(None) if samples is None else samples).indices(calls.shape[0])
    start, stop, _ = variants.indices(calls.shape[1])
    if start % CALLS_PER_BYTE:
        raise ValueError(f"the block of variants starts at {start}; it must start at a multiple of {CALLS_PER_BYTE}.")
    n_rows, n_block = max(0, last - first), max(0, stop - start)
    if device != "cpu":
        on_device: torch.Tensor = _codes_of(calls, slice(first, last), slice(start, stop), device)
        return on_device
    codes = np.empty((n_rows, n_block), dtype=np.int8)
    rows_per_piece = max(1, _BYTES_PER_PIECE // max(1, n_block))
    for place in range(0, n_rows, rows_per_piece):
        rows = slice(first + place, first + min(n_rows, place + rows_per_piece))
        codes[place : place + rows.stop - rows.start] = _codes_of(calls, rows, slice(start, stop), device)
    return torch.from_numpy(codes)


def _codes_of(calls: Calls | CallMatrix, rows: slice, variants: slice, device: str) -> Any:
    """Codes as an array on the CPU, where threads for a few bytes cost more than they bring, or as a tensor elsewhere."""
    if isinstance(calls, np.ndarray):
        codes = np.bitwise_and(calls[rows, variants], np.int8(MISSING_CODE))
        return codes if device == "cpu" else torch.from_numpy(codes).to(device)
    packed = np.ascontiguousarray(calls.packed[rows, variants.start // CALLS_PER_BYTE : -(-variants.stop // CALLS_PER_BYTE)])
    # Each byte b becomes the four bytes b, b >> 2, b >> 4, b >> 6 of one whole number, two bits kept of each (little endian).
    spread: Any = packed.astype("<i4") if device == "cpu" else torch.from_numpy(packed).to(device).to(torch.int32)
    spread |= spread << 6
    spread |= spread << 12
    spread &= _BYTE_TO_FOUR_CODES
    return spread.view(np.int8 if device == "cpu" else torch.int8)[:, : variants.stop - variants.start]


def is_call(codes: torch.Tensor, value: int) -> torch.Tensor:
    """Where a block of codes has one value, as an int8 plane of 0 and 1; `value` may be MISSING_CODE."""
    return (codes == value).view(torch.int8)


def inner_products(left: torch.Tensor, right: torch.Tensor, *, out: torch.Tensor | None = None) -> torch.Tensor:
    """`left @ right.T`, exact.

    Args:
        left: int8, shape (n_left, n_inner); the sum over the inner axis of |left| x |right| must stay below 2 ** 31.
        right: int8, shape (n_right, n_inner), on the same device.
        out: int32, contiguous, shape (n_left, n_right): written to and returned; None makes a new one.

    Returns:
        int32, shape (n_left, n_right).
    """
    if left.dtype != torch.int8 or right.dtype != torch.int8:
        raise TypeError(f"planes are {left.dtype} and {right.dtype}; both must be torch.int8.")
    if out is None:
        out = torch.empty((len(left), len(right)), dtype=torch.int32, device=left.device)
    if 0 in (*left.shape, *right.shape):
        return out.zero_()
    if left.shape[1] == 1:
        # torch 2.13 reads beyond planes of one column, whose strides it takes for those of a vector.
        return torch.mul(left.to(torch.int32), right.t().to(torch.int32), out=out)
    if not _has_integer_units(left.device.type):
        return _float_products(left, right, out)
    if left.device.type == "cpu":
        return torch._int_mm(left, right.t(), out=out)  # noqa: SLF001 - the only exact int8 product that torch has
    # cuBLAS takes more than 16 rows, and sizes that are multiples of eight; a row or column of zeros changes no sum.
    rows = max(_CUDA_ROWS, _next_multiple(len(left)))
    product = torch._int_mm(  # noqa: SLF001 - likewise
        _padded(left, rows, _next_multiple(left.shape[1])), _padded(right, _next_multiple(len(right)), _next_multiple(left.shape[1])).t()
    )
    return out.copy_(product[: len(left), : len(right)])


def gram(planes: torch.Tensor, *, out: torch.Tensor | None = None) -> torch.Tensor:
    """`planes @ planes.T`, exact, at about half the work of `inner_products(planes, planes)`: tiles above the diagonal are mirrored.

    Args:
        planes: int8, shape (n_rows, n_inner).
        out: int32, contiguous, shape (n_rows, n_rows): written to and returned; None makes a new one.

    Returns:
        int32, shape (n_rows, n_rows), symmetric.
    """
    n_rows = len(planes)
    if out is None:
        out = torch.empty((n_rows, n_rows), dtype=torch.int32, device=planes.device)
    if n_rows <= _ROWS_PER_TILE // 4:
        return inner_products(planes, planes, out=out)
    for tile in row_tiles(n_rows):
        upper = inner_products(planes[tile], planes[tile.start :])
        out[tile, tile.start :] = upper
        out[tile.stop :, tile] = upper[:, tile.stop - tile.start :].t()
    return out


def row_tiles(n_rows: int, *, rows_per_tile: int = _ROWS_PER_TILE) -> list[slice]:
    """Slices that cover rows in about equal tiles: at most `rows_per_tile` each, and at least four where half the work can be saved."""
    n_tiles = max(min(4, n_rows), -(-n_rows // rows_per_tile))
    edges = np.linspace(0, n_rows, n_tiles + 1).astype(int).tolist()
    return [slice(start, stop) for start, stop in pairwise(edges) if stop > start]


def _next_multiple(n: int) -> int:
    return -(-n // _CUDA_MULTIPLE) * _CUDA_MULTIPLE


def _padded(planes: torch.Tensor, n_rows: int, n_inner: int) -> torch.Tensor:
    if planes.shape == (n_rows, n_inner):
        return planes.contiguous()
    padded = planes.new_zeros((n_rows, n_inner))
    padded[: len(planes), : planes.shape[1]] = planes
    return padded


def _float_products(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """By float32, which is exact as long as a partial sum stays within 2 ** 24; wider planes are taken in pieces."""
    largest = max(1, int(left.abs().max()) * int(right.abs().max()))
    width = max(1, _FLOAT32_WHOLE // largest)
    out.zero_()
    for start in range(0, left.shape[1], width):
        piece = slice(start, start + width)
        out += (left[:, piece].float() @ right[:, piece].float().t()).to(torch.int32)
    return out


@cache
def _has_integer_units(device_type: str) -> bool:
    """Whether torch has a product of int8 here that is worth taking: without the instructions for it, it is a plain loop.

    Both ways give the same numbers, so a clock may choose.
    """
    planes = torch.ones((_TRIAL_SIZE, _TRIAL_SIZE), dtype=torch.int8, device=device_type)
    try:
        torch._int_mm(planes, planes.t())  # noqa: SLF001 - as above
    except (RuntimeError, AttributeError, NotImplementedError):
        return False
    if device_type != "cpu":
        return True
    # A plain loop is some fifty times slower, the instructions are several times faster: a busy machine cannot blur that.
    integers = _seconds_of(lambda: torch._int_mm(planes, planes.t()))  # noqa: SLF001 - as above
    return integers <= 4 * _seconds_of(lambda: planes.float() @ planes.float().t())


def _seconds_of(action: Callable[[], torch.Tensor]) -> float:
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - begin)
    return best
