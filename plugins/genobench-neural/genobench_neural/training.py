"""The training loop that the neural generators share.

A model is a `Task` (`genobench_neural.tasks`): it makes one step, says its whole state, takes it back, and may score itself on validation
samples. `run` does the rest: curves, checkpoints from which a killed fit goes on to bit-identical weights, early stopping, and a clear end
where a loss is no number or memory is short. `StatefulTask` spares a model the bookkeeping of its state:

    class MyTask(StatefulTask):
        def __init__(self, ...):
            self.parts = {"network": network, "optimiser": optimiser, "average": average, "random": random, "rows": rows}

        def step(self, index):
            rows = next(self.rows)
            ...
            return {"loss": loss.detach()}

    task = MyTask(...)
    run(task, n_steps, context, identity=fit_identity(self, train, context), batch_size=self.batch_size)

Where several processes share a fit (`genobench_neural.several_devices`), all of them call `run`. The first reports, writes checkpoints and
decides whatever hangs on the clock or on validation samples; the others do as it says. Such a task is a `StatefulTask`, takes its rows from
`TrainingData.row_order`, and updates weights by its optimisers alone.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import torch

from genobench import GenobenchError
from genobench_neural.checkpoints import Checkpoint, CheckpointFolder
from genobench_neural.finite import n_not_finite
from genobench_neural.memory import n_bytes, on_host, within_memory
from genobench_neural.ranks import ONE, ranks_of
from genobench_neural.shared_parts import begin_alike, load_own_state, own_state, shared_gradients

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from genobench import FitContext
    from genobench_neural.ranks import Ranks
    from genobench_neural.tasks import StatefulTask, Task

CHECKPOINT_SECONDS: Final = 30.0
"""Seconds between two checkpoints; more where writing one takes more than a twentieth of that."""

_SHARE_OF_WRITING: Final = 0.05
_SMALL_STATE_BYTES: Final = 1 << 28
"""A state up to this size is also written before the first step, so that there is always one to go back to."""

_REPORT_EVERY_SECONDS: Final = 0.5
_LOOK_EVERY_STEPS: Final = 10
"""Losses are fetched from the device every so many steps, since each time waits for it."""

_BY_DEVICE: Final = "by device"
"""What differs between the processes of a fit, in a checkpoint."""


@dataclass(frozen=True)
class Finished:
    """How a training ended.

    Args:
        n_steps: Steps done in all, those before a resume included.
        best_step: Steps done at the best check; None without early stopping.
        best_loss: The validation loss there; NaN without early stopping.
        resumed_at: Steps that a checkpoint had done; 0 for a fresh start.
    """

    n_steps: int
    best_step: int | None
    best_loss: float
    resumed_at: int


def run(
    task: Task,
    n_steps: int,
    context: FitContext,
    *,
    identity: str,
    check_every: int | None = None,
    patience: int | None = None,
    batch_size: int | None = None,
    stage: str = "training",
    steps_before: int = 0,
    steps_after: int = 0,
) -> Finished:
    """Train: call `task.step` with 0, 1, ..., n_steps - 1, from where a checkpoint of the same fit stands.

    Losses go to `context.report`, at most twice a second, with `total_steps`. Checkpoints go to `context.folder / stage`. At the end the
    task holds its state at the best check where there was early stopping, else its last one.

    Args:
        task: The model.
        n_steps: The most steps.
        context: Where curves and checkpoints go.
        identity: Of the fit, from `fit_identity`; a checkpoint of another fit is not resumed.
        check_every: Steps between two validation checks; None: no early stopping.
        patience: Checks without progress after which training stops; None: it goes on to the end, and the best is kept.
        batch_size: Of the task, for the advice when memory is short.
        stage: Names the checkpoint folder, for a fit that trains several things one after the other.
        steps_before: Of the stages before this one, which the reported steps are counted on from.
        steps_after: Of the stages after it, which belong to `total_steps` too.

    Raises:
        GenobenchError: If a loss is NaN or infinite (looked at every few steps), or a number of the state that was finite at the beginning
            (looked at before each checkpoint and at the end), or the loss of every validation check; the last good checkpoint stays on
            disk. Or if memory is short.
    """
    ranks = ranks_of(context)
    shared_by = "" if ranks.n == 1 else f" {ranks.n} devices"
    folder = CheckpointFolder(context.folder / stage, f"{identity} {n_steps} {check_every} {patience}{shared_by}")
    loop = _Loop(task, n_steps, context, folder, ranks, steps_before=steps_before, steps_after=steps_after)
    with within_memory(batch_size), loop.shared(stage):
        loop.resume()
        while loop.n_done < n_steps and not loop.is_stopped(patience):
            losses = task.step(loop.n_done)
            loop.n_done += 1
            loop.look(losses)
            if check_every and (loop.n_done % check_every == 0 or loop.n_done == n_steps):
                loop.check()
            loop.save_if_due()
        return loop.finish()


@dataclass
class _Loop:
    """The state of `run`."""

    task: Task
    n_steps: int
    context: FitContext
    folder: CheckpointFolder
    ranks: Ranks = ONE
    steps_before: int = 0
    steps_after: int = 0
    not_finite_at_first: Mapping[str, int] = field(default_factory=dict)
    n_done: int = 0
    resumed_at: int = 0
    best: Mapping[str, Any] | None = None
    best_step: int | None = None
    best_loss: float = math.inf
    n_idle_checks: int = 0
    is_best_new: bool = False
    is_proved: bool = True
    validation_loss: float | None = None
    losses: Mapping[str, torch.Tensor] = field(default_factory=dict)
    reported_at: float = -math.inf
    saved_at: float = field(default_factory=time.monotonic)
    write_seconds: float = 0.0
    last_saved_step: int | None = None

    @contextmanager
    def shared(self, stage: str) -> Iterator[None]:
        """Train with the other processes of the fit, if there are any."""
        if self.ranks.n == 1:
            yield
            return
        begin_alike(self._parts, self.ranks, stage=stage)
        with shared_gradients(self._parts, self.ranks, is_mean=not cast("StatefulTask", self.task).is_loss_summed):
            yield

    def resume(self) -> None:
        """Go back to the checkpoint that is there, or write one of the beginning if it is small."""
        begun = self.task.state()
        self.not_finite_at_first = n_not_finite(begun)
        found = self.folder.read()
        if found is None:
            if self.n_steps and n_bytes(begun) <= _SMALL_STATE_BYTES:
                self.save()
            return
        self.task.load_state(found.state)
        if self.ranks.n > 1:
            load_own_state(self._parts, found.state[_BY_DEVICE][self.ranks.number])
        self.n_done = self.resumed_at = self.last_saved_step = found.step
        self.best = found.best
        progress = found.progress
        self.best_step, self.n_idle_checks = progress["best_step"], progress["n_idle_checks"]
        self.best_loss = math.inf if progress["best_loss"] is None else progress["best_loss"]

    def look(self, losses: Mapping[str, torch.Tensor]) -> None:
        """Fetch the losses every few steps: stop where one is no number, else report them."""
        self.losses = losses
        if self.n_done % _LOOK_EVERY_STEPS and self.n_done != self.n_steps and self.n_done - self.resumed_at > 1:
            return
        values = self._finite_losses()
        if not self.is_proved:
            if self.ranks.is_first:
                self.folder.prove()
            self.is_proved = True
        if self.n_done == self.n_steps or time.monotonic() - self.reported_at >= _REPORT_EVERY_SECONDS:
            self.report(values, self.n_steps)

    def report(self, values: dict[str, float], n_steps: int) -> None:
        """Hand a point of the curves on."""
        checked = {} if self.validation_loss is None else {"validation loss": self.validation_loss}
        total = self.steps_before + n_steps + self.steps_after
        self.context.report(self.steps_before + self.n_done, {**values, **checked, "total_steps": float(total)})
        self.reported_at = time.monotonic()

    def check(self) -> None:
        """Score the task on validation samples and keep its state if it is the best so far."""
        loss = self.ranks.agreed(self.task.validation_loss)
        if loss is None:
            return
        self.validation_loss = loss
        if loss < self.best_loss:
            self.best_loss, self.best_step, self.n_idle_checks = loss, self.n_done, 0
            self.best, self.is_best_new = on_host(self.task.state()), True
        else:
            self.n_idle_checks += 1

    def is_stopped(self, patience: int | None) -> bool:
        """Whether there were that many checks without progress."""
        return patience is not None and self.n_idle_checks >= patience

    def save_if_due(self) -> None:
        """Write a checkpoint if the last one is long ago; several processes ask each other now and then only."""
        if self.ranks.n > 1 and self.n_done % _LOOK_EVERY_STEPS:
            return
        pause = max(CHECKPOINT_SECONDS, self.write_seconds / _SHARE_OF_WRITING)
        if self.ranks.agreed(lambda: time.monotonic() - self.saved_at >= pause):
            self._finite_losses()
            self.save()

    def save(self) -> None:
        """Write a checkpoint."""
        begin = time.monotonic()
        state = self._finite_state()
        if self.ranks.n > 1:
            state = {**state, _BY_DEVICE: self.ranks.gathered(on_host(own_state(self._parts)))}
        progress = {
            "best_step": self.best_step,
            "best_loss": None if math.isinf(self.best_loss) else self.best_loss,
            "n_idle_checks": self.n_idle_checks,
        }
        if self.ranks.is_first:
            self.folder.write(Checkpoint(self.n_done, state, self.best, progress), is_best_new=self.is_best_new)
        self.is_best_new = self.is_proved = False
        self.last_saved_step = self.n_done
        self.saved_at = time.monotonic()
        self.write_seconds = self.saved_at - begin

    def finish(self) -> Finished:
        """Write what a later stage of the fit goes on from, if it was long in the making, and put the best state back."""
        if self.n_done < self.n_steps and self.losses:
            self.report(self._finite_losses(), self.n_done)
        began = self.saved_at if self.last_saved_step is None else self.saved_at - self.write_seconds
        is_long = self.ranks.agreed(lambda: time.monotonic() - began >= CHECKPOINT_SECONDS)
        if self.last_saved_step != self.n_done and (self.last_saved_step or is_long):
            self.save()
        else:
            self._finite_state()
        if self.best is None and self.validation_loss is not None:
            raise GenobenchError(
                f"No validation check gave a finite loss up to step {self.n_done} of {self.n_steps}; the last gave {self.validation_loss}. "
                f"{self._kept()} A lower learning rate usually mends it."
            )
        if self.best is not None and self.best_step != self.n_done:
            self.task.load_state(self.best)
        best_loss = math.nan if self.best_step is None else self.best_loss
        return Finished(n_steps=self.n_done, best_step=self.best_step, best_loss=best_loss, resumed_at=self.resumed_at)

    def _finite_losses(self) -> dict[str, float]:
        names = list(self.losses)
        losses = torch.stack([self.losses[name].float() for name in names]) if names else torch.empty(0)
        if self.ranks.n > 1 and names:
            self.ranks.add_up([losses], is_mean=True)
        values = dict(zip(names, losses.tolist(), strict=True))
        for name, value in values.items():
            if not math.isfinite(value):
                raise GenobenchError(
                    f"The {name} became {value} at step {self.n_done} of {self.n_steps}, so training stopped. {self._kept()} "
                    "A lower learning rate usually mends it."
                )
        return values

    def _finite_state(self) -> Mapping[str, Any]:
        """The state of the task, in which nothing became NaN or infinite."""
        state = self.task.state()
        for path, n_numbers in self.ranks.agreed(lambda: n_not_finite(state)).items():
            if n_numbers > self.not_finite_at_first.get(path, 0):
                raise GenobenchError(
                    f"After step {self.n_done} of {self.n_steps}, {n_numbers} numbers of '{path}' are NaN or infinite, so training "
                    f"stopped. {self._kept()} A lower learning rate usually mends it."
                )
        return state

    def _kept(self) -> str:
        return self.ranks.agreed(self._kept_here)

    def _kept_here(self) -> str:
        if not self.is_proved:
            self.folder.drop_latest()
        step = self.folder.step()
        if step is None:
            return "It had written no checkpoint yet."
        return f"The last good state, of step {step}, is kept in {self.folder.folder}."

    @property
    def _parts(self) -> Mapping[str, Any]:
        return cast("StatefulTask", self.task).parts
