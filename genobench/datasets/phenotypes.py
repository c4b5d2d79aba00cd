"""Tables of phenotypes: joined to genotypes by sample id, never by row order, and turned into traits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.contracts import Trait
from genobench.errors import DatasetError
from genobench.formats.text_tables import ALWAYS_TEXT, read_text_table, typed_table

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pandas as pd

    from genobench.contracts import TraitKind

_ID_COLUMNS: Final = ("id", "iid", "sample", "sample_id", "sampleid", "animal", "animal_id", "individual")
_SEXES: Final = {"1": "male", "m": "male", "male": "male", "2": "female", "f": "female", "female": "female"}
_MOST_CLASSES_OF_NUMBERS: Final = 10
_SHOWN: Final = 5


@dataclass(frozen=True)
class JoinReport:
    """How a phenotype table met the genotypes.

    Args:
        path: The table.
        id_column: Its column of sample ids.
        n_rows: Rows of the table.
        n_matched: Samples found in both.
        without_phenotypes: Ids of genotyped samples that the table does not list.
        without_genotypes: Ids of the table that are not genotyped.
        columns: Columns that were added.
        disagreements: Columns that the genotype files had too, and for how many samples the two differ; the table's value was taken.
    """

    path: str
    id_column: str
    n_rows: int
    n_matched: int
    without_phenotypes: tuple[str, ...]
    without_genotypes: tuple[str, ...]
    columns: tuple[str, ...]
    disagreements: tuple[tuple[str, int], ...] = ()


def join_phenotypes(
    samples: pd.DataFrame, path: Path, *, id_column: str | None = None, missing: Collection[str] = ()
) -> tuple[pd.DataFrame, JoinReport]:
    """Add the columns of a phenotype table to a sample table, by sample id.

    Args:
        samples: The sample table; its rows and their order stay.
        path: CSV, TSV or blank-separated text with a header.
        id_column: The table's column of sample ids; by default one named id, IID, sample, ..., else the first.
        missing: Texts that mean "missing" beside the usual ones (empty, NA, NaN, .), for example "-9".

    Returns:
        The sample table with more columns, and how the two met.

    Raises:
        DatasetError: If the id column is absent, an id is empty or stands twice, or no id is that of a sample.
    """
    text = read_text_table(path)
    id_column = _find_id_column(text, id_column, path)
    ids = text[id_column]
    if (ids == "").any():
        row = int(np.flatnonzero(ids == "")[0])
        raise DatasetError(f"{path}, line {row + 2}: the column '{id_column}' is empty; every row needs a sample id.")
    twice = list(dict.fromkeys(ids[ids.duplicated()]))
    if twice:
        raise DatasetError(
            f"{path}: {len(twice)} ids stand more than once in column '{id_column}': {_shown(twice)}. Each sample may have one row."
        )
    table = typed_table(text.drop(columns=id_column), text_columns=ALWAYS_TEXT, missing=missing)
    table.index = ids.to_numpy(dtype=object)
    genotyped, listed = set(samples["id"]), set(ids)
    if not genotyped & listed:
        raise DatasetError(
            f"None of the {len(listed)} ids in column '{id_column}' of {path} is a sample. The table has {_shown(ids)}; the genotypes have "
            f"{_shown(samples['id'])}. Name the right column, or bring the ids to one style."
        )
    added = table.reindex(samples["id"]).reset_index(drop=True)
    if "sex" in added.columns:
        added["sex"] = sex_names(added["sex"])
    disagreements = []
    for name in added.columns:
        if name in samples.columns:
            both = samples[name].notna() & added[name].notna()
            n_different = int((samples[name].astype(str) != added[name].astype(str))[both].sum())
            disagreements.append((str(name), n_different))
            added[name] = added[name].astype(object).where(added[name].notna(), samples[name]).infer_objects()
    joined = samples.assign(**{str(name): added[name] for name in added.columns})
    return joined, JoinReport(
        path=str(path),
        id_column=id_column,
        n_rows=len(ids),
        n_matched=len(genotyped & listed),
        without_phenotypes=tuple(name for name in samples["id"] if name not in listed),
        without_genotypes=tuple(name for name in ids if name not in genotyped),
        columns=tuple(str(name) for name in added.columns),
        disagreements=tuple((name, count) for name, count in disagreements if count),
    )


def sex_names(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of sex as "male" and "female", from 1/2, M/F or the words; unchanged where it holds anything else but 0 (not known)."""
    texts = column.astype(object).where(column.notna(), "0").astype(str).str.lower()
    if not texts.isin([*_SEXES, "0"]).all():
        return column
    return texts.map(_SEXES).astype(object).where(texts != "0", None)


def make_trait(
    samples: pd.DataFrame,
    column: str,
    *,
    kind: TraitKind | None = None,
    classes: Sequence[str] = (),
    covariates: Sequence[str] = (),
    family: str | None = None,
) -> tuple[Trait, pd.Series[Any]]:
    """A trait and its column as genobench keeps it: numbers for a quantitative trait, text for classes.

    Without `kind`, text is categorical; whole numbers are categorical if there are two of them, ordinal up to ten, quantitative beyond;
    other numbers are quantitative.

    Args:
        samples: The sample table.
        column: The trait's column.
        kind: Overrides the inference.
        classes: The classes in order; by default those found, in numerical or alphabetical order.
        covariates: Recorded in the trait.
        family: Likewise.

    Returns:
        The trait, and its column, shape (n_samples,).

    Raises:
        DatasetError: If a column is absent, the trait does not vary, its values do not fit the kind, or it is among its covariates.
    """
    import pandas as pd

    for name in (column, *covariates, *([family] if family else [])):
        if name not in samples.columns:
            raise DatasetError(f"There is no column '{name}'; the columns are {', '.join(samples.columns)}.")
    values = samples[column]
    known = values.dropna()
    distinct = list(known.unique())
    if len(distinct) < 2:
        what = f"is '{distinct[0]}' in all {len(known)} samples that have it" if distinct else "is not known in any sample"
        raise DatasetError(f"The trait '{column}' {what}; a trait must vary.")
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    kind = kind or _inferred_kind(values, column, is_number=is_number)
    if kind == "quantitative":
        if not is_number:
            first = next(value for value in known if pd.isna(pd.to_numeric(value, errors="coerce")))
            place = samples["id"][values == first].iloc[0]
            raise DatasetError(f"The quantitative trait '{column}' is '{first}' in sample '{place}'; it must be a number, or empty.")
        return Trait(column, "quantitative", covariates=tuple(covariates), family=family), values.astype("float64")
    texts = _class_texts(values)
    found = set(texts.dropna())
    if classes and found - set(classes):
        raise DatasetError(
            f"The trait '{column}' has the classes {_shown(sorted(found - set(classes)))} beside those given: {', '.join(classes)}."
        )
    if classes and len(set(classes) & found) < len(classes):
        raise DatasetError(f"No sample has the class {_shown([name for name in classes if name not in found])} of trait '{column}'.")
    if kind == "ordinal" and not is_number and not classes:
        raise DatasetError(f"The order of the classes of '{column}' is not known: {_shown(sorted(found))}. Give the classes in order.")
    in_order = tuple(classes) or tuple(sorted(found, key=float) if is_number else sorted(found))
    return Trait(column, kind, classes=in_order, covariates=tuple(covariates), family=family), texts


def _find_id_column(table: pd.DataFrame, id_column: str | None, path: Path) -> str:
    if not len(table.columns) or not len(table):
        raise DatasetError(f"{path} lists no samples; it must be a header and a row a sample.")
    if id_column is None:
        return next((name for name in table.columns if name.lower() in _ID_COLUMNS), table.columns[0])
    if id_column not in table.columns:
        raise DatasetError(f"{path} has no column '{id_column}'; its columns are {', '.join(table.columns)}.")
    return id_column


def _inferred_kind(values: pd.Series[Any], column: str, *, is_number: bool) -> TraitKind:
    known = values.dropna()
    n_distinct = known.nunique()
    if is_number:
        if n_distinct > _MOST_CLASSES_OF_NUMBERS or (known % 1 != 0).any():
            return "quantitative"
        return "categorical" if n_distinct == 2 else "ordinal"
    if n_distinct > max(_MOST_CLASSES_OF_NUMBERS, len(known) // 3):
        raise DatasetError(
            f"The trait '{column}' is text with {n_distinct} different values in {len(known)} samples ({_shown(known.unique())}). "
            "If these are numbers, say which text means missing; if they are classes, say that the trait is categorical."
        )
    return "categorical"


def _class_texts(values: pd.Series[Any]) -> pd.Series[Any]:
    def text(value: Any) -> str | None:
        if value is None or value != value or str(value) == "<NA>":  # noqa: PLR0124 - NaN differs from itself
            return None
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    import pandas as pd

    return pd.Series([text(value) if known else None for value, known in zip(values, values.notna(), strict=True)], dtype=object)


def _shown(items: Collection[Any]) -> str:
    listed = [str(item) for item in items]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
