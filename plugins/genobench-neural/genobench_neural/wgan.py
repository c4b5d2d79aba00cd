"""The conditional Wasserstein GAN: a default that begins near the data, and the published ones by name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from genobench import FitContext, Generator, Genotypes, Sampler, Trial
from genobench_neural.adversaries import fit_adversaries, load_adversaries
from genobench_neural.checkpoints import fit_identity
from genobench_neural.clusters.duel import DuelPlan
from genobench_neural.clusters.losses import WassersteinDuel
from genobench_neural.preset_settings import DEFAULT, check_preset, overridden
from genobench_neural.published.presets import WGANS, PublishedGan
from genobench_neural.several_devices import check_sharing, fit_on_devices

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Wgan(Generator):
    """Conditional Wasserstein GAN with gradient penalty whose genotypes are drawn by Gumbel-softmax.

    The generator begins as haplotype clusters and effects of the condition, both fitted to the training samples in closed form (see
    `genobench.statgen.haplotype_clusters` and `genobench_neural.clusters.effects`): its linkage disequilibrium is near right before the
    first step, and adversarial training shifts it from there. Both networks have weights along the genome, so that a step costs
    n_variants x (channels of a block) where dense layers cost n_variants x width. A missing call is left out of the fit and reads as
    the average in a batch.

    With `preset`, it is one of the WGANs of Xie et al. 2025, faults included: fully connected, condition as raw scalars beside what each
    stage sees, simplex noise drawn once, all critic updates of a step on one batch, 1,000 epochs, float32 (see
    `genobench_neural.published.presets`).

    Args:
        preset: "default", or a published model: "cow-all", "human-ensembl", "human-multi". It fixes the settings that are None; the
            default's values stand in brackets.
        training_calls: Calls that both networks see in training, which fixes the number of steps (never the clock, so that the same seed
            gives the same result): training_calls / (n_variants * batch_size * (n_critic + 1)). 0: no adversarial training (default only:
            130 million).
        max_epochs: The most often that the networks see a sample, however few calls there are (80).
        batch_size: Samples a batch; where there are fewer, all of them are one (64).
        n_critic: Updates of the critic for each of the generator, each on a fresh batch (2).
        learning_rate: Of the generator's Adam, betas .5 and .9 (2e-4).
        critic_rate: Of the critic's Adam, likewise (1e-3).
        loading_rate: Share of `learning_rate` for the weights that begin with what the closed forms give (default only: .1).
        gradient_penalty: Weight of (norm of the critic's gradient - 1)² (10).
        temperature: Of the Gumbel-softmax whose gradient the generator follows; alleles themselves are drawn hard (default only: 1).
        average_decay: Of the moving average of the generator's weights, which is what is kept (default only: .99).
        block_size: The most variants in a block, within which a haplotype does not change its cluster (default only: 16).
        n_clusters: Haplotype clusters of each block; more follow linkage closer, and training samples too (default only: 20).
        n_rounds: Rounds of expectation-maximisation (default only: 12).
        n_shared: Genome-wide noise factors, which begin without effect (default only: 16).
        ridge: Penalty of the regression of variants on the condition, in samples (default only: 10).
        width: Width of the genome-wide residual blocks (default only: 64).
        n_hidden: Width of the residual blocks along the genome (default only: 16).
        n_residual: Residual blocks of either kind (default only: 1).
        is_bf16: Whether matrix products run in bfloat16 (true; published presets: false).

    References:
        Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028.
        Jang, Gu and Poole 2017, Categorical reparameterization with Gumbel-softmax, arXiv:1611.01144.
        Xie et al. 2025, arXiv:2508.09212 (generative models of genotypes; its WGAN is the one this goes on from).
    """

    preset: str = DEFAULT
    training_calls: int | None = None
    max_epochs: int | None = None
    batch_size: int | None = None
    n_critic: int | None = None
    learning_rate: float | None = None
    critic_rate: float | None = None
    loading_rate: float | None = None
    gradient_penalty: float | None = None
    temperature: float | None = None
    average_decay: float | None = None
    block_size: int | None = None
    n_clusters: int | None = None
    n_rounds: int | None = None
    n_shared: int | None = None
    ridge: float | None = None
    width: int | None = None
    n_hidden: int | None = None
    n_residual: int | None = None
    is_bf16: bool | None = None

    def __post_init__(self) -> None:
        check_preset(self, WGANS)
        # A plan checks itself.
        _ = self.plan

    @property
    def plan(self) -> DuelPlan | PublishedGan:
        """Sizes and training facts: those of the preset, with what was set in their place."""
        plan: DuelPlan | PublishedGan = PLAN if self.preset == DEFAULT else WGANS[self.preset]
        return overridden(plan, dataclasses.asdict(self))

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

    def check_devices(self, n_devices: int) -> None:
        """Refuse what `check_sharing` refuses."""
        check_sharing(n_devices, self.plan.batch_size)

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples."""
        if context.n_devices > 1:
            return fit_on_devices(self, train, context)
        return fit_adversaries(WassersteinDuel, self.plan, train, context, identity=fit_identity(self, train, context))

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_adversaries(folder)


PLAN: Final = DuelPlan(
    batch_size=64,
    n_critic=2,
    learning_rate=2e-4,
    critic_rate=1e-3,
    max_epochs=80,
    training_calls=130_000_000,
    gradient_penalty=10.0,
    has_families=False,
)
