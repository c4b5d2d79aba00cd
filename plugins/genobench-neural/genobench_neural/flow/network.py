"""The network of the latent flow: noise to a code, code and condition to paths, paths to alleles."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from genobench_neural.finite import check_drawn_by
from genobench_neural.flow.chain import LatentChain
from genobench_neural.flow.flow_matching import VelocityNetwork, carried
from genobench_neural.sampling import GenotypeNetwork


@dataclass(frozen=True)
class LatentFlowSize:
    """What fixes the shapes of a `LatentFlowNetwork`; `LatentFlow` says what each is."""

    n_blocks: int
    block_size: int
    n_condition: int
    n_clusters: int
    order: int
    n_factors: int
    width: int
    n_residual: int
    ode_steps: int


class LatentFlowNetwork(GenotypeNetwork):
    """Noise to a code, code and condition to paths, paths to alleles.

    Args:
        size: Shapes.
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
        generator: Draws the first weights.
    """

    alleles: torch.Tensor

    def __init__(self, size: LatentFlowSize, is_followed: torch.Tensor, generator: torch.Generator) -> None:
        super().__init__()
        self.size, device = size, generator.device
        self.chain = LatentChain(
            is_followed, n_clusters=size.n_clusters, order=size.order, n_code=size.n_factors + size.n_condition, device=device
        )
        self.velocity = VelocityNetwork(
            n_latent=size.n_factors,
            n_condition=size.n_condition,
            width=size.width,
            n_residual=size.n_residual,
            generator=generator,
            device=device,
        )
        self.register_buffer("alleles", torch.zeros(size.n_blocks, size.n_clusters, size.block_size, device=device))

    @torch.no_grad()
    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        noise = torch.randn(len(condition), self.size.n_factors, generator=generator, device=condition.device)
        code = carried(lambda x, t: self.velocity(x, t, condition), noise, n_steps=self.size.ode_steps)
        check_drawn_by(code)
        paths = self.chain.walk(torch.cat([code, condition], dim=1), generator)
        calls = torch.zeros(self.size.n_blocks, len(condition), self.size.block_size, dtype=torch.uint8, device=condition.device)
        for haplotype in range(2):
            chosen = paths[:, :, haplotype, None].expand(-1, -1, self.size.block_size)
            p = self.alleles.gather(1, chosen)
            calls += (torch.rand(p.shape, generator=generator, device=p.device) < p).byte()
        return calls
