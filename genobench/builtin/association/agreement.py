"""Scores of two scans, one of holdout and one of synthetic samples: what they agree in, and what the synthetic one finds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench import Score
from genobench.builtin.association.loci import Genome, shared_loci
from genobench.builtin.estimates import jackknifed, missing
from genobench.statgen import genome_blocks, genomic_inflation, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from genobench.builtin.association.scans import Scan

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

_FEWEST_COMMON: Final = 20
_NO_CAUSAL: Final = "The dataset names no causal variant of this trait."
_NO_POSITION: Final = "No variant has a known position, without which there are no loci."
_NO_PLACED_CAUSAL: Final = "None of the dataset's causal variants is among these variants with a known position."


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two scans of one trait over the same variants.

    Args:
        holdout: Of holdout samples.
        synthetic: Of as many synthetic samples.
        genome: Where variants are, with holdout samples to measure linkage on.
        level: Both scans hold a variant significant whose p-value is at most this over the number of tests of `holdout`.
    """

    holdout: Scan
    synthetic: Scan
    genome: Genome
    level: float

    @cached_property
    def most_p(self) -> float:
        """What p-value is significant."""
        return self.level / max(1, int(self.holdout.is_tested.sum()))

    @cached_property
    def holdout_loci(self) -> Places:
        """The most significant variant of each locus among holdout samples."""
        return self.genome.loci(self.holdout, most_p=self.most_p)

    @cached_property
    def synthetic_loci(self) -> Places:
        """The most significant variant of each locus among synthetic samples."""
        return self.genome.loci(self.synthetic, most_p=self.most_p)

    @cached_property
    def blocks(self) -> NDArray[np.intp]:
        """Blocks of the genome, shape (n_variants,)."""
        return genome_blocks(self.genome.chromosomes)

    def effect_correlation(self, name: str, *, least_frequency: float) -> Score:
        """Correlation of effects about 0 over common variants, each weighed by 2 p (1 - p), with p among the holdout samples.

        An estimate's error is about sigma / sqrt(2 n p (1 - p)), so that the weights make the noise of all variants one. About 0, so that
        it is the same whichever allele is counted.
        """
        frequency = self.holdout.alt_frequency
        minor = np.minimum(frequency, 1 - frequency)
        is_common = self.holdout.is_tested & (minor >= least_frequency)
        if is_common.sum() < _FEWEST_COMMON:
            return missing(
                name,
                f"{int(is_common.sum())} variants with a minor allele frequency of at least {least_frequency:g} were tested among the "
                f"holdout samples; a correlation of effects needs {_FEWEST_COMMON}.",
            )
        weight = np.where(is_common, 2 * frequency * (1 - frequency), 0.0)
        one, other = self.holdout.effect, self.synthetic.effect
        products = np.stack([(weight * a * b).sum(axis=0) for a, b in ((one, other), (one, one), (other, other))])
        counts = is_common.sum(axis=0)
        n_blocks = int(self.blocks.max(initial=-1)) + 1
        by_block = np.stack([np.bincount(self.blocks, weights=row, minlength=n_blocks) for row in products])
        sizes = np.bincount(self.blocks, weights=counts, minlength=n_blocks)
        is_held = sizes > 0
        deleted = by_block.sum(axis=1, keepdims=True) - by_block[:, is_held]
        return jackknifed(
            name,
            float(_cosine(by_block.sum(axis=1))),
            _cosine(deleted),
            sizes[is_held],
            limits=(-1.0, 1.0),
            reason="No effect of a common variant is other than 0 in the synthetic samples.",
        )

    def sign_agreement(self, name: str) -> Score:
        """Share of the holdout's loci whose most significant variant has an effect of the same sign in the synthetic samples."""
        loci = self.holdout_loci
        if not len(loci):
            return missing(name, self._why_no_locus("holdout samples"))
        contrast = np.nanargmin(self.holdout.log10_p[:, loci], axis=0)
        signs = np.sign(self.holdout.effect[contrast, loci]) * np.sign(self.synthetic.effect[contrast, loci])
        return _share(name, int((signs > 0).sum()), len(loci))

    def locus_overlap(self, name: str) -> Score:
        """Share of all distinct loci that both scans found: Jaccard's index."""
        if not len(self.holdout_loci) + len(self.synthetic_loci):
            return missing(name, self._why_no_locus("holdout or synthetic samples"))
        return _share(name, *shared_loci(self.genome.is_same_locus(self.holdout_loci, self.synthetic_loci)))

    def lambda_difference(self, name: str) -> Score:
        """Genomic inflation among synthetic samples less that among holdout samples."""
        blocks = np.broadcast_to(self.blocks, self.holdout.log10_p.shape)
        sizes = np.bincount(blocks.ravel(), weights=self.holdout.is_tested.ravel())
        deleted = [self._inflation_gap(blocks != block) for block in np.flatnonzero(sizes)]
        whole = self._inflation_gap(np.ones(blocks.shape, dtype=bool))
        return jackknifed(name, whole, deleted, sizes[sizes > 0], reason="No variant could be tested in one of the two scans.")

    def causal_shares(self, causal: Mapping[str, float] | None) -> tuple[Places, Floats]:
        """The causal variants with a known position, and which share of the genetic variance each explains.

        Args:
            causal: What one ALT allele adds to the trait, by variant id.

        Returns:
            Places among the variants, and of each the variance of its calls times its effect, over that of their sum over all causal
            variants, positions known or not; beside the covariates of the holdout's scan. Both shape (n_placed,).
        """
        known = {} if causal is None else causal
        ids = self.holdout.cohort.genotypes.variants["id"]
        places = np.flatnonzero(ids.isin(list(known)).to_numpy())
        shares = self._genetic_shares(places, np.array([known[name] for name in ids.iloc[places]], dtype=np.float64))
        is_placed = np.isfinite(self.genome.positions_bp[places])
        return places[is_placed], shares[is_placed]

    def power(self, name: str, causal: Mapping[str, float] | None, *, least_share: float) -> Score:
        """Share of the causal variants with at least this share of the genetic variance for which the synthetic samples have a locus."""
        places, shares = self.causal_shares(causal)
        if not len(places):
            return missing(name, _NO_PLACED_CAUSAL if causal else _NO_CAUSAL)
        large = places[shares >= least_share]
        if not len(large):
            return missing(
                name, f"No causal variant explains {least_share:g} of the genetic variance; the largest explains {shares.max():.3g}."
            )
        return _share(name, int(self.genome.is_same_locus(large, self.synthetic_loci).any(axis=1).sum()), len(large))

    def false_discovery(self, name: str, causal: Mapping[str, float] | None) -> Score:
        """Share of the synthetic samples' loci that no causal variant stands for."""
        places, _ = self.causal_shares(causal)
        if not len(places):
            return missing(name, _NO_PLACED_CAUSAL if causal else _NO_CAUSAL)
        loci = self.synthetic_loci
        if not len(loci):
            return missing(name, self._why_no_locus("synthetic samples"))
        return _share(name, int((~self.genome.is_same_locus(loci, places).any(axis=1)).sum()), len(loci))

    def _why_no_locus(self, samples: str) -> str:
        if not np.isfinite(self.genome.positions_bp).any():
            return _NO_POSITION
        return f"No variant is significant (p at most {self.most_p:.2g}) among {self.holdout.cohort.genotypes.n_samples} {samples}."

    def _inflation_gap(self, is_kept: NDArray[np.bool_]) -> float:
        synthetic, holdout = (genomic_inflation(scan.log10_p[is_kept]) for scan in (self.synthetic, self.holdout))
        return synthetic - holdout

    def _genetic_shares(self, places: Places, effects: Floats) -> Floats:
        calls = self.holdout.cohort.genotypes.calls.columns(places).astype(np.float64)
        calls[calls < 0] = np.nan
        is_known = np.isfinite(calls).any(axis=0)
        means = np.where(is_known, np.nansum(calls, axis=0) / np.maximum(1, np.isfinite(calls).sum(axis=0)), 0.0)
        values = (np.where(np.isnan(calls), means, calls) - means) * effects
        basis, _ = np.linalg.qr(np.column_stack([np.ones(len(values)), self.holdout.covariates]))
        values -= basis @ (basis.T @ values)
        genetic = values.sum(axis=1).var()
        return values.var(axis=0) / genetic if genetic > 0 else np.zeros(len(places))


def _cosine(products: Floats) -> Floats:
    """From sums of a b, a a and b b, shape (3, ...); NaN where one of the two is 0 everywhere."""
    both, one, other = products
    length = np.sqrt(np.maximum(one, 0) * np.maximum(other, 0))
    cosine: Floats = np.divide(both, length, out=np.full(np.shape(both), np.nan), where=length > 0)
    return np.clip(cosine, -1.0, 1.0)


def _share(name: str, n_found: int, n_all: int) -> Score:
    return Score(name, n_found / n_all, interval=wilson_interval(n_found, n_all))
