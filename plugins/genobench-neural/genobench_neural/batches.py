"""Batches decoded on the device from packed calls: two bits a call in memory, one block of floats at a time.

The training samples are repacked once in the places of a `BlockLayout` and stay packed on the device; a batch is a gather of rows and a
look-up by byte. No copy of the data as floats or one-hot triples ever exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench import MISSING, PackedCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench import Genotypes
    from genobench.statgen import BlockLayout

MISSING_CODE: Final = 3
"""What a decoded missing call reads; the other codes are the number of ALT alleles."""

_ROWS_PER_CHUNK: Final = 256


@dataclass(frozen=True, eq=False)
class PackedBatches:
    """Packed training calls in the places of a layout, on a device.

    Args:
        packed: Two bits a call, uint8, shape (n_samples, n_blocks * block_size / 4); padding holds code 0.
        n_blocks: Blocks a row.
    """

    packed: torch.Tensor
    n_blocks: int

    @property
    def device(self) -> torch.device:
        """Where the calls lie."""
        return self.packed.device

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.packed.shape[0]

    @classmethod
    def of_genotypes(cls, genotypes: Genotypes, layout: BlockLayout, device: torch.device) -> PackedBatches:
        """Repack genotypes in the places of `layout`, some rows at a time."""
        n_bytes = layout.n_blocks * layout.block_size // 4
        packed = np.empty((genotypes.n_samples, n_bytes), dtype=np.uint8)
        is_variant = layout.is_variant.reshape(-1)
        variant_at = layout.variant_at.reshape(-1)[is_variant]
        for start in range(0, genotypes.n_samples, _ROWS_PER_CHUNK):
            calls = genotypes.calls.rows(slice(start, start + _ROWS_PER_CHUNK))
            placed = np.zeros((len(calls), n_bytes * 4), dtype=np.int8)
            placed[:, is_variant] = calls[:, variant_at]
            packed[start : start + len(calls)] = PackedCalls.from_calls(placed).packed
        return cls(packed=torch.from_numpy(packed).to(device), n_blocks=layout.n_blocks)

    def codes(self, rows: torch.Tensor) -> torch.Tensor:
        """Calls of some samples.

        Args:
            rows: Positions of samples, shape (n_rows,).

        Returns:
            0, 1, 2 or MISSING_CODE, uint8, shape (n_blocks, n_rows, block_size).
        """
        quads = self.packed[rows].view(len(rows), self.n_blocks, -1).transpose(0, 1)
        shifts = torch.tensor([0, 2, 4, 6], dtype=torch.uint8, device=quads.device)
        return torch.bitwise_and(quads[..., None] >> shifts, MISSING_CODE).reshape(self.n_blocks, len(rows), -1)

    def block_codes(self, block: slice) -> torch.Tensor:
        """Calls of all samples in some blocks, as `codes` gives them, shape (n_some_blocks, n_samples, block_size)."""
        width = self.packed.shape[1] // self.n_blocks
        some = self.packed.view(self.n_samples, self.n_blocks, width)[:, block].transpose(0, 1)
        shifts = torch.tensor([0, 2, 4, 6], dtype=torch.uint8, device=some.device)
        return torch.bitwise_and(some[..., None] >> shifts, MISSING_CODE).reshape(some.shape[0], self.n_samples, -1)

    def rows_for_ever(self, batch_size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
        """Endless batches of sample positions: every sample once an epoch in random order, over the end of epochs without a gap.

        A batch larger than the data holds samples more than once.
        """
        pool = torch.empty(0, dtype=torch.long, device=self.packed.device)
        while True:
            while len(pool) < batch_size:
                order = torch.randperm(self.n_samples, generator=generator, device=self.packed.device)
                pool = torch.cat([pool, order])
            yield pool[:batch_size]
            pool = pool[batch_size:]


def unplaced_calls(codes: torch.Tensor, layout: BlockLayout) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    """Calls in the order of the variant table.

    Args:
        codes: 0, 1, 2 or MISSING_CODE, uint8, shape (n_blocks, n_rows, block_size).
        layout: Where each variant lies.

    Returns:
        Calls, int8, shape (n_rows, n_variants).
    """
    flat = codes.transpose(0, 1).reshape(codes.shape[1], -1).cpu().numpy()
    calls = flat[:, layout.place_of].astype(np.int8)
    calls[calls == MISSING_CODE] = MISSING
    return calls
