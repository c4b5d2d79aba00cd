"""Plain tables, CSV or Parquet: a row a sample, a column a variant, cells 0, 1, 2 or empty.

A column named chromosome:position:ref:alt says what it counts; other names need a variants table, NAME.variants.csv, beside the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.calls import MISSING, pack_calls
from genobench.errors import FormatError
from genobench.formats.assembly import Decision, RawGenotypes, checked_calls, examples
from genobench.formats.atomic import written_together
from genobench.formats.chromosomes import UNKNOWN
from genobench.formats.folder import variants_from_text, variants_to_text
from genobench.formats.text_tables import read_text_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from genobench.genotypes import Genotypes

FORMAT: Final = "table"

SUFFIXES: Final = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")

_ID_COLUMNS: Final = ("id", "ID", "iid", "IID", "sample", "sample_id")
_PLACED: Final = re.compile(r"(?P<chromosome>[^:_]+)[:_](?P<position>\d+)(?:[:_](?P<ref>[^:_]*)[:_](?P<alt>[^:_]*))?")


def read_table(path: Path) -> RawGenotypes:
    """Read samples x variants from CSV, TSV or Parquet.

    Args:
        path: The file. Its column `id` (or IID, sample, ...) names the samples; a Parquet file without one uses its index.

    Returns:
        Calls and tables, in file order.

    Raises:
        FormatError: If ids are absent, the variants cannot be placed, or a cell is no call.
    """
    import pandas as pd

    table = _load(path)
    decisions: list[Decision] = []
    id_column = next((name for name in _ID_COLUMNS if name in table.columns), None)
    if id_column is not None:
        ids = table.pop(id_column).astype(str)
    elif path.suffix == ".parquet":
        ids = pd.Series(table.index.astype(str))
        decisions.append(Decision("ids-from-index", len(ids), f"The file has no id column; its index ({examples(ids)}) names the samples."))
    else:
        raise FormatError(
            f"{path} has no column of sample ids; name one of its columns 'id'. The first columns are {examples(table.columns)}."
        )
    texts = [str(name) for name in table.columns]
    variants = _variants(texts, path, decisions)
    try:
        values = table.to_numpy(dtype=np.float32, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise FormatError(_not_a_number(table, list(ids), path)) from error
    calls = checked_calls(values, sample_ids=list(ids), variant_ids=texts, path=path)
    samples = pd.DataFrame({"id": ids.to_numpy(dtype=object)})
    return RawGenotypes(packed=pack_calls(calls), samples=samples, variants=variants, decisions=decisions)


def write_table(genotypes: Genotypes, path: Path) -> tuple[Path, ...]:
    """Write the table and NAME.variants.csv beside it, whole or not at all. Missing calls are empty cells.

    Returns:
        The two paths.
    """
    import pandas as pd

    variants = genotypes.variants
    names = [
        f"{place}:{0 if pd.isna(bp) else bp}:{ref}:{alt}"
        for place, bp, ref, alt in zip(variants["chromosome"], variants["position_bp"], variants["ref"], variants["alt"], strict=True)
    ]
    if len(set(names)) < len(names):
        names = [f"{name}:{number}" for number, name in enumerate(names)]
    calls = pd.DataFrame(genotypes.to_array(), columns=names).astype("Int8")
    table = pd.concat([pd.DataFrame({"id": genotypes.sample_ids}), calls.mask(calls == MISSING)], axis=1)
    sidecar = _sidecar(path)
    with written_together(sidecar, path) as (sidecar_draft, draft):
        variants_to_text(variants).to_csv(sidecar_draft, index=False)
        if path.suffix == ".parquet":
            table.to_parquet(draft, index=False)
        else:
            table.to_csv(draft, index=False, sep="\t" if ".tsv" in path.suffixes else ",")
    return (sidecar, path)


def _sidecar(path: Path) -> Path:
    stem = next(
        (path.name.removesuffix(suffix) for suffix in sorted(SUFFIXES, key=len, reverse=True) if path.name.endswith(suffix)), path.stem
    )
    return path.with_name(stem + ".variants.csv")


def _load(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        types: Any = dict.fromkeys(_ID_COLUMNS, str)
        return pd.read_csv(path, sep="\t" if ".tsv" in path.suffixes else ",", dtype=types, encoding="utf-8-sig", low_memory=False)
    except (OSError, ValueError, EOFError, pa.ArrowInvalid, pd.errors.ParserError) as error:
        raise FormatError(f"{path} cannot be read as a table: {str(error).strip()}") from error


def _variants(names: list[str], path: Path, decisions: list[Decision]) -> pd.DataFrame:
    import pandas as pd

    sidecar = _sidecar(path)
    if sidecar.is_file():
        variants = variants_from_text(read_text_table(sidecar), sidecar)
        if len(variants) != len(names):
            raise FormatError(f"{path} has {len(names)} columns of calls but {sidecar.name} lists {len(variants)} variants.")
        return variants
    matches = [_PLACED.fullmatch(name) for name in names]
    if names and not any(matches):
        text = f"Columns are not named chromosome:position:ref:alt and there is no {sidecar.name}; the variants' places are not known."
        decisions.append(Decision("places-unknown", len(names), text))
        columns = {"chromosome": UNKNOWN, "position_bp": None, "id": names, "ref": "", "alt": ""}
        return pd.DataFrame(columns).astype({"position_bp": "Int64"})
    for name, match in zip(names, matches, strict=True):
        if match is None:
            raise FormatError(
                f"{path}: the column '{name}' is not named chromosome:position:ref:alt as others are; "
                f"drop it, or describe every column in {sidecar.name}."
            )
    parts = [match for match in matches if match is not None]
    positions = [int(match["position"]) or None for match in parts]
    return pd.DataFrame(
        {
            "chromosome": [match["chromosome"] for match in parts],
            "position_bp": pd.array(positions, dtype="Int64"),
            "id": names,
            "ref": [match["ref"] or "" for match in parts],
            "alt": [match["alt"] or "" for match in parts],
        }
    )


def _not_a_number(table: pd.DataFrame, ids: list[str], path: Path) -> str:
    import pandas as pd

    for name in table.columns:
        column = pd.to_numeric(table[name], errors="coerce")
        is_wrong = (column.isna() & table[name].notna()).to_numpy()
        if is_wrong.any():
            row = int(np.flatnonzero(is_wrong)[0])
            return (
                f"{path}: the call of sample '{ids[row]}' at variant '{name}' is '{table[name].iloc[row]}'; "
                "a call is 0, 1 or 2 ALT alleles, or empty where it is missing."
            )
    return f"{path} holds cells that are not numbers."
