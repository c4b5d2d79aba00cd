"""The autoencoder behind `vae` at its defaults: genome-wide latents, and a decoder that also sees the neighbours before each variant.

Latents hold what runs through a whole genome (families, populations, the condition), the window of neighbours what is local (linkage
disequilibrium), so that neither has to do the work of the other: the lossy autoencoder of Chen et al. 2017 (arXiv:1611.02731).
Tensors of genotypes have shape (n_places, n_samples): the places are the variants along each chromosome, one chromosome after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from genobench.statgen import BlockLayout, GeneticPath
from genobench_neural.batches import MISSING_CODE
from genobench_neural.finite import check_drawn_by
from genobench_neural.layers import NEGATIVE_SLOPE, Dense, ResidualBlock
from genobench_neural.sampling import GenotypeNetwork

if TYPE_CHECKING:
    import pandas as pd

_LARGEST_LOG_VARIANCE: Final = 4.0
_SMALLEST_LOG_VARIANCE: Final = -9.0


@dataclass(frozen=True)
class WindowVaeSize:
    """What fixes the shapes of a `WindowVae`.

    Args:
        n_places: Variants, and padding up to a multiple of four.
        n_condition: Numbers of condition a sample.
        n_latent: Numbers of z.
        width: Width of the residual blocks.
        n_residual: Residual blocks in the encoder, and in the decoder.
        n_window: Variants before each one that the decoder sees.
    """

    n_places: int
    n_condition: int
    n_latent: int
    width: int
    n_residual: int
    n_window: int


def line_layout(variants: pd.DataFrame) -> tuple[BlockLayout, torch.Tensor]:
    """All variants in one block, chromosome by chromosome, and how many variants of its chromosome lie before each place."""
    path = GeneticPath.of_variants(variants)
    n_places = -(-len(variants) // 4) * 4
    variant_at = np.full((1, n_places), -1, dtype=np.int64)
    variant_at[0, : len(variants)] = path.order
    n_before = np.zeros(n_places, dtype=np.int64)
    n_before[: len(variants)] = path.n_before
    return BlockLayout(variant_at=variant_at, is_followed=np.array([False])), torch.from_numpy(n_before)


class WindowVae(GenotypeNetwork):
    """Encoder, decoder and prior.

    log P(g) of a variant is, but for a constant, b_g + g s + [g = 1] t. To s add the factors and the alleles in the window, to t the
    heterozygosity in the window.

    Args:
        size: Shapes.
        n_before: Variants of its chromosome before each place, shape (n_places,).
        generator: Draws the weights.
    """

    n_before: torch.Tensor
    means: torch.Tensor
    scales: torch.Tensor
    prior_mean: torch.Tensor
    prior_factor: torch.Tensor

    def __init__(self, size: WindowVaeSize, n_before: torch.Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        device = n_before.device
        self.register_buffer("n_before", n_before)
        self.register_buffer("means", torch.zeros(size.n_places, device=device))
        self.register_buffer("scales", torch.zeros(size.n_places, device=device))
        width, n_latent = max(size.width, size.n_latent), size.n_latent
        self.entry = Dense(size.n_places + size.n_condition, width, generator=None, device=device)
        self.encoder = nn.ModuleList(ResidualBlock(width, generator=generator, device=device) for _ in range(size.n_residual))
        self.to_mean = Dense(width, n_latent, generator=None, device=device)
        self.to_log_variance = Dense(width, n_latent, generator=None, device=device)
        self.decoder_entry = Dense(n_latent + size.n_condition, width, generator=generator, device=device)
        self.decoder = nn.ModuleList(ResidualBlock(width, generator=generator, device=device) for _ in range(size.n_residual))
        self.to_latent = Dense(width, n_latent, generator=None, device=device)
        self.loadings = nn.Parameter(torch.zeros(size.n_places, size.n_condition + n_latent, device=device))
        self.window = nn.Parameter(torch.zeros(size.n_places, 2, size.n_window, device=device))
        self.bias = nn.Parameter(torch.zeros(size.n_places, 3, device=device))
        self.register_buffer("prior_mean", torch.zeros(n_latent, device=device))
        self.register_buffer("prior_factor", torch.eye(n_latent, device=device))

    def standardised(self, codes: torch.Tensor, places: slice = slice(None)) -> torch.Tensor:
        """Alleles of mean 0 and variance 1, shape of `codes`, which are those of some places; a missing call reads 0."""
        alleles = (codes - self.means[places, None]) * self.scales[places, None]
        return alleles.masked_fill_(codes == MISSING_CODE, 0.0)

    def encode(self, codes: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance of z, shape (n_samples, n_latent), of codes (n_places, n_samples)."""
        x = torch.cat([self.standardised(codes).T, condition], dim=-1)
        hidden = self.entry(x)
        for block in self.encoder:
            hidden = block(hidden)
        return self.to_mean(hidden), self.to_log_variance(hidden).clamp(_SMALLEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE)

    def factors(self, z: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """What the loadings multiply: the condition and z after the residual blocks."""
        hidden = self.decoder_entry(torch.cat([z, condition], dim=-1))
        for block in self.decoder:
            hidden = block(hidden)
        return torch.cat([condition, z + self.to_latent(functional.leaky_relu(hidden, NEGATIVE_SLOPE))], dim=-1)

    def windows(self, codes: torch.Tensor, places: slice = slice(None)) -> torch.Tensor:
        """The standardised alleles and the heterozygosity before each place, farthest first.

        Args:
            codes: Of all places, shape (n_places, n_samples).
            places: Of which places the windows are wanted.

        Returns:
            Shape (number of places wanted, 2, n_samples, n_window); 0 where a chromosome begins, and for a missing call.
        """
        n_window = self.size.n_window
        start, stop, _ = places.indices(self.size.n_places)
        first = max(0, start - n_window)
        both = torch.stack([self.standardised(codes[first:stop], slice(first, stop)), heterozygosity(codes[first:stop])], dim=1)
        both = functional.pad(both, (0, 0, 0, 0, n_window - (start - first), 0))[:-1]
        return both.unfold(0, n_window, 1) * self._is_before()[start:stop, None, None]

    def local(self, codes: torch.Tensor) -> torch.Tensor:
        """What the windows add to s and t of each place, shape (2, n_places, n_samples): weights times `windows`, of which no copy is made.

        Args:
            codes: Of all places, shape (n_places, n_samples).
        """
        n_window = self.size.n_window
        weights = self.window * self._is_before()[:, None]
        added = []
        for number, x in enumerate((self.standardised(codes), heterozygosity(codes))):
            before = functional.pad(x, (0, 0, n_window, 0))[:-1].unfold(0, n_window, 1)
            added.append(torch.bmm(weights[:, number, None], before.transpose(1, 2))[:, 0])
        return torch.stack(added)

    def _is_before(self) -> torch.Tensor:
        """Whether each place of a window lies on the chromosome, shape (n_places, n_window)."""
        return torch.arange(self.size.n_window, 0, -1, device=self.n_before.device) <= self.n_before[:, None]

    def log_probabilities(self, z: torch.Tensor, condition: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Log P of each genotype given those before it, shape (3, n_places, n_samples)."""
        slope = self.loadings @ self.factors(z, condition).T
        return functional.log_softmax(_logits(slope, self.local(codes), self.bias), dim=0)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says, in one block: variant after variant, all chromosomes at a time."""
        n_samples, n_window, condition = len(condition), self.size.n_window, condition[:, : self.size.n_condition]
        noise = torch.randn(n_samples, self.size.n_latent, generator=generator, device=condition.device)
        slope = self.loadings @ self.factors(self.prior_mean + noise @ self.prior_factor.T, condition).T
        # Infinity less itself is NaN, as it is in the softmax.
        check_drawn_by(slope - slope)
        uniform = torch.rand(slope.shape, generator=generator, device=condition.device)
        # Rows 0 .. n_window - 1 are what lies before the first variant: the average, 0, as in training.
        seen = torch.zeros(n_window + len(slope), 2, n_samples, device=condition.device)
        codes = torch.zeros(slope.shape, dtype=torch.uint8, device=condition.device)
        back = torch.arange(-n_window, 0, device=condition.device)
        for places in torch.split(torch.argsort(self.n_before, stable=True), self.n_before.bincount().tolist()):
            taken = places[:, None] + n_window + back
            is_before = (back + self.n_before[places, None] >= 0)[..., None, None]
            local = torch.einsum("pkcn,pck->cpn", seen[taken] * is_before, self.window[places])
            reached = functional.softmax(_logits(slope[places], local, self.bias[places]), dim=0).cumsum(dim=0)[:2]
            drawn = (uniform[places] > reached).sum(dim=0)
            codes[places] = drawn.byte()
            seen[places + n_window, 0] = (drawn - self.means[places, None]) * self.scales[places, None]
            seen[places + n_window, 1] = (drawn == 1).float() - 0.5
        return codes.T[None]


def heterozygosity(codes: torch.Tensor) -> torch.Tensor:
    """Half where a call is heterozygous, else minus a half; 0 where it is missing."""
    return (codes == 1).float() - 0.5 * (codes != MISSING_CODE)


def _logits(slope: torch.Tensor, local: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Logits of the genotypes, shape (3, n_places, n_samples).

    Args:
        slope: What the factors add to s, shape (n_places, n_samples).
        local: What the windows add to s and t, shape (2, n_places, n_samples).
        bias: Shape (n_places, 3).
    """
    linear = slope + local[0]
    return torch.stack([torch.zeros_like(linear), linear + local[1], 2 * linear]) + bias.T[..., None]
