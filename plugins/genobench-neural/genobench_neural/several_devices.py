"""One fit on several devices: a process for each, started by Lightning Fabric, and the sampler of the first handed back.

Each process runs the whole `fit` on its own device; `genobench_neural.training.run` is where they work together. All begin with the same
closed forms, take their share of every batch, and step by the gradient of the whole batch, so that settings mean what they mean on one.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import multiprocessing
import os
import pickle
import shutil
import signal
import threading
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final

from genobench import FitContext, Generator, GenobenchError, read_store, write_store
from genobench_neural.ranks import LostDeviceError, RankContext, Ranks, check_batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection
    from pathlib import Path

    from genobench import Genotypes, Reporter, Sampler

_SECONDS_BETWEEN_LOOKS: Final = 0.1
_OF_CLUSTERS: Final = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK")
"""What Fabric believes of the environment; it writes the port there, too, and would take it again for the next fit."""


def check_sharing(n_devices: int, batch_size: int, *, pack_size: int = 1) -> None:
    """Refuse several devices where Lightning Fabric is missing or a batch cannot be shared out; for `Generator.check_devices`.

    Args:
        n_devices: How many.
        batch_size: Samples a batch, over all devices.
        pack_size: Samples that must be on one device.

    Raises:
        GenobenchError: If it is so.
    """
    if n_devices > 1 and importlib.util.find_spec("lightning_fabric") is None:
        raise GenobenchError(
            f"A fit on {n_devices} devices needs lightning-fabric, which is not installed: pip install 'genobench-neural[devices]'."
        )
    check_batch(batch_size, n_devices, pack_size=pack_size)


def fit_on_devices(generator: Generator, train: Genotypes, context: FitContext) -> Sampler:
    """Fit a generator in `context.n_devices` processes.

    Args:
        generator: With its settings; its `fit` is called in each process, with `n_devices` of 1.
        train: Training samples.
        context: Of the whole fit.

    Returns:
        What the first process fitted.

    Raises:
        GenobenchError: If the generator refuses so many devices, or a process raised it or was killed.
        Exception: Whatever else a process raised.
    """
    generator.check_devices(context.n_devices)
    folder = context.folder / "devices"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        job = _Job.written(generator, train, context, folder)
        _run(job, context)
        return type(generator).load(job.sampler)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Job:
    """A fit as its processes are told of it; samples lie on disk, where all of them map the same memory.

    Args:
        generator: With its settings.
        given: The fields of the context that are plain values.
        device: `cpu` or `cuda`.
        folder: Where samples lie, and where the sampler goes.
    """

    generator: Generator
    given: Mapping[str, Any]
    device: str
    folder: Path

    @classmethod
    def written(cls, generator: Generator, train: Genotypes, context: FitContext, folder: Path) -> _Job:
        write_store(train, folder / "train")
        if context.validation is not None:
            write_store(context.validation, folder / "validation")
        left_out = ("device", "n_devices", "validation", "report")
        given = {field.name: getattr(context, field.name) for field in dataclasses.fields(FitContext) if field.name not in left_out}
        return cls(generator, given, context.device.partition(":")[0], folder)

    @property
    def sampler(self) -> Path:
        return self.folder / "sampler"

    def fit(self, ranks: Ranks, report: Reporter) -> None:
        validation = read_store(self.folder / "validation") if (self.folder / "validation").is_dir() else None
        device = self.device if self.device == "cpu" else f"{self.device}:{ranks.number}"
        context = RankContext(**self.given, device=device, validation=validation, report=report, ranks=ranks)
        sampler = self.generator.fit(read_store(self.folder / "train"), context)
        if ranks.is_first:
            self.sampler.mkdir()
            sampler.save(self.sampler)


def _fit_as_rank(job: _Job, senders: list[Connection], fabric: Any) -> None:
    """What a process does: fit, and tell the parent of steps and of an error."""
    # The system sends this when the parent is gone; Python's own handler would wait for the end of what a device computes.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    ranks = Ranks(fabric.global_rank, fabric.world_size, job.given["seed"])
    sender = senders[ranks.number]

    def report(step: int, losses: Mapping[str, float]) -> None:
        if ranks.is_first:
            sender.send((step, dict(losses)))

    try:
        job.fit(ranks, report)
        ranks.part()
    except Exception as error:  # noqa: BLE001 - the parent raises it
        traceback.print_exc()
        sender.send(_sendable(error))
        # At once: on its way out Fabric takes leave of NCCL, which may wait for processes that wait for this one.
        os._exit(1)


def _sendable(error: Exception) -> Exception:
    """The error, or one that says the same where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled here
    except Exception:  # noqa: BLE001 - an exception of whatever class
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _run(job: _Job, context: FitContext) -> None:
    """Start the processes, hand on what the first reports, and see all of them to their end."""
    pipes = [multiprocessing.Pipe(duplex=False) for _ in range(context.n_devices)]
    receivers, senders = [receiver for receiver, _ in pipes], [sender for _, sender in pipes]
    before = set(multiprocessing.active_children())
    launch = _Launch(partial(_fit_as_rank, job, senders), job.device, context.n_devices)
    errors: list[Exception] = []
    with _plain_environment():
        launch.start()
        try:
            for message in _messages(launch, receivers, senders):
                if isinstance(message, Exception):
                    errors.append(message)
                else:
                    context.report(*message)
        finally:
            while launch.is_alive():
                for process in set(multiprocessing.active_children()) - before:
                    process.kill()
                launch.join(_SECONDS_BETWEEN_LOOKS)
            for end in (*receivers, *senders):
                end.close()
    # Processes that lost another one say so too, and may be the quicker.
    own = [error for error in errors if not isinstance(error, LostDeviceError)]
    if own:
        raise own[0]
    if launch.failure is not None:
        raise _ending(launch.failure, errors, context.n_devices) from launch.failure


class _Launch(threading.Thread):
    """Fabric's launch, which returns when all processes have ended; it ends the others when one fails."""

    def __init__(self, function: Any, device: str, n_devices: int) -> None:
        super().__init__(name="several-devices", daemon=True)
        self.function, self.device, self.n_devices = function, device, n_devices
        self.failure: Exception | None = None

    def run(self) -> None:
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments.lightning import LightningEnvironment
        from lightning_fabric.strategies.ddp import DDPStrategy

        try:
            # Said in full: otherwise Fabric guesses a cluster from the environment, Slurm's for one.
            strategy = DDPStrategy(start_method="spawn", cluster_environment=LightningEnvironment())
            Fabric(accelerator=self.device, devices=self.n_devices, strategy=strategy).launch(self.function)
        except Exception as error:  # noqa: BLE001 - the thread that waits for it raises it
            self.failure = error


def _messages(launch: _Launch, receivers: list[Connection], senders: list[Connection]) -> Iterator[Any]:
    """What the processes send, until all have ended and nothing is left."""
    open_ends = list(receivers)
    while True:
        is_over = not launch.is_alive()
        if is_over:
            # So that what a killed process left unfinished ends too.
            for sender in senders:
                sender.close()
        ready: list[Any] = wait(open_ends, timeout=_SECONDS_BETWEEN_LOOKS)
        for receiver in ready:
            try:
                yield receiver.recv()
            except EOFError:
                open_ends.remove(receiver)
        if is_over and not ready:
            return


@contextmanager
def _plain_environment() -> Iterator[None]:
    """Hide what a cluster may have set for a job of several machines, and leave the environment as it was."""
    before = {name: os.environ.pop(name) for name in _OF_CLUSTERS if name in os.environ}
    try:
        yield
    finally:
        for name in _OF_CLUSTERS:
            os.environ.pop(name, None)
        os.environ.update(before)


def _ending(failure: Exception, lost: list[Exception], n_devices: int) -> Exception:
    """The error of a fit of which a process ended without a word."""
    signal_name = getattr(failure, "signal_name", None)
    if signal_name is not None:
        return GenobenchError(
            f"Of the {n_devices} processes of the fit one was killed ({signal_name}): by hand, or by the system for want of memory. "
            "A run that tries again goes on from the last checkpoint."
        )
    if lost:
        return lost[0]
    return GenobenchError(f"The {n_devices} processes of the fit ended without saying why: {str(failure).strip().splitlines()[-1]}")
