"""The shared loop: a killed fit goes on to the very weights, the best state is kept, and a loss that is no number ends it clearly."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import FitContext, GenobenchError, Trait
from genobench_neural.batches import RowOrder
from genobench_neural.checkpoints import fit_identity
from genobench_neural.memory import within_memory
from genobench_neural.optimising import WeightAverage, adam, checked_device
from genobench_neural.tasks import StatefulTask
from genobench_neural.training import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    KillAt = Callable[[int], AbstractContextManager[Callable[..., None]]]

TRAIT = Trait(column="weight", kind="quantitative")


class Regression(StatefulTask):
    """A small noisy regression with all that a state may hold."""

    def __init__(self, *, seed: int = 1, at_step: Callable[[int], None] = lambda _index: None) -> None:
        self.random = torch.Generator().manual_seed(seed)
        self.x = torch.randn(20, 4, generator=torch.Generator().manual_seed(2))
        self.network = torch.nn.Linear(4, 1)
        for weight in self.network.parameters():
            torch.nn.init.normal_(weight, generator=self.random)
        self.optimiser = adam(self.network.parameters(), learning_rate=0.05)
        self.average = WeightAverage(self.network.parameters(), 0.9)
        self.rows = RowOrder(20, 7, self.random)
        self.at_step = at_step
        self.losses: list[float] = []
        self.parts = {
            "network": self.network,
            "optimiser": self.optimiser,
            "average": self.average,
            "rows": self.rows,
            "random": self.random,
        }

    def step(self, index: int) -> dict[str, torch.Tensor]:
        self.at_step(index)
        x = self.x[next(self.rows)]
        noise = torch.randn(len(x), 1, generator=self.random)
        loss = (self.network(x) - x.sum(dim=1, keepdim=True) - 0.1 * noise).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.average.update()
        return {"loss": loss.detach()}

    def weights(self) -> torch.Tensor:
        self.average.install()
        return torch.cat([weight.detach().flatten() for weight in self.network.parameters()])


class Checked(Regression):
    """Its validation losses are given."""

    def __init__(self, validation_losses: list[float]) -> None:
        super().__init__()
        self.validation_losses = iter(validation_losses)

    def validation_loss(self) -> float:
        return next(self.validation_losses)


def context(folder: Path, **values: Any) -> FitContext:
    return FitContext(trait=TRAIT, seed=1, device="cpu", folder=folder, **values)


def uninterrupted(folder: Path, n_steps: int = 40) -> torch.Tensor:
    task = Regression()
    run(task, n_steps, context(folder), identity="a")
    return task.weights()


@pytest.mark.usefixtures("always_saved")
def test_run__goes_on_after_a_kill_to_the_very_weights(tmp_path: Path, killed_at: KillAt) -> None:
    with killed_at(23) as at_step:
        run(Regression(at_step=at_step), 40, context(tmp_path / "killed"), identity="a")
    task = Regression(seed=9)
    assert run(task, 40, context(tmp_path / "killed"), identity="a").resumed_at == 23
    assert torch.equal(task.weights(), uninterrupted(tmp_path / "whole"))


KILLED_SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_training as t
from genobench_neural import training
training.CHECKPOINT_SECONDS, training._SHARE_OF_WRITING = 0.0, float("inf")
def at_step(index):
    if index == 17:
        os.kill(os.getpid(), signal.SIGKILL)
t.run(t.Regression(at_step=at_step), 40, t.context(Path(sys.argv[2])), identity="a")
"""


def test_run__goes_on_after_a_kill_from_outside(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED_SCRIPT, str(Path(__file__).parent), str(tmp_path / "killed")]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    task = Regression(seed=9)
    assert run(task, 40, context(tmp_path / "killed"), identity="a").resumed_at == 17
    assert torch.equal(task.weights(), uninterrupted(tmp_path / "whole"))


@pytest.mark.usefixtures("always_saved")
def test_run__a_finished_stage_is_not_trained_again(tmp_path: Path) -> None:
    def trained_again(index: int) -> None:
        pytest.fail(f"step {index} was taken again")

    expected = uninterrupted(tmp_path)
    task = Regression(seed=9, at_step=trained_again)
    assert run(task, 40, context(tmp_path), identity="a").n_steps == 40
    assert torch.equal(task.weights(), expected)


@pytest.mark.usefixtures("always_saved")
def test_run__begins_anew_where_the_checkpoint_is_of_another_fit(tmp_path: Path) -> None:
    run(Regression(), 40, context(tmp_path), identity="a")
    assert run(Regression(), 40, context(tmp_path), identity="b").resumed_at == 0


@pytest.mark.usefixtures("always_saved")
@pytest.mark.parametrize("pattern", ["state-*.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("is_cut", [True, False])
def test_run__a_damaged_checkpoint_is_as_good_as_none(tmp_path: Path, pattern: str, *, is_cut: bool) -> None:
    run(Regression(), 40, context(tmp_path), identity="a")
    for path in (tmp_path / "training").glob(pattern):
        content = path.read_bytes()
        path.write_bytes(content[:-50] if is_cut else content[:-50] + bytes(50))
    task = Regression()
    assert run(task, 40, context(tmp_path), identity="a").resumed_at == 0
    assert torch.equal(task.weights(), uninterrupted(tmp_path / "whole"))


@pytest.mark.usefixtures("always_saved")
def test_run__stops_without_progress_and_puts_the_best_back(tmp_path: Path) -> None:
    task = Checked([3.0, 1.0, 2.0, 2.0, 2.0])
    finished = run(task, 100, context(tmp_path), identity="a", check_every=10, patience=3)
    assert (finished.n_steps, finished.best_step, finished.best_loss) == (50, 20, 1.0)
    assert torch.equal(task.weights(), uninterrupted(tmp_path / "shorter", 20))


@pytest.mark.usefixtures("always_saved")
def test_run__remembers_the_best_over_a_kill(tmp_path: Path, killed_at: KillAt) -> None:
    killed = Checked([3.0, 1.0, 2.0])
    with killed_at(35) as killed.at_step:
        run(killed, 100, context(tmp_path), identity="a", check_every=10, patience=3)
    task = Checked([2.0, 2.0])
    finished = run(task, 100, context(tmp_path), identity="a", check_every=10, patience=3)
    assert (finished.n_steps, finished.best_step, finished.best_loss) == (50, 20, 1.0)
    assert torch.equal(task.weights(), uninterrupted(tmp_path / "shorter", 20))


class Diverging(Regression):
    """Its loss is no number from a step on, and so are its weights."""

    def step(self, index: int) -> dict[str, torch.Tensor]:
        losses = super().step(index)
        if index < 12:
            return losses
        self.network.weight.data.fill_(math.nan)
        return {"loss": torch.tensor(math.nan)}


@pytest.mark.usefixtures("always_saved")
def test_run__a_loss_that_is_no_number_keeps_the_last_good_checkpoint(tmp_path: Path, killed_at: KillAt) -> None:
    message = r"The loss became nan at step 13 of 40, .* The last good state, of step 11, is kept in .*training\. A lower learning rate"
    with pytest.raises(GenobenchError, match=message):
        run(Diverging(), 40, context(tmp_path), identity="a")
    task = Regression()
    with killed_at(11) as task.at_step:
        run(task, 40, context(tmp_path), identity="a")
    assert task.network.weight.isfinite().all()


class Overflowing(Regression):
    """Its losses are finite, and its weights are not after a given step."""

    def __init__(self, *, at: int, value: float = math.nan) -> None:
        super().__init__()
        self.at, self.value = at, value
        self.parts = {**self.parts, "never": torch.nn.ParameterDict({"log chance": torch.tensor([-math.inf, 0.0])})}

    def step(self, index: int) -> dict[str, torch.Tensor]:
        losses = super().step(index)
        if index + 1 == self.at:
            self.network.weight.data[0, 1] = self.value
        return losses


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_run__weights_that_the_last_update_made_no_numbers_are_an_error(tmp_path: Path, value: float) -> None:
    """The losses of a step are of the weights before it."""
    message = r"After step 40 of 40, 1 numbers of 'network.weight' are NaN or infinite, .* The last good state, of step 0, is kept in"
    with pytest.raises(GenobenchError, match=message):
        run(Overflowing(at=40, value=value), 40, context(tmp_path), identity="a")


@pytest.mark.usefixtures("always_saved")
def test_run__no_checkpoint_is_written_of_weights_that_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match=r"After step 17 of 40, .* The last good state, of step 15, is kept in"):
        run(Overflowing(at=17), 40, context(tmp_path), identity="a")


def test_run__what_is_infinite_from_the_beginning_may_stay_so(tmp_path: Path) -> None:
    assert run(Overflowing(at=99), 40, context(tmp_path), identity="a").n_steps == 40


def test_run__validation_losses_that_are_never_numbers_are_an_error(tmp_path: Path) -> None:
    message = "No validation check gave a finite loss up to step 30 of 100; the last gave nan"
    with pytest.raises(GenobenchError, match=message):
        run(Checked([math.nan] * 3), 100, context(tmp_path), identity="a", check_every=10, patience=3)


def test_run__keeps_the_beginning_where_the_loss_is_soon_no_number(tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match="The last good state, of step 0, is kept in"):
        run(Diverging(), 40, context(tmp_path), identity="a")


def test_run__reports_the_last_step_with_its_total(tmp_path: Path) -> None:
    points: list[tuple[int, Mapping[str, float]]] = []
    run(Regression(), 40, context(tmp_path, report=lambda step, losses: points.append((step, dict(losses)))), identity="a")
    assert [step for step, _ in points][-1] == 40
    assert len(points) <= 3
    assert points[-1][1].keys() == {"loss", "total_steps"}


def test_run__reports_the_step_it_stopped_at_as_the_last(tmp_path: Path) -> None:
    points: list[tuple[int, Mapping[str, float]]] = []
    reporting = context(tmp_path, report=lambda step, losses: points.append((step, dict(losses))))
    run(Checked([1.0, 2.0]), 100, reporting, identity="a", check_every=10, patience=1)
    assert points[-1][0] == points[-1][1]["total_steps"] == 20
    assert points[-1][1]["validation loss"] == 2.0


def test_run__counts_the_steps_of_stages_before_and_after(tmp_path: Path) -> None:
    points: list[tuple[int, float]] = []
    reporting = context(tmp_path, report=lambda step, losses: points.append((step, losses["total_steps"])))
    run(Regression(), 40, reporting, identity="a", steps_before=100, steps_after=60)
    assert points[-1] == (140, 200)


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried"), RuntimeError("DefaultCPUAllocator: can't allocate memory"), MemoryError()],
)
def test_within_memory__suggests_a_smaller_batch(error: Exception) -> None:
    with pytest.raises(GenobenchError, match=r"ran out of memory with batch_size = 512\. Try batch_size = 256\."), within_memory(512):
        raise error


def test_within_memory__leaves_other_errors_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), within_memory(512):
        raise RuntimeError("shapes cannot be multiplied")


def test_weight_average__is_the_recurrence() -> None:
    weight = torch.tensor([0.0])
    average = WeightAverage([weight], decay=0.1)
    for value in (1.0, 2.0):
        weight.fill_(value)
        average.update()
    expected = (1 - 0.1) * 2 + 0.1 * ((1 - 1 / 11) * 1)
    with average.installed():
        assert float(weight) == pytest.approx(expected, rel=1e-6)
    assert float(weight) == 2.0


def test_checked_device__names_what_is_missing() -> None:
    with pytest.raises(GenobenchError, match="'abacus' is no device"):
        checked_device("abacus")


def test_fit_identity__changes_with_settings_data_and_seed() -> None:
    from dataclasses import dataclass, replace

    from genobench import Genotypes, PackedCalls

    @dataclass(frozen=True)
    class Settings:
        rate: float = 1.0

    variants = pd.DataFrame({"chromosome": ["1", "1"], "position_bp": [1, 2], "id": ["a", "b"], "ref": "A", "alt": "G"})

    def genotypes(call: int) -> Genotypes:
        calls = np.array([[0, 1], [call, 2]], dtype=np.int8)
        return Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": ["s", "t"]}), variants)

    here = context(Path())
    identities = [
        fit_identity(Settings(), genotypes(1), here),
        fit_identity(Settings(2.0), genotypes(1), here),
        fit_identity(Settings(), genotypes(2), here),
        fit_identity(Settings(), genotypes(1), replace(here, seed=2)),
        fit_identity(Settings(), genotypes(1), replace(here, validation=genotypes(1))),
    ]
    assert len(set(identities)) == 5
    assert identities[0] == fit_identity(Settings(), genotypes(1), here)
