"""VCF and BCF, by way of htslib.

What VCF leaves open is decided here, counted, and reported: see docs/formats.md.

References:
    VCF 4.3: https://samtools.github.io/hts-specs/VCFv4.3.pdf
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.calls import MISSING
from genobench.errors import FormatError
from genobench.formats.assembly import VARIANTS_PER_BLOCK, Decision, PackedBlocks, RawGenotypes, haplotypes
from genobench.formats.atomic import binary_writer, written_together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Calls, PackedBytes
    from genobench.genotypes import Genotypes

FORMAT: Final = "VCF"

UNKNOWN_ALT: Final = "<ALT>"
"""What stands for an ALT allele whose letters are not known (REF is "N" likewise); read back as unknown."""

_BGZF_END: Final = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_SYMBOLIC: Final = re.compile(r"[<>\[\]*.]")


@dataclass
class _Tally:
    multi_allelic: list[str] = field(default_factory=list)
    symbolic: list[str] = field(default_factory=list)
    without_gt: list[str] = field(default_factory=list)
    n_half_calls: int = 0
    n_haploid_calls: int = 0
    n_unphased: int = 0
    n_phased: int = 0

    def decisions(self) -> list[Decision]:
        listed = [
            ("multi-allelic-sites", len(self.multi_allelic), _dropped(self.multi_allelic, "multi-allelic sites", "more than one ALT")),
            ("symbolic-sites", len(self.symbolic), _dropped(self.symbolic, "sites", "a symbolic ALT (<DEL>, *, a breakend)")),
            ("sites-without-gt", len(self.without_gt), _dropped(self.without_gt, "sites", "no GT")),
            ("half-calls", self.n_half_calls, f"{self.n_half_calls} calls with one allele missing (0/., ./1) were set missing."),
            ("haploid-calls", self.n_haploid_calls, f"{self.n_haploid_calls} haploid calls were coded 0 or 2, as PLINK codes them."),
        ]
        if self.n_phased and self.n_unphased:
            text = f"{self.n_unphased} heterozygous calls are not phased ({self.n_phased} are): phase was left out for all."
            listed.append(("phase-left-out", self.n_unphased, text))
        return [Decision(name, count, text) for name, count, text in listed if count]


def read_vcf(path: Path) -> RawGenotypes:
    """Read a .vcf, .vcf.gz or .bcf.

    Args:
        path: The file; no index is needed.

    Returns:
        Calls and tables in file order, with phase where every heterozygous call is phased.

    Raises:
        FormatError: If the file is no VCF, is cut off, has no samples, no GT, or calls of more than two alleles.
    """
    import pandas as pd

    _check_whole(path)
    opened = _open(path)
    sample_ids = list(opened.samples)
    if not sample_ids:
        raise FormatError(f"{path} has no samples: it lists sites only.")
    tally = _Tally()
    rows: list[tuple[str, int, str, str, str]] = []
    calls, first_is_alt = PackedBlocks(len(sample_ids)), _BitBlocks(len(sample_ids))
    pending: list[tuple[Calls, NDArray[np.bool_]]] = []
    for record in _records(opened, path):
        genotype = _genotype(record, tally)
        if genotype is None:
            continue
        rows.append((record.CHROM, record.POS, record.ID or "", record.REF, record.ALT[0] if record.ALT else ""))
        pending.append(_decoded(genotype, record, tally, path))
        if len(pending) == VARIANTS_PER_BLOCK:
            _flush(pending, calls, first_is_alt)
    if not rows and tally.without_gt:
        raise FormatError(f"{path} has no GT: none of its {len(tally.without_gt)} records holds hard calls (FORMAT field GT).")
    _flush(pending, calls, first_is_alt)
    has_phase = tally.n_phased > 0 and tally.n_unphased == 0
    return RawGenotypes(
        packed=calls.finish(),
        samples=pd.DataFrame({"id": sample_ids}, dtype=object),
        variants=_variant_table(rows),
        phase=first_is_alt.finish() if has_phase else None,
        decisions=tally.decisions(),
    )


def write_vcf(genotypes: Genotypes, path: Path) -> tuple[Path, ...]:
    """Write VCF 4.3, whole or not at all; gzipped where the name ends in .gz.

    Args:
        genotypes: What to write. Of the tables only what VCF has a column for is kept; phase is kept.
        path: The file.

    Returns:
        The one path.
    """
    with written_together(path) as (draft,), binary_writer(draft) as handle:
        handle.write(_header(genotypes).encode())
        for start in range(0, genotypes.n_variants, VARIANTS_PER_BLOCK):
            stop = min(start + VARIANTS_PER_BLOCK, genotypes.n_variants)
            texts = _call_texts(genotypes, start, stop)
            table = genotypes.variants.iloc[start:stop]
            for offset, fixed in enumerate(_fixed_fields(table, texts)):
                handle.write(fixed.encode() + b"\t".join(texts[:, offset].tolist()) + b"\n")
    return (path,)


class _BitBlocks:
    """Collects blocks of bits along the variants, packed as `Genotypes.phase` is."""

    def __init__(self, n_samples: int) -> None:
        self._n_samples = n_samples
        self._blocks: list[PackedBytes] = []

    def add(self, bits: NDArray[np.bool_]) -> None:
        # Blocks are of VARIANTS_PER_BLOCK variants, a multiple of eight, but for the last one.
        self._blocks.append(np.packbits(bits, axis=1, bitorder="little"))

    def finish(self) -> PackedBytes:
        return np.concatenate([np.empty((self._n_samples, 0), dtype=np.uint8), *self._blocks], axis=1)


def _check_whole(path: Path) -> None:
    if not path.is_file():
        raise FormatError(f"There is no file {path}.")
    with path.open("rb") as handle:
        start = handle.read(18)
        if start[:2] != b"\x1f\x8b":
            return
        is_bgzf = start[3:4] == b"\x04" and start[12:14] == b"BC"
        handle.seek(0, 2)
        if is_bgzf and handle.tell() >= len(_BGZF_END):
            handle.seek(-len(_BGZF_END), 2)
            if handle.read() != _BGZF_END:
                raise FormatError(f"{path} is cut off: the block that ends every bgzipped file is absent.")


def _open(path: Path) -> Any:
    from cyvcf2 import VCF

    try:
        return VCF(str(path), threads=1)
    except Exception as error:  # cyvcf2 raises OSError, and a bare Exception for a header that htslib refuses
        raise FormatError(f"{path} cannot be read as VCF or BCF: {error}.") from error


def _records(opened: Any, path: Path) -> Iterator[Any]:
    iterator = iter(opened)
    n_read = 0
    while True:
        try:
            record = next(iterator)
        except StopIteration:
            return
        except Exception as error:  # cyvcf2 raises a bare Exception where htslib cannot read on
            raise FormatError(f"{path} is cut off or malformed after record {n_read}: {error}.") from error
        n_read += 1
        yield record


def _genotype(record: Any, tally: _Tally) -> NDArray[np.int16] | None:
    """Alleles by sample, shape (n_samples, ploidy + 1), the last column saying whether phased; None for a site that is left out."""
    place = f"{record.CHROM}:{record.POS}"
    if len(record.ALT) > 1:
        tally.multi_allelic.append(place)
    elif record.ALT and _SYMBOLIC.search(record.ALT[0]) and record.ALT[0] != UNKNOWN_ALT:
        tally.symbolic.append(place)
    elif "GT" not in (record.FORMAT or ()):
        tally.without_gt.append(place)
    else:
        return np.asarray(record.genotype.array())
    return None


def _decoded(genotype: NDArray[np.int16], record: Any, tally: _Tally, path: Path) -> tuple[Calls, NDArray[np.bool_]]:
    alleles, is_phased = genotype[:, :-1], genotype[:, -1] == 1
    if alleles.shape[1] > 2:
        raise FormatError(
            f"{path}: {record.CHROM}:{record.POS} has calls of {alleles.shape[1]} alleles; genobench reads diploid genotypes."
        )
    first = alleles[:, 0]
    # -2 fills the place of the second allele where only some of a record's calls are haploid.
    second = alleles[:, 1] if alleles.shape[1] == 2 else np.full(len(first), -2, dtype=alleles.dtype)
    is_haploid = (second == -2) & (first >= 0)
    is_half = (second != -2) & ((first < 0) != (second < 0))
    is_known = (first >= 0) & (second != -1)
    calls = np.where(is_known, first + np.where(second == -2, first, second), MISSING).astype(np.int8)
    is_het = calls == 1
    tally.n_haploid_calls += int(is_haploid.sum())
    tally.n_half_calls += int(is_half.sum())
    tally.n_phased += int((is_het & is_phased).sum())
    tally.n_unphased += int((is_het & ~is_phased).sum())
    return calls, is_het & (first == 1)


def _flush(pending: list[tuple[Calls, NDArray[np.bool_]]], calls: PackedBlocks, first_is_alt: _BitBlocks) -> None:
    if pending:
        calls.add(np.stack([block for block, _ in pending], axis=1))
        first_is_alt.add(np.stack([bits for _, bits in pending], axis=1))
        pending.clear()


def _variant_table(rows: list[tuple[str, int, str, str, str]]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(rows, columns=["chromosome", "position_bp", "id", "ref", "alt"])
    return table.assign(
        position_bp=table["position_bp"].astype("Int64").where(table["position_bp"] > 0),
        alt=table["alt"].where(table["alt"] != UNKNOWN_ALT, ""),
    )


def _dropped(places: list[str], what: str, why: str) -> str:
    hint = " `bcftools norm -m-any` splits them into sites that can be kept." if why.startswith("more") else ""
    return f"{len(places)} {what} with {why} were dropped (first: {places[0]}).{hint}" if places else ""


def _header(genotypes: Genotypes) -> str:
    contigs = dict.fromkeys(genotypes.variants["chromosome"])
    ids = list(genotypes.sample_ids)
    for name in ids:
        if "\t" in name:
            raise FormatError(f"The sample id {name!r} contains a tab, which separates fields in VCF; rename it.")
    lines = ["##fileformat=VCFv4.3", "##source=genobench", *(f"##contig=<ID={name}>" for name in contigs)]
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *ids]))
    return "\n".join(lines) + "\n"


def _fixed_fields(table: pd.DataFrame, texts: NDArray[np.bytes_]) -> Iterator[str]:
    positions = table["position_bp"].fillna(0)
    columns = (table["chromosome"], positions, table["id"], table["ref"], table["alt"])
    for offset, (chromosome, position, name, ref, alt) in enumerate(zip(*columns, strict=True)):
        has_alt = any(b"1" in text for text in np.unique(texts[:, offset]))
        shown_alt = alt or (UNKNOWN_ALT if has_alt else ".")
        yield f"{chromosome}\t{position}\t{name or '.'}\t{ref or 'N'}\t{shown_alt}\t.\tPASS\t.\tGT\t"


def _call_texts(genotypes: Genotypes, start: int, stop: int) -> NDArray[np.bytes_]:
    if genotypes.phase is None:
        return np.array([b"0/0", b"0/1", b"1/1", b"./."])[genotypes.calls.columns(slice(start, stop))]
    block = genotypes.take_variants(np.arange(start, stop))
    first, second = haplotypes(block, slice(None))
    texts: NDArray[np.bytes_] = np.array([b"0|0", b"0|1", b"1|0", b"1|1", b".|."])[np.where(first == MISSING, 4, 2 * first + second)]
    return texts
