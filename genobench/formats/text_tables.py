"""Tables of samples from text: ids stay text, numbers become numbers, and what counts as missing is said once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from genobench.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pandas as pd

MISSING_TEXTS: Final = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None", "."})
"""What stands for a missing value in a table of samples."""

ALWAYS_TEXT: Final = frozenset({"id", "family", "sire", "dam", "sex"})
"""Columns that name things, whatever their values look like."""

_INTEGER: Final = re.compile(r"[+-]?(0|[1-9]\d*)")


def read_text_table(path: Path) -> pd.DataFrame:
    """A table as text, unchanged but for surrounding blanks; the separator is a comma, a tab, a semicolon or blanks, as its header has it.

    Args:
        path: A text file with a header, possibly gzipped.

    Returns:
        A table of str.

    Raises:
        FormatError: If the file is no such table; the message gives the line where pandas does.
    """
    import pandas as pd

    try:
        with pd.io.common.get_handle(path, "r", encoding="utf-8-sig", compression="infer") as opened:
            header = opened.handle.readline()
        separator = next((mark for mark in ("\t", ",", ";") if mark in header), r"\s+")
        table = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True, index_col=False
        )
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise FormatError(f"{path} cannot be read as a table: {str(error).strip()}") from error
    table.columns = [str(column).strip() for column in table.columns]
    if table.columns.duplicated().any():
        raise FormatError(f"{path} has the column '{table.columns[table.columns.duplicated()][0]}' more than once.")
    return table.apply(lambda column: column.fillna("").str.strip())


def typed_table(table: pd.DataFrame, *, text_columns: Collection[str] = ALWAYS_TEXT, missing: Collection[str] = ()) -> pd.DataFrame:
    """A table of text with numbers where a whole column is numbers.

    Args:
        table: A table of str.
        text_columns: Columns that stay text; only an empty cell is missing there.
        missing: Texts that mean "missing" beside `MISSING_TEXTS`, for example "-9".

    Returns:
        Columns of Int64 (whole numbers), float64 (other numbers) or text; missing values are <NA>, NaN or None.
    """
    absent = MISSING_TEXTS | set(missing)
    return table.assign(
        **{name: _text(table[name], {"", *missing}) if name in text_columns else _typed(table[name], absent) for name in table.columns}
    )


def _text(column: pd.Series[str], missing: Collection[str]) -> pd.Series[str]:
    return column.astype(object).where(~column.isin(list(missing)), None)


def _typed(column: pd.Series[str], missing: Collection[str]) -> pd.Series[str]:
    import pandas as pd

    is_missing = column.isin(list(missing))
    known = column[~is_missing]
    if known.str.fullmatch(_INTEGER).all() and (known.str.len() < 16).all():
        return pd.to_numeric(column.where(~is_missing, None)).astype("Int64")
    if known.str.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?").all() and not known.str.fullmatch(r"[+-]?0\d+").any():
        return pd.to_numeric(column.where(~is_missing, None)).astype("float64")
    return column.astype(object).where(~is_missing, None)
