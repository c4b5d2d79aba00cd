"""Boards on disk: evidence is added, never lost and never quietly changed."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from genobench.errors import GenobenchError
from genobench.leaderboard import publish, read_board, render, select

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "leaderboards" / "cattle-demo.family"


@pytest.fixture
def outcome(make_outcome, make_score):
    return make_outcome("wgan", scores=(make_score("membership_auc", 0.52, error=0.02),))


def test_publish__writes_evidence_and_pages(folder, board_outcomes):
    assert publish(board_outcomes, folder) == len(board_outcomes)

    assert {path.name for path in folder.iterdir()} == {"outcomes.jsonl.gz", "README.md", "index.html", "board.svg", ".lock"}
    assert {outcome.cell_id for outcome in read_board(folder)} == {outcome.cell_id for outcome in board_outcomes}


def test_publish__twice_changes_no_byte(folder, outcome):
    publish([outcome], folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    assert publish([outcome], folder) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_publish__of_the_same_cell_run_at_another_time_changes_nothing(folder, outcome):
    publish([outcome], folder)

    again = replace(outcome, created_at="2027-01-01T00:00:00+00:00", timings={"fit": 1.0}, processor_seconds={"fit": 0.5})

    assert publish([again], folder) == 0
    assert read_board(folder) == [outcome]


def test_publish__adds_new_scores_to_a_cell(folder, outcome, make_score):
    publish([outcome], folder)
    recall = make_score("recall", 0.9, family="fidelity", unit="share", direction="higher", is_primary=False)

    assert publish([replace(outcome, scores=(recall,))], folder) == 1
    assert read_board(folder)[0].scores == (*outcome.scores, recall)


def test_publish__takes_a_newer_version_of_a_score(folder, outcome, make_score):
    publish([outcome], folder)
    newer = make_score("membership_auc", 0.6, error=0.02, version=2)

    assert publish([replace(outcome, scores=(newer,))], folder) == 1
    assert read_board(folder)[0].scores == (newer,)


def test_publish__refuses_a_score_that_contradicts_the_board(folder, outcome, make_score):
    publish([outcome], folder)
    other = replace(outcome, scores=(make_score("membership_auc", 0.9, error=0.02),))
    before = (folder / "outcomes.jsonl.gz").read_bytes()

    with pytest.raises(GenobenchError, match=r"value of membership_auc is 0\.52 on the board and 0\.9 here"):
        publish([other], folder)
    assert (folder / "outcomes.jsonl.gz").read_bytes() == before
    assert publish([other], folder, replace=True) == 1
    assert read_board(folder) == [other]


def test_publish__refuses_to_hide_a_failure(folder, outcome):
    publish([replace(outcome, status="timeout", phase="fit", scores=())], folder)

    with pytest.raises(GenobenchError, match="status is timeout on the board and ok here"):
        publish([outcome], folder)


def test_publish__refuses_another_trait_and_leaves_the_board_alone(folder, outcome, make_outcome):
    publish([outcome], folder)
    before = (folder / "outcomes.jsonl.gz").read_bytes()

    with pytest.raises(GenobenchError, match="compares outcomes of one board, dataset and trait"):
        publish([make_outcome("vae", trait="milk")], folder)
    assert (folder / "outcomes.jsonl.gz").read_bytes() == before


def test_publish__takes_a_second_split_into_the_same_board(folder, outcome):
    second = replace(outcome, cell_id="second", seed=1, split={**outcome.split, "seed": 1, "sha256": "a" * 64})
    assert publish([outcome, second], folder) == 2
    assert "2 splits: family, seed 0 (sha256 eeeeeeeeeeee), seed 1 (sha256 aaaaaaaaaaaa)" in (folder / "README.md").read_text()


def test_render__makes_the_same_pages_from_the_evidence(folder, board_outcomes):
    publish(board_outcomes, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in ("README.md", "index.html", "board.svg"):
        (folder / name).unlink()

    render(folder)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_read_board__names_the_line_that_is_no_outcome(folder, outcome):
    publish([outcome], folder)
    with gzip.open(folder / "outcomes.jsonl.gz", "at") as handle:
        handle.write("{}\n")

    with pytest.raises(GenobenchError, match=r"outcomes\.jsonl\.gz, line 2, is not an outcome"):
        read_board(folder)


def test_read_board__of_a_folder_without_evidence_says_so(tmp_path):
    with pytest.raises(GenobenchError, match=r"is no leaderboard: it has no file outcomes\.jsonl\.gz"):
        read_board(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"{}" * 999)[:20], gzip.compress(bytes([255]))],
    ids=["empty", "no archive", "cut off", "no text"],  # An archive holds the second it was made in; names are the same in every process.
)
def test_read_board__of_damaged_evidence_says_so(tmp_path, content):
    (tmp_path / "outcomes.jsonl.gz").write_bytes(content)
    with pytest.raises(GenobenchError, match=r"The evidence .*outcomes\.jsonl\.gz cannot be read"):
        read_board(tmp_path)


def test_render__of_an_empty_board_says_so(folder):
    folder.mkdir(parents=True)
    (folder / "outcomes.jsonl.gz").write_bytes(gzip.compress(b""))

    with pytest.raises(GenobenchError, match="holds no outcome"):
        render(folder)


def test_select__takes_all_splits_of_a_scheme_or_the_one_asked_for(outcome, make_outcome):
    other = make_outcome("vae", split={"scheme": "family", "sha256": "abc123"})

    assert select([outcome, other], "cattle-demo.family") == [outcome, other]
    assert select([outcome, other], "cattle-demo.family", split="abc") == [other]


def test_select__asks_which_trait_where_there_are_several(outcome, make_outcome):
    other = make_outcome("vae", trait="milk", split={"scheme": "family", "sha256": "abc123"})

    with pytest.raises(GenobenchError, match=r"of 2 kinds that may not be compared; choose one: .*--trait milk --split abc123 \(1 cells"):
        select([outcome, other], "cattle-demo.family")
    assert select([outcome, other], "cattle-demo.family", trait="milk") == [other]


def test_select__keeps_budgets_apart(outcome, make_outcome):
    """A fit of three minutes and one without a limit never stand in one table."""
    limited = make_outcome("vae", budget="3cpu-min")

    assert select([outcome, limited], "cattle-demo.family") == [outcome]
    assert select([outcome, limited], "cattle-demo.family.3cpu-min") == [limited]


def test_select__names_the_boards_that_there_are(outcome):
    with pytest.raises(GenobenchError, match=r"No outcome belongs to the board 'rat-demo\.random'.*cattle-demo\.family"):
        select([outcome], "rat-demo.random")
