"""Tables of downstream prediction on disk: `<folder>/<board>/predictions.jsonl.gz`, which is the evidence, and the pages made from it.

Evidence is only ever added. A prediction that is published twice changes nothing; one that differs from what the board holds is an
error, unless the caller says that the new one replaces the old.
"""

from __future__ import annotations

import json
from dataclasses import replace as changed
from typing import TYPE_CHECKING, Final

from genobench.downstream.records import by_trait, lines_of, read_records
from genobench.errors import GenobenchError
from genobench.home import write_bytes_atomically, write_json_atomically
from genobench.leaderboard.locking import board_locked
from genobench.leaderboard.places import named_files, without_paths

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from genobench.downstream.records import PredictionRecord

EVIDENCE: Final = "predictions.jsonl.gz"
"""The file of a board that is evidence, a record a line; every other file of the folder is made from it."""

_FACTS: Final = "facts.json"
"""What is known of a board's trait beside its predictions."""

_CIRCUMSTANCES: Final = ("seconds",)
"""Fields in which two records of one prediction may differ without a conflict."""


def board_name(records: Iterable[PredictionRecord], budget: str = "") -> str:
    """The board that records belong to, for example "cattle-demo.family.downstream.3cpu-min".

    Args:
        records: At least one.
        budget: Of the generators' fits; arms without synthetic samples belong to every budget.

    Raises:
        GenobenchError: If they belong to several, or there is none.
    """
    names = sorted({f"{record.dataset}.{record.split['scheme']}.downstream" for record in records})
    if len(names) != 1:
        raise GenobenchError(f"Predictions of one dataset and one split scheme make a board; these are of {', '.join(names) or 'none'}.")
    return names[0] + (f".{budget}" if budget else "")


def publish(records: Iterable[PredictionRecord], folder: Path, *, replace: bool = False) -> int:
    """Add predictions to a board.

    Args:
        records: Of this board; those that were cut short are left out. What they say of local paths is left out, but for the files' names.
        folder: The board's folder; made when absent.
        replace: Whether a prediction that differs takes the place of the one that the board holds.

    Returns:
        How many were added or changed; 0 where the board held all of them.

    Raises:
        GenobenchError: If the board holds another prediction, of another code or with other numbers, or if these and what it holds may not
            stand in one table. The board is then as it was.
    """
    new = [_without_places(record) for record in records if not record.is_cut_short]
    if not new:
        raise GenobenchError(f"There is no prediction to publish to {folder}.")
    folder.mkdir(parents=True, exist_ok=True)
    with board_locked(folder):
        return _publish(new, folder, replace=replace)


def _publish(records: Iterable[PredictionRecord], folder: Path, *, replace: bool) -> int:
    held = {record.identity: record for record in read_board(folder)} if (folder / EVIDENCE).exists() else {}
    n_changed = 0
    for record in records:
        known = held.get(record.identity)
        differing = [] if known is None else _differences(known, record)
        if known is not None and not differing:
            continue
        if known is not None and not replace:
            raise GenobenchError(
                f"The board {folder} already holds a prediction of {_named(record)} that differs in {', '.join(differing)}. Publish with "
                "--replace if the new one is right."
            )
        held[record.identity] = record
        n_changed += 1
    try:
        by_trait(held.values())
    except GenobenchError as error:
        raise GenobenchError(f"These predictions cannot be added to the board {folder}. {error}") from error
    if n_changed:
        write_bytes_atomically(folder / EVIDENCE, lines_of(record for _, record in sorted(held.items())))
    return n_changed


def read_board(folder: Path) -> list[PredictionRecord]:
    """The evidence of a board; a record that stands there twice counts once.

    Raises:
        GenobenchError: If there is none, it cannot be read, two of its records are of one prediction and differ, or its records may not
            stand in one table.
    """
    path = folder / EVIDENCE
    held: dict[str, PredictionRecord] = {}
    for record in read_records(path):
        known = held.setdefault(record.identity, record)
        if known is not record and (differing := _differences(known, record)):
            raise GenobenchError(
                f"The file {path} holds two predictions of {_named(record)} that differ in {', '.join(differing)}. No command writes both; "
                "take the file as it was before it was edited or merged, and publish again."
            )
    if not held:
        raise GenobenchError(f"The file {path} holds no prediction; remove it, and publish again.")
    try:
        by_trait(held.values())
    except GenobenchError as error:
        raise GenobenchError(f"The file {path} holds what does not belong together. {error}") from error
    return [*held.values()]


def _named(record: PredictionRecord) -> str:
    """What a record is of, for messages."""
    source = f"{record.generator or 'real samples'}, split {record.split['seed']}, seed {record.seed}"
    return f"{record.classifier} on {record.arm} ({source})"


def _without_places(record: PredictionRecord) -> PredictionRecord:
    """A record that names files, not folders of a machine."""
    return changed(
        record,
        generator_settings=without_paths(dict(record.generator_settings)),
        classifier_settings=without_paths(dict(record.classifier_settings)),
        reason=None if record.reason is None else named_files(record.reason),
    )


def state_heritability(folder: Path, heritability: float) -> None:
    """Keep the heritability of a board's quantitative trait beside its evidence, so that its pages can always be made again."""
    write_json_atomically(folder / _FACTS, {"heritability": heritability})


def stated_heritability(folder: Path) -> float | None:
    """What `state_heritability` kept; None where it kept nothing.

    Raises:
        GenobenchError: If the file is damaged.
    """
    path = folder / _FACTS
    try:
        heritability = float(json.loads(path.read_text(encoding="utf-8"))["heritability"])
        if not 0 < heritability <= 1:
            raise ValueError(f"{heritability} is no share above 0 and at most 1")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise GenobenchError(f"The file {path} does not say a heritability ({error}); publish again with --heritability.") from error
    return heritability


def _differences(known: PredictionRecord, new: PredictionRecord) -> list[str]:
    before, after = known.to_json(), new.to_json()
    return [name for name in before if name not in _CIRCUMSTANCES and before[name] != after[name]]
