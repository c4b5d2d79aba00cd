"""What trained models have in common besides the loop: the device, optimisers, averages of weights, and precision."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from genobench import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


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

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Put the averages in the place of the weights for a while, as for a validation check."""
        kept = [weight.detach().clone() for weight in self._weights]
        self.install()
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, own in zip(self._weights, kept, strict=True):
                    weight.copy_(own)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"averages": self._averages, "n_updates": self._n_updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self._n_updates = state["n_updates"]
        for average, kept in zip(self._averages, state["averages"], strict=True):
            average.copy_(kept)


def autocast(device: torch.device, *, is_bf16: bool = True) -> torch.autocast:
    """Run matrix products in bfloat16 inside a `with` block; weights stay float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bf16)


def adam(
    parameters: Iterable[Any], *, learning_rate: float, betas: tuple[float, float] = (0.9, 0.999), weight_decay: float = 0.0
) -> torch.optim.Adam:
    """Adam whose update is one pass over the weights (fused), on the CPU as on a GPU; weight decay is decoupled from the gradient.

    Args:
        parameters: Parameters, or groups of them as torch.optim takes them.
        learning_rate: For groups that give none.
        betas: Decay of the moments.
        weight_decay: As in AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101); 0 is plain Adam.
    """
    if weight_decay == 0:
        return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, fused=True)
    return torch.optim.AdamW(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)


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
