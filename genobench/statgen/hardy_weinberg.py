"""The exact test of Hardy-Weinberg proportions, for all variants at once, in log space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import gammaln

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

# Two numbers of heterozygotes are equally likely if their log probabilities differ by less than rounding does: 1e6 samples round to 1e-9.
_TIE: Final = 1e-8
_NEGLIGIBLE: Final = 1e-17


def hardy_weinberg_log10_p(counts: Counts) -> Floats:
    """Base-10 logarithm of the exact p-value of Hardy-Weinberg proportions at each variant.

    Given the number of samples and of alleles, p is the probability of all numbers of heterozygotes that are no likelier than the one
    observed. Both tails are added up outwards from where they begin, each term from the one before, so the cost is some standard deviations
    of the number of heterozygotes, and a p-value of 1e-2000 is as exact as one of 0.1. This is not the mid-p variant.

    Args:
        counts: Samples with 0, 1 and 2 ALT alleles, as `genotype_counts` gives, shape (3, n_variants).

    Returns:
        log10 p, at most 0, shape (n_variants,); 0 where there is no call or only one allele.

    References:
        Wigginton J.E., Cutler D.J., Abecasis G.R. 2005. A note on exact tests of Hardy-Weinberg equilibrium. American Journal of Human
        Genetics 76: 887-893, equations 1 and 2. https://doi.org/10.1086/429864
    """
    n_heterozygous, n_rare, n_common, places = _distinct(counts)
    log_likelihood = _LogLikelihood(n_rare, n_common)
    mode = _mode(n_rare, n_common)
    observed = log_likelihood.at(n_heterozygous)
    is_left = n_heterozygous < mode
    far = _first_no_likelier(log_likelihood, mode, np.where(is_left, n_rare, n_rare % 2), observed + _TIE)
    own_tail = observed + _log_tail(n_heterozygous, np.where(is_left, -2, 2), n_rare, n_common)
    step = np.where(is_left, 2, -2)
    far_tail = np.full(len(mode), -np.inf)
    is_there = far >= 0
    far_tail[is_there] = log_likelihood.at(far, is_there) + _log_tail(far[is_there], step[is_there], n_rare[is_there], n_common[is_there])
    log_p = np.where(observed >= log_likelihood.at(mode) - _TIE, 0.0, np.logaddexp(own_tail, far_tail))
    result: Floats = np.minimum(log_p / np.log(10), 0.0)[places]
    return result


def _distinct(counts: Counts) -> tuple[Counts, Counts, Counts, NDArray[np.intp]]:
    """Heterozygotes, copies of the rarer and of the commoner allele of each distinct variant, and which of those each variant is."""
    rare, heterozygous, common = np.minimum(counts[0], counts[2]), counts[1], np.maximum(counts[0], counts[2])
    base = int(counts.max(initial=0)) + 1
    _, pairs = np.unique(heterozygous * base + rare, return_inverse=True)
    _, first, places = np.unique(pairs * base + common, return_index=True, return_inverse=True)
    n_heterozygous = heterozygous[first]
    return n_heterozygous, n_heterozygous + 2 * rare[first], n_heterozygous + 2 * common[first], places


class _LogLikelihood:
    """log P(number of heterozygotes | numbers of alleles), equation 1 of the reference."""

    def __init__(self, n_rare: Counts, n_common: Counts) -> None:
        self.n_rare, self.n_common = n_rare, n_common
        self._log_factorial = gammaln(np.arange(int((n_rare + n_common).max(initial=0)) + 1) + 1.0)
        table = self._log_factorial
        self._constant = table[(n_rare + n_common) // 2] + table[n_rare] + table[n_common] - table[n_rare + n_common]

    def at(self, n_heterozygous: Counts, chosen: NDArray[np.bool_] | slice = slice(None)) -> Floats:
        """At one number of heterozygotes (of the parity of n_rare) for each of the chosen variants."""
        k, table = n_heterozygous[chosen], self._log_factorial
        homozygous = table[(self.n_rare[chosen] - k) // 2] + table[(self.n_common[chosen] - k) // 2]
        value: Floats = self._constant[chosen] + k * np.log(2) - table[k] - homozygous
        return value


def _mode(n_rare: Counts, n_common: Counts) -> Counts:
    """The likeliest number of heterozygotes.

    P(k + 2) / P(k) = (n_rare - k) (n_common - k) / ((k + 2) (k + 1)) is at least 1 exactly for k <= (n_rare n_common - 2) / (N + 3) with N
    alleles, so the mode is the first k of the right parity above that.
    """
    bound = (n_rare * n_common - 2) // (n_rare + n_common + 3)
    mode = bound + 1
    mode += (mode - n_rare) % 2
    clipped: Counts = np.clip(mode, n_rare % 2, n_rare)
    return clipped


def _first_no_likelier(log_likelihood: _LogLikelihood, mode: Counts, end: Counts, threshold: Floats) -> Counts:
    """Walking from the mode to the end, the first number of heterozygotes whose log probability is at most the threshold; -1 if none is."""
    direction = np.where(end >= mode, 2, -2)
    low, high = np.zeros_like(mode), np.abs(end - mode) // 2 + 1
    # The log probability falls all the way, so the number of steps can be halved down to.
    while (low < high).any():
        middle = (low + high) // 2
        is_open = low < high
        place = np.where(is_open, mode + direction * middle, mode)
        is_likelier = log_likelihood.at(place) > threshold
        low = np.where(is_open & is_likelier, middle + 1, low)
        high = np.where(is_open & ~is_likelier, middle, high)
    return np.where(low > np.abs(end - mode) // 2, -1, mode + direction * low)


def _log_tail(start: Counts, step: Counts, n_rare: Counts, n_common: Counts) -> Floats:
    """Logarithm of the sum of P(k) / P(start) over k from start outwards, by steps of 2 or -2."""
    total = np.ones(len(start))
    term, k = total.copy(), start.astype(np.float64)
    rare, common, steps = n_rare.astype(np.float64), n_common.astype(np.float64), step.astype(np.float64)
    active = np.arange(len(start))
    while len(active):
        # Upwards (n_rare - k) (n_common - k) / ((k + 2) (k + 1)), downwards k (k - 1) / ((n_rare - k + 2) (n_common - k + 2)).
        lower = np.where(steps > 0, k, k - 2)
        up, down = (rare - lower) * (common - lower), (lower + 2) * (lower + 1)
        is_end = np.where(steps > 0, k + 2 > rare, k < 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            term = np.where(is_end, 0.0, term * np.where(steps > 0, up / down, down / up))
        total[active] += term
        goes_on = term > _NEGLIGIBLE * total[active]
        active, term, k = active[goes_on], term[goes_on], (k + steps)[goes_on]
        rare, common, steps = rare[goes_on], common[goes_on], steps[goes_on]
    return np.log(total)
