"""Haplotype clusters along chromosomes: linkage disequilibrium in closed form.

Haplotypes are mosaics of a few common ones, the clusters (Scheet and Stephens 2006, doi:10.1086/502802; here a haplotype may switch
between blocks of variants, not at each, and transitions are free). `unphased_clusters` learns them from calls, `gamete_clusters` from
known haplotypes. Each cluster has `HAPLOTYPES_PER_CLUSTER` haplotypes or more to itself on average, so that it carries what neighbouring
variants have in common rather than what one sample has alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

HAPLOTYPES_PER_CLUSTER: Final = 12
"""Fewest for each cluster on average: with two or three, clusters are the haplotypes of samples, and what follows them copies."""

ALLELE_PRIOR: Final = 1.0
"""Haplotypes of the population's allele frequencies that count as each cluster's own, so that few haplotypes fix no allele."""

TRANSITION_PRIOR: Final = 1.0
"""Haplotypes that are taken to go from each cluster to all of the next block alike, so that few haplotypes forbid no transition."""

SMALLEST: Final = 1e-5
"""Chance, at least, of a call that a cluster does not have; keeps the logarithm finite where it has one allele alone."""

TINY: Final = 1e-30
"""Stands for a sum of probabilities that underflow to 0, near the smallest number of single precision."""

_STAYING: Final = 0.9
"""Share of haplotypes that stay in their cluster from block to block, before anything is learned."""

_LEAST_SHARPENED: Final = 1e-5
"""Alleles of clusters are held within this share of 0 and 1 before they are sharpened, since the log-odds of 0 are infinite."""

_LEAST_FREQUENCY: Final = 1e-12
"""The same of frequencies that are asked for: what nobody has is drawn in one of 10^12 haplotypes."""

_N_BISECTIONS: Final = 50
"""Brackets are some hundred wide at most, so that what is left is about what a double resolves."""


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

    def occupancy(self) -> torch.Tensor:
        """P(cluster) of a haplotype, shape (n_blocks, n_clusters)."""
        here = self.transitions[0, 0]
        occupancy = [here]
        for move in self.transitions[1:]:
            here = here @ move
            occupancy.append(here)
        return torch.stack(occupancy)

    def sharpened(self, factor: float, *, alt_frequency: torch.Tensor | None = None) -> HaplotypeClusters:
        """Clusters whose alleles are nearer to 0 and 1, at the same allele frequencies.

        Alleles of a cluster are averages over the haplotypes that were read as being in it, those by mistake too. The log-odds of all
        clusters are multiplied by the factor, and each variant's are then moved by one number, such that the frequency over clusters
        stays; without it a factor of 4 takes a frequency of .05 to .00001 where clusters do not differ.

        Args:
            factor: On the log-odds; 1 changes nothing but what `alt_frequency` asks for.
            alt_frequency: The frequency to have at each place, shape (n_blocks, block_size); None: that of these clusters.

        Returns:
            Clusters with the same transitions.
        """
        weight = self.occupancy().double()[:, None]
        wanted = (weight @ self.alleles.double())[:, 0] if alt_frequency is None else alt_frequency.to(self.alleles).double()
        wanted = wanted.clamp(_LEAST_FREQUENCY, 1 - _LEAST_FREQUENCY)
        log_odds = factor * self.alleles.double().logit(eps=_LEAST_SHARPENED)
        # At these shifts all clusters are at or below the wanted frequency, or all at or above it.
        low, high = wanted.logit() - log_odds.amax(dim=1), wanted.logit() - log_odds.amin(dim=1)
        for _ in range(_N_BISECTIONS):
            middle = (low + high) / 2
            is_above = (weight @ torch.sigmoid(log_odds + middle[:, None]))[:, 0] > wanted
            low, high = torch.where(is_above, low, middle), torch.where(is_above, middle, high)
        alleles = torch.sigmoid(log_odds + ((low + high) / 2)[:, None]).to(self.alleles.dtype)
        return HaplotypeClusters(alleles=alleles, transitions=self.transitions)


def most_clusters(n_clusters: int, n_haplotypes: int) -> int:
    """The clusters asked for, or as many as leave each `HAPLOTYPES_PER_CLUSTER` haplotypes, and at least one."""
    return max(1, min(n_clusters, n_haplotypes // HAPLOTYPES_PER_CLUSTER))


def staying_transitions(n_blocks: int, n_clusters: int, first: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Transitions before anything is learned, shape (n_blocks, n_clusters, n_clusters); `first` are the first blocks of chromosomes."""
    stay = _STAYING * torch.eye(n_clusters, device=device) + (1 - _STAYING) / n_clusters
    transitions = stay.repeat(n_blocks, 1, 1)
    transitions[first] = 1 / n_clusters
    return transitions


def probabilities_at_once(device: torch.device) -> int:
    """How many probabilities one tensor of a forward-backward pass holds; some four such tensors exist at a time.

    A quarter of a GB in main memory. A GPU takes more, since a long chromosome is walked once for every chunk of samples.
    """
    return 1 << 26 if device.type == "cpu" else 1 << 29
