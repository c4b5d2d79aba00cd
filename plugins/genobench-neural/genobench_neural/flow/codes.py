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

_SMALLEST: Final = 1e-6
"""Scores of a standard deviation below it are rounding."""

_LARGEST_SHARE: Final = 0.5
"""A chromosome with more of the blocks than this is cut, since what is left without it would be a code of less than half of the genome."""

_SHARE_OF_PIECE: Final = 0.125
"""Of the genome: with a piece and both neighbours left out, five eighths stay."""


@dataclass(frozen=True, eq=False)
class LatentCodes:
    """Scores of the training samples on genome-wide principal components, and on those of the genome without each part.

    A decoder that learns a part from scores in which that part has no share learns what relatives have in common, not what one sample has
    alone. The components themselves are found without the part, since loadings elsewhere know a sample's own calls, and are turned
    (orthogonal Procrustes) to lie along the genome-wide ones. Parts are chromosomes. One with more than half of the blocks is cut into
    pieces of an eighth of the genome, and a piece is learned without its neighbours too, a gap across which little linkage reaches; where
    nothing is left, from zeros.

    Args:
        whole: Scores, shape (n_samples, n_factors), of variance 1 each (0 for components beyond those there are).
        without: Those without each part, shape (n_parts, n_samples, n_factors), likewise (less where fewer components are left).
        part_of: The part that each block lies in, shape (n_blocks,).

    References:
        Schönemann 1966, A generalized solution of the orthogonal Procrustes problem, doi:10.1007/BF02289451.
    """

    whole: torch.Tensor
    without: torch.Tensor
    part_of: torch.Tensor

    @classmethod
    def of_training(cls, train: Genotypes, layout: BlockLayout, *, n_factors: int, seed: int) -> Self:
        """Find the components of the whole and those without each part.

        Args:
            train: Training samples; all codes are 0 where no variant varies among them.
            layout: Where the variants lie.
            n_factors: Components.
            seed: Of the search for components.
        """
        part_of, is_left_out = genome_parts(layout)
        part_of_variant = part_of[layout.place_of // layout.block_size]
        varies = _varies(train)

        def scores(is_used: NDArray[np.bool_]) -> NDArray[np.float64]:
            if not varies[is_used].any():
                return np.zeros((train.n_samples, n_factors))
            return _scaled(PrincipalComponents.fit(train.calls, n_factors, seed, is_used=is_used).project(train.calls))

        whole = scores(np.ones(len(varies), dtype=bool))
        without = np.stack([_turned(scores(~is_out[part_of_variant]), whole) for is_out in is_left_out])
        return cls(
            whole=torch.from_numpy(whole.astype(np.float32)),
            without=torch.from_numpy(without.astype(np.float32)),
            part_of=torch.from_numpy(part_of),
        )


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


def _varies(train: Genotypes) -> NDArray[np.bool_]:
    """Whether each variant has two alleles among the calls; without one there are no components."""
    counts = genotype_counts(train.calls)
    n_alt = counts[1] + 2 * counts[2]
    varies: NDArray[np.bool_] = (n_alt > 0) & (n_alt < 2 * counts.sum(axis=0))
    return varies


def _scaled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores of mean 0 and variance 1 over samples, the first axis."""
    values = scores - scores.mean(axis=0)
    spread = values.std(axis=0)
    scaled: NDArray[np.float64] = np.where(spread > _SMALLEST, values / np.maximum(spread, _SMALLEST), 0.0)
    return scaled


def _turned(scores: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores after the rotation (or reflection) that brings them nearest to others, both of shape (n_samples, n_factors)."""
    left, _, right = np.linalg.svd(scores.T @ target)
    turned: NDArray[np.float64] = scores @ (left @ right)
    return turned
