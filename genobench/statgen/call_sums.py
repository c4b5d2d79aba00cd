"""Exact sums, over samples, of calls times weights: what a regression on every variant needs, from packed calls, in blocks.

A byte of packed calls holds the calls of four variants. Masked by two bits it is the call of one of them times 1, 4 or 16, a small whole
number, so that a block of packed calls is multiplied four times without ever being spread out. Weights are written with six signed digits
of base 256, which are small whole numbers as well. Their products with calls are added up in whole numbers, so that what is left of
rounding is that of the weights, 2 ** -47 of the largest, and a sum that nearly cancels is as exact as any other. What missing calls add,
whose code is 3, is taken off afterwards, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from scipy.sparse import csr_matrix

from genobench.calls import CALLS_PER_BYTE
from genobench.statgen.products import inner_products, variant_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from genobench.calls import PackedBytes

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

_N_DIGITS: Final = 6
_BASE: Final = 256
_LARGEST_WEIGHT: Final = 1 << 46
# A masked byte is at most 48 and a digit at most 128: the sum over so many samples stays within 32 bits.
_SAMPLES_PER_PIECE: Final = 1 << 18
_BLOCK_BYTES: Final = 1 << 24
# Sums of 255 single bits stay within a byte.
_ROWS_PER_COUNT: Final = 255
_LOW_BITS: Final = 0x55


@dataclass(frozen=True, eq=False)
class CallSums:
    """Of one block of variants, over the samples that have a call.

    Args:
        variants: Which variants.
        counts: Samples with 0, 1 and 2 ALT alleles, shape (3, n_block).
        weighted: Sums of calls times each weight, shape (n_weights, n_block).
        missing: 1 where a call is missing, shape (n_block, n_samples), sparse; None where none is.
    """

    variants: slice
    counts: Counts
    weighted: Floats
    missing: csr_matrix | None


def call_sums(packed: PackedBytes, weights: Floats, *, n_variants: int, device: str = "cpu") -> Iterator[CallSums]:
    """Counts, and sums of calls times weights, of blocks of variants.

    Args:
        packed: Two bits a call, shape (n_samples, ceil(n_variants / 4)), see `genobench.calls`.
        weights: Shape (n_samples, n_weights), finite.
        n_variants: Number of variants.
        device: Where the products are made.

    Yields:
        What is known of each block, in order.
    """
    digits, scales = _digits(weights)
    # The last row adds up the calls themselves.
    planes = np.concatenate([digits, np.ones((1, len(weights)), dtype=np.int8)])
    for block in variant_blocks(len(weights), n_variants, plane_bytes=CALLS_PER_BYTE * _BLOCK_BYTES):
        bytes_ = packed[:, block.start // CALLS_PER_BYTE : -(-block.stop // CALLS_PER_BYTE)]
        n_block = block.stop - block.start
        sums = _digit_sums(bytes_, planes, device)[:, :n_block]
        missing = _missing(bytes_, n_block)
        n_missing = np.zeros(n_block, dtype=np.int64) if missing is None else np.diff(missing.indptr).astype(np.int64)
        two = _high_bits(bytes_)[:n_block] - n_missing
        one = sums[-1] - 2 * two - 3 * n_missing
        weighted = _weighted(sums[:-1], scales)
        if missing is not None:
            # A missing call has been added as the three that is its code.
            weighted -= 3 * (missing @ weights).T
        counts = np.stack([len(weights) - n_missing - one - two, one, two])
        yield CallSums(block, counts, weighted, missing)


def _digits(weights: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Digits of each weight, the highest first, shape (n_weights * _N_DIGITS, n_samples), and the value of one of the lowest."""
    scales = np.abs(weights).max(axis=0, initial=0.0) / _LARGEST_WEIGHT
    scales[scales == 0] = 1.0
    rest = np.rint(weights / scales).astype(np.int64).T
    digits = np.empty((len(rest), _N_DIGITS, len(weights)), dtype=np.int8)
    for place in reversed(range(_N_DIGITS)):
        digit = (rest + _BASE // 2) % _BASE - _BASE // 2
        digits[:, place] = digit
        rest = (rest - digit) // _BASE
    return digits.reshape(-1, len(weights)), scales


def _weighted(sums: Counts, scales: Floats) -> Floats:
    """Sums of digits put together, shape (n_weights, n_block).

    From the highest digit on, every number on the way is the sum of weights cut off at that digit, about as large as the result, so that
    nothing cancels in floating point.
    """
    total = np.zeros((len(scales), sums.shape[1]))
    for digit in sums.reshape(len(scales), _N_DIGITS, -1).transpose(1, 0, 2):
        total = total * _BASE + digit
    return total * scales[:, None]


def _digit_sums(bytes_: PackedBytes, planes: NDArray[np.int8], device: str) -> Counts:
    """Sums over samples of digits times calls, a missing one as 3, shape (n_planes, 4 * n_bytes)."""
    n_samples, n_bytes = bytes_.shape
    sums = np.zeros((len(planes), n_bytes, CALLS_PER_BYTE), dtype=np.int64)
    for start in range(0, n_samples, _SAMPLES_PER_PIECE):
        rows = slice(start, start + _SAMPLES_PER_PIECE)
        part = bytes_[rows]
        left = torch.from_numpy(np.ascontiguousarray(planes[:, rows])).to(device)
        masked = np.empty(part.shape, dtype=np.uint8)
        for place in range(CALLS_PER_BYTE):
            # The highest two bits are moved down, because a byte with a sign could not hold them.
            is_last = place == CALLS_PER_BYTE - 1
            np.right_shift(part, 6, out=masked) if is_last else np.bitwise_and(part, 3 << 2 * place, out=masked)
            product = inner_products(left, torch.from_numpy(masked.view(np.int8)).to(device).t())
            sums[:, :, place] += product.cpu().numpy() >> (0 if is_last else 2 * place)
    return sums.reshape(len(planes), -1)


def _high_bits(bytes_: PackedBytes) -> Counts:
    """Samples whose call is 2 or missing, shape (4 * n_bytes,)."""
    counts = np.zeros((bytes_.shape[1], CALLS_PER_BYTE), dtype=np.int64)
    for start in range(0, len(bytes_), _ROWS_PER_COUNT):
        part = bytes_[start : start + _ROWS_PER_COUNT]
        for place in range(CALLS_PER_BYTE):
            counts[:, place] += ((part >> (2 * place + 1)) & 1).sum(axis=0, dtype=np.uint8)
    return counts.ravel()


def _missing(bytes_: PackedBytes, n_block: int) -> csr_matrix | None:
    """Where calls are missing, shape (n_block, n_samples); None where none is."""
    n_samples, n_bytes = bytes_.shape
    parts: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
    for start in range(0, n_samples, _ROWS_PER_COUNT):
        part = bytes_[start : start + _ROWS_PER_COUNT]
        both = part & (part >> 1)
        both &= _LOW_BITS
        if not both.any():
            continue
        places = np.flatnonzero(both)
        fields = both.ravel()[places]
        for place in range(CALLS_PER_BYTE):
            chosen = places[(fields >> (2 * place)) & 1 == 1].astype(np.int32)
            parts.append((CALLS_PER_BYTE * (chosen % n_bytes) + place, start + chosen // n_bytes))
    if not parts:
        return None
    variants, samples = (np.concatenate(side) for side in zip(*parts, strict=True))
    return csr_matrix((np.ones(len(samples)), (variants, samples)), shape=(n_block, n_samples))
