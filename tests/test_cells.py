"""Cells: their names, their folders and their states."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from genobench.cells import Cell, CellKey, FitResult, cell_folder, find_cell, hash_json, open_cell
from genobench.errors import CellError

KEY = CellKey(
    dataset="cattle-demo",
    dataset_sha256="d" * 64,
    split_sha256="e" * 64,
    trait="fat",
    generator="genobench/leaky",
    plugin_version="0.1.0",
    code_sha256="f" * 64,
    settings={"share": 0.05, "widths": [8, 4]},
    seed=0,
    n_samples=100,
    device="cpu",
)
OK = FitResult(status="ok", phase="done", message="", timings={"fit": 1.5}, peak_memory_bytes=10)


def test_cell_id__is_a_function_of_the_key_alone():
    changes: dict[str, Any] = {"seed": 1, "n_samples": 99, "device": "cuda", "trait": "milk", "settings": {}, "code_sha256": "0" * 64}
    others = [replace(KEY, **{name: change}) for name, change in changes.items()]
    assert len({KEY.cell_id, *(other.cell_id for other in others)}) == len(others) + 1
    assert replace(KEY, settings={"widths": [8, 4], "share": 0.05}).cell_id == KEY.cell_id


def test_cell_id__without_a_budget_is_what_it_was_before_there_were_budgets():
    assert KEY.cell_id == "3f8a356022aacdf8"
    assert replace(KEY, budget="3cpu-min").cell_id != KEY.cell_id


def test_cell_id__of_one_device_is_what_it_was_before_there_could_be_more(tmp_path):
    assert "n_devices" not in json.loads((open_cell(tmp_path, KEY).folder / "cell.json").read_text())
    shared = open_cell(tmp_path, replace(KEY, n_devices=2))
    assert shared.key.cell_id != KEY.cell_id
    assert find_cell(tmp_path, shared.key.cell_id).key == shared.key
    assert find_cell(tmp_path, KEY.cell_id).key == KEY


def test_hash_json__is_the_sha256_of_the_canonical_form():
    """printf '{"a":[1,null],"b":"é"}' | sha256sum."""
    assert hash_json({"b": "é", "a": [1, None]}) == "e03c3c1ebb5fccd76e3bd35b9a86169f35e6f1b069645d48ac278175f54c4208"


def test_open_cell__is_unfinished_until_its_result_is_written(tmp_path):
    cell = open_cell(tmp_path, KEY)
    assert cell.result is None
    cell.checkpoints.mkdir()
    cell.finish(OK)
    assert open_cell(tmp_path, KEY).result == OK
    assert not cell.checkpoints.exists(), "a good fit needs its checkpoints no more"


def test_finish__keeps_the_checkpoints_of_a_fit_that_failed(tmp_path):
    cell = open_cell(tmp_path, KEY)
    cell.checkpoints.mkdir()
    cell.finish(replace(OK, status="timeout", phase="fit"))
    assert cell.checkpoints.is_dir()
    limited = open_cell(tmp_path, replace(KEY, budget="3cpu-min"))
    limited.checkpoints.mkdir()
    limited.finish(replace(OK, status="timeout", phase="fit"))
    assert not limited.checkpoints.exists(), "under a budget the next fit begins anew"


def test_clear__forgets_all_but_the_key_and_the_checkpoints(tmp_path):
    cell = open_cell(tmp_path, KEY)
    for folder in (cell.synthetic, cell.model, cell.scores, cell.validation_scores, cell.checkpoints):
        folder.mkdir()
    for file in (cell.log, cell.curves, cell.job, cell.outcome):
        file.touch()
    cell.finish(replace(OK, status="failed"))
    cell.clear()
    assert {path.name for path in cell.folder.iterdir()} == {"cell.json", "checkpoints"}


def test_clear__keeps_the_curves_of_a_fit_that_can_resume(tmp_path):
    cell = open_cell(tmp_path, KEY)
    cell.checkpoints.mkdir()
    for file in (cell.curves, cell.checkpoints / "step-20.safetensors"):
        file.touch()
    cell.clear()
    assert cell.curves.exists()
    cell.clear(with_checkpoints=True)
    assert {path.name for path in cell.folder.iterdir()} == {"cell.json"}


def test_find_cell__by_the_beginning_of_its_id(tmp_path):
    cell = open_cell(tmp_path, KEY)
    assert find_cell(tmp_path, KEY.cell_id[:6]) == Cell(KEY, cell_folder(tmp_path, KEY.cell_id)) == cell


@pytest.mark.parametrize("cell_id", ["", "zz"])
def test_find_cell__none(tmp_path, cell_id):
    open_cell(tmp_path, KEY)
    with pytest.raises(CellError, match=f"'{cell_id}' should name one cell of .*, and names none"):
        find_cell(tmp_path, cell_id)


def test_find_cell__damaged(tmp_path):
    cell = open_cell(tmp_path, KEY)
    (cell.folder / "cell.json").write_text("{}")
    with pytest.raises(CellError, match=r"cell\.json is damaged .*; remove the folder and run the cell again"):
        find_cell(tmp_path, KEY.cell_id)
