"""Files of genotypes: read and written by what their names and contents say they are.

What each format keeps, and what is decided where a format leaves something open, is in docs/formats.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from genobench.errors import FormatError
from genobench.formats.assembly import Decision, ReadReport, assemble, count_missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genobench.formats.assembly import RawGenotypes
    from genobench.genotypes import Genotypes

__all__ = ["Decision", "ReadReport", "check_writable", "read_genotypes", "read_with_report", "write_genotypes"]

_READABLE: Final = ".bed, .vcf, .vcf.gz, .bcf, .hap, .hap.gz, .npz, .csv, .tsv, .parquet, or a folder"


def read_genotypes(path: Path, *, n_autosomes: int | None = None) -> Genotypes:
    """Genotypes from a file, a prefix, or a folder.

    Args:
        path: A .bed, .vcf(.gz), .bcf, .hap(.gz), .npz, .csv(.gz), .tsv(.gz) or .parquet; a prefix of PLINK files or haplotypes; a folder
            of genotypes.npz, samples.csv and variants.csv; or a genobench store.
        n_autosomes: Where given, the chromosome numbers after the last autosome mean X, Y, XY and MT, as PLINK writes them. Otherwise
            every number is an autosome.

    Returns:
        Genotypes of every chromosome, in the order of the genome.

    Raises:
        FormatError: If the file is absent, of no known format, or not what its name says; the message gives the place.
    """
    return read_with_report(path, n_autosomes=n_autosomes)[0]


def read_with_report(path: Path, *, n_autosomes: int | None = None) -> tuple[Genotypes, ReadReport]:
    """As `read_genotypes`, with the report of what the file left open and what was decided."""
    from genobench.storage import is_store, read_store

    path = _resolved(path)
    if path.is_dir() and is_store(path):
        genotypes = read_store(path)
        report = ReadReport(
            path=str(path),
            format="store",
            n_samples=genotypes.n_samples,
            n_variants=genotypes.n_variants,
            n_missing_calls=count_missing(genotypes),
            is_phased=genotypes.phase is not None,
        )
        return genotypes, report
    reader, format_name, place = _reader(path)
    try:
        raw = reader(place)
    except UnicodeDecodeError as error:
        raise FormatError(
            f"{path} holds bytes that are not UTF-8 text (byte {error.start}); it is damaged, or of another format."
        ) from error
    except EOFError as error:
        raise FormatError(f"{path} is cut off: {error}") from error
    return assemble(raw, path, format_name, n_autosomes)


def write_genotypes(genotypes: Genotypes, path: Path) -> tuple[Path, ...]:
    """Write genotypes in the format that the name of the file says; a name without a suffix is a folder.

    Args:
        genotypes: What to write.
        path: .bed, .vcf, .vcf.gz, .hap, .hap.gz, .npz, .csv, .tsv, .parquet or a folder. Files that are there are replaced.

    Returns:
        The files written.

    Raises:
        FormatError: If the suffix is not known, or the format cannot hold the genotypes.
        OSError: If the disk is full or the place cannot be written; what stood there before still stands then.
    """
    return _writer(path)(genotypes, path)


def check_writable(path: Path) -> None:
    """Raise FormatError if the name of a file says no format that is written here; before what is written is made, say."""
    _writer(path)


def _writer(path: Path) -> Callable[[Genotypes, Path], tuple[Path, ...]]:
    from genobench.formats import arrays, folder, haplotypes, plink1, tables, vcf

    writers: dict[str, Callable[[Genotypes, Path], tuple[Path, ...]]] = {
        ".bed": plink1.write_plink1,
        ".vcf": vcf.write_vcf,
        ".vcf.gz": vcf.write_vcf,
        ".hap": haplotypes.write_haplotypes,
        ".hap.gz": haplotypes.write_haplotypes,
        ".npz": arrays.write_arrays,
        **dict.fromkeys(tables.SUFFIXES, tables.write_table),
    }
    for suffix in sorted(writers, key=len, reverse=True):
        if path.name.endswith(suffix):
            return writers[suffix]
    if path.suffix and not path.is_dir():
        raise FormatError(
            f"{path} ends in '{path.suffix}', which genobench does not write; choose one of {', '.join(writers)}, or a folder."
        )
    return folder.write_folder


def _resolved(path: Path) -> Path:
    if path.exists():
        if path.suffix in {".bim", ".fam"}:
            return path.with_suffix(".bed")
        return path
    for suffix in (".bed", ".hap", ".hap.gz", ".vcf.gz", ".vcf"):
        candidate = path.with_name(path.name + suffix)
        if candidate.is_file():
            return candidate
    beside = "" if path.suffix else f" (nor {path.name}.bed beside it)"
    raise FormatError(f"There is no file or folder {path}{beside}. genobench reads {_READABLE}.")


def _reader(path: Path) -> tuple[Callable[[Path], RawGenotypes], str, Path]:
    from genobench.formats import arrays, folder, haplotypes, plink1, tables, vcf

    if path.is_dir() or (path.name == folder.CALLS and folder.is_folder_layout(path.parent)):
        return folder.read_folder, folder.FORMAT, path if path.is_dir() else path.parent
    readers: dict[str, tuple[Callable[[Path], RawGenotypes], str]] = {
        ".bed": (plink1.read_plink1, plink1.FORMAT),
        ".hap": (haplotypes.read_haplotypes, haplotypes.FORMAT),
        ".hap.gz": (haplotypes.read_haplotypes, haplotypes.FORMAT),
        ".npz": (arrays.read_arrays, arrays.FORMAT),
        **dict.fromkeys((".vcf", ".vcf.gz", ".vcf.bgz", ".bcf"), (vcf.read_vcf, vcf.FORMAT)),
        **dict.fromkeys(tables.SUFFIXES, (tables.read_table, tables.FORMAT)),
    }
    for suffix in sorted(readers, key=len, reverse=True):
        if path.name.endswith(suffix):
            return (*readers[suffix], path)
    if path.suffix == ".pgen":
        raise FormatError(f"{path} is PLINK 2; convert it: `plink2 --pfile {path.with_suffix('').name} --make-bed --out converted`.")
    with path.open("rb") as handle:
        start = handle.read(16)
    if start.startswith((b"##fileformat=VCF", b"BCF", b"\x1f\x8b")):
        return vcf.read_vcf, vcf.FORMAT, path
    raise FormatError(f"{path} is of no format that genobench knows by its name or first bytes; it reads {_READABLE}.")
