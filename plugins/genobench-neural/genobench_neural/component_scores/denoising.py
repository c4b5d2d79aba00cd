"""Denoising diffusion: the schedule of noise, and the network that predicts it, as Xie et al. 2025 describe theirs."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from genobench_neural.layers import time_embedding

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_BETA: Final = 1e-4
_LAST_BETA: Final = 0.02


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """Linear variances of noise (Ho et al. 2020, section 4), indexed by t = 0, 1, ..., T; t = 0 is no noise.

    Args:
        betas: Variance added by step t, 0 at t = 0, shape (T + 1,).
        alpha_bars: Share of the data's variance left at t, 1 at t = 0, shape (T + 1,).
    """

    betas: torch.Tensor
    alpha_bars: torch.Tensor

    @classmethod
    def linear(cls, n_timesteps: int, device: torch.device | str = "cpu") -> NoiseSchedule:
        """Betas from 1e-4 at t = 1 to 0.02 at t = T."""
        betas = torch.cat([torch.zeros(1, dtype=torch.float64), torch.linspace(_FIRST_BETA, _LAST_BETA, n_timesteps, dtype=torch.float64)])
        return cls(betas=betas.float().to(device), alpha_bars=(1 - betas).cumprod(0).float().to(device))

    @property
    def n_timesteps(self) -> int:
        """T."""
        return len(self.betas) - 1


def antithetic_timesteps(n: int, n_timesteps: int, *, is_shifted: bool, generator: torch.Generator) -> torch.Tensor:
    """Timesteps in pairs from either end, so that each batch sees little and much noise alike.

    Args:
        n: How many.
        n_timesteps: T.
        is_shifted: Whether t runs from 0 to T - 1, as published (t = T, where generation begins, is then never trained), instead of 1 to T.
        generator: Draws half of them.

    Returns:
        Shape (n,).
    """
    first, total = (1, n_timesteps - 1) if is_shifted else (1, n_timesteps + 1)
    last = max(first, n_timesteps - 1) if is_shifted else n_timesteps
    half = torch.randint(first, last + 1, (-(-n // 2),), generator=generator, device=generator.device)
    return torch.cat([half, (total - half).clamp(min=0)])[:n]


@dataclass(frozen=True)
class ConditionPart:
    """How one column of an encoded condition enters the noise network.

    Args:
        n_in: Numbers: 1 for a quantitative column, one a class for a categorical one.
        n_out: Numbers after a linear layer; classes have no bias, so that each has a vector of its own (an embedding).
        is_categorical: Whether it holds classes.
    """

    n_in: int
    n_out: int
    is_categorical: bool


class NoiseNetwork(nn.Module):
    """The noise in x_t, predicted from x_t, t and the condition.

    Two wide layers that both see time and condition, a third, each with layer normalisation and ReLU; and a linear skip from all inputs
    to the output.

    Args:
        n_scores: Numbers of x_t.
        n_time: Numbers of the timestep's embedding.
        widths: Of the three layers.
        parts: Columns of the condition.
    """

    def __init__(self, n_scores: int, *, n_time: int, widths: tuple[int, int, int], parts: tuple[ConditionPart, ...]) -> None:
        super().__init__()
        self.n_time = n_time
        self.splits = [part.n_in for part in parts]
        self.entries = nn.ModuleList(nn.Linear(part.n_in, part.n_out, bias=not part.is_categorical) for part in parts)
        n_context = n_time + sum(part.n_out for part in parts)
        first, second, third = widths
        self.fc1, self.norm1 = nn.Linear(n_scores + n_context, first), nn.LayerNorm(first)
        self.fc2, self.norm2 = nn.Linear(first + n_context, second), nn.LayerNorm(second)
        self.fc3, self.norm3 = nn.Linear(second, third), nn.LayerNorm(third)
        self.out = nn.Linear(third, n_scores)
        self.skip = nn.Linear(n_scores + n_context, n_scores)

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Predict the noise.

        Args:
            x_t: Noisy scores, shape (n_samples, n_scores).
            t: Timesteps, shape (n_samples,).
            condition: Encoded, shape (n_samples, sum of n_in).

        Returns:
            Shape of x_t.
        """
        columns = torch.split(condition, self.splits, dim=1) if self.splits else ()
        context = torch.cat([time_embedding(t, self.n_time), *(entry(c) for entry, c in zip(self.entries, columns, strict=True))], dim=1)
        everything = torch.cat([x_t, context], dim=1)
        hidden = functional.relu(self.norm1(self.fc1(everything)))
        hidden = functional.relu(self.norm2(self.fc2(torch.cat([hidden, context], dim=1))))
        hidden = functional.relu(self.norm3(self.fc3(hidden)))
        noise: torch.Tensor = self.out(hidden) + self.skip(everything)
        return noise


def noise_loss(
    noise_in: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
    x_0: torch.Tensor,
    condition: torch.Tensor,
    *,
    schedule: NoiseSchedule,
    t: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """Mean squared error of the noise that the network predicts (Ho et al. 2020, equation 14).

    Args:
        noise_in: Predicts the noise of x_t, t and the condition.
        x_0: Scores, shape (n_samples, n_scores).
        condition: Shape (n_samples, n_condition).
        schedule: Of the noise.
        t: Timesteps, shape (n_samples,).
        noise: Standard normal, shape of x_0.
    """
    kept = schedule.alpha_bars[t][:, None]
    x_t = kept.sqrt() * x_0 + (1 - kept).sqrt() * noise
    return functional.mse_loss(noise_in(x_t, t, condition), noise)


def ancestral_draw(
    noise_at: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    *,
    schedule: NoiseSchedule,
    n_steps: int,
    is_last_noisy: bool,
    generator: torch.Generator,
) -> torch.Tensor:
    """Draw x_0 from noise x_T by ancestral steps (Ho et al. 2020, algorithm 2), over all timesteps or some of them.

    With fewer steps than timesteps the reverse process is that of the schedule whose alpha_bars are those of the timesteps left
    (Nichol and Dhariwal 2021, arXiv:2102.09672, section 3.3).

    Args:
        noise_at: Predicts the noise of x_t and t.
        x: Standard normal, shape (n_samples, n_scores).
        schedule: Of the noise.
        n_steps: How many steps, at most T.
        is_last_noisy: Whether the last step adds noise too, as published.
        generator: Draws the noise.
    """
    times = torch.linspace(schedule.n_timesteps, 0, min(n_steps, schedule.n_timesteps) + 1).round().long().tolist()
    for t, following in itertools.pairwise(times):
        alpha_bar = float(schedule.alpha_bars[t])
        alpha = alpha_bar / float(schedule.alpha_bars[following])
        predicted = noise_at(x, torch.full((len(x),), t, device=x.device))
        x = (x - (1 - alpha) / math.sqrt(1 - alpha_bar) * predicted) / math.sqrt(alpha)
        if following > 0 or is_last_noisy:
            x = x + math.sqrt(1 - alpha) * torch.randn(x.shape, generator=generator, device=x.device)
    return x
