"""The generative adversarial network: a default that begins near the data, and the published ones by name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from genobench import FitContext, Generator, Genotypes, Sampler, Trial
from genobench_neural.adversaries import fit_adversaries, load_adversaries
from genobench_neural.checkpoints import fit_identity
from genobench_neural.clusters.duel import DuelPlan
from genobench_neural.clusters.losses import LogisticDuel
from genobench_neural.preset_settings import DEFAULT, check_preset, overridden
from genobench_neural.published.presets import GANS, PublishedGan
from genobench_neural.several_devices import check_sharing, fit_on_devices

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Gan(Generator):
    """GAN whose genotypes are drawn by Gumbel-softmax; with `preset`, one of those published by Xie et al. 2025, faults included.

    The default draws two haplotypes a sample. Its generator has the shape of the default `wgan`'s: a walk through haplotype clusters, and
    genome-wide factors with the condition. It begins with clusters, with principal components of the training samples as factors
    (families) and with ridge effects of the condition, all in closed form; adversarial training shifts it from there. The loss is the
    non-saturating one, kept smooth by a penalty on the discriminator's gradient at training samples, and genotypes are drawn hard on
    both sides, so that softness does not distinguish generated samples. A moving average of the generator is kept.

    A published preset is fully connected and knows no condition (`is_conditional=true` gives it one), sees soft genotypes and simplex noise
    that is drawn once, and trains for 1,000 epochs while the temperature falls from 1 to .1.

    A missing call reads as its variant's average.

    Args:
        preset: "default", or a published model: "cow-chr14", "human-ensembl", "human-multi". It fixes the settings that are None; the
            default's values stand in brackets.
        is_conditional: Whether both networks see trait and covariates (true).
        batch_size: Samples a batch; where there are fewer, all of them are one (64).
        learning_rate: Of the generator's Adam (1e-4).
        critic_rate: Of the discriminator's (5e-4).
        max_epochs: The most often that both networks see a sample (60).
        training_calls: Calls that both networks see in training at most, which fixes the number of steps (default only: 120 million).
        loading_rate: Share of `learning_rate` for weights that begin with what the closed forms give (default only: .1).
        gradient_penalty: Weight of the squared gradient of the discriminator at training samples (default only: 1).
        n_shared: Genome-wide factors (default only: 16).
        block_size: The most variants in a block (default only: 16).
        n_clusters: Haplotype clusters of each block (default only: 20).
        n_rounds: Rounds of expectation-maximisation of the clusters (default only: 12).
        ridge: Penalty of the closed forms, in samples (default only: 10).
        width: Width of the genome-wide residual blocks (default only: 64).
        n_hidden: Width of the residual blocks along the genome (default only: 16).
        average_decay: Of the moving average of the generator's weights (default only: .99).
        is_bf16: Whether matrix products run in bfloat16 (true; published presets: false).

    References:
        Goodfellow et al. 2014, Generative adversarial networks, arXiv:1406.2661.
        Mescheder, Geiger and Nowozin 2018, Which training methods for GANs do actually converge?, arXiv:1801.04406 (the penalty).
        Jang, Gu and Poole 2017, Categorical reparameterization with Gumbel-softmax, arXiv:1611.01144.
        Xie et al. 2025, arXiv:2508.09212, doi:10.1093/gigascience/giag044 (the published presets).
    """

    preset: str = DEFAULT
    is_conditional: bool | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    critic_rate: float | None = None
    max_epochs: int | None = None
    training_calls: int | None = None
    loading_rate: float | None = None
    gradient_penalty: float | None = None
    n_shared: int | None = None
    block_size: int | None = None
    n_clusters: int | None = None
    n_rounds: int | None = None
    ridge: float | None = None
    width: int | None = None
    n_hidden: int | None = None
    average_decay: float | None = None
    is_bf16: bool | None = None

    def __post_init__(self) -> None:
        # A published GAN has no such penalty.
        check_preset(self, GANS, default_only=("gradient_penalty",))
        # A plan checks itself.
        _ = self.plan

    @property
    def plan(self) -> DuelPlan | PublishedGan:
        """Sizes and training facts: those of the preset, with what was set in their place."""
        plan: DuelPlan | PublishedGan = PLAN if self.preset == DEFAULT else GANS[self.preset]
        return overridden(plan, dataclasses.asdict(self))

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Rates, factors and clusters of the default, around its values."""
        return cls(
            learning_rate=trial.suggest_float("learning_rate", 2e-5, 5e-4, log=True),
            critic_rate=trial.suggest_float("critic_rate", 1e-4, 2e-3, log=True),
            loading_rate=trial.suggest_float("loading_rate", 0.01, 1.0, log=True),
            n_shared=trial.suggest_categorical("n_shared", [8, 16, 32]),
            n_clusters=trial.suggest_int("n_clusters", 8, 24),
            block_size=trial.suggest_categorical("block_size", [8, 16, 32]),
        )

    def check_devices(self, n_devices: int) -> None:
        """Refuse what `check_sharing` refuses."""
        check_sharing(n_devices, self.plan.batch_size)

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples."""
        if context.n_devices > 1:
            return fit_on_devices(self, train, context)
        return fit_adversaries(LogisticDuel, self.plan, train, context, identity=fit_identity(self, train, context))

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_adversaries(folder)


PLAN: Final = DuelPlan(
    batch_size=64,
    n_critic=1,
    learning_rate=1e-4,
    critic_rate=5e-4,
    max_epochs=60,
    training_calls=120_000_000,
    gradient_penalty=1.0,
    has_families=True,
)
