"""Fit one cell in a worker and hold what it generates to the contract."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock

from genobench.budgets import Budget
from genobench.cells import Cell, CellKey, FitResult, open_cell
from genobench.conditions import draw_condition
from genobench.containment import over_budget, run_worker
from genobench.curves import CurveWriter
from genobench.errors import ContractError, GenobenchError
from genobench.generating import check_synthetic
from genobench.storage import content_sha256, files_sha256, read_store
from genobench.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pandas as pd

    from genobench.containment import Ending
    from genobench.contracts import Trait
    from genobench.events import OnEvent
    from genobench.genotypes import Genotypes


_MOST_KILLS: Final = 2
"""A fit that is killed is run again this often before it counts as failed, as in scoring."""


@dataclass(frozen=True)
class FitRequest:
    """A cell to be fitted.

    Args:
        key: What the cell is.
        target: "module:Class" of the generator.
        trait: What is conditioned on.
        train: Store of the training part.
        validation: Store of the validation part.
        device: `cpu`, `cuda`, ...
        time_limit_seconds: For each phase; None: no limit.
        home: Where cells are.
        retry: Whether to run it again if it failed before.
        mend_parts: Undoes changes to the stored parts of the split and names the parts that were changed.
    """

    key: CellKey
    target: str
    trait: Trait
    train: Path
    validation: Path
    device: str
    time_limit_seconds: float | None
    home: Path
    retry: bool
    mend_parts: Callable[[], tuple[str, ...]] = field(default=tuple, repr=False)

    @property
    def budget(self) -> Budget | None:
        """What each phase may take; None for no budget."""
        return Budget.parse(self.key.budget) if self.key.budget else None

    @property
    def seconds_per_phase(self) -> float | None:
        """On the clock: the time limit, or the budget of GPU time where that is less."""
        budget = self.budget
        # Several GPUs use a budget of GPU time up the sooner.
        of_budget = budget.seconds / self.key.n_devices if budget is not None and budget.kind == "gpu" else None
        limits = [self.time_limit_seconds, of_budget]
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def processor_seconds_per_phase(self) -> float | None:
        """The budget of processor time; None for none."""
        budget = self.budget
        return budget.seconds if budget is not None and budget.kind == "cpu" else None


def fit_cell(request: FitRequest, on_event: OnEvent) -> tuple[Cell, FitResult]:
    """Fit, generate and check; or take what is there.

    A fit that was killed (`preempted`) leaves the cell unfinished, so that the next call runs it again, until it was killed three times in
    a row; every other ending is kept.

    Args:
        request: What to fit.
        on_event: Called with the worker's events as they come.

    Returns:
        The cell and how its fit ended.
    """
    cell = open_cell(request.home, request.key)
    with FileLock(cell.folder / "lock"):
        result = cell.result
        if result is not None and result.status == "ok" and (damage := _damage(cell, result)):
            on_event({"event": "warning", "message": f"cell {request.key.cell_id} is fitted again, since it is damaged: {damage}"})
            result = None
        if result is not None and (result.status == "ok" or not request.retry):
            on_event({"event": "reused", "cell_id": request.key.cell_id, "status": result.status})
            return cell, result
        # Under a budget a fit that was cut off begins anew: what it had used is not known.
        cell.clear(with_checkpoints=bool(request.key.budget))
        if changed := request.mend_parts():
            on_event({"event": "warning", "message": f"the stored parts {', '.join(changed)} had been changed, and were written anew"})
        train = read_store(request.train)
        condition = draw_condition(train.samples, request.trait, n_samples=request.key.n_samples, seed=request.key.seed)
        result = _run_fit(cell, _write_job(request, cell, condition), request, on_event)
        if changed := request.mend_parts():
            result = _meddled(result, request.key.generator, changed)
        if result.status == "ok":
            result = _checked(cell, train, condition, result)
        if result.status != "preempted":
            cell.finish(result)
        return cell, result


def _meddled(result: FitResult, generator: str, parts: tuple[str, ...]) -> FitResult:
    """The result of a fit after which parts of the split were not what they had been; a kill stays a kill."""
    if result.status == "preempted":
        return result
    message = (
        f"ContractError: while {generator} ran, the stored samples of {', '.join(parts)} were changed, which all cells and scores share; a "
        "plugin writes into its own folder (FitContext.folder) alone. They have been written anew."
    )
    return dataclasses.replace(result, status="invalid-output", phase="check", message=message)


def _damage(cell: Cell, result: FitResult) -> str:
    """What is wrong with the synthetic samples of a finished cell; "" where nothing is."""
    try:
        digest = content_sha256(read_store(cell.synthetic))
    except GenobenchError as error:
        return str(error)
    return "" if result.synthetic_sha256 in ("", digest) else f"{cell.synthetic} is not what the fit wrote."


def _write_job(request: FitRequest, cell: Cell, condition: pd.DataFrame) -> Path:
    asked = cell.folder / "condition.parquet"
    key = request.key
    condition.to_parquet(asked, index=False)
    return Job(
        target=request.target,
        settings=key.settings,
        trait=asdict(request.trait),
        seed=key.seed,
        generate_seed=key.seed,
        device=request.device,
        time_limit_seconds=request.seconds_per_phase,
        n_samples=key.n_samples,
        train=str(request.train),
        validation=str(request.validation),
        condition=str(asked),
        checkpoints=str(cell.checkpoints),
        model=str(cell.model),
        synthetic=str(cell.synthetic),
        n_devices=key.n_devices,
    ).write(cell.job)


def _run_fit(cell: Cell, job: Path, request: FitRequest, on_event: OnEvent) -> FitResult:
    with CurveWriter(cell.curves) as curves:

        def keep_curves(event: Mapping[str, Any]) -> None:
            if event.get("event") == "step":
                step = int(event["step"])
                if curves.add(step, event["losses"]):
                    on_event({"event": "resumed", "task": "fit", "step": step})
            on_event({**event, "task": "fit"})

        ending = run_worker(
            "genobench.worker",
            job,
            log=cell.log,
            seconds_per_phase=request.seconds_per_phase,
            processor_seconds_per_phase=request.processor_seconds_per_phase,
            on_event=keep_curves,
        )
    ending = _counted(cell, ending)
    said = ending.values  # noqa: PD011 - of an event, no table
    used = said.get("processor_seconds", {})
    limit = request.processor_seconds_per_phase
    over = next((phase for phase, seconds in used.items() if limit is not None and seconds > limit), "")
    is_over = ending.status == "ok" and bool(over)
    return FitResult(
        status="timeout" if is_over else ending.status,
        phase=over if is_over else ending.phase,
        message=over_budget(over, limit or 0.0) if is_over else ending.message,
        processor_seconds=used,
        timings={**said.get("timings", {}), "worker": ending.seconds},
        peak_memory_bytes=said.get("peak_memory_bytes"),
        peak_gpu_memory_bytes=said.get("peak_gpu_memory_bytes"),
    )


def _counted(cell: Cell, ending: Ending) -> Ending:
    """The ending; `failed` where the fit was killed too often: a plugin may kill itself, and would be run again for ever."""
    # A worker that finds the disk full says so, and was not killed.
    if ending.status != "preempted" or ending.values:  # noqa: PD011 - of an event, no table
        return ending
    n_kills = cell.add_kill()
    if n_kills <= _MOST_KILLS:
        return ending
    message = f"{ending.message}. That happened {n_kills} times in a row, so that it is run again on demand only: add --retry"
    return dataclasses.replace(ending, status="failed", message=message)


def _checked(cell: Cell, train: Genotypes, condition: pd.DataFrame, result: FitResult) -> FitResult:
    """The result, or `invalid-output` where the synthetic samples break the contract."""
    generator = cell.key.generator
    try:
        for place in (cell.folder / "job.json", cell.model):
            if not place.exists():
                raise ContractError(f"{generator} removed {place}; a plugin writes into its own folder (FitContext.folder) alone.")
        synthetic = read_store(cell.synthetic)
        check_synthetic(synthetic, train, condition=condition, generator=generator)
    except GenobenchError as error:
        return dataclasses.replace(result, status="invalid-output", phase="check", message=str(error))
    return dataclasses.replace(result, synthetic_sha256=content_sha256(synthetic), model_sha256=files_sha256(cell.model))
