"""Noisy moments of genotypes: allele frequencies, covariances of neighbours, and covariances with the condition, each with known noise.

One sample changes a sum by a vector of bounded length; Gaussian noise in proportion to that length is added to the sum once. All that is
done with the noisy sums afterwards costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from genobench import MISSING
from genobench_neural.private.accounting import PrivacyBudget, gaussian_mu

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from genobench import CallMatrix
    from genobench_neural.private.streams import Noise

_ROWS_PER_CHUNK: Final = 128
"""Calls of so many samples at 50,000 variants take 26 MB as floats, and products with one neighbour as much."""

_CALL_RATE_WEIGHT: Final = 0.02
"""Squared weight of a sample's call rate against that of all its calls together: one number, so little suffices."""

_CLIPPING: Final = 1.15
"""Squared length that a sample's products are clipped to, over what independent variants would have on average."""

_CALL_RATES: Final = (0.1, 1.0)
"""A noisy call rate is taken to lie between these: a lower one would divide sums of next to no calls."""

_MEAN_FREQUENCIES: Final = (0.02, 0.98)
"""Likewise the mean frequency of all variants, so that the distribution of frequencies has a shape."""

_SPREADS: Final = (1e-3, 0.95)
"""Of the frequencies' variance, as a share of what it would be if each were 0 or 1: a beta distribution lies strictly between 0 and 1."""

_N_FREQUENCIES: Final = 200
"""Frequencies that the expectation is a sum over: steps of .005, a third of a frequency's standard error with a thousand samples."""

_LEAST_ERROR: Final = 1e-3
"""Noise below it is taken for it: it is finer than the steps of frequencies."""


@dataclass(frozen=True, eq=False)
class PrivateMoments:
    """Moments with Gaussian noise, in the order of a chain of variants.

    Args:
        alt_frequency: Shrunk towards that of all variants by what the noise is, in (0, 1), shape (n_variants,).
        covariance: Of the alleles of each variant with those of the first, second, ... variant before it, shape (n_variants, n_lags); 0
            where there is none on its chromosome.
        covariance_noise: Standard deviation of the noise in `covariance`.
        slopes: Change of ALT alleles by each whitened number of the condition, shape (n_variants, n_condition).
        slope_noise: Standard deviation of the noise in `slopes`.
    """

    alt_frequency: torch.Tensor
    covariance: torch.Tensor
    covariance_noise: float
    slopes: torch.Tensor
    slope_noise: float


@dataclass(frozen=True, eq=False)
class MomentMechanism:
    """Releases moments within a budget.

    Args:
        budget: Of both releases together.
        frequency_share: Share of the budget (of mu²) for the allele frequencies.
        condition_share: Share of the rest that goes to the covariances with the condition.
        n_lags: Neighbours whose covariance is released.
    """

    budget: PrivacyBudget
    frequency_share: float
    condition_share: float
    n_lags: int

    def release(
        self, calls: CallMatrix, order: NDArray[np.int64], *, reach: torch.Tensor, condition: torch.Tensor, noise: Noise
    ) -> PrivateMoments:
        """Sum and add noise.

        Args:
            calls: Training calls, shape (n_samples, n_variants).
            order: The variants in the order of the chain.
            reach: How many variants of its chromosome stand before each, shape (n_variants,).
            condition: Whitened conditions, shape (n_samples, n_condition); public.
            noise: Drawn from here, and on the device of it.

        Returns:
            Moments in the order of the chain; together both releases spend the budget.
        """
        mu = gaussian_mu(self.budget)
        p = self._frequencies(calls, order, mu * math.sqrt(self.frequency_share), noise)
        products = ProductSums(p, reach, condition, n_lags=min(self.n_lags, int(reach.max())), condition_share=self.condition_share)
        for rows, alleles in _chunks(calls, order, p.device):
            products.add(torch.where(alleles == MISSING, 0.0, alleles - 2 * p), condition[rows])
        return products.released(mu * math.sqrt(1 - self.frequency_share), len(condition), noise)

    def _frequencies(self, calls: CallMatrix, order: NDArray[np.int64], mu: float, noise: Noise) -> torch.Tensor:
        """ALT frequencies with noise, shrunk, shape (n_variants,)."""
        n_samples, n_variants = calls.shape
        device = noise.device
        rate_weight = math.sqrt(_CALL_RATE_WEIGHT * n_variants)
        deviation = math.sqrt((1 + _CALL_RATE_WEIGHT) * n_variants) / mu
        total, call_rates = torch.zeros(n_variants, device=device), torch.zeros((), device=device)
        for _, alleles in _chunks(calls, order, device):
            is_called = alleles != MISSING
            total += ((alleles - 1) * is_called).sum(dim=0)
            call_rates += is_called.float().mean(dim=1).sum()
        call_rate = (call_rates + deviation / rate_weight * noise.normal(1)[0]) / n_samples
        divisor = n_samples * call_rate.clamp(*_CALL_RATES)
        noisy = (total + deviation * noise.normal(n_variants)) / divisor
        return shrunk_frequencies((noisy + 1) / 2, float(deviation / divisor) / 2)


def shrunk_frequencies(noisy: torch.Tensor, noise: float) -> torch.Tensor:
    """Frequencies expected from noisy ones under a beta distribution that has their mean, and their variance less the noise's.

    Args:
        noisy: Frequencies with Gaussian noise, shape (n_variants,).
        noise: Its standard deviation.

    Returns:
        In (0, 1), shape (n_variants,).
    """
    mean = noisy.mean().clamp(*_MEAN_FREQUENCIES)
    spread = mean * (1 - mean)
    least, most = (share * float(spread) for share in _SPREADS)
    variance = (noisy.var(correction=0) - noise**2).clamp(min=least, max=most)
    size = spread / variance - 1
    grid = (torch.arange(_N_FREQUENCIES, device=noisy.device) + 0.5) / _N_FREQUENCIES
    prior = (mean * size - 1) * grid.log() + ((1 - mean) * size - 1) * (1 - grid).log()
    likelihood = -((noisy[:, None] - grid) ** 2) / (2 * max(noise, _LEAST_ERROR) ** 2)
    return torch.softmax(prior + likelihood, dim=1) @ grid


class ProductSums:
    """Sums of products over samples, each sample's clipped to one length.

    Pairs of calls and calls with the condition make one vector; both are scaled so that their expected squared lengths stand in the ratio
    of their shares and add up to 1. Only what is public or has its noise already goes into scales and length.

    Args:
        p: Noisy ALT frequencies, shape (n_variants,).
        reach: How many variants of its chromosome stand before each, shape (n_variants,).
        condition: Whitened conditions of all samples, shape (n_samples, n_condition).
        n_lags: Neighbours before each variant.
        condition_share: Share of the squared length that goes to products with the condition.
    """

    def __init__(self, p: torch.Tensor, reach: torch.Tensor, condition: torch.Tensor, *, n_lags: int, condition_share: float) -> None:
        self.p, self.n_lags = p, n_lags
        self.is_pair = torch.arange(1, n_lags + 1, device=p.device) <= reach[:, None]
        variance = 2 * p * (1 - p)
        pairs = sum(float((variance[lag:] * variance[:-lag])[self.is_pair[lag:, lag - 1]].sum()) for lag in range(1, n_lags + 1))
        singles = float(variance.sum()) * condition.shape[1]
        share = (condition_share if pairs > 0 else 1.0) if singles > 0 else 0.0
        self.pair_scale = math.sqrt((1 - share) / pairs) if share < 1 and pairs > 0 else 0.0
        self.single_scale = math.sqrt(share / singles) if share > 0 else 0.0
        self.length = math.sqrt(_CLIPPING)
        self.covariance = torch.zeros(len(p), n_lags, device=p.device)
        self.slopes = torch.zeros(len(p), condition.shape[1], device=p.device)

    def add(self, centred: torch.Tensor, condition: torch.Tensor) -> None:
        """Take in some samples: alleles less their mean, shape (n_rows, n_variants), and conditions, shape (n_rows, n_condition)."""
        squared = self.single_scale**2 * centred.square().sum(dim=1) * condition.square().sum(dim=1)
        for lag in range(1, self.n_lags + 1):
            products = centred[:, lag:] * centred[:, :-lag] * self.is_pair[lag:, lag - 1]
            squared += self.pair_scale**2 * products.square().sum(dim=1)
        weighted = centred * (self.length / squared.clamp(min=1e-12).sqrt()).clamp(max=1.0)[:, None]
        for lag in range(1, self.n_lags + 1):
            self.covariance[lag:, lag - 1] += (weighted[:, lag:] * centred[:, :-lag]).sum(dim=0)
        self.slopes += weighted.T @ condition

    def released(self, mu: float, n_samples: int, noise: Noise) -> PrivateMoments:
        """Means over samples with noise, which spends `mu` (sensitivity over standard deviation)."""
        deviation = self.length / mu / n_samples
        pair_noise = deviation / self.pair_scale if self.pair_scale else 0.0
        single_noise = deviation / self.single_scale if self.single_scale else 0.0
        covariance, slopes = (
            (sums / n_samples + level * noise.normal(*sums.shape)) * (level > 0)
            for sums, level in ((self.covariance, pair_noise), (self.slopes, single_noise))
        )
        return PrivateMoments(
            alt_frequency=self.p,
            covariance=covariance * self.is_pair,
            covariance_noise=pair_noise,
            slopes=slopes,
            slope_noise=single_noise,
        )


def _chunks(calls: CallMatrix, order: NDArray[np.int64], device: torch.device) -> Iterator[tuple[slice, torch.Tensor]]:
    """Some rows at a time, as floats in the order of the chain, shape (n_rows, n_variants)."""
    for start in range(0, calls.shape[0], _ROWS_PER_CHUNK):
        rows = slice(start, min(start + _ROWS_PER_CHUNK, calls.shape[0]))
        yield rows, torch.from_numpy(calls.rows(rows)[:, order]).to(device).float()
