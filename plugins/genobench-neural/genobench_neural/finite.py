"""Whether numbers are still numbers: those of a training's state, those that a sampler is made of, and those that calls are drawn by.

A comparison with NaN is false, so that calls drawn by NaN would all be 0, and nothing else would show it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch

from genobench import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ADVICE: Final = "A lower learning rate usually mends it."


def n_not_finite(state: Mapping[str, Any]) -> dict[str, int]:
    """How many numbers of each tensor in a state are NaN or infinite.

    Args:
        state: Nested, as `Task.state` gives it.

    Returns:
        Numbers by the tensor's path in the state, such as "network.weight"; tensors that are finite throughout are left out.
    """
    return {path: int((~tensor.isfinite()).sum()) for path, tensor in _tensors(state, ()) if not _is_finite(tensor)}


def check_weights(network: torch.nn.Module) -> None:
    """Refuse a network that calls cannot be drawn from.

    Args:
        network: Trained, or loaded.

    Raises:
        GenobenchError: If one of its numbers is NaN. Infinite ones may stand for what never or always occurs.
    """
    for name, tensor in network.state_dict().items():
        if not _is_finite(tensor) and tensor.isnan().any():
            raise GenobenchError(
                f"Of the {tensor.numel()} numbers of '{name}' in the fitted model {int(tensor.isnan().sum())} are NaN, so that calls drawn "
                f"from it would be 0. {_ADVICE}"
            )


def check_drawn_by(values: torch.Tensor) -> None:
    """Refuse to draw calls by what is no number.

    Args:
        values: What calls are drawn by: logits, say, of any shape.

    Raises:
        GenobenchError: If one is NaN.
    """
    if values.isnan().any():
        n_numbers = int(values.isnan().sum())
        raise GenobenchError(
            f"The fitted model gives NaN for {n_numbers} of {values.numel()} numbers that calls are drawn by, and such calls would be "
            f"0: its weights are too large. Fit it anew. {_ADVICE}"
        )


def _tensors(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, torch.Tensor]]:
    """The floating tensors of a state with their paths."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point():
            yield ".".join(path), value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tensors(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _tensors(item, (*path, str(number)))


def _is_finite(tensor: torch.Tensor) -> bool:
    """Whether all numbers are finite, by the least and the largest: it needs no second tensor of the size."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    return all(bool(bound.isfinite()) for bound in tensor.detach().aminmax())
