"""The walk of downstream prediction: split → fit cells → more samples → arms x classifiers → prediction records.

`run_downstream` is what `genobench downstream` calls, and what a notebook calls. Cells are those of `genobench study`, and are not fitted
again; a prediction that is kept is not made again.
"""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from genobench.cells import Cell, cell_folder, hash_json
from genobench.downstream.arms import ARMS_VERSION, DEFAULT_ARMS, Arm, n_to_balance
from genobench.downstream.leaks import leaking_covariates
from genobench.downstream.predicting import PredictingTask, Source
from genobench.downstream.records import SCHEMA, PredictionRecord, read_record
from genobench.downstream.running import Predicting, Wanted
from genobench.downstream.supply import Supply
from genobench.errors import GenobenchError
from genobench.fitting import fit_cell
from genobench.planning import Plan, Prepared, prepare
from genobench.registry import Registered, Registry, code_sha256, load_target
from genobench.settings import settings_json, with_settings
from genobench.sources import source_sha256
from genobench.storage import content_sha256, is_store, read_store, write_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from genobench.events import OnEvent

_NOT_MADE = "It was not made."


@dataclass(frozen=True)
class ClassifierPlan:
    """A classifier to fit, with the settings that differ from its defaults."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DownstreamPlan:
    """What to predict, from what.

    Args:
        cells: The generators' cells, as for `genobench.benchmark.run`; metrics and trials are not looked at. There may be no generator.
        classifiers: Which classifiers.
        arms: Which arms, by name.
        n_components: Principal components among the covariates, fitted on the samples of each arm.
    """

    cells: Plan
    classifiers: tuple[ClassifierPlan, ...]
    arms: tuple[str, ...] = DEFAULT_ARMS
    n_components: int = 0


@dataclass(frozen=True)
class PlannedPrediction:
    """A prediction of a plan, and what has become of it."""

    cell_id: str
    generator: str
    seed: int
    classifier: str
    arm: str
    state: str


def run_downstream(
    plan: DownstreamPlan, *, registry: Registry, home: Path, on_event: OnEvent = lambda _event: None
) -> Iterator[PredictionRecord]:
    """Run a plan, split by split: the arms that all generators share, then those of each cell.

    Args:
        plan: What to run.
        registry: As `genobench.registry.load_registry` gives it.
        home: As `genobench.home.genobench_home` gives it.
        on_event: Called with progress.

    Yields:
        A record for each split, classifier and arm, and for each cell too where the arm has synthetic samples.

    Raises:
        GenobenchError: If the plan cannot begin. What goes wrong later is the reason in a record.
    """
    for bench in _benches(plan, registry, home, on_event):
        yield from bench.real_records()
        for entry, generator in bench.prepared.generators:
            for seed in bench.prepared.plan.seeds:
                yield from bench.cell_records(entry, generator, seed)


def planned_predictions(
    plan: DownstreamPlan, *, registry: Registry, home: Path, on_event: OnEvent = lambda _event: None
) -> Iterator[tuple[Prepared, list[PlannedPrediction]]]:
    """What a plan holds, split by split, without doing it."""
    for bench in _benches(plan, registry, home, on_event):
        found = bench.planned(None, bench.prepared.plan.split_seed)
        for entry, generator in bench.prepared.generators:
            for seed in bench.prepared.plan.seeds:
                found += bench.planned(_cell(bench.prepared, entry, generator, seed), seed)
        yield bench.prepared, found


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A classifier of a plan.

    Args:
        name: Its qualified name, with the settings that the plan gives.
        entry: Where it is offered.
        settings: All its settings.
        code_sha256: See `PredictionRecord`.
        kinds: The kinds of trait that it takes.
    """

    name: str
    entry: Registered
    settings: Mapping[str, Any]
    code_sha256: str
    kinds: frozenset[str]

    @classmethod
    def find(cls, planned: ClassifierPlan, registry: Registry) -> _Fitted:
        entry = registry.find("classifier", planned.name)
        classifier = with_settings(load_target("classifier", entry), planned.settings)
        code = hash_json([code_sha256(entry), source_sha256("genobench.covariates"), ARMS_VERSION])
        name = " ".join([entry.qualified_name, *(f"{name}={value}" for name, value in planned.settings.items())])
        return cls(name, entry, settings_json(classifier), code, frozenset(classifier.trait_kinds))


def _benches(plan: DownstreamPlan, registry: Registry, home: Path, on_event: OnEvent) -> Iterator[_Bench]:
    """The splits of a plan, each with all names resolved; a wrong name is found before anything is loaded."""
    arms = tuple(Arm.parse(name) for name in dict.fromkeys(plan.arms))
    # Under its bare name and its qualified one it is the same.
    named = [*{fitted.name: fitted for fitted in (_Fitted.find(planned, registry) for planned in plan.classifiers)}.values()]
    fixed = {arm.classifier: _Fitted.find(ClassifierPlan(arm.classifier), registry) for arm in arms if arm.classifier is not None}
    if not plan.cells.generators and not all(arm.is_real for arm in arms):
        wanting = next(arm.name for arm in arms if not arm.is_real)
        raise GenobenchError(f"The arm '{wanting}' needs synthetic samples, and no generator is named; name one, or leave the arm out.")
    if not named and not all(arm.classifier for arm in arms):
        raise GenobenchError("No classifier is named; `genobench plugins list` shows which there are.")
    for split_plan in plan.cells.split_plans:
        prepared = prepare(dataclasses.replace(split_plan, metrics=(), trials=0), registry=registry, home=home, on_event=on_event)
        kind = prepared.trait.kind
        for name in leaking_covariates(prepared.dataset.genotypes.samples.iloc[prepared.split.train], prepared.trait):
            said = f"The trait '{prepared.trait.column}' of every training sample follows from its covariate '{name}', so that no use of "
            on_event({"event": "warning", "message": f"{said}genotypes can be seen. Import the dataset without this covariate."})
        suited = [fitted for fitted in named if kind in fitted.kinds]
        if named and not suited:
            raise GenobenchError(f"None of {', '.join(fitted.entry.name for fitted in named)} takes a {kind} trait.")
        for fitted in named:
            if kind not in fitted.kinds:
                on_event({"event": "warning", "message": f"{fitted.entry.name} takes no {kind} trait, and is left out."})
        pairs = tuple(
            (arm, fitted)
            for arm in arms
            if arm.suits(prepared.trait)
            for fitted in ((fixed[arm.classifier],) if arm.classifier is not None else suited)
        )
        yield _Bench(prepared=prepared, pairs=pairs, n_components=plan.n_components, on_event=on_event)


def _cell(prepared: Prepared, entry: Registered, generator: Any, seed: int) -> Cell:
    key = prepared.cell_key(entry, generator, seed)
    return Cell(key, cell_folder(prepared.home, key.cell_id))


@dataclass(frozen=True)
class _Bench:
    """One split with its arms and classifiers.

    Args:
        prepared: The split, and what its cells share.
        pairs: Every arm with every classifier that is fitted on it.
        n_components: Principal components among the covariates.
        on_event: Called with progress.
    """

    prepared: Prepared
    pairs: tuple[tuple[Arm, _Fitted], ...]
    n_components: int
    on_event: OnEvent

    @property
    def folder(self) -> Path:
        """Of what all generators of the split share."""
        prepared = self.prepared
        key = hash_json([prepared.dataset.sha256, prepared.split.sha256, asdict(prepared.trait)])[:16]
        return prepared.home / "downstream" / key

    def real_records(self) -> list[PredictionRecord]:
        """Of the arms without synthetic samples."""
        seed = self.prepared.plan.split_seed
        wanted = [self._wanted(arm, fitted, None, seed, ()) for arm, fitted in self.pairs if arm.is_real]
        if not wanted:
            return []
        self.on_event({"event": "stage", "stage": "predict from real samples"})
        return self._predicting().records(wanted, self.folder)

    def cell_records(self, entry: Registered, generator: Any, seed: int) -> list[PredictionRecord]:
        """Of the arms that hold samples of one cell."""
        prepared = self.prepared
        pairs = [(arm, fitted) for arm, fitted in self.pairs if not arm.is_real]
        if not pairs:
            return []
        key = prepared.cell_key(entry, generator, seed)
        self.on_event({"event": "cell", "cell_id": key.cell_id, "generator": entry.name, "seed": seed})
        cell, result = fit_cell(prepared.fit_request(entry, key), self.on_event)
        if result.status != "ok":
            said = f"The fit of {entry.name} is {result.status} in {result.phase}: {result.message}"
            return [self._failed(arm, fitted, cell, seed, said) for arm, fitted in pairs]
        identity = result.synthetic_sha256 or content_sha256(read_store(cell.synthetic))
        supply = Supply(prepared, entry, cell, identity, self.on_event)
        sources: dict[Arm, tuple[Source, ...]] = {}
        reasons: dict[Arm, str] = {}
        for arm in dict.fromkeys(arm for arm, _ in pairs):
            try:
                sources[arm] = supply.sources(arm)
            except GenobenchError as error:
                reasons[arm] = str(error)
        wanted = {
            (arm, fitted): self._wanted(arm, fitted, cell, seed, sources[arm], identity=identity) for arm, fitted in pairs if arm in sources
        }
        made = dict(zip(wanted, self._predicting().records([*wanted.values()], cell.folder / "predictions"), strict=True))
        return [made[arm, fitted] if arm in sources else self._failed(arm, fitted, cell, seed, reasons[arm]) for arm, fitted in pairs]

    def planned(self, cell: Cell | None, seed: int) -> list[PlannedPrediction]:
        """Predictions of one cell, or of the arms without synthetic samples, and whether they are there."""
        result = None if cell is None else cell.result
        identity = "" if result is None else result.synthetic_sha256
        found = []
        for arm, fitted in self.pairs:
            if arm.is_real == (cell is None):
                kept = read_record(self._file(arm, fitted, cell, seed, identity)) if cell is None or identity else None
                state = "to do" if kept is None else "finished" if kept.reason is None else "failed"
                cell_id, generator = ("", "") if cell is None else (cell.key.cell_id, cell.key.generator)
                found.append(PlannedPrediction(cell_id, generator, seed, fitted.entry.qualified_name, arm.name, state))
        return found

    def _file(self, arm: Arm, fitted: _Fitted, cell: Cell | None, seed: int, identity: str) -> Path:
        """Where a record is kept: its name says of what, the hash in it all that the predictions hang on."""
        device = self.prepared.device.partition(":")[0]
        kept = [
            SCHEMA,
            fitted.code_sha256,
            fitted.settings,
            arm.name,
            self.n_components,
            seed,
            asdict(self.prepared.trait),
            device,
            identity,
        ]
        name = f"{fitted.entry.qualified_name.replace('/', '.')}-{arm.name}-{hash_json(kept)[:12]}.json"
        return (self.folder if cell is None else cell.folder / "predictions") / "records" / name

    def _wanted(
        self, arm: Arm, fitted: _Fitted, cell: Cell | None, seed: int, sources: tuple[Source, ...], *, identity: str = ""
    ) -> Wanted:
        file = self._file(arm, fitted, cell, seed, identity)
        task = PredictingTask(
            phase=f"{fitted.name} on {arm.name}",
            target=fitted.entry.target,
            settings=fitted.settings,
            arm=arm.name,
            has_real=arm.has_real,
            synthetic=sources,
            n_components=self.n_components,
            seed=seed,
            answer=str(file.with_suffix(".answer")),
        )
        head = self._head(arm, fitted, cell, seed, n_synthetic=sum(source.n_samples for source in sources))
        return Wanted(head=head, task=task, file=file)

    def _failed(self, arm: Arm, fitted: _Fitted, cell: Cell, seed: int, reason: str) -> PredictionRecord:
        """A record that is not kept, since what it lacks is said by the cell."""
        n_train = len(self.prepared.split.train)
        n_synthetic = arm.n_times * n_train
        if arm.is_minority:
            n_synthetic = n_to_balance(read_store(self.prepared.store("train")).samples, self.prepared.trait)[1]
        return dataclasses.replace(self._head(arm, fitted, cell, seed, n_synthetic=n_synthetic), reason=reason)

    def _head(self, arm: Arm, fitted: _Fitted, cell: Cell | None, seed: int, *, n_synthetic: int) -> PredictionRecord:
        """A record without predictions."""
        prepared = self.prepared
        split, trait = prepared.split, prepared.trait
        observed = prepared.dataset.genotypes.samples[trait.column].iloc[split.holdout]
        is_value = trait.kind == "quantitative"
        return PredictionRecord(
            dataset=prepared.dataset.name,
            dataset_sha256=prepared.dataset.sha256,
            split=split.facts,
            trait=trait.column,
            kind=trait.kind,
            generator="" if cell is None else cell.key.generator,
            generator_settings={} if cell is None else dict(cell.key.settings),
            seed=seed,
            classifier=fitted.entry.qualified_name,
            classifier_settings=dict(fitted.settings),
            code_sha256=fitted.code_sha256,
            arm=arm.name,
            n_real=len(split.train) if arm.has_real else 0,
            n_synthetic=n_synthetic,
            n_components=self.n_components,
            truth=tuple(map(float, observed)) if is_value else tuple(map(str, observed)),
            predicted=(),
            classes=trait.classes,
            groups=tuple(split.groups[split.holdout].tolist()),
            seconds=0.0,
            reason=_NOT_MADE,
            cell_id="" if cell is None else cell.key.cell_id,
            budget="" if cell is None else cell.key.budget,
        )

    def _predicting(self) -> Predicting:
        prepared = self.prepared
        return Predicting(
            trait=prepared.trait,
            train=prepared.store("train"),
            validation=prepared.store("validation"),
            holdout=self._shown_holdout(),
            device=prepared.device,
            time_limit_seconds=prepared.plan.time_limit_seconds,
            retry=prepared.plan.retry,
            on_event=self.on_event,
        )

    def _shown_holdout(self) -> Path:
        """The store of the holdout that classifiers see: ids and covariates, no trait, no family."""
        holdout, folder = read_store(self.prepared.store("holdout")), self.folder / "holdout"
        shown = holdout.with_samples(holdout.samples[["id", *self.prepared.trait.covariates]])
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not is_store(folder) or content_sha256(read_store(folder)) != content_sha256(shown):
                write_store(shown, folder)
        return folder
