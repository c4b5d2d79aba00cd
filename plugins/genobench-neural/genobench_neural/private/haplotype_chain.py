"""A Markov chain of some order along each haplotype: fitted to covariances with noise, and drawn from.

The probability of ALT is linear in the alleles before. Covariances of a linear chain follow its weights in closed form (the Yule-Walker
equations), whatever the frequencies; a chain of thresholded Gaussian values reaches about half of the linkage that it is fitted to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench.statgen import chromosome_numbers, steps_along
from genobench_neural.sampling import GenotypeNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_EXPLAINED: Final = 0.98
"""Of an allele's variance, by those before it: with 1 the covariance of neighbours would be singular."""

_PRIORS: Final = (0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 0.8)
"""Standard deviations of the weight of the variant before that are tried."""

_SIMULATED: Final = 4096
"""Haplotypes by which offsets are set: a frequency's standard error is then below .008."""

_ROUNDS: Final = 6
"""Of calibration, for each variant; each takes off most of what bounding probabilities has shifted."""

_LEAST_VARIANCE: Final = 1e-6
"""What the alleles before add varies by less where they add nothing."""


def fit_chain(correlation: NDArray[np.float64], noise: NDArray[np.float64], is_followed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The weights that are likeliest given noisy correlations, under the normal prior that makes the correlations likeliest.

    Variant by variant, the covariance of those before it is that of the chain as fitted so far, so that the whole is a chain that exists.

    Args:
        correlation: Correlation with the first, second, ... variant before, shape (n_variants, n_lags).
        noise: Standard deviation of its noise; infinite where there is no such variant.
        is_followed: Whether the next variant lies on the same chromosome, shape (n_variants,).

    Returns:
        Weights of the standardised alleles before, shape (n_variants, n_lags).
    """
    if not correlation.shape[1]:
        return correlation
    fits = [_fit_chain(correlation, noise, is_followed, prior=prior) for prior in _PRIORS]
    return max(fits, key=lambda fit: fit[1])[0]


def _fit_chain(
    correlation: NDArray[np.float64], noise: NDArray[np.float64], is_followed: NDArray[np.bool_], *, prior: float
) -> tuple[NDArray[np.float64], float]:
    """Weights, and the log-likelihood of the correlations."""
    n_variants, n_lags = correlation.shape
    weights, log_likelihood = np.zeros((n_variants, n_lags)), 0.0
    steps, chain_of = steps_along(is_followed), chromosome_numbers(is_followed)
    # Covariance of the last n_lags variants of every chromosome, the latest first.
    known = np.broadcast_to(np.eye(n_lags), (len(steps[0]), n_lags, n_lags)).copy()
    prior_variance = prior**2 / np.sqrt(np.arange(1, n_lags + 1))
    is_known = np.isfinite(noise)
    observed, variance = np.where(is_known, correlation, 0.0), np.where(is_known, noise, 1e3) ** 2
    for variants in steps:
        chains = chain_of[variants]
        before, wanted = known[chains], observed[variants]
        gain = prior_variance[:, None] * before
        total = before @ gain + variance[variants][:, :, None] * np.eye(n_lags)
        residual = np.linalg.solve(total, wanted[..., None])[..., 0]
        log_likelihood -= 0.5 * float((wanted * residual).sum() + np.linalg.slogdet(total)[1].sum())
        own = (gain @ residual[..., None])[..., 0]
        explained = np.einsum("ci,cij,cj->c", own, before, own)
        own *= np.sqrt(np.minimum(1.0, _MOST_EXPLAINED / np.maximum(explained, 1e-12)))[:, None]
        weights[variants] = own
        moved = np.empty_like(before)
        moved[:, 1:, 1:] = before[:, :-1, :-1]
        moved[:, 0, 0] = 1.0
        moved[:, 0, 1:] = moved[:, 1:, 0] = np.einsum("cij,cj->ci", before, own)[:, :-1]
        known[chains] = moved
    return weights, log_likelihood


@dataclass(frozen=True)
class ChainSize:
    """What fixes the shapes of a `HaplotypeChain`.

    Args:
        n_blocks: Blocks of the layout.
        block_size: Places of a block.
        n_variants: Variants.
        n_lags: Variants before, that each depends on.
        n_condition: Numbers of condition a sample.
    """

    n_blocks: int
    block_size: int
    n_variants: int
    n_lags: int
    n_condition: int


class HaplotypeChain(GenotypeNetwork):
    """Draws two haplotypes a sample, allele by allele: P(ALT) is an offset, and what the alleles before and the condition add.

    Args:
        size: Shapes.
    """

    place: torch.Tensor
    is_followed: torch.Tensor
    alt_frequency: torch.Tensor
    offset: torch.Tensor
    weights: torch.Tensor
    slopes: torch.Tensor

    def __init__(self, size: ChainSize) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("place", torch.zeros(size.n_variants, dtype=torch.long))
        self.register_buffer("is_followed", torch.zeros(size.n_variants, dtype=torch.bool))
        self.register_buffer("alt_frequency", torch.zeros(size.n_variants))
        self.register_buffer("offset", torch.zeros(size.n_variants))
        self.register_buffer("weights", torch.zeros(size.n_variants, size.n_lags))
        self.register_buffer("slopes", torch.zeros(size.n_variants, size.n_condition))

    def begin_with(self, weights: torch.Tensor, alt_frequency: torch.Tensor, slopes: torch.Tensor) -> None:
        """Take weights, frequencies and marginal effects of the condition on P(ALT).

        The part of the condition's effect that the alleles before a variant pass on is taken off its own.

        Args:
            weights: Of standardised alleles before, shape (n_variants, n_lags).
            alt_frequency: Shape (n_variants,).
            slopes: Shape (n_variants, n_condition).
        """
        n_variants, n_lags = weights.shape
        before = (torch.arange(n_variants)[:, None] - torch.arange(1, n_lags + 1)).clamp(min=0)
        deviation = (alt_frequency * (1 - alt_frequency)).sqrt()
        self.alt_frequency.copy_(alt_frequency)
        self.offset.copy_(alt_frequency)
        self.weights.copy_(weights * deviation[:, None] / deviation[before])
        self.slopes.copy_(slopes - torch.einsum("vl,vlc->vc", self.weights, slopes[before]))

    @torch.no_grad()
    def calibrate(self, condition: torch.Tensor, generator: torch.Generator) -> None:
        """Set offsets and scale weights so that probabilities, bounded to [0, 1], keep frequencies and covariances.

        Args:
            condition: Conditions to draw for, shape (n_samples, n_condition).
            generator: Draws all noise.
        """
        rows = torch.randint(len(condition), (_SIMULATED,), generator=generator)
        self._walk(condition[rows].T.contiguous(), generator, is_calibrating=True)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        first, second = self._walk(condition.T.repeat(1, 2), generator, is_calibrating=False).chunk(2, dim=1)
        codes = torch.zeros(self.size.n_blocks * self.size.block_size, len(condition), dtype=torch.uint8)
        codes[self.place] = first + second
        return codes.view(self.size.n_blocks, self.size.block_size, len(condition)).transpose(1, 2)

    def _walk(self, condition: torch.Tensor, generator: torch.Generator, *, is_calibrating: bool) -> torch.Tensor:
        """Alleles, uint8, shape (n_variants, n_haplotypes), of haplotypes with conditions of shape (n_condition, n_haplotypes)."""
        is_followed = self.is_followed.numpy()
        chain_of = torch.from_numpy(chromosome_numbers(is_followed))
        alleles = torch.empty(self.size.n_variants, condition.shape[1], dtype=torch.uint8)
        recent = torch.zeros(int(chain_of[-1]) + 1, self.size.n_lags, condition.shape[1])
        for step in steps_along(is_followed):
            variants = torch.from_numpy(step)
            chains = chain_of[variants]
            before = recent[chains]
            added = self.slopes[variants] @ condition + torch.bmm(self.weights[variants][:, None], before)[:, 0]
            if is_calibrating:
                added = self._calibrated(variants, added)
            probability = self.offset[variants][:, None] + added
            now = (torch.rand(probability.shape, generator=generator) < probability).to(torch.uint8)
            alleles[variants] = now
            recent[chains] = torch.cat([(now - self.alt_frequency[variants][:, None])[:, None], before], dim=1)[:, : self.size.n_lags]
        return alleles

    def _calibrated(self, variants: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
        """What is added for some variants, after their offsets, weights and slopes were set; shape (n_some_variants, n_haplotypes)."""
        wanted = self.alt_frequency[variants][:, None]
        mean = added.mean(dim=1, keepdim=True)
        centred = added - mean
        variance = centred.square().mean(dim=1, keepdim=True)
        gain, offset = torch.ones_like(wanted), wanted.clone()
        for _ in range(_ROUNDS):
            bounded = (offset + gain * centred).clamp(0, 1)
            reached = (bounded * centred).mean(dim=1, keepdim=True)
            offset += wanted - bounded.mean(dim=1, keepdim=True)
            gain *= torch.where(variance > _LEAST_VARIANCE, variance / reached.clamp(min=1e-9), torch.ones_like(gain)).clamp(0.5, 2.0)
            gain.clamp_(0.3, 4.0)
        self.offset[variants] = (offset - gain * mean)[:, 0]
        self.weights[variants] *= gain
        self.slopes[variants] *= gain
        return gain * added
