"""Genotypes from diffused principal component scores: the trained network, the way back to calls, and the training task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import torch

from genobench_neural.component_scores.components import scores
from genobench_neural.component_scores.denoising import (
    ConditionPart,
    NoiseNetwork,
    NoiseSchedule,
    ancestral_draw,
    antithetic_timesteps,
    noise_loss,
)
from genobench_neural.component_scores.thresholds import thresholds_of
from genobench_neural.finite import check_drawn_by
from genobench_neural.optimising import WeightAverage, adam
from genobench_neural.published.conditions import raw_condition
from genobench_neural.sampling import GenotypeNetwork
from genobench_neural.tasks import StatefulTask

if TYPE_CHECKING:
    from genobench import ConditionEncoder
    from genobench_neural.batches import PackedBatches
    from genobench_neural.component_scores.components import ChromosomeComponents
    from genobench_neural.component_scores.plan import DiffusionPlan
    from genobench_neural.training_data import TrainingData

_LAST_RATE: Final = 1e-6
_CALIBRATED: Final = 1024
_VALIDATION_SEED: Final = 20_200_619
_VALIDATION_REPEATS: Final = 4


@dataclass(frozen=True)
class DiffusionSize:
    """What fixes the shapes of a `ScoreDiffusion`.

    Args:
        n_places: Places of the layout's one block.
        n_variants: Variants among them.
        n_condition: Numbers of an encoded condition.
        groups: For each group of variants: how many there are, and how many components.
        parts: Columns of the condition: numbers in, numbers out, whether they are classes.
        n_timesteps: T.
        n_sampling_steps: Steps of generation.
        n_time: Numbers of the timestep's embedding.
        widths: Of the noise network.
        is_last_noisy: Whether the last step of generation adds noise.
        is_rounded: Whether, as published, the network alone predicts the noise and calls are means rounded.
    """

    n_places: int
    n_variants: int
    n_condition: int
    groups: tuple[tuple[int, int], ...]
    parts: tuple[tuple[int, int, bool], ...]
    n_timesteps: int
    n_sampling_steps: int
    n_time: int
    widths: tuple[int, int, int]
    is_last_noisy: bool
    is_rounded: bool

    @property
    def n_scores(self) -> int:
        """Scores that the network models."""
        return sum(n_kept for _, n_kept in self.groups)

    def noise_network(self) -> NoiseNetwork:
        """The network, on the device of the context."""
        parts = tuple(ConditionPart(*part) for part in self.parts)
        return NoiseNetwork(self.n_scores, n_time=self.n_time, widths=self.widths, parts=parts)


class ScoreDiffusion(GenotypeNetwork):
    """Diffused scores to calls.

    The scores of all groups of variants come from the reverse diffusion, jointly, and are turned back to the scale of calls. Where calls
    are drawn, two thresholds a variant cut that value so that each genotype has its share in training. The variance that truncation
    leaves out is not put back: a cut does to correlations what so much noise would, so that neighbours would be too little linked with
    both. Where calls are rounded, as published, the value is rounded to the nearest genotype, which pulls calls towards the mean.

    Unless it is as published, the network adds to what is known before it is trained. Given the condition c, scores have mean c B and
    variance s²; were they normal and independent, the best guess of the noise in x_t would be sqrt(1 - alpha_bar) (x_t - sqrt(alpha_bar)
    c B) / (alpha_bar s² + 1 - alpha_bar). What the network gives, times sqrt(alpha_bar), is added to that guess (it predicts v of
    Salimans and Ho 2022, arXiv:2202.00512, less its guess); it begins as 0.

    Args:
        size: Shapes.
    """

    scale: torch.Tensor
    effects: torch.Tensor
    variances: torch.Tensor
    condition_scale: torch.Tensor
    condition_offset: torch.Tensor
    thresholds: torch.Tensor

    def __init__(self, size: DiffusionSize) -> None:
        super().__init__()
        self.size = size
        # Without values: the default ones would be drawn from the global generator.
        with torch.device("meta"):
            self.noise = size.noise_network()
        self.groups = torch.nn.ModuleList(_Group(n_here, n_kept) for n_here, n_kept in size.groups)
        self.register_buffer("scale", torch.ones(size.n_scores))
        self.register_buffer("effects", torch.zeros(size.n_condition, size.n_scores))
        self.register_buffer("variances", torch.ones(size.n_scores))
        self.register_buffer("condition_scale", torch.ones(size.n_condition))
        self.register_buffer("condition_offset", torch.zeros(size.n_condition))
        self.register_buffer("thresholds", torch.zeros(2, size.n_variants))

    @torch.no_grad()
    def begin_with(
        self, components: list[ChromosomeComponents], *, scale: torch.Tensor, effects: torch.Tensor, variances: torch.Tensor
    ) -> None:
        """Take what is known without training.

        Args:
            components: Fitted.
            scale: What a unit of x_0 is in each score, shape (n_scores,).
            effects: B, of the condition on x_0, shape (n_condition, n_scores).
            variances: s², of x_0 given the condition, shape (n_scores,).
        """
        self.take(components)
        self.scale.copy_(scale)
        self.effects.copy_(effects)
        self.variances.copy_(variances)
        for layer in (self.noise.out, self.noise.skip):
            layer.weight.zero_()
            layer.bias.zero_()

    def take(self, components: list[ChromosomeComponents]) -> None:
        """Take fitted components."""
        for group, found in zip(self._groups(), components, strict=True):
            group.places.copy_(found.places)
            group.mean.copy_(found.mean)
            group.loadings.copy_(found.loadings)

    def take_raw_condition(self, encoder: ConditionEncoder) -> None:
        """Let the network see the condition as it stands in the sample table, as published."""
        scale, offset = raw_condition(encoder)
        self.condition_scale.copy_(scale)
        self.condition_offset.copy_(offset)

    def noise_in(self, x_t: torch.Tensor, t: torch.Tensor, condition: torch.Tensor, schedule: NoiseSchedule) -> torch.Tensor:
        """The noise in x_t, shape (n_samples, n_scores), as `NoiseNetwork` takes its arguments."""
        predicted: torch.Tensor = self.noise(x_t, t, condition * self.condition_scale + self.condition_offset)
        if self.size.is_rounded:
            return predicted
        kept = schedule.alpha_bars[t][:, None]
        guess = (1 - kept).sqrt() * (x_t - kept.sqrt() * (condition @ self.effects)) / (kept * self.variances + 1 - kept)
        return guess + kept.sqrt() * predicted

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        values = self._values(self.draw_scores(condition, generator))
        check_drawn_by(values)
        codes = torch.zeros(len(condition), self.size.n_places, dtype=torch.uint8, device=values.device)
        if self.size.is_rounded:
            codes[:, : self.size.n_variants] = values.round().clamp(0, 2).byte()
        else:
            codes[:, : self.size.n_variants] = (values[None] > self.thresholds[:, None]).sum(dim=0).byte()
        return codes[None]

    def draw_scores(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Scores of all groups, shape (n_samples, n_scores)."""
        schedule = NoiseSchedule.linear(self.size.n_timesteps, condition.device)
        x = torch.randn(len(condition), self.size.n_scores, generator=generator, device=condition.device)
        drawn = ancestral_draw(
            lambda x_t, t: self.noise_in(x_t, t, condition, schedule),
            x,
            schedule=schedule,
            n_steps=self.size.n_sampling_steps,
            is_last_noisy=self.size.is_last_noisy,
            generator=generator,
        )
        return drawn * self.scale

    def _values(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores back to the scale of calls, not yet whole numbers, shape (n_samples, n_variants)."""
        values = torch.zeros(len(scores), self.size.n_variants, device=scores.device)
        for group, part in zip(self._groups(), torch.split(scores, [n_kept for _, n_kept in self.size.groups], dim=1), strict=True):
            values[:, group.places] = part @ group.loadings.T + group.mean
        return values

    def _groups(self) -> list[_Group]:
        return [cast("_Group", group) for group in self.groups]

    @torch.no_grad()
    def calibrate(self, shares: torch.Tensor, condition: torch.Tensor, generator: torch.Generator) -> None:
        """Set the thresholds at the quantiles of generated values that give each genotype its share.

        Args:
            shares: Share of each genotype in training, shape (n_variants, 3).
            condition: Conditions to generate for, shape (n_samples, n_condition).
            generator: Draws.
        """
        rows = torch.randint(len(condition), (_CALIBRATED,), generator=generator, device=condition.device)
        values = self._values(self.draw_scores(condition[rows], generator))
        shares = shares.double()
        # From both ends, so that a share of 0 is not one of rounding.
        below = torch.stack([shares[:, 0], 1 - shares[:, 2]])
        self.thresholds.copy_(thresholds_of(values, below))


class _Group(torch.nn.Module):
    """The components of one group of variants: `ChromosomeComponents` as buffers."""

    places: torch.Tensor
    mean: torch.Tensor
    loadings: torch.Tensor

    def __init__(self, n_here: int, n_components: int) -> None:
        super().__init__()
        self.register_buffer("places", torch.zeros(n_here, dtype=torch.long))
        self.register_buffer("mean", torch.zeros(n_here))
        self.register_buffer("loadings", torch.zeros(n_here, n_components))


class DiffusionTask(StatefulTask):
    """The noise network in training.

    Args:
        plan: Sizes and training.
        network: Begun.
        data: Training samples.
        x_0: Their scores, shape (n_samples, n_scores).
        n_steps: Updates in all.
        validation: Scores and conditions of validation samples; None: no early stopping.
    """

    def __init__(
        self,
        plan: DiffusionPlan,
        network: ScoreDiffusion,
        data: TrainingData,
        *,
        x_0: torch.Tensor,
        n_steps: int,
        validation: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> None:
        self.plan, self.network, self.data, self.x_0, self.n_steps = plan, network, data, x_0, n_steps
        self.schedule = NoiseSchedule.linear(plan.n_timesteps, data.device)
        self.batch_size = data.batch_size(plan.batch_size)
        self.rows = data.row_order(self.batch_size)
        self.optimiser = adam(network.noise.parameters(), learning_rate=plan.learning_rate)
        self.average = WeightAverage(network.noise.parameters(), plan.average_decay)
        self.validation = validation
        self.parts = {
            "network": network.noise,
            "optimiser": self.optimiser,
            "average": self.average,
            "rows": self.rows,
            "random": data.random,
        }

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """One update on one batch."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(index, self.n_steps, peak=self.plan.learning_rate, n_warm=self.plan.n_warm_up)
        rows, random = next(self.rows), self.data.random
        x_0 = self.x_0[rows]
        t = antithetic_timesteps(len(rows), self.plan.n_timesteps, is_shifted=self.plan.is_published, generator=random)
        noise = torch.randn(x_0.shape, generator=random, device=x_0.device)
        loss = self._loss(x_0, self.data.condition[rows], t=t, noise=noise)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.optimiser.step()
        self.average.update()
        return {"noise error": loss.detach()}

    @torch.no_grad()
    def validation_loss(self) -> float | None:
        """The loss of the averaged weights on validation samples, with the same noise each time."""
        if self.validation is None:
            return None
        x_0, condition = (part.repeat(_VALIDATION_REPEATS, 1) for part in self.validation)
        generator = torch.Generator(x_0.device).manual_seed(_VALIDATION_SEED)
        t = antithetic_timesteps(len(x_0), self.plan.n_timesteps, is_shifted=False, generator=generator)
        noise = torch.randn(x_0.shape, generator=generator, device=x_0.device)
        with self.average.installed():
            return float(self._loss(x_0, condition, t=t, noise=noise))

    def _loss(self, x_0: torch.Tensor, condition: torch.Tensor, *, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        def noise_in(x_t: torch.Tensor, t: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            return self.network.noise_in(x_t, t, condition, self.schedule)

        return noise_loss(noise_in, x_0, condition, schedule=self.schedule, t=t, noise=noise)


def validation_scores(
    network: ScoreDiffusion, components: list[ChromosomeComponents], validation: tuple[PackedBatches, torch.Tensor] | None
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """What `TrainingData.validation` gave, with scores on the scale of x_0 in place of the calls."""
    if validation is None:
        return None
    batches, condition = validation
    return scores(batches, components) / network.scale, condition


def learning_rate(index: int, n_steps: int, *, peak: float, n_warm: int) -> float:
    """Of update `index`: linear warm-up over `n_warm` updates, then a cosine down to 1e-6 at the last (a third is warm-up at most)."""
    n_warm = min(n_warm, n_steps // 3)
    if index < n_warm:
        return peak * (index + 1) / n_warm
    share = (index - n_warm) / max(1, n_steps - n_warm)
    return _LAST_RATE + (peak - _LAST_RATE) * (1 + math.cos(math.pi * share)) / 2


def condition_parts(encoder: ConditionEncoder, *, n_value: int, n_class: int) -> tuple[tuple[int, int, bool], ...]:
    """How each column of a condition enters: numbers in, numbers out, whether it holds classes."""
    return tuple((column.width, n_class if column.classes else n_value, bool(column.classes)) for column in encoder.columns)
