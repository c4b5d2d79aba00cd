"""What Gaussian noise costs in privacy: (epsilon, delta) of one release, of several, and of many on random batches.

Two sets of samples are neighbours here if they differ in one sample, whose calls are all missing in one of them: the number of samples
is the same and public, as is their table of traits and covariates.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, log_ndtr, logsumexp

from genobench import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STEPS_BETWEEN_ORDERS: Final = 20
"""The best order is found to a twentieth between whole ones; any order gives a bound that holds."""

_LEAST_NOISE, _MOST_NOISE = 0.05, 1e6
"""Less noise guarantees nothing; more leaves nothing of a sum over samples."""

_LEAST_MU, _MOST_MU = 1e-12, 1e4
"""With mu above sqrt(2 * epsilon) most of the probability lies outside epsilon; with mu below delta none does, whatever epsilon."""

_LARGEST_EPSILON: Final = 1e6


@dataclass(frozen=True)
class PrivacyBudget:
    """What a fit may reveal of one sample's genotypes.

    Args:
        epsilon: Bound on the log-odds that a sample's genotypes were used, above 0.
        delta: Probability that the bound does not hold, in (0, 1).
    """

    epsilon: float
    delta: float

    @classmethod
    def of_samples(cls, epsilon: float, n_samples: int) -> PrivacyBudget:
        """A budget whose delta is n_samples ** -1.1, below the 1 / n_samples at which handing out a sample would be allowed."""
        return cls(epsilon=epsilon, delta=max(2, n_samples) ** -1.1)


def check_epsilon(epsilon: float) -> None:
    """Refuse what is no epsilon.

    Raises:
        SettingsError: If epsilon is not a number above 0, or so large that it says nothing.
    """
    if not epsilon > 0:
        raise SettingsError(f"epsilon is {epsilon}; it must be above 0. The smaller it is, the less is revealed; 1 to 10 are usual.")
    if epsilon > _LARGEST_EPSILON:
        raise SettingsError(f"epsilon is {epsilon}; it must be at most {_LARGEST_EPSILON:,.0f}. Far less than that guarantees nothing.")


def gaussian_delta(epsilon: float, mu: float) -> float:
    """The delta of Gaussian noise at an epsilon.

    Args:
        epsilon: Of the guarantee.
        mu: Sensitivity over standard deviation of the noise. Releases one after the other add up by squares: mu² = mu_1² + mu_2².

    Returns:
        The least delta for which the release is (epsilon, delta)-private.

    References:
        Balle and Wang 2018, theorem 8, arXiv:1805.06530; Dong, Roth and Su 2022, corollaries 2.13 and 3.3, doi 10.1111/rssb.12454.
    """
    first, second = mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu
    return float(np.exp(log_ndtr(first)) - np.exp(epsilon + log_ndtr(second)))


def gaussian_mu(budget: PrivacyBudget) -> float:
    """The most that one release with Gaussian noise may have of sensitivity over standard deviation.

    Args:
        budget: With an epsilon that `check_epsilon` takes, and a delta of at least 1e-11.
    """

    def excess(log_mu: float) -> float:
        return math.log(max(gaussian_delta(budget.epsilon, math.exp(log_mu)), 1e-300)) - math.log(budget.delta)

    return math.exp(brentq(excess, math.log(_LEAST_MU), math.log(_MOST_MU), xtol=1e-12)) * (1 - 1e-9)


def sampled_gaussian_epsilon(*, noise: float, rate: float, n_steps: int, delta: float) -> float:
    """The epsilon of many noisy sums, each over a batch that holds every sample with one probability (Poisson sampling).

    Rényi divergences at whole orders; in between, (order - 1) times the divergence is convex in the order, so a straight line lies above.

    Args:
        noise: Standard deviation of the noise over the norm that each sample's contribution is clipped to.
        rate: Probability with which a batch holds a sample, in (0, 1].
        n_steps: Number of noisy sums.
        delta: Of the guarantee.

    Returns:
        An epsilon for which the sums together are (epsilon, delta)-private.

    References:
        Mironov, Talwar and Zhang 2019, section 3.3, arXiv:1908.10530 (one sum); Canonne, Kamath and Steinke 2020, proposition 12,
        arXiv:2004.00010 (epsilon from Rényi divergences).
    """
    if n_steps == 0:
        return 0.0
    whole = _whole_orders()
    moments = n_steps * np.array([_log_moment(int(order), noise, rate) for order in whole])
    knots, values = np.concatenate([[1], whole]), np.concatenate([[0.0], moments])
    orders = np.concatenate([np.linspace(low, high, _STEPS_BETWEEN_ORDERS, endpoint=False) for low, high in itertools.pairwise(knots)])
    orders = orders[orders > 1]
    divergences = np.interp(orders, knots, values) / (orders - 1)
    epsilons = divergences + np.log1p(-1 / orders) - (np.log(delta) + np.log(orders)) / (orders - 1)
    return max(0.0, float(epsilons.min()))


def noise_of_budget(budget: PrivacyBudget, *, rate: float, n_steps: int) -> float:
    """The least noise, as `sampled_gaussian_epsilon` takes it, that keeps to a budget.

    Raises:
        SettingsError: If no noise of a sensible size does.
    """

    def excess(log_noise: float) -> float:
        return sampled_gaussian_epsilon(noise=math.exp(log_noise), rate=rate, n_steps=n_steps, delta=budget.delta) - budget.epsilon

    low, high = math.log(_LEAST_NOISE), math.log(_MOST_NOISE)
    if excess(low) <= 0:
        return _LEAST_NOISE
    if excess(high) > 0:
        raise SettingsError(
            f"No noise reaches epsilon {budget.epsilon} at delta {budget.delta:.2g} over {n_steps} steps; give a larger epsilon."
        )
    return math.exp(brentq(excess, low, high, xtol=1e-4)) * (1 + 1e-4)


@cache
def _whole_orders() -> NDArray[np.int64]:
    """Orders of Rényi divergences: all small ones, and 24 up to 1,024 in equal ratios, which serve an epsilon far below 1."""
    return np.concatenate([np.arange(2, 33), np.unique(np.geomspace(33, 1024, 24).astype(int))]).astype(np.int64)


def _log_moment(order: int, noise: float, rate: float) -> float:
    """Log of E[(P / Q)^order] of one noisy sum: (order - 1) times its Rényi divergence, by the binomial formula."""
    k: NDArray[np.int64] = np.arange(order + 1)
    log_binomial = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
    with np.errstate(divide="ignore"):
        log_out = np.where(k == order, 0.0, (order - k) * np.log1p(-rate)) if rate < 1 else np.where(k == order, 0.0, -np.inf)
    return float(logsumexp(log_binomial + k * math.log(rate) + log_out + k * (k - 1) / (2 * noise**2)))
