"""Sizes and training facts of the diffusion model: the default's, and those published by Xie et al. 2025 (arXiv:2508.09212)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRODUCTS_PER_UPDATE: Final = 3
"""Products of a weight with a number in one update, for each sample: one forwards, two backwards."""


@dataclass(frozen=True)
class DiffusionPlan:
    """A diffusion model over principal component scores; `Diffusion` says what the settings are.

    Args:
        n_timesteps: T.
        n_sampling_steps: Steps of generation.
        n_time: Numbers of the timestep's embedding.
        n_value: Numbers that a quantitative column of the condition becomes.
        n_class: Numbers that a class becomes.
        widths: Of the noise network.
        batch_size: Samples a batch.
        learning_rate: Of Adam, after its warm-up.
        n_warm_up: Updates of linear warm-up; a third of all at most.
        max_epochs: Epochs of training at most.
        training_products: Multiplications in training at most; None: as many as max_epochs take.
        kept_share: Share of the variance that the modelled components of a chromosome reach.
        is_per_chromosome: Whether each chromosome has components of its own.
        average_decay: Of the moving average of the weights; 0: the last ones are kept.
        patience: Checks on validation samples without progress before training stops; None: it does not.
        is_published: Whether it is as published: scores unscaled, t = T never trained, noise at the last step, means rounded.
    """

    n_timesteps: int = 1000
    n_sampling_steps: int = 100
    n_time: int = 64
    n_value: int = 32
    n_class: int = 16
    widths: tuple[int, int, int] = (384, 384, 384)
    batch_size: int = 128
    learning_rate: float = 5e-4
    n_warm_up: int = 200
    max_epochs: int = 200
    training_products: float | None = 1.2e12
    kept_share: float = 0.6
    is_per_chromosome: bool = True
    average_decay: float = 0.995
    patience: int | None = 3
    is_published: bool = False

    def steps(self, n_samples: int, n_weights: int) -> int:
        """Updates, as many as `max_epochs` and `training_products` allow: the same for the same settings and data."""
        batch_size = min(self.batch_size, n_samples)
        n_steps = self.max_epochs * math.ceil(n_samples / batch_size)
        if self.training_products is None:
            return n_steps
        return min(n_steps, max(1, int(self.training_products / (_PRODUCTS_PER_UPDATE * n_weights * batch_size))))


def _published(
    n_timesteps: int,
    n_time: int,
    widths: tuple[int, int, int],
    batch_size: int,
    *,
    n_value: int = 32,
    is_per_chromosome: bool = True,
) -> DiffusionPlan:
    return DiffusionPlan(
        n_timesteps=n_timesteps,
        n_sampling_steps=n_timesteps,
        n_time=n_time,
        n_value=n_value,
        widths=widths,
        batch_size=batch_size,
        learning_rate=3e-4,
        n_warm_up=1000,
        max_epochs=20_000,
        training_products=None,
        kept_share=0.9,
        is_per_chromosome=is_per_chromosome,
        average_decay=0.0,
        patience=None,
        is_published=True,
    )


DIFFUSIONS: Final[Mapping[str, DiffusionPlan]] = MappingProxyType(
    {
        "cow-all": _published(1500, 256, (8192, 8192, 6144), 4086, n_value=64),
        "human-ensembl": _published(1200, 128, (4096, 4096, 2048), 20_480, is_per_chromosome=False),
        "human-multi": _published(1200, 256, (12_288, 16_384, 16_384), 8096),
    }
)
