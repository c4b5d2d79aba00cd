"""Which training samples a synthetic one takes after, given its trait and covariates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench import check_below, check_lowest, check_positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import ConditionEncoder

LEAST_DONORS: Final = 25
"""Both haplotypes of a sample then copy one training haplotype at no more than 1 / (2 * 25) = 2 % of places, between the inbreeding of a
child of second cousins (1/64) and of half first cousins (1/32), and no training sample is copied at more than 1 / sqrt(25) of places."""

_OTHER_CLASS: Final = 0.2
"""Weight of a donor outside, for each column in which its class differs."""

_PRIOR_SAMPLES: Final = 5.0
_N_HALVINGS: Final = 30
_ROWS_AT_A_TIME: Final = 256


_NARROWEST, _WIDEST = 1e-6, 1e6
"""Conditions are float32, in which values of 1 to 4 are 1e-7 to 5e-7 apart: a narrower kernel would tell apart what is rounded. In a wider
one the square of what lies between kernel and donors has, at 16 digits, no digit left for the donors."""


def check_kernel(settings: Any) -> None:
    """Refuse a kernel that cannot be computed.

    Args:
        settings: A generator with a `kernel_width`.

    Raises:
        SettingsError: If it is not above 0, below 1e-6, or not below 1e6.
    """
    check_positive(settings, ("kernel_width",))
    check_lowest(settings, {"kernel_width": _NARROWEST})
    check_below(settings, {"kernel_width": _WIDEST})


@dataclass(frozen=True, eq=False)
class Donors:
    """The conditions of training samples, and weights by them.

    A donor counts by a normal kernel of the distance in each quantitative column. The kernel stands so much farther out than the value
    asked for that the average donor has that value (where values are normal with variance v² and the width is a share h of v, the mean of
    kernel times density is (centre + h² mean) / (1 + h²)). If segments come from donors whose trait is that of the synthetic sample on
    average, so does its expected genetic value: each segment's share of it is that of the donors, and they add up.

    Few samples are near an extreme value, or near in several columns at once, and one of them alone would be copied. So the weights of a
    condition are raised to the largest power from 0 to 1 at which the effective number of donors, 1 / sum(weight²), is at least
    `least_donors`, or `largest_part` of the candidates if that is less. No weight is then above 1 / sqrt(of that number). A power flattens
    the kernel, which is as if it were wider around the same centre: the average donor of such a condition lies between the value asked for
    and the mean, and so does the expected genetic value. With one quantitative column these are the extremes. With several, few samples are
    near in all of them, and it is so for nearly every condition: among 1,300 samples the average donor's trait changes by .99 a unit asked
    for with one column, .91 with three, .77 with five and .60 with eight. (The effective number never rises with the power b: its logarithm
    is 2 K(b) - K(2 b), K being the logarithm of the sum of the weights' b-th powers, which is convex.)

    Donors of the same classes share the weight n / (n + pooling), n being their number; the others, by the columns in which they agree,
    have the rest. With some pooling, a stratum of three samples is not copied from three samples alone: the bound holds for donors of
    the same classes, for the others, and again for all of them.

    Args:
        encoder: Conditions as numbers.
        encoded: Those of the training samples, shape (n_train, width).
        kernel_width: Standard deviation of the kernel, in standard deviations of the column among the candidates.
        least_donors: See above.
        largest_part: See above; all candidates alike would follow no trait.
        pooling: See above; 0: only donors of the same classes, as far as there are any.
        ignored: Columns that do not count.
    """

    encoder: ConditionEncoder
    encoded: NDArray[np.float32]
    kernel_width: float
    least_donors: int = LEAST_DONORS
    largest_part: float = 0.25
    pooling: float = 5.0
    ignored: tuple[str, ...] = ()

    def weights(self, encoded: NDArray[np.float32], *, candidates: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
        """P(donor) of each synthetic sample, shape (n_samples, n_candidates); rows sum to 1.

        Args:
            encoded: Conditions asked for, shape (n_samples, width).
            candidates: Conditions to choose among, shape (n_candidates, width); None: those of the training samples.
        """
        others = self.encoded if candidates is None else candidates
        n_different = self._n_different(encoded, others)
        quantitative = [
            numbers.start
            for column, numbers in zip(self.encoder.columns, self.encoder.slices().values(), strict=True)
            if not column.classes and column.name not in self.ignored
        ]
        asked, values = encoded[:, quantitative].astype(np.float64), others[:, quantitative].astype(np.float64)
        is_own = n_different == 0
        n_own = is_own.sum(axis=1, keepdims=True)
        own = self._within(asked, values, is_own.astype(np.float64))
        if (n_own == len(others)).all():
            return own
        outside = self._within(asked, values, np.where(is_own, 0.0, _OTHER_CLASS**n_different))
        share_own = np.where(n_own < len(others), n_own / np.maximum(n_own + self.pooling, 1), 1.0)
        return self._bounded(_logarithm(share_own * own + (1 - share_own) * outside))

    def _n_different(self, encoded: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.int64]:
        """In how many columns the classes differ, shape (n_samples, n_candidates)."""
        n_different = np.zeros((len(encoded), len(others)), dtype=np.int64)
        for column, numbers in zip(self.encoder.columns, self.encoder.slices().values(), strict=True):
            if column.classes and column.name not in self.ignored:
                is_different = np.zeros(n_different.shape, dtype=np.bool_)
                for number in range(numbers.start, numbers.stop):
                    is_different |= np.abs(encoded[:, None, number] - others[None, :, number]) > _OTHER_CLASS
                n_different += is_different
        return n_different

    def _within(self, asked: NDArray[np.float64], values: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights by the kernel times a prior, which says who counts; 0 throughout where nobody does. Shape (n_samples, n_candidates)."""
        total = prior.sum(axis=1, keepdims=True)
        share = np.divide(prior, total, out=np.zeros_like(prior), where=total > 0)
        n_effective = 1 / np.maximum((share**2).sum(axis=1, keepdims=True), 1 / share.shape[1])
        mean = share @ values
        spread = np.maximum(share @ values**2 - mean**2, 0.0)
        # The variance of few is drawn towards that of all samples, which is 1.
        spread = (n_effective * spread + _PRIOR_SAMPLES) / (n_effective + _PRIOR_SAMPLES)
        centre = asked + (asked - mean) * self.kernel_width**2
        logarithm = _logarithm(prior)
        for k in range(values.shape[1]):
            logarithm -= (centre[:, k, None] - values[None, :, k]) ** 2 / (2 * self.kernel_width**2 * spread[:, k, None])
        return self._bounded(logarithm)

    def _bounded(self, logarithm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of these logarithms, flattened where they leave too few effective donors, shape (n_samples, n_candidates)."""
        is_candidate = np.isfinite(logarithm)
        largest = np.where(is_candidate.any(axis=1), logarithm.max(axis=1), 0.0)
        relative = np.where(is_candidate, logarithm - largest[:, None], 0.0)
        least = np.minimum(self.least_donors, self.largest_part * is_candidate.sum(axis=1))
        weights = _powers(relative, is_candidate, np.ones(len(relative)))
        few = np.flatnonzero(_n_effective(weights) < least)
        low, high = np.zeros(len(few)), np.ones(len(few))
        for _ in range(_N_HALVINGS if len(few) else 0):
            middle = (low + high) / 2
            is_enough = _n_effective(_powers(relative[few], is_candidate[few], middle)) >= least[few]
            low, high = np.where(is_enough, middle, low), np.where(is_enough, high, middle)
        weights[few] = _powers(relative[few], is_candidate[few], low)
        return weights

    def weights_in_chunks(self, encoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """`weights` among the training samples, for many conditions: made some at a time, in half of the memory."""
        weights = np.empty((len(encoded), len(self.encoded)), dtype=np.float32)
        for start in range(0, len(encoded), _ROWS_AT_A_TIME):
            weights[start : start + _ROWS_AT_A_TIME] = self.weights(encoded[start : start + _ROWS_AT_A_TIME])
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


def _logarithm(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus infinity where a weight is 0."""
    return np.log(weights, out=np.full_like(weights, -np.inf), where=weights > 0)


def _powers(relative: NDArray[np.float64], is_candidate: NDArray[np.bool_], power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of so many powers of those whose logarithms are given; rows sum to 1, or are 0 where there is no candidate."""
    raised = np.exp(power[:, None] * relative) * is_candidate
    total = raised.sum(axis=1, keepdims=True)
    powers: NDArray[np.float64] = np.divide(raised, total, out=np.zeros_like(raised), where=total > 0)
    return powers


def _n_effective(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / sum(weight²) of each row; 0 without a weight. Shape (n_rows,)."""
    total = (weights**2).sum(axis=1)
    n_effective: NDArray[np.float64] = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return n_effective
