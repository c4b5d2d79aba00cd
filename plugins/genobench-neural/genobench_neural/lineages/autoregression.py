"""An autoregressive network over the haplotype clusters of a gamete, block after block along the whole genome."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from genobench_neural.layers import drawn
from genobench_neural.optimising import adam
from genobench_neural.training import StatefulTask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench.statgen import HaplotypeClusters


class GameteNetwork(nn.Module):
    """P(cluster in a block | clusters in all blocks before it, condition).

    The log-odds are those of the clusters' Markov chain plus a term from a recurrent state that walks over all chromosomes, so that what a
    gamete was like on one tells about the next (its line, family or population). That term begins at zero: the network begins as the
    chain.

    Args:
        n_blocks: Blocks of variants.
        n_clusters: Clusters a block.
        n_condition: Numbers of condition.
        n_embedding: Numbers that tell of the cluster before.
        n_hidden: Size of the state.
        generator: Draws the weights.
    """

    log_transitions: torch.Tensor

    def __init__(
        self, *, n_blocks: int, n_clusters: int, n_condition: int, n_embedding: int, n_hidden: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        device = generator.device
        self.n_blocks, self.n_clusters, self.n_hidden = n_blocks, n_clusters, n_hidden
        self.entry = nn.Parameter(drawn((n_blocks, n_clusters, n_embedding), fan_in=2, generator=generator, device=device))
        n_in = n_embedding + n_condition
        self.state = nn.GRU(n_in, n_hidden, device="meta").to_empty(device=device)
        with torch.no_grad():
            for weight in self.state.parameters():
                bound = 1 / math.sqrt(n_hidden)
                weight.copy_((2 * torch.rand(weight.shape, generator=generator, device=device) - 1) * bound)
        self.exit = nn.Parameter(torch.zeros(n_blocks, n_hidden, n_clusters, device=device))
        self.register_buffer("log_transitions", torch.zeros(n_blocks, n_clusters, n_clusters, device=device))

    def begin_with(self, clusters: HaplotypeClusters) -> None:
        """Take the chain."""
        self.log_transitions.copy_(clusters.transitions.clamp(min=1e-6).log())

    def losses(self, tokens: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of gametes per block, in nats.

        Args:
            tokens: Clusters, shape (n_blocks, n_gametes).
            condition: Shape (n_gametes, n_condition).

        Returns:
            Shape (n_gametes,).
        """
        before = functional.pad(tokens[:-1], (0, 0, 1, 0))
        place = torch.arange(self.n_blocks, device=tokens.device)
        told = self.entry[(place - 1).clamp(min=0)[:, None], before]
        state = self.state(torch.cat([told, condition.expand(self.n_blocks, -1, -1)], dim=-1))[0]
        logits = torch.baddbmm(self.log_transitions[place[:, None], before], state, self.exit)
        chances = functional.log_softmax(logits, dim=-1).gather(-1, tokens[..., None])[..., 0]
        return -chances.mean(dim=0)

    @torch.no_grad()
    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Clusters of new gametes, shape (n_blocks, n_gametes)."""
        tokens = torch.zeros(self.n_blocks, len(condition), dtype=torch.long, device=condition.device)
        state = torch.zeros(1, len(condition), self.n_hidden, device=condition.device)
        before = tokens[0]
        for block in range(self.n_blocks):
            told = self.entry[max(0, block - 1)][before]
            output, state = self.state(torch.cat([told, condition], dim=-1)[None], state)
            logits = self.log_transitions[block][before] + output[0] @ self.exit[block]
            uniform = torch.rand(logits.shape, generator=generator, device=logits.device).clamp_(1e-20, 1 - 1e-7)
            # The Gumbel-max trick: the largest of logits less log(-log u) is a draw.
            before = (logits - (-uniform.log()).log()).argmax(dim=-1)
            tokens[block] = before
        return tokens


class GameteTraining(StatefulTask):
    """Maximum likelihood on gametes, with some of them kept for early stopping.

    Args:
        network: What trains.
        tokens: Clusters, shape (n_blocks, n_gametes).
        condition: Of the samples that got the gametes, shape (n_gametes, n_condition).
        n_kept: Gametes, the last ones, that only the validation loss reads.
        batch_size: Gametes a step.
        learning_rate: Of Adam.
        weight_decay: Decoupled.
        random: Draws batches.
    """

    def __init__(
        self,
        network: GameteNetwork,
        tokens: torch.Tensor,
        condition: torch.Tensor,
        *,
        n_kept: int,
        batch_size: int,
        learning_rate: float,
        weight_decay: float,
        random: torch.Generator,
    ) -> None:
        n_trained = tokens.shape[1] - n_kept
        self.network, self.random, self.batch_size = network, random, batch_size
        self.tokens, self.condition = tokens[:, :n_trained], condition[:n_trained]
        self.kept = (tokens[:, n_trained:], condition[n_trained:])
        self.optimiser = adam(network.parameters(), learning_rate=learning_rate, weight_decay=weight_decay)
        self.parts = {"network": network, "optimiser": self.optimiser, "random": random}

    def step(self, _index: int) -> dict[str, torch.Tensor]:
        """One batch, drawn with replacement."""
        rows = torch.randint(len(self.condition), (self.batch_size,), generator=self.random, device=self.condition.device)
        loss = self.network.losses(self.tokens[:, rows], self.condition[rows]).mean()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        return {"loss": loss.detach()}

    def validation_loss(self) -> float | None:
        """Mean over the gametes that are kept apart."""
        if not len(self.kept[1]):
            return None
        with torch.no_grad():
            return float(torch.cat(list(self._kept_losses())).mean())

    def _kept_losses(self) -> Iterator[torch.Tensor]:
        for tokens, condition in zip(
            torch.split(self.kept[0], self.batch_size, dim=1), torch.split(self.kept[1], self.batch_size), strict=True
        ):
            yield self.network.losses(tokens, condition)
