"""Convolutions along each chromosome, beside a linear part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from genobench import check_lowest
from genobench_neural.layers import NEGATIVE_SLOPE
from genobench_neural.prediction.classifier import NetworkClassifier
from genobench_neural.prediction.networks import Head, PlacedCalls, draw_convolution
from genobench_neural.prediction.places import places_along

if TYPE_CHECKING:
    from genobench_neural.prediction.inputs import Inputs, Samples

_SECOND_KERNEL: Final = 5
_SECOND_STRIDE: Final = 2


@dataclass(frozen=True)
class Cnn(NetworkClassifier):
    """A network of convolutions along each chromosome, added to a ridge regression on calls and covariates.

    Variants stand in order along their chromosomes, which are so far apart that no unit sees two of them. Two layers of convolutions look
    for patterns of neighbours (haplotypes) with the same weights everywhere; what they find goes to a hidden layer that knows where it was
    found, and the mean of each pattern over the genome goes to the last layer, with covariates. The networks learn from what the ridge
    regression leaves in samples that it was not fitted on, and are added in the share, from 0 to 1, that helps samples that judge. So the
    prediction is that of ridge regression where they find nothing. Ordinal classes have cumulative log odds with one score; classes weigh
    the same however many samples they have.

    Args:
        linear_part: `calls`: ridge regression on calls, covariates unpenalised, its penalty from six by the loss on samples that judge;
            `covariates`: covariates alone, so that networks must find what calls say.
        n_members: Networks; also the folds of whole families, within training, that judge where there are no validation samples.
        max_epochs: The most often that a network sees a sample.
        patience: Epochs without progress after which it stops.
        batch_size: Samples a batch.
        n_hidden: Units of the hidden layer.
        dropout: Share of what the convolutions give, and of hidden units, that is dropped in training.
        learning_rate: Of Adam.
        weight_decay: Of its weights, decoupled from the gradient (AdamW).
        n_channels: Patterns that each layer of convolutions looks for.
        kernel_variants: Neighbours that the first layer sees at once.
        stride_variants: Variants from one such window to the next.

    References:
        Convolutions along the genome and how they compare with linear models: Bellot et al. 2018, doi:10.1534/genetics.118.301298;
        Ma et al. 2018 (DeepGS), doi:10.1007/s00425-018-2976-9. Committees whose members leave out a part: Krogh and Vedelsby 1995, Neural
        network ensembles, cross validation, and active learning, NIPS 7: 231-238. Cumulative log odds: McCullagh 1980,
        doi:10.1111/j.2517-6161.1980.tb01109.x.
    """

    n_channels: int = 8
    kernel_variants: int = 8
    stride_variants: int = 4

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        super().__post_init__()
        check_lowest(self, dict.fromkeys(("n_channels", "kernel_variants", "stride_variants"), 1))

    def network(self, inputs: Inputs, *, n_out: int, random: torch.Generator) -> nn.Module:
        """Two layers of convolutions and the layers after them."""
        return _AlongGenome(inputs, self, n_out=n_out, random=random)


class _AlongGenome(nn.Module):
    """Calls on a line, windows of neighbours, windows of these, and the head."""

    def __init__(self, inputs: Inputs, settings: Cnn, *, n_out: int, random: torch.Generator) -> None:
        super().__init__()
        stride, n_channels, device = settings.stride_variants, settings.n_channels, random.device
        # As far as a unit of the second layer sees; windows begin at the same places of every chromosome.
        sight = settings.kernel_variants + (_SECOND_KERNEL - 1) * stride
        places, n_places = places_along(inputs.table, gap=sight, multiple=stride * _SECOND_STRIDE)
        self.calls = PlacedCalls(inputs, torch.from_numpy(places), n_places, device)
        # Half a kernel before the first chromosome as after each.
        padding = (settings.kernel_variants // 2, _SECOND_KERNEL // 2)
        self.first = nn.Conv1d(1, n_channels, settings.kernel_variants, stride, padding=padding[0], device="meta").to_empty(device=device)
        self.second = nn.Conv1d(n_channels, n_channels, _SECOND_KERNEL, _SECOND_STRIDE, padding=padding[1], device="meta")
        self.second.to_empty(device=device)
        draw_convolution(self.first, random)
        draw_convolution(self.second, random)
        n_first = (n_places + 2 * padding[0] - settings.kernel_variants) // stride + 1
        self.head = Head(
            n_channels=n_channels,
            n_places=(n_first + 2 * padding[1] - _SECOND_KERNEL) // _SECOND_STRIDE + 1,
            n_covariates=inputs.covariates.width,
            n_out=n_out,
            n_hidden=settings.n_hidden,
            dropout=settings.dropout,
            random=random,
        )

    def forward(self, samples: Samples) -> torch.Tensor:
        """Scores, shape (n_samples, n_out)."""
        maps = functional.leaky_relu(self.first(self.calls(samples)[:, None]), NEGATIVE_SLOPE)
        maps = functional.leaky_relu(self.second(maps), NEGATIVE_SLOPE)
        scores: torch.Tensor = self.head(maps, samples.covariates)
        return scores
