"""Heterozygosity and inbreeding: of single samples by the method of moments, of populations by the ratio of averages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.sparse import csr_array

from genobench.calls import MISSING
from genobench.statgen.frequency import expected_heterozygosity, sample_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.calls import CallMatrix, Calls

    Floats = NDArray[np.float64]

_CALLS_PER_BLOCK: Final = 1 << 22
# Sums of rates round to far less than this a variant.
_ROUNDING: Final = 1e-12


def sample_heterozygosity(calls: Calls | CallMatrix) -> Floats:
    """Share of heterozygous calls of each sample.

    Args:
        calls: Hard calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.

    Returns:
        Shares in [0, 1], shape (n_samples,); NaN where the sample has no call.
    """
    n_called = calls.shape[1] - sample_counts(calls, MISSING)
    return _quotient(sample_counts(calls, 1).astype(np.float64), n_called.astype(np.float64))


def sample_inbreeding(calls: Calls | CallMatrix, expected: Floats | None = None) -> Floats:
    """Inbreeding coefficient F of each sample by the method of moments: 1 - heterozygous calls / those that random mating would give.

    This is (O - E) / (N - E) of homozygous calls, as `plink2 --het small-sample` prints it.

    Args:
        calls: Hard calls of autosomal variants, shape (n_samples, n_variants), in 0, 1, 2 or MISSING.
        expected: Expected heterozygosity of each variant, shape (..., n_variants), NaN counting as none; None: that of these samples, by
            `expected_heterozygosity`.

    Returns:
        F, at most 1, shape (..., n_samples); NaN where nothing that a sample has a call for is expected to be heterozygous.

    References:
        Purcell S. et al. 2007. PLINK. American Journal of Human Genetics 81: 559-575, "Inbreeding coefficients".
        https://doi.org/10.1086/519795
    """
    n_samples, n_variants = calls.shape
    rates = np.nan_to_num(expected_heterozygosity(calls) if expected is None else expected)
    columns = rates.reshape(-1, n_variants).T
    totals = np.repeat(columns.sum(axis=0)[None, :], n_samples, axis=0)
    incomplete = np.flatnonzero(sample_counts(calls, MISSING))
    n_rows = max(1, _CALLS_PER_BLOCK // max(1, n_variants))
    for start in range(0, len(incomplete), n_rows):
        rows = incomplete[start : start + n_rows]
        block = calls[rows] if isinstance(calls, np.ndarray) else calls.rows(rows)
        totals[rows] -= csr_array(block == MISSING, dtype=np.float64) @ columns
    # What rounding leaves where all was taken away is none.
    totals[totals < _ROUNDING * n_variants] = 0
    totals = totals.T.reshape(*rates.shape[:-1], n_samples)
    return 1 - _quotient(np.broadcast_to(sample_counts(calls, 1).astype(np.float64), totals.shape), totals)


def heterozygosity_components(counts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Observed heterozygosity and that expected within the population, at each variant, both without bias.

    F of a population over some variants is 1 - sum(observed) / sum(expected), which is Weir and Cockerham's f (equations 3 and 4 for one
    population, c / (b + c) summed over variants) and Nei and Chesser's F_IS. The expectation n / (n - 1) [2 p (1 - p) - observed / 2n]
    holds in inbred populations too, where Nei's earlier 2n / (2n - 1) is a little low.

    Args:
        counts: Samples with 0, 1 and 2 ALT alleles, as `genotype_counts` gives, shape (..., 3, n_variants).

    Returns:
        Observed and expected, shape (..., n_variants) each; NaN in both where fewer than two samples have a call.

    References:
        Weir B.S., Cockerham C.C. 1984. Estimating F-statistics for the analysis of population structure. Evolution 38: 1358-1370.
        https://doi.org/10.1111/j.1558-5646.1984.tb05657.x ; Nei M., Chesser R.K. 1983. Estimation of fixation indices and gene
        diversities. Annals of Human Genetics 47: 253-259. https://doi.org/10.1111/j.1469-1809.1983.tb00993.x
    """
    n = counts.sum(axis=-2).astype(np.float64)
    n[n < 2] = np.nan
    observed = counts[..., 1, :] / n
    alt = (counts[..., 1, :] + 2 * counts[..., 2, :]) / (2 * n)
    return observed, n / (n - 1) * (2 * alt * (1 - alt) - observed / (2 * n))


def population_inbreeding(counts: NDArray[np.int64]) -> float:
    """F_IS of one population over all variants: 1 - sum of observed / sum of expected heterozygosity.

    Args:
        counts: Samples with 0, 1 and 2 ALT alleles, as `genotype_counts` gives, shape (3, n_variants).

    Returns:
        F_IS, at most 1, about 0 under random mating; NaN where nothing varies.

    References:
        As for `heterozygosity_components`.
    """
    observed, expected = (np.nansum(part) for part in heterozygosity_components(counts))
    return float(1 - observed / expected) if expected > 0 else float("nan")


def _quotient(numerator: Floats, denominator: Floats) -> Floats:
    quotient = np.full(denominator.shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient
