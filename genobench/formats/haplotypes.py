"""Phased haplotypes as IMPUTE2 and SHAPEIT write them: .hap (0/1), .legend (variants), .sample (samples).

References:
    The layout: https://www.cog-genomics.org/plink/2.0/formats#haps
"""

from __future__ import annotations

import gzip
import re
from typing import IO, TYPE_CHECKING, Final, cast

import numpy as np

from genobench.calls import MISSING
from genobench.errors import FormatError
from genobench.formats.assembly import (
    VARIANTS_PER_BLOCK,
    Decision,
    PackedBlocks,
    RawGenotypes,
    haplotypes,
    phase_from_haplotypes,
)
from genobench.formats.atomic import binary_writer, written_together
from genobench.formats.chromosomes import UNKNOWN
from genobench.formats.text_tables import read_text_table, typed_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from genobench.genotypes import Genotypes

FORMAT: Final = "haplotypes"

_ALLELES: Final = {b"0": 0, b"1": 1, b"?": MISSING, b"-": -2}
_CHROMOSOME_COLUMNS: Final = ("chromosome", "chrom", "chr")
_ID_WITH_PLACE: Final = re.compile(r"([^:_]+)[:_](\d+)(?:[:_].*)?")
_SEXES: Final = {"1": "male", "2": "female", "male": "male", "female": "female"}


def read_haplotypes(hap: Path) -> RawGenotypes:
    """Read a .hap (or .hap.gz) with the .legend and .sample beside it.

    Args:
        hap: The .hap: a line a variant, two columns a sample, 0 for a0 and 1 for a1; `?` is missing, `-` fills the second place of a
            haploid call.

    Returns:
        Calls, tables and phase, in file order. The chromosome comes from the legend's column of that name, else from ids of the form
        chromosome:position...

    Raises:
        FormatError: If a file is absent or malformed, or the three disagree; the message gives the line.
    """
    import pandas as pd

    legend = read_text_table(_beside(hap, ".legend"))
    sample_table = _read_sample(_beside(hap, ".sample"))
    variants, decisions = _variants(legend, _beside(hap, ".legend"))
    n_samples = len(sample_table)
    calls, phases = PackedBlocks(n_samples), []
    n_half = n_haploid = n_lines = 0
    pending: list[NDArray[np.int8]] = []

    def flush() -> None:
        nonlocal n_half, n_haploid
        first, second = np.split(np.stack(pending, axis=1).reshape(n_samples, 2, -1), 2, axis=1)
        first, second = first[:, 0], second[:, 0]
        n_haploid += int(((second == -2) & (first >= 0)).sum())
        n_half += int(((second != -2) & ((first < 0) != (second < 0))).sum())
        second = np.where(second == -2, first, second)
        calls.add(np.where((first < 0) | (second < 0), MISSING, first + second).astype(np.int8))
        phases.append(phase_from_haplotypes(first, second))
        pending.clear()

    with _opened(hap) as handle:
        for n_lines, line in enumerate(handle, start=1):
            pending.append(_alleles(line, 2 * n_samples, hap, n_lines))
            if len(pending) == VARIANTS_PER_BLOCK:
                flush()
    if pending:
        flush()
    if n_lines != len(variants):
        raise FormatError(f"{hap} has {n_lines} lines but its .legend lists {len(variants)} variants; each variant is one line.")
    if n_half:
        decisions.append(Decision("half-calls", n_half, f"{n_half} calls with one allele missing were set missing."))
    if n_haploid:
        decisions.append(Decision("haploid-calls", n_haploid, f"{n_haploid} haploid calls were coded 0 or 2, as PLINK codes them."))
    phase = np.concatenate(phases, axis=1) if phases else None
    return RawGenotypes(packed=calls.finish(), samples=pd.DataFrame(sample_table), variants=variants, phase=phase, decisions=decisions)


def write_haplotypes(genotypes: Genotypes, hap: Path) -> tuple[Path, ...]:
    """Write .hap, .legend and .sample, whole or not at all; the .hap is gzipped where its name ends in .gz.

    Args:
        genotypes: Phased genotypes.
        hap: Path of the .hap.

    Returns:
        The three paths.

    Raises:
        FormatError: If the genotypes have no phase, or a name contains a blank.
    """
    stem = hap.name.removesuffix(".gz").removesuffix(".hap")
    paths = (hap.with_name(stem + ".legend"), hap.with_name(stem + ".sample"), hap)
    _check_words(genotypes)
    texts = np.array([b"0", b"1", b"?"])
    with written_together(*paths) as (legend_draft, sample_draft, hap_draft):
        legend_draft.write_text(_legend_text(genotypes.variants), encoding="utf-8")
        sample_draft.write_text(_sample_text(genotypes.samples), encoding="utf-8")
        with binary_writer(hap_draft) as handle:
            for start in range(0, genotypes.n_variants, VARIANTS_PER_BLOCK):
                block = genotypes.take_variants(np.arange(start, min(start + VARIANTS_PER_BLOCK, genotypes.n_variants)))
                pair = np.stack(haplotypes(block, slice(None)), axis=1).reshape(2 * genotypes.n_samples, -1)
                for column in texts[pair].T:
                    handle.write(b" ".join(column.tolist()) + b"\n")
    return paths


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _beside(hap: Path, suffix: str) -> Path:
    stem = hap.name.removesuffix(".gz").removesuffix(".hap")
    for name in (stem + suffix, stem + suffix + ".gz"):
        if hap.with_name(name).is_file():
            return hap.with_name(name)
    raise FormatError(f"{hap.with_name(stem + suffix)} is absent; haplotypes are three files of one name: .hap, .legend and .sample.")


def _alleles(line: bytes, n_haplotypes: int, hap: Path, number: int) -> NDArray[np.int8]:
    stripped = line.strip()
    characters = np.frombuffer(stripped, dtype="S1")
    if len(characters) == 2 * n_haplotypes - 1 and (characters[1::2] == b" ").all():
        texts = characters[::2]
    else:
        fields = stripped.split()
        if len(fields) != n_haplotypes:
            raise FormatError(f"{hap}, line {number}, has {len(fields)} columns; {n_haplotypes // 2} samples make {n_haplotypes}.")
        texts = np.array(fields)
    alleles = np.full(n_haplotypes, 9, dtype=np.int8)
    for text, allele in _ALLELES.items():
        alleles[texts == text] = allele
    if (alleles == 9).any():
        column = int(np.flatnonzero(alleles == 9)[0])
        raise FormatError(f"{hap}, line {number}, column {column + 1}, is '{texts[column].decode()}'; an allele is 0, 1, ? (missing) or -.")
    return alleles


def _variants(legend: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[Decision]]:
    import pandas as pd

    legend = legend.rename(
        columns={"rsID": "id", "rsid": "id", "pos": "position", "allele0": "a0", "allele1": "a1", "ref": "a0", "alt": "a1"}
    )
    absent = [name for name in ("id", "position", "a0", "a1") if name not in legend.columns]
    if absent:
        raise FormatError(f"{path} lacks the columns {absent}; a legend begins with: id position a0 a1.")
    position = pd.to_numeric(legend["position"], errors="coerce")
    if position.isna().any():
        row = int(np.flatnonzero(position.isna())[0])
        raise FormatError(f"{path}, line {row + 2}: the position is '{legend['position'].iloc[row]}'; it must be a whole number.")
    decisions = []
    column = next((name for name in _CHROMOSOME_COLUMNS if name in legend.columns), None)
    placed = legend["id"].str.fullmatch(_ID_WITH_PLACE)
    if column is not None:
        chromosome = legend[column]
    elif len(legend) and placed.all():
        chromosome = legend["id"].str.extract(_ID_WITH_PLACE)[0]
        decisions.append(
            Decision("chromosome-from-id", len(legend), "The legend has no chromosome column; chromosomes were read from ids.")
        )
    else:
        chromosome = pd.Series([UNKNOWN] * len(legend), dtype=object)
        text = "The legend has no chromosome column and ids do not say it; the chromosome is 0 (not known)."
        decisions.append(Decision("chromosome-unknown", len(legend), text))
    variants = pd.DataFrame(
        {
            "chromosome": chromosome.astype(object),
            "position_bp": position.astype("Int64").where(position > 0),
            "id": legend["id"],
            "ref": legend["a0"],
            "alt": legend["a1"],
        }
    )
    return variants, decisions


def _read_sample(path: Path) -> pd.DataFrame:
    table = read_text_table(path)
    first = table.columns[0]
    is_typed = len(table) > 0 and table[first].iloc[0] == "0" and (table.iloc[0].isin(["0", "D", "C", "P", "B"])).all()
    table = table.iloc[1:].reset_index(drop=True) if is_typed else table
    id_column = table.columns[1] if first == "ID_1" and len(table.columns) > 1 else first
    columns = {id_column: "id"}
    table = table.drop(columns=[name for name in ("ID_1", "missing") if name in table.columns and name != id_column])
    table = typed_table(table.rename(columns=columns), missing=("0",) if "sex" in table.columns and is_typed else ())
    if "sex" in table.columns:
        table["sex"] = table["sex"].map(_SEXES, na_action="ignore")
    return table


def _check_words(genotypes: Genotypes) -> None:
    for texts in (genotypes.samples["id"], genotypes.variants["id"], genotypes.variants["chromosome"]):
        for text in texts:
            if len(text.split()) > 1:
                raise FormatError(f"'{text}' contains a blank, which separates columns in .hap, .legend and .sample files; rename it.")


def _legend_text(variants: pd.DataFrame) -> str:
    columns = (variants["id"], variants["position_bp"].fillna(0), variants["ref"], variants["alt"], variants["chromosome"])
    lines = [
        f"{name or '.'} {position} {ref or '0'} {alt or '0'} {place}" for name, position, ref, alt, place in zip(*columns, strict=True)
    ]
    return "\n".join(["id position a0 a1 chromosome", *lines]) + "\n"


def _sample_text(samples: pd.DataFrame) -> str:
    codes = samples["sex"].map({"male": "1", "female": "2"}).fillna("0") if "sex" in samples.columns else ["0"] * len(samples)
    lines = [f"{name} {name} 0 {code}" for name, code in zip(samples["id"], codes, strict=True)]
    return "\n".join(["ID_1 ID_2 missing sex", "0 0 0 D", *lines]) + "\n"
