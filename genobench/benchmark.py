"""The whole walk: load → split → tune → fit → generate → check → score → outcome.

`run` is what `genobench run` and `genobench study` call, and what a notebook calls. It yields an `Outcome` for every planned cell, however
the cell ended; the same call again goes on where the last one stopped.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from genobench.cells import Cell, CellKey, FitResult, hash_json
from genobench.contracts import Comparison
from genobench.datasets import OpenDataset, open_dataset
from genobench.errors import GenobenchError, UnknownNameError
from genobench.evaluation import RealParts, score_cell
from genobench.fitting import FitRequest, fit_cell
from genobench.outcomes import FILE_NAME as OUTCOME_FILE
from genobench.outcomes import Outcome, ScoreRecord, read_outcome, write_outcome
from genobench.registry import Registered, Registry, code_sha256, with_settings
from genobench.report.curves import read_curves
from genobench.report.figures import draw_figures
from genobench.splitting import PARTS, Split, load_or_make_split
from genobench.storage import is_store, read_store, write_store
from genobench.tuning import DEFAULT_OBJECTIVE, Objective, tune

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from genobench.contracts import Generator, Trait
    from genobench.genotypes import Genotypes

OnEvent = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class GeneratorPlan:
    """A generator to run, with the settings that differ from its defaults (text or values)."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run.

    Args:
        dataset: Name of a dataset.
        generators: Which generators; all get the same budget.
        trait: The trait's column; None for the dataset's first.
        split: `auto`, `random`, `family`, `kinship`, `forward` or `column`.
        split_column: The column of a `column` split.
        split_seed: Seed of the split; every generator and seed of the plan shares it.
        seeds: One cell each.
        n_samples: Synthetic samples; None for as many as there are training samples.
        device: `auto` (CUDA where there is one), `cpu`, `cuda`, `cuda:1`, ...
        time_limit_seconds: For each phase of a fit; None: no limit.
        trials: Trials of tuning before the seeds are run; 0 for the settings as they are.
        objective: The score that trials are compared by, on validation samples.
        metrics: Names of metrics; None for all that are installed.
        retry: Run cells again that failed before.
    """

    dataset: str
    generators: tuple[GeneratorPlan, ...]
    trait: str | None = None
    split: str = "auto"
    split_column: str | None = None
    split_seed: int = 0
    seeds: tuple[int, ...] = (0,)
    n_samples: int | None = None
    device: str = "auto"
    time_limit_seconds: float | None = 1800.0
    trials: int = 0
    objective: str = DEFAULT_OBJECTIVE
    metrics: tuple[str, ...] | None = None
    retry: bool = False


@dataclass(frozen=True)
class Prepared:
    """A plan with everything resolved: what every cell of it shares."""

    plan: Plan
    registry: Registry
    home: Path
    dataset: OpenDataset
    split: Split
    trait: Trait
    folder: Path
    device: str
    generators: tuple[tuple[Registered, type[Any], Generator], ...]
    metrics: tuple[Registered, ...]
    objective: Objective | None

    def store(self, part: str) -> Path:
        """The store of one part of the split."""
        return self.folder / part

    @property
    def n_samples(self) -> int:
        """Synthetic samples of a cell."""
        return self.plan.n_samples or len(self.split.train)

    def real_parts(self, holdout: str = "holdout") -> RealParts:
        """The real samples to compare with."""
        groups = np.asarray(self.split.groups)
        return RealParts(
            identity=hash_json([self.dataset.sha256, self.split.sha256, self.trait.column, holdout]),
            train=self.store("train"),
            holdout=self.store(holdout),
            nonmembers=self.store("nonmembers"),
            groups={
                "train": groups[self.split.train].tolist(),
                "holdout": groups[self.split.part(holdout)].tolist(),
                "nonmembers": groups[self.split.nonmembers].tolist(),
            },
            has_families=self.split.scheme in ("family", "kinship", "column"),
            seed=self.plan.split_seed,
        )

    def cell_key(self, entry: Registered, generator: Generator, seed: int) -> CellKey:
        """The key of a cell of this plan."""
        return CellKey(
            dataset=self.dataset.name,
            dataset_sha256=self.dataset.sha256,
            split_sha256=self.split.sha256,
            trait=self.trait.column,
            generator=entry.qualified_name,
            plugin_version=entry.version,
            code_sha256=code_sha256(entry),
            settings=_settings(generator),
            seed=seed,
            n_samples=self.n_samples,
            device=self.device.partition(":")[0],
        )

    def fit_request(self, entry: Registered, key: CellKey) -> FitRequest:
        """What `genobench.fitting.fit_cell` needs to know."""
        return FitRequest(
            key=key,
            target=entry.target,
            trait=self.trait,
            train=self.store("train"),
            validation=self.store("validation"),
            device=self.device,
            time_limit_seconds=self.plan.time_limit_seconds,
            home=self.home,
            retry=self.plan.retry,
        )


def prepare(plan: Plan, *, registry: Registry, home: Path, on_event: OnEvent = lambda _event: None) -> Prepared:
    """Resolve every name, load the dataset, split it and write the parts' stores.

    Raises:
        GenobenchError: If a name, a setting, the data or the split is wrong; nothing has been fitted then.
    """
    entries = [registry.find("generator", wanted.name) for wanted in plan.generators]
    classes = [registry.load("generator", entry.qualified_name) for entry in entries]
    generators = tuple(
        (entry, cls, with_settings(cls, wanted.settings)) for entry, cls, wanted in zip(entries, classes, plan.generators, strict=True)
    )
    metrics = tuple(registry.find("metric", name) for name in plan.metrics) if plan.metrics is not None else registry.offers("metric")
    objective = _find_objective(plan.objective, registry, metrics) if plan.trials else None
    device = _resolve_device(plan.device)
    on_event({"event": "stage", "stage": "load", "dataset": plan.dataset})
    dataset = open_dataset(plan.dataset, registry)
    trait = dataset.card.trait(plan.trait)
    on_event({"event": "stage", "stage": "split", "n_samples": dataset.genotypes.n_samples, "n_variants": dataset.genotypes.n_variants})
    split = load_or_make_split(
        dataset.genotypes,
        dataset_sha256=dataset.sha256,
        folder=home / "splits",
        trait=trait,
        birth_column=dataset.card.birth_column,
        scheme=plan.split,
        column=plan.split_column,
        seed=plan.split_seed,
    )
    on_event({"event": "split", **split_facts(split), "notes": split.notes, "largest_kinship_pair": split.largest_kinship_pair})
    folder = home / "splits" / f"{dataset.sha256[:8]}-{split.sha256[:16]}"
    _write_parts(dataset.genotypes, split, folder)
    return Prepared(
        plan=plan,
        registry=registry,
        home=home,
        dataset=dataset,
        split=split,
        trait=trait,
        folder=folder,
        device=device,
        generators=generators,
        metrics=metrics,
        objective=objective,
    )


def run(plan: Plan, *, registry: Registry, home: Path, on_event: OnEvent = lambda _event: None) -> Iterator[Outcome]:
    """Run a plan, cell by cell.

    Args:
        plan: What to run.
        registry: As `genobench.registry.load_registry` gives it.
        home: As `genobench.home.genobench_home` gives it.
        on_event: Called with progress: stages, phases, training steps, trials, warnings.

    Yields:
        An outcome for each cell, in the order of generators and seeds.

    Raises:
        GenobenchError: If the plan cannot begin. What goes wrong in a cell is that cell's outcome.
    """
    prepared = prepare(plan, registry=registry, home=home, on_event=on_event)
    yield from run_prepared(prepared, on_event)


def run_prepared(prepared: Prepared, on_event: OnEvent = lambda _event: None) -> Iterator[Outcome]:
    """Run a plan that `prepare` has resolved; see `run`."""
    for number, (entry, _, generator) in enumerate(prepared.generators):
        chosen: Generator = generator
        if prepared.plan.trials:
            chosen = _tuned(prepared, number, on_event)
        for seed in prepared.plan.seeds:
            key = prepared.cell_key(entry, chosen, seed)
            on_event({"event": "cell", "cell_id": key.cell_id, "generator": entry.name, "seed": seed})
            cell, result = fit_cell(prepared.fit_request(entry, key), on_event)
            scores: tuple[ScoreRecord, ...] = ()
            if result.status == "ok":
                scores = score_cell(
                    cell.synthetic,
                    cell.scores,
                    parts=prepared.real_parts(),
                    trait=prepared.trait,
                    metrics=prepared.metrics,
                    registry=prepared.registry,
                    home=prepared.home,
                    log=cell.log,
                    on_event=on_event,
                )
                if not cell.figures.is_dir():
                    on_event({"event": "stage", "stage": "draw figures"})
                    draw_figures(_comparison(prepared, cell), read_curves(cell.curves), cell.figures)
            yield _kept(_outcome(prepared, entry, cell=cell, result=result, scores=scores), cell)


def _find_objective(score: str, registry: Registry, metrics: tuple[Registered, ...]) -> Objective:
    names: list[str] = []
    for entry in metrics:
        for spec in registry.load("metric", entry.qualified_name).scores:
            if spec.name == score:
                return Objective(score=score, direction=spec.direction, ideal=spec.ideal)
            names.append(spec.name)
    raise UnknownNameError(f"There is no score '{score}' to tune for; the installed metrics give: {', '.join(sorted(names))}.")


def _resolve_device(device: str) -> str:
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise GenobenchError(f"'{device}' is no device; write auto, cpu, cuda or cuda:0.") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise GenobenchError(f"The device '{device}' was asked for, but this PyTorch ({torch.__version__}) sees no CUDA device.")
    return device


def _write_parts(genotypes: Genotypes, split: Split, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        for part in PARTS:
            if not is_store(folder / part):
                write_store(genotypes.take_samples(np.asarray(split.part(part))), folder / part)


def _settings(generator: Any) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(generator)))
    return settings


def _tuned(prepared: Prepared, number: int, on_event: OnEvent) -> Generator:
    """The best settings of the study of one generator."""
    entry, cls, given = prepared.generators[number]
    fixed = {name: getattr(given, name) for name in prepared.plan.generators[number].settings}
    plan, objective = prepared.plan, prepared.objective
    assert objective is not None  # noqa: S101 - prepare finds it whenever there are trials
    seed = plan.seeds[0]
    study = hash_json([asdict(prepared.cell_key(entry, given, seed)), sorted(fixed), plan.objective])[:16]
    metric = tuple(item for item in prepared.metrics if any(spec.name == objective.score for spec in _specs(prepared, item)))

    def evaluate(settings: Generator, trial: int) -> float:
        key = prepared.cell_key(entry, settings, seed)
        on_event({"event": "trial", "trial": trial + 1, "trials": plan.trials, "generator": entry.name, "cell_id": key.cell_id})
        cell, result = fit_cell(prepared.fit_request(entry, key), on_event)
        if result.status != "ok":
            on_event({"event": "warning", "message": f"trial {trial + 1}: {result.status} in {result.phase}: {result.message}"})
            return math.nan
        records = score_cell(
            cell.synthetic,
            cell.folder / "validation-scores",
            parts=prepared.real_parts("validation"),
            trait=prepared.trait,
            metrics=metric,
            registry=prepared.registry,
            home=prepared.home,
            log=cell.log,
            on_event=on_event,
            with_bands=False,
        )
        value = next((record.value for record in records if record.metric == objective.score), math.nan)
        on_event({"event": "trial-end", "trial": trial + 1, "trials": plan.trials, objective.score: value})
        return value

    storage = prepared.home / "studies" / f"{entry.name}-{study}.log"
    storage.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{storage}.lock"):
        return tune(cls, fixed=fixed, evaluate=evaluate, objective=objective, n_trials=plan.trials, seed=seed, storage=storage)


def _specs(prepared: Prepared, entry: Registered) -> tuple[Any, ...]:
    return tuple(prepared.registry.load("metric", entry.qualified_name).scores)


def split_facts(split: Split) -> dict[str, Any]:
    """What an outcome says of its split."""
    return {
        "scheme": split.scheme,
        "seed": split.seed,
        "sha256": split.sha256,
        "n": {part: len(split.part(part)) for part in PARTS},
        "largest_kinship": split.largest_kinship,
    }


def _outcome(prepared: Prepared, entry: Registered, *, cell: Cell, result: FitResult, scores: tuple[ScoreRecord, ...]) -> Outcome:
    is_control = bool(prepared.registry.load("generator", entry.qualified_name).is_control)
    return Outcome(
        cell_id=cell.key.cell_id,
        status=result.status,
        phase=result.phase,
        message=result.message,
        dataset=prepared.dataset.name,
        dataset_sha256=prepared.dataset.sha256,
        split=split_facts(prepared.split),
        trait=prepared.trait.column,
        generator=entry.name,
        distribution=entry.distribution,
        plugin_version=entry.version,
        code_sha256=cell.key.code_sha256,
        settings=dict(cell.key.settings),
        seed=cell.key.seed,
        is_control=is_control,
        n_generated=cell.key.n_samples if result.status == "ok" else 0,
        scores=scores,
        timings=dict(result.timings),
        peak_memory_bytes={"host": result.peak_memory_bytes, "gpu": result.peak_gpu_memory_bytes},
        environment=_environment(prepared.device),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _comparison(prepared: Prepared, cell: Cell) -> Comparison:
    return Comparison(
        trait=prepared.trait,
        train=read_store(prepared.store("train")),
        holdout=read_store(prepared.store("holdout")),
        nonmembers=read_store(prepared.store("nonmembers")),
        synthetic=read_store(cell.synthetic),
    )


def _kept(outcome: Outcome, cell: Cell) -> Outcome:
    """The outcome as it stands on disk: written when it is new or says something new, else the one that was there."""
    path = cell.folder / OUTCOME_FILE
    if path.exists():
        before = read_outcome(path)
        same_moment = dataclasses.replace(outcome, created_at=before.created_at, environment=before.environment)
        if same_moment.to_json() == before.to_json():
            return before
    write_outcome(outcome, cell.folder)
    return outcome


def _environment(device: str) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        **{name: metadata.version(name) for name in ("genobench", "torch", "numpy", "pandas", "scikit-learn")},
        "cpu_threads": os.cpu_count(),
        "device": device,
    }
