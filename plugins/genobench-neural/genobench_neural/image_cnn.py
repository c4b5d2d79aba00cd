"""The genome as an image: variants along a curve that fills a square, and convolutions over it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import torch
from torch import nn
from torch.nn import functional

from genobench import check_lowest
from genobench_neural.layers import NEGATIVE_SLOPE
from genobench_neural.prediction.classifier import NetworkClassifier
from genobench_neural.prediction.networks import Head, PlacedCalls, draw_convolution
from genobench_neural.prediction.places import hilbert_cells, places_along

if TYPE_CHECKING:
    from genobench_neural.prediction.inputs import Inputs, Samples

_KERNELS: Final = (4, 3)
_STRIDE: Final = 2
_SQUARE: Final = 16
"""Cells of a square of 4 x 4 along the curve: chromosomes begin at one, so that a pixel after both layers is of one chromosome."""


@dataclass(frozen=True)
class ImageCnn(NetworkClassifier):
    """The genome as an image, and a network of convolutions over it; what it predicts is the network's alone, beside covariates.

    Each variant is a pixel, whose brightness is the standardised call. Pixels lie along Hilbert's curve, chromosome after chromosome in
    order of position: variants that are near on the chromosome are near in the image, and a square holds a stretch of the genome.

    Turning samples that are no images into images for convolutions is DeepInsight's idea (Sharma et al. 2019), which places alike what is
    alike over the training samples, in the plane of a t-SNE or kernel principal components. For calls, alike means linked, and linkage
    follows from positions, so that the place is taken from the map of the genome and not learned: the first two components of thousands of
    variants hold a small share of their variance and would put linked variants onto one pixel, which averages them; the curve gives each
    its own, is the same for every training set, and leaks nothing. As there, two patterns that meet in the image without being near in the
    genome (across folds of the curve) mean nothing, and the network must learn so.

    Two layers of convolutions lead to a hidden layer that knows the place, and the mean of each pattern to the last one, with covariates.
    The networks are added, in the share, from 0 to 1, that helps samples that judge, to what covariates say linearly. Ordinal classes have
    cumulative log odds with one score; classes weigh the same however many samples they have.

    Args:
        linear_part: `covariates`: covariates alone, so that the image must hold all that calls say; `calls`: ridge regression on calls too,
            covariates unpenalised, and networks learn from what it leaves in samples that it was not fitted on.
        n_members: Networks; also the folds of whole families, within training, that judge where there are no validation samples.
        max_epochs: The most often that a network sees a sample.
        patience: Epochs without progress after which it stops.
        batch_size: Samples a batch.
        n_hidden: Units of the hidden layer.
        dropout: Share of what the convolutions give, and of hidden units, that is dropped in training.
        learning_rate: Of Adam.
        weight_decay: Of its weights, decoupled from the gradient (AdamW).
        n_channels: Patterns that each layer of convolutions looks for.

    References:
        Sharma A. et al. 2019. DeepInsight. Scientific Reports 9: 11399. https://doi.org/10.1038/s41598-019-47765-6 . Hilbert's curve along
        genomes: Anders 2009, doi:10.1093/bioinformatics/btp152. Committees whose members leave out a part: Krogh and Vedelsby 1995, Neural
        network ensembles, cross validation, and active learning, NIPS 7: 231-238. Cumulative log odds: McCullagh 1980,
        doi:10.1111/j.2517-6161.1980.tb01109.x.
    """

    linear_part: Literal["calls", "covariates"] = "covariates"
    n_channels: int = 8

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        super().__post_init__()
        check_lowest(self, {"n_channels": 1})

    def network(self, inputs: Inputs, *, n_out: int, random: torch.Generator) -> nn.Module:
        """Two layers of convolutions and the layers after them."""
        return _OverImage(inputs, self, n_out=n_out, random=random)


class _OverImage(nn.Module):
    """Calls on a square, windows of pixels, windows of these, and the head."""

    def __init__(self, inputs: Inputs, settings: ImageCnn, *, n_out: int, random: torch.Generator) -> None:
        super().__init__()
        n_channels, device = settings.n_channels, random.device
        places, n_places = places_along(inputs.table, gap=0, multiple=_SQUARE)
        rows, columns = hilbert_cells(n_places)
        # Only as much of the square as the curve has reached; whole squares of 4 x 4.
        self._shape = (int(rows.max()) + 1, int(columns.max()) + 1)
        pixels = torch.from_numpy(rows[places] * self._shape[1] + columns[places])
        self.calls = PlacedCalls(inputs, pixels, self._shape[0] * self._shape[1], device)
        self.first = nn.Conv2d(1, n_channels, _KERNELS[0], _STRIDE, padding=1, device="meta").to_empty(device=device)
        self.second = nn.Conv2d(n_channels, n_channels, _KERNELS[1], _STRIDE, padding=1, device="meta").to_empty(device=device)
        draw_convolution(self.first, random)
        draw_convolution(self.second, random)
        self.head = Head(
            n_channels=n_channels,
            n_places=(self._shape[0] // _STRIDE**2) * (self._shape[1] // _STRIDE**2),
            n_covariates=inputs.covariates.width,
            n_out=n_out,
            n_hidden=settings.n_hidden,
            dropout=settings.dropout,
            random=random,
        )

    def forward(self, samples: Samples) -> torch.Tensor:
        """Scores, shape (n_samples, n_out)."""
        image = self.calls(samples).unflatten(1, self._shape)[:, None]
        maps = functional.leaky_relu(self.first(image), NEGATIVE_SLOPE)
        maps = functional.leaky_relu(self.second(maps), NEGATIVE_SLOPE)
        scores: torch.Tensor = self.head(maps.flatten(2), samples.covariates)
        return scores
