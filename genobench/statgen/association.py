"""Association of each variant with a trait: least squares with covariates, and how far the test statistics are inflated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from scipy.special import ndtri, ndtri_exp

from genobench.calls import pack_calls
from genobench.errors import DatasetError, GenotypesError
from genobench.statgen.call_sums import call_sums
from genobench.statgen.tails import student_log10_p

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from scipy.sparse import csr_matrix

    from genobench.calls import CallMatrix, Calls, PackedBytes
    from genobench.statgen.call_sums import CallSums

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

MOST_INFLATION: Final = 50.0
"""A variant whose calls follow from the covariates to such a part, 1 - 1 / 50, has no effect that could be told; plink2's `--vif`."""

# A column, or what is left of one, that is smaller than this share of itself before follows from the columns before it.
_DEPENDENT: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Association:
    """A test of each variant; arrays of shape (n_variants,), NaN where a variant could not be tested.

    Args:
        effect: Change of the value by one ALT allele.
        standard_error: Of the effect.
        statistic: Effect over standard error.
        log10_p: Base-10 logarithm of the two-sided p-value; never minus infinity because a float was too small.
        n_samples: Samples that have a call, a value and all covariates; whole numbers, known for every variant.
    """

    effect: Floats
    standard_error: Floats
    statistic: Floats
    log10_p: Floats
    n_samples: Counts


@dataclass(frozen=True, eq=False)
class _Model:
    """The trait without what covariates explain.

    Args:
        basis: Orthonormal columns that span a constant (the first) and the covariates, shape (n_samples, n_basis).
        residual: Values less what the basis explains, shape (n_samples,).
    """

    basis: Floats
    residual: Floats

    @property
    def columns(self) -> Floats:
        """Basis and residual side by side, shape (n_samples, n_basis + 1)."""
        return np.column_stack([self.basis, self.residual])


def linear_association(
    calls: Calls | CallMatrix,
    values: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    most_inflation: float = MOST_INFLATION,
    device: str = "cpu",
) -> Association:
    """Least squares of the values on the calls of one variant after the other, beside a constant and the covariates.

    This is what `plink2 --glm` gives for a quantitative trait, sample by sample: one without a value or a covariate is left out, and one
    without a call is left out for that variant. Two classes are tested as values of 0 and 1, a linear probability model, not by logistic
    regression. Constant and covariates are projected out of the values once; the products with calls are exact (`call_sums`), and only
    variants that miss calls are corrected for the samples that they miss.

    A variant is not tested (NaN) where its calls do not vary, where covariates explain all but 1 / `most_inflation` of them, where
    among the samples that have a call the covariates are not independent any more or the values do not vary beside them, and where no
    degree of freedom is left.

    Args:
        calls: Shape (n_samples, n_variants), in 0, 1, 2 or MISSING; packed calls are decoded in blocks.
        values: The trait, shape (n_samples,); NaN where it is not known.
        covariates: Shape (n_samples, n_covariates), without a constant; NaN where not known. A column that follows from others is left
            out (plink2 stops there).
        most_inflation: Above this variance inflation, 1 / (1 - R ** 2) of the calls on the covariates, a variant is not tested.
        device: Where the products with calls are made.

    Returns:
        The test of each variant, by t with n_samples - n_covariates - 2 degrees of freedom.

    Raises:
        GenotypesError: If the numbers of samples differ.
        DatasetError: If the values are all alike, or follow from the covariates, or too few samples have them.

    References:
        Purcell S., Chang C. `--glm` of PLINK 2, https://www.cog-genomics.org/plink/2.0/assoc. Projecting covariates out first: Frisch R.,
        Waugh F.V. 1933. Econometrica 1: 387-401. https://doi.org/10.2307/1907330
    """
    y = np.asarray(values, dtype=np.float64)
    known_of = np.zeros((len(y), 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
    n_samples, n_variants = calls.shape
    if y.shape != (n_samples,) or known_of.ndim != 2 or len(known_of) != n_samples:
        raise GenotypesError(
            f"calls have {n_samples} samples, values have shape {y.shape} and covariates {known_of.shape}; "
            f"values need one number and covariates one row for each sample."
        )
    is_used = np.isfinite(y) & np.isfinite(known_of).all(axis=1)
    model = _fit_model(y[is_used], known_of[is_used])
    packed = _packed(calls)
    packed = packed if is_used.all() else np.asarray(packed[np.flatnonzero(is_used)])
    tested, n_known = np.empty((4, n_variants)), np.empty(n_variants, dtype=np.int64)
    for sums in call_sums(packed, model.columns[:, 1:], n_variants=n_variants, device=device):
        tested[:, sums.variants], n_known[sums.variants] = _tested(sums, model, most_inflation), sums.counts.sum(axis=0)
    effect, standard_error, statistic, log10_p = tested
    return Association(effect, standard_error, statistic, log10_p, n_known)


def _packed(calls: Calls | CallMatrix) -> PackedBytes:
    return pack_calls(calls) if isinstance(calls, np.ndarray) else calls.packed


def _fit_model(values: Floats, covariates: Floats) -> _Model:
    n_samples = len(values)
    if n_samples < covariates.shape[1] + 3:
        raise DatasetError(
            f"{n_samples} samples have a value and all covariates; an association beside {covariates.shape[1]} covariates needs "
            f"{covariates.shape[1] + 3} at least."
        )
    if np.ptp(values) == 0:
        raise DatasetError(f"The values of all {n_samples} samples are {values[0]:g}; an association needs values that differ.")
    basis = _orthonormal(covariates)
    centred = values - values.mean()
    residual = _beside(basis, centred)
    if np.linalg.norm(residual) <= _DEPENDENT * np.linalg.norm(centred):
        told = "a covariate" if basis.shape[1] == 2 else f"the {basis.shape[1] - 1} covariates"
        raise DatasetError(f"The values follow from {told}, so that nothing is left to test; leave out the covariate that holds the trait.")
    return _Model(basis, residual)


def _orthonormal(covariates: Floats) -> Floats:
    """A constant, then the covariates that do not follow from those before, by Gram and Schmidt's method."""
    n_samples = len(covariates)
    basis = np.full((n_samples, 1), 1 / np.sqrt(n_samples))
    for column in covariates.T:
        centred = column - column.mean()
        rest = _beside(basis, centred)
        if np.ptp(column) > 0 and np.linalg.norm(rest) > _DEPENDENT * np.linalg.norm(centred):
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return basis


def _beside(basis: Floats, column: Floats) -> Floats:
    """What the basis does not explain of a column; taken off twice, against rounding."""
    rest = column - basis @ (basis.T @ column)
    beside: Floats = rest - basis @ (basis.T @ rest)
    return beside


def _tested(sums: CallSums, model: _Model, most_inflation: float) -> Floats:
    """Effect, standard error, statistic and log10 p of a block of variants, shape (4, n_block)."""
    n_samples, n_basis = model.basis.shape
    n = sums.counts.sum(axis=0)
    total, squares = sums.counts[1] + 2 * sums.counts[2], sums.counts[1] + 4 * sums.counts[2]
    # Whole numbers, so that nothing but zero can stand for zero.
    about_mean = (n * squares - total**2) / np.maximum(n, 1)
    along = np.concatenate([total[None] / np.sqrt(n_samples), sums.weighted[:-1]])
    product, beside = sums.weighted[-1].copy(), about_mean - np.square(along[1:]).sum(axis=0)
    left = np.full(len(n), model.residual @ model.residual)
    if sums.missing is not None:
        chosen = np.flatnonzero(n < n_samples)
        product[chosen], beside[chosen], left[chosen] = _without_missing(
            model, sums.missing[chosen], along[:, chosen], product[chosen], squares[chosen]
        )
    degrees = n - n_basis - 1
    is_tested = (about_mean > 0) & (degrees > 0) & (beside * most_inflation >= about_mean) & np.isfinite(left)
    effect = np.divide(product, beside, out=np.full(len(n), np.nan), where=is_tested)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual_variance = np.maximum(left - effect * product, 0.0) / degrees
        standard_error = np.sqrt(residual_variance / beside)
        statistic = effect / standard_error
    return np.stack([effect, standard_error, statistic, student_log10_p(statistic, degrees)])


def _without_missing(model: _Model, missing: csr_matrix, along: Floats, product: Floats, squares: Counts) -> tuple[Floats, Floats, Floats]:
    """Calls times residual, squares of calls and of residual, each beside the basis, over the samples that have a call.

    With the samples that a variant misses left out, basis and residual are not orthogonal any more. Their products are the identity less
    those over the samples left out, and what the basis explains is solved for anew.

    Args:
        model: Over all samples.
        missing: 1 where a call is missing, shape (n_chosen, n_samples).
        along: Calls times basis over the samples that have a call, shape (n_basis, n_chosen).
        product: Calls times residual, shape (n_chosen,).
        squares: Calls times calls, shape (n_chosen,).

    Returns:
        Three arrays of shape (n_chosen,); NaN where the basis is not independent any more, or explains all of the values.
    """
    columns = model.columns
    n_basis = model.basis.shape[1]
    lost = np.zeros((missing.shape[0], n_basis + 1, n_basis + 1))
    for place in range(n_basis + 1):
        lost[:, place:, place] = missing @ (columns[:, place:] * columns[:, place, None])
    # Only what stands on the diagonal and below is read.
    factor, failure = torch.linalg.cholesky_ex(torch.from_numpy(np.eye(n_basis) - lost[:, :n_basis, :n_basis]))
    is_dependent = (failure > 0) | (factor.diagonal(dim1=1, dim2=2).square().amin(dim=1) < _DEPENDENT)
    sides = torch.from_numpy(np.stack([-lost[:, n_basis, :n_basis], along.T], axis=2))
    explained = torch.einsum("vij,vik->vjk", sides, torch.cholesky_solve(sides, factor)).numpy()
    left = model.residual @ model.residual - lost[:, n_basis, n_basis] - explained[:, 0, 0]
    # A class, say, of which every sample misses the call leaves values that are all alike, and rounding.
    left[is_dependent.numpy() | (left <= _DEPENDENT**2 * (model.residual @ model.residual))] = np.nan
    return product - explained[:, 0, 1], squares - explained[:, 1, 1], left


def genomic_inflation(log10_p: ArrayLike) -> float:
    """Lambda: the median of the test statistics over that of chi-squared with one degree of freedom, 0.4549.

    Args:
        log10_p: Base-10 logarithms of p-values, shape (n_variants,); NaN are left out.

    Returns:
        About 1 where nothing is associated and nothing confounds; NaN without a test.

    References:
        Devlin B., Roeder K. 1999. Genomic control for association studies. Biometrics 55: 997-1004.
        https://doi.org/10.1111/j.0006-341X.1999.00997.x
    """
    known = np.asarray(log10_p, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan")
    # The normal deviate of p / 2 straight from its logarithm, so that no p is too small.
    deviates = ndtri_exp(known * np.log(10) - np.log(2))
    return float(np.median(np.square(deviates)) / ndtri(0.25) ** 2)
