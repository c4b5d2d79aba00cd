"""Ridge regression on calls, which is GBLUP: the best linear unbiased prediction of genetic values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genobench import Classifier, DatasetError, Predictor
from genobench.builtin.linear.training import Known
from genobench.builtin.linear.value_predictors import ValuePredictor, least_squares
from genobench.statgen import alt_frequency, fit_gblup

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Covariates, FitContext, Genotypes
    from genobench.statgen import Gblup

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RidgePredictor(Predictor):
    """A weighted sum of all calls and one of covariates.

    Args:
        covariates: How samples become covariates.
        model: The weights, and the variances that they come from.
    """

    covariates: Covariates
    model: Gblup

    def predict(self, genotypes: Genotypes) -> Floats:
        """Values of the trait, shape (n_samples,)."""
        return self.model.predict(genotypes.calls, self.covariates.matrix(genotypes))


@dataclass(frozen=True)
class RidgeRegression(Classifier):
    """GBLUP: ridge regression on calls, with covariates that are not penalised and a penalty by the trait's variance components.

    Variances come from restricted maximum likelihood, so that there is nothing to set. The solution is exact, in as many dimensions as
    there are samples or variants, whichever are fewer; a missing call stands at its mean. Where no variant varies, covariates alone
    are used.

    References:
        VanRaden P.M. 2008. Journal of Dairy Science 91: 4414-4423. https://doi.org/10.3168/jds.2007-0980 ; that GBLUP and ridge regression
        are one: Habier D. et al. 2007. Genetics 177: 2389-2397. https://doi.org/10.1534/genetics.107.081190
    """

    trait_kinds = frozenset({"quantitative"})

    def fit(self, train: Genotypes, context: FitContext) -> Predictor:
        """Fit on the samples whose trait is known.

        Raises:
            DatasetError: If a covariate is absent, values are too few, constant, or follow from the covariates, or there are neither
                covariates nor variants that vary.
        """
        known = Known.of(train, context)
        values = known.values()
        frequency = np.nan_to_num(alt_frequency(known.genotypes.calls))
        if not ((frequency > 0) & (frequency < 1)).any():
            if not known.covariates.width:
                raise DatasetError(
                    f"None of the {train.n_variants} variants varies among the {len(values)} training samples, and there are no covariates."
                )
            return ValuePredictor(covariates=known.covariates, effects=least_squares(known.design, values))
        return RidgePredictor(covariates=known.covariates, model=fit_gblup(known.genotypes.calls, values, known.columns))
