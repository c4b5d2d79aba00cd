"""Training of the published GAN and WGAN.

`fit_published_gan` fits both: `gan --set preset=...` calls it with a preset of `presets.GANS`, `wgan --set preset=...` with one of
`presets.WGANS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from genobench_neural.layers import give_first_weights
from genobench_neural.onehot import soft_genotypes
from genobench_neural.optimising import adam, autocast
from genobench_neural.published.dense_steps import critic_scores, penalised_distance
from genobench_neural.published.networks import GanNetwork, gan_critic, gan_description
from genobench_neural.simplex import SimplexNoise, one_hot, table_layout
from genobench_neural.tasks import StatefulTask
from genobench_neural.training import run
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from genobench import FitContext, Genotypes
    from genobench_neural.published.dense import DenseCritic
    from genobench_neural.published.presets import PublishedGan
    from genobench_neural.sampling import NetworkSampler


def fit_published_gan(preset: PublishedGan, train: Genotypes, context: FitContext, *, identity: str) -> NetworkSampler:
    """Train a published GAN or WGAN as described: simplex noise drawn once, temperature falling by the epoch, all epochs.

    Args:
        preset: Sizes and training facts.
        train: Training samples; a missing call reads as its variant's shares.
        context: Of the fit.
        identity: Of the fit, from `fit_identity`.
    """
    data = TrainingData.of_genotypes(train, context, table_layout(train.n_variants))
    task = published_task(preset, data)
    run(task, task.n_steps, context, identity=identity, batch_size=task.batch_size)
    return data.sampler(task.network, {"published": _description(preset, data)})


def published_task(preset: PublishedGan, data: TrainingData) -> PublishedTask:
    """Networks with their first weights, ready to be trained."""
    network = unplaced_gan(_description(preset, data))
    network.take(data.encoder)
    with torch.device("meta"):
        critic = gan_critic(preset, data.n_variants, n_columns=network.to_scalars.shape[1])
    give_first_weights(network.generator, data.device, data.random)
    give_first_weights(critic, data.device, data.random)
    network.to(data.device)
    return (_WganTask if preset.is_wasserstein else _GanTask)(preset, network, critic, data)


def _description(preset: PublishedGan, data: TrainingData) -> dict[str, Any]:
    n_condition, n_columns = (data.encoder.width, len(data.encoder.columns)) if preset.is_conditional else (0, 0)
    return gan_description(preset, data.n_variants, n_condition=n_condition, n_columns=n_columns)


def unplaced_gan(description: dict[str, Any]) -> GanNetwork:
    """The network of a description, without weights yet."""
    with torch.device("meta"):
        return GanNetwork(**description)


def loaded_gan(description: dict[str, Any], _is_followed: torch.Tensor) -> GanNetwork:
    """The network of a description, ready to take saved weights."""
    network = unplaced_gan(description["published"])
    network.generator.to_empty(device="cpu")
    return network


class PublishedTask(StatefulTask):
    """Generator against critic: what GAN and WGAN share."""

    def __init__(self, preset: PublishedGan, network: GanNetwork, critic: DenseCritic, data: TrainingData) -> None:
        self.preset, self.network, self.critic, self.data = preset, network, critic, data
        self.generator = network.generator
        self.condition = network.as_scalars(data.condition)
        self.shares = data.shares[: data.n_variants]
        self.noise = SimplexNoise(data.n_samples, data.n_variants, data.random)
        self.batch_size = data.batch_size(preset.batch_size)
        self.steps_per_epoch = data.steps_per_epoch(self.batch_size)
        self.n_steps = preset.max_epochs * self.steps_per_epoch
        self.rows = data.row_order(self.batch_size)
        self.generator_optimiser = adam(self.generator.parameters(), learning_rate=preset.learning_rate, betas=preset.betas)
        self.critic_optimiser = adam(critic.parameters(), learning_rate=preset.critic_rate, betas=preset.betas)
        self.parts = {
            "generator": self.generator,
            "critic": critic,
            "generator optimiser": self.generator_optimiser,
            "critic optimiser": self.critic_optimiser,
            "rows": self.rows,
            "random": data.random,
        }

    def temperature(self, index: int) -> float:
        """Of the Gumbel-softmax at a step."""
        return published_temperature(index // self.steps_per_epoch + 1, self.preset.max_epochs)

    def seen(self, rows: torch.Tensor) -> torch.Tensor:
        """Training genotypes with their noise, shape (n_rows, n_variants, 3), in planes."""
        codes = self.data.batches.codes(rows)[0][:, : self.data.n_variants]
        noisy = self.noise(one_hot(codes, self.shares), codes, rows)
        return noisy.transpose(1, 2).to(torch.bfloat16 if self.preset.is_bf16 else torch.float32).contiguous().transpose(1, 2)

    def generated(self, condition: torch.Tensor, temperature: float) -> torch.Tensor:
        """Soft genotypes, shape (n_samples, n_variants, 3), in planes."""
        z = torch.randn(len(condition), self.generator.n_noise, generator=self.data.random, device=condition.device)
        logits = self.generator(z, condition).transpose(1, 2)
        return soft_genotypes(logits, temperature, self.data.random).transpose(1, 2)

    def autocast(self) -> torch.autocast:
        """What the matrix products run in."""
        return autocast(self.data.device, is_bf16=self.preset.is_bf16)

    def update_generator(self, loss: torch.Tensor) -> None:
        """One update of the generator; the critic's weights take no gradient."""
        self.generator_optimiser.zero_grad()
        loss.backward(inputs=list(self.generator.parameters()))  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.generator_optimiser.step()

    def update_critic(self, loss: torch.Tensor) -> None:
        """One update of the critic."""
        self.critic_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.critic_optimiser.step()


class _GanTask(PublishedTask):
    """Binary cross-entropy; one update of each network on a batch, the generator's loss non-saturating (Goodfellow et al. 2014)."""

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """One update of each."""
        rows, temperature = next(self.rows), self.temperature(index)
        condition = self.condition[rows]
        with self.autocast():
            with torch.no_grad():
                generated = self.generated(condition, temperature)
            on_training, on_generated = (critic_scores(self.critic, x, condition) for x in (self.seen(rows), generated))
            critic_loss = functional.softplus(-on_training).mean() + functional.softplus(on_generated).mean()
        self.update_critic(critic_loss)
        with self.autocast():
            loss = functional.softplus(-critic_scores(self.critic, self.generated(condition, temperature), condition)).mean()
        self.update_generator(loss)
        return {"critic loss": critic_loss.detach(), "generator loss": loss.detach()}


class _WganTask(PublishedTask):
    """Wasserstein distance with gradient penalty (Gulrajani et al. 2017); all critic updates of a step on one batch, as published."""

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """`n_critic` updates of the critic, then one of the generator."""
        rows, temperature = next(self.rows), self.temperature(index)
        condition, seen = self.condition[rows], self.seen(rows)
        # One autocast for all of them: the generator's weights are cast once.
        with torch.no_grad(), self.autocast():
            every = [self.generated(condition, temperature) for _ in range(self.preset.n_critic)]
        for generated in every:
            mix = torch.rand(len(rows), 1, generator=self.data.random, device=seen.device)
            with self.autocast():
                distance, penalty = penalised_distance(self.critic, seen, generated, condition, mix=mix)
            self.update_critic(self.preset.gradient_penalty * penalty - distance)
        with self.autocast():
            loss = -critic_scores(self.critic, self.generated(condition, temperature), condition).mean()
        self.update_generator(loss)
        return {"critic distance": distance.detach(), "gradient penalty": penalty.detach(), "generator loss": loss.detach()}


def published_temperature(epoch: int, n_epochs: int) -> float:
    """Temperature of the Gumbel-softmax in an epoch, counted from 1: 1 - 0.9 epoch / n_epochs (Xie et al. 2025)."""
    return 1 - 0.9 * epoch / n_epochs
