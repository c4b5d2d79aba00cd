"""What runs in the scoring worker: a comparison and its requests → the scores of each metric, or a band of real draws.

`python -m genobench.scoring JOB.json`. A metric that raises costs its own scores; one that crashes the process costs only itself too, since
each metric's record is written as soon as it is there and the parent starts again without it.
"""

from __future__ import annotations

import json
import math
import sys
import time
import traceback
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from genobench.contracts import Comparison, Distances, FitContext, Prediction, Predictions, Score, Trait
from genobench.errors import ContractError
from genobench.events import Events, end_with_parent
from genobench.home import write_json_atomically
from genobench.registry import Registry, load_registry
from genobench.storage import read_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from genobench.contracts import Classifier, Distance, Metric, Part, Request
    from genobench.genotypes import Genotypes
    from genobench.statgen import Imputer

N_DRAWS: Final = 100
"""Draws of real samples in a band."""

BAND_VERSION: Final = 2
"""Of the way in which bands are drawn; bands of another version are computed again."""

_MOST_DISTANCE_BYTES: Final = 1 << 31


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
    comparison = _read_comparison(job)
    requests = _Requests(load_registry(), comparison.train)
    for name, record_file in job.metrics.items():
        events.phase(name)
        begin = time.perf_counter()
        record_of = _score_record if job.synthetic else _band_record
        record = record_of(requests, name, comparison, job, events)
        record["seconds"] = round(time.perf_counter() - begin, 3)
        write_json_atomically(Path(record_file), _without_nan(record))
    events.send("end", status="ok", phase="done", message="")
    return 0


def _read_comparison(job: ScoringJob) -> Comparison:
    real: tuple[Part, ...] = ("train", "holdout", "nonmembers")
    groups: dict[Part, NDArray[np.intp]] = {part: np.asarray(job.groups[part], dtype=np.intp) for part in real}
    train = read_store(Path(job.train))
    return Comparison(
        trait=Trait.from_json(job.trait),
        train=train,
        holdout=read_store(Path(job.holdout)),
        nonmembers=read_store(Path(job.nonmembers)),
        synthetic=read_store(Path(job.synthetic)) if job.synthetic else train,
        groups=groups,
    )


def _score_record(requests: _Requests, name: str, comparison: Comparison, job: ScoringJob, _events: Events) -> dict[str, Any]:
    """The scores of one metric; what goes wrong becomes the reason of a missing score."""
    metric, record = _open_metric(requests.registry, name, comparison.trait)
    if metric is None:
        return record
    shown = comparison
    if metric.family != "privacy":
        n_matched = min(comparison.holdout.n_samples, comparison.synthetic.n_samples)
        chosen = np.random.default_rng(job.seed).permutation(comparison.synthetic.n_samples)[:n_matched]
        shown = replace(comparison, synthetic=comparison.synthetic.take_samples(np.sort(chosen)))
    record["n_synthetic"] = shown.synthetic.n_samples
    record["values"] = [asdict(score) for score in _scored(metric, shown, requests, job.seed)]
    return record


def _band_record(requests: _Requests, name: str, comparison: Comparison, job: ScoringJob, events: Events) -> dict[str, Any]:
    """What real samples score in the place of synthetic ones, over `n_draws` draws."""
    metric, record = _open_metric(requests.registry, name, comparison.trait)
    if metric is None:
        return record
    values: dict[str, list[float]] = {spec.name: [] for spec in metric.scores}
    reasons: dict[str, str] = {}
    for draw, drawn in enumerate(_real_draws(metric, comparison, job, requests)):
        for score in _scored(metric, drawn, requests, job.seed):
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
        record["ceilings"] = {score.name: score.value for score in _scored(metric, whole, requests, job.seed)}
    return record


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


def _real_draws(metric: Metric, comparison: Comparison, job: ScoringJob, requests: _Requests) -> Iterator[Comparison]:
    """Comparisons in which real samples stand for the synthetic ones."""
    if metric.family == "privacy":
        yield from _unseen_attacks(comparison, job, requests)
        return
    generator = np.random.default_rng(job.seed)
    n_wanted = min(comparison.holdout.n_samples, comparison.train.n_samples)
    n_wanted = n_wanted if job.n_synthetic is None else min(n_wanted, job.n_synthetic)
    units = comparison.groups["train"] if job.has_families else np.arange(comparison.train.n_samples)
    for _ in range(job.n_draws):
        chosen = draw_whole_groups(units, n_wanted, generator)
        yield replace(comparison, synthetic=requests.take(comparison.train, chosen))


def _unseen_attacks(comparison: Comparison, job: ScoringJob, requests: _Requests) -> Iterator[Comparison]:
    """Attacks on real samples that nobody trained on.

    Training samples are no stand-ins, being copies of themselves; so train and nonmembers are thrown together and dealt out afresh, as
    `genobench.splitting.drawing.draw_unseen_attack` says. Such a band lies about guessing, and is as wide as the noise of members and
    nonmembers makes it.
    """
    from genobench.splitting.drawing import draw_unseen_attack

    pool = _pooled(comparison.train, comparison.nonmembers)
    groups = np.concatenate([comparison.groups["train"], comparison.groups["nonmembers"]])
    generator = np.random.default_rng(job.seed)
    for _ in range(job.n_draws):
        dealt = draw_unseen_attack(groups, n_nonmembers=comparison.nonmembers.n_samples, generator=generator)
        stand_in, members, others = (requests.take(pool, chosen) for chosen in dealt)
        shown = {**comparison.groups, "train": groups[dealt[1]], "nonmembers": groups[dealt[2]]}
        yield replace(comparison, synthetic=stand_in, train=members, nonmembers=others, groups=shown)


def _pooled(first: Genotypes, second: Genotypes) -> Genotypes:
    """The samples of two parts, one after the other, without phase."""
    import pandas as pd

    from genobench.calls import PackedCalls
    from genobench.genotypes import Genotypes

    packed = np.concatenate([np.asarray(first.calls.packed), np.asarray(second.calls.packed)])
    samples = pd.concat([first.samples, second.samples], ignore_index=True)
    return Genotypes(calls=PackedCalls(packed=packed, n_variants=first.n_variants), samples=samples, variants=first.variants)


def draw_whole_groups(groups: NDArray[np.intp], n_wanted: int, generator: np.random.Generator) -> NDArray[np.intp]:
    """Positions of n_wanted samples made of whole groups in a random order; only the last group may be cut.

    Args:
        groups: A number per sample that relatives share, shape (n_samples,).
        n_wanted: How many positions; at most n_samples.
        generator: The source of randomness.

    Returns:
        Positions in ascending order, shape (n_wanted,).
    """
    rank = np.empty(int(groups.max()) + 1, dtype=np.intp)
    labels = np.unique(groups)
    rank[labels] = generator.permutation(len(labels))
    order = np.lexsort((generator.random(len(groups)), rank[groups]))
    return np.sort(order[:n_wanted])


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


def _scored(metric: Metric, comparison: Comparison, requests: _Requests, seed: int) -> list[Score]:
    """The declared scores in their declared order; NaN with a reason where the metric raises or breaks its contract."""
    declared = [spec.name for spec in metric.scores]
    try:
        results = {request: requests.result(request, comparison) for request in metric.needs(comparison.trait)}
        given = {score.name: score for score in metric.score(replace(comparison, results=results), seed=seed)}
        if sorted(given) != sorted(declared):
            raise ContractError(f"{type(metric).__name__} declares the scores {declared} and gave {sorted(given)}.")
    except Exception as error:  # noqa: BLE001 - the plugin boundary: a metric that raises costs its own scores
        traceback.print_exc()
        return [Score(name=name, value=math.nan, reason=f"{type(error).__name__}: {error}") for name in declared]
    return [
        score if math.isfinite(score.value) or score.reason else replace(score, value=math.nan, reason="not finite, no reason given")
        for score in (given[name] for name in declared)
    ]


@dataclass(frozen=True)
class _Drawn:
    """Samples drawn from a part: the part, and their positions in it."""

    source: Genotypes
    positions: NDArray[np.intp]


class _Requests:
    """Computes what metrics ask for, once.

    Distances between parts are kept, and those of samples drawn from a part are read off the part's own: a band of 100 draws costs one
    matrix, not a hundred.
    """

    def __init__(self, registry: Registry, train: Genotypes) -> None:
        self.registry = registry
        self._train = train
        self._kept: dict[Any, tuple[tuple[Genotypes, ...], Any]] = {}
        self._drawn: list[tuple[Genotypes, _Drawn]] = []
        self._imputer: Imputer | None = None

    def take(self, source: Genotypes, positions: NDArray[np.intp]) -> Genotypes:
        """Samples drawn from a part; only the last three draws are remembered."""
        taken = source.take_samples(positions)
        self._drawn = [*self._drawn[-2:], (taken, _Drawn(source, positions))]
        return taken

    def result(self, request: Request, comparison: Comparison) -> Any:
        """The answer to one request."""
        match request:
            case Distances():
                return self._distances(request, comparison)
            case Predictions():
                return self._predictions(request, comparison)

    def _distances(self, request: Distances, comparison: Comparison) -> NDArray[np.int32]:
        queries, references = (self._origin(comparison.part(part)) for part in (request.queries, request.references))
        whole = self._whole_distances(queries.source, references.source, request.distance)
        return whole[np.ix_(queries.positions, references.positions)]

    def _origin(self, genotypes: Genotypes) -> _Drawn:
        for taken, drawn in self._drawn:
            if taken is genotypes:
                return drawn
        return _Drawn(genotypes, np.arange(genotypes.n_samples))

    def _whole_distances(self, queries: Genotypes, references: Genotypes, distance: Distance) -> NDArray[np.int32]:
        from genobench.statgen import pairwise_distances

        n_bytes = 4 * queries.n_samples * references.n_samples
        if n_bytes > _MOST_DISTANCE_BYTES:
            raise MemoryError(
                f"distances between {queries.n_samples} and {references.n_samples} samples take {n_bytes / 2**30:.1f} GiB; "
                "the budget is 2 GiB"
            )
        sources = (queries, references)
        whole: NDArray[np.int32] = self._keep(
            ("distances", distance), sources, lambda: pairwise_distances(self._calls(queries), self._calls(references), distance)
        )
        return whole

    def _calls(self, genotypes: Genotypes) -> NDArray[np.int8]:
        from genobench.statgen import Imputer

        if self._imputer is None:
            self._imputer = Imputer.fit(self._train.to_array())
        imputer = self._imputer
        calls: NDArray[np.int8] = self._keep(("calls",), (genotypes,), lambda: imputer.complete(genotypes.to_array()))
        return calls

    def _keep(self, name: tuple[str, ...], sources: tuple[Genotypes, ...], compute: Callable[[], Any]) -> Any:
        """The value made from these very genotypes, which are held on to so that their identity stays theirs."""
        key = (name, *(id(source) for source in sources))
        if key not in self._kept:
            self._kept[key] = (sources, compute())
        return self._kept[key][1]

    def _predictions(self, request: Predictions, comparison: Comparison) -> Prediction | str:
        trait = comparison.trait
        source = comparison.part(request.arm)
        if trait.column not in source.samples.columns:
            return f"the {request.arm} samples carry no '{trait.column}'"
        classifier: Classifier = self.registry.load("classifier", request.classifier)()
        if trait.kind not in classifier.trait_kinds:
            return f"the classifier '{request.classifier}' takes no {trait.kind} trait"
        n_values = source.samples[trait.column].nunique()
        if n_values < 2:
            return f"the trait '{trait.column}' has {n_values} distinct value in the {request.arm} samples"
        withheld = [column for column in comparison.holdout.samples.columns if column in ("id", *trait.covariates)]
        with TemporaryDirectory() as folder:
            context = FitContext(trait=trait, seed=0, device="cpu", folder=Path(folder))
            predictor = classifier.fit(source, context)
        predicted = predictor.predict(comparison.holdout.with_samples(comparison.holdout.samples[withheld]))
        if len(predicted) != comparison.holdout.n_samples or not np.isfinite(predicted).all():
            raise ContractError(
                f"The classifier '{request.classifier}' gave predictions of shape {np.shape(predicted)}, "
                f"{int((~np.isfinite(predicted)).sum())} of them not finite, for a holdout of {comparison.holdout.n_samples} samples."
            )
        observed = comparison.holdout.samples[trait.column]
        truth = observed.to_numpy(dtype=float) if trait.kind == "quantitative" else observed.astype(str).to_numpy(dtype=object)
        groups = comparison.groups.get("holdout", np.arange(comparison.holdout.n_samples))
        return Prediction(truth=truth, predicted=predicted, classes=predictor.classes, groups=groups)


def _without_nan(value: Any) -> Any:
    """The value with None for every NaN or infinity, as JSON asks."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
