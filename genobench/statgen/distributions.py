"""How far two distributions of a number lie apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def wasserstein_distance(
    left: ArrayLike, right: ArrayLike, *, left_weights: ArrayLike | None = None, right_weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Wasserstein-1 distance between two sets of numbers: the area between their cumulative distributions, on the scale of the numbers.

    Args:
        left: Finite numbers, shape (..., n_left).
        right: Finite numbers, shape (..., n_right).
        left_weights: Weight of each number, not negative, of a shape that broadcasts to that of `left`; None: all alike. A weight of zero
            leaves a number out, so one call gives the distances with each of many groups left out.
        right_weights: Likewise for `right`.

    Returns:
        Distances, shape (...); NaN where one side has no weight.

    References:
        Vallender S.S. 1974. Calculation of the Wasserstein distance between probability distributions on the line. Theory of Probability
        and Its Applications 18: 784-786. https://doi.org/10.1137/1118101
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (left, right)]
    weights = [np.ones(1) if given is None else np.asarray(given, dtype=np.float64) for given in (left_weights, right_weights)]
    leading = np.broadcast_shapes(*(array.shape[:-1] for array in (*sides, *weights)))
    values = np.concatenate([np.broadcast_to(side, (*leading, side.shape[-1])) for side in sides], axis=-1)
    masses = [np.broadcast_to(given, (*leading, side.shape[-1])) for given, side in zip(weights, sides, strict=True)]
    totals = [mass.sum(axis=-1, keepdims=True) for mass in masses]
    is_defined = (totals[0] > 0) & (totals[1] > 0)
    order = np.argsort(values, axis=-1, kind="stable")
    # Each side is added up before it is divided, so that equal sets of unweighted numbers are at a distance of zero exactly.
    below = []
    for place, total in enumerate(totals):
        mass = np.concatenate([masses[0] * (place == 0), masses[1] * (place == 1)], axis=-1)
        below.append(np.cumsum(np.take_along_axis(mass, order, axis=-1), axis=-1) / np.where(is_defined, total, 1))
    ahead = below[0] - below[1]
    steps = np.diff(np.take_along_axis(values, order, axis=-1), axis=-1)
    return np.where(is_defined[..., 0], np.sum(np.abs(ahead[..., :-1]) * steps, axis=-1), np.nan)
