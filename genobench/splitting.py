"""Which samples a generator may learn from, and which it is judged by.

A split has four parts. `train` is what a fit sees, `validation` what tuning sees, `holdout` what fidelity and utility are measured
against. `nonmembers` are a random share of each training family that no fit sees: only they are exchangeable with the training samples, so
only they can tell a model that remembers from one that knows the family.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Self, get_args

import numpy as np
from filelock import FileLock

from genobench.errors import SplitError
from genobench.home import write_json_atomically
from genobench.statgen.kinship import SECOND_DEGREE, king_robust, kinship_clusters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Indices
    from genobench.contracts import Trait
    from genobench.genotypes import Genotypes

SchemeName = Literal["auto", "random", "family", "kinship", "forward", "column"]
SCHEMES: Final[tuple[str, ...]] = get_args(SchemeName)
PARTS: Final = ("train", "validation", "holdout", "nonmembers")

_SCHEMA: Final = 1
_FEWEST_SAMPLES: Final = 20
_FEWEST_IN_A_PART: Final = 2
_SAMPLES_PER_BLOCK: Final = 2048


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of the four parts; they sum to 1."""

    train: float = 0.55
    validation: float = 0.10
    holdout: float = 0.20
    nonmembers: float = 0.15

    def __post_init__(self) -> None:
        shares = asdict(self)
        if any(not 0 < share < 1 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
            raise SplitError(f"The shares {shares} sum to {sum(shares.values()):g}; they must be positive and sum to 1.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """Four parts of the samples of a dataset.

    Args:
        scheme: How it was made: `random`, `family`, `kinship`, `forward` or `column`.
        column: The column that groups samples (`family`, `column`) or orders them (`forward`); None otherwise.
        trait: The trait's column; samples without it are left out.
        seed: Of every draw.
        shares: What was asked for.
        train: Positions of the training samples, ascending.
        validation: Likewise.
        holdout: Likewise.
        nonmembers: Likewise.
        left_out: Samples in no part, because their trait or what the scheme needs is not known.
        groups: A number per sample that relatives share, for intervals, shape (n_samples,).
        largest_kinship: Largest KING-robust kinship of a holdout sample with one of another part, on the autosomes; None where it
            cannot be computed.
        largest_kinship_pair: Ids of that pair, the holdout sample first.
        notes: What a reader of the split must know.
        dataset_sha256: Content hash of the genotypes.
        sha256: Hash of the parts' sample ids.
    """

    scheme: str
    column: str | None
    trait: str
    seed: int
    shares: Shares
    train: Indices
    validation: Indices
    holdout: Indices
    nonmembers: Indices
    left_out: Indices
    groups: Indices
    largest_kinship: float | None = None
    largest_kinship_pair: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()
    dataset_sha256: str = ""
    sha256: str = ""

    def part(self, name: str) -> Indices:
        """Positions of the samples of one part."""
        indices: Indices = getattr(self, name)
        return indices

    def to_json(self) -> dict[str, Any]:
        """The split as a JSON object."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["shares"] = asdict(self.shares)
        arrays = (*PARTS, "left_out", "groups")
        return {"schema": _SCHEMA} | {name: value.tolist() if name in arrays else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`.

        Raises:
            SplitError: If a field is missing, or the schema is another one.
        """
        try:
            if values["schema"] != _SCHEMA:
                raise SplitError(f"The split has schema {values['schema']}; this genobench reads {_SCHEMA}.")
            known = {name: values[name] for name in cls.__dataclass_fields__}
            for name in (*PARTS, "left_out", "groups"):
                known[name] = np.array(known[name], dtype=np.intp)
            pair = known["largest_kinship_pair"]
            known |= {
                "shares": Shares(**known["shares"]),
                "notes": tuple(known["notes"]),
                "largest_kinship_pair": (str(pair[0]), str(pair[1])) if pair else None,
            }
            return cls(**known)
        except (KeyError, TypeError, ValueError) as error:
            raise SplitError(f"The split lacks or misstates the field {error}.") from error


@dataclass
class _Draft:
    scheme: str
    column: str | None
    groups: Indices
    notes: list[str] = field(default_factory=list)
    phi: NDArray[np.float32] | None = None
    usable: NDArray[np.bool_] | None = None


def split_samples(
    genotypes: Genotypes,
    *,
    trait: Trait,
    birth_column: str | None = None,
    scheme: str = "auto",
    column: str | None = None,
    seed: int = 0,
    shares: Shares | None = None,
    dataset_sha256: str = "",
) -> Split:
    """Split samples into train, validation, holdout and nonmembers.

    `family`, `kinship` and `column` put whole groups into holdout and validation; a sample whose group is not known is a group of its own.
    `forward` takes the latest-born for the holdout and the next for validation, with ties drawn at random. `random` draws single samples.
    Nonmembers are then drawn from what is left: samples stand in a random order of groups, random within each group, and every so many-th
    one is taken from a random start. So each has the same chance, the number is exact, and every group gives its share, rounded down or
    up; among groups of one animal this is a plain random draw.

    Args:
        genotypes: Samples with the columns that trait and scheme need.
        trait: Samples without a value of it are left out.
        birth_column: What `forward` sorts by.
        scheme: `auto` takes the trait's family column where recorded, else `sire`, else kinship.
        column: The column of scheme `column`.
        seed: Of every draw.
        shares: Of the parts.
        dataset_sha256: Recorded in the split.

    Returns:
        The split.

    Raises:
        SplitError: If there are too few samples or groups, a column is absent, or the trait does not vary.
    """
    shares = shares or Shares()
    generator = np.random.default_rng(seed)
    usable = _with_trait(genotypes.samples, trait)
    draft = _draft(genotypes, trait=trait, birth_column=birth_column, scheme=scheme, column=column, usable=usable)
    usable = usable if draft.usable is None else draft.usable
    members = np.flatnonzero(usable)
    if len(members) < _FEWEST_SAMPLES:
        needed = [f"'{column}'" for column in (trait.column, draft.column if draft.usable is not None else None) if column]
        raise SplitError(
            f"{len(members)} samples have a value of {' and '.join(needed)}; a split into four parts needs at least {_FEWEST_SAMPLES}."
        )
    validation, holdout, rest = _judging_parts(genotypes.samples, members, draft, shares, generator)
    n_nonmembers = round(len(rest) * shares.nonmembers / (shares.nonmembers + shares.train))
    is_nonmember = _spread_over_groups(draft.groups[rest], n_nonmembers, generator)
    parts = {"train": rest[~is_nonmember], "validation": validation, "holdout": holdout, "nonmembers": rest[is_nonmember]}
    for name, indices in parts.items():
        if len(indices) < _FEWEST_IN_A_PART:
            raise SplitError(
                f"The {name} part has {len(indices)} of {len(members)} samples; each part needs at least {_FEWEST_IN_A_PART}. "
                f"Give more samples, or another share than {getattr(shares, name):g}."
            )
    split = Split(
        scheme=draft.scheme,
        column=draft.column,
        trait=trait.column,
        seed=seed,
        shares=shares,
        train=np.sort(parts["train"]),
        validation=np.sort(parts["validation"]),
        holdout=np.sort(parts["holdout"]),
        nonmembers=np.sort(parts["nonmembers"]),
        left_out=np.flatnonzero(~usable),
        groups=draft.groups,
        notes=(*_notes(genotypes.samples, trait, usable, parts), *draft.notes),
        dataset_sha256=dataset_sha256,
    )
    split = replace(split, sha256=split_sha256(split, genotypes))
    phi, pair = _largest_kinship(genotypes, split, draft.phi)
    notes = split.notes
    if phi is not None and phi >= SECOND_DEGREE and draft.scheme in ("family", "kinship", "column"):
        notes = (*notes, f"The holdout is not free of relatives of other parts: kinship reaches {phi:.3f} (half sibs have 0.125).")
    return replace(split, largest_kinship=phi, largest_kinship_pair=pair, notes=notes)


def load_or_make_split(
    genotypes: Genotypes,
    *,
    dataset_sha256: str,
    folder: Path,
    trait: Trait,
    birth_column: str | None = None,
    scheme: str = "auto",
    column: str | None = None,
    seed: int = 0,
    shares: Shares | None = None,
) -> Split:
    """The split that was written for these very questions; made, and written, where there is none yet.

    Args:
        genotypes: As for `split_samples`, like every other argument.
        dataset_sha256: Content hash of the genotypes.
        folder: Where splits are kept.
        trait: As for `split_samples`.
        birth_column: Likewise.
        scheme: Likewise.
        column: Likewise.
        seed: Likewise.
        shares: Likewise.

    Returns:
        The split, the same one every time.

    Raises:
        SplitError: As `split_samples`, or if the written split belongs to other samples.
    """
    asked = {
        "schema": _SCHEMA,
        "dataset_sha256": dataset_sha256,
        "trait": trait.column,
        "family": trait.family,
        "birth_column": birth_column,
        "scheme": scheme,
        "column": column,
        "seed": seed,
        "shares": asdict(shares or Shares()),
    }
    key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{key}.json"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.is_file():
            return _read_split(path, genotypes)
        split = split_samples(
            genotypes,
            trait=trait,
            birth_column=birth_column,
            scheme=scheme,
            column=column,
            seed=seed,
            shares=shares,
            dataset_sha256=dataset_sha256,
        )
        write_json_atomically(path, split.to_json())
        return split


def split_sha256(split: Split, genotypes: Genotypes) -> str:
    """Hash of which sample ids stand in which part: 64 hexadecimal digits."""
    ids = genotypes.sample_ids
    parts = {name: ids[split.part(name)].tolist() for name in PARTS}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read_split(path: Path, genotypes: Genotypes) -> Split:
    try:
        split = Split.from_json(json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise SplitError(f"{path} is no JSON (line {error.lineno}); delete it and the split is made again.") from error
    if len(split.groups) != genotypes.n_samples or split_sha256(split, genotypes) != split.sha256:
        raise SplitError(f"{path} does not belong to these samples; delete it and the split is made again.")
    return split


def _with_trait(samples: pd.DataFrame, trait: Trait) -> NDArray[np.bool_]:
    if trait.column not in samples.columns:
        raise SplitError(f"The sample table has no column '{trait.column}'; its columns are {', '.join(samples.columns)}.")
    known: NDArray[np.bool_] = samples[trait.column].notna().to_numpy(dtype=bool)
    n_values = samples.loc[known, trait.column].nunique()
    if n_values < 2:
        what = f"is {samples.loc[known, trait.column].iloc[0]!r} in every sample" if n_values else "is not known in any sample"
        raise SplitError(f"The trait '{trait.column}' {what}; it must vary.")
    return known


def _draft(
    genotypes: Genotypes, *, trait: Trait, birth_column: str | None, scheme: str, column: str | None, usable: NDArray[np.bool_]
) -> _Draft:
    samples = genotypes.samples
    if scheme not in SCHEMES:
        raise SplitError(f"There is no split scheme '{scheme}'; choose one of {', '.join(SCHEMES)}.")
    if scheme == "column" or (scheme == "auto" and column is not None):
        if column is None:
            raise SplitError("The scheme 'column' needs the name of the column whose values stay on one side.")
        return _Draft("column", column, _groups_of(_column(samples, column)))
    recorded = _family_column(samples, trait, usable)
    if scheme in ("family", "auto") and recorded is not None:
        return _Draft("family", recorded, _groups_of(samples[recorded]))
    if scheme == "family":
        raise SplitError(
            "No family is recorded: neither a family column of the trait nor 'sire' groups the samples. "
            "Split by 'kinship' instead, or by 'column'."
        )
    if scheme in ("kinship", "auto"):
        return _kinship_draft(genotypes)
    groups = _groups_of(samples[recorded]) if recorded is not None else np.arange(len(samples))
    if scheme == "random":
        return _Draft("random", None, groups)
    if birth_column is None:
        raise SplitError("The scheme 'forward' needs a birth column, and the dataset's card names none.")
    known = usable & _column(samples, birth_column).notna().to_numpy(dtype=bool)
    notes = []
    if (usable & ~known).any():
        notes.append(f"{int((usable & ~known).sum())} samples have no '{birth_column}' and were left out.")
    return _Draft("forward", birth_column, groups, notes=notes, usable=known)


def _kinship_draft(genotypes: Genotypes) -> _Draft:
    phi = king_robust(genotypes)
    return _Draft("kinship", None, kinship_clusters(phi), phi=phi)


def _column(samples: pd.DataFrame, column: str) -> pd.Series[Any]:
    if column not in samples.columns:
        raise SplitError(f"The sample table has no column '{column}' to split by; its columns are {', '.join(samples.columns)}.")
    return samples[column]


def _family_column(samples: pd.DataFrame, trait: Trait, usable: NDArray[np.bool_]) -> str | None:
    """The first column that says of at least half of the samples whose they are, and puts some of them together."""
    if trait.family is not None:
        _column(samples, trait.family)
    for name in (trait.family, "sire"):
        if name is not None and name in samples.columns:
            values = samples.loc[usable, name].dropna()
            if 2 * len(values) >= usable.sum() and values.duplicated().any():
                return name
    return None


def _groups_of(column: pd.Series[Any]) -> Indices:
    """Numbers from 0 in order of first appearance; a sample without a value is a group of its own."""
    texts = [f"={value}" if known else f"#{row}" for row, (value, known) in enumerate(zip(column, column.notna(), strict=True))]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return np.array([numbers[text] for text in texts], dtype=np.intp)


def _judging_parts(
    samples: pd.DataFrame, members: Indices, draft: _Draft, shares: Shares, generator: np.random.Generator
) -> tuple[Indices, Indices, Indices]:
    """Validation, holdout, and the rest, as positions of samples."""
    n_holdout, n_validation = round(shares.holdout * len(members)), round(shares.validation * len(members))
    if draft.scheme in ("random", "forward"):
        tie = generator.permutation(len(members))
        order = tie
        if draft.column is not None:
            born = samples[draft.column].iloc[members].rank(method="dense").to_numpy(dtype=float)
            order = np.lexsort((tie, -born))
            _note_ties(draft, born[order], n_holdout)
        in_order = members[order]
        return in_order[n_holdout : n_holdout + n_validation], in_order[:n_holdout], in_order[n_holdout + n_validation :]
    groups = draft.groups[members]
    holdout = _whole_groups(groups, n_holdout, generator, part="holdout", draft=draft)
    rest = np.flatnonzero(~holdout)
    validation = _whole_groups(groups[rest], n_validation, generator, part="validation", draft=draft)
    return members[rest[validation]], members[holdout], members[rest[~validation]]


def _note_ties(draft: _Draft, born: NDArray[np.floating[Any]], n_holdout: int) -> None:
    edge = born[n_holdout - 1]
    n_tied = int((born == edge).sum())
    if born[n_holdout] == edge:
        draft.notes.append(f"{n_tied} samples share the '{draft.column}' at the edge of the holdout; they were drawn at random.")


def _whole_groups(groups: Indices, n_wanted: int, generator: np.random.Generator, *, part: str, draft: _Draft) -> NDArray[np.bool_]:
    """Groups in a random order, each taken where it still fits."""
    labels, sizes = np.unique(groups, return_counts=True)
    taken: list[int] = []
    n_left = n_wanted
    for place in generator.permutation(len(labels)):
        if sizes[place] <= n_left:
            taken.append(labels[place])
            n_left -= sizes[place]
    if n_left > n_wanted / 2 or len(taken) == len(labels):
        what = f"values of '{draft.column}'" if draft.column is not None else "groups of relatives"
        raise SplitError(
            f"The {part} part would hold {n_wanted - n_left} of the {n_wanted} samples it should: the {len(labels)} {what} "
            f"have up to {sizes.max()} samples each and are kept whole. Split by something finer, or at random."
        )
    return np.isin(groups, taken)


def _spread_over_groups(groups: Indices, n_wanted: int, generator: np.random.Generator) -> NDArray[np.bool_]:
    labels, numbers = np.unique(groups, return_inverse=True)
    order = np.lexsort((generator.random(len(groups)), generator.permutation(len(labels))[numbers]))
    marks = (np.arange(len(groups) + 1) * n_wanted + generator.integers(len(groups))) // len(groups)
    chosen = np.zeros(len(groups), dtype=bool)
    chosen[order] = np.diff(marks) > 0
    return chosen


def _notes(samples: pd.DataFrame, trait: Trait, usable: NDArray[np.bool_], parts: Mapping[str, Indices]) -> list[str]:
    notes = []
    n_without = int(samples[trait.column].isna().sum())
    if n_without:
        notes.append(f"{n_without} samples have no '{trait.column}' and were left out.")
    if trait.kind != "quantitative":
        classes = set(samples.loc[usable, trait.column])
        for name, indices in parts.items():
            absent = classes - set(samples[trait.column].iloc[indices])
            if absent:
                notes.append(f"The {name} part has no sample of class {', '.join(sorted(map(str, absent)))}.")
    return notes


def _largest_kinship(genotypes: Genotypes, split: Split, phi: NDArray[np.float32] | None) -> tuple[float | None, tuple[str, str] | None]:
    """The largest kinship across the edge of the holdout; block by block unless the whole matrix is there already."""
    others = np.sort(np.concatenate([split.train, split.validation, split.nonmembers]))
    best, pair = -np.inf, None
    for rows in _blocks(split.holdout):
        for columns in _blocks(others):
            if phi is None:
                both = genotypes.take_samples(np.concatenate([rows, columns]))
                block = king_robust(both)[: len(rows), len(rows) :]
            else:
                block = phi[np.ix_(rows, columns)]
            if np.isnan(block).all():
                continue
            row, column = (int(place) for place in np.unravel_index(int(np.nanargmax(block)), block.shape))
            if block[row, column] > best:
                best = float(block[row, column])
                pair = (str(genotypes.sample_ids[rows[row]]), str(genotypes.sample_ids[columns[column]]))
    return (None, None) if pair is None else (round(best, 4), pair)


def _blocks(indices: Indices) -> list[Indices]:
    return [indices[start : start + _SAMPLES_PER_BLOCK] for start in range(0, len(indices), _SAMPLES_PER_BLOCK)]
