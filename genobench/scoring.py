"""What runs in the scoring worker: a comparison and its requests → the scores of each metric, or what stands beside them.

Beside scores stand the band of real draws, the anchor of a control, and for attacks the self-check; none depends on the generator.

`python -m genobench.scoring JOB.json`. A metric that raises costs its own scores; one that crashes the process costs only itself too, since
each metric's record is written as soon as it is there and the parent starts again without it.
"""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from genobench.answers import Answers
from genobench.comparing import limited, masked, matched, sizes
from genobench.contracts import Comparison, FitContext, Predictions, Score, Trait
from genobench.declarations import check_demands, checked, declared
from genobench.draws import N_DRAWS, exchange_check, real_draws, unseen_attacks
from genobench.events import Events, end_with_parent, message_of
from genobench.home import NO_ROOM, write_json_atomically
from genobench.registry import Registry, load_registry
from genobench.settings import with_settings
from genobench.storage import read_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from genobench.contracts import Generator, Metric, Part

_ANCHORS: Final[Mapping[str, str]] = {"fidelity": "genobench/independent", "privacy": "genobench/copy"}
"""The control at the other end of the scale from real samples, by family."""

_NAMES: Final[Mapping[str, str]] = {"nonmembers": "nonmembers", "holdout": "holdout samples", "train": "training samples"}

_FEWEST_TO_CHECK: Final = 8
"""With fewer nonmembers than this an attack cannot be checked."""


@dataclass(frozen=True)
class ScoringJob:
    """What a scoring worker is asked to do, as JSON.

    Args:
        metrics: Qualified metric names, each with the file that its record is written to.
        trait: The trait, as its fields.
        train: Store of the training part.
        holdout: Store of the part to compare with (validation, while tuning); "" where nobody has one.
        nonmembers: Store of the nonmembers; "" where nobody has them.
        synthetic: Store of the synthetic samples; "" for what stands beside scores.
        groups: For train, holdout and nonmembers: a number per sample that relatives share.
        has_families: Whether the split kept groups whole; the band then draws whole groups.
        seed: Of subsampling, draws and metrics.
        n_draws: Draws of a band.
        n_synthetic: For a band: the synthetic samples of the cells that it is for, where they are fewer than the holdout's.
        settings: Of metrics, by qualified name, where they differ from the defaults.
        causal: What one ALT allele adds to the trait, by the id of each variant that makes it; None where the dataset names none.
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
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    causal: Mapping[str, float] | None = None

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
    bench = _Bench.open(registry, job)
    before = _fingerprint(bench.comparison)
    for name, record_file in sorted(job.metrics.items(), key=lambda item: _needs(bench, item[0])):
        events.phase(name)
        begin = time.perf_counter()
        record = _score_record(bench, name) if job.synthetic else _band_record(bench, name, events)
        record["seconds"] = round(time.perf_counter() - begin, 3)
        write_json_atomically(Path(record_file), _without_nan(record))
        if _fingerprint(bench.comparison) != before:
            print(f"{name} changed the tables it was given; those after it are handed fresh ones.", file=sys.stderr)  # noqa: T201 - the log
            bench = _Bench.open(registry, job)
    events.send("end", status="ok", phase="done", message="")
    return 0


def _needs(bench: _Bench, name: str) -> tuple[str, str]:
    """What metrics are ordered by, so that those which ask for the same matrices follow one another.

    Other distributions' metrics come last and are not asked: whatever they do, they do in their own turn.
    """
    metric = _open_metric(bench, name)[0] if name.startswith("genobench/") else None
    return ("~" if metric is None else repr(metric.needs(bench.comparison.trait)), name)


@dataclass(frozen=True, eq=False)
class _Bench:
    """A job's comparison in the forms that metrics are shown, each made once, so that answers are shared.

    Args:
        job: What is asked for.
        comparison: All parts as they are.
        answers: To the requests of all metrics.
        controls: The same with a control's samples for synthetic ones, by the control's name.
        smaller: The same with fewer samples, by the most that a part and that train holds.
    """

    job: ScoringJob
    comparison: Comparison
    answers: Answers
    controls: dict[str, _Bench] = field(default_factory=dict)
    smaller: dict[tuple[int, int], _Bench] = field(default_factory=dict)

    @classmethod
    def open(cls, registry: Registry, job: ScoringJob) -> Self:
        comparison = _read_comparison(job)
        return cls(job=job, comparison=comparison, answers=Answers(registry, comparison.train))

    @cached_property
    def matched(self) -> Comparison:
        """With as many synthetic samples as the holdout has."""
        return matched(self.comparison, seed=self.job.seed)

    @cached_property
    def masked(self) -> Comparison:
        """The same, the calls of the synthetic samples missing that are missing in the holdout."""
        return masked(self.matched, seed=self.job.seed)

    def sized_for(self, metric: Metric, *, is_for_draws: bool = False) -> _Bench:
        """With no more samples of a part than the metric is shown.

        Where stand-ins are drawn from train it holds twice as many: drawn from no more than are wanted, all draws would be the same.
        """
        most, is_pool = metric.most_samples, is_for_draws and "holdout" in metric.parts
        key = (most, 2 * most if is_pool else most)
        if all(size <= (key[1] if part == "train" else most) for part, size in sizes(self.comparison).items()):
            return self
        if key not in self.smaller:
            comparison = limited(self.comparison, seed=self.job.seed, most_samples=most, most_in_train=key[1])
            answers = Answers(self.answers.registry, comparison.train)
            self.smaller[key] = _Bench(job=self.job, comparison=comparison, answers=answers)
        return self.smaller[key]

    def with_control(self, family: str) -> _Bench:
        """Samples of the family's control stand for the synthetic ones.

        They are as many as the training samples; for fidelity no more than a cell has and the band draws, since errors fall with numbers.
        """
        name = _ANCHORS[family]
        if name not in self.controls:
            control: Generator = self.answers.registry.load("generator", name)()
            train = self.comparison.train
            n_samples = train.n_samples
            if family == "fidelity" and self.job.n_synthetic is not None:
                n_samples = min(n_samples, self.job.n_synthetic)
            with TemporaryDirectory() as folder:
                context = FitContext(trait=self.comparison.trait, seed=self.job.seed, device="cpu", folder=Path(folder))
                synthetic = control.fit(train, context).generate(n_samples, seed=self.job.seed)
            comparison = replace(self.comparison, synthetic=synthetic)
            self.controls[name] = _Bench(job=self.job, comparison=comparison, answers=self.answers)
        return self.controls[name]

    def shown_to(self, metric: Metric) -> Comparison:
        if "holdout" not in metric.parts:
            return self.comparison
        return self.masked if metric.family == "fidelity" else self.matched

    def reason_for_none(self, metric: Metric) -> str | None:
        """Why the metric has no score here; None where it may have one."""
        absent = [part for part in metric.parts if not self.comparison.part(part).n_samples]
        if absent:
            names = [_NAMES.get(part, f"{part} samples") for part in absent]
            return f"It compares {', '.join(metric.parts)}, and there are no {' and no '.join(names)}."
        if metric.family == "utility" and not self.comparison.trait.column:
            return "It needs a phenotype, and none was given."
        return None


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
    nobody = train.take_samples(np.zeros(0, dtype=np.intp))
    return Comparison(
        trait=Trait.from_json(job.trait),
        train=train,
        holdout=read_store(Path(job.holdout)) if job.holdout else nobody,
        nonmembers=read_store(Path(job.nonmembers)) if job.nonmembers else nobody,
        synthetic=read_store(Path(job.synthetic)) if job.synthetic else train,
        groups=MappingProxyType(groups),  # What a metric took out of it would be lost to those after it.
        causal=None if job.causal is None else MappingProxyType(dict(job.causal)),
    )


def _score_record(bench: _Bench, name: str) -> dict[str, Any]:
    """The scores of one metric; what goes wrong becomes the reason of a missing score."""
    metric, record = _open_metric(bench, name)
    if metric is None:
        return record
    bench = bench.sized_for(metric)
    shown = bench.shown_to(metric)
    record["samples"] = dict(sizes(shown))
    reason = bench.reason_for_none(metric)
    if reason is not None:
        scores = [Score(name=spec.name, value=math.nan, reason=reason) for spec in metric.scores]
    else:
        scores = _scored(metric, shown, bench.answers, bench.job.seed)
    record["values"] = [asdict(score) for score in scores]
    return record


def _band_record(bench: _Bench, name: str, events: Events) -> dict[str, Any]:
    """What real samples score in the place of synthetic ones, over `n_draws` draws; the anchor; and for attacks the self-check."""
    metric, record = _open_metric(bench, name)
    if metric is None or bench.reason_for_none(metric) is not None:
        return record
    bench, seed = bench.sized_for(metric, is_for_draws=True), bench.job.seed
    values: dict[str, list[float]] = {spec.name: [] for spec in metric.scores}
    reasons: dict[str, str] = {}
    for draw, drawn in enumerate(_draws(bench, metric)):
        for score in _scored(metric, drawn, bench.answers, seed):
            if math.isfinite(score.value):
                values[score.name].append(score.value)
            else:
                reasons[score.name] = score.reason or "not finite"
        events.step(draw + 1, {"total_steps": bench.job.n_draws})
    record["bands"] = {key: _summary(drawn_values) for key, drawn_values in values.items()}
    record["reasons"] = reasons
    # Of what a classifier predicts: other metrics cut the synthetic samples to the holdout, and all of train would be a draw of the band.
    requests = metric.needs(bench.comparison.trait) if metric.family == "utility" else ()
    if any(isinstance(request, Predictions) for request in requests):
        whole = replace(bench.comparison, synthetic=bench.comparison.train)
        record["ceilings"] = _values(_scored(metric, whole, bench.answers, seed))
    if metric.family in _ANCHORS:
        anchored = bench.with_control(metric.family).shown_to(metric)
        record["anchors"] = _values(_scored(metric, anchored, bench.answers, seed))
    if any(spec.chance is not None for spec in metric.scores):
        record["checks"] = [asdict(score) for score in _checked(bench, metric)]
    return record


def _checked(bench: _Bench, metric: Metric) -> list[Score]:
    """What an attack finds where nonmembers stand for the synthetic samples."""
    n_nonmembers = bench.comparison.nonmembers.n_samples
    if n_nonmembers < _FEWEST_TO_CHECK:
        reason = f"That takes {_FEWEST_TO_CHECK} nonmembers, and there are {n_nonmembers}."
        return [Score(name=spec.name, value=math.nan, reason=reason) for spec in metric.scores]
    return _scored(metric, exchange_check(bench.comparison, bench.answers, seed=bench.job.seed), bench.answers, bench.job.seed)


def _draws(bench: _Bench, metric: Metric) -> Iterator[Comparison]:
    job, comparison, answers = bench.job, bench.comparison, bench.answers
    if job.n_draws == 0:
        return iter(())
    if "holdout" in metric.parts:
        return real_draws(
            comparison, answers, n_draws=job.n_draws, n_synthetic=job.n_synthetic, has_families=job.has_families, seed=job.seed
        )
    if metric.family != "privacy" or not comparison.nonmembers.n_samples:
        # Fidelity to train itself depends on the numbers of samples, and no other real samples are as many.
        return iter(())
    return unseen_attacks(comparison, answers, n_draws=job.n_draws, seed=job.seed)


def _values(scores: list[Score]) -> dict[str, float]:
    return {score.name: score.value for score in scores}


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


def _open_metric(bench: _Bench, name: str) -> tuple[Metric | None, dict[str, Any]]:
    """The metric and the head of its record; no metric, and a record without values, where it cannot be loaded or does not apply."""
    record = empty_record(name)
    try:
        loaded = bench.answers.registry.load("metric", name)
        settings = bench.job.settings.get(name)
        metric: Metric = with_settings(loaded, settings) if settings else loaded()
        head = declared(metric)
        check_demands(metric)
        applies = bool(metric.applies_to(bench.comparison.trait))
    except Exception as error:  # noqa: BLE001 - the plugin boundary: what cannot be opened costs its own scores, and says why
        traceback.print_exc()
        record["error"] = message_of(error)
        return None, record
    if not applies:
        return None, record
    return metric, record | head


def empty_record(name: str) -> dict[str, Any]:
    """The record of a metric that has given nothing yet."""
    lists: dict[str, Any] = {"specs": [], "values": [], "checks": []}
    tables: dict[str, Any] = {"samples": {}, "bands": {}, "ceilings": {}, "anchors": {}, "reasons": {}}
    return {"plugin": name, "family": None, **lists, **tables}


def _scored(metric: Metric, comparison: Comparison, answers: Answers, seed: int) -> list[Score]:
    """The declared scores in their declared order; NaN with a reason where the metric raises or breaks its contract."""
    try:
        results = {request: answers.answer(request, comparison) for request in metric.needs(comparison.trait)}
        return checked(metric.score(replace(comparison, results=results), seed=seed), metric)
    except Exception as error:
        # The plugin boundary: a metric that raises costs its own scores. A full disk is not its fault, and must not stand in its record.
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        traceback.print_exc()
        return [Score(name=spec.name, value=math.nan, reason=message_of(error)) for spec in metric.scores]


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
