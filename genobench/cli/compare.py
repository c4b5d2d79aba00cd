"""`genobench compare`: two cells side by side."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genobench.cli.console import console
from genobench.errors import CellError

if TYPE_CHECKING:
    from pathlib import Path

    from genobench.leaderboard.differences import Difference
    from genobench.outcomes import Outcome, ScoreRecord


def compare(
    cell_a: Annotated[str, typer.Argument(help="A cell's id, or how it begins.")],
    cell_b: Annotated[str, typer.Argument(help="Another cell's id, or how it begins.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Show the scores of two cells side by side: their difference with its standard error, the real band, and which settings differ."""
    from genobench.home import genobench_home
    from genobench.leaderboard.differences import differences, what_differs, why_not_comparable

    home = genobench_home()
    first, second = (_outcome_of(home, cell_id) for cell_id in (cell_a, cell_b))
    settings = what_differs(first, second)
    caveat = why_not_comparable(first, second)
    scores = differences(first, second)
    if as_json:
        cells = [{"cell_id": outcome.cell_id, "generator": outcome.generator, "status": outcome.status} for outcome in (first, second)]
        differ = [{"name": name, "a": one, "b": other} for name, one, other in settings]
        lines = [_json_line(difference) for difference in scores]
        typer.echo(json.dumps({"cells": cells, "caveat": caveat, "differ": differ, "scores": lines}, indent=2, allow_nan=False))
        return
    _print(first, second, scores)
    for name, one, other in settings:
        typer.echo(f"  {name}: {_brief(one)} → {_brief(other)}")
    if caveat:
        typer.echo(f"Take care: the second cell is of {caveat}; the difference is not one of the generators alone.")


def _outcome_of(home: Path, cell_id: str) -> Outcome:
    from genobench.cells import find_cell
    from genobench.outcomes import read_outcome

    cell = find_cell(home, cell_id)
    if not cell.outcome.exists():
        raise CellError(f"The cell {cell.key.cell_id} has no outcome yet; run its command again to finish it.")
    return read_outcome(cell.outcome)


def _print(first: Outcome, second: Outcome, scores: list[Difference]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("score", "A", "B", "B - A", "± SE", "real samples"):
        table.add_column(heading, justify="left" if heading in {"score", "real samples"} else "right")
    table.add_column("")
    for item in scores:
        difference = "-" if math.isnan(item.value) else f"{item.value:+.4f}"
        error = "" if item.standard_error is None else f"{item.standard_error:.4f}"
        band = "" if item.band is None else f"{item.band.low:.4f} to {item.band.high:.4f}"
        verdict = item.reason or ("differs" if item.is_clear else "within the noise" if item.standard_error is not None else "")
        table.add_row(escape(item.metric), _value(item.first), _value(item.second), difference, error, band, escape(verdict))
    for name, outcome in (("A", first), ("B", second)):
        where = f"{outcome.dataset}, {outcome.split['scheme']} split"
        typer.echo(f"{name}: {outcome.generator} on {where}, seed {outcome.seed}: {outcome.status}; cell {outcome.cell_id}")
    console().print(table)


def _value(score: ScoreRecord | None) -> str:
    return "-" if score is None or score.is_missing else f"{score.value:.4f}"


def _brief(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text


def _json_line(item: Difference) -> dict[str, Any]:
    return {
        "metric": item.metric,
        "a": None if item.first is None else item.first.to_json(),
        "b": None if item.second is None else item.second.to_json(),
        "difference": None if math.isnan(item.value) else item.value,
        "standard_error": item.standard_error,
        "is_clear": item.is_clear,
        "reason": item.reason or None,
    }
