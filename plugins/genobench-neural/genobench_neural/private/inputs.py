"""What a private generator takes as public: the variant table, the number of samples, and their table of traits and covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from genobench import SamplerTables
from genobench.statgen import BlockLayout, GeneticPath

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Genotypes, Trait

_BLOCK_SIZE: Final = 64
"""Of the layout in which calls are packed; the models go variant by variant."""

_FLAT: Final = 1e-6
"""Eigenvalues below it are those of conditions that are constant, or follow from others."""


@dataclass(frozen=True, eq=False)
class PublicInputs:
    """Tables of the training samples, without a genotype.

    Args:
        layout: Where variants lie in a sampler.
        path: The variants along chromosomes.
        tables: Conditions as numbers, and the variant table.
        condition: Those of the training samples, float64, shape (n_samples, n_condition).
        whitening: Maps them to uncorrelated numbers of variance 1, shape (n_condition, n_white); constant ones are left out.
    """

    layout: BlockLayout
    path: GeneticPath
    tables: SamplerTables
    condition: NDArray[np.float64]
    whitening: NDArray[np.float64]

    @classmethod
    def of_training(cls, train: Genotypes, trait: Trait) -> Self:
        """Tables of training samples.

        Raises:
            GenobenchError: If there are fewer than 2 samples or no variant.
        """
        tables = SamplerTables.of_training(train, trait)
        layout = BlockLayout.of_variants(train.variants, block_size=_BLOCK_SIZE)
        condition = tables.encoder.encode(train.samples).astype(np.float64)
        values, vectors = np.linalg.eigh(condition.T @ condition / len(condition))
        is_varying = values > _FLAT
        return cls(
            layout=layout,
            path=GeneticPath.of_variants(train.variants),
            tables=tables,
            condition=condition,
            whitening=vectors[:, is_varying] / np.sqrt(values[is_varying]),
        )

    @property
    def place(self) -> NDArray[np.int64]:
        """Flat place in the layout of each variant along the chain, shape (n_variants,)."""
        return np.flatnonzero(self.layout.is_variant)

    @property
    def white_condition(self) -> NDArray[np.float32]:
        """Whitened conditions, shape (n_samples, n_white)."""
        return (self.condition @ self.whitening).astype(np.float32)
