"""Training calls as latent scores, block by block, and the genome-wide factors that unseen families share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.statgen import variant_call_rate
from genobench_classical.gaussian import category_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import CallMatrix
    from genobench.statgen import BlockLayout

    Floats = NDArray[np.float64]
    Strata = NDArray[np.intp]

_LARGEST_COMMUNALITY: Final = 0.8
_SMOOTHED_OVER: Final = 11
_TINY: Final = 1e-6
_SAMPLES_PER_COMPONENT: Final = 200
"""With one factor for 50 samples, the membership AUC on cattle-demo was .530 instead of .515 (mean of six sets; standard error .005)."""

_SMALLEST_CALL_RATE: Final = 0.2


@dataclass(frozen=True, eq=False)
class LatentScores:
    """Scores of samples: the mean of the latent variable given the call, within the sample's stratum.

    Args:
        calls: Calls, shape (n_samples, n_variants).
        stratum_of: The stratum of each sample, shape (n_samples,).
        means: `category_means` of the strata, shape (n_strata, 3, n_variants).
        layout: Where variants lie.
        spread: Standard deviation of the scores over training samples (the square root of the share of the latent variable's variance
            that calls explain), shape (n_variants,); 0 for a constant variant.
    """

    calls: CallMatrix
    stratum_of: Strata
    means: NDArray[np.float32]
    layout: BlockLayout
    spread: Floats

    @classmethod
    def of_training(cls, calls: CallMatrix, *, stratum_of: Strata, at_most: Floats, layout: BlockLayout) -> LatentScores:
        """Scores of training samples.

        Args:
            calls: Calls, shape (n_samples, n_variants).
            stratum_of: The stratum of each sample, shape (n_samples,).
            at_most: Cumulative shares, shape (n_strata, 2, n_variants).
            layout: Where variants lie.
        """
        means = category_means(at_most)
        edge = np.zeros_like(at_most[:, :1])
        share = np.diff(np.concatenate([edge, at_most, edge + 1], axis=1), axis=1)
        weight = np.bincount(stratum_of, minlength=len(at_most)) / len(stratum_of)
        spread = np.sqrt(np.einsum("s,sgv->v", weight, share * means**2))
        return cls(calls=calls, stratum_of=stratum_of, means=means.astype(np.float32), layout=layout, spread=spread)

    def of_others(self, calls: CallMatrix, stratum_of: Strata) -> LatentScores:
        """Scores of other samples on the same scale.

        Args:
            calls: Calls, shape (n_samples, n_variants).
            stratum_of: The stratum of each sample, shape (n_samples,).
        """
        return replace(self, calls=calls, stratum_of=stratum_of)

    @cached_property
    def _scale(self) -> Floats:
        """What makes scores those of unit variance, and makes up for missing calls, shape (n_variants,); 0 for a constant variant."""
        called = np.maximum(variant_call_rate(self.calls), _SMALLEST_CALL_RATE)
        scale: Floats = np.where(self.spread > _TINY, 1 / (np.maximum(self.spread, _TINY) * called), 0)
        return scale

    def of_block(self, block: int) -> NDArray[np.float32]:
        """Scores at the places of a block, shape (n_samples, block_size); 0 where missing, constant or padding.

        They have unit variance where no call is missing. The others of a variant are divided by its call rate, so that sums of their
        products with other variants, or with columns, are those of complete calls.
        """
        variants = self.layout.variant_at[block]
        is_used = variants >= 0
        chosen = variants[is_used]
        calls = self.calls.columns(chosen)
        means = self.means[:, :, chosen]
        scores = np.zeros((len(calls), len(variants)), dtype=np.float32)
        found = means[self.stratum_of[:, None], np.clip(calls, 0, 2), np.arange(len(chosen))]
        found[calls < 0] = 0
        scores[:, is_used] = found * self._scale[chosen].astype(np.float32)
        return scores

    def gram(self) -> Floats:
        """Relationship of samples as their scores show it: product of scores over variants that vary, shape (n_samples, n_samples)."""
        total = np.zeros((len(self.stratum_of), len(self.stratum_of)))
        for block in range(self.layout.n_blocks):
            scores = self.of_block(block)
            total += scores @ scores.T
        relationship: Floats = total / max(1, int(np.count_nonzero(self.spread > _TINY)))
        return relationship


def fit_factors(scores: LatentScores, others: LatentScores, *, n_components: int) -> NDArray[np.float32]:
    """Loadings of genome-wide factors, on the scale of the latent variables.

    Directions are the principal components of training scores. How much variance each has is asked of samples that had no part in
    finding it, and of products between chromosomes alone: what families of training share by chance, and linkage, count for nothing.

    Args:
        scores: Of training samples.
        others: Of samples that are not among them, without relatives among them as far as possible.
        n_components: The most directions tried; never more than one for 200 samples.

    Returns:
        Loadings in the places of the layout, shape (n_places, n_factors).
    """
    # Directions of few samples are those samples' own.
    n_components = min(n_components, len(scores.stratum_of) // _SAMPLES_PER_COMPONENT)
    layout = scores.layout
    n_places = layout.n_blocks * layout.block_size
    if n_components < 1:
        return np.zeros((n_places, 0), dtype=np.float32)
    vectors = np.linalg.eigh(scores.gram())[1][:, ::-1][:, :n_components].astype(np.float32)
    loadings = np.concatenate([scores.of_block(block).T @ vectors for block in range(layout.n_blocks)])
    loadings /= np.maximum(np.linalg.norm(loadings, axis=0), _TINY)
    variance = _far_variance(others, loadings)
    window = np.ones(min(_SMOOTHED_OVER, n_components))
    smooth = np.convolve(variance, window, mode="same") / np.convolve(np.ones(n_components), window, mode="same")
    is_real = smooth > 0
    spread = layout.placed(scores.spread, 0).reshape(-1)
    scale = np.where(spread > _TINY, 1 / np.maximum(spread, 0.2), 0)
    loadings = loadings[:, is_real] * np.sqrt(smooth[is_real]) * scale[:, None]
    return bounded_loadings(loadings, _LARGEST_COMMUNALITY).astype(np.float32)


def bounded_loadings(loadings: Floats | NDArray[np.float32], most: float) -> Floats:
    """Loadings whose squares add up to at most `most` at each place."""
    communality = (loadings**2).sum(axis=1, keepdims=True)
    bounded: Floats = loadings * np.sqrt(np.minimum(1, most / np.maximum(communality, _TINY)))
    return bounded


def _far_variance(others: LatentScores, loadings: NDArray[np.float32]) -> Floats:
    """Variance along each direction that pairs of variants on different chromosomes show, shape (n_directions,)."""
    layout = others.layout
    width = layout.block_size
    here = np.zeros((len(others.stratum_of), loadings.shape[1]))
    whole, own = np.zeros_like(here), np.zeros(loadings.shape[1])
    length, long = np.zeros(loadings.shape[1]), np.zeros(loadings.shape[1])
    for block in range(layout.n_blocks):
        part = loadings[block * width : (block + 1) * width]
        here += others.of_block(block) @ part
        length += (part**2).sum(axis=0)
        if not layout.is_followed[block]:
            whole += here
            own += (here**2).mean(axis=0)
            long += length**2
            here[:], length[:] = 0, 0
    between: Floats = ((whole**2).mean(axis=0) - own) / np.maximum(1 - long, 0.05)
    return between
