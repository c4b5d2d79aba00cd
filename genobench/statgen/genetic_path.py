"""Where variants lie on the genetic map, and how far apart neighbours are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.statgen.layout import BlockLayout, chromosome_numbers

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

BP_PER_MORGAN: Final = 1e8
"""1 cM a Mb, a round figure between that of humans and, about half of it, those of rats and mice (Jensen-Seaman et al. 2004,
doi:10.1101/gr.1970304); used where no genetic map is known."""


@dataclass(frozen=True, eq=False)
class GeneticPath:
    """The variants in the order in which a haplotype passes them, chromosome by chromosome.

    Args:
        order: Columns of the genotypes in that order, shape (n_variants,).
        morgans: Distance of each from the one before it; infinite at the beginning of a chromosome, shape (n_variants,).
    """

    order: NDArray[np.int64]
    morgans: NDArray[np.float64]

    @classmethod
    def of_variants(cls, variants: pd.DataFrame) -> GeneticPath:
        """From a variant table of `Genotypes`.

        Variants of a chromosome are ordered as `BlockLayout` orders them. Distances are those of `position_cm` where a chromosome has
        it throughout and it varies (zero throughout says that it is not known), else those of `position_bp` at `BP_PER_MORGAN`, else
        the chromosome is taken to be one morgan of equally spaced variants.
        """
        layout = BlockLayout.of_variants(variants, block_size=max(1, len(variants)))
        chromosomes = [row[is_here] for row, is_here in zip(layout.variant_at, layout.is_variant, strict=True)]
        morgans = [np.concatenate([[np.inf], _steps(variants.iloc[columns])]) for columns in chromosomes]
        return cls(order=np.concatenate(chromosomes), morgans=np.concatenate(morgans))

    @cached_property
    def is_first(self) -> NDArray[np.bool_]:
        """Where a chromosome begins, shape (n_variants,)."""
        return np.isinf(self.morgans)

    @cached_property
    def is_followed(self) -> NDArray[np.bool_]:
        """Whether the next variant lies on the same chromosome, shape (n_variants,)."""
        return np.append(~self.is_first[1:], False)

    @cached_property
    def chromosome_numbers(self) -> NDArray[np.int64]:
        """The number of the chromosome of each variant, from 0 along the path, shape (n_variants,)."""
        return chromosome_numbers(self.is_followed)

    @cached_property
    def n_before(self) -> NDArray[np.int64]:
        """How many variants of its chromosome lie before each, shape (n_variants,)."""
        places = np.arange(len(self.order), dtype=np.int64)
        n_before: NDArray[np.int64] = places - places[self.is_first][self.chromosome_numbers]
        return n_before

    @cached_property
    def morgans_along(self) -> NDArray[np.float64]:
        """Distance of each variant from the first of its chromosome, shape (n_variants,)."""
        total = np.cumsum(np.where(self.is_first, 0.0, self.morgans))
        along: NDArray[np.float64] = total - total[self.is_first][self.chromosome_numbers]
        return along

    def change_probability(self, rate: float) -> NDArray[np.float64]:
        """P(a Poisson process of `rate` events a morgan has one before this variant), 1 where a chromosome begins, shape (n_variants,)."""
        change: NDArray[np.float64] = -np.expm1(-rate * self.morgans) if rate > 0 else self.is_first.astype(np.float64)
        return change

    def recombination(self) -> NDArray[np.float64]:
        """Recombination fraction with the variant before, 1/2 where a chromosome begins, shape (n_variants,).

        References:
            Haldane J.B.S. 1919. The combination of linkage values, and the calculation of distances between the loci of linked factors.
            Journal of Genetics 8: 299-309.
        """
        return -np.expm1(-2 * self.morgans) / 2


def _steps(variants: pd.DataFrame) -> NDArray[np.float64]:
    """Morgans between neighbours of one chromosome, shape (n_variants - 1,)."""
    for column, scale in (("position_cm", 100.0), ("position_bp", BP_PER_MORGAN)):
        if column in variants.columns and variants[column].notna().all():
            places = variants[column].to_numpy(dtype=np.float64) / scale
            if places.min() < places.max():
                return np.maximum(np.diff(places), 0.0)
    return np.full(len(variants) - 1, 1 / max(1, len(variants) - 1))
