"""The GAN along the genome: what its two losses share. It begins with haplotype clusters and effects of the condition in closed form."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from genobench import check_below, check_lowest, check_positive
from genobench.statgen import BlockLayout, fit_haplotype_clusters
from genobench_neural.clusters.effects import fit_effects
from genobench_neural.clusters.networks import Critic, GeneratorSize, GenotypeGenerator, Standardiser
from genobench_neural.factors import leading_scores
from genobench_neural.layers import HardAlleles, logistic_noise
from genobench_neural.optimising import WeightAverage, adam, autocast
from genobench_neural.tasks import StatefulTask
from genobench_neural.training import run
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from genobench import FitContext, Genotypes
    from genobench_neural.sampling import NetworkSampler

_N_CONTEXT: Final = 16
_MOST_CALIBRATED: Final = 512
_BETAS: Final = (0.5, 0.9)

_LOWEST: Final = {
    "batch_size": 1,
    "n_critic": 1,
    "max_epochs": 0,
    "training_calls": 0,
    "gradient_penalty": 0,
    "loading_rate": 0,
    "n_shared": 1,
    "block_size": 4,
    "n_clusters": 1,
    "n_rounds": 0,
    "width": 1,
    "n_hidden": 1,
    "n_residual": 0,
    "average_decay": 0,
}


@dataclass(frozen=True)
class DuelPlan:
    """Sizes and training; `Gan` and `Wgan` say what each is.

    `has_families` is whether the genome-wide factors begin as principal components of the training samples, or without effect.
    """

    batch_size: int
    n_critic: int
    learning_rate: float
    critic_rate: float
    max_epochs: int
    training_calls: int
    gradient_penalty: float
    has_families: bool
    is_conditional: bool = True
    loading_rate: float = 0.1
    temperature: float = 1.0
    n_shared: int = 16
    block_size: int = 16
    n_clusters: int = 20
    n_rounds: int = 12
    ridge: float = 10.0
    width: int = 64
    n_hidden: int = 16
    n_residual: int = 1
    average_decay: float = 0.99
    is_bf16: bool = True

    def __post_init__(self) -> None:
        check_lowest(self, _LOWEST)
        check_positive(self, ("learning_rate", "critic_rate", "temperature", "ridge"))
        check_below(self, {"average_decay": 1})


def fit_duel(task: type[ClusterDuel], plan: DuelPlan, train: Genotypes, context: FitContext, *, identity: str) -> NetworkSampler:
    """Begin both networks with what closed forms give, and train them against each other.

    Args:
        task: The losses.
        plan: Sizes and training.
        train: Training samples.
        context: Of the fit.
        identity: Of the fit, from `fit_identity`.
    """
    layout = BlockLayout.of_variants(train.variants, block_size=plan.block_size)
    data = TrainingData.of_genotypes(train, context, layout)
    batches, random = data.batches, data.random
    condition = data.condition[:, : None if plan.is_conditional else 0]
    clusters = fit_haplotype_clusters(batches, layout, n_clusters=plan.n_clusters, n_rounds=plan.n_rounds, generator=random)
    effects, shares = fit_effects(data, condition, ridge=plan.ridge), data.block_shares
    scores = leading_scores(batches, shares, condition, n_factors=plan.n_shared, generator=random) if plan.has_families else None
    size = _size(plan, layout, n_condition=condition.shape[1], n_clusters=clusters.alleles.shape[1])
    network = GenotypeGenerator(size, torch.from_numpy(layout.is_followed).to(data.device), random)
    network.begin_with(clusters, effects)
    if scores is not None:
        network.begin_with_factors(fit_effects(data, scores, ridge=plan.ridge), shares)
    drawn_from = condition[torch.randperm(len(condition), generator=random, device=data.device)[:_MOST_CALIBRATED]]
    network.calibrate(shares, drawn_from, random, n_rounds=4)
    duel = task(plan, network, data)
    n_steps = data.steps_within(
        training_calls=plan.training_calls, max_epochs=plan.max_epochs, samples_per_step=duel.batch_size * (plan.n_critic + 1)
    )
    run(duel, n_steps, context, identity=identity, batch_size=duel.batch_size)
    duel.average.install()
    network.calibrate(shares, drawn_from, random, n_rounds=2)
    return data.sampler(network, asdict(size))


def _size(plan: DuelPlan, layout: BlockLayout, *, n_condition: int, n_clusters: int) -> GeneratorSize:
    return GeneratorSize(
        n_blocks=layout.n_blocks,
        block_size=layout.block_size,
        n_condition=n_condition,
        n_shared=plan.n_shared,
        n_clusters=n_clusters,
        n_context=_N_CONTEXT,
        width=plan.width,
        n_hidden=plan.n_hidden,
        n_residual=plan.n_residual,
    )


def loaded_duel(description: dict[str, Any], is_followed: torch.Tensor) -> GenotypeGenerator:
    """The generator of a description, ready to take saved weights."""
    return GenotypeGenerator(GeneratorSize(**description), is_followed, torch.Generator())


class ClusterDuel(StatefulTask):
    """Generator against critic; what sets them against each other is left to a subclass: `critic_losses` and `generator_loss`.

    Args:
        plan: Sizes and training.
        network: The generator, begun.
        data: Training samples.
    """

    def __init__(self, plan: DuelPlan, network: GenotypeGenerator, data: TrainingData) -> None:
        self.plan, self.network, self.data, self.random = plan, network, data, data.random
        self.critic = Critic(network.size, torch.from_numpy(data.layout.is_followed).to(data.device), data.random)
        self.standardise = Standardiser(data.block_shares)
        self.condition = data.condition[:, : network.size.n_condition]
        self.batch_size = data.batch_size(plan.batch_size)
        self.rows = data.row_order(self.batch_size)
        begun = [network.alleles, network.shared, network.offset]
        others = [weight for weight in network.parameters() if not any(weight is one for one in begun)]
        groups = [{"params": others}, {"params": begun, "lr": plan.learning_rate * plan.loading_rate}]
        self.network_optimiser = adam(groups, learning_rate=plan.learning_rate, betas=_BETAS)
        self.critic_optimiser = adam(self.critic.parameters(), learning_rate=plan.critic_rate, betas=_BETAS)
        self.average = WeightAverage(network.parameters(), plan.average_decay)
        self.parts = {
            "network": network,
            "critic": self.critic,
            "network optimiser": self.network_optimiser,
            "critic optimiser": self.critic_optimiser,
            "average": self.average,
            "rows": self.rows,
            "random": self.random,
        }

    def critic_losses(self, seen: torch.Tensor, generated: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        """What an update of the critic lowers, and the losses to report.

        Args:
            seen: Training samples as the critic sees them, shape (n_blocks, n_samples, 2 * block_size).
            generated: Drawn samples, likewise, without a gradient.
            condition: Of both, shape (n_samples, n_condition).
        """
        raise NotImplementedError

    def generator_loss(self, scores: torch.Tensor) -> torch.Tensor:
        """What an update of the generator lowers, of the critic's scores of drawn samples, shape (n_samples,)."""
        raise NotImplementedError

    def step(self, _index: int) -> dict[str, torch.Tensor]:
        """`n_critic` updates of the critic, each on a fresh batch, then one of the generator."""
        for _ in range(self.plan.n_critic):
            losses = self._critic_step()
        condition = self.condition[next(self.rows)]
        with self.autocast():
            loss = self.generator_loss(self.critic(self._generated(condition), condition))
        self.network_optimiser.zero_grad()
        loss.backward(inputs=list(self.network.parameters()))  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.network_optimiser.step()
        self.average.update()
        return {**losses, "generator loss": loss.detach()}

    def autocast(self) -> torch.autocast:
        """What the matrix products run in."""
        return autocast(self.data.device, is_bf16=self.plan.is_bf16)

    def _critic_step(self) -> dict[str, torch.Tensor]:
        rows = next(self.rows)
        condition = self.condition[rows]
        seen = self.standardise.of_codes(self.data.batches.codes(rows))
        with torch.no_grad(), self.autocast():
            generated = self._generated(condition)
        loss, reported = self.critic_losses(seen, generated, condition)
        self.critic_optimiser.zero_grad()
        loss.backward(inputs=list(self.critic.parameters()))  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.critic_optimiser.step()
        return {name: value.detach() for name, value in reported.items()}

    def _generated(self, condition: torch.Tensor) -> torch.Tensor:
        logits = self.network(condition, self.random).float()
        noisy = logits + logistic_noise(tuple(logits.shape), self.random)
        alleles: torch.Tensor = HardAlleles.apply(noisy, self.plan.temperature)  # type: ignore[no-untyped-call] # torch leaves it untyped
        first, second = alleles.chunk(2, dim=1)
        x: torch.Tensor = self.standardise(first + second, first + second - 2 * first * second)
        return x
