"""The parts of a task whose fit several processes share: the same weights in all, numbers of its own in each, gradients put together."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch

from genobench_neural.batches import RowOrder
from genobench_neural.optimising import WeightAverage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from genobench_neural.ranks import Ranks

_WEIGHTS: Final = (torch.nn.Module, WeightAverage)
_ALIKE: Final = (*_WEIGHTS, torch.optim.Optimizer, RowOrder)
"""Parts that hold the same in every process; all others (random generators, running chains) differ."""


def begin_alike(parts: Mapping[str, Any], ranks: Ranks, *, stage: str) -> None:
    """Give every process the weights of the first, and random numbers of its own.

    All processes have fitted the closed forms that a training begins with; on GPUs these may differ by rounding.

    Args:
        parts: Of the task.
        ranks: The processes.
        stage: Of the fit, which names the random numbers.
    """
    for name, part in parts.items():
        if isinstance(part, _WEIGHTS):
            ranks.copy_first(_tensors(part.state_dict()))
        elif isinstance(part, torch.Generator) and not ranks.is_first:
            part.manual_seed(ranks.seed_of(ranks.number, stage, name))


def own_state(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The state of what differs between the processes, by name."""
    return {name: state_of(part) for name, part in parts.items() if not isinstance(part, _ALIKE)}


def load_own_state(parts: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Take back what `own_state` gave."""
    for name, own in state.items():
        load_state_of(parts[name], own)


def state_of(part: Any) -> Any:
    """The state of a part of a task."""
    return part.get_state() if isinstance(part, torch.Generator) else part.state_dict()


def load_state_of(part: Any, state: Any) -> None:
    """Take back what `state_of` gave."""
    if isinstance(part, torch.Generator):
        part.set_state(state.cpu())
    else:
        part.load_state_dict(state)


@contextmanager
def shared_gradients(parts: Mapping[str, Any], ranks: Ranks, *, is_mean: bool) -> Iterator[None]:
    """Let every optimiser step by the gradient of the whole batch, which is the mean of the processes' gradients, or their sum.

    Where the optimiser steps is the one place that all models have in common. DistributedDataParallel averages while `backward` runs
    through the module that it wraps, once for each forward pass; here a loss takes a generator and a critic, a penalty takes the gradient
    of a gradient, and `backward(inputs=...)` leaves networks out.

    Args:
        parts: Of the task; its optimisers are among them.
        ranks: The processes.
        is_mean: Whether losses are means over the samples of a batch; else they are sums.
    """

    def put_together(optimiser: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        weights = (weight for group in optimiser.param_groups for weight in group["params"])
        ranks.add_up([weight.grad for weight in weights if weight.grad is not None], is_mean=is_mean)

    with ExitStack() as hooks:
        for part in parts.values():
            if isinstance(part, torch.optim.Optimizer):
                hooks.callback(part.register_step_pre_hook(put_together).remove)
        yield


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for item in items for tensor in _tensors(item)]
