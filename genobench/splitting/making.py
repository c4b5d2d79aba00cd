"""Making a split, or finding the one that was made before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from filelock import FileLock

from genobench.errors import SplitError
from genobench.home import write_json_atomically
from genobench.splitting.drawing import draw_judging_parts, spread_over_groups
from genobench.splitting.grouping import group_samples
from genobench.splitting.split import SCHEMA, Shares, Split, split_sha256
from genobench.statgen.kinship import SECOND_DEGREE, king_robust

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Indices
    from genobench.contracts import Trait
    from genobench.genotypes import Genotypes

_FEWEST_SAMPLES: Final = 20
_FEWEST_IN_A_PART: Final = 2
_SAMPLES_PER_BLOCK: Final = 2048


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
    Nonmembers are then drawn from what is left, the same share of every group, as `spread_over_groups` says.

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
    grouping = group_samples(genotypes, trait=trait, birth_column=birth_column, scheme=scheme, column=column)
    n_usable = int(grouping.usable.sum())
    if n_usable < _FEWEST_SAMPLES:
        needed = [f"'{trait.column}'", *([f"'{grouping.column}'"] if grouping.scheme == "forward" else [])]
        raise SplitError(
            f"{n_usable} samples have a value of {' and '.join(needed)}; a split into four parts needs at least {_FEWEST_SAMPLES}."
        )
    drawn, notes = draw_judging_parts(genotypes.samples, grouping, shares=shares, generator=generator)
    rest = drawn["rest"]
    n_nonmembers = round(len(rest) * shares.nonmembers / (shares.nonmembers + shares.train))
    is_nonmember = spread_over_groups(grouping.groups[rest], n_nonmembers, generator)
    parts = {
        "train": np.sort(rest[~is_nonmember]),
        "validation": np.sort(drawn["validation"]),
        "holdout": np.sort(drawn["holdout"]),
        "nonmembers": np.sort(rest[is_nonmember]),
    }
    _check_sizes(parts, n_usable)
    split = Split(
        scheme=grouping.scheme,
        column=grouping.column,
        trait=trait.column,
        seed=seed,
        shares=shares,
        train=parts["train"],
        validation=parts["validation"],
        holdout=parts["holdout"],
        nonmembers=parts["nonmembers"],
        left_out=np.flatnonzero(~grouping.usable),
        groups=grouping.groups,
        notes=(*_notes(genotypes.samples, trait, grouping.usable, parts), *grouping.notes, *notes),
        dataset_sha256=dataset_sha256,
    )
    split = replace(split, sha256=split_sha256(split, genotypes))
    phi, pair = _largest_kinship(genotypes, split, grouping.phi)
    notes = ()
    if phi is not None and phi >= SECOND_DEGREE and grouping.keeps_groups_whole:
        notes = (f"The holdout is not free of relatives of other parts: kinship reaches {phi:.3f} (half sibs have 0.125).",)
    return replace(split, largest_kinship=phi, largest_kinship_pair=pair, notes=(*split.notes, *notes))


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
        "schema": SCHEMA,
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


def _read_split(path: Path, genotypes: Genotypes) -> Split:
    try:
        split = Split.from_json(json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise SplitError(f"{path} is no JSON (line {error.lineno}); delete it and the split is made again.") from error
    if len(split.groups) != genotypes.n_samples or split_sha256(split, genotypes) != split.sha256:
        raise SplitError(f"{path} does not belong to these samples; delete it and the split is made again.")
    return split


def _check_sizes(parts: Mapping[str, Indices], n_usable: int) -> None:
    for name, indices in parts.items():
        if len(indices) < _FEWEST_IN_A_PART:
            raise SplitError(
                f"The {name} part would have {len(indices)} of {n_usable} samples; each part needs at least {_FEWEST_IN_A_PART}. "
                "Give more samples, or other shares."
            )


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
