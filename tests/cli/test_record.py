"""`genobench record`: whatever was not recorded, is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from genobench.cli import app
from genobench.outcomes import Outcome, write_outcome
from genobench.tracking import read_outcomes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*noload"),
    # MLflow keeps the connections of a store open for as long as the process lives.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

OUTCOME = Outcome(
    cell_id="0123456789abcdef",
    status="timeout",
    phase="fit",
    dataset="cattle-demo",
    dataset_sha256="d" * 64,
    split={"scheme": "family", "sha256": "e" * 64},
    trait="fat",
    generator="wgan",
    distribution="genobench-neural",
    plugin_version="0.1.0",
    code_sha256="f" * 64,
    settings={},
    seed=0,
    created_at="2026-01-02T03:04:05+00:00",
)


def test_record__records_local_outcomes_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    cell = home / "cells" / OUTCOME.cell_id
    cell.mkdir(parents=True)
    write_outcome(OUTCOME, cell)
    for _ in range(2):
        result = CliRunner().invoke(app, ["record"], catch_exceptions=False)
        assert result.stdout == "Local outcomes that MLflow holds now: 1\n"
    assert read_outcomes(home) == [OUTCOME]
