"""The decoder of the latent flow: haplotype clusters along each chromosome, bent by a genome-wide code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from genobench.statgen import steps_along
from genobench_neural.batches import RowOrder
from genobench_neural.training import StatefulTask, adam

if TYPE_CHECKING:
    from genobench.statgen import HaplotypeClusters

_SMALLEST: Final = 1e-5
_ROWS_PER_BATCH: Final = 64


class CodeChain(nn.Module):
    """P(cluster in a block | cluster in the block before, code).

    Log-odds are those of the clusters' Markov chain plus loadings x code: whom a sample descends from changes how often it has each
    cluster everywhere. The chain stays as expectation-maximisation found it; only loadings are learned, from zero.

    Args:
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
        n_clusters: Clusters a block.
        n_code: Numbers of the code and the condition together.
        device: Where the weights lie.
    """

    log_transitions: torch.Tensor

    def __init__(self, is_followed: torch.Tensor, *, n_clusters: int, n_code: int, device: torch.device) -> None:
        super().__init__()
        n_blocks = len(is_followed)
        self.n_clusters = n_clusters
        self.register_buffer("log_transitions", torch.zeros(n_blocks, n_clusters, n_clusters, device=device))
        self.loadings = nn.Parameter(torch.zeros(n_blocks, n_code, n_clusters, device=device))
        self._steps = [torch.from_numpy(step) for step in steps_along(is_followed.cpu().numpy())]
        self._is_first = torch.ones(n_blocks, dtype=torch.bool, device=device)
        self._is_first[1:] = ~is_followed[:-1].to(device)

    def begin_with(self, clusters: HaplotypeClusters) -> None:
        """Take the chain of the clusters."""
        self.log_transitions.copy_(clusters.transitions.clamp(min=_SMALLEST).log())

    def losses(self, paths: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of paths, in nats, shape (n_blocks, n_samples, 2).

        Args:
            paths: Clusters of both haplotypes, shape (n_blocks, n_samples, 2).
            codes: What each block sees, shape (n_blocks, n_samples, n_code).
        """
        n_blocks = len(paths)
        before = torch.cat([paths[:1], paths[:-1]])
        before = before.masked_fill(self._is_first[:, None, None], 0).flatten(1)
        chain = self.log_transitions[torch.arange(n_blocks, device=paths.device)[:, None], before]
        bent = torch.bmm(codes, self.loadings)[:, :, None].expand(-1, -1, 2, -1)
        logits = chain.view(bent.shape) + bent
        return functional.cross_entropy(logits.flatten(0, 2), paths.flatten(), reduction="none").view(paths.shape)

    @torch.no_grad()
    def walk(self, codes: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Draw clusters of both haplotypes of samples.

        Args:
            codes: Shape (n_samples, n_code).
            generator: Draws.

        Returns:
            Shape (n_blocks, n_samples, 2).
        """
        paths = torch.zeros(len(self.loadings), len(codes), 2, dtype=torch.long, device=codes.device)
        for place, blocks in enumerate(self._steps):
            before = paths[blocks - 1] if place else paths[blocks]
            bent = torch.matmul(codes, self.loadings[blocks])[:, :, None]
            p = (self.log_transitions[blocks[:, None, None], before] + bent).softmax(dim=-1)
            uniform = torch.rand(before.shape, generator=generator, device=codes.device)
            paths[blocks] = (p.cumsum(dim=-1) < uniform[..., None]).sum(dim=-1).clamp(max=self.n_clusters - 1)
        return paths


class ChainTask(StatefulTask):
    """The decoder in training, by maximum likelihood of the training samples' paths.

    Args:
        chain: The decoder.
        paths: Of the training samples, shape (n_blocks, n_samples, 2).
        codes: Of the training samples as each chromosome sees them, shape (n_chromosomes, n_samples, n_code).
        chromosome_of: The chromosome of each block, shape (n_blocks,).
        held_back: Positions of training samples that are never trained on and tell when to stop.
        learning_rate: Of Adam.
        ridge: Penalty of squared loadings.
        random: Draws the batches.
    """

    def __init__(
        self,
        chain: CodeChain,
        paths: torch.Tensor,
        codes: torch.Tensor,
        chromosome_of: torch.Tensor,
        *,
        held_back: torch.Tensor,
        learning_rate: float,
        ridge: float,
        random: torch.Generator,
    ) -> None:
        self.chain, self.paths, self.codes, self.chromosome_of, self.ridge = chain, paths, codes, chromosome_of, ridge
        self.held_back = held_back
        is_trained = torch.ones(paths.shape[1], dtype=torch.bool, device=paths.device)
        is_trained[held_back] = False
        self.trained = is_trained.nonzero()[:, 0]
        self.batch_size = min(_ROWS_PER_BATCH, len(self.trained))
        self.rows = RowOrder(len(self.trained), self.batch_size, random)
        self.optimiser = adam(chain.parameters(), learning_rate=learning_rate)
        self.parts = {"chain": chain, "optimiser": self.optimiser, "rows": self.rows, "random": random}

    def step(self, _index: int) -> dict[str, torch.Tensor]:
        """One update on one batch."""
        rows = self.trained[next(self.rows)]
        loss = self._loss(rows)
        penalty = self.ridge * self.chain.loadings.square().sum() / (len(self.trained) * len(self.paths))
        self.optimiser.zero_grad()
        (loss + penalty).backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.optimiser.step()
        return {"path surprise": loss.detach()}

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """Negative log-likelihood of the paths of the samples that were held back."""
        return float(self._loss(self.held_back)) if len(self.held_back) else None

    def _loss(self, rows: torch.Tensor) -> torch.Tensor:
        return self.chain.losses(self.paths[:, rows], self.codes[:, rows][self.chromosome_of]).mean()
