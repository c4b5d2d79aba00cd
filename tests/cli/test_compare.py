"""`genobench compare`: two local cells side by side."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from genobench.cells import CellKey, open_cell
from genobench.cli.compare import compare
from genobench.errors import CellError
from genobench.outcomes import Band, Outcome, ScoreRecord, write_outcome

if TYPE_CHECKING:
    from pathlib import Path

AUC = ScoreRecord(
    metric="membership_auc",
    family="privacy",
    value=0.52,
    standard_error=0.03,
    band=Band(mean=0.5, standard_deviation=0.02, low=0.46, high=0.54, n_draws=100),
    unit="AUC",
    direction="lower",
    ideal=0.5,
    version=1,
    plugin="genobench/membership-distance",
)


@pytest.fixture
def cells(home: Path) -> tuple[str, str]:
    """Two finished cells that differ in a setting and in their scores."""
    ids = []
    for n_steps, value in ((100, 0.52), (200, 0.72)):
        key = CellKey(
            dataset="cattle-demo",
            dataset_sha256="d" * 64,
            split_sha256="e" * 64,
            trait="fat",
            generator="genobench-neural/wgan",
            plugin_version="0.1.0",
            code_sha256="f" * 64,
            settings={"n_steps": n_steps},
            seed=0,
            n_samples=10,
            device="cpu",
        )
        cell = open_cell(home, key)
        outcome = Outcome(
            cell_id=key.cell_id,
            status="ok",
            phase="done",
            dataset=key.dataset,
            dataset_sha256=key.dataset_sha256,
            split={"scheme": "family", "sha256": key.split_sha256 if n_steps == 100 else "0" * 64},
            trait=key.trait,
            generator="wgan",
            distribution="genobench-neural",
            plugin_version="0.1.0",
            code_sha256=key.code_sha256,
            settings=key.settings,
            seed=0,
            n_generated=10,
            scores=(replace(AUC, value=value), replace(AUC, metric="recall", value=math.nan, reason="no samples")),
            created_at="2026-01-02T03:04:05+00:00",
        )
        write_outcome(outcome, cell.folder)
        ids.append(key.cell_id)
    return ids[0], ids[1]


def _run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(compare)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_compare__shows_scores_difference_and_settings(cells):
    text = _run(cells[0][:8], cells[1])

    line = next(line for line in text.splitlines() if line.startswith("membership_auc"))
    assert line.split() == ["membership_auc", "0.5200", "0.7200", "+0.2000", "0.0424", "0.4600", "to", "0.5400", "differs"]
    assert "no samples" in next(line for line in text.splitlines() if line.startswith("recall"))
    assert "settings.n_steps: 100 → 200" in text
    assert "Take care: the second cell is of another split" in text


def test_compare__as_json_has_the_same(cells):
    found = json.loads(_run(*cells, "--json"))

    assert found["caveat"] == "another split"
    assert found["scores"][0]["difference"] == pytest.approx(0.2)
    assert found["scores"][1]["difference"] is None
    assert {"name": "settings.n_steps", "a": 100, "b": 200} in found["differ"]


def test_compare__of_an_unfinished_cell_says_so(home, cells):
    (home / "cells" / cells[0] / "outcome.json").unlink()

    with pytest.raises(CellError, match=f"The cell {cells[0]} has no outcome yet"):
        _run(*cells)
