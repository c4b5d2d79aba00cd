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
from genobench_neural.ranks import ONE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genobench import Genotypes
    from genobench.statgen import BlockLayout
    from genobench_neural.ranks import Ranks

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
        return _decoded(quads)

    def block_codes(self, block: slice) -> torch.Tensor:
        """Calls of all samples in some blocks, as `codes` gives them, shape (n_some_blocks, n_samples, block_size)."""
        width = self.packed.shape[1] // self.n_blocks
        some = self.packed.view(self.n_samples, self.n_blocks, width)[:, block].transpose(0, 1)
        return _decoded(some)


class RowOrder:
    """Endless batches of sample positions: every sample once an epoch in random order, over the end of epochs without a gap.

    Call `next` for a batch. A batch larger than the data holds samples more than once. Its place in the data is part of a checkpoint; the
    generator's state is one of its own, since it may be shared.

    Args:
        n_samples: How many there are.
        batch_size: How many a batch holds.
        generator: Draws the order; positions lie on its device.
        ranks: Where several processes share a fit, each takes its share of every batch. The order is then drawn by a generator of its own,
            alike in all, since the one that is given draws other numbers in each.
    """

    def __init__(self, n_samples: int, batch_size: int, generator: torch.Generator, ranks: Ranks = ONE) -> None:
        self._n_samples, self._batch_size, self._generator, self._is_shared = n_samples, batch_size, generator, ranks.n > 1
        self._share = ranks.share(batch_size, n_samples=n_samples)
        if self._is_shared:
            # On the CPU: what a GPU draws hangs on its kind.
            self._generator = torch.Generator().manual_seed(ranks.seed_of("rows"))
        self._pool = torch.empty(0, dtype=torch.long, device=generator.device)

    def __next__(self) -> torch.Tensor:
        """The next batch, shape (batch_size,), or this process's share of it."""
        while len(self._pool) < self._batch_size:
            order = torch.randperm(self._n_samples, generator=self._generator, device=self._generator.device)
            self._pool = torch.cat([self._pool, order.to(self._pool.device)])
        rows, self._pool = self._pool[: self._batch_size], self._pool[self._batch_size :]
        return rows[self._share]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """For a checkpoint."""
        return {"pool": self._pool, **({"order": self._generator.get_state()} if self._is_shared else {})}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """From a checkpoint."""
        self._pool = state["pool"].to(self._pool.device)
        if self._is_shared:
            self._generator.set_state(state["order"])


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


def _decoded(packed: torch.Tensor) -> torch.Tensor:
    """Codes of packed bytes, four for each along the last axis."""
    shifts = torch.tensor([0, 2, 4, 6], dtype=torch.uint8, device=packed.device)
    return torch.bitwise_and(packed[..., None] >> shifts, MISSING_CODE).flatten(-2)
