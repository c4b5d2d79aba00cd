"""What a quantitative trait adds to the log-odds of haplotype clusters: closed form, bounded by the trait's heritability in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional

from genobench.statgen import haseman_elston, vanraden_1
from genobench_neural.batches import unplaced_calls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench_neural.flow.chain import ChainTask
    from genobench_neural.sampling import GenotypeNetwork
    from genobench_neural.training_data import TrainingData

_ROWS_PER_CHUNK: Final = 64
"""128 haplotypes have 128 x n_clusters numbers a block: 40 MB for 4,000 blocks of 20 clusters."""

_MOST_PAIRED: Final = 1024
"""Heritability is estimated from so many samples at most: half a million pairs."""

_N_DRAWS: Final = 2
"""Data sets a share, whose heritabilities are averaged."""

_SHARES: Final = (0.0, 0.5, 1.0)
"""Three, since heritability is nearly linear between them and each takes two data sets."""

_OTHERS_RIDGE: Final = 1.0
"""Weight of one sample without an effect; the numbers of a column of classes add up to 0."""


def trait_beside(condition: torch.Tensor, trait: slice) -> tuple[torch.Tensor, torch.Tensor]:
    """The numbers of the trait less what those of the covariates predict of them.

    Args:
        condition: Encoded conditions, shape (n_samples, n_condition).
        trait: Where the one number of the trait lies.

    Returns:
        What is left, shape (n_samples,), and the weights of all numbers in it (1 for the trait's own), shape (n_condition,).
    """
    others = covariate_numbers(condition, trait)
    penalty = _OTHERS_RIDGE * torch.eye(condition.shape[1], device=condition.device)
    weights = -torch.linalg.solve(others.T @ others + penalty, others.T @ condition[:, trait])[:, 0]
    weights[trait] = 1
    return condition @ weights, weights


def covariate_numbers(condition: torch.Tensor, trait: slice) -> torch.Tensor:
    """Conditions with 0 for the trait, shape of `condition`."""
    others = condition.clone()
    others[:, trait] = 0
    return others


@torch.no_grad()
def trait_tilts(task: ChainTask, values: torch.Tensor, *, ridge: float) -> torch.Tensor:
    """Change of clusters' log-odds by unit of a trait, beside the clusters before and the code.

    One step of Newton's method from no effect: the covariance of the trait with what a sample's clusters have beyond their chance (in a
    chain without the sample), over the variance that they have by chance and that of the trait. Since each block has only the
    part of an effect that the blocks before it do not pass on, linked blocks do not count an effect twice.

    Args:
        task: The decoder as it was trained.
        values: The trait, of mean about 0, shape (n_samples,).
        ridge: Penalty, in haplotypes: the effect of a cluster of which there are as many is halved.

    Returns:
        Shape (n_blocks, n_clusters).
    """
    n_blocks, n_clusters = len(task.paths), task.chain.n_clusters
    covariance = torch.zeros(n_blocks, n_clusters, device=values.device)
    spread = torch.zeros(n_blocks, n_clusters, n_clusters, device=values.device)
    for rows in torch.split(torch.arange(len(values), device=values.device), _ROWS_PER_CHUNK):
        p = task.logits(rows).softmax(dim=-1).flatten(1, 2)
        beyond = functional.one_hot(task.paths[:, rows].long().flatten(1), n_clusters) - p
        covariance += torch.einsum("bhk,h->bk", beyond, values[rows].repeat_interleave(2))
        spread += torch.diag_embed(p.sum(dim=1)) - p.transpose(1, 2) @ p
    variance = values.square().mean().clamp(min=torch.finfo(values.dtype).tiny)
    penalty = ridge * torch.eye(n_clusters, device=values.device)
    effects: torch.Tensor = torch.linalg.solve(spread + penalty, covariance[..., None])[..., 0]
    return effects / variance


@torch.no_grad()
def share_of_tilts(
    network: GenotypeNetwork,
    tilted: torch.nn.Parameter,
    tilts: torch.Tensor,
    data: TrainingData,
    *,
    values: torch.Tensor,
    others: torch.Tensor,
) -> float:
    """The share of the tilts, up to 1, with which synthetic samples have the heritability of the training samples.

    The tilts hold whatever a finite training set has of a trait's effects, chance included, so that with all of them the calls would
    predict the trait better than in training. The same noise is used for each share; between those tried, heritability is interpolated.

    Args:
        network: Draws samples.
        tilted: The weights of the network that the tilts are added to; left as they were.
        tilts: What a share is taken of, shape of `tilted`.
        data: Training samples and their conditions.
        values: The trait beside the covariates, shape (n_samples,).
        others: The covariates' numbers, shape (n_samples, n_others); heritability is that on relationships less what
            they predict, since between populations whose means are covariates the trait does not vary.
    """
    rows = torch.randperm(data.n_samples, generator=data.random, device=data.device)[:_MOST_PAIRED]
    seed = int(torch.randint(2**31, (1,), generator=data.random, device=data.device))
    calls = data.genotypes.calls.rows(rows.cpu().numpy())
    mean = np.where(calls >= 0, calls, 0).sum(axis=0) / np.maximum(1, (calls >= 0).sum(axis=0))
    y = values[rows].cpu().numpy().astype(np.float64)
    covariates = others[rows].cpu().numpy().astype(np.float64)

    def explained(calls: NDArray[np.int8]) -> float:
        return haseman_elston(beside(vanraden_1(calls, alt_frequencies=mean / 2), covariates), y)

    wanted = explained(calls)
    begun, reached = tilted.clone(), []
    for share in _SHARES:
        tilted.copy_(begun + share * tilts)
        noise = torch.Generator(data.device).manual_seed(seed)
        drawn = [unplaced_calls(network.draw(data.condition[rows], noise), data.layout) for _ in range(_N_DRAWS)]
        reached.append(float(np.mean([explained(calls) for calls in drawn])))
    tilted.copy_(begun)
    return float(np.interp(wanted, np.maximum.accumulate(reached), _SHARES))


def beside(relationship: NDArray[np.float32], covariates: NDArray[np.float64]) -> NDArray[np.float32]:
    """Relationships less what covariates (and the mean) predict of them, on both sides.

    Args:
        relationship: Shape (n_samples, n_samples).
        covariates: Shape (n_samples, n_covariates).

    Returns:
        Shape of `relationship`.
    """
    known = np.column_stack([np.ones(len(covariates)), covariates])
    projection = (known @ np.linalg.pinv(known)).astype(np.float32)
    half = relationship - projection @ relationship
    left: NDArray[np.float32] = half - half @ projection
    return left
