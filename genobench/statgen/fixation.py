"""Fst, the share of allelic variance that lies between populations, by three definitions, each as terms that add up over variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FstTerms:
    """Numerator and denominator of Fst at each variant; both are 0 where a population has too few calls.

    Args:
        numerator: Shape (n_variants,).
        denominator: Shape (n_variants,).
    """

    numerator: Floats
    denominator: Floats

    @property
    def fst(self) -> float:
        """The ratio of sums over variants; NaN where nothing varies."""
        return float(_ratio(self.numerator.sum(), self.denominator.sum()))

    def without(self, blocks: NDArray[np.intp]) -> Floats:
        """Fst with one block of variants left out at a time.

        Args:
            blocks: The block of each variant, numbered from 0, shape (n_variants,).

        Returns:
            Shape (n_blocks,).
        """
        numerators, denominators = (np.bincount(blocks, weights=terms) for terms in (self.numerator, self.denominator))
        return _ratio(numerators.sum() - numerators, denominators.sum() - denominators)


def hudson_fst(one: Counts, other: Counts) -> FstTerms:
    """Hudson's Fst of two populations, unbiased by their numbers of samples; around 0, and below it too, where they are one.

    Args:
        one: Genotype counts of one population, as `genotype_counts` gives them, shape (3, n_variants).
        other: Those of the other.

    Returns:
        Terms of the ratio of averages.

    References:
        Bhatia G., Patterson N., Sankararaman S., Price A.L. 2013. Estimating and interpreting FST: the impact of rare variants. Genome
        Research 23: 1514-1521, equation 10. https://doi.org/10.1101/gr.154831.113
    """
    (p_one, n_one), (p_other, n_other) = _frequency_and_samples(one), _frequency_and_samples(other)
    is_known = (n_one > 0) & (n_other > 0)
    # Each p (1 - p) / (2 n - 1) with n samples, 2 n alleles: the sampling variance of p.
    noise = p_one * (1 - p_one) / np.maximum(2 * n_one - 1, 1) + p_other * (1 - p_other) / np.maximum(2 * n_other - 1, 1)
    numerator = (p_one - p_other) ** 2 - noise
    denominator = p_one * (1 - p_other) + p_other * (1 - p_one)
    return FstTerms(np.where(is_known, numerator, 0.0), np.where(is_known, denominator, 0.0))


def weir_cockerham_fst(populations: Sequence[Counts]) -> FstTerms:
    """Weir and Cockerham's theta of two or more populations.

    Args:
        populations: Genotype counts of each, shape (3, n_variants); a population without a call at a variant is left out there.

    Returns:
        Terms a and a + b + c.

    Raises:
        ValueError: If there are fewer than two populations.

    References:
        Weir B.S., Cockerham C.C. 1984. Estimating F-statistics for the analysis of population structure. Evolution 38: 1358-1370, equations
        1 to 4. https://doi.org/10.2307/2408641
    """
    if len(populations) < 2:
        raise ValueError(f"Fst needs two populations or more; there are {len(populations)}.")
    counts = np.stack(populations).astype(np.float64)
    n = counts.sum(axis=1)
    n_total, n_populations = n.sum(axis=0), np.count_nonzero(n, axis=0)
    is_known = (n_populations > 1) & (n_total > n_populations)
    r = np.where(is_known, n_populations, 2)
    n_mean = np.where(is_known, n_total / r, 2.0)
    n_c = np.where(is_known, (n_total - _ratio((n**2).sum(axis=0), n_total)) / (r - 1), 1.0)
    p = np.nan_to_num(_ratio(counts[:, 1] / 2 + counts[:, 2], n))
    p_mean = np.nan_to_num(_ratio((n * p).sum(axis=0), n_total))
    heterozygosity = np.nan_to_num(_ratio(counts[:, 1].sum(axis=0), n_total))
    variance = (n * (p - p_mean) ** 2).sum(axis=0) / ((r - 1) * n_mean)
    within = p_mean * (1 - p_mean) - (r - 1) / r * variance
    a = n_mean / n_c * (variance - (within - heterozygosity / 4) / (n_mean - 1))
    b = n_mean / (n_mean - 1) * (within - (2 * n_mean - 1) / (4 * n_mean) * heterozygosity)
    return FstTerms(np.where(is_known, a, 0.0), np.where(is_known, a + b + heterozygosity / 2, 0.0))


def aggregate_fst(one: Counts, other: Counts) -> FstTerms:
    """Fst as DiscreteGenoGen reports it: the sum of (p - q)^2 / 2 over the sum of 2 m (1 - m), with m the mean of p and q.

    Nothing is taken off for numbers of samples: two sets of n samples of one population have about 1 / (4 n).

    Args:
        one: Genotype counts of one set, shape (3, n_variants).
        other: Those of the other.

    Returns:
        Terms; the ratio is NaN where no variant varies.

    References:
        Xie S. and others 2025. Deep generative models for discrete genotype simulation; https://github.com/SihanXXX/DiscreteGenoGen,
        evaluation of the fixation index; Nei M. 1973. PNAS 70: 3321-3323. https://doi.org/10.1073/pnas.70.12.3321
    """
    (p_one, n_one), (p_other, n_other) = _frequency_and_samples(one), _frequency_and_samples(other)
    is_known = (n_one > 0) & (n_other > 0)
    mean = (p_one + p_other) / 2
    return FstTerms(np.where(is_known, (p_one - p_other) ** 2 / 2, 0.0), np.where(is_known, 2 * mean * (1 - mean), 0.0))


def _frequency_and_samples(counts: Counts) -> tuple[Floats, Floats]:
    """ALT frequency (0 where there is no call) and number of calls."""
    n = counts.sum(axis=0).astype(np.float64)
    return np.nan_to_num(_ratio(counts[1] / 2 + counts[2], n)), n


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    numerator, denominator = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    ratio = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio
