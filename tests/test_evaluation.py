"""Scoring a cell from outside: a metric that takes its worker down costs its own scores, and says so."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genobench.contracts import ScoreSpec
from genobench.evaluation import RealParts, _failed_check, _metric_key, _read, score_cell
from genobench.registry import code_sha256, load_registry
from genobench.scoring import empty_record
from genobench.storage import write_store
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

_DIST_INFO = "broken_plugins-1.0.dist-info"


@pytest.fixture
def broken_plugins(tmp_path, monkeypatch):
    """Installs tests/broken_plugins.py as a distribution, for this process and its workers."""
    site = tmp_path / "site"
    (site / _DIST_INFO).mkdir(parents=True)
    (site / _DIST_INFO / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugins\nVersion: 1.0\n")
    (site / _DIST_INFO / "entry_points.txt").write_text("[genobench]\nbroken = broken_plugins\n")
    (site / "broken_plugins.py").write_text((Path(__file__).parent / "broken_plugins.py").read_text())
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "broken_plugins", raising=False)


@pytest.mark.usefixtures("broken_plugins")
def test_score_cell__metric_that_kills_its_worker_is_missing_with_a_reason(tmp_path):
    whole = example_genotypes(n_samples=80, n_variants=20)
    stores = {
        name: write_store(whole.take_samples(np.arange(start, start + 20)), tmp_path / name)
        for start, name in ((0, "train"), (20, "holdout"), (40, "nonmembers"), (60, "synthetic"))
    }
    parts = RealParts(
        identity="x",
        train=stores["train"],
        holdout=stores["holdout"],
        nonmembers=stores["nonmembers"],
        groups={name: list(range(20)) for name in ("train", "holdout", "nonmembers")},
        has_families=False,
        seed=0,
    )
    registry = load_registry()
    warnings: list[str] = []
    crash, calm = score_cell(
        stores["synthetic"],
        tmp_path / "records",
        parts=parts,
        trait=EXAMPLE_TRAITS["quantitative"],
        metrics=(registry.find("metric", "crash"), registry.find("metric", "calm")),
        registry=registry,
        bands=tmp_path / "bands",
        log=tmp_path / "log.txt",
        on_event=lambda event: warnings.append(event["message"]) if event["event"] == "warning" else None,
    )
    assert (crash.metric, crash.is_missing) == ("crash", True)
    assert "exit code 9" in (crash.reason or "")
    assert calm.value == 20.0
    assert calm.band is not None
    assert calm.band.mean == 20.0
    assert len(warnings) == 2, "once for the band, once for the score"
    assert not list((tmp_path / "records").glob("*crash*")), "a crash is tried again by the next run"


@pytest.mark.parametrize("content", [b"", b'{"plugin": "a/b"', b"\xff\xfe", b"[1]", b'{"plugin": "a/b"}'])
def test_read__damaged_record_counts_as_none(tmp_path, content):
    """A record that a full disk or a copy cut short is computed again, never read as a score."""
    (tmp_path / "record.json").write_bytes(content)
    assert _read(tmp_path / "record.json", "a/b") is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"values": [{"name": "auc", "value": 0.6, "standard_error": "much", "interval": None, "reason": None}]},
        {"values": [{"name": "auc", "value": 0.6, "standard_error": None, "interval": [0.5], "reason": None}]},
        {"values": [{"name": "auc", "value": math.nan, "standard_error": None, "interval": None, "reason": None}]},
        {"specs": [{"name": "auc"}]},
        {"specs": [asdict(ScoreSpec("auc", "", "AUC", direction="lower", ideal=None, version=1)) | {"direction": "sideways"}]},
        {"specs": None},
        {"bands": []},
        {"bands": {"auc": {"mean": 0.5}}},
        {"bands": {"auc": {"mean": 0.5, "standard_deviation": 0.1, "low": "0.3", "high": [], "n_draws": 5}}},
        {"anchors": {"auc": "high"}},
        {"checks": [{"name": "auc"}]},
        {"samples": 3},
    ],
)
def test_read__record_of_another_form_counts_as_none(tmp_path, changes):
    """The same record without the changes is read."""
    band = {"mean": 0.5, "standard_deviation": 0.01, "low": 0.4, "high": 0.6, "n_draws": 5}
    value = {"name": "auc", "value": 0.6, "standard_error": 0.01, "interval": None, "reason": None}
    spec = ScoreSpec(name="auc", summary="", unit="AUC", direction="higher", ideal=None, version=1, chance=0.5)
    whole = empty_record("a/b") | {"family": "privacy", "specs": [asdict(spec)], "values": [value], "checks": [value | {"value": 0.5}]}
    whole |= {"bands": {"auc": band}, "anchors": {"auc": 0.1}, "samples": {"train": 3}}
    (tmp_path / "record.json").write_text(json.dumps(whole | changes))
    found = _read(tmp_path / "record.json", "a/b")
    assert found == (None if changes else whole)


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        (0.58, 0.03, ""),
        (0.30, 0.03, "Not exchangeable"),
        (0.50, 0.0, ""),
        (0.00, 0.0, "Not exchangeable"),
        (None, None, "Not checked"),
    ],
)
def test_failed_check__withdraws_what_tells_strangers_apart_or_could_not_be_tried(value, error, expected):
    """Kinship with nonmembers of another vendor is 0 whatever is left out: no error, and no exchange."""
    specs: list[dict[str, Any]] = [{"name": "auc", "chance": 0.5}, {"name": "copies", "chance": None}]
    checks: list[dict[str, Any]] = [
        {"name": "copies", "value": None, "standard_error": None, "interval": None, "reason": "none"},
        {"name": "auc", "value": value, "standard_error": error, "interval": None, "reason": "There are 14 nonmembers."},
    ]
    fault = _failed_check(specs, checks)
    assert (fault or "").startswith(expected) if expected else fault is None


def test_metric_key__hangs_on_the_code_of_a_classifier_that_the_metric_names(monkeypatch):
    """A prediction is another where the classifier is; no other metric is another for it."""
    registry = load_registry()
    metrics = [registry.find("metric", f"genobench/{name}") for name in ("tstr-values", "ld-decay")]
    before = [_metric_key(metric, {}, registry) for metric in metrics]
    monkeypatch.setattr("genobench.evaluation.code_sha256", lambda entry: "another" if entry.name == "ridge" else code_sha256(entry))
    changed = [_metric_key(metric, {}, registry) != key for metric, key in zip(metrics, before, strict=True)]
    assert changed == [True, False]
