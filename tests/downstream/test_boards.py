"""Boards of predictions: evidence is added, never changed without a word."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from filelock import FileLock

from genobench.downstream import boards, pages
from genobench.downstream.boards import EVIDENCE, board_name, publish, read_board, state_heritability, stated_heritability
from genobench.downstream.pages import write_pages
from genobench.downstream.records import PredictionRecord, lines_of
from genobench.errors import GenobenchError
from genobench.leaderboard.locking import board_locked

REAL = PredictionRecord(
    dataset="example",
    dataset_sha256="d" * 64,
    split={"scheme": "family", "seed": 0, "sha256": "s" * 64, "n": {"train": 9, "holdout": 3}, "largest_kinship": None},
    trait="weight",
    kind="quantitative",
    generator="",
    generator_settings={},
    seed=0,
    classifier="genobench/ridge",
    classifier_settings={},
    code_sha256="c" * 64,
    arm="real",
    n_real=9,
    n_synthetic=0,
    n_components=0,
    truth=(1.0, 2.5, -3.0),
    predicted=(1.25, 2.0, 1e-7),
    classes=(),
    groups=(0, 0, 4),
    seconds=0.25,
)
BOTH = replace(REAL, arm="real+1x", generator="genobench/copy", cell_id="0123", n_synthetic=9, predicted=(1.0, 2.0, 3.0))
OTHER_SPLIT = replace(REAL, split={**REAL.split, "seed": 1, "sha256": "t" * 64}, seed=1)


def test_publish__adds_what_is_new_and_is_the_same_in_any_order(tmp_path):
    assert publish([REAL, BOTH], tmp_path / "first") == 2
    assert publish([REAL, BOTH], tmp_path / "first") == 0
    assert publish([BOTH, OTHER_SPLIT], tmp_path / "first") == 1
    assert publish([OTHER_SPLIT, BOTH, REAL], tmp_path / "second") == 3
    assert (tmp_path / "first" / EVIDENCE).read_bytes() == (tmp_path / "second" / EVIDENCE).read_bytes()
    assert {record.arm for record in read_board(tmp_path / "first")} == {"real", "real+1x"}


@pytest.mark.parametrize("changes", [{"predicted": (1.25, 2.0, 0.5)}, {"code_sha256": "e" * 64}], ids=lambda changes: next(iter(changes)))
def test_publish__another_prediction_of_the_same_is_an_error_unless_it_replaces(tmp_path, changes):
    publish([REAL], tmp_path)
    assert publish([replace(REAL, seconds=9.0)], tmp_path) == 0, "time is no evidence"
    with pytest.raises(GenobenchError, match=f"genobench/ridge on real .* differs in {next(iter(changes))}. Publish with --replace"):
        publish([BOTH, replace(REAL, **changes)], tmp_path)
    assert read_board(tmp_path) == [REAL], "the board is as it was"
    assert publish([replace(REAL, **changes)], tmp_path, replace=True) == 1
    assert read_board(tmp_path) == [replace(REAL, **changes)]


def test_board_name__says_dataset_split_and_budget():
    assert board_name([REAL, BOTH]) == "example.family.downstream"
    assert board_name([REAL], "3cpu-min") == "example.family.downstream.3cpu-min"
    with pytest.raises(GenobenchError, match=r"these are of example\.family\.downstream, example\.random\.downstream"):
        board_name([REAL, replace(REAL, split={**REAL.split, "scheme": "random"})])
    with pytest.raises(GenobenchError, match="these are of none"):
        board_name([])


def test_publish__nothing_is_no_board(tmp_path):
    with pytest.raises(GenobenchError, match="There is no prediction to publish"):
        publish([], tmp_path / "board")
    assert not (tmp_path / "board").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset_sha256": "e" * 64}, "predictions for one dataset and one scheme"),
        ({"kind": "ordinal", "truth": ("a",) * 3, "classes": ("a",), "predicted": ((1.0,),) * 3}, "are ordinal and quantitative"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_publish__what_may_not_stand_in_one_table_leaves_the_board_as_it_was(tmp_path, changes, message):
    publish([REAL], tmp_path)
    with pytest.raises(GenobenchError, match=message):
        publish([replace(BOTH, **changes)], tmp_path)
    assert read_board(tmp_path) == [REAL]


@pytest.mark.parametrize("n_kept", [0, 1, 60, -1])
def test_publish__evidence_that_was_cut_off_is_an_error_and_stays(tmp_path, n_kept):
    publish([REAL, BOTH], tmp_path)
    cut = (tmp_path / EVIDENCE).read_bytes()[:n_kept]
    (tmp_path / EVIDENCE).write_bytes(cut)
    with pytest.raises(GenobenchError, match=rf"{EVIDENCE} cannot be read \("):
        publish([OTHER_SPLIT], tmp_path, replace=True)
    assert (tmp_path / EVIDENCE).read_bytes() == cut


def test_read_board__a_prediction_that_stands_twice_counts_once(tmp_path):
    (tmp_path / EVIDENCE).write_bytes(lines_of([REAL, BOTH, replace(REAL, seconds=9.0)]))
    assert read_board(tmp_path) == [REAL, BOTH]


def test_read_board__two_predictions_of_one_that_differ_are_an_error(tmp_path):
    (tmp_path / EVIDENCE).write_bytes(lines_of([REAL, BOTH, replace(REAL, predicted=(9.0, 2.0, 1e-7))]))
    for read in (read_board, lambda folder: publish([OTHER_SPLIT], folder, replace=True)):
        with pytest.raises(
            GenobenchError, match=r"two predictions of genobench/ridge on real \(.*, split 0, seed 0\) that differ in predicted"
        ):
            read(tmp_path)


def test_read_board__records_of_two_datasets_are_an_error_that_names_the_file(tmp_path):
    (tmp_path / EVIDENCE).write_bytes(lines_of([REAL, replace(BOTH, dataset="another")]))
    with pytest.raises(GenobenchError, match=rf"{EVIDENCE} holds what does not belong together.*another .*; example "):
        read_board(tmp_path)
    (tmp_path / EVIDENCE).write_bytes(lines_of([]))
    with pytest.raises(GenobenchError, match="holds no prediction"):
        read_board(tmp_path)


def test_publish__while_another_process_does_is_an_error(tmp_path, monkeypatch):
    publish([REAL], tmp_path)
    before = (tmp_path / EVIDENCE).read_bytes()
    for module in (boards, pages):
        monkeypatch.setattr(module, "board_locked", partial(board_locked, most_seconds=0.01))
    for write in (partial(publish, [BOTH]), write_pages):
        with FileLock(tmp_path / ".lock"), pytest.raises(GenobenchError, match=r"Another process has held the board .* for 0.01 s"):
            write(tmp_path)
    assert (tmp_path / EVIDENCE).read_bytes() == before
    assert publish([BOTH], tmp_path) == 1


def test_write_pages__makes_no_folder(tmp_path):
    with pytest.raises(GenobenchError, match="absent: it is no folder"):
        write_pages(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_publish__names_files_and_not_folders(tmp_path):
    local = replace(BOTH, predicted=(), reason="OSError: no /data/rats/model.pt", generator_settings={"path": "/data/rats/synthetic.bed"})
    assert publish([local], tmp_path) == 1
    (held,) = read_board(tmp_path)
    assert (held.reason, held.generator_settings) == ("OSError: no model.pt", {"path": "synthetic.bed"})
    assert publish([local], tmp_path) == 0


@pytest.mark.parametrize("stated", ['{"heritability": 7}', '{"heritability": NaN}', '{"heritability": "x"}', "[]", "[" * 100_000])
def test_stated_heritability__is_a_share_of_variance(tmp_path, stated):
    assert stated_heritability(tmp_path) is None
    (tmp_path / "facts.json").write_text(stated)
    with pytest.raises(GenobenchError, match="does not say a heritability"):
        stated_heritability(tmp_path)
    state_heritability(tmp_path, 0.25)
    assert stated_heritability(tmp_path) == 0.25
