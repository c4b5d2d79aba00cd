"""Samples by their classes, none kept apart with too few others, and what is kept of their values: means and a covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POOLING: Final = 5.0
"""A combination of classes with this many samples has its mean half-way between its own and that of all samples."""

_FEWEST: Final = 5
"""No count of a combination of classes and no mean is kept of fewer samples: the usual least cell of a published table.

Counts of classes are kept, the rarest too, each column for itself: with one column of classes, shares times the number of samples are
the counts of its combinations, of fewer samples as well.

Statistical offices ask for 3 to 10: Hundepool et al. 2012, Statistical Disclosure Control, Wiley, section 4.2, doi 10.1002/9781118348239.
"""


def kept_strata(keys: list[tuple[str, ...]]) -> tuple[list[tuple[str, ...]], NDArray[np.intp]]:
    """The combinations that are kept, and which of them each sample has; one more stands for all others."""
    names = sorted(set(keys))
    number = {name: k for k, name in enumerate(names)}
    group_of = np.array([number[key] for key in keys], dtype=np.intp)
    is_few = _is_few(np.bincount(group_of, minlength=len(names)))
    kept = np.flatnonzero(~is_few)
    stratum_of_group = np.full(len(names), len(kept), dtype=np.intp)
    stratum_of_group[kept] = np.arange(len(kept))
    return [names[k] for k in kept], stratum_of_group[group_of]


def stratum_moments(
    values: NDArray[np.float64], stratum_of: NDArray[np.intp], *, n_strata: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means by stratum, drawn towards 0, and the covariance that is left beside them.

    Both are over the samples that have a value. What the means explain is taken off the moments over all samples, so that what is drawn
    has the variance of training, however far the means are drawn in.

    Args:
        values: Standardised, NaN where missing, shape (n_samples, n_columns).
        stratum_of: The stratum of each sample, shape (n_samples,).
        n_strata: Strata, with the last one for all rare combinations, which may be without samples.

    Returns:
        Shapes (n_strata, n_columns) and (n_columns, n_columns); a pair of columns that fewer than 5 samples have has covariance 0.
    """
    is_there = ~np.isnan(values)
    filled = np.where(is_there, values, 0.0)
    means = np.zeros((n_strata, values.shape[1]))
    for column in range(values.shape[1]):
        counts = np.bincount(stratum_of, weights=is_there[:, column], minlength=n_strata).astype(np.int64)
        sums = np.bincount(stratum_of, weights=filled[:, column], minlength=n_strata)
        is_few = _is_few(counts)
        means[:, column] = np.where(is_few, sums[is_few].sum(), sums) / (np.where(is_few, counts[is_few].sum(), counts) + _POOLING)
    explained = np.where(is_there, means[stratum_of], 0.0)
    n_pairs = is_there.T.astype(np.float64) @ is_there
    covariance = (filled.T @ filled - explained.T @ explained) / np.maximum(n_pairs, 1.0)
    return means, np.where(n_pairs >= min(_FEWEST, len(values)), covariance, 0.0)


def _is_few(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Groups that are to be one, so that neither any other nor what they are together has fewer than `_FEWEST`.

    A sum over fewer would be what the others leave of the sum over all; so the smallest of the others joins them.
    """
    is_few = counts < _FEWEST
    for group in np.argsort(counts, kind="stable"):
        if not 0 < counts[is_few].sum() < _FEWEST:
            break
        is_few[group] = True
    return is_few
