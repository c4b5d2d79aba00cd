"""One training step of the dense WGAN-GP, with as few large matrix products as it takes.

Genotypes pass between the networks in planes (see `genobench_neural.onehot`): the generator's 3 * n_variants logits are read as
(n_samples, 3, n_variants), and so are the columns of the critic's first layer.

A critic update as described takes the first layer's product four times (real, generated, between, and the gradient at the input), each
with its own products on the way back. Here real and generated samples pass as one batch; the first layer is linear, so that what lies
between them costs nothing: W(εx + (1 - ε)x') = εWx + (1 - ε)Wx'. The gradient at the input is one more product with W.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch.nn import functional

from genobench_neural.dense import NEGATIVE_SLOPE
from genobench_neural.onehot import N_GENOTYPES, one_hot_planes, soft_genotypes
from genobench_neural.training import StatefulTask, adam, autocast

if TYPE_CHECKING:
    from collections.abc import Callable

    from genobench_neural.batches import PlainBatches
    from genobench_neural.dense import DenseCritic, DenseGenerator


@dataclass(frozen=True)
class DuelSettings:
    """How generator and critic are trained.

    Args:
        batch_size: Samples a batch.
        n_critic: Updates of the critic on each batch, as published on the same one.
        learning_rate: Of the generator's Adam.
        critic_rate: Of the critic's.
        betas: Of both.
        gradient_penalty: Weight of (norm of the critic's gradient - 1)².
        is_bf16: Whether matrix products run in bfloat16.
    """

    batch_size: int
    n_critic: int = 5
    learning_rate: float = 1e-4
    critic_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.9)
    gradient_penalty: float = 10.0
    is_bf16: bool = True


class DenseDuel(StatefulTask):
    """Dense generator against dense critic: the state of training.

    Args:
        network: The generator.
        critic: The critic.
        batches: Training samples.
        condition: Scalars of condition, shape (n_samples, n_columns).
        settings: How to train.
        temperature: Of the Gumbel-softmax at a step.
        shares: What a missing call reads, shape (3, n_variants); None where none is missing.
        random: Draws all noise and the order of samples.
    """

    def __init__(
        self,
        network: DenseGenerator,
        critic: DenseCritic,
        *,
        batches: PlainBatches,
        condition: torch.Tensor,
        settings: DuelSettings,
        temperature: Callable[[int], float],
        shares: torch.Tensor | None,
        random: torch.Generator,
    ) -> None:
        self.network, self.critic, self.batches, self.condition = network, critic, batches, condition
        self.settings, self.temperature, self.shares, self.random = settings, temperature, shares, random
        self.rows = batches.row_order(settings.batch_size, random)
        self.network_optimiser = adam(network.parameters(), learning_rate=settings.learning_rate, betas=settings.betas)
        self.critic_optimiser = adam(critic.parameters(), learning_rate=settings.critic_rate, betas=settings.betas)
        self.parts = {
            "network": network,
            "critic": critic,
            "network optimiser": self.network_optimiser,
            "critic optimiser": self.critic_optimiser,
            "rows": self.rows,
            "random": random,
        }

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """`n_critic` updates of the critic, then one of the generator, on one batch."""
        rows = next(self.rows)
        condition = self.condition[rows]
        temperature = self.temperature(index)
        seen = self.seen(rows)
        # One autocast for all of them: the generator's weights are cast to bfloat16 once.
        with torch.no_grad(), self._autocast():
            every = [self.generated(condition, temperature) for _ in range(self.settings.n_critic)]
        while every:
            losses = self._critic_step(torch.cat([seen, every.pop()]), condition)
        with self._autocast():
            score = self.critic_scores(self.generated(condition, temperature), condition)[0]
            loss = -score.mean()
        weights = list(self.network.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        self.network_optimiser.step()
        self.network_optimiser.zero_grad()
        return {**losses, "generator loss": loss.detach()}

    def seen(self, rows: torch.Tensor) -> torch.Tensor:
        """Training samples as the critic sees them, shape (n_samples, 3, n_variants)."""
        return one_hot_planes(self.batches.codes(rows), self.shares, dtype=torch.bfloat16 if self.settings.is_bf16 else torch.float32)

    def generated(self, condition: torch.Tensor, temperature: float) -> torch.Tensor:
        """Soft samples, shape (n_samples, 3, n_variants)."""
        z = torch.randn(len(condition), self.network.n_noise, generator=self.random, device=condition.device)
        logits = self.network(z, condition)
        return soft_genotypes(logits.reshape(len(condition), N_GENOTYPES, -1), temperature, self.random)

    def critic_scores(self, x: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scores of samples, what the first layer gave before its activation, and the weights that it saw genotypes with."""
        first = cast("torch.nn.Linear", self.critic.entry[0])
        n_before = self.critic.beside.n_before * condition.shape[1]
        n_genotypes = x[0].numel()
        cuts = [n_before, n_genotypes, first.in_features - n_before - n_genotypes]
        # A split, not slices: the gradient of each slice would be a matrix of its own, as large as the whole.
        before, weight, after = torch.split(first.weight, cuts, dim=1)  # type: ignore[no-untyped-call] # torch leaves it untyped
        # Contiguous, so that both products with it give its gradient in the same layout.
        weight = weight.to(x.dtype).contiguous()
        beside = self.critic.beside(x.new_zeros(len(condition), 0), condition.to(x.dtype))
        hidden = functional.linear(x.flatten(1), weight) + functional.linear(beside, torch.cat([before, after], dim=1), first.bias)
        return self._after_entry(hidden, condition), hidden, weight

    def _after_entry(self, hidden: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        hidden = functional.leaky_relu(hidden, NEGATIVE_SLOPE)
        for stage in self.critic.stages:
            hidden = stage(self.critic.beside(hidden, condition))
        score: torch.Tensor = self.critic.exit(hidden)
        return score[:, 0].float()

    def _critic_step(self, both: torch.Tensor, condition: torch.Tensor) -> dict[str, torch.Tensor]:
        n = len(condition)
        with self._autocast():
            scores, hidden, weight = self.critic_scores(both, condition.repeat(2, 1))
            mix = torch.rand(n, 1, generator=self.random, device=both.device)
            between = torch.lerp(hidden[n:].float(), hidden[:n].float(), mix)
            (pulled,) = torch.autograd.grad(self._after_entry(between, condition).sum(), between, create_graph=True)
            gradient = pulled.to(weight.dtype) @ weight
            norm = torch.linalg.vector_norm(gradient, dim=1, dtype=torch.float32)
            penalty = (norm - 1).square().mean()
            distance = scores[:n].mean() - scores[n:].mean()
        (self.settings.gradient_penalty * penalty - distance).backward()
        self.critic_optimiser.step()
        self.critic_optimiser.zero_grad()
        return {"critic distance": distance.detach(), "gradient penalty": penalty.detach()}

    def _autocast(self) -> torch.autocast:
        return autocast(self.condition.device, is_bf16=self.settings.is_bf16)
