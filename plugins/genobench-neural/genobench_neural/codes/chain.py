"""The decoder of the latent flow: haplotype clusters along each chromosome, bent by a genome-wide code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from genobench.statgen import steps_along
from genobench_neural.batches import RowOrder
from genobench_neural.optimising import adam
from genobench_neural.training import StatefulTask

if TYPE_CHECKING:
    from genobench.statgen import HaplotypeClusters

_SMALLEST: Final = 1e-5
_ROWS_PER_BATCH: Final = 64


class CodeChain(nn.Module):
    """P(cluster in a block | clusters in the `order` blocks before it, code).

    Log-odds are those of a Markov chain plus loadings x code: whom a sample descends from changes how often it has each cluster
    everywhere. The chain stays as it was counted; only loadings are learned, from zero.

    Args:
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
        n_clusters: Clusters a block.
        order: Blocks of memory, from 1.
        n_code: Numbers of the code and the condition together.
        device: Where the weights lie.
    """

    log_transitions: torch.Tensor

    def __init__(self, is_followed: torch.Tensor, *, n_clusters: int, order: int, n_code: int, device: torch.device) -> None:
        super().__init__()
        n_blocks = len(is_followed)
        self.n_clusters, self.order = n_clusters, order
        self.register_buffer("log_transitions", torch.zeros(n_blocks, n_clusters**order, n_clusters, device=device))
        self.loadings = nn.Parameter(torch.zeros(n_blocks, n_code, n_clusters, device=device))
        self._steps = [torch.from_numpy(step) for step in steps_along(is_followed.cpu().numpy())]
        self._place = torch.zeros(n_blocks, dtype=torch.long, device=device)
        for place, blocks in enumerate(self._steps):
            self._place[blocks] = place

    def begin_with(self, clusters: HaplotypeClusters, paths: torch.Tensor, *, prior: float) -> None:
        """Count the chain in the paths of the training samples, each order drawn towards the one below, the first to that of the clusters.

        Args:
            clusters: Haplotype clusters with their first-order chain.
            paths: Clusters of both haplotypes of the training samples, shape (n_blocks, n_samples, 2).
            prior: Weight of the lower order, in haplotypes.
        """
        chain = clusters.transitions
        for order in range(1, self.order + 1):
            below = chain if order == 1 else chain.repeat(1, self.n_clusters, 1)
            counts = torch.zeros_like(below)
            for block in range(len(paths)):
                here = paths[block].long().flatten()
                contexts = self._contexts(paths, torch.tensor([block], device=paths.device), order).flatten()
                counts[block].view(-1).index_add_(0, contexts * self.n_clusters + here, torch.ones_like(here, dtype=counts.dtype))
            counted = (counts + prior * below) / (counts.sum(dim=-1, keepdim=True) + prior)
            has_memory = (self._place >= order)[:, None, None]
            chain = torch.where(has_memory, counted, below)
        self.log_transitions.copy_(chain.clamp(min=_SMALLEST).log())

    def losses(self, paths: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of paths, in nats, shape (n_blocks, n_samples, 2).

        Args:
            paths: Clusters of both haplotypes, shape (n_blocks, n_samples, 2).
            codes: What each block sees, shape (n_blocks, n_samples, n_code).
        """
        blocks = torch.arange(len(paths), device=paths.device)
        logits = self._log_chain(paths, blocks) + torch.bmm(codes, self.loadings)[:, :, None]
        return functional.cross_entropy(logits.flatten(0, 2), paths.long().flatten(), reduction="none").view(paths.shape)

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
        for step in self._steps:
            blocks = step.to(codes.device)
            bent = torch.matmul(codes, self.loadings[blocks])[:, :, None]
            p = (self._log_chain(paths, blocks) + bent).softmax(dim=-1)
            uniform = torch.rand(p.shape[:-1], generator=generator, device=codes.device)
            paths[blocks] = (p.cumsum(dim=-1) < uniform[..., None]).sum(dim=-1).clamp(max=self.n_clusters - 1)
        return paths

    def _log_chain(self, paths: torch.Tensor, blocks: torch.Tensor) -> torch.Tensor:
        return self.log_transitions[blocks[:, None, None], self._contexts(paths, blocks, self.order)]

    def _contexts(self, paths: torch.Tensor, blocks: torch.Tensor, order: int) -> torch.Tensor:
        """The clusters before some blocks as one number, shape (n_some_blocks, n_samples, 2); 0 for those before the chromosome."""
        contexts = torch.zeros((len(blocks), *paths.shape[1:]), dtype=torch.long, device=paths.device)
        for back in range(1, order + 1):
            is_there = (self._place[blocks] >= back)[:, None, None]
            contexts += torch.where(is_there, paths[(blocks - back).clamp(min=0)].long(), 0) * self.n_clusters ** (back - 1)
        return contexts


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
