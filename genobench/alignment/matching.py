"""Which variants of two tables are the same: by place and alleles, on either strand, with either allele counted; else by place or id."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.formats.chromosomes import UNKNOWN

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Indices

PLACE: Final = ["chromosome", "position"]
"""Columns of `variant_keys` that say where a variant is."""

_COMPLEMENTS: Final = {"A": "T", "C": "G", "G": "C", "T": "A"}
_ALLELES: Final = ["ref", "alt"]


@dataclass(frozen=True)
class MatchCounts:
    """How the variants of one file met those of the training file; all are numbers of variants.

    Args:
        variants: In the file.
        matched: Found among the training variants; the next five are among these.
        flipped: With REF and ALT the other way round; their calls were turned about.
        other_strand: With the alleles of the other strand.
        palindromic: A/T or C/G sites, the same on both strands, whose REF and ALT are equal as they stand.
        without_alleles: Matched though an allele is not known on one side, as they stand unless the one that is known says otherwise.
        by_id: Matched by id, because a position is not known on one side.
        palindromic_dropped: A/T or C/G sites with REF and ALT the other way round: flipped, or the other strand? Nobody can say.
        other_alleles: At a training variant's place with other alleles.
        same_place: Without alleles at a place where several variants stand.
        absent: At no training variant's place.
    """

    variants: int
    matched: int
    flipped: int
    other_strand: int
    palindromic: int
    without_alleles: int
    by_id: int
    palindromic_dropped: int
    other_alleles: int
    same_place: int
    absent: int

    def to_json(self) -> dict[str, int]:
        """The counts by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}


@dataclass(frozen=True, eq=False)
class VariantMatch:
    """Where the variants of the training file stand in another.

    Args:
        places: Position in the other file, -1 where it is not there, shape (n_reference,).
        is_flipped: Whether the other file counts the other allele, shape (n_reference,).
        counts: How many of what.
    """

    places: Indices
    is_flipped: NDArray[np.bool_]
    counts: MatchCounts


def match_variants(reference: pd.DataFrame, other: pd.DataFrame) -> VariantMatch:
    """Find each variant of a table in another.

    Several variants at one place are told apart by their alleles; of two that agree in everything the first is taken for the first.

    Args:
        reference: A table of variants, as in `Genotypes`.
        other: Likewise.

    Returns:
        Where each variant of `reference` stands in `other`.
    """
    return _Matching(variant_keys(reference), variant_keys(other)).run()


class _Matching:
    """One walk over the ways in which variants can be the same, from the surest to the least."""

    def __init__(self, reference: pd.DataFrame, other: pd.DataFrame) -> None:
        self._reference, self._other = reference, other
        self._places = np.full(len(reference), -1, dtype=np.intp)
        self._is_flipped = np.zeros(len(reference), dtype=bool)
        self._is_taken = np.zeros(len(other), dtype=bool)
        # Of the other file: variants whose partner is known, and whose alleles do not fit it.
        self._is_ambiguous = np.zeros(len(other), dtype=bool)
        self._is_other = np.zeros(len(other), dtype=bool)
        self._counts: dict[str, int] = {}

    def run(self) -> VariantMatch:
        """All ways in turn, and what is left."""
        self._by_alleles()
        self._by_place()
        self._by_id()
        left = self._left(self._other)
        at_known = self._places_of(self._reference, left)
        ambiguous = at_known & left["is_palindromic"].to_numpy() & self._has_partner(left, _swapped(left))
        ambiguous |= self._is_ambiguous[left["row"]]
        same_place = at_known & ~ambiguous & (left["ref"] == "").to_numpy() & (left["alt"] == "").to_numpy()
        other_alleles = (at_known | self._is_other[left["row"]]) & ~ambiguous & ~same_place
        counts = {
            "palindromic_dropped": int(ambiguous.sum()),
            "same_place": int(same_place.sum()),
            "other_alleles": int(other_alleles.sum()),
            "absent": int((~ambiguous & ~same_place & ~other_alleles).sum()),
        }
        matched = int(self._is_taken.sum())
        flipped = int(self._is_flipped.sum())
        return VariantMatch(
            places=self._places,
            is_flipped=self._is_flipped,
            counts=MatchCounts(variants=len(self._other), matched=matched, flipped=flipped, **self._counts, **counts),
        )

    def _by_alleles(self) -> None:
        reference, other = self._left(self._reference), self._left(self._other)
        whole = other[other["is_placed"] & (other["ref"] != "") & (other["alt"] != "")]
        same = self._pair(reference, whole)
        self._counts["palindromic"] = int(self._other["is_palindromic"].to_numpy()[same[1]].sum())
        certain = whole[~whole["is_palindromic"]]
        self._pair(reference, _swapped(certain), is_flipped=True)
        complement = _complemented(certain)
        n_strand = len(self._pair(reference, complement)[0]) + len(self._pair(reference, _swapped(complement), is_flipped=True)[0])
        self._counts["other_strand"] = n_strand

    def _by_place(self) -> None:
        """Those with an allele that is not known, where nothing else stands at their place."""
        reference, other = (table[table["is_placed"] & ~table.duplicated(PLACE, keep=False)] for table in self._tables_left())
        self._counts["without_alleles"] = self._compatible(reference, other, on=PLACE)

    def _by_id(self) -> None:
        """Those whose position is not known on one side, by ids that stand once; in order where both lists of ids are the same."""
        reference, other = self._tables_left()
        if len(reference) == len(other) and (reference["id"].to_numpy() == other["id"].to_numpy()).all() and (reference["id"] != "").all():
            reference, other = (table.assign(name=np.arange(len(table))) for table in (reference, other))
        else:
            reference, other = (
                table[(table["id"] != "") & ~table.duplicated("id", keep=False)].assign(name=lambda one: one["id"])
                for table in (reference, other)
            )
        pairs = reference.merge(other, on="name", suffixes=("", "_other"))
        pairs = pairs[~(pairs["is_placed"] & pairs["is_placed_other"])]
        reference, other = reference[reference["row"].isin(pairs["row"])], other[other["row"].isin(pairs["row_other"])]
        before = int(self._is_taken.sum())
        self._counts["without_alleles"] += self._compatible(reference, other, on=["name"])
        self._counts["by_id"] = int(self._is_taken.sum()) - before

    def _compatible(self, reference: pd.DataFrame, other: pd.DataFrame, on: list[str]) -> int:
        """Take pairs whose known alleles agree, on either strand; gives how many of them lack an allele."""
        pairs = reference.merge(other, on=on, suffixes=("", "_other"))
        ours = [pairs[name].to_numpy() for name in _ALLELES]
        theirs = [pairs[f"{name}_other"].to_numpy() for name in _ALLELES]
        complements = [np.array([_COMPLEMENTS.get(allele, allele) for allele in alleles], dtype=object) for alleles in theirs]
        is_palindromic = (pairs["is_palindromic"] | pairs["is_palindromic_other"]).to_numpy(dtype=bool)
        is_done, is_flipped = np.zeros(len(pairs), dtype=bool), np.zeros(len(pairs), dtype=bool)
        could_be = np.zeros(len(pairs), dtype=bool)
        for alleles, is_allowed in ((theirs, True), (complements, ~is_palindromic)):
            as_is, turned = _agreement(ours, alleles), _agreement(ours, alleles[::-1])
            could_be |= turned >= 0
            # A palindromic site with the alleles the other way round may be flipped or of the other strand.
            turned = np.where(is_palindromic, -1, turned)
            fits = ~is_done & is_allowed & (np.maximum(as_is, turned) >= 0)
            is_flipped |= fits & (turned > as_is)
            is_done |= fits
        rows = pairs["row"].to_numpy()[is_done], pairs["row_other"].to_numpy()[is_done]
        self._take(*rows, is_flipped=is_flipped[is_done])
        refused = pairs["row_other"].to_numpy()[~is_done]
        self._is_ambiguous[refused] = (is_palindromic & could_be)[~is_done]
        self._is_other[refused] = True
        lacks = [(pairs[name] == "").to_numpy() for name in (*_ALLELES, "ref_other", "alt_other")]
        return int((np.any(lacks, axis=0) & is_done).sum())

    def _pair(self, reference: pd.DataFrame, other: pd.DataFrame, *, is_flipped: bool = False) -> tuple[Indices, Indices]:
        """Take the pairs that agree in place and alleles; the first of several with the first."""
        sides = []
        for table in (reference[self._places[reference["row"]] < 0], other[~self._is_taken[other["row"]]]):
            placed = table[table["is_placed"]]
            sides.append(placed.assign(number=placed.groupby([*PLACE, *_ALLELES]).cumcount()))
        pairs = sides[0].merge(sides[1], on=[*PLACE, *_ALLELES, "number"], suffixes=("", "_other"))
        rows = pairs["row"].to_numpy(dtype=np.intp), pairs["row_other"].to_numpy(dtype=np.intp)
        self._take(*rows, is_flipped=np.full(len(pairs), is_flipped))
        return rows

    def _take(self, rows: Indices, other_rows: Indices, *, is_flipped: NDArray[np.bool_]) -> None:
        self._places[rows] = other_rows
        self._is_flipped[rows] = is_flipped
        self._is_taken[other_rows] = True

    def _tables_left(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self._left(self._reference), self._left(self._other)

    def _left(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[self._places < 0] if table is self._reference else table[~self._is_taken]

    def _places_of(self, reference: pd.DataFrame, left: pd.DataFrame) -> NDArray[np.bool_]:
        """Whether a reference variant stands at the place of each."""
        known = reference.loc[reference["is_placed"], PLACE].drop_duplicates().assign(is_there=True)
        there = left[PLACE].merge(known, on=PLACE, how="left")["is_there"].notna().to_numpy()
        found: NDArray[np.bool_] = there & left["is_placed"].to_numpy()
        return found

    def _has_partner(self, left: pd.DataFrame, turned: pd.DataFrame) -> NDArray[np.bool_]:
        """Whether a reference variant has the place and the alleles of each, once turned about."""
        known = self._reference[[*PLACE, *_ALLELES]].drop_duplicates().assign(is_there=True)
        found: NDArray[np.bool_] = turned[[*PLACE, *_ALLELES]].merge(known, how="left")["is_there"].notna().to_numpy()
        assert len(found) == len(left)  # noqa: S101 - a left join on distinct keys keeps its rows
        return found


def variant_keys(variants: pd.DataFrame) -> pd.DataFrame:
    """What variants are matched by.

    Args:
        variants: A table of variants, as in `Genotypes`.

    Returns:
        A row a variant: `row`, `chromosome`, `position` (0 where not known), `id`, `ref` and `alt` in capitals, whether it is placed, and
        whether it is palindromic: A/T or C/G, the same on both strands.
    """
    import pandas as pd

    position = variants["position_bp"].fillna(0).to_numpy(dtype=np.int64)
    ref, alt = (variants[name].str.upper().to_numpy(dtype=object) for name in _ALLELES)
    chromosome = variants["chromosome"].to_numpy(dtype=object)
    return pd.DataFrame(
        {
            "row": np.arange(len(variants)),
            "chromosome": chromosome,
            "position": position,
            "id": variants["id"].to_numpy(dtype=object),
            "ref": ref,
            "alt": alt,
            "is_placed": (position > 0) & (chromosome != UNKNOWN),
            "is_palindromic": np.array([_COMPLEMENTS.get(one) == other for one, other in zip(ref, alt, strict=True)], dtype=bool),
        }
    )


def _swapped(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(ref=table["alt"], alt=table["ref"])


def _complemented(table: pd.DataFrame) -> pd.DataFrame:
    """Single bases of the other strand; variants with longer alleles are left out."""
    is_base = table["ref"].isin(_COMPLEMENTS.keys()) & table["alt"].isin(_COMPLEMENTS.keys())
    bases = table[is_base]
    return bases.assign(ref=bases["ref"].map(_COMPLEMENTS), alt=bases["alt"].map(_COMPLEMENTS))


def _agreement(ours: list[NDArray[Any]], theirs: list[NDArray[Any]]) -> NDArray[np.intp]:
    """How many alleles, known on both sides, are equal; -1 where two differ."""
    n_equal = np.zeros(len(ours[0]), dtype=np.intp)
    differs = np.zeros(len(ours[0]), dtype=bool)
    for one, other in zip(ours, theirs, strict=True):
        is_known = (one != "") & (other != "")
        n_equal += is_known & (one == other)
        differs |= is_known & (one != other)
    return np.where(differs, -1, n_equal)
