"""Fixed effects of a linear model: the mean and covariates as orthonormal columns, and a trait beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from genobench.errors import DatasetError, GenotypesError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

_LEAST_SPREAD: Final = 1e-5
"""Of the largest singular value of covariates; what is less follows from other covariates, in numbers of four bytes."""

_ROUNDING: Final = 1e-9
"""Of a trait's sum of squares; what is less is rounding."""

_ALIKE: Final = 1e-12
"""Values that differ by no more than this share of themselves are alike: the mean of equal numbers is not quite theirs."""


class TraitBeside(NamedTuple):
    """A trait, orthonormal columns of its fixed effects, and what these leave of it."""

    values: Floats
    basis: Floats
    residual: Floats

    @property
    def degrees(self) -> int:
        """Samples less fixed effects."""
        return int(self.basis.shape[0] - self.basis.shape[1])


def trait_beside(values: ArrayLike, covariates: ArrayLike | None, *, n_samples: int) -> TraitBeside:
    """Check a trait and its covariates, and project these out.

    Args:
        values: The trait, shape (n_samples,).
        covariates: Shape (n_samples, n_covariates); None for none.
        n_samples: Of the relationships or calls that explain the trait.

    Raises:
        GenotypesError: If shapes differ, or a value or covariate is missing.
        DatasetError: If samples are too few, or the trait does not vary beside its covariates.
    """
    y = np.asarray(values, dtype=np.float64)
    if y.shape != (n_samples,):
        raise GenotypesError(f"values have shape {y.shape}; there must be one for each of {n_samples} samples.")
    if not np.isfinite(y).all():
        raise GenotypesError(f"values of {int((~np.isfinite(y)).sum())} samples are missing; leave those samples out.")
    basis = fixed_basis(covariates, n_samples=n_samples)
    if n_samples < basis.shape[1] + 2:
        raise DatasetError(f"{n_samples} samples are too few for {basis.shape[1]} fixed effects and two variances.")
    spread = float(((y - y.mean()) ** 2).sum())
    if not spread > _ALIKE**2 * float((y**2).sum()):
        raise DatasetError(f"The values of all {n_samples} samples are {y[0]:g}; a model of variances needs values that differ.")
    residual = y - basis @ (basis.T @ y)
    if not residual @ residual > _ROUNDING * spread:
        n_covariates = basis.shape[1] - 1
        told = "a covariate" if n_covariates == 1 else f"the {n_covariates} covariates"
        raise DatasetError(
            f"The values follow from {told}, so that nothing is left to explain; leave out the covariate that holds the trait."
        )
    return TraitBeside(y, basis, residual)


def fixed_basis(covariates: ArrayLike | None, *, n_samples: int) -> Floats:
    """Orthonormal columns that span the mean (the first) and covariates, shape (n_samples, n_fixed).

    Raises:
        GenotypesError: If there is not one row for each sample, or a covariate is missing.
    """
    columns = _as_columns(covariates, n_samples=n_samples)
    if not np.isfinite(columns).all():
        raise GenotypesError("covariates hold missing values; put the mean of a covariate in their place, or leave those samples out.")
    basis, spreads, _ = np.linalg.svd(_scaled(columns).columns, full_matrices=False)
    kept = basis[:, spreads > _LEAST_SPREAD * spreads.max(initial=0)]
    return np.column_stack([np.full(n_samples, n_samples**-0.5), kept])


def effects_from_basis(basis: Floats, covariates: ArrayLike | None) -> Floats:
    """What turns effects of `fixed_basis` into those of the mean and each covariate, shape (1 + n_covariates, n_fixed).

    Of covariates that follow from one another the effects are shared out with the least sum of squares.
    """
    columns = _as_columns(covariates, n_samples=len(basis))
    scaled = _scaled(columns)
    slopes = np.linalg.pinv(scaled.columns, rcond=_LEAST_SPREAD) @ basis / scaled.lengths[:, None]
    slopes[:, 0] = 0
    constant = basis.mean(axis=0) - columns.mean(axis=0) @ slopes
    return np.vstack([constant, slopes])


class _Scaled(NamedTuple):
    """Centred columns of length 1, or of zeros where a covariate is constant, and what they were divided by."""

    columns: Floats
    lengths: Floats


def _scaled(columns: Floats) -> _Scaled:
    centred = columns - columns.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    is_varying = lengths > _ALIKE * np.linalg.norm(columns, axis=0)
    divisors = np.where(is_varying, lengths, 1.0)
    return _Scaled(np.where(is_varying, centred, 0.0) / divisors, divisors)


def _as_columns(covariates: ArrayLike | None, *, n_samples: int) -> Floats:
    columns = np.zeros((n_samples, 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    if columns.ndim != 2 or len(columns) != n_samples:
        raise GenotypesError(f"covariates have shape {columns.shape}; they must have a row for each of {n_samples} samples.")
    return columns
