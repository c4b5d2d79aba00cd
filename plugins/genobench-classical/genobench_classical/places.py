"""Where variants lie on the genetic map, and how far apart neighbours are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.statgen import BlockLayout

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_BP_PER_MORGAN: Final = 1e8
"""1 cM a Mb, the usual round figure for mammals; rats have about half of it, mice likewise, cattle 1.2."""


@dataclass(frozen=True, eq=False)
class GeneticPlaces:
    """The variants in the order in which a haplotype passes them.

    Args:
        order: Columns of the genotypes in that order, chromosome by chromosome, shape (n_variants,).
        morgans: Distance of each from the one before it; infinite at the beginning of a chromosome, shape (n_variants,).
    """

    order: NDArray[np.int64]
    morgans: NDArray[np.float64]

    @classmethod
    def of_variants(cls, variants: pd.DataFrame) -> GeneticPlaces:
        """From a variant table.

        Distances are those of `position_cm` where a chromosome has it throughout and it varies, else those of `position_bp` at 1 cM
        a Mb, else the chromosome is taken to be one morgan of equally spaced variants.
        """
        layout = BlockLayout.of_variants(variants, block_size=1 << 20)
        orders, morgans = [], []
        for row, is_here in zip(layout.variant_at, layout.is_variant, strict=True):
            columns = row[is_here]
            orders.append(columns)
            morgans.append(np.concatenate([[np.inf], _steps(variants.iloc[columns])]))
        return cls(order=np.concatenate(orders), morgans=np.concatenate(morgans))

    def change_probability(self, rate: float) -> NDArray[np.float64]:
        """P(a Poisson process of `rate` events a morgan has one before this variant), 1 where a chromosome begins, shape (n_variants,)."""
        change: NDArray[np.float64] = 1 - np.exp(-rate * self.morgans) if rate > 0 else np.isinf(self.morgans).astype(np.float64)
        return change

    def recombination(self) -> NDArray[np.float64]:
        """Haldane's recombination fraction with the variant before, 1/2 where a chromosome begins, shape (n_variants,)."""
        return (1 - np.exp(-2 * self.morgans)) / 2


def _steps(variants: pd.DataFrame) -> NDArray[np.float64]:
    """Morgans between neighbours of one chromosome, shape (n_variants - 1,)."""
    for column, scale in (("position_cm", 100.0), ("position_bp", _BP_PER_MORGAN)):
        if column in variants.columns and variants[column].notna().all():
            places = variants[column].to_numpy(dtype=np.float64) / scale
            if len(places) > 1 and places.min() < places.max():
                return np.maximum(np.diff(places), 0.0)
    return np.full(max(0, len(variants) - 1), 1 / max(1, len(variants) - 1))
