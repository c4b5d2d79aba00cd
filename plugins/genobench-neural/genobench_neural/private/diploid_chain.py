"""Genotypes one after the other along each chromosome, by a softmax of what stands before: a model with a loss for one sample alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from genobench.statgen import chromosome_numbers, steps_along
from genobench_neural.batches import MISSING_CODE
from genobench_neural.sampling import GenotypeNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG_2: Final = math.log(2)
_SIMULATED: Final = 2048
"""Samples by which biases are set: a frequency's standard error is then below .008."""

_NEWTON_STEPS: Final = 8
"""Of calibration; no step is longer than 1 in log-odds, so that eight reach any frequency from .0003 on."""

CONDITION_SCALE: Final = 0.5
"""Conditions are scaled by this, so that they take a smaller part of a clipped gradient than the variants before do."""


@dataclass(frozen=True)
class DiploidSize:
    """What fixes the shapes of a `DiploidChain`.

    Args:
        n_blocks: Blocks of the layout.
        block_size: Places of a block.
        n_variants: Variants.
        n_lags: Variants before, that each depends on.
        n_condition: Numbers of condition a sample.
        n_white: Uncorrelated numbers that they are mapped to.
    """

    n_blocks: int
    block_size: int
    n_variants: int
    n_lags: int
    n_condition: int
    n_white: int


class DiploidChain(GenotypeNetwork):
    """Genotype g of a variant has logit (g - 1) s + [g = 1] t.

    s is a bias and what the alleles of the variants before and the condition add; t is log 2 and what their heterozygosity adds. Without
    variants before, these are the Hardy-Weinberg shares of an allele with log-odds s.

    Args:
        size: Shapes.
    """

    place: torch.Tensor
    is_followed: torch.Tensor
    is_before: torch.Tensor
    alt_frequency: torch.Tensor
    whitening: torch.Tensor
    heterozygous_bias: torch.Tensor

    def __init__(self, size: DiploidSize) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("place", torch.zeros(size.n_variants, dtype=torch.long))
        self.register_buffer("is_followed", torch.zeros(size.n_variants, dtype=torch.bool))
        self.register_buffer("is_before", torch.zeros(size.n_lags, size.n_variants))
        self.register_buffer("alt_frequency", torch.full((size.n_variants,), 0.5))
        self.register_buffer("whitening", torch.zeros(size.n_condition, size.n_white))
        self.register_buffer("heterozygous_bias", torch.zeros(size.n_variants))
        self.bias = nn.Parameter(torch.zeros(size.n_variants))
        self.alleles = nn.Parameter(torch.zeros(size.n_lags, size.n_variants))
        self.heterozygosity = nn.Parameter(torch.zeros(size.n_lags, size.n_variants))
        self.effects = nn.Parameter(torch.zeros(size.n_white, size.n_variants))

    def frequency_loss(self, parameters: Mapping[str, torch.Tensor], codes: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of one sample by allele frequencies alone.

        Args:
            parameters: `bias` alone.
            codes: Calls along the chain, 0, 1, 2 or MISSING_CODE, uint8, shape (n_variants,).
        """
        return _negative_log_likelihood(parameters["bias"], torch.full_like(parameters["bias"], _LOG_2), codes)

    def linkage_loss(self, parameters: Mapping[str, torch.Tensor], codes: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of one sample given the variants before and the condition; the bias stays as it is.

        Args:
            parameters: `alleles`, `heterozygosity` and `effects`.
            codes: As `frequency_loss` takes them; a missing call reads as the mean.
            condition: Whitened, shape (n_white,).
        """
        p = self.alt_frequency
        is_called = codes != MISSING_CODE
        standard = torch.where(is_called, (codes - 2 * p) / self._deviation(), 0.0)
        heterozygous = torch.where(is_called, (codes == 1).float() - 2 * p * (1 - p), 0.0)
        s = (
            self.bias.detach()
            + CONDITION_SCALE * condition @ parameters["effects"]
            + (parameters["alleles"] * self._before(standard)).sum(dim=0)
        )
        t = _LOG_2 + (parameters["heterozygosity"] * self._before(heterozygous)).sum(dim=0)
        return _negative_log_likelihood(s, t, codes)

    def usual_gradient(self) -> float:
        """Length of the gradient of `linkage_loss` that a sample of independent variants has on average, by the frequencies alone."""
        p = self.alt_frequency
        variance, heterozygosity = 2 * p * (1 - p), 2 * p * (1 - p) * (1 - 2 * p * (1 - p))
        squared = variance * (self.is_before.sum(dim=0) + CONDITION_SCALE**2 * self.size.n_white)
        return float((squared + heterozygosity * (self.is_before * self._before(heterozygosity)).sum(dim=0)).sum().sqrt())

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        calls = self._walk(condition @ self.whitening, generator, is_calibrating=False)
        codes = torch.zeros(self.size.n_blocks * self.size.block_size, len(condition), dtype=torch.uint8)
        codes[self.place] = calls
        return codes.view(self.size.n_blocks, self.size.block_size, len(condition)).transpose(1, 2)

    @torch.no_grad()
    def calibrate(self, condition: torch.Tensor, generator: torch.Generator) -> None:
        """Set the biases so that drawn alleles have the frequencies of `alt_frequency`, and genotypes the Hardy-Weinberg shares.

        Args:
            condition: Whitened conditions to draw for, shape (n_samples, n_white).
            generator: Draws all noise.
        """
        rows = torch.randint(len(condition), (_SIMULATED,), generator=generator)
        self._walk(condition[rows], generator, is_calibrating=True)

    def _deviation(self) -> torch.Tensor:
        """Standard deviation of calls under Hardy-Weinberg, shape (n_variants,)."""
        return (2 * self.alt_frequency * (1 - self.alt_frequency)).sqrt()

    def _before(self, values: torch.Tensor) -> torch.Tensor:
        """What stands before each variant on its chromosome, shape (n_lags, n_variants), of values of shape (n_variants,)."""
        if not self.size.n_lags:
            return values.new_zeros(0, len(values))
        return torch.stack([functional.pad(values[:-lag], (lag, 0)) for lag in range(1, self.size.n_lags + 1)]) * self.is_before

    def _walk(self, condition: torch.Tensor, generator: torch.Generator, *, is_calibrating: bool) -> torch.Tensor:
        """Calls, uint8, shape (n_variants, n_samples), of samples with whitened conditions of shape (n_samples, n_white)."""
        is_followed = self.is_followed.numpy()
        chain_of = torch.from_numpy(chromosome_numbers(is_followed))
        calls = torch.empty(self.size.n_variants, len(condition), dtype=torch.uint8)
        recent = torch.zeros(int(chain_of[-1]) + 1, self.size.n_lags, 2, len(condition))
        deviation, expected = self._deviation()[:, None], 2 * self.alt_frequency[:, None]
        heterozygosity = expected * (1 - expected / 2)
        for step in steps_along(is_followed):
            variants = torch.from_numpy(step)
            before = recent[chain_of[variants]]
            s = CONDITION_SCALE * self.effects[:, variants].T @ condition.T
            s += torch.einsum("lv,vln->vn", self.alleles[:, variants], before[:, :, 0])
            t = _LOG_2 + torch.einsum("lv,vln->vn", self.heterozygosity[:, variants], before[:, :, 1])
            if is_calibrating:
                biases = _calibrated(s, t, self.bias[variants], expected[variants, 0])
                self.bias[variants], self.heterozygous_bias[variants] = biases
            s, t = s + self.bias[variants][:, None], t + self.heterozygous_bias[variants][:, None]
            reached = _probabilities(s, t).cumsum(dim=0)
            now = (torch.rand(s.shape, generator=generator) > reached[:2]).sum(dim=0)
            calls[variants] = now.to(torch.uint8)
            made = torch.stack([(now - expected[variants]) / deviation[variants], (now == 1).float() - heterozygosity[variants]], dim=1)
            recent[chain_of[variants]] = torch.cat([made[:, None], before], dim=1)[:, : self.size.n_lags]
        return calls


def _probabilities(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Of the three genotypes, shape (3, n_variants, n_samples), from logits of shape (n_variants, n_samples)."""
    return torch.softmax(torch.stack([-s, t, s]), dim=0)


def _negative_log_likelihood(s: torch.Tensor, t: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Summed over the calls that there are; s, t and codes have shape (n_variants,)."""
    logits = torch.stack([-s, t, s])
    own = torch.where(codes == 0, -s, torch.where(codes == 1, t, s))
    return ((torch.logsumexp(logits, dim=0) - own) * (codes != MISSING_CODE)).sum()


def _calibrated(s: torch.Tensor, t: torch.Tensor, bias: torch.Tensor, expected: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Biases of s and t, shape (n_variants,), with which alleles and heterozygosity are as expected on average, by Newton's method."""
    heterozygosity = expected * (1 - expected / 2)
    heterozygous_bias = torch.zeros_like(bias)
    for _ in range(_NEWTON_STEPS):
        p = _probabilities(s + bias[:, None], t + heterozygous_bias[:, None])
        alleles = p[1] + 2 * p[2]
        slope = (p[1] + 4 * p[2] - alleles.square()).mean(dim=1).clamp(min=1e-3)
        heterozygous_slope = (p[1] * (1 - p[1])).mean(dim=1).clamp(min=1e-3)
        bias = bias + ((expected - alleles.mean(dim=1)) / slope).clamp(-1, 1)
        heterozygous_bias = heterozygous_bias + ((heterozygosity - p[1].mean(dim=1)) / heterozygous_slope).clamp(-1, 1)
    return bias, heterozygous_bias
