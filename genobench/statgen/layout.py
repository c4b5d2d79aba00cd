"""How variants lie in a network: chromosome by chromosome, in blocks of neighbours.

Layers that look at neighbours need the variants of one chromosome side by side and blocks of one size. A layout cuts each chromosome
into equal blocks and fills the last places of a block with padding, so that a batch has shape (n_blocks, n_samples, block_size).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, eq=False)
class BlockLayout:
    """Places of variants in blocks.

    Args:
        variant_at: The variant (its column in the genotypes) at each place, -1 for padding; shape (n_blocks, block_size).
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
    """

    variant_at: NDArray[np.int64]
    is_followed: NDArray[np.bool_]

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return int(self.variant_at.shape[0])

    @property
    def block_size(self) -> int:
        """Places in a block; a multiple of four, so that a block of packed calls begins on a byte."""
        return int(self.variant_at.shape[1])

    @cached_property
    def is_variant(self) -> NDArray[np.bool_]:
        """Which places hold a variant, shape (n_blocks, block_size)."""
        return self.variant_at >= 0

    @cached_property
    def place_of(self) -> NDArray[np.int64]:
        """The flat place of each variant, shape (n_variants,)."""
        places = np.flatnonzero(self.is_variant)
        place_of = np.empty(len(places), dtype=np.int64)
        place_of[self.variant_at.reshape(-1)[places]] = places
        return place_of

    def runs(self, most_blocks: int | None = None) -> Iterator[slice]:
        """Blocks in runs of whole chromosomes.

        Args:
            most_blocks: Chromosomes are joined up to so many blocks; one that is longer is a run of its own. None: every chromosome is.

        Yields:
            Slices of blocks, one after the other.
        """
        ends = np.flatnonzero(~self.is_followed) + 1
        start = 0
        for end, following in zip(ends.tolist(), [*ends[1:].tolist(), None], strict=True):
            if most_blocks is None or following is None or following - start > most_blocks:
                yield slice(start, end)
                start = end

    def placed(self, values: NDArray[Number], fill: float) -> NDArray[Number]:
        """Numbers of variants at their places.

        Args:
            values: A number, or several, for each variant, shape (..., n_variants).
            fill: What stands at padding.

        Returns:
            Shape (..., n_blocks, block_size).
        """
        placed = np.full((*values.shape[:-1], self.variant_at.size), fill, dtype=values.dtype)
        placed[..., self.place_of] = values
        return placed.reshape(*values.shape[:-1], *self.variant_at.shape)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """What `from_arrays` reads, by name: to be saved with a sampler's own arrays."""
        return {"variant_at": self.variant_at, "is_followed": self.is_followed}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, ArrayLike], *, n_variants: int) -> BlockLayout:
        """The layout among saved arrays.

        Args:
            arrays: Those of `to_arrays` (or tensors on the CPU), and any others.
            n_variants: That it must lay out.

        Raises:
            KeyError: If it is not among them.
            ValueError: If what is there lays out other variants, or not each once.
        """
        variant_at, is_followed = (np.asarray(arrays[name]) for name in ("variant_at", "is_followed"))
        layout = cls(variant_at=variant_at.astype(np.int64), is_followed=is_followed.astype(np.bool_))
        if variant_at.ndim != 2 or is_followed.shape != variant_at.shape[:1]:
            raise ValueError(f"variant_at and is_followed have shapes {variant_at.shape} and {is_followed.shape}, which are of no layout.")
        if not np.array_equal(np.sort(layout.variant_at[layout.is_variant]), np.arange(n_variants)):
            raise ValueError(f"The layout does not place each of {n_variants} variants once.")
        return layout

    @classmethod
    def of_variants(cls, variants: pd.DataFrame, *, block_size: int) -> BlockLayout:
        """The layout of a variant table.

        Variants of a chromosome are ordered by position where every one is known, else they keep the order of the table (which is
        the genetic order in files that lack positions).

        Args:
            variants: A variant table of `Genotypes`.
            block_size: The most variants in a block; rounded up to a multiple of four.

        Returns:
            A layout whose blocks are as equal as the chromosomes allow.
        """
        chromosomes = variants["chromosome"].to_numpy(dtype=object)
        positions = variants["position_bp"]
        names = list(dict.fromkeys(chromosomes))
        members = [np.flatnonzero(chromosomes == name) for name in names]
        members = [
            rows[np.argsort(positions.iloc[rows].to_numpy(dtype=np.int64), kind="stable")] if positions.iloc[rows].notna().all() else rows
            for rows in members
        ]
        blocks = [block for rows in members for block in np.array_split(rows, -(-len(rows) // block_size))]
        is_followed = [k < n for rows in members for n in [-(-len(rows) // block_size)] for k in range(1, n + 1)]
        width = -(-max(len(block) for block in blocks) // 4) * 4
        variant_at = np.full((len(blocks), width), -1, dtype=np.int64)
        for row, block in zip(variant_at, blocks, strict=True):
            row[: len(block)] = block
        return cls(variant_at=variant_at, is_followed=np.array(is_followed))


def steps_along(is_followed: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The first block of every chromosome, then the second of every one that has it, and so on."""
    steps: list[list[int]] = []
    place = 0
    for block, goes_on in enumerate(is_followed):
        if place == len(steps):
            steps.append([])
        steps[place].append(block)
        place = place + 1 if goes_on else 0
    return [np.array(step, dtype=np.int64) for step in steps]


def chromosome_numbers(is_followed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The number of the chromosome of each block, or variant, from 0, by whether the next one lies on the same."""
    is_first = np.concatenate([[True], ~is_followed[:-1]])
    return np.cumsum(is_first, dtype=np.int64) - 1
