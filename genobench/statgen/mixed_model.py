"""The linear mixed model y = W a + g + e with relationships between samples: variance components, fixed effects and genetic values.

One eigendecomposition of the relationships serves every trait, every covariate and every test of a variant (`mixed_association`): in
their eigenvectors values are independent, and the likelihood of a ratio of variances is a sum over samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np
from scipy.linalg import cho_solve, eigh, solve_triangular
from scipy.optimize import minimize_scalar

from genobench.errors import GenotypesError
from genobench.statgen.fixed_effects import effects_from_basis, trait_beside

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

LOG_RATIO_BOUND: Final = float(np.log(1e5))
"""Logarithm of the largest genetic over residual variance that is looked for, and of the inverse of the smallest: those of GEMMA."""

_GRID: Final = 60
"""Steps in which a likelihood is looked up before its maximum is searched for between two of them: it may have two maxima."""

_TOLERANCE: Final = 1e-8
_ROUNDING: Final = 1e-9
"""Of the largest relationship; what is less after centring is no difference between samples."""


@dataclass(frozen=True, eq=False)
class RelationshipSpectrum:
    """Relationships in their eigenvectors, made by `decompose`.

    Args:
        roots: Eigenvalues of the centred relationships over `scale`, at least 0, ascending, shape (n_samples,); their mean is 1.
        vectors: Eigenvectors, one a column, shape (n_samples, n_samples).
        scale: Mean diagonal of the centred relationships; 0 where all are alike, and then all roots are 0.
    """

    roots: Floats
    vectors: Floats
    scale: float

    @classmethod
    def decompose(cls, relationship: ArrayLike) -> Self:
        """Centre relationships and find their eigenvectors.

        Centring changes no restricted likelihood, since the mean is a fixed effect; it sets what a share of variance means, as in GEMMA.

        Args:
            relationship: Shape (n_samples, n_samples), symmetric and positive semidefinite.

        Raises:
            GenotypesError: If it is not square.
        """
        centred = np.array(relationship, dtype=np.float64)
        if centred.ndim != 2 or len(centred) != centred.shape[1]:
            raise GenotypesError(f"relationships have shape {centred.shape}; they must be square, samples x samples.")
        rounding = _ROUNDING * float(np.abs(centred).max(initial=0))
        centred -= centred.mean(axis=0)
        centred -= centred.mean(axis=1, keepdims=True)
        scale = float(np.trace(centred)) / max(1, len(centred))
        if not scale > rounding:
            return cls(roots=np.zeros(len(centred)), vectors=np.eye(len(centred)), scale=0.0)
        centred /= scale
        roots, vectors = eigh(centred, driver="evd", overwrite_a=True, check_finite=False)
        return cls(roots=np.maximum(roots, 0), vectors=vectors, scale=scale)


class Likelihoods(NamedTuple):
    """What a ratio of genetic to residual variance makes of the values: see `RotatedTrait.at`."""

    restricted: float
    full: float
    inverse: Floats
    fixed_factor: Floats
    effects: Floats
    projected: Floats
    quadratic: float
    log_determinant: float
    fixed_log_determinant: float


@dataclass(frozen=True, eq=False)
class RotatedTrait:
    """A trait and its fixed effects in the eigenvectors of relationships; made by `rotate`.

    Args:
        spectrum: The relationships.
        fixed: Orthonormal columns that span the mean and the covariates, shape (n_samples, n_fixed).
        rotated_fixed: The same in eigenvectors.
        values: The trait beside its fixed effects, in eigenvectors, shape (n_samples,).
    """

    spectrum: RelationshipSpectrum
    fixed: Floats
    rotated_fixed: Floats
    values: Floats

    @classmethod
    def rotate(cls, spectrum: RelationshipSpectrum, values: ArrayLike, covariates: ArrayLike | None) -> Self:
        """Check a trait and its covariates, and bring them into eigenvectors.

        Raises:
            GenotypesError: If shapes differ, or a value or covariate is missing.
            DatasetError: If samples are too few, or the trait does not vary beside its covariates.
        """
        _, basis, residual = trait_beside(values, covariates, n_samples=len(spectrum.roots))
        vectors = spectrum.vectors
        return cls(spectrum=spectrum, fixed=basis, rotated_fixed=vectors.T @ basis, values=vectors.T @ residual)

    @property
    def degrees(self) -> int:
        """Samples less fixed effects."""
        return int(len(self.values) - self.fixed.shape[1])

    def at(self, log_ratio: float) -> Likelihoods:
        """Likelihoods and what they come from, where genetic over residual variance is exp(log_ratio).

        With V = ratio x roots + 1, `inverse` is 1 / V, `fixed_factor` the lower Cholesky factor of W' V^-1 W, `effects` the generalised
        least squares solution, `projected` P y, and `quadratic` y' P y.
        """
        variances = 1 + np.exp(log_ratio) * self.spectrum.roots
        inverse = 1 / variances
        weighted = self.rotated_fixed * inverse[:, None]
        factor = np.linalg.cholesky(self.rotated_fixed.T @ weighted)
        effects = cho_solve((factor, True), weighted.T @ self.values)
        projected = inverse * (self.values - self.rotated_fixed @ effects)
        quadratic = float(self.values @ projected)
        log_determinant, fixed_log_determinant = float(np.log(variances).sum()), 2 * float(np.log(np.diag(factor)).sum())
        n, degrees = len(variances), self.degrees
        return Likelihoods(
            restricted=likelihood_constant(degrees) - (log_determinant + fixed_log_determinant + degrees * np.log(quadratic)) / 2,
            full=likelihood_constant(n) - (log_determinant + n * np.log(quadratic)) / 2,
            inverse=inverse,
            fixed_factor=factor,
            effects=effects,
            projected=projected,
            quadratic=quadratic,
            log_determinant=log_determinant,
            fixed_log_determinant=fixed_log_determinant,
        )

    def likeliest(self) -> tuple[float, float]:
        """Log ratios with the highest restricted and the highest full likelihood, within `LOG_RATIO_BOUND` of 0."""
        tried = np.linspace(-LOG_RATIO_BOUND, LOG_RATIO_BOUND, _GRID + 1)
        found = [self.at(log_ratio) for log_ratio in tried]
        return (
            _refined(lambda log_ratio: self.at(log_ratio).restricted, tried, [each.restricted for each in found]),
            _refined(lambda log_ratio: self.at(log_ratio).full, tried, [each.full for each in found]),
        )


@dataclass(frozen=True, eq=False)
class MixedModel:
    """Variance components and effects of one trait; made by `fit`.

    Standard errors come from the observed information of the restricted likelihood. Where that has no maximum inside its bounds (a
    heritability next to 0 or 1) they may be NaN.

    Args:
        heritability: Share of variance of genetic values, ratio / (1 + ratio) with the relationships scaled to a mean diagonal of 1.
        heritability_error: Its standard error.
        genetic_variance: Variance that goes with the relationships as they were given.
        genetic_variance_error: Its standard error.
        residual_variance: Variance of what is left.
        residual_variance_error: Its standard error.
        effects: Of the mean (the first) and of each covariate, shape (1 + n_covariates,).
        effect_errors: Their standard errors, same shape. As relationships are centred, the mean is that of these samples, genetic values
            included, and so is its error (as in GEMMA).
        genetic_values: Best linear unbiased predictions of the samples' own g, shape (n_samples,); their mean is 0.
        restricted_log_likelihood: At its maximum, with log |W'W| / 2 added, so that it hangs on no scale of covariates.
        log_likelihood: The highest full likelihood; its ratio of variances is another.
        log_ratio: Logarithm of genetic over residual variance, of the scaled relationships, by restricted likelihood.
        full_log_ratio: Likewise by full likelihood.
    """

    heritability: float
    heritability_error: float
    genetic_variance: float
    genetic_variance_error: float
    residual_variance: float
    residual_variance_error: float
    effects: Floats
    effect_errors: Floats
    genetic_values: Floats
    restricted_log_likelihood: float
    log_likelihood: float
    log_ratio: float
    full_log_ratio: float

    @classmethod
    def fit(cls, relationship: RelationshipSpectrum | ArrayLike, values: ArrayLike, covariates: ArrayLike | None = None) -> Self:
        """Estimate variances by restricted maximum likelihood.

        Args:
            relationship: Shape (n_samples, n_samples), symmetric and positive semidefinite; or its spectrum, which further traits can use.
            values: The trait, shape (n_samples,), none missing.
            covariates: Fixed effects beside the mean, shape (n_samples, n_covariates), which may follow from one another; none by default.

        Raises:
            GenotypesError: If shapes differ, or a value or covariate is missing.
            DatasetError: If samples are too few, or the trait does not vary beside its covariates.

        References:
            Patterson and Thompson 1971, doi:10.1093/biomet/58.3.545; in eigenvectors Kang et al. 2008, doi:10.1534/genetics.107.080101;
            likelihoods, scale of `heritability` and its error as in GEMMA: Zhou and Stephens 2012, doi:10.1038/ng.2310, supplement.
            Predictions of g: Henderson 1975, doi:10.2307/2529430.
        """
        spectrum = relationship if isinstance(relationship, RelationshipSpectrum) else RelationshipSpectrum.decompose(relationship)
        trait = RotatedTrait.rotate(spectrum, values, covariates)
        log_ratio, full_log_ratio = trait.likeliest()
        if not spectrum.scale:
            log_ratio = full_log_ratio = -np.inf
        best, ratio = trait.at(log_ratio), float(np.exp(log_ratio))
        residual_variance = best.quadratic / trait.degrees
        errors = _errors(trait, best, ratio)
        given = ratio / spectrum.scale if spectrum.scale else 0.0
        # The effects of orthonormal columns, and of the mean and covariates that span the same.
        y = np.asarray(values, dtype=np.float64)
        back = effects_from_basis(trait.fixed, covariates)
        spread = solve_triangular(best.fixed_factor, back.T, lower=True)
        return cls(
            heritability=ratio / (1 + ratio),
            heritability_error=errors.ratio / (1 + ratio) ** 2,
            genetic_variance=given * residual_variance,
            genetic_variance_error=errors.genetic / spectrum.scale if spectrum.scale else 0.0,
            residual_variance=residual_variance,
            residual_variance_error=errors.residual,
            effects=back @ (trait.fixed.T @ y + best.effects),
            effect_errors=np.sqrt(residual_variance * (spread**2).sum(axis=0)),
            genetic_values=spectrum.vectors @ (ratio * spectrum.roots * best.projected),
            restricted_log_likelihood=best.restricted,
            log_likelihood=trait.at(full_log_ratio).full,
            log_ratio=log_ratio,
            full_log_ratio=full_log_ratio,
        )


class _Errors(NamedTuple):
    """Standard errors of the ratio of variances, of ratio x residual variance, and of the residual variance; NaN without a maximum."""

    ratio: float
    genetic: float
    residual: float


def _errors(trait: RotatedTrait, best: Likelihoods, ratio: float) -> _Errors:
    """From the observed information of the restricted likelihood, in the ratio and the residual variance s.

    With V = ratio x D + 1 and P = V^-1 - V^-1 W (W'V^-1 W)^-1 W'V^-1 it is -(df log s + y'Py / s + log |V| + log |W'V^-1 W|) / 2, whose
    second derivatives take y'PDPy, y'PDPDPy and tr(PDPD).
    """
    roots, degrees, residual = trait.spectrum.roots, trait.degrees, best.quadratic / trait.degrees
    fixed = solve_triangular(best.fixed_factor, (trait.rotated_fixed * best.inverse[:, None]).T, lower=True)
    weighted = roots * best.projected
    # P is the diagonal 1 / V less fixed' fixed.
    trace = float(((best.inverse * roots) ** 2).sum() - 2 * (fixed**2 @ (best.inverse * roots**2)).sum())
    trace += float((((fixed * roots) @ fixed.T) ** 2).sum())
    of_ratio = float(weighted @ (best.inverse * weighted - fixed.T @ (fixed @ weighted))) / residual - trace / 2
    across = float(best.projected @ weighted) / (2 * residual**2)
    information = np.array([[of_ratio, across], [across, degrees / (2 * residual**2)]])
    if not (of_ratio > 0 and np.linalg.det(information) > 0):
        return _Errors(np.nan, np.nan, np.nan)
    covariance, of_genetic = np.linalg.inv(information), np.array([residual, ratio])
    variances = [covariance[0, 0], of_genetic @ covariance @ of_genetic, covariance[1, 1]]
    return _Errors(*(float(np.sqrt(variance)) for variance in variances))


def likelihood_constant(n: int) -> float:
    """What a normal log-likelihood of n values holds beside their determinant and sum of squares, at its best residual variance."""
    return float(n * (np.log(n) - np.log(2 * np.pi) - 1) / 2)


def _refined(likelihood: Callable[[float], float], tried: Floats, found: list[float]) -> float:
    """The likeliest of those tried, or better between its neighbours."""
    best = int(np.argmax(found))
    bounds = float(tried[max(0, best - 1)]), float(tried[min(len(tried) - 1, best + 1)])
    inner = minimize_scalar(lambda log_ratio: -likelihood(log_ratio), bounds=bounds, method="bounded", options={"xatol": _TOLERANCE})
    return float(inner.x) if -inner.fun > found[best] else float(tried[best])
