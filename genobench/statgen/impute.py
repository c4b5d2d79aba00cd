"""The stated default for missing calls: the most frequent genotype of the variant in the training samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from genobench.calls import MISSING
from genobench.errors import GenotypesError
from genobench.statgen.frequency import genotype_counts

if TYPE_CHECKING:
    from genobench.calls import Calls


@dataclass(frozen=True, eq=False)
class Imputer:
    """Fills a missing call with the most frequent genotype that the training samples have at that variant.

    The most frequent genotype keeps calls whole (0, 1 or 2), which distances, one-hot networks and file formats need, needs no
    reference panel, and draws nothing at random. At the shares of missing calls that chips have (below 1 %) cleverer imputation changes no
    score by as much as its noise.

    Args:
        fill: The call that stands in, int8, shape (n_variants,), in 0, 1 or 2.
    """

    fill: Calls

    @classmethod
    def fit(cls, train: Calls) -> Self:
        """Learn what stands in.

        Args:
            train: Training calls, shape (n_samples, n_variants). Among genotypes that are equally frequent the one with fewer ALT alleles
                is taken, and 0 where no sample has a call.
        """
        return cls(fill=np.argmax(genotype_counts(train), axis=0).astype(np.int8))

    def complete(self, calls: Calls) -> Calls:
        """The calls with nothing missing.

        Args:
            calls: Calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING; not changed.

        Returns:
            Calls in 0, 1 or 2, same shape; `calls` itself where none was missing.

        Raises:
            GenotypesError: If `calls` have another number of variants than the training calls had.
        """
        if calls.shape[1] != len(self.fill):
            raise GenotypesError(f"calls have {calls.shape[1]} variants but the imputer was fitted on {len(self.fill)}.")
        is_missing = calls == MISSING
        if not is_missing.any():
            return calls
        return np.where(is_missing, self.fill, calls).astype(np.int8, copy=False)
