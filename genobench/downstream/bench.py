"""One split with its arms and classifiers: what is there, what is to be made, and where it is kept."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from genobench.cells import Cell, cell_folder, hash_json
from genobench.downstream.arms import ARMS_VERSION, Arm, n_to_balance
from genobench.downstream.holdout import covariate_groups, true_values
from genobench.downstream.predicting import PredictingTask, Source
from genobench.downstream.records import SCHEMA, PredictionRecord, kept_record
from genobench.downstream.running import Predicting, Wanted
from genobench.downstream.shared import SharedStores
from genobench.downstream.supply import CutShortError, Supply
from genobench.errors import GenobenchError
from genobench.fitting import fit_cell
from genobench.registry import Registered, Registry, code_sha256, load_target
from genobench.settings import settings_json, with_settings
from genobench.sources import source_sha256
from genobench.storage import content_sha256, read_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from genobench.events import OnEvent
    from genobench.planning import Prepared

_NOT_MADE: Final = "It was not made."


@dataclass(frozen=True)
class PlannedPrediction:
    """A prediction of a plan, and what has become of it."""

    cell_id: str
    generator: str
    seed: int
    classifier: str
    arm: str
    state: str


@dataclass(frozen=True, eq=False)
class Fitted:
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
    def find(cls, name: str, settings: Mapping[str, Any], registry: Registry) -> Self:
        """The classifier of that name with these settings.

        Raises:
            GenobenchError: If there is none of that name, or it does not take the settings.
        """
        entry = registry.find("classifier", name)
        classifier = with_settings(load_target("classifier", entry), settings)
        code = hash_json([code_sha256(entry), source_sha256("genobench.covariates"), ARMS_VERSION])
        called = " ".join([entry.qualified_name, *(f"{key}={value}" for key, value in settings.items())])
        return cls(called, entry, settings_json(classifier), code, frozenset(classifier.trait_kinds))


@dataclass(frozen=True)
class Bench:
    """One split with its arms and classifiers.

    Args:
        prepared: The split, and what its cells share.
        pairs: Every arm with every classifier that is fitted on it.
        n_components: Principal components among the covariates.
        on_event: Called with progress.
    """

    prepared: Prepared
    pairs: tuple[tuple[Arm, Fitted], ...]
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
            is_cut_short = result.status == "preempted"
            return [self._failed(arm, fitted, cell, seed, said, is_cut_short=is_cut_short) for arm, fitted in pairs]
        identity = _identity(cell)
        supply = Supply(prepared, entry, cell, identity, self.on_event)
        sources: dict[Arm, tuple[Source, ...]] = {}
        errors: dict[Arm, GenobenchError] = {}
        for arm in dict.fromkeys(arm for arm, _ in pairs):
            try:
                sources[arm] = supply.sources(arm)
            except GenobenchError as error:
                errors[arm] = error
        wanted = {
            (arm, fitted): self._wanted(arm, fitted, cell, seed, sources[arm], identity=identity) for arm, fitted in pairs if arm in sources
        }
        predicting = self._predicting(source for found in sources.values() for source in found)
        made = dict(zip(wanted, predicting.records([*wanted.values()], cell.folder / "predictions"), strict=True))
        for arm, fitted in pairs:
            if arm in errors:
                is_cut_short = isinstance(errors[arm], CutShortError)
                made[arm, fitted] = self._failed(arm, fitted, cell, seed, str(errors[arm]), is_cut_short=is_cut_short)
        return [made[pair] for pair in pairs]

    def cell(self, entry: Registered, generator: Any, seed: int) -> Cell:
        """A cell of the split, whether it is there or not."""
        key = self.prepared.cell_key(entry, generator, seed)
        return Cell(key, cell_folder(self.prepared.home, key.cell_id))

    def planned(self, cell: Cell | None, seed: int) -> list[PlannedPrediction]:
        """Predictions of one cell, or of the arms without synthetic samples, and whether they are there."""
        identity = "" if cell is None else _identity(cell)
        found = []
        for arm, fitted in self.pairs:
            if arm.is_real == (cell is None):
                head = self._head(arm, fitted, cell, seed, n_synthetic=0)
                kept = kept_record(self._file(arm, fitted, cell, seed, identity), head) if cell is None or identity else None
                state = "to do" if kept is None else "finished" if kept.reason is None else "failed"
                cell_id, generator = ("", "") if cell is None else (cell.key.cell_id, cell.key.generator)
                found.append(PlannedPrediction(cell_id, generator, seed, fitted.entry.qualified_name, arm.name, state))
        return found

    def _file(self, arm: Arm, fitted: Fitted, cell: Cell | None, seed: int, identity: str) -> Path:
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

    def _wanted(self, arm: Arm, fitted: Fitted, cell: Cell | None, seed: int, sources: tuple[Source, ...], *, identity: str = "") -> Wanted:
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

    def _failed(self, arm: Arm, fitted: Fitted, cell: Cell, seed: int, reason: str, *, is_cut_short: bool) -> PredictionRecord:
        """A record that is not kept, since what it lacks is said by the cell."""
        n_train = len(self.prepared.split.train)
        n_synthetic = arm.n_times * n_train
        if arm.is_minority:
            n_synthetic = n_to_balance(read_store(self.prepared.store("train")).samples, self.prepared.trait)[1]
        return dataclasses.replace(self._head(arm, fitted, cell, seed, n_synthetic=n_synthetic), reason=reason, is_cut_short=is_cut_short)

    def _head(self, arm: Arm, fitted: Fitted, cell: Cell | None, seed: int, *, n_synthetic: int) -> PredictionRecord:
        """A record without predictions."""
        prepared = self.prepared
        split, trait = prepared.split, prepared.trait
        holdout = prepared.dataset.genotypes.samples.iloc[split.holdout]
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
            truth=true_values(holdout, trait),
            predicted=(),
            classes=trait.classes,
            groups=tuple(split.groups[split.holdout].tolist()),
            covariate_groups=covariate_groups(holdout, trait),
            is_control=cell is not None and self._is_control(cell),
            seconds=0.0,
            reason=_NOT_MADE,
            cell_id="" if cell is None else cell.key.cell_id,
            budget="" if cell is None else cell.key.budget,
        )

    def _predicting(self, sources: Iterable[Source] = ()) -> Predicting:
        prepared = self.prepared
        shown = self.folder / "holdout"
        synthetic = tuple(Path(store) for store in dict.fromkeys(source.store for source in sources))
        return Predicting(
            trait=prepared.trait,
            train=prepared.store("train"),
            validation=prepared.store("validation"),
            holdout=shown,
            stores=SharedStores(prepared.parts, prepared.trait, shown, synthetic),
            device=prepared.device,
            time_limit_seconds=prepared.plan.time_limit_seconds,
            retry=prepared.plan.retry,
            on_event=self.on_event,
        )

    def _is_control(self, cell: Cell) -> bool:
        entry = self.prepared.registry.find("generator", cell.key.generator)
        return bool(load_target("generator", entry).is_control)


def _identity(cell: Cell) -> str:
    """Content hash of a finished cell's samples; "" where it has none. Cells of earlier versions do not state it."""
    result = cell.result
    if result is None or result.status != "ok":
        return ""
    try:
        return result.synthetic_sha256 or content_sha256(read_store(cell.synthetic))
    except GenobenchError:
        return ""
