"""Outcomes: what a cell gave, one value that every record, table and page is made from.

An outcome is evidence. It is written once as JSON beside its cell and copied from there to MLflow and to leaderboards, so reading is
strict: another schema, an unknown key or a missing one is refused, and nothing is filled in quietly. A field that is added raises `SCHEMA`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args

from genobench.errors import GenobenchError
from genobench.home import write_json_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genobench.contracts import Direction, ScoreFamily

SCHEMA: Final = 3
"""Version of the JSON form; raised with every change of the fields."""

_ADDED: Final[Mapping[int, Mapping[str, Any]]] = {2: {"budget": "", "processor_seconds": {}}}
"""What an outcome of an older schema would have said of the fields that came later: before schema 3 there were no budgets."""

FILE_NAME: Final = "outcome.json"
"""Name of an outcome's file in its cell's folder."""

Status = Literal["ok", "failed", "out-of-memory", "timeout", "pruned", "preempted", "invalid-output"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

UNITS_FROM_0_TO_1: Final = frozenset({"AUC", "share", "probability"})
"""Units of scores that cannot lie outside [0, 1]."""

_LEAST_HEADROOM: Final = 3.0

_MOST_TOLD: Final = 3

Z_95: Final = 1.959963984540054
"""The 97.5th percentile of the standard normal distribution."""


@dataclass(frozen=True)
class Band:
    """What real samples score: the distribution of a score over draws of real samples put in place of the synthetic ones.

    Args:
        mean: Mean over the draws.
        standard_deviation: Over the draws.
        low: 2.5th percentile.
        high: 97.5th percentile.
        n_draws: Number of draws, at least 100.
    """

    mean: float
    standard_deviation: float
    low: float
    high: float
    n_draws: int

    def to_json(self) -> dict[str, Any]:
        """The band as a JSON object."""
        return {item.name: _to_json(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`.

        Raises:
            GenobenchError: If a key is unknown or missing.
        """
        _check_keys(cls, values)
        return cls(
            mean=_number(values["mean"]),
            standard_deviation=_number(values["standard_deviation"]),
            low=_number(values["low"]),
            high=_number(values["high"]),
            n_draws=int(values["n_draws"]),
        )


@dataclass(frozen=True, kw_only=True)
class ScoreRecord:
    """One score of one cell, with its noise and with what real samples score.

    Args:
        metric: The score's name, as its `ScoreSpec` declares it.
        family: `fidelity`, `privacy` or `utility`.
        value: The score; NaN where it could not be computed, and then `reason` says why.
        standard_error: Of the value, within this cell; None where `interval` stands alone or none can be had.
        interval: 95 % interval (low, high); None where value ± 1.96 `standard_error` says it, or none can be had.
        band: What real samples score; None where it was not computed.
        anchor: What the control at the other end of the scale scores: `independent` for fidelity, `copy` for privacy; None elsewhere.
        ceiling: For utility, the score of training on all real training samples; None elsewhere.
        unit: As declared.
        direction: As declared.
        ideal: As declared; None where only the band says it.
        version: Of the score's definition; two versions are never compared.
        is_primary: Whether boards rank by it.
        reason: Why the value is NaN; None otherwise.
        plugin: The metric plugin, as "distribution/name".
        summary: One line on what it measures, as declared.
        samples: How many samples of each part it was computed from.
        seconds: Time spent on the metric that gave it.
    """

    metric: str
    family: ScoreFamily
    value: float
    unit: str
    direction: Direction
    version: int
    plugin: str
    standard_error: float | None = None
    interval: tuple[float, float] | None = None
    band: Band | None = None
    anchor: float | None = None
    ceiling: float | None = None
    ideal: float | None = None
    is_primary: bool = False
    reason: str | None = None
    summary: str = ""
    samples: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_missing(self) -> bool:
        """Whether the score could not be computed."""
        return not math.isfinite(self.value)

    @property
    def error(self) -> float | None:
        """Standard error within the cell: as stated, else the interval's width over 2 x 1.96; None where neither is known."""
        if self.standard_error is not None:
            return self.standard_error
        return None if self.interval is None else (self.interval[1] - self.interval[0]) / (2 * Z_95)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """95 % interval: as stated, else value ± 1.96 standard errors, cut off where the unit ends; None where neither is known.

        A missing score has none.
        """
        if self.is_missing:
            return None
        if self.interval is not None:
            return self.interval
        if self.standard_error is None:
            return None
        low, high = self.value - Z_95 * self.standard_error, self.value + Z_95 * self.standard_error
        return (max(0.0, low), min(1.0, high)) if self.unit in UNITS_FROM_0_TO_1 else (low, high)

    @property
    def has_headroom(self) -> bool:
        """Whether the control scores so much worse than real samples (by more than three SD of the band) that there is a scale.

        Where a score has a target and no better end, different is worse. For privacy the gap must also exceed three standard errors of the
        score itself: an attack that noisy places nothing between guessing and copies. A control that does better than real samples anchors
        nothing: the scale would turn round.
        """
        if self.band is None or self.anchor is None:
            return False
        gap = self.anchor - self.band.mean
        worse = {"lower": gap, "higher": -gap, "target": abs(gap)}[self.direction]
        noise = self.band.standard_deviation
        if self.family == "privacy":
            noise = max(noise, self.error or 0.0)
        return worse > _LEAST_HEADROOM * noise

    @property
    def scaled(self) -> float | None:
        """The value on a scale that real samples and a control anchor; None where it is missing or there is no headroom.

        Fidelity: 0 for `independent` samples, 1 for real ones; where a score has a target and no better end, the distance from the
        band's mean counts, so nothing is above 1. Privacy: 0 for unseen real samples, 1 for copies of the training samples.
        """
        if self.is_missing or self.band is None or self.anchor is None or not self.has_headroom:
            return None
        share = (self.value - self.band.mean) / (self.anchor - self.band.mean)
        if self.family == "privacy":
            return share
        return 1 - abs(share) if self.direction == "target" else 1 - share

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object; a missing value is null."""
        return {item.name: _to_json(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`.

        Raises:
            GenobenchError: If a key is unknown or missing.
        """
        _check_keys(cls, values)
        band, interval = values["band"], values["interval"]
        return cls(
            **{
                **values,
                "value": _number(values["value"]),
                "band": None if band is None else Band.from_json(band),
                "interval": None if interval is None else (_number(interval[0]), _number(interval[1])),
            }
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one planned cell. Every planned cell has one, whether it ended well or not.

    Args:
        cell_id: The cell's identity, the name of its folder.
        status: How it ended.
        phase: Where it ended: `done` when ok, else the step that failed (fit, generate, check, score, ...).
        message: What happened, in one sentence; "" when ok.
        dataset: Its name.
        dataset_sha256: Content hash of its genotypes.
        split: `scheme`, `seed`, `sha256`, `n` (samples in each part) and `largest_kinship` (across sides; None where not computed).
        trait: The phenotype's column.
        generator: Its name, without the distribution.
        distribution: The distribution that offers it.
        plugin_version: Version of that distribution.
        code_sha256: Hash of the plugin's source files.
        settings: Every setting of the generator, JSON values only.
        seed: Of the fit.
        is_control: Whether the generator is a control (shown on boards, never ranked).
        n_generated: Synthetic samples generated; 0 where none were.
        scores: One record a score.
        timings: Seconds by phase.
        peak_memory_bytes: `host` and `gpu`; None where not measured.
        processor_seconds: By phase, of all threads and processes of the fit; empty where not measured.
        budget: What each phase of the fit was allowed, as `Budget.name` gives it ("3cpu-min"); "" for no budget.
        environment: `python`, `genobench`, `torch`, `numpy`, `platform`, `cpu_threads`, `device`; `n_devices` where several
            shared the fit.
        created_at: When the cell ended, ISO 8601 in UTC.
        schema: Version of the JSON form.
    """

    cell_id: str
    status: Status
    phase: str
    dataset: str
    dataset_sha256: str
    split: Mapping[str, Any]
    trait: str
    generator: str
    distribution: str
    plugin_version: str
    code_sha256: str
    settings: Mapping[str, Any]
    seed: int
    created_at: str
    message: str = ""
    is_control: bool = False
    n_generated: int = 0
    scores: tuple[ScoreRecord, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    peak_memory_bytes: Mapping[str, int | None] = field(default_factory=dict)
    processor_seconds: Mapping[str, float] = field(default_factory=dict)
    budget: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise GenobenchError(f"The outcome of cell {self.cell_id} has status '{self.status}'; it must be one of {', '.join(STATUSES)}.")
        names = [score.metric for score in self.scores]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise GenobenchError(
                f"The outcome of cell {self.cell_id} has the score '{min(twice)}' more than once; a score's name stands once."
            )

    def score(self, metric: str) -> ScoreRecord | None:
        """The score of that name; None where the cell has none."""
        return next((score for score in self.scores if score.metric == metric), None)

    def to_json(self) -> dict[str, Any]:
        """The outcome as a JSON object without NaN; two equal outcomes give equal objects."""
        values = {item.name: _to_json(getattr(self, item.name)) for item in fields(self)}
        return {"schema": values.pop("schema"), **values}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`.

        Raises:
            GenobenchError: If the schema is another one, or a key is unknown or missing.
        """
        schema: Any = values.get("schema")
        if schema in _ADDED:
            values = {**values, **_ADDED[schema], "schema": SCHEMA}
        elif schema != SCHEMA:
            raise GenobenchError(f"An outcome has schema {schema}; this genobench reads {', '.join(map(str, [*_ADDED, SCHEMA]))}.")
        _check_keys(cls, values)
        return cls(**{**values, "scores": tuple(ScoreRecord.from_json(score) for score in values["scores"])})


def board_name(outcome: Outcome) -> str:
    """The leaderboard that an outcome belongs to: dataset, split scheme and budget, for example "cattle-demo.family.3cpu-min"."""
    return f"{outcome.dataset}.{outcome.split['scheme']}" + (f".{outcome.budget}" if outcome.budget else "")


def settings_sha256(settings: Mapping[str, Any]) -> str:
    """Hash of a generator's settings, independent of their order; 64 hexadecimal digits."""
    canonical = json.dumps(_to_json(settings), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def write_outcome(outcome: Outcome, cell_folder: Path) -> Path:
    """Write an outcome into its cell's folder, atomically, and give the file's path."""
    path = cell_folder / FILE_NAME
    write_json_atomically(path, outcome.to_json())
    return path


def read_outcome(path: Path) -> Outcome:
    """The outcome in a JSON file.

    Raises:
        GenobenchError: If the file cannot be read or is no outcome of this schema; the message names the file.
    """
    try:
        return Outcome.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, AttributeError, TypeError, GenobenchError) as error:
        raise GenobenchError(f"The file {path} is not an outcome that can be read: {error}") from error


def read_local_outcomes(home: Path, on_damage: Callable[[str], None]) -> list[tuple[Outcome, Path]]:
    """The outcomes of all finished cells under a home.

    Args:
        home: The folder of `genobench.home.genobench_home`.
        on_damage: Told of the first outcomes that cannot be read (damaged, or of another version), and how many more there are; they are
            left out.

    Returns:
        Each outcome with its cell's folder, in the order of their ends (then of their cell ids).
    """
    found, damaged = [], []
    for path in sorted((home / "cells").glob(f"*/{FILE_NAME}")):
        try:
            found.append((read_outcome(path), path.parent))
        except GenobenchError as error:
            damaged.append(str(error))
    for text in damaged[:_MOST_TOLD]:
        on_damage(f"{text} It is left out; the cell's own command writes it anew.")
    if len(damaged) > _MOST_TOLD:
        on_damage(f"{len(damaged) - _MOST_TOLD} more outcomes cannot be read and are left out likewise.")
    return sorted(found, key=lambda pair: (pair[0].created_at, pair[0].cell_id))


def _to_json(value: Any) -> Any:
    if isinstance(value, (Band, ScoreRecord)):
        return value.to_json()
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(item) for item in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    raise GenobenchError(f"An outcome holds {value!r} of type {type(value).__name__}; it must hold JSON values only.")


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _check_keys(cls: type[Any], values: Mapping[str, Any]) -> None:
    known = {item.name for item in fields(cls)}
    unknown, absent = sorted(values.keys() - known), sorted(known - values.keys())
    if unknown or absent:
        complaint = " and ".join([f"has the unknown key '{key}'" for key in unknown[:1]] + [f"lacks the key '{key}'" for key in absent[:1]])
        raise GenobenchError(f"The JSON form of {cls.__name__} {complaint}; schema {SCHEMA} has the keys {', '.join(sorted(known))}.")
