"""What a quantitative trait adds to the log-odds of haplotype clusters: closed form, scaled to the trait's heritability in training."""

from __future__ import annotations

from dataclasses import dataclass
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

_SHARES: Final = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
"""Tried in turn until one has the wanted heritability, which is nearly linear between them; each takes two data sets. Above 1, since
clusters hold only a part of the effects where linkage is short."""

_OTHERS_RIDGE: Final = 1.0
"""Weight of one sample without an effect; the numbers of a column of classes add up to 0."""


@dataclass(frozen=True)
class TiltShare:
    """How much of the tilts synthetic samples are given.

    Args:
        share: Of the tilts, from 0 to 4.
        wanted: Heritability of the training samples (`shrunken_heritability`).
        reached: That of synthetic samples at this share; lower than wanted where the clusters do not carry the trait, higher where the
            code and the covariates alone give as much.
    """

    share: float
    wanted: float
    reached: float


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
) -> TiltShare:
    """The share of the tilts, up to 4, with which synthetic samples have the heritability of the training samples.

    The tilts hold whatever a finite training set has of a trait's effects, chance included, so that with all of them the calls may
    predict the trait better than in training; and less than all of a trait's effects where clusters are coarse. The same noise is used
    for each share; between those tried, heritability is interpolated.

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

    def relationship(calls: NDArray[np.int8]) -> NDArray[np.float32]:
        return beside(vanraden_1(calls, alt_frequencies=mean / 2), covariates)

    wanted = shrunken_heritability(relationship(calls), y)
    begun = tilted.clone()

    def reached_at(share: float) -> float:
        tilted.copy_(begun + share * tilts)
        noise = torch.Generator(data.device).manual_seed(seed)
        drawn = [unplaced_calls(network.draw(data.condition[rows], noise), data.layout) for _ in range(_N_DRAWS)]
        return float(np.mean([haseman_elston(relationship(calls), y) for calls in drawn]))

    reached = list[float]()
    for share in _SHARES:
        reached.append(reached_at(share))
        if reached[-1] >= wanted:
            break
    chosen = float(np.interp(wanted, np.maximum.accumulate(reached), _SHARES[: len(reached)]))
    found = TiltShare(share=chosen, wanted=wanted, reached=reached_at(chosen))
    tilted.copy_(begun)
    return found


def shrunken_heritability(relationship: NDArray[np.float32], values: NDArray[np.float64]) -> float:
    """Heritability (Haseman and Elston's) times the share of its square that is not error: 0 where it is within its standard error of 0.

    Among unrelated samples it has a standard error of .25 with 400 samples of 5,000 independent variants; unshrunken, a trait without
    any heritability would get what chance says. The error is that without heritability, where products of standardised values have
    variance 1: 1 / sqrt(sum of squared deviations of the relationships).

    Args:
        relationship: Shape (n_samples, n_samples).
        values: The trait, shape (n_samples,).
    """
    found = haseman_elston(relationship, values)
    pairs = relationship[np.triu_indices(len(relationship), k=1)].astype(np.float64)
    total = float(np.square(pairs - pairs.mean()).sum())
    return max(0.0, found - 1 / (total * found)) if found > 0 and total > 0 else 0.0


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
