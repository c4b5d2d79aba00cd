"""Haplotype clusters learned from unphased calls, in seconds.

The two haplotypes of a sample are mosaics of the clusters; expectation-maximisation over pairs of clusters learns the clusters' alleles and
transitions without phasing anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
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
    from genobench.calls import CallMatrix
    from genobench.statgen.layout import BlockLayout

_MOST_SAMPLES: Final = 2048
"""Expectation-maximisation reads at most this many samples, drawn at random; more do not sharpen a few clusters."""

_DECODED_AT_ONCE: Final = 1 << 20
"""Samples times blocks that are decoded at a time."""

_GENOTYPES_AT_ONCE: Final = 1 << 22
"""Probabilities of genotypes given pairs of clusters that are held at a time."""


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


def fit_haplotype_clusters(
    calls: BlockedCalls, layout: BlockLayout, *, n_clusters: int, n_rounds: int, generator: torch.Generator
) -> HaplotypeClusters:
    """Learn clusters by expectation-maximisation, some chromosomes at a time, and of these some samples.

    Args:
        calls: The training samples.
        layout: Where their variants lie.
        n_clusters: Clusters in each block; fewer where there would not be `HAPLOTYPES_PER_CLUSTER` haplotypes for each.
        n_rounds: Rounds of expectation-maximisation.
        generator: Draws where it starts.

    Returns:
        Clusters on the device of `calls`.

    References:
        Scheet and Stephens 2006, doi:10.1086/502802, of which this is the version by blocks.
    """
    device = calls.device
    rows = torch.randperm(calls.n_samples, generator=generator, device=device)[:_MOST_SAMPLES]
    n_clusters = most_clusters(n_clusters, 2 * len(rows))
    most = probabilities_at_once(device)
    learned: list[HaplotypeClusters] = []
    for blocks in layout.runs(most_blocks=most // (len(rows) * n_clusters**2)):
        n_rows = max(1, most // ((blocks.stop - blocks.start) * max(n_clusters**2, 3 * layout.block_size)))
        codes = torch.split(_codes(calls, blocks, rows), n_rows, dim=1)
        steps = [torch.from_numpy(step).to(device) for step in steps_along(layout.is_followed[blocks])]
        frequency = _alt_frequency(codes)
        chain = _first_guess(codes, frequency, steps[0], n_clusters, generator)
        for _ in range(n_rounds):
            chain = _improved(chain, frequency, codes, steps)
        learned.append(chain)
    return HaplotypeClusters(
        alleles=torch.cat([chain.alleles for chain in learned]), transitions=torch.cat([chain.transitions for chain in learned])
    )


def pair_likelihood(codes: torch.Tensor, alleles: torch.Tensor) -> torch.Tensor:
    """Likelihood of the calls of samples given pairs of clusters, up to a factor for each block of each sample.

    Args:
        codes: As `BlockedCalls.block_codes` gives them, shape (n_blocks, n_samples, block_size).
        alleles: P(ALT) of each cluster, shape (n_blocks, n_clusters, block_size).

    Returns:
        Shape (n_blocks, n_samples, n_clusters, n_clusters).

    References:
        Scheet and Stephens 2006, doi:10.1086/502802.
    """
    n_blocks, n_samples, _ = codes.shape
    n_clusters = alleles.shape[1]
    likelihood = torch.empty(n_blocks, n_samples, n_clusters, n_clusters, device=codes.device)
    for some in _slices(n_blocks, alleles):
        log = _one_hot(codes[some]) @ genotype_probabilities(alleles[some]).log().flatten(3).flatten(1, 2).transpose(1, 2)
        likelihood[some] = (log - log.amax(dim=-1, keepdim=True)).exp_().view(-1, n_samples, n_clusters, n_clusters)
    return likelihood


def genotype_probabilities(alleles: torch.Tensor) -> torch.Tensor:
    """P(0, 1 or 2 ALT alleles) given a pair of clusters.

    Args:
        alleles: P(ALT) of each cluster, shape (n_blocks, n_clusters, block_size).

    Returns:
        Shape (n_blocks, n_clusters, n_clusters, block_size, 3); never 0 or 1.

    References:
        Scheet and Stephens 2006, doi:10.1086/502802.
    """
    theta = alleles.clamp(SMALLEST, 1 - SMALLEST)
    first, second = theta[:, :, None], theta[:, None, :]
    return torch.stack([(1 - first) * (1 - second), first * (1 - second) + (1 - first) * second, first * second], dim=-1)


def _codes(calls: BlockedCalls, blocks: slice, rows: torch.Tensor) -> torch.Tensor:
    """Codes of some samples, shape (n_some_blocks, n_rows, block_size); those of all samples are decoded for a few blocks at a time."""
    n_each = max(1, _DECODED_AT_ONCE // calls.n_samples)
    starts = range(blocks.start, blocks.stop, n_each)
    return torch.cat([calls.block_codes(slice(start, min(start + n_each, blocks.stop)))[:, rows] for start in starts])


def _one_hot(codes: torch.Tensor) -> torch.Tensor:
    """Shape (n_blocks, n_samples, 3 * block_size); a missing call is all zeros."""
    return torch.stack([codes == genotype for genotype in range(3)], dim=-1).flatten(2).float()


def _alt_frequency(chunks: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Shape (n_blocks, block_size); 0 where no sample has a call."""
    zero, one, two = (torch.stack([(codes == genotype).sum(dim=1) for codes in chunks]).sum(dim=0) for genotype in range(3))
    frequency: torch.Tensor = (one / 2 + two) / (zero + one + two).clamp(min=1)
    return frequency


def _first_guess(
    chunks: tuple[torch.Tensor, ...], frequency: torch.Tensor, first: torch.Tensor, n_clusters: int, generator: torch.Generator
) -> HaplotypeClusters:
    """Clusters half-way between the frequencies and a random sample each; `first` are the first blocks of chromosomes."""
    n_samples = sum(codes.shape[1] for codes in chunks)
    chosen = torch.randint(n_samples, (n_clusters,), generator=generator, device=frequency.device).tolist()
    codes = torch.stack([chunks[row // chunks[0].shape[1]][:, row % chunks[0].shape[1]] for row in chosen], dim=1)
    calls = _one_hot(codes).view(*codes.shape, 3)
    alleles = (frequency[:, None] + calls[..., 1] / 2 + calls[..., 2]) / (1 + calls.sum(dim=-1))
    return HaplotypeClusters(alleles=alleles, transitions=staying_transitions(len(frequency), n_clusters, first, frequency.device))


def _improved(
    chain: HaplotypeClusters, frequency: torch.Tensor, chunks: tuple[torch.Tensor, ...], steps: list[torch.Tensor]
) -> HaplotypeClusters:
    """One round of expectation-maximisation over pairs of clusters.

    The two haplotypes of a sample are exchangeable, so that every table of pairs is symmetric and it suffices to count the first.

    Args:
        chain: Clusters so far.
        frequency: Of ALT, shape (n_blocks, block_size).
        chunks: Codes, some samples at a time, each shape (n_blocks, n_some_samples, block_size).
        steps: Blocks in the order in which a haplotype passes them, see `steps_along`.
    """
    alt, total, moves = torch.zeros_like(chain.alleles), torch.zeros_like(chain.alleles), torch.zeros_like(chain.transitions)
    for codes in chunks:
        posterior, moved = _posterior(pair_likelihood(codes, chain.alleles), chain.transitions, steps)
        moves += moved
        for some in _slices(len(codes), chain.alleles):
            seen, called = _counted(posterior[some], codes[some], chain.alleles[some])
            alt[some] += seen
            total[some] += called
    alleles = (alt + ALLELE_PRIOR * frequency[:, None]) / (total + ALLELE_PRIOR)
    moves += TRANSITION_PRIOR / moves.shape[-1]
    return HaplotypeClusters(alleles=alleles, transitions=moves / moves.sum(dim=-1, keepdim=True))


def _counted(posterior: torch.Tensor, codes: torch.Tensor, alleles: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Expected ALT alleles, and alleles that are called, of first haplotypes in each cluster, shape of `alleles`."""
    theta = alleles.clamp(SMALLEST, 1 - SMALLEST)
    first_only = theta[:, :, None] * (1 - theta[:, None, :])
    counts = posterior.flatten(2).transpose(1, 2) @ _one_hot(codes)
    zero, one, two = counts.view(*posterior.shape[:1], *posterior.shape[2:], -1, 3).unbind(dim=-1)
    alt = (two + one * first_only / genotype_probabilities(alleles)[..., 1]).sum(dim=2)
    return alt, (zero + one + two).sum(dim=2)


def _slices(n_blocks: int, alleles: torch.Tensor) -> list[slice]:
    """Blocks, so many at a time that tables of genotypes by pairs of clusters stay small."""
    n_each = max(1, _GENOTYPES_AT_ONCE // (3 * alleles.shape[1] ** 2 * alleles.shape[2]))
    return [slice(start, start + n_each) for start in range(0, n_blocks, n_each)]


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
