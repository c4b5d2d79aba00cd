"""Kinship of samples from their calls, and groups of relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.calls import MISSING
from genobench.statgen.frequency import is_autosome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.genotypes import Genotypes

    Kinship = NDArray[np.float32]

SECOND_DEGREE: Final = 0.0884
"""Lower bound of kinship for second-degree relatives (half sibs, grandparents): 2 ** -3.5, Manichaikul et al. 2010, table 1."""

_VARIANTS_PER_BLOCK: Final = 4096


def king_robust(genotypes: Genotypes) -> Kinship:
    """KING-robust kinship between all pairs of samples, from the variants of the autosomes that both have a call for.

    Args:
        genotypes: Samples and variants.

    Returns:
        Kinship, shape (n_samples, n_samples): about 0.5 for a sample with itself or a duplicate, 0.25 for full sibs, 0.125 for half sibs,
        0 or below for unrelated samples; NaN where the less heterozygous of the two has no heterozygous call.

    References:
        Manichaikul A. et al. 2010. Robust relationship inference in genome-wide association studies. Bioinformatics 26: 2867-2873,
        equation 11. https://doi.org/10.1093/bioinformatics/btq559
    """
    n = genotypes.n_samples
    both_heterozygous, opposite, heterozygous = (np.zeros((n, n), dtype=np.float32) for _ in range(3))
    autosomal = np.flatnonzero(is_autosome(genotypes.variants["chromosome"]))
    for start in range(0, len(autosomal), _VARIANTS_PER_BLOCK):
        calls = genotypes.calls.columns(autosomal[start : start + _VARIANTS_PER_BLOCK])
        carriers = (calls == 1).astype(np.float32)
        homozygous_ref, homozygous_alt = (calls == 0).astype(np.float32), (calls == 2).astype(np.float32)
        both_heterozygous += carriers @ carriers.T
        product = homozygous_ref @ homozygous_alt.T
        opposite += product + product.T
        # Row i, column j: the heterozygous calls of sample i where sample j has a call.
        heterozygous += carriers @ (calls != MISSING).astype(np.float32).T
    fewer = np.minimum(heterozygous, heterozygous.T)
    phi = np.full((n, n), np.nan, dtype=np.float32)
    half_difference = both_heterozygous / 2 - opposite - (heterozygous + heterozygous.T) / 4
    np.divide(half_difference, fewer, out=phi, where=fewer > 0)
    return phi + np.float32(0.5)


def relative_components(phi: Kinship, threshold: float = SECOND_DEGREE) -> NDArray[np.intp]:
    """Groups of samples that are linked by a chain of relatives.

    Args:
        phi: Kinship, shape (n_samples, n_samples); NaN counts as unrelated.
        threshold: Two samples are relatives from this kinship on.

    Returns:
        The group of each sample, numbered from 0 in order of first appearance, shape (n_samples,). No two relatives are apart.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    is_related = csr_array((phi >= threshold).astype(np.int8))
    return _in_order_of_appearance(connected_components(is_related, directed=False)[1])


def relative_clusters(phi: Kinship, threshold: float = SECOND_DEGREE) -> NDArray[np.intp]:
    """Complete-linkage clusters of relatives: within a cluster every pair is at or above the threshold.

    Args:
        phi: Kinship, shape (n_samples, n_samples); NaN counts as the least related pair.
        threshold: Kinship at which clustering ends.

    Returns:
        The cluster of each sample, numbered from 0 in order of first appearance, shape (n_samples,). Relatives may be apart.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(phi) < 2:
        return np.zeros(len(phi), dtype=np.intp)
    similarity = np.nan_to_num(phi.astype(np.float64), nan=float(np.nanmin(phi)))
    distance = np.maximum(0, 0.5 - np.minimum(similarity, 0.5))
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform((distance + distance.T) / 2, checks=False), method="complete")
    return _in_order_of_appearance(fcluster(tree, t=0.5 - threshold, criterion="distance"))


def kinship_clusters(phi: Kinship, threshold: float = SECOND_DEGREE, largest_share: float = 0.2) -> NDArray[np.intp]:
    """Groups of relatives to keep on one side of a split.

    Args:
        phi: Kinship, shape (n_samples, n_samples).
        threshold: Two samples are relatives from this kinship on.
        largest_share: Where chains of relatives join more than this share of the samples, complete-linkage clusters are taken instead, and
            some relatives then come apart.

    Returns:
        The group of each sample, numbered from 0 in order of first appearance, shape (n_samples,).
    """
    components = relative_components(phi, threshold)
    if np.bincount(components).max(initial=0) > largest_share * len(phi):
        return relative_clusters(phi, threshold)
    return components


def _in_order_of_appearance(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    _, first, numbers = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[numbers]
