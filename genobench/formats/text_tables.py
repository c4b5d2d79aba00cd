"""Tables of samples from text: ids stay text, numbers become numbers, and what counts as missing is said once."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from genobench.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    import pandas as pd

MISSING_TEXTS: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None", "."})
"""What stands for a missing value in a table of samples."""

ALWAYS_TEXT: Final = frozenset({"id", "family", "sire", "dam", "sex"})
"""Columns that name things, whatever their values look like."""

_RELATIONS: Final = ALWAYS_TEXT - {"id"}
_INTEGER: Final = re.compile(r"[+-]?(0|[1-9]\d*)")


def read_text_table(path: Path) -> pd.DataFrame:
    """A table as text, unchanged but for surrounding blanks; the separator is a tab, a comma, a semicolon or blanks, as its header has it.

    Args:
        path: A text file with a header, possibly gzipped.

    Returns:
        A table of str; an empty cell is "".

    Raises:
        FormatError: If the file is absent or no such table; the message gives the line.
    """
    import pandas as pd

    if not path.is_file():
        raise FormatError(f"There is no file {path}.")
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(encoding="utf-8-sig") as handle:
            lines = handle.read().splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read as a table: {error}") from error
    if not lines or not lines[0].strip():
        raise FormatError(f"{path} is empty, or its first line is; a table begins with a header.")
    separator = next((mark for mark in ("\t", ",", ";") if mark in lines[0]), None)
    header, *rows = _rows(lines, separator, path)
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise FormatError(f"{path} has the column '{repeated[0]}' more than once.")
    return pd.DataFrame(rows, columns=pd.Index(header, dtype=object), dtype=object)


def _rows(lines: list[str], separator: str | None, path: Path) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=separator) if separator else (line.split() for line in lines)
    n_columns = 0
    for number, fields in enumerate(reader, start=1):
        cells = [cell.strip() for cell in fields]
        if not any(cells):
            continue
        n_columns = n_columns or len(cells)
        if len(cells) != n_columns:
            raise FormatError(f"{path}, line {number}, has {len(cells)} cells; its header has {n_columns}.")
        yield cells


def typed_table(table: pd.DataFrame, *, text_columns: Collection[str] = ALWAYS_TEXT, missing: Collection[str] = ()) -> pd.DataFrame:
    """A table of text with numbers where a whole column is numbers.

    Args:
        table: A table of str.
        text_columns: Columns that stay text. Only an empty cell is missing there, but in `family`, `sire`, `dam` and `sex` the texts of
            `MISSING_TEXTS` are too, and in `sire` and `dam` also 0, as in PLINK.
        missing: Texts that mean "missing" beside `MISSING_TEXTS`, for example "-9".

    Returns:
        Columns of Int64 (whole numbers), float64 (other numbers) or text; missing values are <NA>, NaN or None.
    """
    absent = MISSING_TEXTS | set(missing)
    typed = {}
    for name in table.columns:
        if name not in text_columns:
            typed[name] = _typed(table[name], absent)
        elif name in _RELATIONS:
            typed[name] = _text(table[name], absent | {"0"} if name in {"sire", "dam"} else absent)
        else:
            typed[name] = _text(table[name], {""})
    return table.assign(**typed)


def _text(column: pd.Series[str], missing: Collection[str]) -> pd.Series[Any]:
    return column.astype(object).where(~column.isin(list(missing)), None)


def _typed(column: pd.Series[str], missing: Collection[str]) -> pd.Series[Any]:
    import pandas as pd

    is_missing = column.isin(list(missing))
    known = column[~is_missing]
    if known.str.fullmatch(_INTEGER).all() and (known.str.len() < 16).all():
        return pd.to_numeric(column.where(~is_missing, None)).astype("Int64")
    if known.str.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?").all() and not known.str.fullmatch(r"[+-]?0\d+").any():
        return pd.to_numeric(column.where(~is_missing, None)).astype("float64")
    return column.astype(object).where(~is_missing, None)
