"""Genotypes of several files brought to one list of variants, in the order and with the alleles of the training file.

A file that has REF and ALT the other way round is flipped, one that gives the alleles of the other strand is read on this one where that is
beyond doubt, and whatever is not in all files is dropped. Nothing is guessed from allele frequencies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.alignment.matching import PLACE, MatchCounts, match_variants, variant_keys
from genobench.calls import MISSING, PackedCalls
from genobench.errors import GenotypesError
from genobench.formats.chromosomes import UNKNOWN
from genobench.genotypes import Genotypes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Indices
    from genobench.contracts import Part

_ROWS_PER_BLOCK: Final = 1024
_SHARE_BY_CHANCE: Final = 0.1
"""Where fewer variants than this share match, and far more would under another reading, the few are taken for chance."""

_TIMES_BETTER: Final = 5


@dataclass(frozen=True, eq=False)
class Alignment:
    """Genotypes over one list of variants.

    Args:
        parts: The genotypes by name, `train` first; all have the training file's table of variants, without what some file lacks.
        matches: How each other file met the training file, by name.
        n_dropped: Training variants that some file lacks.
        n_flipped: Variants, of those kept, that were flipped in some file.
    """

    parts: Mapping[Part, Genotypes]
    matches: Mapping[Part, MatchCounts]
    n_dropped: int
    n_flipped: int


def align(train: Genotypes, others: Mapping[Part, Genotypes], names: Mapping[Part, str]) -> Alignment:
    """Bring genotypes to the variants that all have, in the order and with the alleles of train.

    Args:
        train: Whose table of variants rules.
        others: Genotypes by the name of their part.
        names: What to call the file of each part, `train` among them, in messages.

    Returns:
        All of them over one list of variants.

    Raises:
        GenotypesError: If a file shares no variant with train, or all files together share none; the message shows an example of each and
            says what may be the matter.
    """
    matches = {part: match_variants(train.variants, other.variants) for part, other in others.items()}
    for part, match in matches.items():
        _check_match(train.variants, others[part].variants, match.counts.matched, names["train"], names[part])
    is_kept = np.all([match.places >= 0 for match in matches.values()], axis=0) if matches else np.ones(train.n_variants, dtype=bool)
    kept = np.flatnonzero(is_kept)
    if not len(kept):
        pairs = ", ".join(f"{names[part]} shares {match.counts.matched:,} with train" for part, match in matches.items())
        raise GenotypesError(f"No variant is in all files: {pairs}, but never the same ones.")
    parts: dict[Part, Genotypes] = {"train": _aligned(train, kept, np.zeros(len(kept), dtype=bool), train.variants.iloc[kept])}
    for part, match in matches.items():
        parts[part] = _aligned(others[part], match.places[kept], match.is_flipped[kept], parts["train"].variants)
    is_flipped = np.any([match.is_flipped[kept] for match in matches.values()], axis=0) if matches else np.zeros(len(kept), dtype=bool)
    return Alignment(
        parts=parts,
        matches={part: match.counts for part, match in matches.items()},
        n_dropped=train.n_variants - len(kept),
        n_flipped=int(is_flipped.sum()),
    )


def align_to_variants(genotypes: Genotypes, variants: pd.DataFrame, *, name: str = "the file", reference_name: str = "train") -> Genotypes:
    """Genotypes over the variants of another table, all of which they must have, in its order and with its alleles.

    Args:
        genotypes: Any; what the table does not list is left out.
        variants: The table of variants that rules, as in `Genotypes`.
        name: What to call the genotypes in a message.
        reference_name: What to call the table.

    Returns:
        The same samples over exactly these variants, flipped where REF and ALT stand the other way round.

    Raises:
        GenotypesError: If a variant is absent; the message says how many are, shows one, and says what may be the matter.
    """
    match = match_variants(variants, genotypes.variants)
    _check_match(variants, genotypes.variants, match.counts.matched, reference_name, name)
    absent = np.flatnonzero(match.places < 0)
    if len(absent):
        raise GenotypesError(
            f"{len(absent):,} of {len(variants):,} variants of {reference_name} are not in {name} ({_shown(variants.iloc[absent])}); "
            "it must hold all of them, with the same alleles."
        )
    return _aligned(genotypes, match.places, match.is_flipped, variants)


def _aligned(genotypes: Genotypes, places: Indices, is_flipped: NDArray[np.bool_], variants: pd.DataFrame) -> Genotypes:
    """The variants at `places`, those that are flipped turned about, under another table of variants; still packed."""
    if not is_flipped.any() and len(places) == genotypes.n_variants and (places == np.arange(len(places))).all():
        return Genotypes(calls=genotypes.calls, samples=genotypes.samples, variants=variants, phase=genotypes.phase)
    packed, phase = [], []
    for start in range(0, genotypes.n_samples, _ROWS_PER_BLOCK):
        rows = slice(start, start + _ROWS_PER_BLOCK)
        calls = genotypes.calls.rows(rows)[:, places]
        if genotypes.phase is not None:
            bits = np.unpackbits(genotypes.phase[rows], axis=1, count=genotypes.n_variants, bitorder="little")[:, places]
            phase.append(np.packbits(bits ^ ((calls == 1) & is_flipped), axis=1, bitorder="little"))
        turned = np.where(is_flipped & (calls != MISSING), 2 - calls, calls).astype(np.int8)
        packed.append(PackedCalls.from_calls(turned).packed)
    return Genotypes(
        calls=PackedCalls(packed=np.concatenate(packed), n_variants=len(places)),
        samples=genotypes.samples,
        variants=variants,
        phase=np.concatenate(phase) if phase else None,
    )


def _check_match(train: pd.DataFrame, other: pd.DataFrame, n_matched: int, train_name: str, other_name: str) -> None:
    """Raise GenotypesError where nothing matches, or so little that it is chance."""
    n_fewer = min(len(train), len(other))
    if n_matched and n_matched >= _SHARE_BY_CHANCE * n_fewer:
        return
    n_better, hint = _explanation(train, other)
    if n_matched and n_better <= _TIMES_BETTER * n_matched:
        return
    found = f"Only {n_matched:,} of {n_fewer:,} variants are" if n_matched else "No variant is"
    raise GenotypesError(f"{found} in both {train_name} ({_shown(train)}) and {other_name} ({_shown(other)}). {hint}")


def _explanation(train: pd.DataFrame, other: pd.DataFrame) -> tuple[int, str]:
    """What would make more variants match: how many would, and what to say."""
    ours, theirs = variant_keys(train), variant_keys(other)
    ours, theirs = ours[ours["is_placed"]], theirs[theirs["is_placed"]]
    if not len(ours) or not len(theirs):
        many = "Both have as many variants, but nothing says that they are the same ones. " if len(train) == len(other) else ""
        return 0, f"{many}Name the variants chromosome:position:ref:alt in both files, or give both the same ids."
    known = ours[PLACE].drop_duplicates()
    for shift in (1, -1):
        n_shifted = len(theirs.assign(position=theirs["position"] + shift)[PLACE].drop_duplicates().merge(known, on=PLACE))
        if n_shifted > len(theirs) // 2:
            return n_shifted, (
                f"With {shift:+d} added to the positions of the latter, {n_shifted:,} would be: one of the two counts positions from 0. "
                "genobench counts from 1, as VCF and PLINK do."
            )
    if not set(ours["chromosome"]) & set(theirs["chromosome"]):
        return 0, "They name no chromosome alike; bring the names to one style ('chr' in front is understood)."
    n_places = len(theirs[PLACE].drop_duplicates().merge(known, on=PLACE))
    if 2 * n_places > len(theirs):
        return 0, f"{n_places:,} places are in both, with other alleles."
    ids = set(train["id"]) & set(other["id"]) - {""}
    if len(ids) > len(other) // 10:
        return len(ids), f"{len(ids):,} ids are in both, at other positions: the files are of two builds of the genome. Lift one over."
    return 0, "Are they of two builds of the genome, or of two chips?"


def _shown(variants: pd.DataFrame) -> str:
    """An example of a table's variants, for a message."""
    first = variants.iloc[0]
    if first["chromosome"] == UNKNOWN and first["id"]:
        return f"the first: id '{first['id']}', no position"
    place = "no position" if variants["position_bp"].isna().iloc[0] else str(first["position_bp"])
    alleles = f":{first['ref']}:{first['alt']}" if first["ref"] or first["alt"] else ", no alleles"
    return f"the first: {first['chromosome']}:{place}{alleles}"
