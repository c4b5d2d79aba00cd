"""Layers along the genome, and what several networks share.

Along the genome each block of variants has weights of its own and sees its neighbours; tensors have shape (n_blocks, n_samples,
n_channels). A dense layer over all variants costs n_variants x width a sample and learns every pair of distant variants alike; these cost
n_variants x (channels of a block) and look where linkage disequilibrium is.
"""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

NEGATIVE_SLOPE: Final = 0.2
_SMALLEST_VARIANCE: Final = 1e-6
"""Variants up to this variance count as constant."""

_BASE: Final = 10_000.0


class Dense(nn.Module):
    """A linear layer that draws its weights from a generator of its own, not from the global one.

    Args:
        n_in: Numbers in, at least one.
        n_out: Numbers out.
        generator: Draws the weights (He et al. 2015); None: they begin at zero.
        device: Where the weights lie.
    """

    def __init__(self, n_in: int, n_out: int, *, generator: torch.Generator | None, device: torch.device) -> None:
        super().__init__()
        self.weight = nn.Parameter(drawn((n_out, n_in), fan_in=n_in, generator=generator, device=device))
        self.bias = nn.Parameter(torch.zeros(n_out, device=device))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., n_in) to (..., n_out)."""
        return functional.linear(x, self.weight, self.bias)


class ResidualBlock(nn.Module):
    """x + W2 f(W1 x), with f a leaky ReLU; the identity at first, since W2 begins at zero."""

    def __init__(self, width: int, *, generator: torch.Generator, device: torch.device) -> None:
        super().__init__()
        self.first = Dense(width, width, generator=generator, device=device)
        self.second = Dense(width, width, generator=None, device=device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n_samples, width) to the same shape."""
        update: torch.Tensor = self.second(functional.leaky_relu(self.first(x), NEGATIVE_SLOPE))
        return x + update


class BlockDense(nn.Module):
    """A linear layer with weights of its own in every block.

    Args:
        n_blocks: Number of blocks.
        n_in: Channels in.
        n_out: Channels out.
        generator: Draws the weights; None: they begin at zero.
        device: Where the weights lie.
    """

    def __init__(self, n_blocks: int, n_in: int, n_out: int, *, generator: torch.Generator | None, device: torch.device) -> None:
        super().__init__()
        self.weight = nn.Parameter(drawn((n_blocks, n_in, n_out), fan_in=n_in, generator=generator, device=device))
        self.bias = nn.Parameter(torch.zeros(n_blocks, 1, n_out, device=device))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n_blocks, n_samples, n_in) to (n_blocks, n_samples, n_out)."""
        return torch.baddbmm(self.bias, x, self.weight)


class NeighbourBlock(nn.Module):
    """A residual block that sees the blocks before and after, and a context common to all of them.

    Args:
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
        n_channels: Channels in and out.
        n_context: Numbers of context a sample.
        n_hidden: Channels between.
        generator: Draws the first weights; the second begin at zero, so that the block is the identity at first.
    """

    is_followed: torch.Tensor

    def __init__(self, is_followed: torch.Tensor, *, n_channels: int, n_context: int, n_hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        n_blocks, device = len(is_followed), is_followed.device
        self.register_buffer("is_followed", is_followed, persistent=False)
        self.first = BlockDense(n_blocks, 3 * n_channels + n_context, n_hidden, generator=generator, device=device)
        self.second = BlockDense(n_blocks, n_hidden, n_channels, generator=None, device=device)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Map x (n_blocks, n_samples, n_channels) and context (n_samples, n_context) to the shape of x."""
        after = handed_back(x, self.is_followed)
        before = handed_on(x, self.is_followed)
        everywhere = context.to(x.dtype).expand(len(x), -1, -1)
        hidden = functional.leaky_relu(self.first(torch.cat([before, x, after, everywhere], dim=-1)), NEGATIVE_SLOPE)
        update: torch.Tensor = self.second(hidden)
        return x + update


class HardAlleles(torch.autograd.Function):
    """Alleles drawn by the Gumbel-max trick, with the gradient of the Gumbel-softmax (straight-through, Jang et al. 2017).

    With two classes only the difference of their Gumbel values counts, which is logistic. The critic sees 0 and 1 from both sides, so
    that softness does not distinguish them.
    """

    @staticmethod
    def forward(ctx: Any, noisy: torch.Tensor, temperature: float) -> torch.Tensor:
        """Draw.

        Args:
            ctx: Keeps what the gradient needs.
            noisy: Log-odds of ALT with logistic noise, any shape.
            temperature: Of the softmax whose gradient is used.

        Returns:
            1 for ALT, else 0, as floats.
        """
        ctx.save_for_backward(noisy)
        ctx.temperature = temperature
        return (noisy > 0).to(noisy.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """The gradient of P(ALT) under the softmax."""
        soft = torch.sigmoid(ctx.saved_tensors[0] / ctx.temperature)
        return gradients[0] * soft * (1 - soft) / ctx.temperature, None


def logistic_noise(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Differences of two standard Gumbel values, float32, on the generator's device."""
    return torch.rand(shape, generator=generator, device=generator.device).clamp_(1e-7, 1 - 1e-7).logit_()


def handed_on(x: torch.Tensor, is_followed: torch.Tensor) -> torch.Tensor:
    """What each block gets from the block before it on its chromosome (zero for the first), shape of x."""
    given = x[:-1] * is_followed[:-1, None, None]
    return functional.pad(given, (0, 0, 0, 0, 1, 0))


def handed_back(x: torch.Tensor, is_followed: torch.Tensor) -> torch.Tensor:
    """What each block gets from the block after it on its chromosome (zero for the last), shape of x."""
    given = x[1:] * is_followed[:-1, None, None]
    return functional.pad(given, (0, 0, 0, 0, 0, 1))


def drawn(shape: tuple[int, ...], *, fan_in: int, generator: torch.Generator | None, device: torch.device) -> torch.Tensor:
    """Weights: normal of variance 2 / fan_in, or zero without a generator."""
    if generator is None:
        return torch.zeros(shape, device=device)
    return torch.randn(shape, generator=generator, device=device) * math.sqrt(2 / max(1, fan_in))


def time_embedding(t: torch.Tensor, n_numbers: int) -> torch.Tensor:
    """Sines, then cosines, of t at rates from 1 down to 1 / 10,000, shape (n_samples, n_numbers)."""
    half = n_numbers // 2
    rates = torch.exp(-math.log(_BASE) / max(1, half - 1) * torch.arange(half, device=t.device))
    angles = t[:, None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def kl_divergence(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Divergence of N(mean, exp(log_variance)) from N(0, I), in nats, summed over samples (Kingma and Welling 2014, appendix B)."""
    return -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()


def standardising(shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of the ALT alleles of variants, and what brings them to variance 1.

    Args:
        shares: Share of each genotype, shape (..., 3).

    Returns:
        Means and scales, shape (...); the scale of a constant variant is 0.
    """
    means = shares[..., 1] + 2 * shares[..., 2]
    return means, inverse_spread(shares[..., 1] + 4 * shares[..., 2] - means.square())


def inverse_spread(variances: torch.Tensor) -> torch.Tensor:
    """1 / standard deviation, the shape of `variances`; 0 for those of constant variants."""
    return torch.where(variances > _SMALLEST_VARIANCE, variances.clamp(min=_SMALLEST_VARIANCE).rsqrt(), 0.0)


def ridge_slopes(x: torch.Tensor, y: torch.Tensor, *, ridge: float) -> torch.Tensor:
    """Slopes of y on x by ridge regression without an intercept, (x'x + ridge I)⁻¹ x'y, shape (..., n_x, n_y).

    Args:
        x: Shape (..., n_samples, n_x).
        y: Shape (..., n_samples, n_y).
        ridge: Penalty, in samples where x has variance 1.
    """
    penalty = ridge * torch.eye(x.shape[-1], device=x.device)
    slopes: torch.Tensor = torch.linalg.solve(x.mT @ x + penalty, x.mT @ y)
    return slopes


def n_parameters(network: nn.Module) -> int:
    """How many numbers of a network are learned."""
    return sum(weight.numel() for weight in network.parameters())


def give_first_weights(network: nn.Module, device: torch.device, generator: torch.Generator, *, xavier_bias: float | None = None) -> None:
    """Move a network that was built on the meta device to its device and draw its first weights, without the global generator.

    Args:
        network: Linear and normalising layers.
        device: Where it goes.
        generator: Draws the weights: uniform in ±1 / sqrt(n_in), torch's default for linear layers.
        xavier_bias: If given, weights are Xavier-uniform (Glorot and Bengio 2010) and every bias is this.
    """
    network.to_empty(device=device)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.LayerNorm):
            layer.reset_parameters()
        elif isinstance(layer, nn.Linear):
            if xavier_bias is None:
                bound = 1 / math.sqrt(layer.in_features)
                for weight in layer.parameters():
                    nn.init.uniform_(weight, -bound, bound, generator=generator)
            else:
                nn.init.xavier_uniform_(layer.weight, generator=generator)
                nn.init.constant_(layer.bias, xavier_bias)
