"""Marginal association of each variant with the trait, to choose the variants that trees are grown on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_VARIANTS_PER_BLOCK: Final = 2048
_DEPENDENT: Final = 1e-5
"""A variant whose part beside the covariates is a smaller share of its variance than this follows from them."""


def explained_shares(calls: NDArray[np.int8], *, outcome: Floats, covariates: Floats, weights: Floats) -> NDArray[np.float32]:
    """Share of each variant's variance beside the covariates that the outcome explains.

    This is the squared partial correlation of call and trait; with an indicator for each class, it orders variants as the F statistic
    of an analysis of covariance does (Cohen J. et al. 2003. Applied Multiple Regression/Correlation Analysis, 3rd edition, sections 3.3
    and 9.6).

    Args:
        calls: Calls without a missing one, shape (n_samples, n_variants).
        outcome: The trait's values, or an indicator for each class, shape (n_samples, n_columns).
        covariates: Shape (n_samples, width); width may be 0.
        weights: Of the samples, positive, shape (n_samples,).

    Returns:
        Shares in [0, 1], shape (n_variants,); 0 for a variant that does not vary, or follows from the covariates.
    """
    roots = np.sqrt(weights)[:, None]
    known = _basis(roots * np.column_stack([np.ones(len(calls)), covariates]))
    scaled = roots * outcome
    rest = scaled - known @ (known.T @ scaled)
    beside = _basis(rest[:, np.linalg.norm(rest, axis=0) > _DEPENDENT * np.linalg.norm(scaled, axis=0)])
    shares = np.zeros(calls.shape[1], dtype=np.float32)
    factors = roots.astype(np.float32)
    for start in range(0, calls.shape[1], _VARIANTS_PER_BLOCK):
        block = slice(start, start + _VARIANTS_PER_BLOCK)
        shares[block] = _block_shares(calls[:, block].astype(np.float32) * factors, known.astype(np.float32), beside.astype(np.float32))
    return shares


def most_associated(shares: NDArray[np.float32], n_variants: int) -> NDArray[np.intp]:
    """Positions of the variants with the largest shares, in file order; of equal ones the first."""
    return np.sort(np.argsort(-shares, kind="stable")[:n_variants])


def _block_shares(x: NDArray[np.float32], known: NDArray[np.float32], beside: NDArray[np.float32]) -> NDArray[np.float32]:
    whole = np.einsum("ij,ij->j", x, x)
    rest = x - known @ (known.T @ x)
    left = np.einsum("ij,ij->j", rest, rest)
    explained = np.sum((beside.T @ rest) ** 2, axis=0)
    is_free = left > _DEPENDENT * whole
    shares: NDArray[np.float32] = np.where(is_free, explained / np.where(is_free, left, 1.0), 0.0).astype(np.float32)
    return np.minimum(shares, 1.0)


def _basis(columns: Floats) -> Floats:
    """Orthonormal columns that span these, without those that follow from others."""
    left, roots, _ = np.linalg.svd(columns, full_matrices=False)
    return left[:, roots > _DEPENDENT * roots.max(initial=0.0)]
