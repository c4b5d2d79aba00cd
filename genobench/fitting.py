"""Fit one cell in a worker and hold what it generates to the contract; generate more from a finished one."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from genobench.budgets import Budget
from genobench.calls import MISSING
from genobench.cells import Cell, CellKey, FitResult, find_cell, open_cell
from genobench.conditions import draw_condition
from genobench.containment import over_budget, run_worker
from genobench.contracts import Trait
from genobench.curves import CurveWriter
from genobench.errors import CellError, ContractError, DatasetError, GenobenchError
from genobench.genotypes import VARIANT_COLUMNS, Genotypes
from genobench.splitting import parts_folder
from genobench.storage import content_sha256, is_store, read_store
from genobench.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from genobench.containment import Ending
    from genobench.events import OnEvent
    from genobench.registry import Registry


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
        limits = [self.time_limit_seconds, budget.seconds if budget is not None and budget.kind == "gpu" else None]
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def processor_seconds_per_phase(self) -> float | None:
        """The budget of processor time; None for none."""
        budget = self.budget
        return budget.seconds if budget is not None and budget.kind == "cpu" else None


def fit_cell(request: FitRequest, on_event: OnEvent) -> tuple[Cell, FitResult]:
    """Fit, generate and check; or take what is there.

    A fit that was killed (`preempted`) leaves the cell unfinished, so that the next call runs it again; every other ending is kept.

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
        result = _run_fit(cell, _write_job(request, cell, train), request, on_event)
        if changed := request.mend_parts():
            result = _meddled(result, request.key.generator, changed)
        if result.status == "ok":
            result = _checked(cell, train, request.key, result)
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


def _write_job(request: FitRequest, cell: Cell, train: Genotypes) -> Path:
    condition = cell.folder / "condition.parquet"
    key = request.key
    draw_condition(train.samples, request.trait, n_samples=key.n_samples, seed=key.seed).to_parquet(condition, index=False)
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
        condition=str(condition),
        checkpoints=str(cell.checkpoints),
        model=str(cell.model),
        synthetic=str(cell.synthetic),
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
    used = ending.values.get("processor_seconds", {})
    limit = request.processor_seconds_per_phase
    over = next((phase for phase, seconds in used.items() if limit is not None and seconds > limit), "")
    is_over = ending.status == "ok" and bool(over)
    return FitResult(
        status="timeout" if is_over else ending.status,
        phase=over if is_over else ending.phase,
        message=over_budget(over, limit or 0.0) if is_over else ending.message,
        processor_seconds=used,
        timings={**ending.values.get("timings", {}), "worker": ending.seconds},
        peak_memory_bytes=ending.values.get("peak_memory_bytes"),
        peak_gpu_memory_bytes=ending.values.get("peak_gpu_memory_bytes"),
    )


def _checked(cell: Cell, train: Genotypes, key: CellKey, result: FitResult) -> FitResult:
    """The result, or `invalid-output` where the synthetic samples break the contract."""
    try:
        for place in (cell.folder / "job.json", cell.model):
            if not place.exists():
                raise ContractError(f"{key.generator} removed {place}; a plugin writes into its own folder (FitContext.folder) alone.")
        synthetic = read_store(cell.synthetic)
        check_synthetic(synthetic, train, n_samples=key.n_samples, generator=key.generator)
    except GenobenchError as error:
        return dataclasses.replace(result, status="invalid-output", phase="check", message=str(error))
    return dataclasses.replace(result, synthetic_sha256=content_sha256(synthetic))


def check_synthetic(synthetic: Genotypes, train: Genotypes, *, n_samples: int, generator: str) -> None:
    """Hold synthetic samples to the contract of `Sampler.generate`.

    Raises:
        ContractError: If their number, their variants or their calls are not what was asked for.
    """
    if synthetic.calls.shape != (n_samples, train.n_variants):
        raise ContractError(
            f"{generator} generated calls of shape {synthetic.calls.shape}; {(n_samples, train.n_variants)} were asked for."
        )
    for column in VARIANT_COLUMNS:
        if not synthetic.variants[column].equals(train.variants[column]):
            raise ContractError(f"{generator} generated variants whose column '{column}' differs from the training variants.")
    for start in range(0, n_samples, 256):
        is_missing = synthetic.calls.rows(slice(start, start + 256)) == MISSING
        if is_missing.any():
            row, variant = (int(place) for place in np.argwhere(is_missing)[0])
            raise ContractError(
                f"{generator} left the call of sample {start + row} at variant {variant} missing; every call must be 0, 1 or 2."
            )


def generate_from_cell(cell_id: str, *, n_samples: int, seed: int, home: Path, registry: Registry, on_event: OnEvent) -> Genotypes:
    """Synthetic samples from the model that a finished cell holds.

    Args:
        cell_id: The cell, or the beginning of its id.
        n_samples: How many.
        seed: Of the samples; the cell's own synthetic samples have the cell's seed.
        home: Where the cell is.
        registry: To find the generator.
        on_event: Called with progress.

    Returns:
        Genotypes in memory.

    Raises:
        CellError: If there is no such cell, its fit did not end well, or generating fails.
    """
    cell = find_cell(home, cell_id)
    if cell.result is None or cell.result.status != "ok":
        state = "not finished" if cell.result is None else cell.result.status
        raise CellError(f"The cell {cell.folder.name} holds no model: its fit is {state}.")
    train = parts_folder(home, dataset_sha256=cell.key.dataset_sha256, split_sha256=cell.key.split_sha256) / "train"
    trait = Trait.from_json(_fitted_job(cell).trait)
    if not is_store(train):
        raise CellError(f"The training samples of cell {cell.folder.name} are gone from {train}; run its command again.")
    target = registry.find("generator", cell.key.generator).target
    with tempfile.TemporaryDirectory(dir=cell.folder) as folder:
        store, condition = Path(folder) / "synthetic", Path(folder) / "condition.parquet"
        draw_condition(read_store(train).samples, trait, n_samples=n_samples, seed=seed).to_parquet(condition, index=False)
        ending = generate_store(
            cell, condition, store, n_samples=n_samples, target=target, seed=seed, limits=(None, None), on_event=on_event
        )
        if ending.status != "ok":
            raise CellError(
                f"The cell {cell.folder.name} did not generate ({ending.status} in {ending.phase}): {ending.message}. Log: {cell.log}"
            )
        genotypes = read_store(store)
        return genotypes.take_samples(np.arange(genotypes.n_samples))


def generate_store(
    cell: Cell,
    condition: Path,
    store: Path,
    *,
    n_samples: int,
    target: str,
    seed: int,
    limits: tuple[float | None, float | None],
    on_event: OnEvent,
) -> Ending:
    """Write a store of synthetic samples from the model that a finished cell holds; a worker generates them.

    Args:
        cell: The cell.
        condition: Parquet file of what the samples are asked to be, a row each.
        store: Where they go.
        n_samples: How many.
        target: "module:Class" of the generator.
        seed: Of the samples.
        limits: Seconds that each phase may take, on the clock and of processor time; None: no limit.
        on_event: Called with progress.

    Returns:
        How the worker ended; the samples are there if its status is `ok`.

    Raises:
        CellError: If the cell's job cannot be read.
    """
    fitted = _fitted_job(cell)
    with tempfile.TemporaryDirectory(dir=cell.folder) as folder:
        job = dataclasses.replace(
            fitted,
            target=target,
            generate_seed=seed,
            n_samples=n_samples,
            train="",
            validation="",
            condition=str(condition),
            model=str(cell.model),
            synthetic=str(store),
        ).write(Path(folder) / "job.json")
        seconds, processor_seconds = limits
        return run_worker(
            "genobench.worker",
            job,
            log=cell.log,
            seconds_per_phase=seconds,
            processor_seconds_per_phase=processor_seconds,
            on_event=lambda event: on_event({**event, "task": "fit"}),
        )


def _fitted_job(cell: Cell) -> Job:
    """What the worker that fitted a cell was asked to do.

    Raises:
        CellError: If the file that says so is damaged.
    """
    try:
        fitted = Job.read(cell.job)
        Trait.from_json(fitted.trait)
    except (OSError, ValueError, TypeError, KeyError, DatasetError) as error:
        raise CellError(f"{cell.job} is damaged ({error}); remove the folder {cell.folder} and run the cell again.") from error
    return fitted
