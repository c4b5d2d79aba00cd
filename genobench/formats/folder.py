"""A folder of genotypes.npz (calls), samples.csv and variants.csv: a layout that any language reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.errors import FormatError
from genobench.formats.arrays import load_arrays, raw_from_arrays
from genobench.formats.assembly import haplotypes
from genobench.formats.atomic import written_together
from genobench.formats.text_tables import read_text_table, typed_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from genobench.formats.assembly import RawGenotypes
    from genobench.genotypes import Genotypes

FORMAT: Final = "folder"

CALLS: Final = "genotypes.npz"
SAMPLES: Final = "samples.csv"
VARIANTS: Final = "variants.csv"

_NAMES: Final = {"chrom": "chromosome", "pos": "position_bp", "cM": "position_cm"}
_TEXT_COLUMNS: Final = frozenset({"chromosome", "id", "ref", "alt"})


def is_folder_layout(folder: Path) -> bool:
    """Whether a folder holds the three files."""
    return all((folder / name).is_file() for name in (CALLS, SAMPLES, VARIANTS))


def read_folder(folder: Path) -> RawGenotypes:
    """Read genotypes.npz (`dosage`, possibly `haplotypes`) with samples.csv and variants.csv.

    Raises:
        FormatError: If a file is absent or malformed, or the three disagree.
    """
    for name in (CALLS, SAMPLES, VARIANTS):
        if not (folder / name).is_file():
            raise FormatError(f"{folder / name} is absent; the folder layout is {CALLS}, {SAMPLES} and {VARIANTS}.")
    samples = typed_table(read_text_table(folder / SAMPLES))
    if "id" not in samples.columns:
        raise FormatError(f"{folder / SAMPLES} has no column 'id'; its columns are {', '.join(samples.columns)}.")
    samples = samples[["id", *(name for name in samples.columns if name != "id")]]
    variants = variants_from_text(read_text_table(folder / VARIANTS), folder / VARIANTS)
    return raw_from_arrays(load_arrays(folder / CALLS), samples=samples, variants=variants, path=folder / CALLS)


def write_folder(genotypes: Genotypes, folder: Path) -> tuple[Path, ...]:
    """Write the three files, each whole or not at all; every column of both tables and the phase are kept.

    Returns:
        The three paths.
    """
    paths = (folder / SAMPLES, folder / VARIANTS, folder / CALLS)
    arrays = {"dosage": genotypes.to_array()}
    if genotypes.phase is not None:
        arrays["haplotypes"] = np.stack(haplotypes(genotypes, slice(None)), axis=1).reshape(2 * genotypes.n_samples, -1)
    with written_together(*paths) as (samples_draft, variants_draft, calls_draft):
        genotypes.samples.to_csv(samples_draft, index=False)
        variants_to_text(genotypes.variants).to_csv(variants_draft, index=False)
        np.savez_compressed(calls_draft, allow_pickle=False, **arrays)
    return paths


def variants_from_text(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A variant table from a variants.csv: chrom, pos, id, ref, alt, then for example cM.

    Raises:
        FormatError: If chrom or pos is absent, or a position is no whole number.
    """
    import pandas as pd

    table = table.rename(columns={old: new for old, new in _NAMES.items() if new not in table.columns})
    absent = [old for old, new in _NAMES.items() if old != "cM" and new not in table.columns]
    if absent:
        raise FormatError(f"{path} has no column {', '.join(absent)}; it begins with: chrom,pos,id,ref,alt.")
    position = pd.to_numeric(table["position_bp"].replace({"": None, "NA": None}), errors="coerce")
    is_wrong = (position.isna() & ~table["position_bp"].isin(["", "NA"])) | (position.fillna(0) % 1 != 0)
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong)[0])
        raise FormatError(f"{path}, line {row + 2}: pos is '{table['position_bp'].iloc[row]}'; it must be a whole number, or empty.")
    typed = typed_table(table.drop(columns="position_bp"), text_columns=_TEXT_COLUMNS)
    typed = typed.assign(position_bp=position.where(position > 0).astype("Int64"))
    for name in ("id", "ref", "alt"):
        typed[name] = typed[name].fillna("") if name in typed.columns else ""
    typed["chromosome"] = typed["chromosome"].fillna("0")
    if "position_cm" in typed.columns:
        typed["position_cm"] = pd.to_numeric(typed["position_cm"]).astype("float64")
    first = ["chromosome", "position_bp", "id", "ref", "alt"]
    return typed[[*first, *(name for name in typed.columns if name not in first)]]


def variants_to_text(variants: pd.DataFrame) -> pd.DataFrame:
    """The reverse of `variants_from_text`: the columns under the names of a variants.csv."""
    return variants.rename(columns={new: old for old, new in _NAMES.items()})
