"""`genobench leaderboard` on local cells and on folders of boards."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from genobench.cli.leaderboard import app
from genobench.errors import GenobenchError
from genobench.outcomes import Outcome, ScoreRecord, write_outcome

if TYPE_CHECKING:
    from pathlib import Path

AUC = ScoreRecord(
    metric="membership_auc",
    family="privacy",
    value=0.52,
    standard_error=0.02,
    unit="AUC",
    direction="lower",
    ideal=0.5,
    version=1,
    is_primary=True,
    plugin="genobench/membership-distance",
)
OUTCOME = Outcome(
    cell_id="a" * 16,
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
    settings={"n_steps": 100},
    seed=0,
    n_generated=1072,
    scores=(AUC, replace(AUC, metric="recall", family="fidelity", is_primary=False)),
    created_at="2026-01-02T03:04:05+00:00",
)
RAT = replace(OUTCOME, cell_id="b" * 16, dataset="rat-demo", generator="vae", scores=(replace(AUC, value=0.7),))


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def cells(home: Path) -> Path:
    """A home with two finished cells, of two boards."""
    for outcome in (OUTCOME, RAT):
        write_outcome(outcome, home / "cells" / outcome.cell_id)
    return home


def test_show__lists_every_board_and_its_cells(cells):
    text = _run("show")

    assert "cattle-demo.family" in text
    assert "rat-demo.family" in text
    assert "0.520" in text
    assert "[0.481, 0.559]" in text
    assert "vae (leaks)" in text
    assert f"{'a' * 16}  wgan  split 0  seed 0  ok" in text


def test_show__of_one_board_leaves_the_others_out(cells):
    assert "rat-demo" not in _run("show", "cattle-demo.family")


def test_show__shows_primary_scores_unless_all_are_asked_for(cells):
    assert "Recall" not in _run("show")
    assert "Recall" in _run("show", "--all")


def test_show__as_json_is_the_standings(cells):
    (table,) = json.loads(_run("show", "rat-demo.family", "--json"))

    assert table["board"] == "rat-demo.family"
    assert table["rows"][0]["estimates"]["membership_auc"]["mean"] == 0.7
    assert table["rows"][0]["leaks"] is True


def test_show__of_a_fresh_home_says_what_to_do(home):
    assert "Nothing has been run yet" in _run("show")


def test_show__of_an_unknown_board_names_those_there_are(cells):
    with pytest.raises(GenobenchError, match=r"no outcome of a board 'mouse\.random'.*cattle-demo\.family, rat-demo\.family"):
        _run("show", "mouse.random")


def test_compare__says_which_row_is_better_beyond_the_noise(home):
    for seed in range(3):
        split = {**OUTCOME.split, "seed": seed, "sha256": f"{seed}" * 64, "n": {"train": 800, "holdout": 200}}
        other = replace(OUTCOME, cell_id=f"{seed}" * 16, generator="vae", seed=seed, split=split)
        mine = replace(OUTCOME, cell_id=f"c{seed}" * 8, seed=seed, split=split)
        for outcome, value in ((other, 0.62 + seed / 1000), (mine, 0.52)):
            write_outcome(replace(outcome, scores=(replace(AUC, value=value),)), home / "cells" / outcome.cell_id)
    text = _run("compare", "cattle-demo.family", "wgan", "vae")
    assert "0.520" in text
    assert "0.621" in text
    assert text.splitlines()[1].split()[-1] == "wgan"
    assert "no interval" not in text
    (found,) = json.loads(_run("compare", "cattle-demo.family", "vae", "wgan", "--json"))
    assert (found["better"], found["n_splits"], found["n_pairs"]) == ("second", 3, 3)


def test_compare__of_one_split_says_why_it_has_no_interval(home):
    for generator, value in (("vae", 0.62), ("wgan", 0.52)):
        outcome = replace(OUTCOME, cell_id=generator * 4, generator=generator, scores=(replace(AUC, value=value),))
        write_outcome(outcome, home / "cells" / outcome.cell_id)
    assert "One split gives no interval" in _run("compare", "cattle-demo.family", "wgan", "vae")


def test_publish__writes_a_board_that_show_and_render_read(cells, tmp_path):
    boards = tmp_path / "boards"

    assert "1 of 1 cells are new or changed" in _run("publish", "cattle-demo.family", "--to", str(boards))
    assert "0 of 1 cells are new or changed" in _run("publish", "cattle-demo.family", "--to", str(boards))
    assert "wgan" in _run("show", "--from", str(boards))
    assert "wgan" in _run("show", "--from", str(boards / "cattle-demo.family"))
    (boards / "cattle-demo.family" / "README.md").unlink()
    assert "README.md" in _run("render", str(boards))
    assert (boards / "cattle-demo.family" / "README.md").exists()


def test_publish__of_contradicting_evidence_wants_replace(cells, tmp_path):
    _run("publish", "cattle-demo.family", "--to", str(tmp_path))
    write_outcome(replace(OUTCOME, scores=(replace(AUC, value=0.9),)), cells / "cells" / OUTCOME.cell_id)

    with pytest.raises(GenobenchError, match="publish with --replace"):
        _run("publish", "cattle-demo.family", "--to", str(tmp_path))
    assert "1 of 1" in _run("publish", "cattle-demo.family", "--to", str(tmp_path), "--replace")


def test_render__of_a_folder_without_boards_says_so(tmp_path):
    with pytest.raises(GenobenchError, match="holds no leaderboard"):
        _run("render", str(tmp_path))


def test_show__of_predictions_points_to_their_page(tmp_path):
    (tmp_path / "made.family.downstream").mkdir()
    (tmp_path / "made.family.downstream" / "predictions.jsonl.gz").touch()
    for folder in (tmp_path, tmp_path / "made.family.downstream"):
        with pytest.raises(
            GenobenchError, match=r"made\.family\.downstream holds are predictions of `genobench downstream`; read its README"
        ):
            _run("show", "--from", str(folder))
