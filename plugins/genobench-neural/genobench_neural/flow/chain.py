"""The decoder of the latent flow: haplotype clusters along each chromosome, whose chances a genome-wide code shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from genobench.statgen import steps_along
from genobench_neural.batches import RowOrder
from genobench_neural.flow.path_counts import histories
from genobench_neural.optimising import adam
from genobench_neural.tasks import StatefulTask

if TYPE_CHECKING:
    from genobench_neural.flow.path_counts import PathCounts

_ROWS_PER_BATCH: Final = 64
"""A thousand samples make 16 updates an epoch; log-odds of 128 haplotypes in 4,000 blocks of 20 clusters take 40 MB."""


class LatentChain(nn.Module):
    """P(cluster in a block | clusters in the `order` blocks before it, code).

    Log-odds are those of a Markov chain plus loadings x code: the code, which follows a sample's descent, changes how often it
    has each cluster everywhere. The chain stays as it was counted; only loadings are learned, from zero.

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
        self.n_before = torch.zeros(n_blocks, dtype=torch.long, device=device)
        for n_before, blocks in enumerate(self._steps):
            self.n_before[blocks] = n_before

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
            before = histories(paths, blocks, self.n_before.to(codes.device), order=self.order, n_clusters=self.n_clusters)
            shifts = torch.matmul(codes, self.loadings[blocks])[:, :, None]
            p = (self.log_transitions[blocks[:, None, None], before] + shifts).softmax(dim=-1)
            uniform = torch.rand(p.shape[:-1], generator=generator, device=codes.device)
            paths[blocks] = (p.cumsum(dim=-1) < uniform[..., None]).sum(dim=-1).clamp(max=self.n_clusters - 1)
        return paths


class ChainTask(StatefulTask):
    """The decoder in training, by maximum likelihood of the training samples' paths.

    The chance of a sample's path is that of a chain in which the sample was not counted: the counts hold what a path has alone, and
    loadings learned beside them would be too small. So the loss of the samples held back is that of paths that neither counts nor
    loadings have seen. Validation samples would not do: the components were found without them, and codes projected on these lie
    nearer the middle than codes that the decoder will be given.

    Args:
        chain: The decoder.
        counts: Of the training paths.
        paths: Of the training samples, shape (n_blocks, n_samples, 2).
        codes: Of the training samples as each part of the genome sees them, shape (n_parts, n_samples, n_code).
        part_of: The part that each block lies in, shape (n_blocks,).
        held_back: Positions of training samples that loadings are never trained on, and that say when to stop.
        learning_rate: Of Adam.
        ridge: Penalty of squared loadings.
        random: Draws the batches.
    """

    def __init__(
        self,
        chain: LatentChain,
        counts: PathCounts,
        paths: torch.Tensor,
        *,
        codes: torch.Tensor,
        part_of: torch.Tensor,
        held_back: torch.Tensor,
        learning_rate: float,
        ridge: float,
        random: torch.Generator,
    ) -> None:
        self.chain, self.counts, self.paths, self.codes, self.part_of, self.ridge = chain, counts, paths, codes, part_of, ridge
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
        if not len(self.held_back):
            return None
        chunks = torch.split(self.held_back, _ROWS_PER_BATCH)
        return sum(float(self._loss(rows)) * len(rows) for rows in chunks) / len(self.held_back)

    def logits(self, rows: torch.Tensor) -> torch.Tensor:
        """Log-odds of each cluster along paths of training samples that were not counted, shape (n_blocks, n_rows, 2, n_clusters)."""
        shifts = torch.bmm(self.codes[:, rows][self.part_of], self.chain.loadings)
        return self.counts.log_chances_without(self.paths[:, rows]) + shifts[:, :, None]

    def _loss(self, rows: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(self.logits(rows).flatten(0, 2), self.paths[:, rows].long().flatten())
