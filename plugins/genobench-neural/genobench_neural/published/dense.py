"""The dense networks of Xie et al. 2025 (arXiv:2508.09212), layer by layer, so that their parameter counts are the published ones.

One fully connected network holds all variants: m variants are 3m numbers in, or 3m logits out, whatever chromosomes they lie on. Those of
GAN and WGAN lie in planes in memory (see `genobench_neural.onehot`), the three numbers of a variant m apart.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from genobench_neural.onehot import N_GENOTYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

NEGATIVE_SLOPE: Final = 0.05


class DenseResidual(nn.Module):
    """f(x + W2 f(W1 x)) with f a leaky ReLU, batch-normalised after each product where asked for.

    Args:
        width: Numbers in and out.
        is_normalised: Whether batch normalisation follows each linear layer (generators and autoencoders) or not (critics).
    """

    def __init__(self, width: int, *, is_normalised: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for place in range(2):
            layers.append(nn.Linear(width, width))
            if is_normalised:
                layers.append(nn.BatchNorm1d(width))
            if place == 0:
                layers.append(nn.LeakyReLU(NEGATIVE_SLOPE))
        self.inner = nn.Sequential(*layers)
        self.activation = nn.LeakyReLU(NEGATIVE_SLOPE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n_samples, width) to the same shape."""
        y: torch.Tensor = self.activation(x + self.inner(x))
        return y


def normalised_layers(n_in: int, widths: Sequence[int]) -> nn.Sequential:
    """The stack of an encoder or decoder: Linear, BatchNorm, LeakyReLU for each width.

    Three equal widths in a row become one such layer to that width (none where it has it already) and a residual block.

    Args:
        n_in: Numbers in.
        widths: Numbers after each layer, as the description lists them.
    """
    layers: list[nn.Module] = []
    place = 0
    while place < len(widths):
        width = widths[place]
        is_run = place + 2 < len(widths) and widths[place : place + 3] == (width,) * 3
        if n_in != width or not is_run:
            layers += [nn.Linear(n_in, width), nn.BatchNorm1d(width), nn.LeakyReLU(NEGATIVE_SLOPE)]
        if is_run:
            layers.append(DenseResidual(width, is_normalised=True))
        place += 3 if is_run else 1
        n_in = width
    return nn.Sequential(*layers)


class Beside(nn.Module):
    """Puts the condition's numbers before and after what a layer sees.

    Args:
        n_before: Copies of the condition in front, the last column first.
        n_after: Copies behind, in order.
    """

    def __init__(self, n_before: int, n_after: int) -> None:
        super().__init__()
        self.n_before, self.n_after = n_before, n_after

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Map (n_samples, n) and (n_samples, n_columns) to (n_samples, n + (n_before + n_after) * n_columns)."""
        return torch.cat([*[condition.flip(-1)] * self.n_before, x, *[condition] * self.n_after], dim=-1)


class DenseGenerator(nn.Module):
    """Noise to logits of genotypes: the generator of the published GAN, and with a condition that of the published WGAN.

    Args:
        n_noise: Numbers of z.
        widths: Numbers after the first layer and after each stage (a residual block and a linear layer).
        n_variants: Variants.
        n_columns: Scalars of condition, 0 for none.
        n_before: Copies of the condition in front of the input and of each stage.
        n_after: Copies behind.
        is_last_conditioned: Whether the last layer sees the condition too.
    """

    def __init__(
        self,
        *,
        n_noise: int,
        widths: tuple[int, ...],
        n_variants: int,
        n_columns: int = 0,
        n_before: int = 0,
        n_after: int = 0,
        is_last_conditioned: bool = False,
    ) -> None:
        super().__init__()
        self.n_noise, self.n_variants = n_noise, n_variants
        self.beside = Beside(n_before, n_after)
        self.is_last_conditioned = is_last_conditioned
        n_more = (n_before + n_after) * n_columns
        self.entry = nn.Sequential(nn.Linear(n_noise + n_more, widths[0]), nn.BatchNorm1d(widths[0]), nn.LeakyReLU(NEGATIVE_SLOPE))
        self.stages = nn.ModuleList(_stage(n_in + n_more, n_out, is_normalised=True) for n_in, n_out in _steps(widths))
        self.exit = nn.Linear(widths[-1] + n_more * is_last_conditioned, N_GENOTYPES * n_variants)

    def forward(self, z: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n_samples, n_variants, 3), of z (n_samples, n_noise) and condition (n_samples, n_columns)."""
        hidden = self.entry(self.beside(z, condition))
        for stage in self.stages:
            hidden = stage(self.beside(hidden, condition))
        if self.is_last_conditioned:
            hidden = self.beside(hidden, condition)
        logits: torch.Tensor = self.exit(hidden)
        return logits.view(len(z), N_GENOTYPES, self.n_variants).transpose(1, 2)


class DenseCritic(nn.Module):
    """Soft genotypes to one number a sample: the discriminator of the published GAN (before its sigmoid) and the critic of the WGAN.

    Args:
        widths: Numbers after the first layer and after each stage.
        n_variants: Variants.
        n_columns: Scalars of condition, 0 for none.
        n_before: Copies of the condition in front of the input and of each stage.
        n_after: Copies behind.
    """

    def __init__(self, *, widths: tuple[int, ...], n_variants: int, n_columns: int = 0, n_before: int = 0, n_after: int = 0) -> None:
        super().__init__()
        self.beside = Beside(n_before, n_after)
        n_more = (n_before + n_after) * n_columns
        self.entry = nn.Sequential(nn.Linear(N_GENOTYPES * n_variants + n_more, widths[0]), nn.LeakyReLU(NEGATIVE_SLOPE))
        self.stages = nn.ModuleList(_stage(n_in + n_more, n_out, is_normalised=False) for n_in, n_out in _steps(widths))
        self.exit = nn.Linear(widths[-1], 1)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Scores, shape (n_samples,), of genotypes (n_samples, n_variants, 3) and condition (n_samples, n_columns)."""
        hidden = self.entry(self.beside(x.transpose(1, 2).flatten(1), condition))
        for stage in self.stages:
            hidden = stage(self.beside(hidden, condition))
        score: torch.Tensor = self.exit(hidden)
        return score[:, 0]


class DenseEncoder(nn.Module):
    """One-hot genotypes to the mean and log-variance of z.

    Args:
        widths: As the description lists them.
        n_latent: Numbers of z.
        n_variants: Variants.
        n_condition: Numbers of condition at the input; 0 as published.
    """

    def __init__(self, *, widths: tuple[int, ...], n_latent: int, n_variants: int, n_condition: int = 0) -> None:
        super().__init__()
        self.layers = normalised_layers(N_GENOTYPES * n_variants + n_condition, widths)
        self.mean = nn.Linear(widths[-1], n_latent)
        self.log_variance = nn.Linear(widths[-1], n_latent)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance, shape (n_samples, n_latent), of genotypes (n_samples, n_variants, 3)."""
        hidden = self.layers(torch.cat([x.flatten(1), condition], dim=-1))
        return self.mean(hidden), self.log_variance(hidden)


class DenseDecoder(nn.Module):
    """z to logits of genotypes.

    Args:
        widths: As the description lists them.
        n_latent: Numbers of z.
        n_variants: Variants.
        n_condition: Numbers of condition at the input; 0 as published.
    """

    def __init__(self, *, widths: tuple[int, ...], n_latent: int, n_variants: int, n_condition: int = 0) -> None:
        super().__init__()
        self.n_variants = n_variants
        self.layers = normalised_layers(n_latent + n_condition, widths)
        self.exit = nn.Linear(widths[-1], N_GENOTYPES * n_variants)

    def forward(self, z: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n_samples, n_variants, 3), of z (n_samples, n_latent)."""
        logits: torch.Tensor = self.exit(self.layers(torch.cat([z, condition], dim=-1)))
        return logits.view(len(z), self.n_variants, N_GENOTYPES)


def _steps(widths: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(pairwise(widths))


def _stage(n_in: int, n_out: int, *, is_normalised: bool) -> nn.Sequential:
    return nn.Sequential(DenseResidual(n_in, is_normalised=is_normalised), nn.Linear(n_in, n_out), nn.LeakyReLU(NEGATIVE_SLOPE))
