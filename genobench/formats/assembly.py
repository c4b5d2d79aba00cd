"""From what a reader found to `Genotypes`: the checks and decisions that every format shares, and the report of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.calls import CALLS_PER_BYTE, MISSING, PackedCalls, pack_calls
from genobench.errors import FormatError
from genobench.formats.chromosomes import chromosome_name, variant_order
from genobench.genotypes import Genotypes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Calls, PackedBytes

VARIANTS_PER_BLOCK: Final = 1024
"""Variants that a reader holds unpacked at a time; a multiple of four, so that packed blocks join byte to byte."""

_EXAMPLES: Final = 5
_UNKNOWN: Final = {"id": (".",), "ref": ("0", ".", "N"), "alt": ("0", ".", "N")}


@dataclass(frozen=True)
class Decision:
    """Something that a file left open and the reader decided.

    Args:
        name: What was met, for example `half-calls` or `multi-allelic-sites`.
        count: How many times.
        text: What was done, in one sentence.
    """

    name: str
    count: int
    text: str


@dataclass(frozen=True)
class ReadReport:
    """What a reader found and decided.

    Args:
        path: The file or folder.
        format: For example "PLINK 1" or "VCF".
        n_samples: Samples read.
        n_variants: Variants kept.
        n_missing_calls: Calls that are missing.
        is_phased: Whether phase was kept.
        decisions: What the file left open; empty for a file without surprises.
    """

    path: str
    format: str
    n_samples: int
    n_variants: int
    n_missing_calls: int
    is_phased: bool
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, eq=False)
class RawGenotypes:
    """What a reader hands over, in file order.

    Args:
        packed: Packed calls, shape (n_samples, ceil(n_variants / 4)).
        samples: The sample table; ids need not be unique yet.
        variants: The variant table; chromosomes as the file spells them.
        phase: The phase plane of `Genotypes`, or None.
        decisions: What the reader decided on its own.
    """

    packed: PackedBytes
    samples: pd.DataFrame
    variants: pd.DataFrame
    phase: PackedBytes | None = None
    decisions: list[Decision] = field(default_factory=list)


class PackedBlocks:
    """Collects blocks of variants, packed at once, so that a file is never whole in memory at a byte a call."""

    def __init__(self, n_samples: int) -> None:
        self._n_samples = n_samples
        self._blocks: list[PackedBytes] = []
        self._rest = np.empty((n_samples, 0), dtype=np.int8)

    def add(self, calls: Calls) -> None:
        """Append variants; `calls` has shape (n_samples, n_block)."""
        calls = np.concatenate([self._rest, calls], axis=1) if self._rest.shape[1] else calls
        n_whole = calls.shape[1] - calls.shape[1] % CALLS_PER_BYTE
        if n_whole:
            self._blocks.append(pack_calls(calls[:, :n_whole]))
        self._rest = calls[:, n_whole:]

    def finish(self) -> PackedBytes:
        """All variants, shape (n_samples, ceil(n_variants / 4))."""
        blocks = [*self._blocks, pack_calls(self._rest)]
        return np.concatenate(blocks, axis=1)


def assemble(raw: RawGenotypes, path: Path, format_name: str, n_autosomes: int | None = None) -> tuple[Genotypes, ReadReport]:
    """Check ids, name chromosomes, order variants, and report.

    Args:
        raw: What a reader found.
        path: For messages.
        format_name: For messages and the report.
        n_autosomes: As for `chromosome_name`.

    Returns:
        The genotypes, and what was decided on the way.

    Raises:
        FormatError: If there are no samples or no variants, or a sample id stands twice.
    """
    decisions = list(raw.decisions)
    _check_samples(raw.samples, path)
    if not len(raw.variants):
        raise FormatError(f"{path} holds no variant that can be kept. {' '.join(decision.text for decision in decisions)}".strip())
    names = raw.variants["chromosome"].astype(str)
    renamed = names.map({name: chromosome_name(name, n_autosomes) for name in names.unique()})
    n_renamed = int((names != renamed).sum())
    if n_renamed:
        spellings = {f"{old} → {new}": None for old, new in zip(names, renamed, strict=True) if old != new}
        decisions.append(Decision("chromosome-names", n_renamed, f"Chromosomes were renamed: {examples(spellings)}."))
    known = {column: raw.variants[column].replace(list(_UNKNOWN[column]), "") for column in _UNKNOWN}
    variants = raw.variants.assign(chromosome=renamed.to_numpy(dtype=object), **known)
    genotypes = Genotypes(
        calls=PackedCalls(packed=raw.packed, n_variants=len(variants)), samples=raw.samples, variants=variants, phase=raw.phase
    )
    decisions.extend(_duplicates(genotypes.variants))
    order = variant_order(genotypes.variants)
    n_moved = int((order != np.arange(len(order))).sum())
    if n_moved:
        genotypes = genotypes.take_variants(order)
        decisions.append(
            Decision("unsorted-variants", n_moved, f"{n_moved} variants were not in the order of the genome; all variants were sorted.")
        )
    report = ReadReport(
        path=str(path),
        format=format_name,
        n_samples=genotypes.n_samples,
        n_variants=genotypes.n_variants,
        n_missing_calls=count_missing(genotypes),
        is_phased=genotypes.phase is not None,
        decisions=tuple(decisions),
    )
    return genotypes, report


def count_missing(genotypes: Genotypes) -> int:
    """Number of missing calls, counted block by block."""
    rows_per_block = max(1, (1 << 24) // max(1, genotypes.n_variants))
    return sum(
        int((genotypes.calls.rows(slice(start, start + rows_per_block)) == MISSING).sum())
        for start in range(0, genotypes.n_samples, rows_per_block)
    )


def examples(items: Iterable[Any]) -> str:
    """The first few items, for a message: "a, b, c, d, e and 7 more"."""
    listed = [str(item) for item in items]
    more = f" and {len(listed) - _EXAMPLES} more" if len(listed) > _EXAMPLES else ""
    return ", ".join(listed[:_EXAMPLES]) + more


def checked_calls(values: NDArray[Any], *, sample_ids: Sequence[str], variant_ids: Sequence[str], path: Path) -> Calls:
    """Numbers as a file holds them, as calls.

    Args:
        values: Numbers, shape (n_samples, n_variants); NaN and -1 are missing.
        sample_ids: For the message, in row order.
        variant_ids: For the message, in column order.
        path: For the message.

    Returns:
        Calls, int8.

    Raises:
        FormatError: If a value is none of 0, 1, 2 or missing; the message names the sample, the variant and the value.
    """
    is_missing = np.isnan(values) if np.issubdtype(values.dtype, np.floating) else np.zeros(values.shape, dtype=bool)
    is_missing |= values == MISSING
    is_right = is_missing | (values == 0) | (values == 1) | (values == 2)
    if not is_right.all():
        row, column = (int(place) for place in np.argwhere(~is_right)[0])
        value = values[row, column]
        hint = " Round expected dosages to hard calls first." if 0 < float(value) < 2 else ""
        raise FormatError(
            f"{path}: the call of sample '{sample_ids[row]}' at variant '{variant_ids[column]}' is {value:g}; "
            f"a call is 0, 1 or 2 ALT alleles, or empty or {MISSING} where it is missing.{hint}"
        )
    calls: Calls = np.where(is_missing, MISSING, values).astype(np.int8)
    return calls


def phase_from_haplotypes(first: NDArray[Any], second: NDArray[Any]) -> PackedBytes:
    """The phase plane of `Genotypes` from two haplotypes a sample.

    Args:
        first: Alleles of the first haplotype, 1 for ALT, shape (n_samples, n_variants).
        second: Likewise of the second.

    Returns:
        One bit a call, set where a heterozygous call carries ALT on the first haplotype, shape (n_samples, ceil(n_variants / 8)).
    """
    return np.packbits((first == 1) & (second == 0), axis=1, bitorder="little")


def haplotypes(genotypes: Genotypes, rows: slice) -> tuple[Calls, Calls]:
    """The two haplotypes of some samples of phased genotypes.

    Returns:
        Two int8 arrays of shape (n_rows, n_variants), 1 for ALT, MISSING where the call is missing.

    Raises:
        FormatError: If the genotypes have no phase.
    """
    if genotypes.phase is None:
        raise FormatError("The genotypes have no phase, so their haplotypes cannot be written; phase them first, or choose another format.")
    calls = genotypes.calls.rows(rows)
    is_first = np.unpackbits(genotypes.phase[rows], axis=1, count=genotypes.n_variants, bitorder="little").astype(bool)
    first = np.where(calls == 1, is_first, calls == 2).astype(np.int8)
    second = np.where(calls == 1, ~is_first, calls == 2).astype(np.int8)
    first[calls == MISSING] = MISSING
    second[calls == MISSING] = MISSING
    return first, second


def _check_samples(samples: pd.DataFrame, path: Path) -> None:
    if not len(samples):
        raise FormatError(f"{path} holds no samples.")
    counts = Counter(samples["id"].astype(str))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise FormatError(f"{path}: {len(twice)} sample ids stand more than once: {examples(twice)}. Every sample needs an id of its own.")


def _duplicates(variants: pd.DataFrame) -> list[Decision]:
    decisions = []
    ids = variants["id"][variants["id"] != ""]
    repeated = ids[ids.duplicated()]
    if len(repeated):
        text = f"{len(repeated)} variants repeat the id of an earlier one ({examples(repeated.unique())}); they were kept."
        decisions.append(Decision("duplicate-variant-ids", len(repeated), text))
    placed = variants[variants["position_bp"].notna()]
    same_place = placed.duplicated(["chromosome", "position_bp"])
    if same_place.any():
        first = placed[same_place].iloc[0]
        where = f"{first['chromosome']}:{first['position_bp']}"
        text = f"{int(same_place.sum())} variants stand where another one stands (first: {where}); they were kept."
        decisions.append(Decision("same-position", int(same_place.sum()), text))
    return decisions
