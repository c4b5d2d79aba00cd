"""What a model that trains is to the training loop (`genobench_neural.training`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from genobench_neural.shared_parts import load_state_of, state_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch


class Task(Protocol):
    """What the loop asks of a model that trains."""

    def step(self, index: int) -> Mapping[str, torch.Tensor]:
        """Make update `index` (from 0) and return its losses as scalars, detached."""
        ...

    def state(self) -> Mapping[str, Any]:
        """All that a killed fit needs to go on as if never killed: weights, optimisers, averages, random generators, place in the data.

        Made of tensors, dicts, lists, tuples, numbers, text and None.
        """
        ...

    def load_state(self, state: Mapping[str, Any], /) -> None:
        """Take back what `state` gave; its tensors lie on the CPU."""
        ...

    def validation_loss(self) -> float | None:
        """How far the model is from the validation samples, lower is better; None: no early stopping.

        It must leave the task as it was: randomness comes from a generator of its own, seeded the same each time.
        """
        ...


class StatefulTask:
    """A task whose state is that of its parts.

    Set `parts`: modules, optimisers, `WeightAverage`, `RowOrder` (whatever has state_dict and load_state_dict) and torch generators, by
    name. Parts may share weights; each says what it holds. `is_loss_summed` says that losses are sums over the samples of a batch, not
    means: the gradients of several devices are then added up.
    """

    is_loss_summed: ClassVar[bool] = False

    parts: Mapping[str, Any]

    def step(self, index: int) -> Mapping[str, torch.Tensor]:
        """Make update `index` and return its losses; each model has its own."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """The states of the parts by name."""
        return {name: state_of(part) for name, part in self.parts.items()}

    def load_state(self, state: Mapping[str, Any], /) -> None:
        """Take back what `state` gave."""
        for name, part in self.parts.items():
            load_state_of(part, state[name])

    def validation_loss(self) -> float | None:
        """No early stopping unless a model says otherwise."""
        return None
