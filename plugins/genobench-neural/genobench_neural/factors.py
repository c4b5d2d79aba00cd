"""Genome-wide factors of the training samples (families, populations): the leading principal components, some blocks at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from genobench_neural.batches import MISSING_CODE
from genobench_neural.layers import standardising

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench_neural.batches import PackedBatches

_N_ROUNDS: Final = 8
_N_MORE: Final = 10
"""So many components more are followed than are asked for, since the last ones converge slowly."""

_CALLS_PER_CHUNK: Final = 1 << 22
_ROUNDING: Final = 1e-6
"""Share of the first component's variance below which a component is rounding."""


def leading_scores(
    batches: PackedBatches, shares: torch.Tensor, condition: torch.Tensor, *, n_factors: int, generator: torch.Generator
) -> torch.Tensor:
    """Scores of the training samples on leading principal components of standardised calls, beyond what the condition explains.

    By subspace iteration (Halko, Martinsson and Tropp 2011, doi:10.1137/090771806, algorithm 4.4); a missing call reads as the mean.

    Args:
        batches: The training samples.
        shares: Share of each genotype, shape (n_blocks, block_size, 3).
        condition: Encoded conditions, shape (n_samples, n_condition).
        n_factors: How many components.
        generator: Draws where the iteration begins.

    Returns:
        Mean 0 and variance 1, shape (n_samples, n_factors); 0 for components beyond the rank of the data.
    """
    n_samples = batches.n_samples
    explained = torch.linalg.qr(torch.cat([torch.ones_like(condition[:, :1]), condition], dim=1)).Q
    n_found = min(n_factors, n_samples - 1)
    n_sought = min(n_factors + _N_MORE, n_samples - 1)
    scores = torch.randn(n_samples, n_sought, generator=generator, device=batches.device)
    for n_round in range(_N_ROUNDS + 1):
        reached = torch.zeros_like(scores)
        for x in _standardised(batches, shares):
            reached += x @ (x.T @ scores)
        reached = reached - explained @ (explained.T @ reached)
        if n_round < _N_ROUNDS:
            scores = torch.linalg.qr(reached).Q
    found = torch.linalg.eigh(scores.T @ reached)
    # The decomposition gives directions beyond the rank too, which mean nothing.
    is_real = found.eigenvalues > _ROUNDING * found.eigenvalues[-1].clamp(min=_ROUNDING)
    scores = (scores @ (found.eigenvectors * is_real)).flip(-1)
    factors = torch.zeros(n_samples, n_factors, device=batches.device)
    factors[:, :n_found] = scores[:, :n_found] * n_samples**0.5
    return factors


def _standardised(batches: PackedBatches, shares: torch.Tensor) -> Iterator[torch.Tensor]:
    """Calls of mean 0 and variance 1, some blocks at a time, shape (n_samples, n_places)."""
    n_blocks, block_size, _ = shares.shape
    means, scales = standardising(shares)
    step = max(1, _CALLS_PER_CHUNK // (batches.n_samples * block_size))
    for start in range(0, n_blocks, step):
        blocks = slice(start, start + step)
        codes = batches.block_codes(blocks)
        x = (codes.float() - means[blocks, None]) * scales[blocks, None]
        yield x.masked_fill_(codes == MISSING_CODE, 0.0).transpose(0, 1).flatten(1)
