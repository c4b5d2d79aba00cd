"""Prediction from what is known of samples beside their genotypes: what any use of genotypes must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genobench import Classifier
from genobench.builtin.linear.class_models import ClassPredictor, fit_multinomial
from genobench.builtin.linear.training import Known
from genobench.builtin.linear.value_predictors import ValuePredictor, least_squares

if TYPE_CHECKING:
    from genobench import FitContext, Genotypes, Predictor


@dataclass(frozen=True)
class CovariatesAlone(Classifier):
    """Covariates alone: least squares for values, multinomial logistic regression for classes.

    Calls are used for principal components only, where the context asks for these. Without any covariate it predicts the mean, or the
    same probability for all classes present in training: classes weigh the same however many samples they have. Where covariates
    separate classes perfectly, a weak prior keeps their effects finite (see `class_models`).

    References:
        Multinomial logistic regression: McCullagh P., Nelder J.A. 1989. Generalized Linear Models, 2nd edition, chapter 5.
        https://doi.org/10.1007/978-1-4899-3242-6
    """

    def fit(self, train: Genotypes, context: FitContext) -> Predictor:
        """Fit on the samples whose trait is known.

        Raises:
            DatasetError: If a covariate is absent, no sample has the trait, it is constant, or there are fewer than two classes.
        """
        known = Known.of(train, context)
        if context.trait.kind == "quantitative":
            return ValuePredictor(covariates=known.covariates, effects=least_squares(known.design, known.values()))
        no_axes = np.zeros((known.genotypes.n_samples, 0))
        model = fit_multinomial(no_axes, known.columns, known.classes, sample_weights=known.weights, inverse_penalty=1.0)
        return ClassPredictor(covariates=known.covariates, scale=None, weights=None, model=model, target=known.target)
