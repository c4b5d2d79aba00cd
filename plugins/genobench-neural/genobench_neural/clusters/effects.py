"""The condition's effect on every variant, in closed form: ridge regression on the training samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from genobench_neural.batches import MISSING_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench.statgen import BlockLayout
    from genobench_neural.batches import PackedBatches

_PLACES_PER_CHUNK: Final = 1 << 22


@dataclass(frozen=True, eq=False)
class ConditionEffects:
    """Genotype shares, and how alleles change with the condition.

    Args:
        shares: Share of each genotype among the calls, shape (n_blocks, block_size, 3); padding and all-missing variants read 1, 0, 0.
        slopes: Change of ALT alleles by unit of each number of the condition, shape (n_blocks, n_condition, block_size).
    """

    shares: torch.Tensor
    slopes: torch.Tensor


def fit_effects(batches: PackedBatches, layout: BlockLayout, condition: torch.Tensor, *, ridge: float) -> ConditionEffects:
    """Fit the effects; a missing call reads as the variant's mean, and what makes the effect too small is made up for.

    Args:
        batches: The training samples.
        layout: Where their variants lie.
        condition: Encoded conditions, shape (n_samples, n_condition).
        ridge: Penalty of the regression, in samples: the effect of a class with as many samples is halved.
    """
    penalty = ridge * torch.eye(condition.shape[1], device=condition.device)
    regress = torch.linalg.solve(condition.T @ condition + penalty, condition.T)
    shares, slopes = [], []
    for blocks in _chunks(batches, layout):
        codes = batches.block_codes(blocks)
        share = _genotype_shares(codes)
        mean = (share[..., 1] + 2 * share[..., 2])[:, None]
        shares.append(share)
        is_call = codes != MISSING_CODE
        n_calls = is_call.sum(dim=1, keepdim=True)
        slope = regress @ torch.where(is_call, codes.float() - mean, 0.0)
        slopes.append(slope * (batches.n_samples + ridge) / (n_calls + ridge))
    return ConditionEffects(shares=torch.cat(shares), slopes=torch.cat(slopes))


def _genotype_shares(codes: torch.Tensor) -> torch.Tensor:
    counts = torch.stack([(codes == genotype).sum(dim=1) for genotype in range(3)], dim=-1).float()
    total = counts.sum(dim=-1, keepdim=True)
    always_zero = torch.tensor([1.0, 0.0, 0.0], device=counts.device)
    return torch.where(total > 0, counts / total.clamp(min=1.0), always_zero)


def _chunks(batches: PackedBatches, layout: BlockLayout) -> Iterator[slice]:
    """Slices of blocks, each with a bounded number of calls."""
    step = max(1, _PLACES_PER_CHUNK // max(1, batches.n_samples * layout.block_size))
    for start in range(0, layout.n_blocks, step):
        yield slice(start, min(start + step, layout.n_blocks))
