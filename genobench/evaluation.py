"""Score one cell: which records are missing, a scoring worker for those, and every score joined with its band.

Records are kept by metric, version, code and settings, so a new metric refits nothing, and scores nothing again that is there.
"""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock

from genobench.cells import hash_json
from genobench.containment import run_worker
from genobench.contracts import ScoreSpec
from genobench.declarations import check_specs, declared
from genobench.draws import BAND_VERSION, N_DRAWS
from genobench.errors import CellError, GenobenchError, PluginLoadError
from genobench.outcomes import Z_95, Band, ScoreRecord
from genobench.registry import Registered, Registry, code_sha256
from genobench.scoring import ScoringJob, empty_record
from genobench.sources import source_sha256, texts_of
from genobench.storage import read_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genobench.containment import Ending
    from genobench.contracts import Trait
    from genobench.events import OnEvent

SECONDS_PER_METRIC: Final = 1800.0
"""A metric, or its band, that takes longer than this is given up and its scores are missing."""

_MOST_ERRORS_FROM_CHANCE: Final = 4.0
"""An attack whose self-check is farther from chance than so many standard errors is withdrawn."""

_MOST_KILLS: Final = 2
"""A scoring worker that is killed from outside is started again this often before its metric is given up."""


@dataclass(frozen=True)
class RealParts:
    """The real samples that cells of one split are compared with.

    Args:
        identity: Hash of the dataset, the split and the trait.
        train: Store of the training part.
        holdout: Store of the part to compare with; None where nobody has one.
        nonmembers: Store of the nonmembers; None where nobody has them.
        groups: For each of them, a number per sample that relatives share.
        has_families: Whether the split kept groups whole.
        seed: Of subsampling and draws: the split's.
        causal: What one ALT allele adds to the trait, by the id of each variant that makes it; None where the dataset names none.
    """

    identity: str
    train: Path
    holdout: Path | None
    nonmembers: Path | None
    groups: Mapping[str, list[int]]
    has_families: bool
    seed: int
    causal: Mapping[str, float] | None = None


def score_cell(
    synthetic: Path,
    records: Path,
    *,
    parts: RealParts,
    trait: Trait,
    metrics: tuple[Registered, ...],
    registry: Registry,
    bands: Path | None,
    n_draws: int = N_DRAWS,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    log: Path,
    on_event: OnEvent,
) -> tuple[ScoreRecord, ...]:
    """The scores of synthetic samples by these metrics; only records that are not there yet are computed.

    Args:
        synthetic: Store of the synthetic samples.
        records: Folder of the cell's score records.
        parts: The real samples.
        trait: The trait of the run.
        metrics: Which metrics.
        registry: Where they come from.
        bands: Folder of bands; None for scores that stand alone (while tuning).
        n_draws: Draws of a band; 0 for anchors and self-checks alone.
        settings: Of metrics, by qualified name, where they differ from the defaults.
        log: Where the scoring worker's stderr goes.
        on_event: Called with each event of the worker.

    Returns:
        One record for each declared score of each metric that applies to the trait, in the order of the metrics.
    """
    given = {} if settings is None else settings
    keys = {entry.qualified_name: _metric_key(entry, given.get(entry.qualified_name, {}), registry) for entry in metrics}
    files = {name: records / f"{name.replace('/', '.')}-{key[:12]}.json" for name, key in keys.items()}
    task = _ScoringTask(parts=parts, trait=trait, synthetic=synthetic, n_draws=n_draws, settings=given, log=log, on_event=on_event)
    band_of = {} if bands is None else _bands(keys, bands, task, n_synthetic=read_store(synthetic).n_samples)
    found = task.records(files)
    scores: list[ScoreRecord] = []
    for name in files:
        record, band = found[name], band_of.get(name, _failure(name, "no band was asked for"))
        if not record["specs"] and "error" in record:
            record = {**record, **_declaration(registry, name)}
            if not record["specs"]:
                on_event({"event": "warning", "message": f"The metric {name} gives no scores: {record['error']}"})
        scores.extend(_joined(record, band))
    return tuple(scores)


def _declaration(registry: Registry, name: str) -> Mapping[str, Any]:
    """What a metric that gave nothing would have given, so that its scores are missing and not unheard of."""
    try:
        return declared(registry.load("metric", name))
    except Exception:  # noqa: BLE001 - the plugin boundary: the record already says what went wrong
        return {}


def _metric_key(entry: Registered, settings: Mapping[str, Any], registry: Registry) -> str:
    """What a metric's numbers hang on: its code and settings, the answers it may ask for, and the code of classifiers that it names.

    A classifier is asked for by name, as a text in the metric's files or among its settings, and never imported.
    """
    try:
        code = [entry.qualified_name, entry.version, code_sha256(entry), source_sha256("genobench.answers")]
        named = texts_of(entry.target.partition(":")[0]) | {value for value in settings.values() if isinstance(value, str)}
        asked = [other for other in registry.offers("classifier") if {other.name, other.qualified_name} & named]
        code += [part for other in asked for part in (other.qualified_name, code_sha256(other))]
    except PluginLoadError as error:  # The scoring worker meets the same error, and records it.
        code = [entry.qualified_name, entry.version, str(error)]
    return hash_json([*code, settings] if settings else code)


@dataclass(frozen=True, kw_only=True)
class _ScoringTask:
    """What scoring workers are asked for, whatever the metrics.

    Args:
        parts: The real samples.
        trait: The trait of the run.
        synthetic: Store of the synthetic samples; None for bands, anchors and self-checks.
        n_draws: Draws of a band.
        n_drawn: Samples of each draw; None for as many as the holdout has.
        settings: Of metrics, by qualified name, where they differ from the defaults.
        log: Where the worker's stderr goes.
        on_event: Called with each event of a worker.
    """

    parts: RealParts
    trait: Trait
    synthetic: Path | None
    n_draws: int
    n_drawn: int | None = None
    settings: Mapping[str, Mapping[str, Any]]
    log: Path
    on_event: OnEvent

    @property
    def name(self) -> str:
        """What events say of it."""
        return "band" if self.synthetic is None else "score"

    def records(self, files: Mapping[str, Path]) -> Mapping[str, Mapping[str, Any]]:
        """The records of all metrics; those that are not there are computed.

        A metric that takes its worker down is left out of the next worker; its record says so, and is not kept, so that the next run tries
        it again.
        """
        failures: dict[str, Mapping[str, Any]] = {}
        found: dict[str, Mapping[str, Any]] = {}
        n_kills = 0
        while True:
            found |= {name: record for name in files.keys() - found.keys() if (record := _read(files[name], name)) is not None}
            missing = {name: file for name, file in files.items() if name not in found and name not in failures}
            if not missing:
                return {name: found[name] if name in found else failures[name] for name in files}
            ending = self._run_worker(missing)
            if ending.status == "ok":
                # The first alone: a metric that ends the worker in its name must not cost those after it.
                lost = next((name for name, file in missing.items() if _read(file, name) is None), None)
                if lost is not None:
                    failures[lost] = _failure(lost, f"its record {missing[lost]} was not written, or cannot be read")
                continue
            n_kills += ending.status == "preempted"
            if ending.status == "preempted" and n_kills <= _MOST_KILLS:
                self._warn(f"{ending.message}; scoring starts again")
                continue
            if ending.phase not in missing:
                raise CellError(f"The scoring worker did not begin ({ending.status}): {ending.message}. Log: {self.log}")
            failures[ending.phase] = _failure(ending.phase, f"{ending.status}: {ending.message}")
            self._warn(f"{ending.phase}: {ending.status}, {ending.message}")

    def _run_worker(self, missing: Mapping[str, Path]) -> Ending:
        """Compute the records of these files."""
        parts = self.parts
        with tempfile.TemporaryDirectory() as folder:
            job = ScoringJob(
                metrics={name: str(file) for name, file in missing.items()},
                trait=asdict(self.trait),
                train=str(parts.train),
                holdout=str(parts.holdout or ""),
                nonmembers=str(parts.nonmembers or ""),
                synthetic=str(self.synthetic or ""),
                groups=parts.groups,
                has_families=parts.has_families,
                seed=parts.seed,
                n_draws=self.n_draws,
                n_synthetic=self.n_drawn,
                causal=parts.causal,
                settings={name: self.settings[name] for name in missing if name in self.settings},
            ).write(Path(folder) / "job.json")
            return run_worker(
                "genobench.scoring",
                job,
                log=self.log,
                seconds_per_phase=SECONDS_PER_METRIC,
                on_event=lambda event: self.on_event({**event, "task": self.name}),
                # Scores are thousands of small matrix products, which threads that wait for one another make ten times slower on a busy
                # machine.
                is_single_threaded=True,
            )

    def _warn(self, message: str) -> None:
        self.on_event({"event": "warning", "task": self.name, "message": message})


def _bands(keys: Mapping[str, str], bands: Path, scoring: _ScoringTask, *, n_synthetic: int) -> Mapping[str, Mapping[str, Any]]:
    """The bands of all metrics, with anchors and self-checks; computed once per split, sizes, trait and metric version, and kept.

    Args:
        keys: `_metric_key` of each metric.
        bands: Folder of all bands.
        scoring: What the synthetic samples are asked for.
        n_synthetic: Synthetic samples.
    """
    parts = scoring.parts
    # More synthetic samples than the holdout has are never shown at once, so their number matters below that only.
    n_drawn = n_synthetic if n_synthetic < len(parts.groups["holdout"]) else None
    key = hash_json([parts.identity, asdict(scoring.trait), parts.seed, scoring.n_draws, BAND_VERSION, n_drawn])[:16]
    folder = bands / key
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name.replace('/', '.')}-{metric_key[:12]}.json" for name, metric_key in keys.items()}
    with FileLock(folder / "lock"):
        return replace(scoring, synthetic=None, n_drawn=n_drawn).records(files)


def _failure(name: str, error: str) -> Mapping[str, Any]:
    """The record of a metric that gave nothing."""
    return empty_record(name) | {"error": error}


def _read(file: Path, name: str) -> Mapping[str, Any] | None:
    """The record in a file; None where there is none, or it is damaged and must be computed again."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        if not (record.keys() >= empty_record(name).keys() and record["plugin"] == name):
            return None
        # What cannot be shown, alone or beside another, is damaged too: a band of another schema, text for a number.
        check_specs([ScoreSpec(**spec) for spec in record["specs"]], name)
        for score in _joined(record, record):
            json.dumps([score.to_json(), score.bounds, score.scaled])
    except (FileNotFoundError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, GenobenchError):
        return None
    return dict(record)


def _refuse_constant(name: str) -> None:
    """Raise ValueError: a record is written without NaN and infinities."""
    raise ValueError(f"a record holds {name}")


def _joined(record: Mapping[str, Any], beside: Mapping[str, Any]) -> list[ScoreRecord]:
    """The score records of one metric, each with its band and its anchor; withdrawn where the metric's self-check fails."""
    values = {value["name"]: value for value in record["values"]}
    missing = {"value": None, "standard_error": None, "interval": None, "reason": record.get("error") or "not computed"}
    fault = _failed_check(record["specs"], beside["checks"])
    withdrawn = missing | {"reason": fault}
    joined = []
    for spec in record["specs"]:
        name = spec["name"]
        value = values.get(name, missing)
        if fault and value["value"] is not None:
            value = withdrawn
        band, interval, anchor = beside["bands"].get(name), value["interval"], beside["anchors"].get(name)
        joined.append(
            ScoreRecord(
                metric=name,
                family=record["family"],
                value=math.nan if value["value"] is None else float(value["value"]),
                standard_error=value["standard_error"],
                interval=None if interval is None or None in interval else (float(interval[0]), float(interval[1])),
                band=None if band is None else Band.from_json(band),
                anchor=anchor,
                ceiling=beside["ceilings"].get(name),
                unit=spec["unit"],
                direction=spec["direction"],
                ideal=spec["ideal"],
                version=spec["version"],
                is_primary=spec["is_primary"],
                reason=value["reason"],
                plugin=record["plugin"],
                summary=spec["summary"],
                samples=dict(record["samples"]),
                seconds=float(record.get("seconds") or 0.0),
            )
        )
    return joined


def _failed_check(specs: Sequence[Mapping[str, Any]], checks: Sequence[Mapping[str, Any]]) -> str | None:
    """Why an attack proves nothing here; None where it passes its check.

    It tells train from nonmembers on samples that nobody trained on, or it cannot be tried on those at all.
    """
    chances = {spec["name"]: spec["chance"] for spec in specs if spec["chance"] is not None}
    for check in checks:
        if check["name"] not in chances:
            continue
        value, error = check["value"], _error_of(check)
        if value is None:
            return f"Not checked: with nonmembers in the place of synthetic samples {check['name']} is not defined. {check['reason']}"
        if error is None:
            continue
        # Where every group that is left out gives the same, the error is 0, and whatever is not chance is far from it.
        distance = abs(value - chances[check["name"]])
        if distance > _MOST_ERRORS_FROM_CHANCE * error:
            n_errors = f"{distance / error:.1f} standard errors" if error else "by every estimate away"
            return (
                f"Not exchangeable: with nonmembers in the place of synthetic samples this attack scores {check['name']} {value:.3f}, "
                f"{n_errors} from {chances[check['name']]:g}; train and nonmembers differ by more than chance."
            )
    return None


def _error_of(score: Mapping[str, Any]) -> float | None:
    """The standard error of a score, from its interval where that alone is given."""
    if score["standard_error"] is not None:
        return float(score["standard_error"])
    return None if score["interval"] is None else (score["interval"][1] - score["interval"][0]) / (2 * Z_95)
