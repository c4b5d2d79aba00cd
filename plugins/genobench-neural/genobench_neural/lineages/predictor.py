"""The trait from ALT alleles by the best linear predictor, and how much of its variance variants explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from genobench.statgen import reml_heritability
from genobench_neural.batches import MISSING_CODE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from genobench_neural.batches import PackedBatches

_BLOCKS_PER_CHUNK: Final = 64
"""Calls of 4,096 samples in 64 blocks of 12 take 13 MB as floats."""

_MOST_SAMPLES: Final = 2048
"""Variances are estimated from so many samples, drawn at random, since the time grows with the third power of their number."""

_MOST_HERITABILITY: Final = 0.95
"""In families the estimate's standard error is about .05 with a thousand samples; at 1 the predictor would be degenerate."""

_LEAST_OF_POPULATIONS: Final = 0.85
"""Breeds, strains and vendors are above it, traits and sexes below."""


@dataclass(frozen=True, eq=False)
class TraitPredictor:
    """A linear predictor of the trait's numbers.

    Args:
        effects: Of ALT alleles, shape (n_blocks, block_size, n_trait).
        slopes: What the condition's other numbers add to the trait, shape (n_condition, n_trait); 0 for the trait's own.
        explained: Variance of the trait that variants explain, shape (n_trait,).
        residual: What neither they nor the covariates do, shape (n_trait,).
        is_population: Which numbers of the condition name a population, shape (n_condition,): those of classes of which variants explain
            nearly all.
    """

    effects: torch.Tensor
    slopes: torch.Tensor
    explained: torch.Tensor
    residual: torch.Tensor
    is_population: torch.Tensor


def fit_predictor(
    batches: PackedBatches, condition: torch.Tensor, rows: torch.Tensor, *, n_trait: int, is_class: torch.Tensor, generator: torch.Generator
) -> TraitPredictor:
    """The best linear predictor from variants, after a regression on covariates.

    Args:
        batches: The training samples.
        condition: Of `rows`, shape (n_samples, n_condition); the trait's numbers come first.
        rows: The samples to read.
        n_trait: Numbers of the trait.
        is_class: Which numbers of the condition are a class's, shape (n_condition,).
        generator: Draws samples where there are too many.

    References:
        Meuwissen et al. 2001, doi:10.1093/genetics/157.4.1819.
    """
    slopes = _slopes(condition, n_trait)
    values = condition[:, :n_trait] - condition @ slopes
    slices = [slice(start, start + _BLOCKS_PER_CHUNK) for start in range(0, batches.n_blocks, _BLOCKS_PER_CHUNK)]
    relationship = torch.zeros(len(rows), len(rows), device=condition.device)
    for blocks in slices:
        x = _centred_calls(batches, blocks, rows).flatten(1)
        relationship += x @ x.T
    scale = relationship.diagonal().mean().clamp(min=1e-6)
    relationship /= scale
    some = torch.randperm(len(rows), generator=generator, device=rows.device)[:_MOST_SAMPLES].sort().values
    among, known = relationship[some][:, some].cpu().numpy(), condition[some].cpu().numpy()
    found = reml_heritability(among, known[:, :n_trait], known[:, n_trait:])
    heritability = torch.from_numpy(found).to(condition).clamp(max=_MOST_HERITABILITY)
    unit = torch.eye(len(rows), device=condition.device)
    weights = [
        share * torch.linalg.solve(share * relationship + (1 - share) * unit, column) / scale
        for share, column in zip(heritability, values.T, strict=True)
    ]
    effects = torch.cat([torch.einsum("nbv,tn->bvt", _centred_calls(batches, blocks, rows), torch.stack(weights)) for blocks in slices])
    variance = values.var(dim=0).clamp(min=1e-6)
    return TraitPredictor(
        effects=effects,
        slopes=slopes,
        explained=heritability * variance,
        residual=(1 - heritability) * variance,
        is_population=_are_populations(among, known, is_class.cpu().numpy()).to(condition.device),
    )


def _slopes(condition: torch.Tensor, n_trait: int) -> torch.Tensor:
    """Least squares of the trait on covariates with the weight of one sample on 0, shape (n_condition, n_trait)."""
    slopes = condition.new_zeros(condition.shape[1], n_trait)
    covariates = condition[:, n_trait:]
    unit = torch.eye(covariates.shape[1], device=condition.device)
    slopes[n_trait:] = torch.linalg.solve(covariates.T @ covariates + unit, covariates.T @ condition[:, :n_trait])
    return slopes


def _are_populations(relationship: NDArray[np.float32], condition: NDArray[np.float32], is_class: NDArray[np.bool_]) -> torch.Tensor:
    """See `TraitPredictor.is_population`."""
    found = torch.zeros(len(is_class), dtype=torch.bool)
    if is_class.any():
        found[is_class] = torch.from_numpy(reml_heritability(relationship, condition[:, is_class]) >= _LEAST_OF_POPULATIONS)
    return found


def _centred_calls(batches: PackedBatches, blocks: slice, rows: torch.Tensor) -> torch.Tensor:
    """Calls less the variant's mean, 0 where missing, shape (n_rows, n_some_blocks, block_size)."""
    codes = batches.block_codes(blocks)[:, rows].transpose(0, 1)
    is_call = codes != MISSING_CODE
    means = (codes * is_call).sum(dim=0) / is_call.sum(dim=0).clamp(min=1)
    return torch.where(is_call, codes.float() - means, 0.0)
