"""Scores of any synthetic file against files of real samples: read, align, keep, score.

Everything is kept under `GENOBENCH_HOME/score` by the hash of what it was made from, so the same question is answered at once and one that
was killed goes on: `inputs/` says what files of these bytes became, `parts/` holds genotypes, `records/` scores. Bands lie with all others.
"""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench import __version__
from genobench.cells import hash_json
from genobench.draws import N_DRAWS
from genobench.errors import UnknownNameError
from genobench.evaluation import RealParts, score_cell
from genobench.external.stored import store_parts
from genobench.planning import check_score_names
from genobench.registry import load_target
from genobench.settings import settings_json, with_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from genobench.contracts import Metric, Part
    from genobench.events import OnEvent
    from genobench.external.parts import FileRequest
    from genobench.external.stored import StoredParts
    from genobench.outcomes import ScoreRecord
    from genobench.registry import Registered, Registry

_REAL: Final[tuple[Part, ...]] = ("train", "holdout", "nonmembers")


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """What to score, and how.

    Args:
        files: Which files are what.
        only: Names of metrics or of single scores; empty for all, those that are computed on request only among them.
        settings: Given to every metric that has a setting of that name.
        n_draws: Draws of real samples in a band.
        seed: Of subsampling, draws and metrics.
    """

    files: FileRequest
    only: tuple[str, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    n_draws: int = N_DRAWS
    seed: int = 0


@dataclass(frozen=True, eq=False)
class FileScores:
    """What came out.

    Args:
        parts: What was compared.
        scores: One for each declared score that applies.
        settings: Of each metric by qualified name, defaults included; a metric that cannot be loaded has none.
        seed: Of the scores.
        log: What metrics wrote while they worked.
    """

    parts: StoredParts
    scores: tuple[ScoreRecord, ...]
    settings: Mapping[str, Mapping[str, Any]]
    seed: int
    log: Path

    def to_json(self) -> dict[str, Any]:
        """All of it as one JSON object without NaN."""
        parts = self.parts
        return {
            "genobench": __version__,
            "seed": self.seed,
            "files": dict(parts.files),
            "variants": dict(parts.variants),
            "trait": asdict(parts.trait) if parts.trait.column else None,
            "notes": list(parts.notes),
            "warnings": list(parts.warnings),
            "scores": [self._score_json(score) for score in self.scores],
        }

    def _score_json(self, score: ScoreRecord) -> dict[str, Any]:
        written = score.to_json()
        bounds = score.bounds
        shown = {"interval": None if bounds is None or not np.isfinite(bounds).all() else list(bounds), "scaled": score.scaled}
        return {**written, **shown, "settings": dict(self.settings.get(score.plugin, {}))}


def score_files(request: ScoringRequest, *, registry: Registry, home: Path, on_event: OnEvent = lambda _event: None) -> FileScores:
    """Score a synthetic file against real ones.

    Args:
        request: What to score, and how.
        registry: Where metrics come from.
        home: Of everything that is kept.
        on_event: Told of stages and of the events of workers.

    Returns:
        The scores, and what they were computed from.

    Raises:
        GenobenchError: If a file, a name or a setting is wrong; a metric that fails costs its own scores only.
    """
    metrics, wanted = find_metrics(request.only, registry)
    check_score_names(metrics)
    settings = {entry.qualified_name: _settings_of(entry, request.settings, on_event) for entry in metrics}
    stored = store_parts(request.files, home / "score", on_event)
    identity = hash_json([[stored.stores[part].name if part in stored.stores else None for part in _REAL], stored.groups])
    key = hash_json([identity, stored.stores["synthetic"].name, asdict(stored.trait), stored.has_families, request.seed])[:16]
    folder = home / "score" / "records" / key
    folder.mkdir(parents=True, exist_ok=True)
    parts = RealParts(
        identity=identity,
        train=stored.stores["train"],
        holdout=stored.stores.get("holdout"),
        nonmembers=stored.stores.get("nonmembers"),
        groups={part: stored.groups.get(part, []) for part in _REAL},
        has_families=stored.has_families,
        seed=request.seed,
    )
    scores = score_cell(
        stored.stores["synthetic"],
        folder,
        parts=parts,
        trait=stored.trait,
        metrics=metrics,
        registry=registry,
        bands=home / "bands",
        n_draws=request.n_draws,
        settings={name: given for name, (given, _) in settings.items() if given},
        log=folder / "log.txt",
        on_event=on_event,
    )
    return FileScores(
        parts=stored,
        scores=tuple(score for score in scores if not wanted or score.plugin not in wanted or score.metric in wanted[score.plugin]),
        settings={name: whole for name, (_, whole) in settings.items()},
        seed=request.seed,
        log=folder / "log.txt",
    )


def write_file_report(scored: FileScores, path: Path) -> Path:
    """Draw the page of what was scored: figures and scores, with how the files met.

    Args:
        scored: What came out.
        path: The .html; replaced whole.

    Returns:
        `path`.
    """
    from threadpoolctl import threadpool_limits

    from genobench.report.page import write_report

    parts = scored.parts
    variants = parts.variants
    facts = {
        **{
            part: f"{file['path']}, {file['samples']:,} samples x {file['variants']:,} variants, sha256 {file['sha256'][:12]}"
            for part, file in parts.files.items()
        },
        "variants": f"{variants['matched']:,} in all files; {variants['flipped']:,} flipped, {variants['dropped']:,} dropped",
        "notes": " ".join([*parts.notes, *parts.warnings]),
        "genobench": f"{__version__}, seed {scored.seed}",
    }
    title = f"{Path(parts.files['synthetic']['path']).name} against {Path(parts.files['train']['path']).name}"
    with threadpool_limits(limits=1):  # As for scores: the products are small.
        return write_report(
            path, parts.comparison(), scored.scores, title=title, facts=facts, seed=scored.seed, has_families=parts.has_families
        )


def find_metrics(names: Iterable[str], registry: Registry) -> tuple[tuple[Registered, ...], Mapping[str, frozenset[str]]]:
    """The metrics to compute.

    Args:
        names: Of metrics, or of single scores; none for all metrics.
        registry: Where they come from.

    Returns:
        The metrics, and for those of which single scores are wanted, by qualified name, which.

    Raises:
        UnknownNameError: If nobody gives a metric or a score of that name; the message gives the nearest.
    """
    offers = registry.offers("metric")
    wanted: dict[str, set[str] | None] = {}
    for name in names:
        if any(name in (entry.name, entry.qualified_name) for entry in offers):
            wanted[registry.find("metric", name).qualified_name] = None
            continue
        givers = {score: entry for entry in offers for score in _score_names(entry)}
        if name not in givers:
            known = sorted({*givers, *(entry.name for entry in offers)})
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"Did you mean '{nearest[0]}'?" if nearest else f"There are: {', '.join(entry.name for entry in offers)}."
            raise UnknownNameError(f"There is no metric and no score '{name}'. {hint}")
        scores = wanted.setdefault(givers[name].qualified_name, set())
        if scores is not None:
            scores.add(name)
    chosen = tuple(entry for entry in offers if not wanted or entry.qualified_name in wanted)
    return chosen, {name: frozenset(scores) for name, scores in wanted.items() if scores is not None}


def _score_names(entry: Registered) -> tuple[str, ...]:
    try:
        return tuple(spec.name for spec in load_target("metric", entry).scores)
    except Exception:  # noqa: BLE001 - the plugin boundary: a metric that cannot be loaded gives no score
        return ()


def _settings_of(entry: Registered, settings: Mapping[str, Any], on_event: OnEvent) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those of the settings that the metric has, and all that it then has.

    Raises:
        SettingsError: If a value does not fit.
    """
    try:
        metric: type[Metric] = load_target("metric", entry)
        names: list[str] = [field.name for field in dataclasses.fields(metric)] if dataclasses.is_dataclass(metric) else []
        whole = settings_json(metric()) if names else {}
    except Exception as error:  # noqa: BLE001 - the plugin boundary: what fails here costs its own scores
        on_event({"event": "warning", "message": f"The metric {entry.qualified_name} gives no scores: {error}"})
        return {}, {}
    given = {name: value for name, value in settings.items() if name in names and whole[name] != value}
    return given, settings_json(with_settings(metric, given)) if given else whole
