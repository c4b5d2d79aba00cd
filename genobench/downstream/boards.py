"""Tables of downstream prediction on disk: `<folder>/<board>/predictions.jsonl.gz`, which is the evidence, and the pages made from it.

Evidence is only ever added. A prediction that is published twice changes nothing; one that differs from what the board holds is an
error, unless the caller says that the new one replaces the old.
"""

from __future__ import annotations

import json
from dataclasses import replace as changed
from typing import TYPE_CHECKING, Any, Final

from genobench.downstream.records import lines_of, read_records
from genobench.downstream.summary import by_trait
from genobench.errors import GenobenchError
from genobench.home import write_bytes_atomically, write_json_atomically
from genobench.leaderboard.places import named_files, without_paths

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from genobench.downstream.records import PredictionRecord

EVIDENCE: Final = "predictions.jsonl.gz"
"""The file of a board that is evidence, a record a line; every other file of the folder is made from it."""

_FACTS: Final = "facts.json"
"""What is known of a board's trait beside its predictions."""

_OF_WHAT: Final = (
    "dataset",
    "dataset_sha256",
    "split",
    "trait",
    "generator",
    "generator_settings",
    "seed",
    "budget",
    "classifier",
    "classifier_settings",
    "arm",
    "n_components",
)
"""What a prediction is of; two records that agree in these are two of one prediction."""

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
        records: Of this board. What they say of local paths is left out, but for the files' names.
        folder: The board's folder; made when absent.
        replace: Whether a prediction that differs takes the place of the one that the board holds.

    Returns:
        How many were added or changed; 0 where the board held all of them.

    Raises:
        GenobenchError: If the board holds another prediction, of another code or with other numbers, or if these and what it holds may not
            stand in one table. The board is then as it was.
    """
    held = {_key(record): record for record in (read_board(folder) if (folder / EVIDENCE).exists() else [])}
    n_changed = 0
    for record in map(_without_places, records):
        key = _key(record)
        known = held.get(key)
        differing = [] if known is None else _differences(known, record)
        if known is not None and not differing:
            continue
        if known is not None and not replace:
            raise GenobenchError(
                f"The board {folder} already holds a prediction of {record.classifier} on {record.arm} "
                f"({record.generator or 'real samples'}, split {record.split['seed']}, seed {record.seed}) that differs in "
                f"{', '.join(differing)}. Publish with --replace if the new one is right."
            )
        held[key] = record
        n_changed += 1
    if not held:
        raise GenobenchError(f"There is no prediction to publish to {folder}.")
    by_trait(held.values())
    if n_changed:
        write_bytes_atomically(folder / EVIDENCE, lines_of(record for _, record in sorted(held.items())))
    return n_changed


def read_board(folder: Path) -> list[PredictionRecord]:
    """The evidence of a board.

    Raises:
        GenobenchError: If there is none, or it cannot be read.
    """
    return read_records(folder / EVIDENCE)


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


def _key(record: PredictionRecord) -> str:
    """What a prediction is of, as text that sorts by split and then generator."""
    values: dict[str, Any] = {name: getattr(record, name) for name in _OF_WHAT}
    split = (record.split["seed"], record.split["sha256"])
    return json.dumps([record.trait, *split, values | {"split": None}], sort_keys=True)


def _differences(known: PredictionRecord, new: PredictionRecord) -> list[str]:
    before, after = known.to_json(), new.to_json()
    return [name for name in before if name not in _CIRCUMSTANCES and before[name] != after[name]]
