"""The condition's effect on every variant, in closed form: ridge regression on the training samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from genobench_neural.batches import MISSING_CODE
from genobench_neural.layers import standardising

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench.statgen import BlockLayout
    from genobench_neural.batches import PackedBatches
    from genobench_neural.training_data import TrainingData

_PLACES_PER_CHUNK: Final = 1 << 22


def fit_effects(data: TrainingData, condition: torch.Tensor, *, ridge: float) -> torch.Tensor:
    """Change of ALT alleles by unit of each number of the condition, shape (n_blocks, n_condition, block_size).

    A missing call reads as the variant's mean, and what makes the effect too small is made up for.

    Args:
        data: Training samples.
        condition: Encoded conditions, shape (n_samples, n_condition).
        ridge: Penalty of the regression, in samples: the effect of a class with as many samples is halved.
    """
    penalty = ridge * torch.eye(condition.shape[1], device=condition.device)
    # Solved once for all variants, which come some blocks at a time.
    regress = torch.linalg.solve(condition.T @ condition + penalty, condition.T)
    means, _ = standardising(data.block_shares)
    slopes = []
    for blocks in _chunks(data.batches, data.layout):
        codes = data.batches.block_codes(blocks)
        is_call = codes != MISSING_CODE
        n_calls = is_call.sum(dim=1, keepdim=True)
        slope = regress @ torch.where(is_call, codes.float() - means[blocks, None], 0.0)
        slopes.append(slope * (data.n_samples + ridge) / (n_calls + ridge))
    return torch.cat(slopes)


def _chunks(batches: PackedBatches, layout: BlockLayout) -> Iterator[slice]:
    """Slices of blocks, each with a bounded number of calls."""
    step = max(1, _PLACES_PER_CHUNK // max(1, batches.n_samples * layout.block_size))
    for start in range(0, layout.n_blocks, step):
        yield slice(start, min(start + step, layout.n_blocks))
