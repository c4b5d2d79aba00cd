"""Training calls as latent scores, block by block, and the genome-wide factors that unseen families share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from genobench_classical.gaussian import category_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import CallMatrix
    from genobench.statgen import BlockLayout

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

_LARGEST_COMMUNALITY: Final = 0.8
_SMOOTHED_OVER: Final = 11
_TINY: Final = 1e-6
_SAMPLES_PER_COMPONENT: Final = 50
_MOST_IN_FAMILY: Final = 128
_SMALLEST_EIGENVALUE: Final = 0.02


@dataclass(frozen=True, eq=False)
class LatentScores:
    """Scores of samples: the mean of the latent variable given the call, within the sample's stratum.

    Args:
        calls: Calls, shape (n_samples, n_variants).
        strata: The stratum of each sample, shape (n_samples,).
        means: `category_means` of the strata, shape (n_strata, 3, n_variants).
        layout: Where variants lie.
        spread: Standard deviation of the scores over training samples (the square root of what a call tells of the latent variable's
            variance), shape (n_variants,); 0 for a constant variant.
    """

    calls: CallMatrix
    strata: Places
    means: NDArray[np.float32]
    layout: BlockLayout
    spread: Floats

    @classmethod
    def of_training(cls, calls: CallMatrix, *, strata: Places, at_most: Floats, layout: BlockLayout) -> LatentScores:
        """Scores of training samples.

        Args:
            calls: Calls, shape (n_samples, n_variants).
            strata: The stratum of each sample.
            at_most: Cumulative shares, shape (n_strata, 2, n_variants).
            layout: Where variants lie.
        """
        means = category_means(at_most)
        edge = np.zeros_like(at_most[:, :1])
        share = np.diff(np.concatenate([edge, at_most, edge + 1], axis=1), axis=1)
        weight = np.bincount(strata, minlength=len(at_most)) / len(strata)
        spread = np.sqrt(np.einsum("s,sgv->v", weight, share * means**2))
        return cls(calls=calls, strata=strata, means=means.astype(np.float32), layout=layout, spread=spread)

    def of_block(self, block: int) -> NDArray[np.float32]:
        """Scores of unit variance at the places of a block, shape (n_samples, block_size); 0 where missing, constant or padding."""
        variants = self.layout.variant_at[block]
        is_used = variants >= 0
        chosen = variants[is_used]
        calls = self.calls.columns(chosen)
        means = self.means[:, :, chosen]
        scores = np.zeros((len(calls), len(variants)), dtype=np.float32)
        found = means[self.strata[:, None], np.clip(calls, 0, 2), np.arange(len(chosen))]
        found[calls < 0] = 0
        spread = self.spread[chosen]
        scores[:, is_used] = found * np.where(spread > _TINY, 1 / np.maximum(spread, _TINY), 0).astype(np.float32)
        return scores

    def gram(self) -> Floats:
        """Relationship of samples as their scores show it: product of scores over variants that vary, shape (n_samples, n_samples)."""
        total = np.zeros((len(self.strata), len(self.strata)))
        for block in range(self.layout.n_blocks):
            scores = self.of_block(block)
            total += scores @ scores.T
        relationship: Floats = total / max(1, int(np.count_nonzero(self.spread > _TINY)))
        return relationship


@dataclass(frozen=True, eq=False)
class Families:
    """Groups of related training samples: how many, and how related each pair is. No genotype is kept.

    Args:
        sizes: Members of each family, shape (n_families,).
        relationships: The correlation matrices of all families one after the other, row by row, rounded to hundredths.
    """

    sizes: NDArray[np.int64]
    relationships: NDArray[np.float32]

    @classmethod
    def of_gram(cls, gram: Floats, *, least: float) -> tuple[Families, Places]:
        """Families by average linkage, and the family of each sample.

        Args:
            gram: Relationships, shape (n_samples, n_samples).
            least: Groups whose members are less related than this on average are not joined; 1: every sample stands alone.
        """
        n_samples = len(gram)
        if least >= 1:
            return cls(sizes=np.ones(1, dtype=np.int64), relationships=np.ones(1, dtype=np.float32)), np.arange(n_samples)
        scale = np.sqrt(np.maximum(np.diag(gram), _TINY))
        correlation = np.clip(gram / np.outer(scale, scale), -1, 1)
        distance = np.maximum(1 - (correlation + correlation.T) / 2, 0)
        np.fill_diagonal(distance, 0)
        labels = fcluster(linkage(squareform(distance, checks=False), "average"), 1 - least, "distance") - 1
        groups = [part for k in np.unique(labels) for part in _parts(np.flatnonzero(labels == k))]
        family_of = np.empty(n_samples, dtype=np.intp)
        blocks = []
        for k, group in enumerate(groups):
            family_of[group] = k
            blocks.append(_nearest_correlation(np.round(correlation[np.ix_(group, group)], 2)).ravel())
        sizes = np.array([len(group) for group in groups], dtype=np.int64)
        return cls(sizes=sizes, relationships=np.concatenate(blocks).astype(np.float32)), family_of

    def factor(self, family: int) -> NDArray[np.float32]:
        """The Cholesky factor of a family's correlations, shape (n_members, n_members)."""
        start = int((self.sizes[:family] ** 2).sum())
        size = int(self.sizes[family])
        block = self.relationships[start : start + size * size].reshape(size, size).astype(np.float64)
        factor: NDArray[np.float32] = np.linalg.cholesky(block).astype(np.float32)
        return factor


def fit_factors(scores: LatentScores, judges: LatentScores, gram: Floats, *, n_components: int) -> NDArray[np.float32]:
    """Loadings of genome-wide factors, on the scale of the latent variables.

    Directions are the principal components of training scores. How much variance each has is asked of samples that had no part in
    finding it, and of products between chromosomes alone: what families of training share by chance, and linkage, count for nothing.

    Args:
        scores: Of training samples.
        judges: Of other samples.
        gram: `scores.gram()`.
        n_components: The most directions tried; never more than one for 50 samples.

    Returns:
        Loadings in the places of the layout, shape (n_places, n_factors).
    """
    # Directions of few samples are those samples' own, and give them away.
    n_components = min(n_components, len(gram) // _SAMPLES_PER_COMPONENT)
    layout = scores.layout
    n_places = layout.n_blocks * layout.block_size
    if n_components < 1:
        return np.zeros((n_places, 0), dtype=np.float32)
    vectors = np.linalg.eigh(gram)[1][:, ::-1][:, :n_components].astype(np.float32)
    loadings = np.concatenate([scores.of_block(block).T @ vectors for block in range(layout.n_blocks)])
    loadings /= np.maximum(np.linalg.norm(loadings, axis=0), _TINY)
    variance = _far_variance(judges, loadings)
    window = np.ones(min(_SMOOTHED_OVER, n_components))
    smooth = np.convolve(variance, window, mode="same") / np.convolve(np.ones(n_components), window, mode="same")
    kept = smooth > 0
    spread = _at_places(scores.spread, layout)
    scale = np.where(spread > _TINY, 1 / np.maximum(spread, 0.2), 0)
    loadings = loadings[:, kept] * np.sqrt(smooth[kept]) * scale[:, None]
    return held_loadings(loadings, _LARGEST_COMMUNALITY).astype(np.float32)


def held_loadings(loadings: Floats | NDArray[np.float32], most: float) -> Floats:
    """Loadings whose squares add up to at most `most` at each place."""
    communality = (loadings**2).sum(axis=1, keepdims=True)
    held: Floats = loadings * np.sqrt(np.minimum(1, most / np.maximum(communality, _TINY)))
    return held


def _far_variance(judges: LatentScores, loadings: NDArray[np.float32]) -> Floats:
    """Variance of judges along each direction that pairs of variants on different chromosomes show."""
    layout = judges.layout
    width = layout.block_size
    here = np.zeros((len(judges.strata), loadings.shape[1]))
    whole, own = np.zeros_like(here), np.zeros(loadings.shape[1])
    length, long = np.zeros(loadings.shape[1]), np.zeros(loadings.shape[1])
    for block in range(layout.n_blocks):
        part = loadings[block * width : (block + 1) * width]
        here += judges.of_block(block) @ part
        length += (part**2).sum(axis=0)
        if not layout.is_followed[block]:
            whole += here
            own += (here**2).mean(axis=0)
            long += length**2
            here[:], length[:] = 0, 0
    between: Floats = ((whole**2).mean(axis=0) - own) / np.maximum(1 - long, 0.05)
    return between


def _at_places(values: Floats, layout: BlockLayout) -> Floats:
    placed = np.zeros(layout.variant_at.size)
    placed[layout.place_of] = values
    return placed


def _parts(group: Places) -> list[Places]:
    return np.array_split(group, -(-len(group) // _MOST_IN_FAMILY))


def _nearest_correlation(block: Floats) -> Floats:
    """A positive definite matrix with ones on its diagonal, near a symmetric one."""
    values, vectors = np.linalg.eigh(block)
    positive = (vectors * np.maximum(values, _SMALLEST_EIGENVALUE)) @ vectors.T
    scale = np.sqrt(np.diag(positive))
    correlation: Floats = positive / np.outer(scale, scale)
    return correlation
