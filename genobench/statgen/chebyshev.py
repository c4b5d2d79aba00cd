"""Chebyshev series of many functions on one interval: through values at nodes, at any places, and where each is highest.

A place t of [-1, 1] is given by its angle, the arc cosine of t: there a series is a sum of cosines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.fft import dct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_TRIED: Final = 384
"""Angles at which a series is looked up before Newton's method: a step is at most .1 of a log ratio, and a likelihood's peak is wider."""

_NEWTON_STEPS: Final = 40
_ANGLE_TOLERANCE: Final = 1e-9


def node_angles(n_nodes: int) -> Floats:
    """Angles of the zeros of the Chebyshev polynomial of degree n_nodes, ascending."""
    angles: Floats = (np.arange(n_nodes) + 0.5) * np.pi / n_nodes
    return angles


def chebyshev_coefficients(values: Floats) -> Floats:
    """Of the Chebyshev series through values at the nodes, same shape: the first axis is the degree."""
    coefficients: Floats = dct(values, axis=0) / len(values)
    coefficients[0] /= 2
    return coefficients


def chebyshev_series(coefficients: Floats, angles: Floats) -> Floats:
    """Each variant's series at its own angle, the arc cosine of the place in the range."""
    values: Floats = np.einsum("kv,kv->v", coefficients, np.cos(np.arange(len(coefficients))[:, None] * angles))
    return values


def highest_angles(coefficients: Floats) -> Floats:
    """The angle at which each variant's series is highest, shape (n_variants,), by Newton's method between steps of a grid."""
    degree = np.arange(len(coefficients))[:, None]
    tried = np.linspace(0, np.pi, _TRIED + 1)
    best = np.argmax(np.cos(tried[:, None] * degree.T) @ coefficients, axis=0)
    low, high = tried[np.maximum(best - 1, 0)], tried[np.minimum(best + 1, _TRIED)]
    angles: Floats = (low + high) / 2
    for _ in range(_NEWTON_STEPS):
        slope = -np.einsum("kv,kv->v", degree * coefficients, np.sin(degree * angles))
        bend = -np.einsum("kv,kv->v", degree**2 * coefficients, np.cos(degree * angles))
        low, high = np.where(slope > 0, angles, low), np.where(slope > 0, high, angles)
        step = np.divide(slope, bend, out=np.full(len(angles), np.inf), where=bend < 0)
        proposed = angles - step
        proposed = np.where((proposed > low) & (proposed < high), proposed, (low + high) / 2)
        change, angles = np.abs(proposed - angles).max(initial=0), proposed
        if change < _ANGLE_TOLERANCE:
            break
    return angles
