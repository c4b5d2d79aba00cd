"""Values of a trait from weighted sums: an intercept, covariates, and standardised calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genobench import Predictor
from genobench.builtin.linear.training import design_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Covariates, Genotypes
    from genobench.builtin.linear.call_span import CallScale

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ValuePredictor(Predictor):
    """An intercept and a weighted sum of covariates.

    Args:
        covariates: How samples become covariates.
        effects: Of the intercept and of each covariate, shape (1 + width,).
    """

    covariates: Covariates
    effects: Floats

    def predict(self, genotypes: Genotypes) -> Floats:
        """Values of the trait, shape (n_samples,)."""
        values: Floats = design_of(self.covariates.matrix(genotypes)) @ self.effects
        return values


@dataclass(frozen=True, eq=False)
class CallPredictor(ValuePredictor):
    """An intercept, a weighted sum of covariates, and one of standardised calls.

    Args:
        scale: How calls are standardised.
        weights: Of variants, shape (n_variants, 1).
    """

    scale: CallScale
    weights: NDArray[np.floating[Any]]

    def predict(self, genotypes: Genotypes) -> Floats:
        """Values of the trait, shape (n_samples,)."""
        return super().predict(genotypes) + self.scale.times(genotypes, self.weights)[:, 0]


def least_squares(design: Floats, values: Floats) -> Floats:
    """Effects of the columns of a design, shape (n_columns,), or (n_columns, n_traits) where values are several traits."""
    return np.linalg.lstsq(design, values)[0].astype(np.float64)
