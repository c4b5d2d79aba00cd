"""Ridge regression on calls, which is GBLUP: the best linear unbiased prediction of genetic values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from scipy.optimize import minimize_scalar

from genobench import Classifier, check_below, check_share
from genobench.builtin.linear.call_span import CallSpan
from genobench.builtin.linear.training import Known, values_to_learn
from genobench.builtin.linear.value_predictors import CallPredictor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes, Trial

    Floats = NDArray[np.float64]

_MOST: Final = 1 - 1e-6
"""With a share of 1, what calls do not span would have no variance."""

_SHARES: Final = 20
"""Equal steps in which the likelihood is looked up before its maximum is searched for between two of them: it may have two maxima."""


@dataclass(frozen=True, eq=False)
class RidgePredictor(CallPredictor):
    """A weighted sum of standardised calls beside one of covariates; see `CallPredictor`.

    Args:
        heritability: The share of variance that the calls were given.
    """

    heritability: float


@dataclass(frozen=True)
class RidgeRegression(Classifier):
    """Ridge regression on standardised calls, with covariates that are not penalised: GBLUP by the trait's variance components.

    With calls scaled as in `CallScale`, the penalty (1 - h2) / h2 makes ridge regression the same as GBLUP with heritability h2, which is
    found by restricted maximum likelihood. Both are exact, in as many dimensions as there are samples or variants, whichever are fewer.
    Where no variant varies, covariates alone are used.

    Args:
        heritability: h2; None for the one with the highest restricted likelihood.

    References:
        Habier D. et al. 2007. Genetics 177: 2389-2397. https://doi.org/10.1534/genetics.107.081190 ; VanRaden P.M. 2008. Journal of Dairy
        Science 91: 4414-4423. https://doi.org/10.3168/jds.2007-0980 ; the likelihood in eigenvectors: Kang H.M. et al. 2008. Genetics
        178: 1709-1723. https://doi.org/10.1534/genetics.107.080101
    """

    heritability: float | None = None

    trait_kinds = frozenset({"quantitative"})

    def __post_init__(self) -> None:
        check_share(self, ["heritability"])
        check_below(self, {"heritability": 1})

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """The heritability."""
        return cls(heritability=trial.suggest_float("heritability", 0.01, 0.99))

    def fit(self, train: Genotypes, context: FitContext) -> RidgePredictor:
        """Fit on the samples whose trait is known.

        Raises:
            DatasetError: If a covariate is absent, values are too few or constant, or there are neither covariates nor variants that vary.
        """
        known = Known.of(train, context)
        values = values_to_learn(known, context.trait)
        span = CallSpan.fit(known.genotypes, is_needed=not known.covariates.width)
        rotated = _Rotated.of(span, known.design, values)
        heritability = rotated.likeliest_share() if self.heritability is None else self.heritability
        effects = rotated.fixed_effects(heritability)
        residual = rotated.within @ np.append(-effects, 1.0)
        shrunk = heritability * span.roots * residual / rotated.variances(heritability)
        return RidgePredictor(
            scale=span.scale,
            weights=span.variant_weights(shrunk[:, None]),
            covariates=known.covariates,
            effects=effects,
            heritability=heritability,
        )


@dataclass(frozen=True, eq=False)
class _Rotated:
    """Fixed effects and values, side by side, in the span of the calls and beside it.

    The variance of values is proportional to h2 K + (1 - h2) I, where K has the squared roots of the span for eigenvalues, 1 on average.

    Args:
        squares: Eigenvalues of K in the span, shape (n_axes,).
        within: On the axes of the span, shape (n_axes, n_fixed + 1).
        beside: Products of what is beside it, shape (n_fixed + 1, n_fixed + 1).
        n_samples: Number of samples.
    """

    squares: Floats
    within: Floats
    beside: Floats
    n_samples: int

    @classmethod
    def of(cls, span: CallSpan, design: Floats, values: Floats) -> Self:
        table = np.column_stack([design, values])
        within = span.vectors.T @ table
        rest = table - span.vectors @ within
        return cls(squares=span.roots**2, within=within, beside=rest.T @ rest, n_samples=len(values))

    def variances(self, share: float) -> Floats:
        """Of what is on each axis, shape (n_axes,)."""
        return share * self.squares + 1 - share

    def fixed_effects(self, share: float) -> Floats:
        """By generalised least squares, shape (n_fixed,)."""
        products = self._products(share)
        return np.linalg.solve(products[:-1, :-1], products[:-1, -1]).astype(np.float64)

    def likeliest_share(self) -> float:
        """The h2 with the highest restricted likelihood, in [0, 1)."""
        if not len(self.squares):
            return 0.0
        tried = np.linspace(0, _MOST, _SHARES + 1)
        best = int(np.argmin([self._surprise(share) for share in tried]))
        bounds = float(tried[max(0, best - 1)]), float(tried[min(_SHARES, best + 1)])
        found = minimize_scalar(self._surprise, bounds=bounds, method="bounded", options={"xatol": 1e-6})
        # The search never tries its bounds themselves.
        return min((float(tried[best]), float(found.x)), key=self._surprise)

    def _products(self, share: float) -> Floats:
        return (self.within.T / self.variances(share)) @ self.within + self.beside / (1 - share)

    def _surprise(self, share: float) -> float:
        """Minus twice the restricted log likelihood, at the residual variance that makes it highest, less what does not change."""
        products = self._products(share)
        effects = np.linalg.solve(products[:-1, :-1], products[:-1, -1])
        residual = products[-1, -1] - products[:-1, -1] @ effects
        n_left = self.n_samples - len(effects)
        n_beside = self.n_samples - len(self.squares)
        return float(
            n_left * np.log(max(residual, np.finfo(float).tiny))
            + np.log(self.variances(share)).sum()
            + n_beside * np.log(1 - share)
            + np.linalg.slogdet(products[:-1, :-1])[1]
        )
