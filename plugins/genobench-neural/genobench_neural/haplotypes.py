"""Haplotype clusters along chromosomes: linkage disequilibrium in closed form, learned from unphased calls in seconds.

The two haplotypes of a sample are mosaics of a few common ones, the clusters (Scheet and Stephens 2006, doi:10.1086/502802; here a
haplotype may switch between blocks of variants, not at each, and transitions are free). Expectation-maximisation learns the clusters'
alleles and the transitions without phasing anything. Each cluster stands for dozens of training haplotypes, so that it carries what
neighbouring variants have in common and nothing that one sample has alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench_neural.batches import PackedBatches
    from genobench_neural.layout import Layout

_MOST_SAMPLES: Final = 2048
"""Expectation-maximisation reads at most this many samples, drawn at random; more do not sharpen a few clusters."""

_STAYING: Final = 0.9
"""Share of haplotypes that stay in their cluster from block to block, before anything is learned."""

_ALLELE_PRIOR: Final = 1.0
_TRANSITION_PRIOR: Final = 1.0
_SMALLEST: Final = 1e-5


@dataclass(frozen=True, eq=False)
class HaplotypeClusters:
    """Clusters in the places of a layout.

    Args:
        alleles: P(ALT) of each cluster, shape (n_blocks, n_clusters, block_size).
        transitions: P(cluster | cluster in the block before), shape (n_blocks, n_clusters, n_clusters), rows sum to 1; in the first block
            of a chromosome all rows are alike.
    """

    alleles: torch.Tensor
    transitions: torch.Tensor


def fit_clusters(
    batches: PackedBatches, layout: Layout, *, n_clusters: int, n_rounds: int, generator: torch.Generator
) -> HaplotypeClusters:
    """Learn clusters by expectation-maximisation, one chromosome after the other.

    Args:
        batches: The training samples.
        layout: Where their variants lie.
        n_clusters: Clusters in each block; never more than haplotypes.
        n_rounds: Rounds of expectation-maximisation.
        generator: Draws where it starts.

    Returns:
        Clusters on the device of `batches`.
    """
    device = batches.packed.device
    rows = torch.randperm(batches.n_samples, generator=generator, device=device)[:_MOST_SAMPLES]
    n_clusters = min(n_clusters, 2 * len(rows))
    alleles, transitions = [], []
    for blocks in _chromosomes(layout):
        codes = batches.block_codes(blocks)[:, rows]
        one_hot = torch.stack([codes == genotype for genotype in range(3)], dim=-1).flatten(2).float()
        chain = _first_guess(one_hot, n_clusters, generator)
        for _ in range(n_rounds):
            chain = _improved(chain, one_hot)
        alleles.append(chain.alleles)
        transitions.append(chain.transitions)
    return HaplotypeClusters(alleles=torch.cat(alleles), transitions=torch.cat(transitions))


def _chromosomes(layout: Layout) -> Iterator[slice]:
    start = 0
    for block, is_followed in enumerate(layout.is_followed):
        if not is_followed:
            yield slice(start, block + 1)
            start = block + 1


def _alt_frequency(one_hot: torch.Tensor) -> torch.Tensor:
    """Shape (n_blocks, block_size); 0 where no sample has a call."""
    counts = one_hot.sum(dim=1).unflatten(-1, (-1, 3))
    return (counts[..., 1] / 2 + counts[..., 2]) / counts.sum(dim=-1).clamp(min=1.0)


def _first_guess(one_hot: torch.Tensor, n_clusters: int, generator: torch.Generator) -> HaplotypeClusters:
    """Clusters half-way between the frequencies and a random sample each."""
    n_blocks, n_samples, _ = one_hot.shape
    frequency = _alt_frequency(one_hot)[:, None]
    chosen = torch.randint(n_samples, (n_clusters,), generator=generator, device=one_hot.device)
    calls = one_hot[:, chosen].unflatten(-1, (-1, 3))
    is_called = calls.sum(dim=-1)
    alleles = (frequency + calls[..., 1] / 2 + calls[..., 2]) / (1 + is_called)
    stay = _STAYING * torch.eye(n_clusters, device=one_hot.device) + (1 - _STAYING) / n_clusters
    transitions = stay.repeat(n_blocks, 1, 1)
    transitions[0] = 1 / n_clusters
    return HaplotypeClusters(alleles=alleles, transitions=transitions)


def _improved(chain: HaplotypeClusters, one_hot: torch.Tensor) -> HaplotypeClusters:
    """One round of expectation-maximisation over pairs of clusters (the two haplotypes of a sample are exchangeable)."""
    n_blocks, n_samples, _ = one_hot.shape
    n_clusters = chain.alleles.shape[1]
    theta = chain.alleles.clamp(_SMALLEST, 1 - _SMALLEST)
    first, second = theta[:, :, None], theta[:, None, :]
    first_only, second_only = first * (1 - second), (1 - first) * second
    genotypes = torch.stack([(1 - first) * (1 - second), first_only + second_only, first * second], dim=-1)
    log_likelihood = one_hot @ genotypes.log().flatten(3).flatten(1, 2).transpose(1, 2)
    likelihood = (log_likelihood - log_likelihood.amax(dim=-1, keepdim=True)).exp_().unflatten(-1, (n_clusters, n_clusters))
    forward = _forward(likelihood, chain.transitions)
    backward = torch.ones_like(forward[0])
    prior = torch.zeros_like(chain.transitions) + _TRANSITION_PRIOR / n_clusters
    counts = torch.empty(n_blocks, n_clusters**2, one_hot.shape[-1], device=one_hot.device)
    moves = torch.empty_like(chain.transitions)
    for block in range(n_blocks - 1, -1, -1):
        posterior = forward[block] * backward
        posterior /= posterior.sum(dim=(1, 2), keepdim=True)
        counts[block] = posterior.flatten(1).T @ one_hot[block]
        if block == 0:
            moves[0] = posterior.sum(dim=(0, 2))
            break
        move = chain.transitions[block]
        ahead = likelihood[block] * backward
        backward = (move @ ahead @ move.T).contiguous()
        backward /= backward.amax(dim=(1, 2), keepdim=True).clamp(min=1e-30)
        behind = forward[block - 1] @ move
        norm = torch.einsum("nkl,nkl->n", behind, move @ ahead).clamp(min=1e-30)
        moves[block] = move * torch.einsum("nkl,nml->km", behind / norm[:, None, None], ahead)
    transitions = moves + prior
    zero, one, two = counts.view(n_blocks, n_clusters, n_clusters, -1, 3).unbind(dim=-1)
    alt = (two + one * first_only / (first_only + second_only)).sum(dim=2)
    frequency = _alt_frequency(one_hot)[:, None]
    alleles = (alt + _ALLELE_PRIOR * frequency) / ((zero + one + two).sum(dim=2) + _ALLELE_PRIOR)
    return HaplotypeClusters(alleles=alleles, transitions=transitions / transitions.sum(dim=-1, keepdim=True))


def _forward(likelihood: torch.Tensor, transitions: torch.Tensor) -> torch.Tensor:
    """P(pair of clusters | calls so far), shape of `likelihood`."""
    forward = torch.empty_like(likelihood)
    start = transitions[0, 0]
    here = start[:, None] * start[None, :] * likelihood[0]
    for block in range(len(likelihood)):
        if block:
            move = transitions[block]
            here = move.T @ forward[block - 1] @ move * likelihood[block]
        forward[block] = here / here.sum(dim=(1, 2), keepdim=True).clamp(min=1e-30)
    return forward
