"""Clusters of phased haplotypes in blocks: the vocabulary of an autoregression, and the Markov chain that it begins as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from genobench.statgen import HaplotypeClusters, steps_along
from genobench_neural.lineages.parents import chromosome_groups

if TYPE_CHECKING:
    from genobench.statgen import BlockLayout

_STAYING: Final = 0.9
_ALLELE_PRIOR: Final = 0.5
_TRANSITION_PRIOR: Final = 0.1
_SMALLEST: Final = 1e-3
_TINY: Final = 1e-30
_PROBABILITIES_PER_GROUP: Final = 1 << 26


def fit_gamete_clusters(
    gametes: torch.Tensor, layout: BlockLayout, *, n_clusters: int, n_rounds: int, generator: torch.Generator
) -> tuple[HaplotypeClusters, torch.Tensor]:
    """Learn clusters of haplotypes by expectation-maximisation (Scheet and Stephens 2006, doi:10.1086/502802, of phased data).

    Args:
        gametes: 0 or 1, uint8, shape (n_blocks, n_gametes, block_size).
        layout: Where variants lie.
        n_clusters: Clusters in each block; never more than gametes.
        n_rounds: Rounds.
        generator: Draws the gametes with which clusters begin.

    Returns:
        The clusters, and the likeliest cluster of each gamete in each block, shape (n_blocks, n_gametes).
    """
    n_gametes = gametes.shape[1]
    n_clusters = min(n_clusters, n_gametes)
    chosen = torch.randperm(n_gametes, generator=generator, device=gametes.device)[:n_clusters]
    learned: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    for blocks in chromosome_groups(layout, most_blocks=_PROBABILITIES_PER_GROUP // (n_gametes * n_clusters)):
        steps = [torch.from_numpy(step).to(gametes.device) for step in steps_along(layout.is_followed[blocks])]
        learned.append(_learned(gametes[blocks].float(), chosen, steps, n_rounds))
    alleles, transitions, tokens = (torch.cat(parts) for parts in zip(*learned, strict=True))
    return HaplotypeClusters(alleles=alleles, transitions=transitions), tokens


def _learned(
    x: torch.Tensor, chosen: torch.Tensor, steps: list[torch.Tensor], n_rounds: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Alleles and transitions of clusters that begin as the chosen gametes, and the likeliest cluster of each gamete."""
    n_clusters = len(chosen)
    frequency = x.mean(dim=1, keepdim=True)
    alleles = 0.25 * frequency + 0.75 * x[:, chosen]
    stay = _STAYING * torch.eye(n_clusters, device=x.device) + (1 - _STAYING) / n_clusters
    transitions = stay.repeat(len(x), 1, 1)
    transitions[steps[0]] = 1 / n_clusters
    for _ in range(n_rounds):
        posterior, moves = _posterior(x, alleles, transitions, steps)
        alleles = (posterior.transpose(1, 2) @ x + _ALLELE_PRIOR * frequency) / (posterior.sum(dim=1)[..., None] + _ALLELE_PRIOR)
        moves += _TRANSITION_PRIOR / n_clusters
        transitions = moves / moves.sum(dim=-1, keepdim=True)
    return alleles, transitions, _posterior(x, alleles, transitions, steps)[0].argmax(dim=-1)


def _posterior(
    x: torch.Tensor, alleles: torch.Tensor, transitions: torch.Tensor, steps: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """P(cluster | gamete), shape (n_blocks, n_gametes, n_clusters), and expected moves as `genobench.statgen` has them."""
    theta = alleles.clamp(_SMALLEST, 1 - _SMALLEST)
    log = x @ theta.logit().transpose(1, 2) + (1 - theta).log().sum(dim=2)[:, None]
    likelihood = (log - log.amax(dim=-1, keepdim=True)).exp_()
    forward = torch.empty_like(likelihood)
    for step, blocks in enumerate(steps):
        here = likelihood[blocks] * (forward[blocks - 1] @ transitions[blocks] if step else transitions[blocks, :1])
        forward[blocks] = here / here.sum(dim=-1, keepdim=True).clamp(min=_TINY)
    moves, backward = torch.empty_like(transitions), torch.ones_like(likelihood)
    for blocks in steps[:0:-1]:
        ahead, behind, move = likelihood[blocks] * backward[blocks], forward[blocks - 1], transitions[blocks]
        norm = ((behind @ move) * ahead).sum(dim=-1, keepdim=True).clamp(min=_TINY)
        moves[blocks] = move * ((behind / norm).transpose(1, 2) @ ahead)
        before = ahead @ move.transpose(1, 2)
        backward[blocks - 1] = before / before.amax(dim=-1, keepdim=True).clamp(min=_TINY)
    posterior = forward * backward
    posterior /= posterior.sum(dim=-1, keepdim=True).clamp(min=_TINY)
    moves[steps[0]] = posterior[steps[0]].sum(dim=1)[:, None]
    return posterior, moves
