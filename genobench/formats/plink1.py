"""PLINK 1 binary files: .bed (calls), .bim (variants), .fam (samples).

Allele 1 of the .bim is the counted one: `alt`; allele 2 is `ref`.

References:
    The layout: https://www.cog-genomics.org/plink/1.9/formats#bed
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.calls import MISSING
from genobench.errors import FormatError
from genobench.formats.assembly import VARIANTS_PER_BLOCK, Decision, PackedBlocks, RawGenotypes, examples
from genobench.formats.atomic import written_together

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from genobench.calls import Calls, PackedBytes
    from genobench.genotypes import Genotypes

FORMAT: Final = "PLINK 1"

_MAGIC: Final = b"\x6c\x1b"
_VARIANT_MAJOR: Final = 1
_SAMPLE_MAJOR: Final = 0
_HEADER_BYTES: Final = 3
_BED_READER_MISSING: Final = -127
_SEXES: Final = {"1": "male", "2": "female"}
_SEX_CODES: Final = {"male": "1", "female": "2"}


def read_plink1(bed: Path) -> RawGenotypes:
    """Read a .bed with the .bim and .fam beside it.

    Args:
        bed: The .bed.

    Returns:
        Calls and tables in file order; `sex`, `family`, `sire`, `dam` and `phenotype` where the .fam says anything.

    Raises:
        FormatError: If a file is absent, malformed, cut off, or the three disagree.
    """
    bim, fam = bed.with_suffix(".bim"), bed.with_suffix(".fam")
    for path in (bed, bim, fam):
        if not path.is_file():
            raise FormatError(f"{path} is absent; a PLINK 1 dataset is three files of one name: .bed, .bim and .fam.")
    samples, decisions = _read_fam(fam)
    variants = _read_bim(bim)
    _check_bed(bed, len(samples), len(variants))
    blocks = PackedBlocks(len(samples))
    for block in _bed_blocks(bed, len(samples), len(variants)):
        blocks.add(block)
    return RawGenotypes(packed=blocks.finish(), samples=samples, variants=variants, decisions=decisions)


def write_plink1(genotypes: Genotypes, bed: Path) -> tuple[Path, ...]:
    """Write .bed, .bim and .fam, whole or not at all.

    Args:
        genotypes: What to write; phase and columns that the three files have no place for are left out.
        bed: Path of the .bed.

    Returns:
        The three paths.
    """
    paths = (bed.with_suffix(".bim"), bed.with_suffix(".fam"), bed)
    with written_together(*paths) as (bim_draft, fam_draft, bed_draft):
        bim_draft.write_text(_bim_text(genotypes.variants), encoding="utf-8")
        fam_draft.write_text(_fam_text(genotypes.samples), encoding="utf-8")
        with bed_draft.open("wb") as handle:
            handle.write(_MAGIC + bytes([_VARIANT_MAJOR]))
            for start in range(0, genotypes.n_variants, VARIANTS_PER_BLOCK):
                handle.write(_bed_bytes(genotypes.calls.columns(slice(start, start + VARIANTS_PER_BLOCK))))
    return paths


def _check_bed(bed: Path, n_samples: int, n_variants: int) -> None:
    with bed.open("rb") as handle:
        header = handle.read(_HEADER_BYTES)
    n_bytes = bed.stat().st_size
    if header[:2] != _MAGIC:
        raise FormatError(f"{bed} begins with the bytes {header[:3].hex(' ') or 'none'}; a PLINK 1 .bed begins with 6c 1b 01.")
    if len(header) == _HEADER_BYTES and header[2] == _SAMPLE_MAJOR:
        raise FormatError(
            f"{bed} is sample-major (third byte 00), which PLINK has not written since 2008; convert it: "
            f"`plink1.9 --bfile {bed.with_suffix('').name} --make-bed --out converted`."
        )
    if len(header) < _HEADER_BYTES or header[2] != _VARIANT_MAJOR:
        raise FormatError(f"{bed} has the third byte {header[2:3].hex() or 'missing'}; a variant-major .bed has 01.")
    row_bytes = -(-n_samples // 4)
    expected = _HEADER_BYTES + row_bytes * n_variants
    if n_bytes == expected:
        return
    message = f"{bed} has {n_bytes} bytes; {n_samples} samples in the .fam and {n_variants} variants in the .bim make {expected}."
    n_rows, rest = divmod(n_bytes - _HEADER_BYTES, max(1, row_bytes))
    if rest and n_bytes < expected:
        message += f" It is cut off after variant {n_rows}, or the .fam belongs to another .bed."
    elif rest:
        message += " The .fam or the .bim belongs to another .bed."
    else:
        cut_off = "it is cut off, or " if n_rows < n_variants else ""
        message += f" For {n_samples} samples it holds {n_rows} variants: {cut_off}the .bim belongs to another .bed."
    raise FormatError(message)


def _bed_blocks(bed: Path, n_samples: int, n_variants: int) -> Any:
    from bed_reader import open_bed

    with open_bed(bed, iid_count=n_samples, sid_count=n_variants, count_A1=True, num_threads=1) as opened:
        for start in range(0, n_variants, VARIANTS_PER_BLOCK):
            block: Calls = opened.read(np.s_[:, start : start + VARIANTS_PER_BLOCK], dtype="int8")
            block[block == _BED_READER_MISSING] = MISSING
            yield block


def _bed_bytes(calls: Calls) -> bytes:
    # Two bits a call, lowest first: 00 two copies of allele 1, 10 one, 11 none, 01 missing.
    codes = np.array([3, 2, 0, 1], dtype=np.uint8)[calls.T]
    padded = np.zeros((len(codes), -(-codes.shape[1] // 4) * 4), dtype=np.uint8)
    padded[:, : codes.shape[1]] = codes
    quads = padded.reshape(len(codes), -1, 4)
    packed: PackedBytes = quads[..., 0] | (quads[..., 1] << 2) | (quads[..., 2] << 4) | (quads[..., 3] << 6)
    return packed.tobytes()


def _fields(path: Path, what: str) -> list[list[str]]:
    rows = []
    with path.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            fields = line.split()
            if len(fields) != 6:
                raise FormatError(f"{path}, line {number}, has {len(fields)} fields; a line of a {path.suffix} has six: {what}.")
            rows.append(fields)
    return rows


def _read_bim(bim: Path) -> pd.DataFrame:
    import pandas as pd

    rows = _fields(bim, "chromosome, id, position in cM, position in bp, allele 1, allele 2")
    columns = ["chromosome", "id", "position_cm", "position_bp", "alt", "ref"]
    table = pd.DataFrame(rows, columns=columns, dtype=object)
    numbers = {name: pd.to_numeric(table[name], errors="coerce") for name in ("position_cm", "position_bp")}
    for name, values in numbers.items():
        if values.isna().any():
            row = int(np.flatnonzero(values.isna())[0])
            raise FormatError(f"{bim}, line {row + 1}: {name} is '{table[name].iloc[row]}'; it must be a number (0 where it is not known).")
    position_bp = numbers["position_bp"].where(numbers["position_bp"] > 0)
    variants = pd.DataFrame(
        {
            "chromosome": table["chromosome"],
            "position_bp": position_bp.astype("Int64"),
            "id": table["id"],
            "ref": table["ref"],
            "alt": table["alt"],
        }
    )
    if (numbers["position_cm"] != 0).any():
        variants["position_cm"] = numbers["position_cm"].astype("float64")
    return variants


def _read_fam(fam: Path) -> tuple[pd.DataFrame, list[Decision]]:
    import pandas as pd

    rows = _fields(fam, "family, id, sire, dam, sex, phenotype")
    table = pd.DataFrame(rows, columns=["family", "id", "sire", "dam", "sex", "phenotype"], dtype=object)
    if table["sex"].isin(list("ACGT")).any() and table["sex"].isin(list("ACGT0")).all():
        raise FormatError(f"{fam} holds alleles where the sex should be (line 1: '{table['sex'].iloc[0]}'): were .bim and .fam swapped?")
    decisions = []
    ids = list(table["id"])
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    prefix = pd.Series([""] * len(table), dtype=object)
    if repeated:
        prefix = table["family"] + "_"
        ids = list(prefix + table["id"])
        text = f"{len(repeated)} ids stand in several families ({examples(repeated)}); all samples are named family_id."
        decisions.append(Decision("ids-with-family", len(table), text))
    samples = pd.DataFrame({"id": ids}, dtype=object)
    if table["sex"].isin(list(_SEXES)).any():
        samples["sex"] = table["sex"].map(_SEXES).where(table["sex"].isin(list(_SEXES)), None)
    is_informative = (table["family"] != table["id"]) & (table["family"] != "0")
    if is_informative.any() and not (table["family"] == table["family"].iloc[0]).all():
        samples["family"] = table["family"].where(table["family"] != "0", None)
    for parent in ("sire", "dam"):
        if (table[parent] != "0").any():
            samples[parent] = (prefix + table[parent]).where(table[parent] != "0", None)
    phenotype = _phenotype(table["phenotype"])
    if len(set(phenotype.dropna())) > 1:
        samples["phenotype"] = phenotype
    return samples, decisions


def _phenotype(texts: pd.Series[str]) -> pd.Series[Any]:
    import pandas as pd

    values = pd.to_numeric(texts, errors="coerce")
    values = values.where(values != -9)
    known = set(values.dropna())
    # 0, 1, 2 is case-control coding, in which 0 is missing too.
    if known <= {0.0, 1.0, 2.0} and {1.0, 2.0} & known:
        values = values.where(values != 0)
    return values.astype("Int64") if known and all(float(value).is_integer() for value in known) else values.astype("float64")


def _bim_text(variants: pd.DataFrame) -> str:
    position_cm = variants["position_cm"].fillna(0) if "position_cm" in variants.columns else [0] * len(variants)
    columns = (variants["chromosome"], variants["id"], position_cm, variants["position_bp"].fillna(0), variants["alt"], variants["ref"])
    lines = []
    for chromosome, name, cm, bp, alt, ref in zip(*columns, strict=True):
        lines.append(f"{chromosome}\t{_word(name) or '.'}\t{cm:.10g}\t{bp}\t{_word(alt) or '0'}\t{_word(ref) or '0'}\n")
    return "".join(lines)


def _fam_text(samples: pd.DataFrame) -> str:
    def column(name: str) -> list[str]:
        if name not in samples.columns:
            return ["0"] * len(samples)
        return [_word(str(value)) or "0" for value in samples[name].astype(object).fillna("0")]

    sexes = [_SEX_CODES.get(text, "0") for text in column("sex")]
    rows = zip(column("family"), column("id"), column("sire"), column("dam"), sexes, strict=True)
    return "".join("\t".join([*row, "-9"]) + "\n" for row in rows)


def _word(text: str) -> str:
    if len(text.split()) > 1:
        raise FormatError(f"'{text}' contains a blank, which separates fields in .bim and .fam files; rename it, or choose another format.")
    return text
