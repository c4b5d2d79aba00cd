"""The haplotype clusters that the two haplotypes of a sample pass along its chromosomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from genobench.statgen.haplotype_clusters import TINY, probabilities_at_once
from genobench.statgen.unphased_clusters import moved_pairs, pair_likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.statgen.haplotype_clusters import HaplotypeClusters
    from genobench.statgen.layout import BlockLayout
    from genobench.statgen.unphased_clusters import BlockedCalls


def cluster_pairs(
    calls: BlockedCalls, layout: BlockLayout, clusters: HaplotypeClusters, *, generator: torch.Generator | None = None
) -> NDArray[np.uint8]:
    """The clusters of the two haplotypes of each sample, block by block along its chromosomes.

    Pairs are read backwards off the forward probabilities, each given the pair after it. The first haplotype of a sample is the same
    one all along a chromosome, which phases it.

    Args:
        calls: Samples in the places of the layout.
        layout: The layout that the clusters were learned in.
        clusters: At most 256 a block.
        generator: Draws paths from their distribution given the calls; None: each pair is the likeliest one given the pair after it.

    Returns:
        Clusters, shape (n_blocks, n_samples, 2).

    References:
        Scheet and Stephens 2006, doi:10.1086/502802.
    """
    n_clusters = clusters.alleles.shape[1]
    pairs = np.empty((layout.n_blocks, calls.n_samples, 2), dtype=np.uint8)
    for blocks in layout.runs():
        codes = calls.block_codes(blocks)
        n_rows = max(1, probabilities_at_once(calls.device) // (4 * len(codes) * n_clusters**2))
        for first in range(0, calls.n_samples, n_rows):
            rows = slice(first, first + n_rows)
            likelihood = pair_likelihood(codes[:, rows], clusters.alleles[blocks])
            pairs[blocks, rows] = _path(likelihood, clusters.transitions[blocks], generator).cpu().numpy()
    return pairs


def _path(likelihood: torch.Tensor, transitions: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """One path of pairs of clusters along one chromosome, shape (n_blocks, n_samples, 2); arguments as there."""
    n_blocks, n_samples, n_clusters, _ = likelihood.shape
    forward = torch.empty_like(likelihood)
    for block in range(n_blocks):
        start = transitions[block, 0]
        moved = moved_pairs(forward[block - 1][None], transitions[block][None])[0] if block else start[:, None] * start[None, :]
        here = moved * likelihood[block]
        forward[block] = here / here.sum(dim=(1, 2), keepdim=True).clamp(min=TINY)
    path = torch.empty((n_blocks, n_samples, 2), dtype=torch.int64, device=likelihood.device)
    for block in range(n_blocks - 1, -1, -1):
        weight = forward[block]
        if block + 1 < n_blocks:
            onward = transitions[block + 1].T
            weight = weight * onward[path[block + 1, :, 0]][:, :, None] * onward[path[block + 1, :, 1]][:, None, :]
        chosen = _drawn_or_likeliest(weight.flatten(1), generator)
        path[block, :, 0], path[block, :, 1] = chosen // n_clusters, chosen % n_clusters
    return path


def _drawn_or_likeliest(weights: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """A column for each row: drawn by weight, or the heaviest one without a generator; shape (n_rows,)."""
    if generator is None:
        return weights.argmax(dim=1)
    cumulative = weights.cumsum(dim=1)
    place = torch.rand(len(weights), 1, generator=generator, device=weights.device) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, place)[:, 0].clamp(max=weights.shape[1] - 1)
