"""The processes that share one fit, a device each, and what they do together.

There is one unless `genobench_neural.several_devices` has started more, and then nothing here changes what it does.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import torch
import torch.distributed

from genobench import FitContext, GenobenchError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_BUNDLE_BYTES: Final = 1 << 26


class LostDeviceError(GenobenchError):
    """Another process of the fit is gone, which says why itself if it can."""


@dataclass(frozen=True)
class Ranks:
    """Which of the processes this one is. All call the methods that talk to others, in the same order.

    Args:
        number: Of this process, from 0.
        n: How many there are.
        seed: Of the fit; the same in all.
    """

    number: int = 0
    n: int = 1
    seed: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that decides, reports and writes."""
        return self.number == 0

    def share(self, batch_size: int, *, n_samples: int) -> slice:
        """The rows of a batch that are this process's.

        Args:
            batch_size: Samples a batch, over all processes.
            n_samples: Samples in training.

        Raises:
            SettingsError: If the processes cannot have equally many.
        """
        check_batch(batch_size, self.n, n_samples=n_samples if batch_size == n_samples else None)
        width = batch_size // self.n
        return slice(self.number * width, (self.number + 1) * width)

    def seed_of(self, *what: object) -> int:
        """A seed that follows from the fit's and from what it is for."""
        return int.from_bytes(hashlib.sha256(repr((self.seed, *what)).encode()).digest()[:7], "big")

    def agreed(self, find: Callable[[], T]) -> T:
        """What the first process finds, told to all."""
        if self.n == 1:
            return find()
        told = [find() if self.is_first else None]
        with self._together():
            torch.distributed.broadcast_object_list(told, src=0)
        return cast("T", told[0])

    def gathered(self, value: T) -> list[T]:
        """What each process has, in their order."""
        values: list[Any] = [None] * self.n
        with self._together():
            torch.distributed.all_gather_object(values, value)
        return values

    def copy_first(self, tensors: list[torch.Tensor]) -> None:
        """Overwrite tensors with those of the first process."""
        if self.n == 1:
            return
        with self._together():
            for tensor in tensors:
                told = tensor.contiguous()  # NCCL takes no other.
                torch.distributed.broadcast(told, src=0)
                tensor.copy_(told)

    def add_up(self, tensors: list[torch.Tensor], *, is_mean: bool) -> None:
        """Overwrite tensors of one type with their sums, or means, over the processes; every process gets the same bits.

        Args:
            tensors: Of one type, on one device.
            is_mean: Whether sums are divided by the number of processes.
        """
        with self._together():
            for bundle in _bundles(tensors):
                together = torch.cat([tensor.flatten() for tensor in bundle])
                torch.distributed.all_reduce(together)
                if is_mean:
                    together /= self.n
                totals = torch.split(together, [tensor.numel() for tensor in bundle])
                for tensor, total in zip(bundle, totals, strict=True):
                    tensor.copy_(total.view_as(tensor))

    def part(self) -> None:
        """Take leave of the others when all are done: a process whose connection breaks from the other end while it ends may crash."""
        self.gathered(None)
        torch.distributed.destroy_process_group()

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise LostDeviceError(f"Device {self.number} of {self.n} lost another one in the midst of the fit: {error}") from error


ONE: Final = Ranks()
"""A fit in this process alone."""


@dataclass(frozen=True)
class RankContext(FitContext):
    """What the fit is given in one of several processes: its own device, and `n_devices` of 1, since it is not to start more.

    Args:
        ranks: Which process it is.
    """

    ranks: Ranks = ONE


def _bundles(tensors: list[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Tensors to be sent at once: a message costs more than the few numbers of a bias, and a copy of all weights would take memory."""
    bundle: list[torch.Tensor] = []
    for tensor in tensors:
        if bundle and sum(one.nbytes for one in bundle) + tensor.nbytes > _BUNDLE_BYTES:
            yield bundle
            bundle = []
        bundle.append(tensor)
    if bundle:
        yield bundle


def ranks_of(context: FitContext) -> Ranks:
    """The processes of a fit."""
    return context.ranks if isinstance(context, RankContext) else ONE


def check_batch(batch_size: int, n_devices: int, *, pack_size: int = 1, n_samples: int | None = None) -> None:
    """Refuse a batch of which devices cannot have equally many samples: the mean of their gradients would not be that of the batch.

    Args:
        batch_size: Samples a batch, over all devices.
        n_devices: How many devices.
        pack_size: Samples that must be on one device.
        n_samples: Samples in training, where a batch is not larger; None where not known.

    Raises:
        SettingsError: If it is such a batch; the message names the nearest that would do.
    """
    n_left = batch_size % (n_devices * pack_size)
    if n_left == 0:
        return
    sizes = [batch_size - n_left, batch_size - n_left + n_devices * pack_size]
    fitting = [str(size) for size in sizes if size > 0 and (n_samples is None or size <= n_samples)]
    advice = f"set batch_size={' or '.join(fitting)}." if fitting else "there are fewer samples than devices."
    packs = f" in whole packs of {pack_size}" if pack_size > 1 else ""
    raise SettingsError(f"A batch has {batch_size} samples, of which {n_devices} devices cannot have equally many{packs}; {advice}")
