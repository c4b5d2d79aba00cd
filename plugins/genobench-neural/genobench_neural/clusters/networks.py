"""The two networks of the GAN along the genome: a generator begun as haplotype clusters, and a critic that looks along chromosomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from genobench.statgen import steps_along
from genobench_neural.batches import MISSING_CODE
from genobench_neural.finite import check_drawn_by
from genobench_neural.layers import (
    NEGATIVE_SLOPE,
    BlockDense,
    Dense,
    NeighbourBlock,
    ResidualBlock,
    drawn,
    inverse_spread,
    logistic_noise,
    standardising,
)
from genobench_neural.sampling import GenotypeNetwork

if TYPE_CHECKING:
    from genobench.statgen import HaplotypeClusters


_SAMPLES_PER_CALIBRATION: Final = 64

_LARGEST_LOGIT: Final = 9.0
"""Log-odds of the alleles of a cluster are held within this: shares of 1e-4."""

_SMALLEST_SLOPE: Final = 0.02
_LARGEST_SHIFT: Final = 2.0
"""Log-odds by which a unit of condition may shift an allele at the start: beyond this a shift undoes linkage."""


@dataclass(frozen=True)
class GeneratorSize:
    """What fixes the shapes of a `GenotypeGenerator`.

    Args:
        n_blocks: Blocks of variants.
        block_size: Places in a block.
        n_condition: Numbers of condition a sample.
        n_shared: Genome-wide noise factors.
        n_clusters: Haplotype clusters of each block.
        n_context: Numbers that every block sees of condition and genome-wide factors.
        width: Width of the genome-wide residual blocks.
        n_hidden: Width of the residual blocks along the genome.
        n_residual: Residual blocks of either kind.
    """

    n_blocks: int
    block_size: int
    n_condition: int
    n_shared: int
    n_clusters: int
    n_context: int
    width: int
    n_hidden: int
    n_residual: int


class GenotypeGenerator(GenotypeNetwork):
    """Noise and condition to two haplotypes a sample, and their sum.

    Noise is of two kinds. A walk through haplotype clusters along each chromosome, one for each haplotype, passes one-hot through
    residual blocks along the genome; z passes through genome-wide residual blocks with the condition. Both then add up to the log-odds
    of ALT on each haplotype, and a two-class Gumbel-softmax draws the allele. The residual blocks begin as the identity, so that the
    network begins as the clusters and effects that it is given; the walk itself stays as it was fitted.

    Args:
        size: Shapes.
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
        generator: Draws the weights.
    """

    cumulated: torch.Tensor

    def __init__(self, size: GeneratorSize, is_followed: torch.Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.size = size
        device = is_followed.device
        n_blocks, block_size = size.n_blocks, size.block_size
        self.entry = Dense(size.n_shared + size.n_condition, size.width, generator=generator, device=device)
        self.trunk = nn.ModuleList(ResidualBlock(size.width, generator=generator, device=device) for _ in range(size.n_residual))
        self.to_shared = Dense(size.width, size.n_shared, generator=None, device=device)
        self.to_context = Dense(size.width, size.n_context, generator=generator, device=device)
        self.along = nn.ModuleList(
            NeighbourBlock(is_followed, n_channels=size.n_clusters, n_context=size.n_context, n_hidden=size.n_hidden, generator=generator)
            for _ in range(size.n_residual)
        )
        self.alleles = nn.Parameter(torch.zeros(n_blocks, size.n_clusters, block_size, device=device))
        self.shared = nn.Parameter(torch.zeros(n_blocks, size.n_condition + size.n_shared, block_size, device=device))
        self.offset = nn.Parameter(torch.zeros(n_blocks, 1, block_size, device=device))
        self.register_buffer("cumulated", torch.ones(n_blocks, size.n_clusters, size.n_clusters, device=device))
        self._steps = [torch.from_numpy(step).to(device) for step in steps_along(is_followed.cpu().numpy())]

    def begin_with(self, clusters: HaplotypeClusters, effects: torch.Tensor) -> None:
        """Take haplotype clusters, and effects in alleles turned into log-odds by the slope 2 p (1 - p) averaged over clusters."""
        with torch.no_grad():
            self.alleles.copy_(clusters.alleles.logit(eps=1e-6).clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT))
            self.cumulated.copy_(clusters.transitions.cumsum(dim=-1))
            usual = clusters.transitions.mean(dim=1)[..., None]
            slope = 2 * (usual * clusters.alleles * (1 - clusters.alleles)).sum(dim=1, keepdim=True)
            self.shared[:, : self.size.n_condition] = _log_odds(effects, slope)

    def begin_with_factors(self, effects: torch.Tensor, shares: torch.Tensor) -> None:
        """Take effects of genome-wide factors in alleles, turned into log-odds by the slope 2 p (1 - p) of a variant's frequency.

        The slope within clusters would be nearer, but most alleles are all but fixed within a cluster: the shifts that it asks for undo
        the clusters' linkage.

        Args:
            effects: From `fit_effects`, shape (n_blocks, n_shared, block_size).
            shares: Share of each genotype among the training calls, shape (n_blocks, block_size, 3).
        """
        p = shares[..., 1] / 2 + shares[..., 2]
        with torch.no_grad():
            self.shared[:, self.size.n_condition :] = _log_odds(effects, (2 * p * (1 - p))[:, None])

    def forward(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Log-odds of ALT on each haplotype, without noise.

        Args:
            condition: Shape (n_samples, n_condition).
            generator: Draws all noise.

        Returns:
            Shape (n_blocks, 2 * n_samples, block_size): first haplotypes, then second ones.
        """
        z = torch.randn(len(condition), self.size.n_shared, generator=generator, device=condition.device)
        hidden = self.entry(torch.cat([z, condition], dim=-1))
        for block in self.trunk:
            hidden = block(hidden)
        hidden = functional.leaky_relu(hidden, NEGATIVE_SLOPE)
        shared = torch.cat([condition, z + self.to_shared(hidden)], dim=-1)
        x = functional.one_hot(self.walk(2 * len(condition), generator), self.size.n_clusters).to(hidden.dtype)
        if self.along:
            context = self.to_context(hidden).repeat(2, 1)
            for block in self.along:
                x = block(x, context)
        everywhere = torch.baddbmm(self.offset, shared.expand(self.size.n_blocks, -1, -1), self.shared)
        logits: torch.Tensor = torch.bmm(x, self.alleles) + everywhere.repeat(1, 2, 1)
        return logits

    @torch.no_grad()
    def walk(self, n_haplotypes: int, generator: torch.Generator) -> torch.Tensor:
        """Clusters along the genome, shape (n_blocks, n_haplotypes), all chromosomes at a time."""
        uniform = torch.rand(self.size.n_blocks, n_haplotypes, 1, generator=generator, device=generator.device)
        clusters = torch.zeros(self.size.n_blocks, n_haplotypes, dtype=torch.long, device=generator.device)
        last = self.size.n_clusters - 1
        for step, blocks in enumerate(self._steps):
            before = clusters[blocks - 1] if step else clusters[blocks]
            rows = self.cumulated[blocks[:, None], before]
            clusters[blocks] = (uniform[blocks] > rows).sum(dim=-1).clamp_(max=last)
        return clusters

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        logits = self(condition[:, : self.size.n_condition], generator)
        check_drawn_by(logits)
        first, second = (logits + logistic_noise(tuple(logits.shape), generator) > 0).byte().chunk(2, dim=1)
        calls: torch.Tensor = first + second
        return calls

    @torch.no_grad()
    def calibrate(self, shares: torch.Tensor, condition: torch.Tensor, generator: torch.Generator, *, n_rounds: int) -> None:
        """Set the offsets so that each ALT allele has its frequency in training, by Newton steps on generated haplotypes.

        Args:
            shares: Share of each genotype among the training calls, shape (n_blocks, block_size, 3).
            condition: Conditions to generate for, shape (n_samples, n_condition).
            generator: Draws all noise.
            n_rounds: Newton steps.
        """
        wanted = shares[..., 1] / 2 + shares[..., 2]
        is_varying = (wanted > 0) & (wanted < 1)
        for _ in range(n_rounds):
            reached = torch.zeros_like(wanted)
            slope = torch.zeros_like(wanted)
            for some in torch.split(condition, _SAMPLES_PER_CALIBRATION):
                p = torch.sigmoid(self(some, generator))
                reached += p.sum(dim=1) / (2 * len(condition))
                slope += (p * (1 - p)).sum(dim=1) / (2 * len(condition))
            change = ((wanted - reached) / slope.clamp(min=1e-3)).clamp(-1, 1)
            self.offset.add_(torch.where(is_varying, change, 0.0)[:, None])


def _log_odds(effects: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    """Effects in log-odds of ALT on a haplotype, shape (n_blocks, n_condition, block_size).

    Args:
        effects: Effects in alleles, of the same shape.
        slope: Change of alleles by unit of log-odds, shape (n_blocks, 1, block_size).
    """
    return (effects / slope.clamp(min=_SMALLEST_SLOPE)).clamp(-_LARGEST_SHIFT, _LARGEST_SHIFT)


class Critic(nn.Module):
    """Genotypes and condition to one number a sample.

    Each block is scored with its neighbours, and all of them together through a dense layer of low width; the scores are added.

    Args:
        size: Shapes of the generator whose samples it scores.
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
        generator: Draws the weights.
    """

    def __init__(self, size: GeneratorSize, is_followed: torch.Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.n_blocks, self.n_hidden, self.width = size.n_blocks, size.n_hidden, size.width
        device = is_followed.device
        self.entry = BlockDense(size.n_blocks, 2 * size.block_size, size.n_hidden, generator=generator, device=device)
        self.condition_entry = Dense(max(1, size.n_condition), size.n_context, generator=generator, device=device)
        self.along = nn.ModuleList(
            NeighbourBlock(is_followed, n_channels=size.n_hidden, n_context=size.n_context, n_hidden=size.n_hidden, generator=generator)
            for _ in range(size.n_residual)
        )
        shape = (size.n_blocks, 2 * size.block_size, size.width)
        # Weights of size 1, scaled down in `forward`: Adam's steps would drown the tiny ones that many inputs call for.
        self.everywhere = nn.Parameter(drawn(shape, fan_in=2, generator=generator, device=device))
        self.trunk_entry = Dense(size.width + size.n_context, size.width, generator=generator, device=device)
        self.trunk = nn.ModuleList(ResidualBlock(size.width, generator=generator, device=device) for _ in range(size.n_residual))
        self.exit = Dense(size.width, 1, generator=generator, device=device)
        self.block_exit = nn.Parameter(
            drawn((size.n_blocks, 1, size.n_hidden), fan_in=2 * size.n_hidden, generator=generator, device=device)
        )

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Score samples.

        Args:
            x: Standardised alleles and heterozygosity, shape (n_blocks, n_samples, 2 * block_size).
            condition: Shape (n_samples, n_condition).

        Returns:
            Scores, shape (n_samples,); higher where the samples look like training samples.
        """
        context = self.condition_entry(condition if condition.shape[1] else condition.new_zeros(len(condition), 1))
        local = functional.leaky_relu(self.entry(x), NEGATIVE_SLOPE)
        for block in self.along:
            local = block(local, context)
        by_block = (local * self.block_exit).sum(dim=(0, 2)) / self.n_blocks**0.5
        hidden = torch.bmm(x, self.everywhere).sum(dim=0) / (self.everywhere[:, :, 0].numel() / 2) ** 0.5
        hidden = self.trunk_entry(torch.cat([hidden, context.to(hidden.dtype)], dim=-1))
        for block in self.trunk:
            hidden = block(functional.leaky_relu(hidden, NEGATIVE_SLOPE))
        score: torch.Tensor = by_block + self.exit(functional.leaky_relu(hidden, NEGATIVE_SLOPE))[:, 0]
        return score


class Standardiser:
    """Alleles and heterozygosity to the critic's input: mean 0 and variance 1 at each variant; 0 at constant variants and padding.

    Args:
        shares: Share of each genotype among the training calls, shape (n_blocks, block_size, 3).
    """

    def __init__(self, shares: torch.Tensor) -> None:
        means, scales = standardising(shares)
        heterozygosity = shares[..., 1]
        self.means = torch.cat([means, heterozygosity], dim=-1)[:, None]
        self.scales = torch.cat([scales, inverse_spread(heterozygosity * (1 - heterozygosity))], dim=-1)[:, None]

    def __call__(self, alleles: torch.Tensor, heterozygous: torch.Tensor) -> torch.Tensor:
        """Map two tensors of shape (n_blocks, n_samples, block_size) to one with both side by side."""
        return (torch.cat([alleles, heterozygous], dim=-1) - self.means) * self.scales

    def of_codes(self, codes: torch.Tensor) -> torch.Tensor:
        """The input of decoded calls, shape (n_blocks, n_samples, block_size); a missing call reads as the average, 0."""
        return self(codes, codes == 1).masked_fill_((codes == MISSING_CODE).repeat(1, 1, 2), 0.0)
