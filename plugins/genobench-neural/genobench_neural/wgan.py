"""The conditional WGAN-GP with Gumbel-softmax genotypes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from genobench import ConditionEncoder, FitContext, Generator, GenobenchError, Genotypes, Sampler, SettingsError, Trial
from genobench.statgen import BlockLayout, fit_haplotype_clusters
from genobench_neural.batches import PackedBatches
from genobench_neural.clusters.effects import fit_effects
from genobench_neural.clusters.networks import Critic, GeneratorSize, GenotypeGenerator, Standardiser
from genobench_neural.layers import HardAlleles, logistic_noise
from genobench_neural.published.gan import fit_published_gan, loaded_gan
from genobench_neural.published.presets import DEFAULT, WGANS, check_preset, overridden
from genobench_neural.sampling import GenotypeNetwork, NetworkSampler, load_sampler
from genobench_neural.training import StatefulTask, WeightAverage, adam, autocast, checked_device, fit_identity, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Wgan(Generator):
    """Conditional Wasserstein GAN with gradient penalty whose genotypes are drawn by Gumbel-softmax.

    The generator begins as haplotype clusters and effects of the condition, both fitted to the training samples in closed form (see
    `genobench.statgen.haplotype_clusters` and `genobench_neural.clusters.effects`): its linkage disequilibrium is near right before the
    first step, and adversarial training bends it from there. Both networks have weights along the genome, so that a step costs
    n_variants x (channels of a block) where dense layers cost n_variants x width. A missing call is left out of the fit and reads as
    the average in a batch.

    With `preset`, it is one of the WGANs of Xie et al. 2025, faults included: fully connected, condition as raw scalars beside what each
    stage sees, simplex noise drawn once, all critic updates of a step on one batch, 1,000 epochs (see
    `genobench_neural.published.presets`).

    Args:
        preset: "default", or a published model: "cow-all", "human-ensembl", "human-multi". Of the other settings, batch_size, n_critic,
            learning_rate, critic_rate, gradient_penalty and max_epochs hold for it too, where they are not this class's defaults.
        training_calls: Calls that both networks see in training, which fixes the number of steps (never the clock, so that the same
            seed gives the same result): training_calls / (n_variants * batch_size * (n_critic + 1)). 0: no adversarial training.
        max_epochs: The most often that the networks see a sample, however few calls there are.
        batch_size: Samples a batch; more than there are repeats some.
        n_critic: Updates of the critic for each of the generator, each on a fresh batch.
        learning_rate: Of the generator's Adam (betas .5 and .9).
        critic_rate: Of the critic's Adam, likewise.
        loading_rate: Share of `learning_rate` for the weights that begin with what the closed forms give.
        gradient_penalty: Weight of (norm of the critic's gradient - 1)².
        temperature: Of the Gumbel-softmax whose gradient the generator follows; alleles themselves are drawn hard.
        average_decay: Of the moving average of the generator's weights, which is what is kept.
        block_size: The most variants in a block, within which a haplotype does not change its cluster.
        n_clusters: Haplotype clusters of each block; more follow linkage closer, and training samples too.
        n_rounds: Rounds of expectation-maximisation.
        n_shared: Genome-wide noise factors, which begin without effect.
        ridge: Penalty of the regression of variants on the condition, in samples.
        width: Width of the genome-wide residual blocks.
        n_hidden: Width of the residual blocks along the genome.
        n_residual: Residual blocks of either kind.
        is_bf16: Whether matrix products run in bfloat16.

    References:
        Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028.
        Jang, Gu and Poole 2017, Categorical reparameterization with Gumbel-softmax, arXiv:1611.01144.
        Xie et al. 2025, arXiv:2508.09212 (generative models of genotypes; its WGAN is the one this goes on from).
    """

    preset: str = DEFAULT
    training_calls: int = 300_000_000
    max_epochs: int = 80
    batch_size: int = 64
    n_critic: int = 3
    learning_rate: float = 1e-4
    critic_rate: float = 1e-3
    loading_rate: float = 0.1
    gradient_penalty: float = 10.0
    temperature: float = 1.0
    average_decay: float = 0.99
    block_size: int = 16
    n_clusters: int = 20
    n_rounds: int = 12
    n_shared: int = 16
    ridge: float = 10.0
    width: int = 64
    n_hidden: int = 16
    n_residual: int = 1
    is_bf16: bool = True

    def __post_init__(self) -> None:
        check_preset(self, WGANS, default_only=())
        for name, low in _LOWEST.items():
            if not getattr(self, name) >= low:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must be at least {low}.")
        for name in ("learning_rate", "critic_rate", "temperature"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} is {getattr(self, name)}; it must be above 0.")
        if not 0 <= self.average_decay < 1:
            raise SettingsError(f"average_decay is {self.average_decay}; it must lie in [0, 1).")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Rates, factors and widths, around the defaults."""
        return cls(
            learning_rate=trial.suggest_float("learning_rate", 2e-5, 5e-4, log=True),
            loading_rate=trial.suggest_float("loading_rate", 0.01, 1.0, log=True),
            n_shared=trial.suggest_int("n_shared", 4, 32),
            n_clusters=trial.suggest_int("n_clusters", 8, 24),
            block_size=trial.suggest_categorical("block_size", [8, 16, 32]),
            n_hidden=trial.suggest_categorical("n_hidden", [8, 16, 32]),
        )

    def steps(self, n_samples: int, n_variants: int) -> int:
        """Updates of the generator: as many as `training_calls` and `max_epochs` allow, the same for the same settings and data."""
        samples_shown = min(self.training_calls / n_variants, self.max_epochs * n_samples)
        return math.ceil(samples_shown / (self.batch_size * (self.n_critic + 1)))

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples."""
        if self.preset != DEFAULT:
            changed = {field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name) != field.default}
            preset = overridden(WGANS[self.preset], changed)
            return fit_published_gan(preset, train, context, identity=fit_identity(self, train, context))
        if train.n_samples < 2 or train.n_variants < 1:
            raise GenobenchError(f"A WGAN needs at least 2 samples and 1 variant; there are {train.n_samples} and {train.n_variants}.")
        device = checked_device(context.device)
        random = torch.Generator(device).manual_seed(context.seed)
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_size)
        encoder = ConditionEncoder.of_samples(train.samples, context.trait)
        condition = torch.from_numpy(encoder.encode(train.samples)).to(device)
        batches = PackedBatches.of_genotypes(train, layout, device)
        clusters = fit_haplotype_clusters(batches, layout, n_clusters=self.n_clusters, n_rounds=self.n_rounds, generator=random)
        effects = fit_effects(batches, layout, condition, ridge=self.ridge)
        size = GeneratorSize(
            n_blocks=layout.n_blocks,
            block_size=layout.block_size,
            n_condition=encoder.width,
            n_shared=self.n_shared,
            n_clusters=clusters.alleles.shape[1],
            n_context=_N_CONTEXT,
            width=self.width,
            n_hidden=self.n_hidden,
            n_residual=self.n_residual,
        )
        is_followed = torch.from_numpy(layout.is_followed).to(device)
        network = GenotypeGenerator(size, is_followed, random)
        network.begin_with(clusters, effects)
        drawn_from = condition[torch.randperm(len(condition), generator=random, device=device)[:_MOST_CALIBRATED]]
        network.calibrate(effects.shares, drawn_from, random, n_rounds=4)
        critic = Critic(size, is_followed, random)
        duel = _Duel(self, network, critic, Standardiser(effects.shares), batches=batches, condition=condition, random=random)
        n_steps = self.steps(train.n_samples, train.n_variants)
        run(duel, n_steps, context, identity=fit_identity(self, train, context), batch_size=self.batch_size)
        duel.average.install()
        network.calibrate(effects.shares, drawn_from, random, n_rounds=2)
        return NetworkSampler(
            network=network.requires_grad_(False).to("cpu").eval(),
            description=asdict(size),
            layout=layout,
            encoder=encoder,
            variants=train.variants,
        )

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


_N_CONTEXT: Final = 16
_MOST_CALIBRATED: Final = 512

_LOWEST: Final = {
    "training_calls": 0,
    "max_epochs": 0,
    "batch_size": 1,
    "n_critic": 1,
    "loading_rate": 0,
    "gradient_penalty": 0,
    "block_size": 4,
    "n_clusters": 1,
    "n_rounds": 0,
    "ridge": 0.001,
    "n_shared": 1,
    "width": 1,
    "n_hidden": 1,
    "n_residual": 0,
}


class _Duel(StatefulTask):
    """Generator against critic: the state of training."""

    def __init__(
        self,
        settings: Wgan,
        network: GenotypeGenerator,
        critic: Critic,
        standardise: Standardiser,
        *,
        batches: PackedBatches,
        condition: torch.Tensor,
        random: torch.Generator,
    ) -> None:
        self.settings, self.network, self.critic, self.standardise = settings, network, critic, standardise
        self.batches, self.condition, self.random = batches, condition, random
        self.rows = batches.row_order(settings.batch_size, random)
        taken = [network.alleles, network.shared, network.offset]
        drawn = [weight for weight in network.parameters() if not any(weight is other for other in taken)]
        rate = settings.learning_rate
        groups = [{"params": drawn, "lr": rate}, {"params": taken, "lr": rate * settings.loading_rate}]
        self.network_optimiser = adam(groups, learning_rate=rate, betas=(0.5, 0.9))
        self.critic_optimiser = adam(critic.parameters(), learning_rate=settings.critic_rate, betas=(0.5, 0.9))
        self.average = WeightAverage(network.parameters(), settings.average_decay)
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
        """`n_critic` updates of the critic, then one of the generator."""
        for _ in range(self.settings.n_critic):
            losses = self._critic_step()
        condition = self.condition[next(self.rows)]
        with self._autocast():
            loss = -self.critic(self._generated(condition), condition).mean()
        self.network_optimiser.zero_grad()
        loss.backward()
        self.network_optimiser.step()
        self.average.update()
        return {**losses, "generator loss": loss.detach()}

    def _critic_step(self) -> dict[str, torch.Tensor]:
        rows = next(self.rows)
        condition = self.condition[rows]
        seen = self.standardise.of_codes(self.batches.codes(rows))
        with self._autocast():
            with torch.no_grad():
                generated = self._generated(condition)
            distance = self.critic(seen, condition).mean() - self.critic(generated, condition).mean()
            mix = torch.rand(1, len(rows), 1, generator=self.random, device=seen.device)
            between = torch.lerp(generated, seen, mix).requires_grad_()
            penalty = gradient_penalty(lambda x: self.critic(x, condition), between)
        self.critic_optimiser.zero_grad()
        (self.settings.gradient_penalty * penalty - distance).backward()
        self.critic_optimiser.step()
        return {"critic distance": distance.detach(), "gradient penalty": penalty.detach()}

    def _generated(self, condition: torch.Tensor) -> torch.Tensor:
        logits = self.network(condition, self.random).float()
        noisy = logits + logistic_noise(tuple(logits.shape), self.random)
        alleles: torch.Tensor = HardAlleles.apply(noisy, self.settings.temperature)  # type: ignore[no-untyped-call] # torch leaves it untyped
        first, second = alleles.chunk(2, dim=1)
        x: torch.Tensor = self.standardise(first + second, first + second - 2 * first * second)
        return x

    def _autocast(self) -> torch.autocast:
        return autocast(self.condition.device, is_bf16=self.settings.is_bf16)


def gradient_penalty(score: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Mean of (gradient norm - 1)² over samples (Gulrajani et al. 2017, equation 3).

    Args:
        score: A critic.
        x: Where the gradient is taken, shape (n_blocks, n_samples, n_channels), requiring a gradient.
    """
    (gradient,) = torch.autograd.grad(score(x).sum(), x, create_graph=True)
    norm = gradient.float().square().sum(dim=(0, 2)).add(1e-12).sqrt()
    return (norm - 1).square().mean()


def _network(description: dict[str, Any], is_followed: torch.Tensor) -> GenotypeNetwork:
    if "published" in description:
        return loaded_gan(description, is_followed)
    return GenotypeGenerator(GeneratorSize(**description), is_followed, torch.Generator())
