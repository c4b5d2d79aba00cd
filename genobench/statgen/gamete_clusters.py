"""Clusters of haplotypes that are known: those of phased samples, or gametes of inferred parents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genobench.statgen.haplotype_clusters import (
    ALLELE_PRIOR,
    SMALLEST,
    TINY,
    TRANSITION_PRIOR,
    HaplotypeClusters,
    most_clusters,
    probabilities_at_once,
    staying_transitions,
)
from genobench.statgen.layout import steps_along

if TYPE_CHECKING:
    from genobench.statgen.layout import BlockLayout


def fit_gamete_clusters(
    gametes: torch.Tensor, layout: BlockLayout, *, n_clusters: int, n_rounds: int, generator: torch.Generator
) -> tuple[HaplotypeClusters, torch.Tensor]:
    """Learn clusters by expectation-maximisation, as `fit_haplotype_clusters` does from unphased calls.

    Clusters begin as gametes drawn at random, the same ones in all blocks.

    Args:
        gametes: 0 or 1, none missing, uint8, shape (n_blocks, n_gametes, block_size).
        layout: Where variants lie.
        n_clusters: Clusters in each block; fewer where there would not be `HAPLOTYPES_PER_CLUSTER` gametes for each.
        n_rounds: Rounds of expectation-maximisation.
        generator: Draws the gametes with which clusters begin.

    Returns:
        The clusters, and the likeliest cluster of each gamete in each block, shape (n_blocks, n_gametes).

    References:
        Scheet and Stephens 2006, doi:10.1086/502802, of phased data and by blocks.
    """
    n_gametes = gametes.shape[1]
    n_clusters = most_clusters(n_clusters, n_gametes)
    chosen = torch.randperm(n_gametes, generator=generator, device=gametes.device)[:n_clusters]
    most = probabilities_at_once(gametes.device) // n_clusters
    learned: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    for blocks in layout.runs(most_blocks=most // n_gametes):
        steps = [torch.from_numpy(step).to(gametes.device) for step in steps_along(layout.is_followed[blocks])]
        n_rows = max(1, most // (blocks.stop - blocks.start))
        learned.append(_learned(gametes[blocks], chosen, steps, n_rounds=n_rounds, n_rows=n_rows))
    alleles, transitions, tokens = (torch.cat(parts) for parts in zip(*learned, strict=True))
    return HaplotypeClusters(alleles=alleles, transitions=transitions), tokens


def _learned(
    gametes: torch.Tensor, chosen: torch.Tensor, steps: list[torch.Tensor], *, n_rounds: int, n_rows: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Alleles and transitions of clusters that begin as the chosen gametes, and the likeliest cluster of each gamete.

    Gametes are read `n_rows` at a time.
    """
    chunks = torch.split(gametes, n_rows, dim=1)
    frequency = gametes.sum(dim=1, keepdim=True) / gametes.shape[1]
    alleles = 0.25 * frequency + 0.75 * gametes[:, chosen]
    transitions = staying_transitions(len(gametes), len(chosen), steps[0], gametes.device)
    for _ in range(n_rounds):
        alt, total, moves = torch.zeros_like(alleles), torch.zeros_like(alleles[..., :1]), torch.zeros_like(transitions)
        for chunk in chunks:
            x = chunk.float()
            posterior, moved = _posterior(x, alleles, transitions, steps)
            alt += posterior.transpose(1, 2) @ x
            total += posterior.sum(dim=1)[..., None]
            moves += moved
        alleles = (alt + ALLELE_PRIOR * frequency) / (total + ALLELE_PRIOR)
        moves += TRANSITION_PRIOR / len(chosen)
        transitions = moves / moves.sum(dim=-1, keepdim=True)
    tokens = [_posterior(chunk.float(), alleles, transitions, steps)[0].argmax(dim=-1) for chunk in chunks]
    return alleles, transitions, torch.cat(tokens, dim=1)


def _posterior(
    x: torch.Tensor, alleles: torch.Tensor, transitions: torch.Tensor, steps: list[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """P(cluster | gamete), shape (n_blocks, n_gametes, n_clusters), and expected moves, shape of `transitions`."""
    theta = alleles.clamp(SMALLEST, 1 - SMALLEST)
    log = x @ theta.logit().transpose(1, 2) + (1 - theta).log().sum(dim=2)[:, None]
    likelihood = (log - log.amax(dim=-1, keepdim=True)).exp_()
    forward = torch.empty_like(likelihood)
    for step, blocks in enumerate(steps):
        here = likelihood[blocks] * (forward[blocks - 1] @ transitions[blocks] if step else transitions[blocks, :1])
        forward[blocks] = here / here.sum(dim=-1, keepdim=True).clamp(min=TINY)
    moves, backward = torch.empty_like(transitions), torch.ones_like(likelihood)
    for blocks in steps[:0:-1]:
        ahead, behind, move = likelihood[blocks] * backward[blocks], forward[blocks - 1], transitions[blocks]
        norm = ((behind @ move) * ahead).sum(dim=-1, keepdim=True).clamp(min=TINY)
        moves[blocks] = move * ((behind / norm).transpose(1, 2) @ ahead)
        before = ahead @ move.transpose(1, 2)
        backward[blocks - 1] = before / before.amax(dim=-1, keepdim=True).clamp(min=TINY)
    posterior = forward * backward
    posterior /= posterior.sum(dim=-1, keepdim=True).clamp(min=TINY)
    moves[steps[0]] = posterior[steps[0]].sum(dim=1)[:, None]
    return posterior, moves
