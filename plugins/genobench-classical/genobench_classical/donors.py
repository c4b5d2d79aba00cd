"""Which training samples a synthetic one takes after, given its trait and covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import ConditionEncoder

_OTHER_CLASS: Final = 0.2
"""Weight of a donor outside, for each column in which its class differs."""

_SMALLEST: Final = 1e-12
_ROWS_AT_A_TIME: Final = 512


@dataclass(frozen=True, eq=False)
class Donors:
    """The conditions of training samples, and weights by them.

    A donor counts by a normal kernel of the distance in each quantitative column, around a value so much farther out that the average
    donor has the one asked for (where values are normal, the mean of kernel times density is centre / (1 + width²)). If segments come
    from donors whose trait is that of the synthetic sample on average, so does its expected genetic value: each segment's share of it is
    that of the donors, and they add up. Donors of the same classes share the weight n / (n + pooling), n being their number; the others,
    by the columns in which they agree, have the rest, so that with some pooling a stratum of three samples is not copied from three
    samples alone.

    Args:
        encoder: Conditions as numbers.
        encoded: Those of the training samples, shape (n_train, width).
        kernel_width: Standard deviation of the kernel, in standard deviations of the column.
        pooling: See above.
        ignored: Columns that do not count.
    """

    encoder: ConditionEncoder
    encoded: NDArray[np.float32]
    kernel_width: float
    pooling: float = 5.0
    ignored: tuple[str, ...] = ()

    def weights(self, encoded: NDArray[np.float32], *, candidates: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
        """P(donor) of each synthetic sample, shape (n_samples, n_candidates); rows sum to 1.

        Args:
            encoded: Conditions asked for, shape (n_samples, width).
            candidates: Conditions to choose among, shape (n_candidates, width); None: those of the training samples.
        """
        others = self.encoded if candidates is None else candidates
        nearness = np.ones((len(encoded), len(others)))
        n_different = np.zeros((len(encoded), len(others)))
        start = 0
        for column in self.encoder.columns:
            stop = start + (len(column.classes) or 1)
            if column.name in self.ignored:
                pass
            elif column.classes:
                n_different += np.abs(encoded[:, None, start:stop] - others[None, :, start:stop]).max(axis=2) > _OTHER_CLASS
            else:
                centre = encoded[:, start, None] * (1 + self.kernel_width**2)
                nearness *= np.exp(-0.5 * ((centre - others[None, :, start]) / self.kernel_width) ** 2)
            start = stop
        nearness += _SMALLEST
        is_own = n_different == 0
        n_own = is_own.sum(axis=1, keepdims=True)
        share_own = np.where((n_own < len(others)) & (n_own > 0), n_own / np.maximum(n_own + self.pooling, 1), n_own > 0)
        own = nearness * is_own
        outside = nearness * np.where(is_own, 0.0, _OTHER_CLASS**n_different)
        weights: NDArray[np.float64] = share_own * _normalised(own) + (1 - share_own) * _normalised(outside)
        weights /= weights.sum(axis=1, keepdims=True)
        return weights

    def one_each(self, encoded: NDArray[np.float32], candidates: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
        """One candidate for each condition, drawn by weight some rows at a time, shape (n_samples,)."""
        drawn = [
            drawn_donors(self.weights(encoded[start : start + _ROWS_AT_A_TIME], candidates=candidates), 1, rng)[:, 0]
            for start in range(0, len(encoded), _ROWS_AT_A_TIME)
        ]
        return np.concatenate(drawn)


def drawn_donors(weights: NDArray[np.float64], n_draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Donors drawn by weight for each row, shape (n_rows, n_draws)."""
    cumulative = weights.cumsum(axis=1)
    places = rng.random((len(weights), n_draws)) * cumulative[:, -1:]
    # One sorted list for all rows: row k lies in [k, k + 1).
    offset = np.arange(len(weights))[:, None]
    ladder = (cumulative / cumulative[:, -1:] + offset).ravel()
    found = np.searchsorted(ladder, (places / cumulative[:, -1:] + offset).ravel(), side="right").reshape(places.shape)
    donors: NDArray[np.int64] = np.clip(found - offset * weights.shape[1], 0, weights.shape[1] - 1)
    return donors


def _normalised(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = weights.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return shares
