"""Columns of a sample table: which are numbers, and which are classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable


def is_number(column: pd.Series[Any]) -> bool:
    """Whether a column has values; truth values and all else are classes, as for `genobench.Covariates`."""
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def joined(columns: Iterable[pd.Series[Any]]) -> pd.Series[Any]:
    """Columns one below the other; numbers stay numbers, and all else becomes objects."""
    held = list(columns)
    return pd.concat(held if all(map(is_number, held)) else [column.astype(object) for column in held], ignore_index=True)
