"""Boards on disk: `<folder>/<board>/outcomes.jsonl.gz`, which is the evidence, and the pages that are made from it.

Evidence is only ever added. A cell that is published twice changes nothing; a cell whose evidence differs from what the board holds is
an error, unless the caller says that the new evidence replaces the old.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import zlib
from typing import TYPE_CHECKING, Final

from genobench.errors import GenobenchError
from genobench.home import write_bytes_atomically, write_text_atomically
from genobench.leaderboard.locking import board_locked
from genobench.leaderboard.places import without_places
from genobench.leaderboard.standings import comparable_groups, evidence_order, standings
from genobench.leaderboard.text import to_markdown
from genobench.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from genobench.leaderboard.rows import Standings

EVIDENCE: Final = "outcomes.jsonl.gz"
"""The file of a board that is evidence, an outcome a line; every other file of the folder is made from it.

Compressed, since a hundred cells of a hundred scores each are 7 MB of text and a tenth of that so.
"""

_CIRCUMSTANCES: Final = ("timings", "processor_seconds", "peak_memory_bytes", "environment", "created_at", "message")
"""Fields in which two records of one cell may differ without a conflict: when and where it ran, not what it gave."""


def read_board(folder: Path) -> list[Outcome]:
    """The evidence of a board.

    Args:
        folder: The board's folder.

    Returns:
        Its outcomes, in the order of the file.

    Raises:
        GenobenchError: If the file cannot be read, or a line is no outcome; the message names file and line.
    """
    path = folder / EVIDENCE
    try:
        content = path.read_bytes()
        if not content:
            raise EOFError("it is empty")
        lines = gzip.decompress(content).decode().split("\n")
    except FileNotFoundError as error:
        raise GenobenchError(f"The folder {folder} is no leaderboard: it has no file {EVIDENCE}.") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise GenobenchError(f"The evidence {path} cannot be read ({error}).") from error
    outcomes = []
    for place, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            outcomes.append(Outcome.from_json(json.loads(line)))
        except (ValueError, AttributeError, TypeError, GenobenchError) as error:
            raise GenobenchError(f"{path}, line {place}, is not an outcome that can be read: {error}") from error
    return outcomes


def publish(outcomes: Iterable[Outcome], folder: Path, *, replace: bool = False) -> int:
    """Add evidence to a board and render it.

    Args:
        outcomes: Evidence of this board; trials are left out. What it says of local paths is left out too, see `without_places`.
        folder: The board's folder; made when absent.
        replace: Whether evidence that differs takes the place of what the board holds.

    Returns:
        How many cells were added or changed; 0 where the board held all of it.

    Raises:
        GenobenchError: If evidence conflicts, or may not be compared with what the board holds. The board is then as it was.
    """
    new = [*map(without_places, outcomes)]
    if not new:
        raise GenobenchError(f"There is no outcome to publish to {folder}.")
    folder.mkdir(parents=True, exist_ok=True)
    with board_locked(folder):
        return _publish(new, folder, replace=replace)


def _publish(outcomes: Iterable[Outcome], folder: Path, *, replace: bool) -> int:
    on_disk = {outcome.cell_id: outcome for outcome in (read_board(folder) if (folder / EVIDENCE).exists() else [])}
    held = {cell_id: without_places(outcome) for cell_id, outcome in on_disk.items()}
    for outcome in outcomes:
        known = held.get(outcome.cell_id)
        if known is not None and not replace:
            difference = _conflict(known, outcome)
            if difference:
                raise GenobenchError(
                    f"The board {folder} already holds cell {outcome.cell_id} with other evidence: {difference}. Find out which is right; "
                    "publish with --replace if it is the new one."
                )
            merged = _merged(known, outcome)
        else:
            merged = outcome
        held[outcome.cell_id] = merged
    n_changed = sum(cell_id not in on_disk or on_disk[cell_id].to_json() != outcome.to_json() for cell_id, outcome in held.items())
    pages = _pages(standings(list(held.values())))
    if n_changed:
        ordered = sorted(held.values(), key=evidence_order)
        lines = [json.dumps(outcome.to_json(), ensure_ascii=False, allow_nan=False) for outcome in ordered]
        write_bytes_atomically(folder / EVIDENCE, gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
    _write_pages(pages, folder)
    return n_changed


def render(folder: Path) -> list[Path]:
    """Make a board's pages again from its evidence.

    Args:
        folder: The board's folder.

    Returns:
        The files that were written: README.md, index.html and board.svg.

    Raises:
        GenobenchError: If the evidence cannot be read or may not stand in one table.
    """
    with board_locked(folder):
        outcomes = read_board(folder)
        if not outcomes:
            raise GenobenchError(f"The board {folder} holds no outcome; publish some first.")
        return _write_pages(_pages(standings([without_places(outcome) for outcome in outcomes])), folder)


def select(outcomes: Sequence[Outcome], board: str, *, split: str | None = None, trait: str | None = None) -> list[Outcome]:
    """The outcomes that belong to a board and may stand in one table.

    Args:
        outcomes: Any.
        board: The board's name, for example "cattle-demo.family".
        split: First digits of a split's hash, to leave out the other splits of that scheme; None for all.
        trait: The trait's column, where there are several.

    Returns:
        At least one outcome.

    Raises:
        GenobenchError: If none belongs to it, or if they are of several datasets or traits; the message lists them.
    """
    chosen = [outcome for outcome in outcomes if split is None or str(outcome.split["sha256"]).startswith(split)]
    groups = {key: members for key, members in comparable_groups(chosen).items() if key[0] == board and trait in (None, key[2])}
    if not groups:
        names = ", ".join(sorted({key[0] for key in comparable_groups(outcomes)})) or "none"
        raise GenobenchError(f"No outcome belongs to the board '{board}' as asked; there are outcomes of: {names}.")
    if len(groups) > 1:
        listed = "; ".join(
            f"--trait {named} --split {_short_splits(members)} ({len(members)} cells, dataset {dataset[:8]})"
            for (_, dataset, named), members in groups.items()
        )
        raise GenobenchError(f"The outcomes of '{board}' are of {len(groups)} kinds that may not be compared; choose one: {listed}.")
    return next(iter(groups.values()))


def _short_splits(outcomes: Sequence[Outcome]) -> str:
    return " or ".join(sorted({str(outcome.split["sha256"])[:12] for outcome in outcomes}))


def _pages(table: Standings) -> dict[str, str]:
    from genobench.leaderboard.figure import to_svg
    from genobench.leaderboard.page import to_html

    return {"README.md": to_markdown(table), "index.html": to_html(table), "board.svg": to_svg(table)}


def _write_pages(pages: dict[str, str], folder: Path) -> list[Path]:
    for name, text in pages.items():
        write_text_atomically(folder / name, text)
    return [folder / name for name in pages]


def _merged(known: Outcome, new: Outcome) -> Outcome:
    """What the board holds, with the scores that only the new record has or that it has in a newer version."""
    versions = {score.metric: score.version for score in known.scores}
    added = {score.metric: score for score in new.scores if score.version > versions.get(score.metric, -1)}
    kept = tuple(score for score in known.scores if score.metric not in added)
    return dataclasses.replace(known, scores=(*kept, *added.values()))


def _conflict(known: Outcome, new: Outcome) -> str:
    """What two records of one cell disagree on, in words; "" where they agree as far as both speak."""
    old_values, new_values = known.to_json(), new.to_json()
    for name, old in old_values.items():
        if name not in {"scores", "phase", *_CIRCUMSTANCES} and old != new_values[name]:
            return f"{name} is {old} on the board and {new_values[name]} here"
    for score in new.scores:
        held = known.score(score.metric)
        if held is not None and held.version == score.version:
            before, after = held.to_json(), score.to_json()
            for name in ("value", "standard_error", "interval", "band", "ceiling"):
                if before[name] != after[name]:
                    return f"{name} of {score.metric} is {before[name]} on the board and {after[name]} here"
    return ""
