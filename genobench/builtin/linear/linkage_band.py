"""Effects of linked variants from their marginal effects and a band of linkage along each chromosome.

A variant's marginal effect is its own and those of its neighbours, in as far as they are linked. Chromosomes are not linked, so that what
goes along them takes a step on all at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from scipy.linalg import solveh_banded
from scipy.special import expit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

_VARIANTS_PER_TILE: Final = 512


@dataclass(frozen=True, eq=False)
class LinkageBand:
    """Correlations of variants with their neighbours, fading to 0 with distance.

    The correlation of two variants is multiplied by 1 - distance / reach, and is 0 beyond. That factor is a positive definite function of
    positions, so that no combination of effects gets a negative variance (Schur's product theorem); cut off at the reach alone, as
    LDpred2 has it, some would.

    Args:
        bands: Correlation of a variant with those from `half_width` places before to as many behind it, 1 with itself, shape (n_variants,
            2 x half_width + 1). First come the first variants of all chromosomes, then the second ones, ...
        variants: Which variant each row is of, shape (n_variants,).
        starts: The first row of each place along chromosomes, and the number of rows, shape (n_places + 1,). Chromosomes stand in the
            order of their lengths, the longest first.
    """

    bands: Floats
    variants: Indices
    starts: Indices

    @classmethod
    def of(cls, columns: Callable[[Indices], Floats], *, chromosomes: NDArray[Any], positions_bp: Floats, reach_bp: float) -> Self:
        """Measure it.

        Args:
            columns: Gives numbers of some variants with mean 0 and variance 1 (0 for a variant without content), shape (n_samples, n).
            chromosomes: Of each variant, shape (n_variants,).
            positions_bp: Likewise; NaN where not known: a variant without neighbours.
            reach_bp: Where linkage ends.
        """
        number = np.unique(np.asarray(chromosomes, dtype=str), return_inverse=True)[1]
        along = [np.flatnonzero(number == name) for name in np.argsort(-np.bincount(number), kind="stable")]
        along = [variants[np.argsort(positions_bp[variants], kind="stable")] for variants in along]
        positions = [_apart_where_unknown(positions_bp[variants], reach_bp) for variants in along]
        half_width = max(int((np.searchsorted(at, at + reach_bp) - np.arange(len(at))).max()) - 1 for at in positions)
        lengths = np.array([len(variants) for variants in along])
        starts = np.append(0, np.cumsum((lengths > np.arange(lengths[0])[:, None]).sum(axis=1)))
        bands, order = np.zeros((len(number), 2 * half_width + 1)), np.zeros(len(number), dtype=np.intp)
        for rank, (variants, at) in enumerate(zip(along, positions, strict=True)):
            rows = starts[: len(variants)] + rank
            order[rows] = variants
            for start in range(0, len(variants), _VARIANTS_PER_TILE):
                stop = min(len(variants), start + _VARIANTS_PER_TILE)
                last = min(len(variants), stop + half_width)
                numbers = columns(variants[start:last])
                linked = numbers[:, : stop - start].T @ numbers / len(numbers)
                linked *= np.clip(1 - np.abs(at[start:last] - at[start:stop, None]) / reach_bp, 0, 1)
                first, step = np.meshgrid(np.arange(stop - start), np.arange(1, half_width + 1), indexing="ij")
                is_there = first + step < last - start
                first, step = first[is_there], step[is_there]
                bands[rows[start + first], half_width + step] = linked[first, first + step]
                bands[rows[start + first + step], half_width - step] = linked[first, first + step]
        bands[:, half_width] = 1.0
        return cls(bands=bands, variants=order, starts=starts)

    @property
    def half_width(self) -> int:
        """Neighbours on one side at most."""
        return int(self.bands.shape[1] // 2)

    def chromosome(self, rank: int) -> Indices:
        """The rows of a chromosome along it, of the longest for rank 0."""
        n_places = np.count_nonzero(np.diff(self.starts) > rank)
        return self.starts[:n_places] + rank

    def of_variants(self, rows: Floats) -> Floats:
        """Numbers of rows in the order of variants, with whatever axes follow, shape (n_variants, ...)."""
        ordered = np.empty_like(rows)
        ordered[self.variants] = rows
        return ordered


def infinitesimal_effects(band: LinkageBand, marginal: Floats, *, ridge: float) -> Floats:
    """Effects of which each has the same normal prior: the solution of (D + ridge I) effects = marginal, with D the band.

    Args:
        band: Of the variants.
        marginal: Effects of single variants, shape (n_variants,).
        ridge: Variants over (samples times heritability).

    Returns:
        Shape (n_variants,).

    References:
        LDpred-inf: Vilhjálmsson B.J. et al. 2015. American Journal of Human Genetics 97: 576-592. https://doi.org/10.1016/j.ajhg.2015.09.001
    """
    right, solved = marginal[band.variants], np.zeros(len(marginal))
    for rank in range(band.starts[1]):
        rows = band.chromosome(rank)
        # Row k of the lower form holds the entries k places below the diagonal.
        lower = band.bands[rows, band.half_width :].T.copy()[: len(rows)]
        lower[0] += ridge
        solved[rows] = solveh_banded(lower, right[rows], lower=True)
    return band.of_variants(solved)


def sparse_effects(
    band: LinkageBand, marginal: Floats, *, shares: Floats, variances: Floats, n_samples: float, n_sweeps: int, n_discarded: int, seed: int
) -> Floats:
    """Effects of which a share is not 0, and normal: means of their distribution given the marginal effects, by Gibbs sampling.

    A chain for each share; all are moved at once.

    Args:
        band: Of the variants.
        marginal: Effects of single variants, of standardised calls on a standardised trait, shape (n_variants,).
        shares: Of the effects that are not 0, shape (n_shares,).
        variances: Of those, shape (n_shares,).
        n_samples: That marginal effects come from; their error variance is 1 / n_samples.
        n_sweeps: Over all variants.
        n_discarded: So many first ones do not count.
        seed: Of the draws.

    Returns:
        Shape (n_variants, n_shares).

    References:
        LDpred2: Privé F., Arbel J., Vilhjálmsson B.J. 2020. Bioinformatics 36: 5424-5431. https://doi.org/10.1093/bioinformatics/btaa1029
    """
    rng, width = np.random.default_rng(seed), band.bands.shape[1]
    steps = [slice(int(start), int(stop)) for start, stop in zip(band.starts[:-1], band.starts[1:], strict=True)]
    # What all effects leave of each marginal effect, with room before the first and behind the last variant of a chromosome.
    left = np.zeros((band.starts[1], len(shares), len(steps) + width - 1))
    for rank in range(len(left)):
        along = band.chromosome(rank)
        left[rank, :, band.half_width : band.half_width + len(along)] = marginal[band.variants[along]]
    effects, total = np.zeros((len(marginal), len(shares))), np.zeros((len(marginal), len(shares)))
    shrinking = variances * n_samples / (1 + variances * n_samples)
    with np.errstate(divide="ignore"):
        prior = np.log(shares) - np.log1p(-shares) + 0.5 * np.log1p(-shrinking)
    for sweep in range(n_sweeps):
        uniform = rng.random(effects.shape)
        noise = np.sqrt(shrinking / n_samples) * rng.standard_normal(effects.shape)
        for place, rows in enumerate(steps):
            alone = left[: rows.stop - rows.start, :, place + band.half_width] + effects[rows]
            is_any = expit(prior + 0.5 * n_samples * shrinking * alone * alone)
            mean = shrinking * alone
            drawn = np.where(uniform[rows] < is_any, mean + noise[rows], 0.0)
            change = drawn - effects[rows]
            # Where effects are few, most stay 0.
            chromosomes, chains = np.nonzero(change)
            changes = band.bands[rows.start + chromosomes] * change[chromosomes, chains][:, None]
            left[chromosomes, chains, place : place + width] -= changes
            effects[rows] = drawn
            if sweep >= n_discarded:
                total[rows] += is_any * mean
    return band.of_variants(total / (n_sweeps - n_discarded))


def _apart_where_unknown(positions: Floats, reach_bp: float) -> Floats:
    """Sorted positions, of which the last, those that are not known, get places out of everybody's reach."""
    n_unknown = int(np.isnan(positions).sum())
    known = positions[: len(positions) - n_unknown]
    end = known[-1] if len(known) else 0.0
    return np.concatenate([known, end + reach_bp * np.arange(1, n_unknown + 1)])
