"""The two networks of the WGAN: a generator that begins as a factor model, and a critic that looks along chromosomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from genobench_neural.layers import NEGATIVE_SLOPE, BlockDense, Dense, NeighbourBlock, ResidualBlock, drawn, gumbel_noise
from genobench_neural.sampling import GenotypeNetwork

if TYPE_CHECKING:
    from genobench_neural.factors import FactorModel


@dataclass(frozen=True)
class GeneratorSize:
    """What fixes the shapes of a `GenotypeGenerator`.

    Args:
        n_blocks: Blocks of variants.
        block_size: Places in a block.
        n_condition: Numbers of condition a sample.
        n_shared: Genome-wide factors.
        n_local: Factors of each block.
        n_context: Numbers that tell every block about condition and genome-wide factors.
        width: Width of the genome-wide residual blocks.
        n_hidden: Width of the residual blocks along the genome.
        n_residual: Residual blocks of either kind.
    """

    n_blocks: int
    block_size: int
    n_condition: int
    n_shared: int
    n_local: int
    n_context: int
    width: int
    n_hidden: int
    n_residual: int


class GenotypeGenerator(GenotypeNetwork):
    """Noise and condition to log-odds of genotypes.

    z_shared passes through residual blocks with the condition, z_local through residual blocks along the genome; both then load on the
    variants. All residual blocks begin as the identity, so that the network begins as the factor model whose loadings it is given.

    Args:
        size: Shapes.
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
        generator: Draws the weights.
    """

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
            NeighbourBlock(
                is_followed, n_channels=size.n_local, n_context=size.n_context, n_hidden=size.n_hidden, generator=generator
            )
            for _ in range(size.n_residual)
        )
        self.shared = nn.Parameter(torch.zeros(n_blocks, size.n_condition + size.n_shared, block_size, device=device))
        self.local = nn.Parameter(torch.zeros(n_blocks, size.n_local, 2 * block_size, device=device))
        self.slope = nn.Parameter(torch.ones(n_blocks, 1, block_size, device=device))
        self.offset_one = nn.Parameter(torch.zeros(n_blocks, 1, block_size, device=device))
        self.offset_two = nn.Parameter(torch.zeros(n_blocks, 1, block_size, device=device))

    def begin_with(self, factors: FactorModel) -> None:
        """Take the loadings and log-odds of a factor model."""
        with torch.no_grad():
            self.shared.copy_(factors.shared)
            self.local.copy_(factors.local)
            self.slope.copy_(factors.slope[:, None])
            self.offset_one.copy_(factors.offset[..., 0][:, None])
            self.offset_two.copy_(factors.offset[..., 1][:, None])

    def forward(self, condition: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-odds of genotypes 1 and 2 against 0, with Gumbel noise.

        Args:
            condition: Shape (n_samples, n_condition).
            generator: Draws all noise.

        Returns:
            Two tensors of shape (n_blocks, n_samples, block_size): the genotype drawn is 0 where both are negative, else that of the
            larger.
        """
        n_samples, device = len(condition), condition.device
        z_shared = torch.randn(n_samples, self.size.n_shared, generator=generator, device=device)
        z_local = torch.randn(self.size.n_blocks, n_samples, self.size.n_local, generator=generator, device=device)
        zero, one, two = gumbel_noise((3, self.size.n_blocks, n_samples, self.size.block_size), generator)
        push = self.slope * self.latent(z_shared, z_local, condition)
        return push + self.offset_one + (one - zero), 2 * push + self.offset_two + (two - zero)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        one, two = self(condition, generator)
        is_two = (two > one) & (two > 0)
        return is_two.byte() * 2 + ((one > 0) & ~is_two).byte()

    def latent(self, z_shared: torch.Tensor, z_local: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Latent values, shape (n_blocks, n_samples, block_size).

        Args:
            z_shared: Shape (n_samples, n_shared).
            z_local: Shape (n_blocks, n_samples, n_local).
            condition: Shape (n_samples, n_condition).
        """
        hidden = self.entry(torch.cat([z_shared, condition], dim=-1))
        for block in self.trunk:
            hidden = block(hidden)
        hidden = functional.leaky_relu(hidden, NEGATIVE_SLOPE)
        shared = torch.cat([condition, z_shared + self.to_shared(hidden)], dim=-1)
        context = self.to_context(hidden)
        for block in self.along:
            z_local = block(z_local, context)
        head, tail = torch.bmm(z_local, self.local).chunk(2, dim=-1)
        everywhere = torch.bmm(shared.expand(self.size.n_blocks, -1, -1), self.shared)
        return everywhere + head + functional.pad(tail[:-1], (0, 0, 0, 0, 1, 0))


class Critic(nn.Module):
    """Genotypes and condition to one number a sample.

    Each block is judged with its neighbours, and all of them together through a dense layer of low width; the scores are added.

    Args:
        size: Shapes of the generator it judges.
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
            NeighbourBlock(
                is_followed, n_channels=size.n_hidden, n_context=size.n_context, n_hidden=size.n_hidden, generator=generator
            )
            for _ in range(size.n_residual)
        )
        shape = (size.n_blocks, 2 * size.block_size, size.width)
        self.everywhere = nn.Parameter(drawn(shape, fan_in=2 * size.block_size * size.n_blocks, generator=generator, device=device))
        self.trunk_entry = Dense(size.width + size.n_context, size.width, generator=generator, device=device)
        self.trunk = nn.ModuleList(ResidualBlock(size.width, generator=generator, device=device) for _ in range(size.n_residual))
        self.exit = Dense(size.width, 1, generator=generator, device=device)
        self.block_exit = nn.Parameter(drawn((size.n_blocks, 1, size.n_hidden), fan_in=2 * size.n_hidden, generator=generator, device=device))

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
        hidden = torch.bmm(x, self.everywhere.to(x.dtype)).sum(dim=0)
        hidden = self.trunk_entry(torch.cat([hidden, context.to(hidden.dtype)], dim=-1))
        for block in self.trunk:
            hidden = block(functional.leaky_relu(hidden, NEGATIVE_SLOPE))
        return by_block + self.exit(functional.leaky_relu(hidden, NEGATIVE_SLOPE))[:, 0]


class Standardiser(nn.Module):
    """Alleles and heterozygosity to the critic's input: mean 0 and variance 1 at each variant; 0 at constant variants and padding.

    Args:
        shares: Share of each genotype among the training calls, shape (n_blocks, block_size, 3).
    """

    def __init__(self, shares: torch.Tensor) -> None:
        super().__init__()
        alleles = shares[..., 1] + 2 * shares[..., 2]
        variance = shares[..., 1] + 4 * shares[..., 2] - alleles.square()
        heterozygosity = shares[..., 1]
        means = torch.cat([alleles, heterozygosity], dim=-1)
        variances = torch.cat([variance, heterozygosity * (1 - heterozygosity)], dim=-1)
        self.means = means[:, None]
        self.scales = torch.where(variances > 1e-6, variances.clamp(min=1e-6).rsqrt(), 0.0)[:, None]

    def forward(self, alleles: torch.Tensor, heterozygous: torch.Tensor) -> torch.Tensor:
        """Map two tensors of shape (n_blocks, n_samples, block_size) to one with both side by side."""
        return (torch.cat([alleles, heterozygous], dim=-1) - self.means) * self.scales

    def of_codes(self, codes: torch.Tensor) -> torch.Tensor:
        """The input of decoded calls, shape (n_blocks, n_samples, block_size); a missing call reads as the average, 0."""
        x = self(codes, codes == 1)
        return x.masked_fill_((codes == 3).repeat(1, 1, 2), 0.0)
