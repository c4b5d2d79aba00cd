"""MLflow records: a projection that neither doubles nor loses anything."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genobench.errors import GenobenchError
from genobench.outcomes import Band, Outcome, ScoreRecord, write_outcome
from genobench.tracking import read_outcomes, rebuild, record_outcome, tracking_uri

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*noload"),
    # MLflow keeps the connections of a store open for as long as the process lives.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

AUC = ScoreRecord(
    metric="membership_auc",
    family="privacy",
    value=0.58,
    interval=(0.52, 0.64),
    band=Band(mean=0.5, standard_deviation=0.02, low=0.46, high=0.54, n_draws=100),
    unit="AUC",
    direction="target",
    ideal=0.5,
    version=2,
    is_primary=True,
    plugin="genobench/membership",
)
MISSING = ScoreRecord(
    metric="tpr",
    family="privacy",
    value=math.nan,
    unit="share",
    direction="lower",
    version=1,
    plugin="genobench/membership",
    reason="195 nonmembers; 1,000 are needed.",
)
OUTCOME = Outcome(
    cell_id="0123456789abcdef",
    status="ok",
    phase="done",
    dataset="cattle-demo",
    dataset_sha256="d" * 64,
    split={"scheme": "family", "seed": 0, "sha256": "e" * 64, "n": {"train": 1072}, "largest_kinship": None},
    trait="fat",
    generator="wgan",
    distribution="genobench-neural",
    plugin_version="0.1.0",
    code_sha256="f" * 64,
    settings={"n_steps": 100, "network": {"width": 64}},
    seed=3,
    n_generated=390,
    scores=(AUC, MISSING),
    timings={"fit": 1.5},
    peak_memory_bytes={"host": 1000, "gpu": None},
    environment={"python": "3.11"},
    created_at="2026-01-02T03:04:05+00:00",
)


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, migrated once: that takes two seconds."""
    home = tmp_path_factory.mktemp("mlflow")
    uri = os.environ.pop("MLFLOW_TRACKING_URI", None)
    assert read_outcomes(home) == []
    if uri is not None:
        os.environ["MLFLOW_TRACKING_URI"] = uri
    return home / "mlflow.db"


@pytest.fixture
def home(tmp_path: Path, migrated_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a migrated database; the working folder is elsewhere and empty."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.copy(migrated_database, folder / "mlflow.db")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return folder


@pytest.fixture
def cell(home: Path) -> Path:
    """The folder of a finished cell."""
    folder = home / "cells" / OUTCOME.cell_id
    write_outcome(OUTCOME, folder)
    (folder / "report.html").write_text("<!doctype html>")
    (folder / "log.txt").write_text("fitted\n")
    points = [{"step": step, "loss": 1 / (step + 1), "total_steps": 1200} for step in range(1200)]
    (folder / "curves.jsonl").write_text("\n".join(json.dumps(point) for point in points) + '\n{"step": 12')
    return folder


def _rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(home / "mlflow.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_record__holds_scores_with_their_noise(home, cell):
    record_outcome(OUTCOME, cell, home)

    values = dict(_rows(home, "select key, value from latest_metrics where key like 'membership_auc%'"))
    assert values == {
        "membership_auc": 0.58,
        "membership_auc/low": 0.52,
        "membership_auc/high": 0.64,
        "membership_auc/band_low": 0.46,
        "membership_auc/band_mean": 0.5,
        "membership_auc/band_high": 0.54,
    }


def test_record__says_why_a_score_is_missing_and_gives_it_no_number(home, cell):
    record_outcome(OUTCOME, cell, home)

    assert _rows(home, "select count(*) from metrics where key like 'tpr%'") == [(0,)]
    assert _rows(home, "select value from tags where key = 'genobench.missing.tpr'") == [(MISSING.reason,)]


def test_record__holds_settings_tags_curves_and_files(home, cell):
    record_outcome(OUTCOME, cell, home)

    params = dict(_rows(home, "select key, value from params"))
    assert (params["settings.n_steps"], params["settings.network.width"], params["seed"]) == ("100", "64", "3")
    tags = dict(_rows(home, "select key, value from tags"))
    assert (tags["genobench.status"], tags["genobench.board"], tags["genobench.version.membership_auc"]) == (
        "ok",
        "cattle-demo.family",
        "2",
    )
    assert _rows(home, "select count(*), min(step), max(step) from metrics where key = 'training/loss'") == [(1200, 0, 1199)]
    kept = {path.name for path in (home / "mlflow-artifacts" / "cattle-demo").rglob("*") if path.is_file()}
    assert kept == {"outcome.json", "log.txt", "curves.jsonl", "report.html"}


def test_record__leaves_nothing_in_the_working_folder(home, cell):
    record_outcome(OUTCOME, cell, home)

    assert list(Path.cwd().iterdir()) == []


def test_record__twice_is_one_run_and_one_curve(home, cell):
    first = record_outcome(OUTCOME, cell, home)
    second = record_outcome(OUTCOME, cell, home)

    assert first == second
    assert _rows(home, "select count(*) from runs") == [(1,)]
    assert _rows(home, "select count(*) from metrics where key = 'training/loss'") == [(1200,)]


def test_record__with_new_scores_updates_the_run(home, cell):
    first = record_outcome(OUTCOME, cell, home)
    more = replace(OUTCOME, scores=(replace(AUC, value=0.55), replace(AUC, metric="recall", value=0.9)))

    second = record_outcome(more, cell, home)

    assert first == second
    values = dict(_rows(home, "select key, value from latest_metrics where key in ('membership_auc', 'recall')"))
    assert values == {"membership_auc": 0.55, "recall": 0.9}
    assert _rows(home, "select count(*) from metrics where key = 'training/loss'") == [(1200,)]
    assert [outcome.scores for outcome in read_outcomes(home)] == [more.scores]


def test_record__of_a_new_fit_replaces_the_old_run(home, cell):
    failed = replace(OUTCOME, status="timeout", phase="fit", message="the fit took longer than 60 s.", scores=())
    first = record_outcome(failed, cell, home)

    second = record_outcome(OUTCOME, cell, home)

    assert first != second
    assert [outcome.status for outcome in read_outcomes(home)] == ["ok"]
    assert dict(_rows(home, "select run_uuid, status from runs where lifecycle_stage = 'active'")) == {second: "FINISHED"}


def test_read_outcomes__gives_back_what_was_recorded(home, cell):
    other = replace(OUTCOME, cell_id="b", dataset="rat-demo", scores=(AUC,))
    record_outcome(OUTCOME, cell, home)
    record_outcome(other, home / "cells" / "b", home)

    assert read_outcomes(home, "rat-demo") == [other]
    assert [outcome.cell_id for outcome in read_outcomes(home)] == [OUTCOME.cell_id, "b"]


def test_rebuild__records_every_cell(home, cell):
    pairs = [(replace(OUTCOME, cell_id=f"c{number}", scores=(AUC,)), cell) for number in range(3)]

    assert rebuild(home, pairs) == 3
    assert rebuild(home, pairs) == 3
    assert read_outcomes(home) == [outcome for outcome, _ in pairs]


def test_tracking_uri__is_the_users_where_set(home, monkeypatch, migrated_database, tmp_path):
    assert tracking_uri(home) == f"sqlite:///{home}/mlflow.db"
    shutil.copy(migrated_database, tmp_path / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")

    record_outcome(replace(OUTCOME, scores=(AUC,)), home / "cells" / "none", home)

    assert _rows(home, "select count(*) from runs") == [(0,)]
    assert len(read_outcomes(home)) == 1


def test_record__into_a_file_that_is_no_database_says_that_the_local_record_stands(home, cell):
    (home / "mlflow.db").write_text("not a database at all")

    with pytest.raises(GenobenchError, match=r"mlflow\.db is not an SQLite database\. The local record stands"):
        record_outcome(OUTCOME, cell, home)


def test_record__into_a_folder_that_is_not_there_says_that_the_local_record_stands(home, cell, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home}/absent/mlflow.db")

    with pytest.raises(GenobenchError, match=r"cannot be written\. The local record stands"):
        record_outcome(OUTCOME, cell, home)


def test_record__to_a_server_that_is_gone_says_that_the_local_record_stands(home, cell, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(GenobenchError, match=r"MLflow at http://127\.0\.0\.1:9 did not take.*local record stands"):
        record_outcome(OUTCOME, cell, home)


def test_tracking__imports_mlflow_only_when_used():
    code = "import sys, genobench.tracking; print('mlflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
