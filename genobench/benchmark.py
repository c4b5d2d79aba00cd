"""The whole walk: load → split → tune → fit → generate → check → score → outcome.

`run` is what `genobench run` and `genobench study` call, and what a notebook calls. It yields an `Outcome` for every planned cell, however
the cell ended; the same call again goes on where the last one stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from threadpoolctl import threadpool_limits

from genobench.cells import Cell, FitResult, hash_json
from genobench.curves import read_curves
from genobench.errors import CellError, ContractError, GenobenchError
from genobench.evaluation import score_cell
from genobench.fitting import fit_cell
from genobench.outcomes import Outcome, ScoreRecord, read_outcome, write_outcome
from genobench.planning import GeneratorPlan, Plan, Prepared, prepare
from genobench.registry import Registered, Registry, load_target
from genobench.tuning import tune

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genobench.contracts import Generator
    from genobench.events import OnEvent
    from genobench.fitting import FitRequest
    from genobench.tuning import Objective

__all__ = ["GeneratorPlan", "Plan", "Prepared", "prepare", "run", "run_prepared"]


def run(plan: Plan, *, registry: Registry, home: Path, on_event: OnEvent = lambda _event: None) -> Iterator[Outcome]:
    """Run a plan, cell by cell; of several splits, all generators on the first, then all on the second, ...

    With trials, each generator is tuned on the first split and keeps these settings on the others, so that it is one row of the board.

    Args:
        plan: What to run.
        registry: As `genobench.registry.load_registry` gives it.
        home: As `genobench.home.genobench_home` gives it.
        on_event: Called with progress: stages, phases, training steps, trials, warnings.

    Yields:
        An outcome for each cell, in the order of splits, generators and seeds.

    Raises:
        GenobenchError: If the plan cannot begin. What goes wrong in a cell is that cell's outcome.
    """
    tuned: list[GeneratorPlan] = []
    for planned in plan.split_plans:
        split_plan = dataclasses.replace(planned, generators=tuple(tuned), trials=0) if tuned else planned
        for outcome in run_prepared(prepare(split_plan, registry=registry, home=home, on_event=on_event), on_event):
            wanted = GeneratorPlan(f"{outcome.distribution}/{outcome.generator}", outcome.settings)
            if plan.trials and wanted not in tuned:  # The seeds of a generator share its settings.
                tuned.append(wanted)
            yield outcome


def run_prepared(prepared: Prepared, on_event: OnEvent = lambda _event: None) -> Iterator[Outcome]:
    """Run a plan that `prepare` has resolved; see `run`."""
    for number, (entry, given) in enumerate(prepared.generators):
        generator = _tuned(prepared, number, on_event) if prepared.plan.trials else given
        for seed in prepared.plan.seeds:
            key = prepared.cell_key(entry, generator, seed)
            on_event({"event": "cell", "cell_id": key.cell_id, "generator": entry.name, "seed": seed})
            cell, result = fit_cell(prepared.fit_request(entry, key), on_event)
            scores = _scored(prepared, cell, on_event) if result.status == "ok" else ()
            outcome = _outcome(prepared, entry, cell=cell, result=result, scores=scores)
            kept = _kept(outcome, cell)
            if scores and (kept is outcome or not cell.report.is_file()):
                on_event({"event": "stage", "stage": "draw the report"})
                _write_report(prepared, cell, kept)
            yield kept


def _scored(prepared: Prepared, cell: Cell, on_event: OnEvent) -> tuple[ScoreRecord, ...]:
    """The scores of a cell on the holdout."""
    return score_cell(
        cell.synthetic,
        cell.scores,
        parts=prepared.real_parts(),
        trait=prepared.trait,
        metrics=prepared.metrics,
        registry=prepared.registry,
        bands=prepared.home / "bands",
        log=cell.log,
        on_event=on_event,
    )


def _tuned(prepared: Prepared, number: int, on_event: OnEvent) -> Generator:
    """The best settings of the study of one generator; those given where no trial gave a value, so that its cells say why."""
    entry, given = prepared.generators[number]
    plan = prepared.plan
    assert prepared.objective is not None  # noqa: S101 - prepare finds it whenever there are trials
    metric, objective = prepared.objective
    fixed = {name: getattr(given, name) for name in plan.generators[number].settings}
    seed = plan.seeds[0]
    study = hash_json([prepared.cell_key(entry, given, seed).to_json(), sorted(fixed), plan.objective])[:16]

    def evaluate(settings: Generator, trial: int) -> float:
        key = prepared.cell_key(entry, settings, seed)
        on_event({"event": "trial", "trial": trial + 1, "trials": plan.trials, "generator": entry.name, "cell_id": key.cell_id})
        cell = _fitted_trial(prepared.fit_request(entry, key), trial, on_event)
        if cell is None:
            return math.nan
        value = _validation_score(prepared, cell, metric, objective, on_event=on_event)
        on_event({"event": "trial-end", "trial": trial + 1, "trials": plan.trials, objective.score: value})
        return value

    storage = prepared.home / "studies" / f"{entry.name}-{study}.log"
    storage.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(storage.with_suffix(".lock")):  # Not .log.lock, which is the journal's own.
        try:
            return tune(type(given), fixed=fixed, evaluate=evaluate, objective=objective, n_trials=plan.trials, seed=seed, storage=storage)
        except (CellError, ContractError) as error:
            on_event({"event": "warning", "message": f"{entry.name} is not tuned and runs as given: {error}"})
            return given


def _fitted_trial(request: FitRequest, trial: int, on_event: OnEvent) -> Cell | None:
    """The cell of a trial; None if it did not end well."""
    cell, result = fit_cell(request, on_event)
    if result.status == "preempted":  # A kill from outside says nothing of the settings; two may.
        on_event({"event": "warning", "message": f"trial {trial + 1}: {result.message}; it starts again"})
        cell, result = fit_cell(request, on_event)
    if result.status == "ok":
        return cell
    on_event({"event": "warning", "message": f"trial {trial + 1}: {result.status} in {result.phase}: {result.message}"})
    return None


def _validation_score(prepared: Prepared, cell: Cell, metric: Registered, objective: Objective, *, on_event: OnEvent) -> float:
    """What trials are compared by, of one cell on the validation samples; NaN where it is missing."""
    records = score_cell(
        cell.synthetic,
        cell.validation_scores,
        parts=prepared.real_parts("validation"),
        trait=prepared.trait,
        metrics=(metric,),
        registry=prepared.registry,
        bands=None,
        log=cell.log,
        on_event=on_event,
    )
    return next((record.value for record in records if record.metric == objective.score), math.nan)


def _outcome(prepared: Prepared, entry: Registered, *, cell: Cell, result: FitResult, scores: tuple[ScoreRecord, ...]) -> Outcome:
    return Outcome(
        cell_id=cell.key.cell_id,
        status=result.status,
        phase=result.phase,
        message=result.message,
        dataset=prepared.dataset.name,
        dataset_sha256=prepared.dataset.sha256,
        split=prepared.split.facts,
        trait=prepared.trait.column,
        generator=entry.name,
        distribution=entry.distribution,
        plugin_version=entry.version,
        code_sha256=cell.key.code_sha256,
        settings=dict(cell.key.settings),
        seed=cell.key.seed,
        is_control=bool(load_target("generator", entry).is_control),
        n_generated=cell.key.n_samples if result.status == "ok" else 0,
        scores=scores,
        timings=dict(result.timings),
        processor_seconds=dict(result.processor_seconds),
        budget=cell.key.budget,
        peak_memory_bytes={"host": result.peak_memory_bytes, "gpu": result.peak_gpu_memory_bytes},
        environment=_environment(prepared.device, cell.key.n_devices),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _write_report(prepared: Prepared, cell: Cell, outcome: Outcome) -> None:
    """The page of a cell: its scores, and figures of what was scored."""
    from genobench.report.page import outcome_facts, write_report

    comparison, parts = prepared.comparison(cell.synthetic), prepared.real_parts()
    with threadpool_limits(limits=1):  # As for scores: the products are small.
        write_report(
            cell.report,
            comparison,
            outcome.scores,
            title=f"{outcome.generator} on {outcome.dataset}",
            facts=outcome_facts(outcome, n_variants=comparison.train.n_variants),
            curves=read_curves(cell.curves),
            seed=parts.seed,
            has_families=parts.has_families,
        )


def _kept(outcome: Outcome, cell: Cell) -> Outcome:
    """The outcome as it stands on disk: written when it is new or says something new, else the one that was there."""
    before = None
    with contextlib.suppress(GenobenchError):  # One that cannot be read is written anew.
        before = read_outcome(cell.outcome)
    if before is not None:
        same_moment = dataclasses.replace(outcome, created_at=before.created_at, environment=before.environment)
        if same_moment.to_json() == before.to_json():
            return before
    write_outcome(outcome, cell.folder)
    return outcome


def _environment(device: str, n_devices: int) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        **{name: metadata.version(name) for name in ("genobench", "torch", "numpy", "pandas", "scikit-learn")},
        "cpu_threads": os.cpu_count(),
        "device": device,
        **({"n_devices": n_devices} if n_devices > 1 else {}),
    }
