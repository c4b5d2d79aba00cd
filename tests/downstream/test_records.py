"""Records of predictions: what they refuse, and that they come back from JSON as they went."""

from __future__ import annotations

import dataclasses
import gzip
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
    ("line", "message"),
    [
        (b"[1]", "This is no prediction record"),
        (b"[" * 100_000, "line 2: "),
        (b'{"schema": ' + b"9" * 5_000 + b"}", "line 2: "),
        (json.dumps(VALUES.to_json() | {"classifier_settings": {"penalty": float("nan")}}).encode(), "NaN is no number of JSON"),
        (b" " * 2**27, "longer than 134,217,728 bytes"),
    ],
    ids=["list", "deep", "long number", "nan", "endless"],
)
def test_read_records__a_line_from_elsewhere_is_refused_with_its_number(tmp_path, line, message):
    path = tmp_path / "predictions.jsonl.gz"
    path.write_bytes(lines_of([VALUES]) + gzip.compress(line, compresslevel=1))
    with pytest.raises(GenobenchError, match=r"predictions.jsonl.gz, line 2") as caught:
        read_records(path)
    assert message in str(caught.value)


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
        {"reason": 5, "predicted": []},
        {"more": 1},
        {"dataset": ""},
        {"trait": "two\nlines"},
        {"trait": "\x1b[31m"},
        {"trait": 5},
        {"trait": "x" * 501},
        {"split": "family"},
        {"split": {"scheme": "family", "seed": 0, "n": {}}},
        {"split": {"scheme": "family", "seed": "zero", "sha256": "", "n": {}}},
        {"split": {"scheme": "family", "seed": 0, "sha256": "", "n": {"train": -1}}},
        {"seed": [1]},
        {"seed": True},
        {"classifier": 5},
        {"classifier_settings": [1]},
        {"arm": "real+x"},
        {"arm": "unreal"},
        {"n_real": -5},
        {"n_components": "two"},
        {"truth": ["a", "b", "c"]},
        {"truth": [1e200, 2.0, 3.0]},
        {"predicted": [1e200, 2.0, 3.0]},
        {"predicted": [True, 2.0, 3.0]},
        {"classes": ["low"]},
        {"groups": [-1, 0, 0]},
        {"groups": [0.5, 0, 0]},
        {"groups": [2**31, 0, 0]},
        {"covariate_groups": [0]},
        {"is_control": "no"},
        {"seconds": "long"},
        {"seconds": -1},
        {"budget": 3},
    ],
    ids=lambda changes: f"{next(iter(changes))}={next(iter(changes.values()))}"[:30].encode("unicode_escape").decode(),
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


@pytest.mark.parametrize("row", [(0.5,), (0.5, float("nan")), 0.5, (0.7, 0.7), (-0.5, 1.5)], ids=str)
def test_record__rows_have_a_finite_number_for_each_class(row):
    with pytest.raises(GenobenchError, match="it must hold 2 finite numbers from 0 that sum to 1"):
        dataclasses.replace(CLASSES, predicted=(row, (1.0, 0.0), (0.5, 0.5)))
