"""How often training haplotypes go from the clusters before a block to a cluster in it, with and without a sample's own two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from genobench.statgen import HaplotypeClusters

_SMALLEST: Final = 1e-5
"""Chances below it are taken for it, so that their logs are finite."""


@dataclass(frozen=True, eq=False)
class PathCounts:
    """Counts of paths through haplotype clusters, and what they make of the chance of a cluster.

    The chance given the clusters in the `order` blocks before backs off: the counts of each order are added to `prior` haplotypes that
    follow the order below, the first to `prior` that follow the clusters' own transitions.

    Args:
        tables: For each order from 1, haplotypes by the clusters before (see `histories`) and the cluster here, shape (n_blocks,
            n_clusters ** order, n_clusters).
        transitions: Of the clusters, shape (n_blocks, n_clusters, n_clusters).
        n_before: Blocks before each block on its chromosome, shape (n_blocks,).
        prior: Weight of the order below, in haplotypes.
    """

    tables: tuple[torch.Tensor, ...]
    transitions: torch.Tensor
    n_before: torch.Tensor
    prior: float

    @classmethod
    def of_paths(cls, paths: torch.Tensor, clusters: HaplotypeClusters, n_before: torch.Tensor, *, order: int, prior: float) -> Self:
        """Count.

        Args:
            paths: Clusters of both haplotypes of the training samples, shape (n_blocks, n_samples, 2).
            clusters: Haplotype clusters with their transitions.
            n_before: As in the class.
            order: The most blocks of memory.
            prior: As in the class.
        """
        n_clusters = clusters.alleles.shape[1]
        blocks = torch.arange(len(paths), device=paths.device)
        tables = []
        for memory in range(1, order + 1):
            moves = histories(paths, blocks, n_before, order=memory, n_clusters=n_clusters) * n_clusters + paths.long()
            table = torch.zeros(len(paths), n_clusters ** (memory + 1), device=paths.device)
            table.scatter_add_(1, moves.flatten(1), torch.ones_like(moves.flatten(1), dtype=table.dtype))
            tables.append(table.view(len(paths), -1, n_clusters))
        return cls(tables=tuple(tables), transitions=clusters.transitions, n_before=n_before, prior=prior)

    def log_transitions(self) -> torch.Tensor:
        """Log chance of each cluster after each history of the highest order, shape (n_blocks, n_clusters ** order, n_clusters)."""
        chance = self.transitions
        for order, table in enumerate(self.tables, start=1):
            below = chance if order == 1 else chance.repeat(1, chance.shape[-1], 1)
            chance = self._backed_off(table, below, order=order)
        return chance.clamp(min=_SMALLEST).log()

    def log_chances_without(self, paths: torch.Tensor) -> torch.Tensor:
        """Log chance of each cluster along the paths of training samples, as it is where the sample itself was not counted.

        The clusters and their transitions, which `prior` haplotypes follow, were still fitted with the sample.

        Args:
            paths: Of some of the samples that were counted, shape (n_blocks, n_samples, 2).

        Returns:
            Shape (n_blocks, n_samples, 2, n_clusters).
        """
        n_clusters = self.transitions.shape[-1]
        blocks = torch.arange(len(paths), device=paths.device)
        own = functional.one_hot(paths.long(), n_clusters).to(self.transitions.dtype)
        chance = torch.zeros_like(own)
        for order, table in enumerate(self.tables, start=1):
            before = histories(paths, blocks, self.n_before, order=order, n_clusters=n_clusters)
            at = blocks[:, None, None], before
            is_alike = (before[..., :1] == before[..., 1:])[..., None]
            counts = table[at] - own - torch.where(is_alike, own.flip(2), 0.0)
            chance = self._backed_off(counts, self.transitions[at] if order == 1 else chance, order=order)
        return chance.clamp(min=_SMALLEST).log()

    def _backed_off(self, counts: torch.Tensor, below: torch.Tensor, *, order: int) -> torch.Tensor:
        """Chances by counts of one order and chances of the order below, both of shape (n_blocks, ..., n_clusters)."""
        has_memory = (self.n_before >= order).view(-1, *[1] * (counts.dim() - 1))
        backed_off = (counts + self.prior * below) / (counts.sum(dim=-1, keepdim=True) + self.prior)
        return torch.where(has_memory, backed_off, below)


def histories(paths: torch.Tensor, blocks: torch.Tensor, n_before: torch.Tensor, *, order: int, n_clusters: int) -> torch.Tensor:
    """The clusters before some blocks as one number; 0 for those before the chromosome.

    Args:
        paths: Clusters of both haplotypes, shape (n_blocks, n_samples, 2).
        blocks: Which blocks, shape (n_some_blocks,).
        n_before: Blocks before each block on its chromosome, shape (n_blocks,).
        order: How many blocks before; the nearest is the lowest digit.
        n_clusters: Clusters a block.

    Returns:
        Whole numbers below n_clusters ** order, shape (n_some_blocks, n_samples, 2).
    """
    numbers = torch.zeros((len(blocks), *paths.shape[1:]), dtype=torch.long, device=paths.device)
    for back in range(1, order + 1):
        is_there = (n_before[blocks] >= back)[:, None, None]
        numbers += torch.where(is_there, paths[(blocks - back).clamp(min=0)].long(), 0) * n_clusters ** (back - 1)
    return numbers
