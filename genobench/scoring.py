"""What runs in the scoring worker: a comparison and its requests → the scores of each metric, or a band of real draws.

`python -m genobench.scoring JOB.json`. A metric that raises costs its own scores; one that crashes the process costs only itself too, since
each metric's record is written as soon as it is there and the parent starts again without it.
"""

from __future__ import annotations

import errno
import json
import math
import sys
import time
import traceback
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from genobench.answers import Answers
from genobench.contracts import Comparison, Score, Trait
from genobench.draws import real_draws, unseen_attacks
from genobench.errors import ContractError
from genobench.events import Events, end_with_parent
from genobench.home import write_json_atomically
from genobench.registry import Registry, load_registry
from genobench.storage import read_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from genobench.contracts import Metric, Part

N_DRAWS: Final = 100
"""Draws of real samples in a band."""

BAND_VERSION: Final = 2
"""Of the way in which bands are drawn; bands of another version are computed again."""


@dataclass(frozen=True)
class ScoringJob:
    """What a scoring worker is asked to do, as JSON.

    Args:
        metrics: Qualified metric names, each with the file that its record is written to.
        trait: The trait, as its fields.
        train: Store of the training part.
        holdout: Store of the part to compare with (validation, while tuning).
        nonmembers: Store of the nonmembers.
        synthetic: Store of the synthetic samples; "" for a band.
        groups: For train, holdout and nonmembers: a number per sample that relatives share.
        has_families: Whether the split kept groups whole; the band then draws whole groups.
        seed: Of subsampling, draws and metrics.
        n_draws: Draws of a band.
        n_synthetic: For a band: the synthetic samples of the cells that it is for, where they are fewer than the holdout's.
    """

    metrics: Mapping[str, str]
    trait: Mapping[str, Any]
    train: str
    holdout: str
    nonmembers: str
    synthetic: str
    groups: Mapping[str, list[int]]
    has_families: bool
    seed: int
    n_draws: int = N_DRAWS
    n_synthetic: int | None = None

    def write(self, path: Path) -> Path:
        """Write the job as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """The reverse of `write`."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def main(arguments: list[str]) -> int:
    """Run the job in `arguments[0]`: one record a metric."""
    events = Events.take_stdout()
    end_with_parent()
    job = ScoringJob.read(Path(arguments[0]))
    registry = load_registry()
    comparison = _read_comparison(job)
    answers, before = Answers(registry, comparison.train), _fingerprint(comparison)
    for name, record_file in job.metrics.items():
        events.phase(name)
        begin = time.perf_counter()
        record_of = _score_record if job.synthetic else _band_record
        record = record_of(answers, name, comparison, job, events)
        record["seconds"] = round(time.perf_counter() - begin, 3)
        write_json_atomically(Path(record_file), _without_nan(record))
        if _fingerprint(comparison) != before:
            print(f"{name} changed the tables it was given; those after it are handed fresh ones.", file=sys.stderr)  # noqa: T201 - the log
            comparison = _read_comparison(job)
            answers = Answers(registry, comparison.train)
    events.send("end", status="ok", phase="done", message="")
    return 0


def _fingerprint(comparison: Comparison) -> list[tuple[tuple[str, ...], int]]:
    """Of the tables of a comparison: all in it that a metric can change for those after it, since arrays are read-only."""
    from pandas.util import hash_pandas_object

    parts = (comparison.train, comparison.holdout, comparison.nonmembers, comparison.synthetic)
    tables = [table for part in parts for table in (part.samples, part.variants)]
    return [(tuple(map(str, table.columns)), hash(tuple(hash_pandas_object(table)))) for table in tables]


def _read_comparison(job: ScoringJob) -> Comparison:
    real: tuple[Part, ...] = ("train", "holdout", "nonmembers")
    groups: dict[Part, NDArray[np.intp]] = {part: np.asarray(job.groups[part], dtype=np.intp) for part in real}
    for numbers in groups.values():
        numbers.setflags(write=False)
    train = read_store(Path(job.train))
    return Comparison(
        trait=Trait.from_json(job.trait),
        train=train,
        holdout=read_store(Path(job.holdout)),
        nonmembers=read_store(Path(job.nonmembers)),
        synthetic=read_store(Path(job.synthetic)) if job.synthetic else train,
        groups=groups,
    )


def _score_record(answers: Answers, name: str, comparison: Comparison, job: ScoringJob, _events: Events) -> dict[str, Any]:
    """The scores of one metric; what goes wrong becomes the reason of a missing score."""
    metric, record = _open_metric(answers.registry, name, comparison.trait)
    if metric is None:
        return record
    shown = comparison
    if metric.family != "privacy":
        n_matched = min(comparison.holdout.n_samples, comparison.synthetic.n_samples)
        chosen = np.random.default_rng(job.seed).permutation(comparison.synthetic.n_samples)[:n_matched]
        shown = replace(comparison, synthetic=comparison.synthetic.take_samples(np.sort(chosen)))
    record["n_synthetic"] = shown.synthetic.n_samples
    record["values"] = [asdict(score) for score in _scored(metric, shown, answers, job.seed)]
    return record


def _band_record(answers: Answers, name: str, comparison: Comparison, job: ScoringJob, events: Events) -> dict[str, Any]:
    """What real samples score in the place of synthetic ones, over `n_draws` draws."""
    metric, record = _open_metric(answers.registry, name, comparison.trait)
    if metric is None:
        return record
    values: dict[str, list[float]] = {spec.name: [] for spec in metric.scores}
    reasons: dict[str, str] = {}
    for draw, drawn in enumerate(_draws(metric, comparison, job, answers)):
        for score in _scored(metric, drawn, answers, job.seed):
            if math.isfinite(score.value):
                values[score.name].append(score.value)
            else:
                reasons[score.name] = score.reason or "not finite"
        events.step(draw + 1, {"total_steps": job.n_draws})
    record["bands"] = {key: _summary(drawn_values) for key, drawn_values in values.items()}
    record["reasons"] = reasons
    record["ceilings"] = {}
    if metric.family == "utility":
        whole = replace(comparison, synthetic=comparison.train)
        record["ceilings"] = {score.name: score.value for score in _scored(metric, whole, answers, job.seed)}
    return record


def _draws(metric: Metric, comparison: Comparison, job: ScoringJob, answers: Answers) -> Iterator[Comparison]:
    if metric.family == "privacy":
        return unseen_attacks(comparison, answers, n_draws=job.n_draws, seed=job.seed)
    return real_draws(comparison, answers, n_draws=job.n_draws, n_synthetic=job.n_synthetic, has_families=job.has_families, seed=job.seed)


def _summary(values: list[float]) -> dict[str, Any] | None:
    if len(values) < 2:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return {
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
        "low": float(low),
        "high": float(high),
        "n_draws": len(values),
    }


def _open_metric(registry: Registry, name: str, trait: Trait) -> tuple[Metric | None, dict[str, Any]]:
    """The metric and the head of its record; no metric, and a record without values, where it cannot be loaded or does not apply."""
    record: dict[str, Any] = {"plugin": name, "specs": [], "family": None, "values": [], "bands": {}, "ceilings": {}, "reasons": {}}
    try:
        metric: Metric = registry.load("metric", name)()
        applies = metric.applies_to(trait)
    except Exception as error:  # noqa: BLE001 - the plugin boundary
        traceback.print_exc()
        record["error"] = f"{type(error).__name__}: {error}"
        return None, record
    if not applies:
        return None, record
    record |= {"specs": [asdict(spec) for spec in metric.scores], "family": metric.family}
    return metric, record


def _scored(metric: Metric, comparison: Comparison, answers: Answers, seed: int) -> list[Score]:
    """The declared scores in their declared order; NaN with a reason where the metric raises or breaks its contract."""
    declared = [spec.name for spec in metric.scores]
    try:
        results = {request: answers.answer(request, comparison) for request in metric.needs(comparison.trait)}
        given = {score.name: score for score in metric.score(replace(comparison, results=results), seed=seed)}
        if sorted(given) != sorted(declared):
            raise ContractError(f"{type(metric).__name__} declares the scores {declared} and gave {sorted(given)}.")
    except Exception as error:
        # The plugin boundary: a metric that raises costs its own scores. A full disk is not its fault, and must not stand in its record.
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        traceback.print_exc()
        return [Score(name=name, value=math.nan, reason=f"{type(error).__name__}: {error}") for name in declared]
    return [
        score if math.isfinite(score.value) or score.reason else replace(score, value=math.nan, reason="not finite, no reason given")
        for score in (given[name] for name in declared)
    ]


def _without_nan(value: Any) -> Any:
    """The value with None for every NaN or infinity, as JSON asks."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
