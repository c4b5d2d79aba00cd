"""Hard calls in memory: two bits a call, sample-major, whole or memory-mapped.

A call is the number of ALT alleles, 0, 1 or 2, or `MISSING`. Four calls share a byte, the first in the lowest bits; code 3
stands for a missing call. A row starts on a byte, so any set of samples is a gather of whole rows, and 1,950 samples x 4,011
variants take 1.96 MB where int8 takes 7.8 MB and a float32 one-hot copy 94 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, runtime_checkable

import numpy as np

from genobench.errors import GenotypesError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Calls = NDArray[np.int8]
    Indices = NDArray[np.intp]
    PackedBytes = NDArray[np.uint8]

MISSING: Final = -1
"""The value of a missing call."""

CALLS_PER_BYTE: Final = 4
_CALLS_PER_BLOCK: Final = 1 << 20

_DECODE: Final[NDArray[np.int8]] = (
    np.array([0, 1, 2, MISSING], dtype=np.int8)[(np.arange(256)[:, None] >> np.array([0, 2, 4, 6])) & 3]
).astype(np.int8)
# The four calls of a byte as one number: taking numbers is five times as fast as taking rows of four.
_DECODE_QUAD: Final[NDArray[np.uint32]] = _DECODE.view(np.uint32).ravel()


@runtime_checkable
class CallMatrix(Protocol):
    """What `Genotypes` asks of its calls; `PackedCalls` is the one that genobench makes."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_variants)."""
        ...

    @property
    def packed(self) -> PackedBytes:
        """Two bits a call, shape (n_samples, ceil(n_variants / 4)), as the module docstring describes."""
        ...

    def rows(self, indices: Indices | slice) -> Calls:
        """Calls of some samples, shape (n_rows, n_variants)."""
        ...

    def columns(self, indices: Indices | slice) -> Calls:
        """Calls of some variants, shape (n_samples, n_columns)."""
        ...


def pack_calls(calls: Calls) -> PackedBytes:
    """Two bits a call.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.

    Returns:
        Packed bytes, shape (n_samples, ceil(n_variants / 4)); the unused places of the last byte hold code 0.

    Raises:
        GenotypesError: If a value is none of 0, 1, 2 or MISSING; the message names the first one and its place.
    """
    if calls.ndim != 2:
        raise GenotypesError(f"calls have {calls.ndim} axes; they must have two, samples x variants.")
    n_samples, n_variants = calls.shape
    packed = np.zeros((n_samples, -(-n_variants // CALLS_PER_BYTE)), dtype=np.uint8)
    rows_per_block = max(1, _CALLS_PER_BLOCK // max(1, n_variants))
    for start in range(0, n_samples, rows_per_block):
        block = calls[start : start + rows_per_block]
        bytes_ = np.zeros((len(block), packed.shape[1] * CALLS_PER_BYTE), dtype=np.uint8)
        bytes_[:, :n_variants] = block if block.dtype == np.int8 else _as_int8(block, start)
        # One more than MISSING is 0, so that what is wrong is above 3, whichever side it came from.
        if bytes_.size and (bytes_ + np.uint8(1)).max() > 3:
            _refuse(block, start)
        # MISSING ends in two set bits, which is its code; the codes of four neighbours slide into the lowest byte of their 32 bits.
        quads = (bytes_ & 3).view("<u4")
        packed[start : start + len(block)] = (quads | (quads >> 6) | (quads >> 12) | (quads >> 18)) & 0xFF
    return packed


def _as_int8(block: NDArray[Any], start: int) -> Calls:
    """A block of another type as int8; refused where that would change a value."""
    if not ((block >= MISSING) & (block <= 2) & (block == np.rint(block))).all():
        _refuse(block, start)
    return block.astype(np.int8)


def _refuse(block: NDArray[Any], start: int) -> NoReturn:
    is_wrong = ~((block >= MISSING) & (block <= 2)) | (block != np.rint(block))
    row, column = (int(place) for place in np.argwhere(is_wrong)[0])
    raise GenotypesError(
        f"calls[{start + row}, {column}] is {block[row, column]}; a call must be 0, 1 or 2 ALT alleles, or {MISSING} where it is missing."
    )


def unpack_calls(packed: PackedBytes, n_variants: int) -> Calls:
    """The reverse of `pack_calls`.

    Args:
        packed: Packed bytes, shape (n_samples, ceil(n_variants / 4)).
        n_variants: Calls a row; the last byte may hold fewer than four.

    Returns:
        Calls, int8, shape (n_samples, n_variants).
    """
    calls: Calls = _DECODE_QUAD[np.ascontiguousarray(packed)].view(np.int8)[:, :n_variants]
    return calls


@dataclass(frozen=True, eq=False)
class PackedCalls:
    """Calls at two bits each; `packed` may be memory-mapped, and then only the rows in use are read.

    Args:
        packed: Packed bytes, shape (n_samples, ceil(n_variants / 4)).
        n_variants: Number of variants.
    """

    packed: PackedBytes
    n_variants: int

    def __post_init__(self) -> None:
        if self.packed.ndim != 2 or self.packed.dtype != np.uint8 or self.packed.shape[1] != -(-self.n_variants // CALLS_PER_BYTE):
            raise GenotypesError(
                f"packed calls are {self.packed.dtype} of shape {self.packed.shape}; {self.n_variants} variants need "
                f"uint8 rows of {-(-self.n_variants // CALLS_PER_BYTE)} bytes."
            )

    @classmethod
    def from_calls(cls, calls: Calls) -> PackedCalls:
        """Pack an array of calls, shape (n_samples, n_variants), checking every value."""
        return cls(packed=pack_calls(calls), n_variants=calls.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_variants)."""
        return (len(self.packed), self.n_variants)

    def rows(self, indices: Indices | slice) -> Calls:
        """Calls of some samples, int8, shape (n_rows, n_variants)."""
        return unpack_calls(np.asarray(self.packed[indices]), self.n_variants)

    def columns(self, indices: Indices | slice) -> Calls:
        """Calls of some variants, int8, shape (n_samples, n_columns)."""
        if isinstance(indices, slice) and indices.step in (None, 1):
            start, stop, _ = indices.indices(self.n_variants)
            first = start // CALLS_PER_BYTE
            block = unpack_calls(self.packed[:, first : -(-stop // CALLS_PER_BYTE)], max(start, stop) - first * CALLS_PER_BYTE)
            return block[:, start - first * CALLS_PER_BYTE :]
        wanted = np.arange(self.n_variants)[indices]
        codes = np.asarray(self.packed[:, wanted // CALLS_PER_BYTE]) >> (2 * (wanted % CALLS_PER_BYTE)).astype(np.uint8)
        calls: Calls = _DECODE[codes & 3, 0]
        return calls
