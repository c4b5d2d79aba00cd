"""Wasserstein distances: how far the mass of one set of points must be moved to make it another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

N_DIRECTIONS: Final = 64


def sorted_wasserstein(one: Floats, other: Floats, *, power: int) -> Floats:
    """Wasserstein distance to a power, between the points of each row of two arrays.

    Args:
        one: Points in rising order along the last axis, shape (..., n_one), n_one at least 1.
        other: Likewise, shape (..., n_other).
        power: 1 or 2: the mean over quantiles of |difference| to this power.

    Returns:
        Shape (...); the mean of |difference| ** power, no root taken.

    References:
        Villani C. 2003. Topics in Optimal Transportation, theorem 2.18: in one dimension the quantiles are matched in order.
    """
    n_one, n_other = one.shape[-1], other.shape[-1]
    if n_one == n_other:
        distance: Floats = np.mean(np.abs(one - other) ** power, axis=-1)
        return distance
    edges = np.union1d(np.arange(n_one + 1) / n_one, np.arange(n_other + 1) / n_other)
    middles, widths = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    gaps = np.abs(one[..., (middles * n_one).astype(np.intp)] - other[..., (middles * n_other).astype(np.intp)])
    unequal: Floats = (gaps**power) @ widths
    return unequal


def sliced_wasserstein(one: ArrayLike, other: ArrayLike, *, seed: int, n_directions: int = N_DIRECTIONS) -> float:
    """Sliced 2-Wasserstein distance of two clouds of points.

    Args:
        one: Points, shape (n_one, n_dimensions).
        other: Points, shape (n_other, n_dimensions). In each direction equal clouds are matched point by point, others by quantiles.
        seed: Draws the directions.
        n_directions: How many the mean is over.

    Returns:
        The root of the mean over directions of the squared 2-Wasserstein distance of both clouds' projections.

    References:
        Bonneel N., Rabin J., Peyré G., Pfister H. 2015. Sliced and Radon Wasserstein barycenters of measures. Journal of Mathematical
        Imaging and Vision 51: 22-45. https://doi.org/10.1007/s10851-014-0506-3
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return SlicedClouds.of(first, second, seed=seed, n_directions=n_directions).distance()


@dataclass(frozen=True, eq=False)
class SlicedClouds:
    """Two clouds projected and sorted once, so that their distance can be had again with some points left out.

    Args:
        sides: For each cloud its projections, rising along the last axis, shape (n_directions, n_points), and the point behind each.
    """

    sides: tuple[tuple[Floats, NDArray[np.intp]], tuple[Floats, NDArray[np.intp]]]

    @classmethod
    def of(cls, one: Floats, other: Floats, *, seed: int, n_directions: int = N_DIRECTIONS) -> SlicedClouds:
        """Project both clouds, shape (n_points, n_dimensions), on directions drawn from the seed."""
        directions = np.random.default_rng(seed).standard_normal((n_directions, one.shape[1]))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        first, second = (_sorted_with_places(directions @ cloud.T) for cloud in (one, other))
        return cls(sides=(first, second))

    def distance(self) -> float:
        """The sliced 2-Wasserstein distance."""
        return float(np.sqrt(sorted_wasserstein(self.sides[0][0], self.sides[1][0], power=2).mean()))

    def without(self, is_left_out: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> float:
        """The distance without some points of each cloud, each shape (n_points,)."""
        kept = []
        for (projections, places), left_out in zip(self.sides, is_left_out, strict=True):
            is_kept = ~left_out[places]
            kept.append(projections[is_kept].reshape(len(projections), -1))
        return float(np.sqrt(sorted_wasserstein(kept[0], kept[1], power=2).mean()))


def _sorted_with_places(projections: Floats) -> tuple[Floats, NDArray[np.intp]]:
    places = np.argsort(projections, axis=1)
    return np.take_along_axis(projections, places, axis=1), places
