"""Allele and genotype frequencies, heterozygosity, and which chromosomes are autosomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.calls import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from genobench.calls import Calls

    Frequencies = NDArray[np.float64]

_CALLS_PER_BLOCK: Final = 1 << 24


def genotype_counts(calls: Calls) -> NDArray[np.int64]:
    """Number of samples with 0, 1 and 2 ALT alleles at each variant.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.

    Returns:
        Counts, shape (3, n_variants); missing calls are counted nowhere.
    """
    n_samples, n_variants = calls.shape
    counts = np.zeros((3, n_variants), dtype=np.int64)
    rows = max(1, _CALLS_PER_BLOCK // max(1, n_variants))
    for start in range(0, n_samples, rows):
        block = calls[start : start + rows]
        for copies in range(3):
            counts[copies] += np.count_nonzero(block == copies, axis=0)
    return counts


def genotype_frequencies(calls: Calls) -> Frequencies:
    """Share of samples with 0, 1 and 2 ALT alleles at each variant, among those that have a call.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.

    Returns:
        Shares in [0, 1], shape (3, n_variants), each column adding up to 1; NaN where no sample has a call.
    """
    counts = genotype_counts(calls)
    return _ratio(counts, counts.sum(axis=0))


def alt_frequency(calls: Calls) -> Frequencies:
    """Frequency of the ALT allele at each variant, over the samples that have a call.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.

    Returns:
        Frequencies in [0, 1], shape (n_variants,); NaN where no sample has a call.
    """
    n_missing = np.count_nonzero(calls == MISSING, axis=0)
    # A missing call is -1, so the plain sum falls short by the number of missing calls.
    alt_count = calls.sum(axis=0, dtype=np.int64) - MISSING * n_missing
    return _ratio(alt_count, 2 * (len(calls) - n_missing))


def minor_allele_frequency(calls: Calls) -> Frequencies:
    """Frequency of the rarer allele at each variant: min(p, 1 - p) of the ALT frequency p.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.

    Returns:
        Frequencies in [0, 0.5], shape (n_variants,); NaN where no sample has a call.
    """
    alt = alt_frequency(calls)
    return np.minimum(alt, 1 - alt)


def observed_heterozygosity(calls: Calls) -> Frequencies:
    """Share of heterozygous calls at each variant.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.

    Returns:
        Shares in [0, 1], shape (n_variants,); NaN where no sample has a call.
    """
    heterozygosity: Frequencies = genotype_frequencies(calls)[1]
    return heterozygosity


def expected_heterozygosity(calls: Calls) -> Frequencies:
    """Heterozygosity that random mating would give at each variant, without bias from the number of samples.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.

    Returns:
        2 p (1 - p) 2n / (2n - 1) with n calls, shape (n_variants,); NaN where no sample has a call.

    References:
        Nei M. 1978. Genetics 89: 583-590, equation 3 for one locus. https://doi.org/10.1093/genetics/89.3.583
    """
    n_alleles = 2 * np.count_nonzero(calls != MISSING, axis=0)
    alt = alt_frequency(calls)
    expected: Frequencies = 2 * alt * (1 - alt) * _ratio(n_alleles, np.maximum(n_alleles - 1, 0))
    return expected


def is_autosome(chromosomes: Iterable[str]) -> NDArray[np.bool_]:
    """Which chromosome names are those of autosomes: a positive whole number ("0" stands for an unknown chromosome).

    Args:
        chromosomes: A name for each variant.

    Returns:
        Shape (n_variants,).
    """
    names, places = np.unique(np.asarray(list(chromosomes), dtype=str), return_inverse=True)
    return np.array([name.isdecimal() and int(name) > 0 for name in names], dtype=np.bool_)[places]


def _ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> Frequencies:
    ratio = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio
