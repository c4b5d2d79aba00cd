"""Diffusion over principal component scores: a default, and the published ones by name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import torch

from genobench import (
    FitContext,
    Generator,
    Genotypes,
    Sampler,
    SettingsError,
    Trial,
    check_below,
    check_lowest,
    check_positive,
    check_share,
)
from genobench_neural.checkpoints import fit_identity
from genobench_neural.component_scores.components import chromosome_groups, fit_components, scores
from genobench_neural.component_scores.diffusion import DiffusionSize, DiffusionTask, ScoreDiffusion, condition_parts, validation_scores
from genobench_neural.component_scores.plan import DIFFUSIONS, DiffusionPlan
from genobench_neural.layers import give_first_weights, n_parameters, ridge_slopes
from genobench_neural.preset_settings import DEFAULT, check_preset, overridden
from genobench_neural.sampling import load_sampler
from genobench_neural.several_devices import check_sharing, fit_on_devices
from genobench_neural.simplex import table_layout
from genobench_neural.training import run
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from pathlib import Path

    from genobench_neural.component_scores.components import ChromosomeComponents


@dataclass(frozen=True)
class Diffusion(Generator):
    """Denoising diffusion over principal component scores; with `preset`, one of those published by Xie et al. 2025, faults included.

    Each chromosome's calls are turned into scores on its leading principal components; the scores of all chromosomes are diffused jointly
    by a network that sees the timestep and the condition. Components are always fitted to the training samples alone.

    The published models keep the components that reach 90 % of a chromosome's variance, unscaled, and see the condition as it stands in
    the sample table (classes as vectors of their own). Faults included: the last timestep is never trained, the last step of generation
    adds noise, and means are rounded to calls, which pulls calls towards the mean, so that too many are heterozygous.

    The default brings scores to variance 1 and begins as what is known without training: normal, independent scores around the ridge
    effects of the condition, of the variance that these leave, for which the noise has a best guess in closed form. The network learns what
    is to be added to that guess. Calls are drawn by thresholds that give each genotype its share in training. Such a cut weakens
    correlations as the variance that truncation leaves out would, so that this variance is not put back, and components reach 60 %: more of
    them take linkage away and let the network learn more of single samples. It keeps a moving average of the weights, stops early by its
    loss on validation samples, and generates in 100 steps. A missing call reads as its variant's mean; what that takes off covariances is
    made up for.

    Args:
        preset: "default", or a published model: "cow-all", "human-ensembl", "human-multi". It fixes the settings that are None; the
            default's values stand in brackets. A published one keeps its last weights; the publication kept the best by precision and
            recall on validation samples as well.
        n_timesteps: T (1000).
        n_sampling_steps: Steps of generation, at most T (100).
        widths: Of the noise network's three layers (384, 384, 384).
        batch_size: Samples a batch; where there are fewer, all of them are one (128).
        learning_rate: Of Adam, after its warm-up; a cosine takes it down (5e-4).
        max_epochs: The most often that a sample is seen (200).
        kept_share: Share of a chromosome's variance that the components reach; smaller shares link neighbours more (.6).
        training_products: Multiplications in training at most, which fixes the steps of large models (default only: 1.2e12).
        average_decay: Of the moving average of the weights (default only: .995).
        patience: Checks on validation samples without progress before training stops (default only: 3).

    References:
        Ho, Jain and Abbeel 2020, Denoising diffusion probabilistic models, arXiv:2006.11239.
        Nichol and Dhariwal 2021, Improved denoising diffusion probabilistic models, arXiv:2102.09672 (fewer steps).
        Salimans and Ho 2022, Progressive distillation for fast sampling of diffusion models, arXiv:2202.00512 (what the network predicts).
        Xie et al. 2025, arXiv:2508.09212, doi:10.1093/gigascience/giag044 (the published presets).
    """

    preset: str = DEFAULT
    n_timesteps: int | None = None
    n_sampling_steps: int | None = None
    widths: tuple[int, int, int] | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    max_epochs: int | None = None
    kept_share: float | None = None
    training_products: float | None = None
    average_decay: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        check_preset(self, DIFFUSIONS, default_only=("training_products", "average_decay", "patience"))
        check_lowest(self, {"n_timesteps": 2, "n_sampling_steps": 1, "batch_size": 1, "max_epochs": 1, "patience": 1, "average_decay": 0})
        check_positive(self, ("learning_rate", "training_products", "kept_share"))
        check_share(self, ("kept_share",))
        check_below(self, {"average_decay": 1})
        if self.widths is not None and min(self.widths) < 1:
            raise SettingsError(f"widths are {self.widths}; each must be at least 1.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Width, rate and truncation of the default, around its values."""
        width = trial.suggest_categorical("width", [256, 384, 512])
        return cls(
            widths=(width, width, width),
            learning_rate=trial.suggest_float("learning_rate", 1e-4, 2e-3, log=True),
            kept_share=trial.suggest_float("kept_share", 0.4, 0.8),
            max_epochs=trial.suggest_categorical("max_epochs", [20, 60, 200]),
        )

    @property
    def plan(self) -> DiffusionPlan:
        """Sizes and training facts: those of the preset, with what was set in their place."""
        plan = DiffusionPlan() if self.preset == DEFAULT else DIFFUSIONS[self.preset]
        return overridden(plan, dataclasses.asdict(self))

    def check_devices(self, n_devices: int) -> None:
        """Refuse what `check_sharing` refuses."""
        check_sharing(n_devices, self.plan.batch_size)

    def fit(self, train: Genotypes, context: FitContext) -> Sampler:
        """Learn from training samples."""
        if context.n_devices > 1:
            return fit_on_devices(self, train, context)
        plan = self.plan
        data = TrainingData.of_genotypes(train, context, table_layout(train.n_variants))
        groups = chromosome_groups(train.variants, is_per_chromosome=plan.is_per_chromosome)
        components = fit_components(data, groups, kept_share=plan.kept_share)
        size = _size(plan, components, data)
        network = ScoreDiffusion(size)
        give_first_weights(network.noise, data.device, data.random)
        network.to(data.device)
        x_0 = scores(data.batches, components)
        if plan.is_published:
            network.take(components)
            network.take_raw_condition(data.encoder)
        else:
            scale = torch.cat([group.variances for group in components]).sqrt().clamp(min=_SMALLEST_SPREAD)
            x_0 = x_0 / scale
            effects = ridge_slopes(data.condition, x_0, ridge=_RIDGE)
            variances = (x_0 - data.condition @ effects).square().mean(dim=0)
            network.begin_with(components, scale=scale, effects=effects, variances=variances)
        n_steps = plan.steps(data.n_samples, n_parameters(network.noise))
        is_checked = plan.patience is not None
        validation = validation_scores(network, components, data.validation(context) if is_checked else None)
        task = DiffusionTask(plan, network, data, x_0=x_0, n_steps=n_steps, validation=validation)
        run(
            task,
            n_steps,
            context,
            identity=fit_identity(self, train, context),
            check_every=max(1, n_steps // _N_CHECKS) if is_checked else None,
            patience=plan.patience,
            batch_size=task.batch_size,
        )
        if not plan.is_published:
            task.average.install()
            network.calibrate(data.shares[: data.n_variants], data.condition, data.random)
        return data.sampler(network, dataclasses.asdict(size))

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        """The sampler that was saved in `folder`."""
        return load_sampler(folder, _network)


_N_CHECKS: Final = 24
_SMALLEST_SPREAD: Final = 1e-6
_RIDGE: Final = 10.0
"""Penalty of the regression of scores on the condition, in samples: the effect of a class with as many samples is halved."""


def _size(plan: DiffusionPlan, components: list[ChromosomeComponents], data: TrainingData) -> DiffusionSize:
    return DiffusionSize(
        n_places=data.layout.block_size,
        n_variants=data.n_variants,
        n_condition=data.encoder.width,
        groups=tuple((len(group.places), group.loadings.shape[1]) for group in components),
        parts=condition_parts(data.encoder, n_value=plan.n_value, n_class=plan.n_class),
        n_timesteps=plan.n_timesteps,
        n_sampling_steps=min(plan.n_sampling_steps, plan.n_timesteps),
        n_time=plan.n_time,
        widths=plan.widths,
        is_last_noisy=plan.is_published,
        is_rounded=plan.is_published,
    )


def _network(description: dict[str, Any], _is_followed: torch.Tensor) -> ScoreDiffusion:
    tuples = {"groups": tuple(map(tuple, description["groups"])), "parts": tuple(map(tuple, description["parts"]))}
    network = ScoreDiffusion(DiffusionSize(**{**description, **tuples, "widths": tuple(description["widths"])}))
    network.noise.to_empty(device="cpu")
    return network
