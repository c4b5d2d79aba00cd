from __future__ import annotations

import gzip

import pandas as pd
import pytest

from genobench.errors import FormatError
from genobench.formats.text_tables import read_text_table, typed_table


@pytest.mark.parametrize(
    "text", ["id,w\na,1\nb,\n", "id\tw\na\t1\nb\t\n", "id; w\na;1\nb; \n", "\ufeffid,w\r\na,1\r\nb,\r\n", 'id,w\n"a",1\n\nb,""\n']
)
def test_the_header__says_the_separator(tmp_path, text):
    (tmp_path / "x.txt").write_text(text, encoding="utf-8")
    assert read_text_table(tmp_path / "x.txt").to_dict("list") == {"id": ["a", "b"], "w": ["1", ""]}


def test_blanks__separate_where_nothing_else_does(tmp_path):
    (tmp_path / "x.phe").write_text("id  age Trait1\n  a 3   1.5\nb 4 NA\n")
    assert read_text_table(tmp_path / "x.phe").to_dict("list") == {"id": ["a", "b"], "age": ["3", "4"], "Trait1": ["1.5", "NA"]}


def test_a_gzipped_table__is_read(tmp_path):
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"id,w\na,1\n"))
    assert read_text_table(tmp_path / "x.csv.gz")["w"].tolist() == ["1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,w\na,1\nb,2,3\n", "line 3, has 3 cells; its header has 2"),
        (b"id,w\na\n", "line 2, has 1 cells; its header has 2"),
        (b"\n1,2\n", "is empty, or its first line is"),
        (b"id,w\na,\xff\n", "cannot be read as a table"),
    ],
)
def test_a_ragged_or_damaged_table__is_an_error_with_its_line(tmp_path, content, message):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_text_table(tmp_path / "x.csv")


def test_an_absent_file__is_an_error(tmp_path):
    with pytest.raises(FormatError, match=r"There is no file .*nope\.csv"):
        read_text_table(tmp_path / "nope.csv")


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "2", ""], "Int64", [1, 2, pd.NA]),
        (["1", "NA", "-9"], "Int64", [1, pd.NA, -9]),
        (["1.5", "nan", "2e3"], "float64", [1.5, float("nan"), 2000.0]),
        ([".5", "-3.", "+1"], "float64", [0.5, -3.0, 1.0]),
        (["007", "012", "1"], "object", ["007", "012", "1"]),
        (["red", ".", "null"], "object", ["red", None, None]),
        (["1", "2", "x"], "object", ["1", "2", "x"]),
        (["inf", "1", "2"], "object", ["inf", "1", "2"]),
    ],
)
def test_a_column__is_numbers_where_all_of_it_is(cells, dtype, values):
    column = typed_table(pd.DataFrame({"w": cells}))["w"]
    pd.testing.assert_series_equal(column, pd.Series(values, name="w", dtype=dtype))


def test_names__stay_text_and_know_their_missing_values():
    table = pd.DataFrame({"id": ["1", "NA"], "sire": ["0", "7"], "family": ["NA", "0"], "w": ["-9", "1"]})
    typed = typed_table(table, missing=["-9"])
    assert typed["id"].tolist() == ["1", "NA"]
    assert typed["sire"].tolist() == [None, "7"]
    assert typed["family"].tolist() == [None, "0"]
    assert typed["w"].isna().tolist() == [True, False]
