"""Genome-wide codes of samples, and what they are without one chromosome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench.statgen import PrincipalComponents

if TYPE_CHECKING:
    from genobench import Genotypes
    from genobench.statgen import BlockLayout

_ROWS_PER_CHUNK: Final = 512
_SMALLEST: Final = 1e-6


def codes_by_chromosome(train: Genotypes, *, n_factors: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """Scores of the training samples on genome-wide principal components, and what is left of them without each chromosome.

    A decoder that learns a chromosome from scores in which that chromosome has no part learns what relatives share, not what one sample
    has alone.

    Args:
        train: Training samples.
        n_factors: Components; where there are fewer the rest are 0.
        seed: Of the search for components.

    Returns:
        Whole scores, shape (n_samples, n_factors); those without each chromosome, shape (n_chromosomes, n_samples, n_factors), both of
        variance 1; and the chromosomes.
    """
    chromosomes = train.variants["chromosome"].to_numpy(dtype=object)
    names = list(dict.fromkeys(chromosomes))
    components = PrincipalComponents.fit(train.calls, n_factors, seed)
    own = np.zeros((len(names), train.n_samples, n_factors), dtype=np.float32)
    numbered = np.array([names.index(name) for name in chromosomes])
    for start in range(0, train.n_samples, _ROWS_PER_CHUNK):
        rows = slice(start, start + _ROWS_PER_CHUNK)
        calls = train.calls.rows(rows)
        standardised = np.where(calls >= 0, (calls - components.mean) * components.inverse_spread, 0).astype(np.float32)
        for number in range(len(names)):
            here = numbered == number
            own[number, rows] = standardised[:, here] @ components.loadings[here]
    whole = own.sum(axis=0)
    without = whole[None] - own if len(names) > 1 else own
    return _scaled(whole), _scaled(without), names


def chromosome_of_blocks(train: Genotypes, layout: BlockLayout, names: list[str]) -> torch.Tensor:
    """The number of each block's chromosome among `names`, shape (n_blocks,)."""
    first = train.variants["chromosome"].to_numpy(dtype=object)[layout.variant_at[:, 0]]
    return torch.tensor([names.index(name) for name in first])


def _scaled(scores: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> torch.Tensor:
    values = torch.from_numpy(scores)
    values = values - values.mean(dim=-2, keepdim=True)
    spread = values.square().mean(dim=-2, keepdim=True).sqrt()
    return torch.where(spread > _SMALLEST, values / spread.clamp(min=_SMALLEST), 0.0)
