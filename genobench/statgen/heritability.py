"""Heritability: how much of a trait's variance relationships explain, by regression over pairs and by restricted maximum likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import minimize_scalar

from genobench.errors import GenotypesError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_SHARES: Final = 20
"""Equal steps in which the likelihood is looked up before its maximum is searched for between two of them: it may have two maxima."""

_TOLERANCE: Final = 1e-6
"""Of a share; the standard error of an estimate is above .01 for any number of samples whose relationships fit in memory."""

_ROUNDING: Final = 1e-9
"""Of the largest relationship; what is less after centring is no difference between samples."""

_LEAST_SPREAD: Final = 1e-5
"""Of the largest singular value of covariates; what is less is rounding of numbers of four bytes, and follows from other covariates."""

_MOST: Final = 1 - 1e-6
"""With a share of 1 a combination of samples that are one sample twice would have no variance."""


def haseman_elston(relationship: ArrayLike, values: ArrayLike) -> float:
    """Heritability by the regression of products of two samples' standardised values on their relationship.

    Args:
        relationship: Shape (n_samples, n_samples).
        values: The trait, shape (n_samples,).

    Returns:
        The slope over all pairs of different samples; it may lie outside [0, 1], and is 0 where relationships or values are all alike.

    Raises:
        GenotypesError: If there is not one value for each sample of the relationships.

    References:
        Haseman and Elston 1972, doi:10.1007/BF01066731; with products for squared differences Elston et al. 2000,
        doi:10.1002/1098-2272(200007)19:1<1::AID-GEPI1>3.0.CO;2-E.
    """
    relationships, y = np.asarray(relationship), np.asarray(values, dtype=np.float64)
    _check_shapes(relationships, y, n_dimensions=1)
    spread = y.std()
    if not spread > 0:
        return 0.0
    standardised = (y - y.mean()) / spread
    first, second = np.triu_indices(len(y), k=1)
    x = relationships[first, second].astype(np.float64)
    x -= x.mean()
    total = float(x @ x)
    return float(x @ (standardised[first] * standardised[second])) / total if total > 0 else 0.0


def reml_heritability(relationship: ArrayLike, values: ArrayLike, covariates: ArrayLike | None = None) -> Floats:
    """Heritability by restricted maximum likelihood, with the mean and covariates as fixed effects.

    The variance of a trait's values is a multiple of h² K + (1 - h²) I, where K is the relationship after centring, scaled to a mean
    diagonal of 1. In the eigenvectors of K beside the fixed effects values are independent, so that each h² takes one sum; the fixed
    effects' own are left out.

    Args:
        relationship: Shape (n_samples, n_samples), symmetric and positive semidefinite.
        values: Traits, shape (n_samples, n_traits); one decomposition serves all of them.
        covariates: Shape (n_samples, n_covariates), which may follow from one another; none by default.

    Returns:
        h² of each trait, in [0, 1), shape (n_traits,): 0 for a trait that does not vary beside the covariates, or where relationships
        are all alike.

    Raises:
        GenotypesError: If there is not one row of values, and of covariates, for each sample of the relationships.

    References:
        Patterson and Thompson 1971, doi:10.1093/biomet/58.3.545; in eigenvectors of the relationship matrix Kang et al. 2008,
        doi:10.1534/genetics.107.080101. The scale of h² is that of `pve` in GEMMA: Zhou and Stephens 2012, doi:10.1038/ng.2310.
    """
    centred, y = np.array(relationship, dtype=np.float64), np.asarray(values, dtype=np.float64)
    _check_shapes(centred, y, n_dimensions=2)
    rounding = _ROUNDING * float(np.abs(centred).max(initial=0))
    centred -= centred.mean(axis=0)
    centred -= centred.mean(axis=1, keepdims=True)
    scale = float(np.trace(centred)) / len(y)
    if not scale > rounding:
        return np.zeros(y.shape[1])
    fixed = _span(np.zeros((len(y), 0)) if covariates is None else np.asarray(covariates, dtype=np.float64), n_samples=len(y))
    n_left = len(y) - 1 - fixed.shape[1]
    beside = centred / scale
    beside -= fixed @ (fixed.T @ beside)
    beside -= (beside @ fixed) @ fixed.T
    # The eigenvalues of the mean and of covariates are 0, as others may be; lifted above the sum of all, they are the last.
    roots, vectors = np.linalg.eigh(beside + 2.0 + 2 * len(y) * fixed @ fixed.T)
    deviations = y - y.mean(axis=0)
    squares = (vectors[:, :n_left].T @ deviations) ** 2
    is_varying = (np.ptp(y, axis=0) > 0) & (squares.sum(axis=0) > _ROUNDING * (deviations**2).sum(axis=0))
    shares = [
        _likeliest_share(np.maximum(roots[:n_left], 0), column) if varies else 0.0
        for column, varies in zip(squares.T, is_varying, strict=True)
    ]
    return np.array(shares)


def _span(covariates: Floats, *, n_samples: int) -> Floats:
    """Orthonormal columns for what covariates say beside the mean, shape (n_samples, rank)."""
    _check_shapes(np.empty((n_samples, n_samples)), covariates, n_dimensions=2)
    deviations = covariates - covariates.mean(axis=0)
    columns, spreads, _ = np.linalg.svd(deviations, full_matrices=False)
    return columns[:, spreads > _LEAST_SPREAD * spreads.max(initial=0)]


def _likeliest_share(roots: Floats, squares: Floats) -> float:
    """The h² with the highest restricted likelihood, from eigenvalues and squared values in their eigenvectors, shape (n_samples - 1,)."""

    def surprise(share: float) -> float:
        variance = share * roots + 1 - share
        return float(np.log(variance).sum() + len(roots) * np.log((squares / variance).sum()))

    tried = np.linspace(0, _MOST, _SHARES + 1)
    best = int(np.argmin([surprise(share) for share in tried]))
    bounds = float(tried[max(0, best - 1)]), float(tried[min(_SHARES, best + 1)])
    found = minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": _TOLERANCE})
    # The search never tries its bounds themselves.
    return min((float(tried[best]), float(found.x)), key=surprise)


def _check_shapes(relationship: NDArray[np.generic], values: Floats, *, n_dimensions: int) -> None:
    if values.ndim != n_dimensions or relationship.shape != (len(values), len(values)):
        wanted = "(n_samples,)" if n_dimensions == 1 else "(n_samples, n_traits)"
        raise GenotypesError(
            f"relationships have shape {relationship.shape} and values {values.shape}; they must be (n_samples, n_samples) and {wanted}."
        )
