"""Memory of a training: how large a state is, a copy of it in memory of the host, and a clear error where memory is short."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch

from genobench import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUT_OF_MEMORY: Final = ("out of memory", "can't allocate memory")


@contextmanager
def within_memory(batch_size: int | None) -> Iterator[None]:
    """Turn a lack of memory, of the GPU or the host, into an error that says what to try.

    Args:
        batch_size: Samples a batch; None where that is not what fills the memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, torch.OutOfMemoryError | MemoryError) and not any(text in str(error) for text in _OUT_OF_MEMORY):
            raise
        advice = f"Try batch_size = {batch_size // 2}." if batch_size and batch_size > 1 else "Try a smaller network."
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        size = f" with batch_size = {batch_size}" if batch_size else ""
        raise GenobenchError(f"Training ran out of memory{size}. {advice} ({reason})") from error


def on_host(value: Any) -> Any:
    """A state that later steps do not change, in memory of the host."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: on_host(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(on_host(item) for item in value)
    return value


def n_bytes(value: Any) -> int:
    """Bytes of the tensors of a state."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return sum(n_bytes(item) for item in value.values())
    if isinstance(value, list | tuple):
        return sum(n_bytes(item) for item in value)
    return 0
