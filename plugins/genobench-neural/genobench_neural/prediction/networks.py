"""Parts of the networks that predict: dropout by a generator of one's own, and the layers after the genome."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from genobench_neural.layers import NEGATIVE_SLOPE, Dense

if TYPE_CHECKING:
    from genobench_neural.prediction.inputs import Inputs, Samples


class Dropout(nn.Module):
    """Sets a share of the numbers to 0 while training (Srivastava et al. 2014), drawn from a generator that is given.

    Args:
        share: Of the numbers.
        random: Draws them.
    """

    def __init__(self, share: float, random: torch.Generator) -> None:
        super().__init__()
        self._share, self._random = share, random

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        if not self.training or self._share == 0:
            return x
        is_kept = torch.rand(x.shape, generator=self._random, device=x.device) >= self._share
        return x * is_kept / (1 - self._share)


class PlacedCalls(nn.Module):
    """Standardised calls at places, zero (the mean) at places without a variant.

    Args:
        inputs: Means and scales.
        places: The place of each variant, shape (n_varying,).
        n_places: How many places there are.
        device: Where the network lies.
    """

    means: torch.Tensor
    scales: torch.Tensor
    places: torch.Tensor

    def __init__(self, inputs: Inputs, places: torch.Tensor, n_places: int, device: torch.device) -> None:
        super().__init__()
        self._n_places = n_places
        for name, values in (("means", inputs.means), ("scales", inputs.scales), ("places", places)):
            self.register_buffer(name, values.to(device), persistent=False)

    def forward(self, samples: Samples) -> torch.Tensor:
        """Shape (n_samples, n_places)."""
        standard = (samples.calls.to(self.means.dtype) - self.means) * self.scales
        placed = standard.new_zeros(len(standard), self._n_places)
        placed[:, self.places] = standard
        return placed


class Head(nn.Module):
    """From maps of channels over places to numbers: a hidden layer over all of them, each channel's mean, and covariates.

    The mean of a channel counts a pattern wherever it stands; it is standardised over the batch (Ioffe and Szegedy 2015). The last layer
    begins at zero, so that an untrained network says nothing.

    Args:
        n_channels: Of the maps.
        n_places: Of the maps.
        n_covariates: Covariates.
        n_out: Numbers out.
        n_hidden: Hidden units.
        dropout: Share of the maps, and of hidden units, that is dropped.
        random: Draws weights and what is dropped.
    """

    def __init__(
        self, *, n_channels: int, n_places: int, n_covariates: int, n_out: int, n_hidden: int, dropout: float, random: torch.Generator
    ) -> None:
        super().__init__()
        self.dropout = Dropout(dropout, random)
        self.hidden = Dense(n_channels * n_places, n_hidden, generator=random, device=random.device)
        self.standardise = nn.BatchNorm1d(n_channels, affine=False, device=random.device)
        self.out = Dense(n_hidden + n_channels + n_covariates, n_out, generator=None, device=random.device)

    def forward(self, maps: torch.Tensor, covariates: torch.Tensor) -> torch.Tensor:
        """Map (n_samples, n_channels, n_places) and (n_samples, n_covariates) to (n_samples, n_out)."""
        hidden = functional.leaky_relu(self.hidden(self.dropout(maps.flatten(1))), NEGATIVE_SLOPE)
        means = self.standardise(maps.mean(dim=2))
        numbers: torch.Tensor = self.out(torch.cat([self.dropout(hidden), means, covariates.to(maps.dtype)], dim=1))
        return numbers


def draw_convolution(layer: nn.Conv1d | nn.Conv2d, random: torch.Generator) -> None:
    """Weights of variance 2 / fan-in (He et al. 2015), biases zero, without the global generator."""
    fan_in = layer.weight[0].numel()
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=random, device=layer.weight.device) * math.sqrt(2 / fan_in))
        if layer.bias is not None:
            layer.bias.zero_()
