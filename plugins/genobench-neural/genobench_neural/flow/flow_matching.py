"""Conditional flow matching: a velocity that carries normal noise to latents, given a condition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from genobench_neural.batches import RowOrder
from genobench_neural.layers import Dense, time_embedding
from genobench_neural.optimising import WeightAverage, adam
from genobench_neural.tasks import StatefulTask

if TYPE_CHECKING:
    from collections.abc import Callable

_N_TIME: Final = 32
"""Sines and cosines that stand for t."""

_TIME_SCALE: Final = 1000.0
"""The embedding is made for steps of diffusion, of which there are about so many; t in [0, 1] would hardly move it."""

_AVERAGE_DECAY: Final = 0.995
"""Weights are averaged over the last 200 updates or so, of 1,500."""


class VelocityNetwork(nn.Module):
    """dx/dt of the path from noise (t = 0) to latents (t = 1), predicted from x_t, t and the condition.

    It begins at zero velocity: noise as it is.

    Args:
        n_latent: Numbers of x_t.
        n_condition: Numbers of the condition.
        width: Of the hidden layers.
        n_residual: Residual layers between the first and the last.
        generator: Draws the weights.
        device: Where they lie.
    """

    def __init__(
        self, *, n_latent: int, n_condition: int, width: int, n_residual: int, generator: torch.Generator, device: torch.device
    ) -> None:
        super().__init__()
        self.entry = Dense(n_latent + n_condition + _N_TIME, width, generator=generator, device=device)
        self.residual = nn.ModuleList(Dense(width + _N_TIME, width, generator=generator, device=device) for _ in range(n_residual))
        self.exit = Dense(width, n_latent, generator=None, device=device)
        self.skip = Dense(n_latent + n_condition, n_latent, generator=None, device=device)

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Predict the velocity.

        Args:
            x_t: Shape (n_samples, n_latent).
            t: In [0, 1], shape (n_samples,).
            condition: Shape (n_samples, n_condition).

        Returns:
            Shape of x_t.
        """
        time = time_embedding(t * _TIME_SCALE, _N_TIME)
        given = torch.cat([x_t, condition], dim=1)
        hidden = self.entry(torch.cat([given, time], dim=1))
        for layer in self.residual:
            hidden = hidden + layer(torch.cat([functional.silu(hidden), time], dim=1))
        velocity: torch.Tensor = self.exit(functional.silu(hidden)) + self.skip(given)
        return velocity


def flow_loss(network: VelocityNetwork, x_1: torch.Tensor, condition: torch.Tensor, *, x_0: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the velocity x_1 - x_0 at x_t = (1 - t) x_0 + t x_1 (Lipman et al. 2023, equation 23, sigma_min = 0).

    Args:
        network: The network.
        x_1: Latents, shape (n_samples, n_latent).
        condition: Shape (n_samples, n_condition).
        x_0: Standard normal, shape of x_1.
        t: In [0, 1], shape (n_samples,).

    Returns:
        One number.
    """
    return functional.mse_loss(network(torch.lerp(x_0, x_1, t[:, None]), t, condition), x_1 - x_0)


def carried(velocity: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], x: torch.Tensor, *, n_steps: int) -> torch.Tensor:
    """Follow a velocity from t = 0 to t = 1 by Heun's method (the explicit trapezoidal rule).

    Args:
        velocity: Gives dx/dt at (x, t).
        x: Where it begins, shape (n_samples, n_latent).
        n_steps: Steps, each with two evaluations.

    Returns:
        Where it ends, shape of x.
    """
    step = 1 / n_steps
    for number in range(n_steps):
        t = torch.full((len(x),), number * step, device=x.device)
        first = velocity(x, t)
        second = velocity(x + step * first, t + step)
        x = x + step * (first + second) / 2
    return x


class FlowTask(StatefulTask):
    """The velocity in training.

    Args:
        network: The network.
        latents: Of the training samples, shape (n_samples, n_latent).
        condition: Shape (n_samples, n_condition).
        smoothing: Standard deviation of the noise that each latent is given anew whenever it is seen, so that the density has no peak on
            a training sample.
        batch_size: Samples a batch.
        learning_rate: Of Adam; it falls linearly to 0.
        n_steps: Updates in all.
        random: Draws everything.
    """

    def __init__(
        self,
        network: VelocityNetwork,
        latents: torch.Tensor,
        condition: torch.Tensor,
        *,
        smoothing: float,
        batch_size: int,
        learning_rate: float,
        n_steps: int,
        random: torch.Generator,
    ) -> None:
        self.network, self.latents, self.condition, self.smoothing = network, latents, condition, smoothing
        self.learning_rate, self.n_steps, self.random = learning_rate, n_steps, random
        self.rows = RowOrder(len(latents), batch_size, random)
        self.optimiser = adam(network.parameters(), learning_rate=learning_rate)
        self.average = WeightAverage(network.parameters(), _AVERAGE_DECAY)
        self.parts = {
            "network": network,
            "optimiser": self.optimiser,
            "average": self.average,
            "rows": self.rows,
            "random": random,
        }

    def step(self, index: int) -> dict[str, torch.Tensor]:
        """One update on one batch."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * (1 - index / self.n_steps)
        rows = next(self.rows)
        x_1 = self.latents[rows] + self.smoothing * self._normal(self.latents[rows].shape)
        t = torch.rand(len(rows), generator=self.random, device=x_1.device)
        loss = flow_loss(self.network, x_1, self.condition[rows], x_0=self._normal(x_1.shape), t=t)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        self.optimiser.step()
        self.average.update()
        return {"flow error": loss.detach()}

    def _normal(self, shape: torch.Size) -> torch.Tensor:
        return torch.randn(shape, generator=self.random, device=self.random.device)
