"""Genome-wide codes of samples, and what they are without one part of the genome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import torch

from genobench.statgen import PrincipalComponents, genotype_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Genotypes
    from genobench.statgen import BlockLayout

_ROWS_PER_CHUNK: Final = 512
"""Standardised calls of so many samples at 50,000 variants take 100 MB."""

_SMALLEST: Final = 1e-6
"""Scores of a standard deviation below it are rounding."""

_LARGEST_SHARE: Final = 0.5
"""A chromosome with more of the blocks than this is cut, since what is left without it would be a code of less than half of the genome."""

_SHARE_OF_PIECE: Final = 0.125
"""Of the genome: with a piece and both neighbours left out, five eighths stay."""


@dataclass(frozen=True, eq=False)
class LatentCodes:
    """Scores of the training samples on genome-wide principal components, and what is left of them without each part of the genome.

    A decoder that learns a part from scores in which that part has no share learns what relatives have in common, not what one sample has
    alone. Parts are chromosomes. One with more than half of the blocks is cut into pieces of an eighth of the genome, and a piece is
    learned from scores without its neighbours too, a gap across which little linkage reaches; where nothing is left, from zeros.

    Args:
        whole: Scores, shape (n_samples, n_factors), of variance 1 each (0 for components beyond those there are).
        without: Those without each part, shape (n_parts, n_samples, n_factors), likewise.
        part_of: The part that each block lies in, shape (n_blocks,).
    """

    whole: torch.Tensor
    without: torch.Tensor
    part_of: torch.Tensor

    @classmethod
    def of_training(cls, train: Genotypes, layout: BlockLayout, *, n_factors: int, seed: int) -> Self:
        """Find the components and take them apart.

        Args:
            train: Training samples; all codes are 0 where no variant varies among them.
            layout: Where the variants lie.
            n_factors: Components.
            seed: Of the search for components.
        """
        part_of, is_left_out = genome_parts(layout)
        part_of_variant = part_of[layout.place_of // layout.block_size]
        own = np.zeros((len(is_left_out), train.n_samples, n_factors), dtype=np.float32)
        if not _varies(train):
            nothing = torch.from_numpy(own)
            return cls(whole=nothing[0], without=nothing, part_of=torch.from_numpy(part_of))
        components = PrincipalComponents.fit(train.calls, n_factors, seed)
        for start in range(0, train.n_samples, _ROWS_PER_CHUNK):
            rows = slice(start, start + _ROWS_PER_CHUNK)
            calls = train.calls.rows(rows)
            standardised = np.where(calls >= 0, (calls - components.mean) * components.inverse_spread, 0).astype(np.float32)
            for part in range(len(own)):
                here = part_of_variant == part
                own[part, rows] = standardised[:, here] @ components.loadings[here]
        # Sums over what stays, not differences from the whole: where nothing stays, rounding would be scaled up to a code.
        without = np.einsum("pq,qnf->pnf", (~is_left_out).astype(np.float32), own)
        return cls(whole=_scaled(own.sum(axis=0)), without=_scaled(without), part_of=torch.from_numpy(part_of))


def genome_parts(layout: BlockLayout) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The part of each block, shape (n_blocks,), and which parts a part is learned without, shape (n_parts, n_parts)."""
    sizes: list[int] = []
    chromosome_of: list[int] = []
    for chromosome, run in enumerate(layout.runs()):
        n_blocks = run.stop - run.start
        is_cut = n_blocks > _LARGEST_SHARE * layout.n_blocks
        n_pieces = min(n_blocks, round(n_blocks / (_SHARE_OF_PIECE * layout.n_blocks))) if is_cut else 1
        pieces = np.array_split(np.arange(n_blocks), max(1, n_pieces))
        sizes += [len(piece) for piece in pieces]
        chromosome_of += [chromosome] * len(pieces)
    number = np.arange(len(sizes))
    is_near = np.abs(number[:, None] - number) <= 1
    is_left_out = is_near & (np.array(chromosome_of)[:, None] == np.array(chromosome_of))
    return np.repeat(number, sizes), is_left_out


def _varies(train: Genotypes) -> bool:
    """Whether some variant has two alleles among the calls, so that there are components."""
    counts = genotype_counts(train.calls)
    n_alt = counts[1] + 2 * counts[2]
    return bool(((n_alt > 0) & (n_alt < 2 * counts.sum(axis=0))).any())


def _scaled(scores: NDArray[np.float32]) -> torch.Tensor:
    """Scores of mean 0 and variance 1 over samples, the last axis but one."""
    values = torch.from_numpy(scores)
    values = values - values.mean(dim=-2, keepdim=True)
    spread = values.square().mean(dim=-2, keepdim=True).sqrt()
    return torch.where(spread > _SMALLEST, values / spread.clamp(min=_SMALLEST), 0.0)
