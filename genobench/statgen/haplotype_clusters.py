"""Haplotype clusters along chromosomes: linkage disequilibrium in closed form, learned from unphased calls in seconds.

The two haplotypes of a sample are mosaics of a few common ones, the clusters (Scheet and Stephens 2006, doi:10.1086/502802; here a
haplotype may switch between blocks of variants, not at each, and transitions are free). Expectation-maximisation learns the clusters'
alleles and the transitions without phasing anything. Each cluster stands for dozens of training haplotypes, so that it carries what
neighbouring variants have in common and nothing that one sample has alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import torch

from genobench.statgen.layout import steps_along

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench.calls import CallMatrix
    from genobench.statgen.layout import BlockLayout

_MOST_SAMPLES: Final = 2048
"""Expectation-maximisation reads at most this many samples, drawn at random; more do not sharpen a few clusters."""

_STAYING: Final = 0.9
"""Share of haplotypes that stay in their cluster from block to block, before anything is learned."""

_ALLELE_PRIOR: Final = 1.0
_TRANSITION_PRIOR: Final = 1.0
_SMALLEST: Final = 1e-5
TINY: Final = 1e-30
PROBABILITIES_PER_GROUP: Final = 1 << 26

_LEAST_SHARPENED: Final = 1e-5
"""Alleles of clusters are held within this share of 0 and 1 before they are sharpened, since the log-odds of 0 are infinite."""

_LEAST_FREQUENCY: Final = 1e-12
"""The same of frequencies that are asked for: what nobody has is drawn in one of 10^12 haplotypes."""

_N_BISECTIONS: Final = 50
"""Brackets are some hundred wide at most, so that what is left is about what a double resolves."""


class BlockedCalls(Protocol):
    """Calls of samples in the places of a layout, decoded some blocks at a time."""

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        ...

    @property
    def device(self) -> torch.device:
        """Where blocks are decoded."""
        ...

    def block_codes(self, blocks: slice, /) -> torch.Tensor:
        """0, 1 or 2 ALT alleles, anything else where missing, uint8, shape (n_some_blocks, n_samples, block_size)."""
        ...


@dataclass(frozen=True, eq=False)
class BlockedCallMatrix:
    """Calls of any kind as `BlockedCalls`, decoded on the CPU.

    Args:
        calls: Calls, shape (n_samples, n_variants).
        layout: Where the variants lie.
    """

    calls: CallMatrix
    layout: BlockLayout

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.calls.shape[0]

    @property
    def device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    def block_codes(self, blocks: slice, /) -> torch.Tensor:
        """As `BlockedCalls.block_codes`; 255 where a call is missing and at padding."""
        variant_at = self.layout.variant_at[blocks]
        is_variant = variant_at >= 0
        codes = np.full((*variant_at.shape, self.n_samples), 255, dtype=np.uint8)
        codes[is_variant] = self.calls.columns(variant_at[is_variant]).T.view(np.uint8)
        return torch.from_numpy(codes.transpose(0, 2, 1).copy())


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


def fit_haplotype_clusters(
    calls: BlockedCalls, layout: BlockLayout, *, n_clusters: int, n_rounds: int, generator: torch.Generator
) -> HaplotypeClusters:
    """Learn clusters by expectation-maximisation, one chromosome after the other.

    Args:
        calls: The training samples.
        layout: Where their variants lie.
        n_clusters: Clusters in each block; never more than haplotypes.
        n_rounds: Rounds of expectation-maximisation.
        generator: Draws where it starts.

    Returns:
        Clusters on the device of `calls`.

    References:
        Scheet and Stephens 2006, doi:10.1086/502802, of which this is the version by blocks.
    """
    device = calls.device
    rows = torch.randperm(calls.n_samples, generator=generator, device=device)[:_MOST_SAMPLES]
    n_clusters = min(n_clusters, 2 * len(rows))
    alleles, transitions = [], []
    for blocks in _groups(layout, calls_a_block=len(rows) * n_clusters**2):
        codes = calls.block_codes(blocks)[:, rows]
        one_hot = torch.stack([codes == genotype for genotype in range(3)], dim=-1).flatten(2).float()
        steps = [torch.from_numpy(step).to(device) for step in steps_along(layout.is_followed[blocks])]
        chain = _first_guess(one_hot, steps[0], n_clusters, generator)
        for _ in range(n_rounds):
            chain = _improved(chain, one_hot, steps)
        alleles.append(chain.alleles)
        transitions.append(chain.transitions)
    return HaplotypeClusters(alleles=torch.cat(alleles), transitions=torch.cat(transitions))


def genotype_probabilities(alleles: torch.Tensor) -> torch.Tensor:
    """P(0, 1 or 2 ALT alleles) given a pair of clusters.

    Args:
        alleles: P(ALT) of each cluster, shape (n_blocks, n_clusters, block_size).

    Returns:
        Shape (n_blocks, n_clusters, n_clusters, block_size, 3); never 0 or 1.

    References:
        Scheet and Stephens 2006, doi:10.1086/502802.
    """
    theta = alleles.clamp(_SMALLEST, 1 - _SMALLEST)
    first, second = theta[:, :, None], theta[:, None, :]
    return torch.stack([(1 - first) * (1 - second), first * (1 - second) + (1 - first) * second, first * second], dim=-1)


def _groups(layout: BlockLayout, *, calls_a_block: int) -> Iterator[slice]:
    """Runs of whole chromosomes whose probabilities fit into memory together; chromosomes of a group are walked at a time."""
    ends = [block + 1 for block, is_followed in enumerate(layout.is_followed) if not is_followed]
    most = max(1, PROBABILITIES_PER_GROUP // calls_a_block)
    start = 0
    for end, following in zip(ends, [*ends[1:], None], strict=True):
        if following is None or following - start > most:
            yield slice(start, end)
            start = end


def _alt_frequency(one_hot: torch.Tensor) -> torch.Tensor:
    """Shape (n_blocks, block_size); 0 where no sample has a call."""
    counts = one_hot.sum(dim=1).view(len(one_hot), -1, 3)
    frequency: torch.Tensor = (counts[..., 1] / 2 + counts[..., 2]) / counts.sum(dim=-1).clamp(min=1.0)
    return frequency


def _first_guess(one_hot: torch.Tensor, first: torch.Tensor, n_clusters: int, generator: torch.Generator) -> HaplotypeClusters:
    """Clusters half-way between the frequencies and a random sample each; `first` are the first blocks of chromosomes."""
    n_blocks, n_samples, _ = one_hot.shape
    frequency = _alt_frequency(one_hot)[:, None]
    chosen = torch.randint(n_samples, (n_clusters,), generator=generator, device=one_hot.device)
    calls = one_hot[:, chosen].view(n_blocks, n_clusters, -1, 3)
    alleles = (frequency + calls[..., 1] / 2 + calls[..., 2]) / (1 + calls.sum(dim=-1))
    stay = _STAYING * torch.eye(n_clusters, device=one_hot.device) + (1 - _STAYING) / n_clusters
    transitions = stay.repeat(n_blocks, 1, 1)
    transitions[first] = 1 / n_clusters
    return HaplotypeClusters(alleles=alleles, transitions=transitions)


def _improved(chain: HaplotypeClusters, one_hot: torch.Tensor, steps: list[torch.Tensor]) -> HaplotypeClusters:
    """One round of expectation-maximisation over pairs of clusters.

    The two haplotypes of a sample are exchangeable, so that every table of pairs is symmetric and it suffices to count the first.

    Args:
        chain: Clusters so far.
        one_hot: Calls, shape (n_blocks, n_samples, 3 * block_size); a missing call is all zeros.
        steps: Blocks in the order in which a haplotype passes them, see `steps_along`.
    """
    n_clusters = chain.alleles.shape[1]
    theta = chain.alleles.clamp(_SMALLEST, 1 - _SMALLEST)
    first_only = theta[:, :, None] * (1 - theta[:, None, :])
    genotypes = genotype_probabilities(chain.alleles)
    likelihood = one_hot @ genotypes.log().flatten(3).flatten(1, 2).transpose(1, 2)
    likelihood = (likelihood - likelihood.amax(dim=-1, keepdim=True)).exp_()
    posterior, moves = _posterior(likelihood.view(*likelihood.shape[:2], n_clusters, n_clusters), chain.transitions, steps)
    counts = posterior.flatten(2).transpose(1, 2) @ one_hot
    zero, one, two = counts.view(len(one_hot), n_clusters, n_clusters, -1, 3).unbind(dim=-1)
    alt = (two + one * first_only / genotypes[..., 1]).sum(dim=2)
    frequency = _alt_frequency(one_hot)[:, None]
    alleles = (alt + _ALLELE_PRIOR * frequency) / ((zero + one + two).sum(dim=2) + _ALLELE_PRIOR)
    moves += _TRANSITION_PRIOR / n_clusters
    return HaplotypeClusters(alleles=alleles, transitions=moves / moves.sum(dim=-1, keepdim=True))


def _posterior(likelihood: torch.Tensor, transitions: torch.Tensor, steps: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The forward-backward algorithm on pairs of clusters, all chromosomes at a time.

    Args:
        likelihood: Of the calls of a block given a pair, up to a factor, shape (n_blocks, n_samples, n_clusters, n_clusters).
        transitions: As in `HaplotypeClusters`.
        steps: Blocks in walking order.

    Returns:
        P(pair | all calls), shape of `likelihood`, and the expected moves of first haplotypes, shape of `transitions` (in the first
        block of a chromosome: its occupancy, in every row).
    """
    forward = torch.empty_like(likelihood)
    for step, blocks in enumerate(steps):
        start = transitions[blocks, 0]
        pairs = moved_pairs(forward[blocks - 1], transitions[blocks]) if step else (start[:, :, None] * start[:, None, :])[:, None]
        here = pairs * likelihood[blocks]
        forward[blocks] = here / here.sum(dim=(2, 3), keepdim=True).clamp(min=TINY)
    backward = torch.ones_like(forward[steps[-1]])
    moves = torch.empty_like(transitions)
    for step in range(len(steps) - 1, -1, -1):
        blocks = steps[step]
        if step + 1 < len(steps):
            backward = _padded_back(backward, steps[step + 1], blocks)
        ahead = likelihood[blocks] * backward
        posterior = forward[blocks] * backward
        posterior /= posterior.sum(dim=(2, 3), keepdim=True).clamp(min=TINY)
        if step:
            move = transitions[blocks]
            behind = forward[blocks - 1]
            backward = moved_pairs(ahead, move.transpose(1, 2))
            norm = (behind * backward).sum(dim=(2, 3), keepdim=True).clamp(min=TINY)
            came = (behind.flatten(1, 2) @ move).view_as(behind) / norm
            moves[blocks] = move * (came.transpose(2, 3).flatten(1, 2).transpose(1, 2) @ ahead.flatten(1, 2))
            backward /= backward.amax(dim=(2, 3), keepdim=True).clamp(min=TINY)
        else:
            moves[blocks] = posterior.sum(dim=(1, 3))[:, None, :]
        forward[blocks] = posterior
    return forward, moves


def moved_pairs(pairs: torch.Tensor, move: torch.Tensor) -> torch.Tensor:
    """Probabilities of pairs a block on, as two large products: move.T @ pairs @ move for symmetric pairs.

    Args:
        pairs: Shape (n_chromosomes, n_samples, n_clusters, n_clusters).
        move: Transitions, shape (n_chromosomes, n_clusters, n_clusters).

    Returns:
        Shape of `pairs`.

    References:
        Scheet and Stephens 2006, doi:10.1086/502802: the two haplotypes move independently.
    """
    once = (pairs.flatten(1, 2) @ move).view_as(pairs)
    return (once.transpose(2, 3).flatten(1, 2) @ move).view_as(pairs)


def _padded_back(backward: torch.Tensor, following: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
    """What the blocks of the next step hand back to those of this one; ones where a chromosome ends."""
    handed = torch.ones(len(blocks), *backward.shape[1:], device=backward.device)
    handed[torch.searchsorted(blocks, following - 1)] = backward
    return handed
