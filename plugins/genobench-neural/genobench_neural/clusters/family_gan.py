"""Training of the default GAN: the generator and discriminator along the genome, with families as genome-wide factors from the start."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn import functional

from genobench import ConditionEncoder, GenobenchError
from genobench.statgen import BlockLayout, fit_haplotype_clusters
from genobench_neural.batches import PackedBatches
from genobench_neural.clusters.effects import ConditionEffects, fit_effects
from genobench_neural.clusters.networks import Critic, GeneratorSize, GenotypeGenerator, Standardiser
from genobench_neural.factors import leading_scores
from genobench_neural.layers import HardAlleles, logistic_noise
from genobench_neural.sampling import NetworkSampler
from genobench_neural.training import StatefulTask, WeightAverage, adam, autocast, checked_device, run

if TYPE_CHECKING:
    from genobench import FitContext, Genotypes

_N_CONTEXT: Final = 16
_MOST_CALIBRATED: Final = 512
_BETAS: Final = (0.5, 0.9)
_TEMPERATURE: Final = 1.0
_SMALLEST_SLOPE: Final = 0.02
_LARGEST_SHIFT: Final = 2.0


@dataclass(frozen=True)
class FamilyPlan:
    """Sizes and training of the default; `Gan` says what each is."""

    is_conditional: bool = True
    batch_size: int = 64
    learning_rate: float = 1e-4
    critic_rate: float = 5e-4
    max_epochs: int = 60
    training_calls: int = 200_000_000
    loading_rate: float = 0.1
    gradient_penalty: float = 1.0
    n_shared: int = 16
    block_size: int = 16
    n_clusters: int = 20
    n_rounds: int = 12
    ridge: float = 10.0
    width: int = 64
    n_hidden: int = 16
    average_decay: float = 0.99

    def steps(self, n_samples: int, n_variants: int) -> int:
        """Updates: as many as `training_calls` and `max_epochs` allow, the same for the same settings and data."""
        return math.ceil(min(self.training_calls / n_variants, self.max_epochs * n_samples) / (2 * min(self.batch_size, n_samples)))


def fit_family_gan(plan: FamilyPlan, train: Genotypes, context: FitContext, *, identity: str) -> NetworkSampler:
    """Train the default GAN.

    Args:
        plan: Sizes and training.
        train: Training samples.
        context: Of the fit.
        identity: Of the fit, from `fit_identity`.
    """
    if train.n_samples < 2 or train.n_variants < 1:
        raise GenobenchError(f"A GAN needs at least 2 samples and 1 variant; there are {train.n_samples} and {train.n_variants}.")
    device = checked_device(context.device)
    random = torch.Generator(device).manual_seed(context.seed)
    layout = BlockLayout.of_variants(train.variants, block_size=plan.block_size)
    encoder = ConditionEncoder.of_samples(train.samples, context.trait)
    condition = torch.from_numpy(encoder.encode(train.samples)).to(device)[:, : None if plan.is_conditional else 0]
    batches = PackedBatches.of_genotypes(train, layout, device)
    clusters = fit_haplotype_clusters(batches, layout, n_clusters=plan.n_clusters, n_rounds=plan.n_rounds, generator=random)
    effects = fit_effects(batches, layout, condition, ridge=plan.ridge)
    scores = leading_scores(batches, effects.shares, condition, n_factors=plan.n_shared, generator=random)
    size = GeneratorSize(
        n_blocks=layout.n_blocks,
        block_size=layout.block_size,
        n_condition=condition.shape[1],
        n_shared=plan.n_shared,
        n_clusters=clusters.alleles.shape[1],
        n_context=_N_CONTEXT,
        width=plan.width,
        n_hidden=plan.n_hidden,
        n_residual=1,
    )
    is_followed = torch.from_numpy(layout.is_followed).to(device)
    network = FamilyGenerator(size, is_followed, random)
    network.begin_with(clusters, effects)
    network.begin_with_families(fit_effects(batches, layout, scores, ridge=plan.ridge))
    drawn_from = condition[torch.randperm(len(condition), generator=random, device=device)[:_MOST_CALIBRATED]]
    network.calibrate(effects.shares, drawn_from, random, n_rounds=4)
    critic = Critic(size, is_followed, random)
    task = _GanTask(plan, network, critic, Standardiser(effects.shares), batches=batches, condition=condition, random=random)
    run(task, plan.steps(train.n_samples, train.n_variants), context, identity=identity, batch_size=task.batch_size)
    task.average.install()
    network.calibrate(effects.shares, drawn_from, random, n_rounds=2)
    return NetworkSampler(
        network=network.requires_grad_(False).to("cpu").eval(),
        description=asdict(size),
        layout=layout,
        encoder=encoder,
        variants=train.variants,
    )


def loaded_family_gan(description: dict[str, Any], is_followed: torch.Tensor) -> FamilyGenerator:
    """The network of a description, ready to take saved weights."""
    return FamilyGenerator(GeneratorSize(**description), is_followed, torch.Generator())


class FamilyGenerator(GenotypeGenerator):
    """A `GenotypeGenerator` whose genome-wide factors begin as families, and which takes as much of the condition as it was built for."""

    @torch.no_grad()
    def begin_with_families(self, factors: ConditionEffects) -> None:
        """Take effects of factors in alleles, turned into log-odds by the slope 2 p (1 - p) of a variant's frequency.

        The slope within clusters would be nearer, but most alleles are all but fixed within a cluster: the shifts that it asks for undo
        the clusters' linkage.
        """
        p = factors.shares[..., 1] / 2 + factors.shares[..., 2]
        slope = (2 * p * (1 - p))[:, None]
        shift = factors.slopes / slope.clamp(min=_SMALLEST_SLOPE)
        self.shared[:, self.size.n_condition :] = shift.clamp(-_LARGEST_SHIFT, _LARGEST_SHIFT)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        return super().draw(condition[:, : self.size.n_condition], generator)


class _GanTask(StatefulTask):
    """Generator against discriminator."""

    def __init__(
        self,
        plan: FamilyPlan,
        network: GenotypeGenerator,
        critic: Critic,
        standardise: Standardiser,
        *,
        batches: PackedBatches,
        condition: torch.Tensor,
        random: torch.Generator,
    ) -> None:
        self.plan, self.network, self.critic, self.standardise = plan, network, critic, standardise
        self.batches, self.condition, self.random = batches, condition, random
        self.batch_size = min(plan.batch_size, batches.n_samples)
        self.rows = batches.row_order(self.batch_size, random)
        begun = [network.alleles, network.shared, network.offset]
        others = [weight for weight in network.parameters() if not any(weight is one for one in begun)]
        groups = [{"params": others}, {"params": begun, "lr": plan.learning_rate * plan.loading_rate}]
        self.network_optimiser = adam(groups, learning_rate=plan.learning_rate, betas=_BETAS)
        self.critic_optimiser = adam(critic.parameters(), learning_rate=plan.critic_rate, betas=_BETAS)
        self.average = WeightAverage(network.parameters(), plan.average_decay)
        self.parts = {
            "network": network,
            "critic": critic,
            "network optimiser": self.network_optimiser,
            "critic optimiser": self.critic_optimiser,
            "average": self.average,
            "rows": self.rows,
            "random": random,
        }

    def step(self, _index: int) -> dict[str, torch.Tensor]:
        """One update of each network, on fresh batches."""
        losses = self._critic_step()
        condition = self.condition[next(self.rows)]
        with autocast(condition.device):
            loss = functional.softplus(-self.critic(self._generated(condition), condition).float()).mean()
        self.network_optimiser.zero_grad()
        loss.backward(inputs=list(self.network.parameters()))  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.network_optimiser.step()
        self.average.update()
        return {**losses, "generator loss": loss.detach()}

    def _critic_step(self) -> dict[str, torch.Tensor]:
        rows = next(self.rows)
        condition = self.condition[rows]
        seen = self.standardise.of_codes(self.batches.codes(rows)).requires_grad_()
        with autocast(condition.device):
            with torch.no_grad():
                generated = self._generated(condition)
            on_training = self.critic(seen, condition).float()
            on_generated = self.critic(generated, condition).float()
        penalty = squared_gradient(on_training, seen)
        loss = functional.softplus(-on_training).mean() + functional.softplus(on_generated).mean()
        self.critic_optimiser.zero_grad()
        loss_and_penalty = loss + 0.5 * self.plan.gradient_penalty * penalty
        loss_and_penalty.backward(inputs=list(self.critic.parameters()))  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.critic_optimiser.step()
        return {"critic loss": loss.detach(), "gradient penalty": penalty.detach()}

    def _generated(self, condition: torch.Tensor) -> torch.Tensor:
        logits = self.network(condition, self.random).float()
        noisy = logits + logistic_noise(tuple(logits.shape), self.random)
        alleles: torch.Tensor = HardAlleles.apply(noisy, _TEMPERATURE)  # type: ignore[no-untyped-call] # torch leaves it untyped
        first, second = alleles.chunk(2, dim=1)
        x: torch.Tensor = self.standardise(first + second, first + second - 2 * first * second)
        return x


def squared_gradient(scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Mean squared norm of the gradient of a sample's score (Mescheder, Geiger and Nowozin 2018, equation 9, without its factor).

    Args:
        scores: Of samples, shape (n_samples,).
        x: What they were computed from, shape (n_blocks, n_samples, n_channels), requiring a gradient.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    return gradient.float().square().sum(dim=(0, 2)).mean()
