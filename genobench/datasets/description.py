"""What genotypes look like, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from genobench.genotypes import Genotypes

_VARIANTS_PER_BLOCK: Final = 4096


@dataclass(frozen=True)
class Description:
    """Facts of a set of genotypes.

    Args:
        n_samples: Number of samples.
        n_variants: Number of variants.
        missing_share: Share of calls that are missing.
        mean_heterozygosity: Observed, mean over variants with a call.
        minor_allele_frequency_quartiles: Quartiles over variants with a call: 25, 50 and 75 %.
        n_constant_variants: Variants with one genotype only.
        is_phased: Whether haplotypes are known.
        variants_by_chromosome: Number of variants by chromosome, in order.
        sample_columns: Columns of the sample table.
        variant_columns: Columns of the variant table.
    """

    n_samples: int
    n_variants: int
    missing_share: float
    mean_heterozygosity: float
    minor_allele_frequency_quartiles: tuple[float, float, float]
    n_constant_variants: int
    is_phased: bool
    variants_by_chromosome: dict[str, int]
    sample_columns: tuple[str, ...]
    variant_columns: tuple[str, ...]


def describe(genotypes: Genotypes) -> Description:
    """Facts of genotypes, computed block by block."""
    counts = _counts(genotypes)
    n_called = counts.sum(axis=0)
    called = counts[:, n_called > 0] / n_called[n_called > 0]
    alt_frequency = called[1] / 2 + called[2]
    quartiles = np.quantile(np.minimum(alt_frequency, 1 - alt_frequency), (0.25, 0.5, 0.75)) if called.shape[1] else np.zeros(3)
    by_chromosome = genotypes.variants["chromosome"].value_counts(sort=False)
    return Description(
        n_samples=genotypes.n_samples,
        n_variants=genotypes.n_variants,
        missing_share=float(1 - n_called.sum() / max(1, genotypes.n_samples * genotypes.n_variants)),
        mean_heterozygosity=float(called[1].mean()) if called.shape[1] else 0.0,
        minor_allele_frequency_quartiles=(float(quartiles[0]), float(quartiles[1]), float(quartiles[2])),
        n_constant_variants=int((np.count_nonzero(counts, axis=0) < 2).sum()),
        is_phased=genotypes.phase is not None,
        variants_by_chromosome={str(name): int(count) for name, count in by_chromosome.items()},
        sample_columns=tuple(map(str, genotypes.samples.columns)),
        variant_columns=tuple(map(str, genotypes.variants.columns)),
    )


def count_constant_variants(genotypes: Genotypes) -> int:
    """Variants at which every call is the same, or missing."""
    return int((np.count_nonzero(_counts(genotypes), axis=0) < 2).sum())


def _counts(genotypes: Genotypes) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    from genobench.statgen.frequency import genotype_counts  # Heavy, and no dataset is found or opened by it.

    blocks = [
        genotype_counts(genotypes.calls.columns(slice(start, start + _VARIANTS_PER_BLOCK)))
        for start in range(0, genotypes.n_variants, _VARIANTS_PER_BLOCK)
    ]
    counts: np.ndarray[tuple[int, int], np.dtype[np.int64]] = np.concatenate(blocks, axis=1)
    return counts
