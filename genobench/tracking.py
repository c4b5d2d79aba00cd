"""MLflow: a projection of local records, one run an outcome, that can be rebuilt from them at any time.

The store is an SQLite file in the home unless `MLFLOW_TRACKING_URI` names another one, a server for example. This module alone imports
mlflow, and does so only when something is recorded or read.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from genobench.curves import read_curves
from genobench.errors import GenobenchError
from genobench.outcomes import FILE_NAME, Outcome, ScoreRecord, board_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EXPERIMENT_PREFIX: Final = "genobench/"
"""An experiment is named by this and the dataset."""

_CELL_TAG: Final = "genobench.cell_id"
_FIT_TAG: Final = "genobench.fit_sha256"
_OUTCOME_TAG: Final = "genobench.outcome_sha256"
_MOST_METRICS: Final = 1000
_MOST_TAGS: Final = 100
_MOST_CHARACTERS: Final = 5000
_RUNS_PER_PAGE: Final = 1000
_NOT_IN_A_NAME: Final = re.compile(r"[^\w\-. :/]")
_LOCK_SECONDS: Final = 120.0
_MILLISECONDS: Final = 1000
_DEFAULTS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
"""Set before mlflow is imported, unless the user has set them: it reports to its makers, waits minutes for a server that is gone, and
tells of its migrations."""


@dataclass(frozen=True)
class Store:
    """An open tracking store.

    Args:
        client: An `mlflow.MlflowClient`.
        artifacts: Where a new experiment keeps its files; None where the server says so.
    """

    client: Any
    artifacts: Path | None


def tracking_uri(home: Path) -> str:
    """Where outcomes are recorded: `MLFLOW_TRACKING_URI`, else an SQLite file in the home."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home / 'mlflow.db'}"


def record_outcome(outcome: Outcome, cell_folder: Path, home: Path) -> str:
    """Record one outcome as one run: parameters, scores with their noise, tags, curves and files.

    Recording it again changes nothing; recording it with more scores adds them to the run. A cell that was fitted anew gets a new run in
    place of the old one.

    Args:
        outcome: What to record.
        cell_folder: Its cell's folder; `outcome.json`, `cell.json`, `log.txt`, `curves.jsonl` and `report.html` are kept with the run if
            they are there.
        home: The folder of `genobench.home.genobench_home`.

    Returns:
        The run's id.

    Raises:
        GenobenchError: If the store cannot be reached or refuses; the local record stands.
    """
    with _open_store(home) as store:
        return _record(store, outcome, cell_folder)


def rebuild(home: Path, outcomes: Iterable[tuple[Outcome, Path]]) -> int:
    """Record outcomes that are not in the store yet, or are there in an older form.

    Args:
        home: The folder of `genobench.home.genobench_home`.
        outcomes: Each with its cell's folder, as `genobench.outcomes.read_local_outcomes` gives them.

    Returns:
        How many outcomes were handed in.

    Raises:
        GenobenchError: If the store cannot be reached or refuses; what was recorded by then stays.
    """
    with _open_store(home) as store:
        return len([_record(store, outcome, folder) for outcome, folder in outcomes])


def read_outcomes(home: Path, dataset: str | None = None) -> list[Outcome]:
    """The outcomes that the store holds.

    Args:
        home: The folder of `genobench.home.genobench_home`.
        dataset: Only those of this dataset; None for all.

    Returns:
        In the order of their ends.

    Raises:
        GenobenchError: If the store cannot be reached or holds an outcome that cannot be read.
    """
    outcomes = []
    with _open_store(home) as store:
        for experiment in store.client.search_experiments():
            if experiment.name.startswith(EXPERIMENT_PREFIX) and dataset in (None, experiment.name.removeprefix(EXPERIMENT_PREFIX)):
                runs = _all_runs(store.client, experiment.experiment_id)
                outcomes += [_read_outcome(store.client, run) for run in runs if _CELL_TAG in run.data.tags]
    return sorted(outcomes, key=lambda outcome: (outcome.created_at, outcome.cell_id))


@contextmanager
def _open_store(home: Path) -> Iterator[Store]:
    """Open the store under a lock: the first to open a fresh database migrates it, and two at once would fail."""
    uri = tracking_uri(home)
    _check_database(uri)
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    from filelock import FileLock, Timeout
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    is_server = uri.startswith(("http://", "https://", "databricks"))
    try:
        with FileLock(home / "mlflow.lock", timeout=_LOCK_SECONDS):
            yield Store(client=MlflowClient(tracking_uri=uri), artifacts=None if is_server else home / "mlflow-artifacts")
    except Timeout as error:
        raise GenobenchError(
            f"Another process has held {home / 'mlflow.lock'} for {_LOCK_SECONDS:.0f} s. "
            "The local record stands; `genobench record` takes it later."
        ) from error
    except (MlflowException, SQLAlchemyError, RequestException, OSError) as error:
        first_line = str(error).strip().split("\n", 1)[0]
        raise GenobenchError(
            f"MLflow at {uri} did not take or give the record ({type(error).__name__}: {first_line}). "
            "The local record stands; `genobench record` takes it later."
        ) from error


def _check_database(uri: str) -> None:
    """Refuse an SQLite file that cannot be one, because mlflow would try again for an hour."""
    if not uri.startswith("sqlite:///"):
        return
    path = Path(uri.removeprefix("sqlite:///"))
    advice = "The local record stands; set MLFLOW_TRACKING_URI to a database that can be used, or unset it."
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise GenobenchError(f"The MLflow database {path} cannot be written. {advice}")
    if path.exists() and path.stat().st_size:
        with path.open("rb") as handle:
            if handle.read(16) != b"SQLite format 3\0":
                raise GenobenchError(f"The file {path} is not an SQLite database. {advice}")


def _record(store: Store, outcome: Outcome, cell_folder: Path) -> str:
    from mlflow.entities import Metric, Param

    client = store.client
    experiment_id = _experiment(store, outcome.dataset)
    outcome_sha256 = _hash(json.dumps(outcome.to_json(), sort_keys=True).encode())
    curves = cell_folder / "curves.jsonl"
    fit_sha256 = _hash(f"{outcome.status} {outcome.phase} ".encode() + (curves.read_bytes() if curves.exists() else b""))
    run = _find_run(client, experiment_id, outcome.cell_id)
    if run is not None and run.data.tags.get(_OUTCOME_TAG) == outcome_sha256:
        return str(run.info.run_id)
    if run is not None and run.data.tags.get(_FIT_TAG) != fit_sha256:
        client.delete_run(run.info.run_id)
        run = None
    ended = int(datetime.fromisoformat(outcome.created_at).timestamp() * _MILLISECONDS)
    is_new = run is None
    if run is None:
        started = ended - int(_MILLISECONDS * sum(outcome.timings.values()))
        name = f"{outcome.generator} seed {outcome.seed}"
        run = client.create_run(experiment_id, start_time=started, run_name=name, tags={_CELL_TAG: outcome.cell_id})
    run_id, known = str(run.info.run_id), run.data.metrics
    # The time of recording, so that a score that was corrected is the latest one.
    now = int(datetime.now().astimezone().timestamp() * _MILLISECONDS)
    metrics = [Metric(name, value, now, 0) for name, value in _metrics(outcome).items() if known.get(name) != value]
    params: list[Any] = []
    if is_new:
        metrics += [Metric(name, value, ended, step) for name, value, step in _curve_points(curves)]
        params = [Param(name, value) for name, value in _params(outcome).items()]
    _log(client, run_id, metrics=metrics, params=params, tags=_tags(outcome))
    for path, place in _artifacts(outcome, cell_folder):
        client.log_artifact(run_id, str(path), place)
    client.set_terminated(run_id, "FINISHED" if outcome.status == "ok" else "FAILED", ended)
    # Last, so that a recording that was cut short is done again.
    _log(client, run_id, metrics=[], params=[], tags={_FIT_TAG: fit_sha256, _OUTCOME_TAG: outcome_sha256})
    return run_id


def _log(client: Any, run_id: str, *, metrics: Sequence[Any], params: Sequence[Any], tags: Mapping[str, str]) -> None:
    """Log in batches as large as MLflow takes: 1,000 metrics, 100 parameters, 100 tags."""
    from mlflow.entities import RunTag

    run_tags = [RunTag(name, value) for name, value in tags.items()]
    for start in range(0, len(metrics), _MOST_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + _MOST_METRICS])
    for start in range(0, max(len(run_tags), len(params)), _MOST_TAGS):
        client.log_batch(run_id, params=params[start : start + _MOST_TAGS], tags=run_tags[start : start + _MOST_TAGS])


def _experiment(store: Store, dataset: str) -> str:
    name = EXPERIMENT_PREFIX + dataset
    experiment = store.client.get_experiment_by_name(name)
    if experiment is not None:
        return str(experiment.experiment_id)
    location = None if store.artifacts is None else (store.artifacts / _NOT_IN_A_NAME.sub("_", dataset)).as_uri()
    return str(store.client.create_experiment(name, artifact_location=location))


def _find_run(client: Any, experiment_id: str, cell_id: str) -> Any | None:
    runs = client.search_runs([experiment_id], f"tags.`{_CELL_TAG}` = '{cell_id}'", max_results=1)
    return runs[0] if runs else None


def _all_runs(client: Any, experiment_id: str) -> list[Any]:
    runs, token = [], None
    while True:
        page = client.search_runs([experiment_id], max_results=_RUNS_PER_PAGE, page_token=token)
        runs += list(page)
        token = page.token
        if not token:
            return runs


def _read_outcome(client: Any, run: Any) -> Outcome:
    import tempfile

    from genobench.outcomes import read_outcome

    with tempfile.TemporaryDirectory() as folder:
        return read_outcome(Path(client.download_artifacts(run.info.run_id, FILE_NAME, folder)))


def _metrics(outcome: Outcome) -> dict[str, float]:
    """Scores with their noise, seconds and memory; a missing score has none."""
    values: dict[str, float | None] = {}
    for score in outcome.scores:
        if not score.is_missing:
            values |= _score_metrics(score)
    values |= {f"seconds/{phase}": seconds for phase, seconds in outcome.timings.items()}
    values |= {f"processor_seconds/{phase}": seconds for phase, seconds in outcome.processor_seconds.items()}
    values |= {f"peak_memory_bytes/{where}": size for where, size in outcome.peak_memory_bytes.items()}
    finite = {name: float(value) for name, value in values.items() if value is not None and math.isfinite(value)}
    return {_NOT_IN_A_NAME.sub("_", name): value for name, value in finite.items()}


def _score_metrics(score: ScoreRecord) -> dict[str, float | None]:
    low, high = score.bounds or (None, None)
    noise: dict[str, float | None] = {"standard_error": score.standard_error, "low": low, "high": high, "ceiling": score.ceiling}
    if score.band is not None:
        noise |= {"band_low": score.band.low, "band_mean": score.band.mean, "band_high": score.band.high}
    return {score.metric: score.value, **{f"{score.metric}/{name}": value for name, value in noise.items()}}


def _curve_points(path: Path) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of every point of the training curves."""
    for point in read_curves(path):
        step = int(point.pop("step"))
        for name, value in point.items():
            yield f"training/{_NOT_IN_A_NAME.sub('_', name)}", value, step


def _params(outcome: Outcome) -> dict[str, str]:
    identity = {
        "dataset": outcome.dataset,
        "split": outcome.split["scheme"],
        "split_seed": outcome.split.get("seed", ""),
        "trait": outcome.trait,
        "generator": outcome.generator,
        "distribution": outcome.distribution,
        "seed": outcome.seed,
        "budget": outcome.budget or "none",
    }
    settings = _flattened(outcome.settings, "settings.")
    return {_NOT_IN_A_NAME.sub("_", name): str(value)[:_MOST_CHARACTERS] for name, value in {**identity, **settings}.items()}


def _flattened(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _tags(outcome: Outcome) -> dict[str, str]:
    tags: dict[str, Any] = {
        "board": board_name(outcome),
        "status": outcome.status,
        "phase": outcome.phase,
        "message": outcome.message,
        "dataset_sha256": outcome.dataset_sha256,
        "split_sha256": outcome.split["sha256"],
        "plugin_version": outcome.plugin_version,
        "code_sha256": outcome.code_sha256,
        "is_control": outcome.is_control,
        "n_generated": outcome.n_generated,
        "schema": outcome.schema,
        **{f"environment.{name}": value for name, value in outcome.environment.items()},
        **{f"version.{score.metric}": score.version for score in outcome.scores},
        **{f"missing.{score.metric}": score.reason or "no reason was recorded" for score in outcome.scores if score.is_missing},
    }
    return {_NOT_IN_A_NAME.sub("_", f"genobench.{name}"): str(value)[:_MOST_CHARACTERS] for name, value in tags.items()}


def _artifacts(outcome: Outcome, cell_folder: Path) -> Iterator[tuple[Path, str | None]]:
    """Files to keep with a run, each with its folder there; never genotypes and never a model."""
    import tempfile

    from genobench.outcomes import write_outcome

    with tempfile.TemporaryDirectory() as folder:
        yield write_outcome(outcome, Path(folder)), None
    for name in ("cell.json", "log.txt", "curves.jsonl", "report.html"):
        if (cell_folder / name).exists():
            yield cell_folder / name, None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
