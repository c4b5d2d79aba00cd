"""Records of predictions: what they refuse, and that they come back from JSON as they went."""

from __future__ import annotations

import dataclasses
import json

import pytest

from genobench.downstream.records import PredictionRecord, lines_of, read_record, read_records
from genobench.errors import GenobenchError

VALUES = PredictionRecord(
    dataset="example",
    dataset_sha256="d" * 64,
    split={"scheme": "family", "seed": 0, "sha256": "s" * 64, "n": {"train": 9, "holdout": 3}, "largest_kinship": None},
    trait="weight",
    kind="quantitative",
    generator="genobench/copy",
    generator_settings={},
    seed=3,
    classifier="genobench/ridge",
    classifier_settings={"penalty": 0.5},
    code_sha256="c" * 64,
    arm="real+1x",
    n_real=9,
    n_synthetic=9,
    n_components=2,
    truth=(1.0, 2.5, -3.0),
    predicted=(1.25, 2.0, 1e-7),
    classes=(),
    groups=(0, 0, 4),
    seconds=0.25,
    cell_id="0123456789abcdef",
)
CLASSES = dataclasses.replace(
    VALUES, kind="ordinal", truth=("low", "high", "high"), predicted=((0.25, 0.75), (1.0, 0.0), (0.5, 0.5)), classes=("low", "high")
)
NONE = dataclasses.replace(CLASSES, predicted=(), reason="RuntimeError: it never worked")


@pytest.mark.parametrize("record", [VALUES, CLASSES, NONE], ids=["values", "classes", "none"])
def test_record__comes_back_from_json_as_it_was(record):
    assert PredictionRecord.from_json(json.loads(json.dumps(record.to_json(), allow_nan=False))) == record


def test_lines__are_the_same_bytes_for_the_same_records_and_come_back(tmp_path):
    records = [VALUES, CLASSES, NONE]
    (tmp_path / "predictions.jsonl.gz").write_bytes(lines_of(records))
    assert read_records(tmp_path / "predictions.jsonl.gz") == records
    assert lines_of(records) == lines_of(iter(records))


def test_read_records__damage_is_named_by_its_line(tmp_path):
    path = tmp_path / "predictions.jsonl.gz"
    with pytest.raises(GenobenchError, match=r"predictions.jsonl.gz cannot be read"):
        read_records(path)
    path.write_bytes(lines_of([VALUES])[:-4])
    with pytest.raises(GenobenchError, match=r"predictions.jsonl.gz cannot be read"):
        read_records(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 0},
        {"kind": "colour"},
        {"predicted": [1.0, 2.0]},
        {"predicted": [1.0, 2.0, None]},
        {"predicted": [1.0, 2.0, [3.0]]},
        {"predicted": 3},
        {"groups": [0]},
        {"truth": None},
        {"reason": "There are none."},
        {"more": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_read_record__what_does_not_fit_together_counts_as_none(tmp_path, changes):
    """The same record without the changes is read."""
    path = tmp_path / "record.json"
    path.write_text(json.dumps(VALUES.to_json()))
    assert read_record(path) == VALUES
    path.write_text(json.dumps(VALUES.to_json() | changes))
    assert read_record(path) is None


@pytest.mark.parametrize("content", [b"", b'{"schema": 1', b"\xff\xfe", b"[1]", b"null"])
def test_read_record__damaged_file_counts_as_none(tmp_path, content):
    (tmp_path / "record.json").write_bytes(content)
    assert read_record(tmp_path / "record.json") is None
    assert read_record(tmp_path / "absent.json") is None


@pytest.mark.parametrize("row", [(0.5,), (0.5, float("nan")), 0.5], ids=str)
def test_record__rows_have_a_finite_number_for_each_class(row):
    with pytest.raises(GenobenchError, match="it must hold 2 finite numbers"):
        dataclasses.replace(CLASSES, predicted=(row, (1.0, 0.0), (0.5, 0.5)))
