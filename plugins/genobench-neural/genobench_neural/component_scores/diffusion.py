"""Genotypes from diffused principal component scores: the trained network, the way back to calls, and the training task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

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
from genobench_neural.sampling import GenotypeNetwork
from genobench_neural.training import StatefulTask, WeightAverage, adam

if TYPE_CHECKING:
    from genobench import ConditionEncoder
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
        groups: For each group of variants: how many there are, components found, components modelled.
        parts: Columns of the condition: numbers in, numbers out, whether they are classes.
        n_timesteps: T.
        n_sampling_steps: Steps of generation.
        n_time: Numbers of the timestep's embedding.
        widths: Of the noise network.
        is_last_noisy: Whether the last step of generation adds noise.
        is_rounded: Whether calls are means rounded, as published, instead of drawn.
    """

    n_places: int
    n_variants: int
    groups: tuple[tuple[int, int, int], ...]
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
        return sum(n_kept for _, _, n_kept in self.groups)

    def noise_network(self) -> NoiseNetwork:
        """The network, on the device of the context."""
        parts = tuple(ConditionPart(*part) for part in self.parts)
        return NoiseNetwork(self.n_scores, n_time=self.n_time, widths=self.widths, parts=parts)


class ScoreDiffusion(GenotypeNetwork):
    """Diffused scores to calls.

    The kept scores of all groups come from the reverse diffusion, jointly. Where calls are drawn, the scores that truncation left out come
    from independent normal distributions of their own variances, so that every variant has its whole variance and neighbours their
    covariance; the sum is cut at two thresholds a variant, which give each genotype its share in training. Where they are rounded, the
    left-out scores are 0 and the sum is rounded to the nearest genotype, which pulls calls towards the mean.

    Args:
        size: Shapes.
    """

    scale: torch.Tensor
    thresholds: torch.Tensor

    def __init__(self, size: DiffusionSize) -> None:
        super().__init__()
        self.size = size
        # Without values: the default ones would be drawn from the global generator.
        with torch.device("meta"):
            self.noise = size.noise_network()
        for number, (n_here, n_found, _) in enumerate(size.groups):
            self.register_buffer(f"places_{number}", torch.zeros(n_here, dtype=torch.long))
            self.register_buffer(f"mean_{number}", torch.zeros(n_here))
            self.register_buffer(f"loadings_{number}", torch.zeros(n_here, n_found))
            self.register_buffer(f"spread_{number}", torch.zeros(n_found))
        self.register_buffer("scale", torch.ones(size.n_scores))
        self.register_buffer("thresholds", torch.zeros(2, size.n_variants))

    def take(self, components: list[ChromosomeComponents], scale: torch.Tensor) -> None:
        """Take fitted components, and what a unit of x_0 is in each score."""
        for number, group in enumerate(components):
            self.get_buffer(f"places_{number}").copy_(group.places)
            self.get_buffer(f"mean_{number}").copy_(group.mean)
            self.get_buffer(f"loadings_{number}").copy_(group.loadings)
            self.get_buffer(f"spread_{number}").copy_(group.variances.sqrt())
        self.scale.copy_(scale)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says."""
        values = self._values(self.draw_scores(condition, generator), generator)
        codes = torch.zeros(len(condition), self.size.n_places, dtype=torch.uint8, device=values.device)
        if self.size.is_rounded:
            codes[:, : self.size.n_variants] = values.round().clamp(0, 2).byte()
        else:
            codes[:, : self.size.n_variants] = (values[None] > self.thresholds[:, None]).sum(dim=0).byte()
        return codes[None]

    def draw_scores(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Kept scores of all groups, shape (n_samples, n_scores)."""
        schedule = NoiseSchedule.linear(self.size.n_timesteps, condition.device)
        x = torch.randn(len(condition), self.size.n_scores, generator=generator, device=condition.device)
        drawn = ancestral_draw(
            lambda x_t, t: self.noise(x_t, t, condition),
            x,
            schedule=schedule,
            n_steps=self.size.n_sampling_steps,
            is_last_noisy=self.size.is_last_noisy,
            generator=generator,
        )
        return drawn * self.scale

    def _values(self, kept: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Means and scores back to the scale of calls, not yet whole numbers, shape (n_samples, n_variants)."""
        values = torch.zeros(len(kept), self.size.n_variants, device=kept.device)
        n_kept = [group[2] for group in self.size.groups]
        for number, part in enumerate(torch.split(kept, n_kept, dim=1)):
            spread = self.get_buffer(f"spread_{number}")[n_kept[number] :]
            rest = torch.zeros(len(kept), len(spread), device=kept.device)
            if not self.size.is_rounded:
                rest = torch.randn(rest.shape, generator=generator, device=kept.device) * spread
            everything = torch.cat([part, rest], dim=1)
            values[:, self.get_buffer(f"places_{number}")] = everything @ self.get_buffer(f"loadings_{number}").T + self.get_buffer(
                f"mean_{number}"
            )
        return values

    @torch.no_grad()
    def calibrate(self, shares: torch.Tensor, condition: torch.Tensor, generator: torch.Generator) -> None:
        """Set the thresholds at the quantiles of generated values that give each genotype its share.

        Args:
            shares: Share of each genotype in training, shape (n_variants, 3).
            condition: Conditions to generate for, shape (n_samples, n_condition).
            generator: Draws.
        """
        rows = torch.randint(len(condition), (_CALIBRATED,), generator=generator, device=condition.device)
        drawn = self.draw_scores(condition[rows], generator)
        values = self._values(drawn, generator).sort(dim=0).values
        for place, share in enumerate(shares[:, :2].cumsum(dim=1).T):
            rank = (share * len(values)).round().long()
            between = (values.gather(0, (rank - 1).clamp(min=0)[None])[0] + values.gather(0, rank.clamp(max=len(values) - 1)[None])[0]) / 2
            between[rank == 0], between[rank >= len(values)] = -math.inf, math.inf
            self.thresholds[place] = between


class DiffusionTask(StatefulTask):
    """The noise network in training."""

    def __init__(self, plan: DiffusionPlan, network: ScoreDiffusion, data: TrainingData, x_0: torch.Tensor, *, n_steps: int) -> None:
        self.plan, self.network, self.data, self.x_0, self.n_steps = plan, network, data, x_0, n_steps
        self.schedule = NoiseSchedule.linear(plan.n_timesteps, data.device)
        self.batch_size = data.batch_size(plan.batch_size)
        self.rows = data.batches.row_order(self.batch_size, data.random)
        self.optimiser = adam(network.noise.parameters(), learning_rate=plan.learning_rate)
        self.average = WeightAverage(network.noise.parameters(), plan.average_decay)
        self.validation: tuple[torch.Tensor, torch.Tensor] | None = None
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
        loss = noise_loss(self.network.noise, x_0, self.data.condition[rows], schedule=self.schedule, t=t, noise=noise)
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
            return float(noise_loss(self.network.noise, x_0, condition, schedule=self.schedule, t=t, noise=noise))

    def take_validation(self, context_parts: tuple[Any, torch.Tensor] | None, components: list[ChromosomeComponents]) -> None:
        """Take validation samples and their conditions from `TrainingData.validation`."""
        if context_parts is not None:
            batches, condition = context_parts
            self.validation = scores(batches, components) / self.network.scale, condition


def learning_rate(index: int, n_steps: int, *, peak: float, n_warm: int) -> float:
    """Of update `index`: linear warm-up over `n_warm` updates, then a cosine down to 1e-6 at the last (a third is warm-up at most)."""
    n_warm = min(n_warm, n_steps // 3)
    if index < n_warm:
        return peak * (index + 1) / n_warm
    share = (index - n_warm) / max(1, n_steps - n_warm)
    return _LAST_RATE + (peak - _LAST_RATE) * (1 + math.cos(math.pi * share)) / 2


def condition_parts(encoder: ConditionEncoder, *, n_value: int, n_class: int) -> tuple[tuple[int, int, bool], ...]:
    """How each column of a condition enters: numbers in, numbers out, whether it holds classes."""
    return tuple((len(column.classes) or 1, n_class if column.classes else n_value, bool(column.classes)) for column in encoder.columns)
