"""The training loop that the neural generators share: steps, averaged weights, curves, and a stop where a loss is no number."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

import torch

from genobench import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from genobench import FitContext

_REPORT_EVERY_SECONDS: Final = 0.5
_CHECK_EVERY_STEPS: Final = 10


def run_steps(step: Callable[[int], Mapping[str, torch.Tensor]], n_steps: int, context: FitContext) -> None:
    """Call `step` with 0, 1, ..., n_steps - 1 and report its losses, at most twice a second.

    Args:
        step: One update of a model; returns its losses as scalars.
        n_steps: How many.
        context: Where the curves go.

    Raises:
        GenobenchError: If a loss is NaN or infinite (looked at every few steps).
    """
    reported_at = -math.inf
    for index in range(n_steps):
        losses = step(index)
        is_last = index == n_steps - 1
        if index % _CHECK_EVERY_STEPS and not is_last:
            continue
        values = {name: float(loss) for name, loss in losses.items()}
        for name, value in values.items():
            if not math.isfinite(value):
                raise GenobenchError(
                    f"The {name} became {value} at step {index + 1} of {n_steps}, so training stopped. "
                    "A lower learning rate usually mends it."
                )
        now = time.monotonic()
        if is_last or now - reported_at >= _REPORT_EVERY_SECONDS:
            context.report(index + 1, {**values, "total_steps": float(n_steps)})
            reported_at = now


class WeightAverage:
    """An exponential moving average of weights, kept beside the model that trains.

    Args:
        weights: The weights to follow; the average begins with them.
        decay: Share of the average that each update keeps; it grows to this from 0 over the first updates, so that the start is
            forgotten.
    """

    def __init__(self, weights: Iterable[torch.Tensor], decay: float) -> None:
        self._weights = list(weights)
        self._averages = [weight.detach().clone() for weight in self._weights]
        self._decay = decay
        self._n_updates = 0

    def update(self) -> None:
        """Take in the weights as they are now."""
        self._n_updates += 1
        keep = min(self._decay, self._n_updates / (self._n_updates + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, [weight.detach() for weight in self._weights], 1 - keep)

    def install(self) -> None:
        """Put the averages in the place of the weights."""
        with torch.no_grad():
            for weight, average in zip(self._weights, self._averages, strict=True):
                weight.copy_(average)


def checked_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        GenobenchError: If it is not there.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise GenobenchError(f"'{name}' is no device; give cpu, cuda or cuda:N.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise GenobenchError(f"The device '{name}' was asked for, but torch {torch.__version__} sees no GPU; use cpu.")
    return device
