"""`genobench leaderboard`: rank what was run, publish it as evidence, make its pages."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genobench.cli.console import console, warn
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from genobench.leaderboard import Column, Estimate, PairedDifference, Row, Standings
    from genobench.leaderboard.text import Footnotes
    from genobench.outcomes import Outcome

app = typer.Typer(help="Rank what was run, publish it as evidence, make its pages.", no_args_is_help=True)

BoardArgument = Annotated[str, typer.Argument(help="A board: dataset.split or dataset.split.budget, for example cattle-demo.family.")]
SplitOption = Annotated[str | None, typer.Option(help="First digits of a split's hash, to leave out the other splits of that scheme.")]
TraitOption = Annotated[str | None, typer.Option(help="The trait, where there are several.")]


@app.command("show")
def show(
    board: Annotated[str | None, typer.Argument(help="A board, for example cattle-demo.family; all by default.")] = None,
    *,
    source: Annotated[Path | None, typer.Option("--from", help="A board's folder, or a folder of boards, instead of local cells.")] = None,
    all_scores: Annotated[bool, typer.Option("--all", help="Every score, not the primary ones alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Show the standings of local cells, or of boards in a folder, and their cells."""
    from genobench.leaderboard import comparable_groups, standings

    groups = [members for key, members in sorted(comparable_groups(_outcomes(source)).items()) if board in (None, key[0])]
    if not groups and board is not None:
        names = ", ".join(sorted({key[0] for key in comparable_groups(_outcomes(source))})) or "none"
        raise GenobenchError(f"There is no outcome of a board '{board}'; there are outcomes of: {names}.")
    if as_json:
        typer.echo(json.dumps([standings(members).to_json() for members in groups], indent=2, allow_nan=False))
        return
    if not groups:
        typer.echo("Nothing has been run yet: `genobench run --generator wgan` is a beginning.")
    for members in groups:
        table = standings(members)
        _print_standings(table, table.columns if all_scores else table.primary)
        _print_cells(members)


@app.command("compare")
def compare(
    board: BoardArgument,
    first: Annotated[str, typer.Argument(help="A row's label, or a part that names one row; or the id of one of its cells.")],
    second: Annotated[str, typer.Argument(help="Another row's.")],
    *,
    source: Annotated[Path | None, typer.Option("--from", help="A board's folder, or a folder of boards, instead of local cells.")] = None,
    split: SplitOption = None,
    trait: TraitOption = None,
    all_scores: Annotated[bool, typer.Option("--all", help="Every score, not the primary ones alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
) -> None:
    """Say which of two generators is better, score by score, from the splits and seeds that both have."""
    from genobench.leaderboard import paired_differences, select, standings

    outcomes = select(_outcomes(source), board, split=split, trait=trait)
    table = standings(outcomes)
    found = [item for item in paired_differences(table, outcomes, first, second) if all_scores or item.column.is_primary]
    if as_json:
        typer.echo(json.dumps([_json_line(item) for item in found], indent=2, allow_nan=False))
        return
    _print_differences(found, first, second)


@app.command("publish")
def publish(
    board: BoardArgument,
    *,
    to: Annotated[Path, typer.Option("--to", help="The folder of boards.")] = Path("leaderboards"),
    split: SplitOption = None,
    trait: TraitOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Where evidence differs, take the local one.")] = False,
) -> None:
    """Add local outcomes to a board's evidence and make its pages; a cell that is there already changes nothing."""
    from genobench.leaderboard import publish as publish_to
    from genobench.leaderboard import select

    outcomes = select(_outcomes(None), board, split=split, trait=trait)
    n_changed = publish_to(outcomes, to / board, replace=replace)
    typer.echo(f"{n_changed} of {len(outcomes)} cells are new or changed in {to / board}.")


@app.command("render")
def render(folder: Annotated[Path, typer.Argument(help="A board's folder, or a folder of boards.")]) -> None:
    """Make the pages of boards again from their evidence, those of `genobench downstream` among them."""
    from genobench.downstream.boards import EVIDENCE as PREDICTIONS
    from genobench.downstream.pages import write_pages
    from genobench.leaderboard import render as render_board

    predicted = _folders_with(PREDICTIONS, folder)
    for place in predicted:
        for path in write_pages(place):
            typer.echo(str(path))
    for place in _board_folders(folder, may_be_none=bool(predicted)):
        for path in render_board(place):
            typer.echo(str(path))


def _outcomes(source: Path | None) -> list[Outcome]:
    from genobench.leaderboard import read_board

    if source is not None:
        return [outcome for folder in _board_folders(source) for outcome in read_board(folder)]
    from genobench.home import genobench_home
    from genobench.outcomes import read_local_outcomes

    return [outcome for outcome, _ in read_local_outcomes(genobench_home(), warn)]


def _board_folders(folder: Path, *, may_be_none: bool = False) -> list[Path]:
    from genobench.downstream.boards import EVIDENCE as PREDICTIONS
    from genobench.leaderboard.boards import EVIDENCE

    found = _folders_with(EVIDENCE, folder)
    if not found and not may_be_none:
        predicted = _folders_with(PREDICTIONS, folder)
        beside = f" What {predicted[0]} holds are predictions of `genobench downstream`; read its README.md." if predicted else ""
        raise GenobenchError(f"The folder {folder} holds no leaderboard: neither it nor a folder in it has a file {EVIDENCE}.{beside}")
    return found


def _folders_with(evidence: str, folder: Path) -> list[Path]:
    """The folder itself, if it has that file, else those in it that do."""
    return [folder] if (folder / evidence).exists() else sorted(path.parent for path in folder.glob(f"*/{evidence}"))


def _print_standings(table: Standings, columns: tuple[Column, ...]) -> None:
    from rich.table import Table

    from genobench.leaderboard.text import Footnotes, band_text, facts, heading, leak_lines, number, place_text, status_text

    out, footnotes = console(), Footnotes()
    out.print(f"[bold]{table.board}[/bold]  " + "; ".join(f"{name.lower()} {value}" for name, value in facts(table)[1:]), style="dim")
    shown = Table(box=None, pad_edge=False, header_style="dim")
    shown.add_column("place", justify="right")
    for name in ("generator", "seeds", "mean rank", *(heading(column) for column in columns)):
        shown.add_column(name)
    for row in table.rows:
        rank = "" if row.mean_rank is None else number(row.mean_rank, 2)
        scores = [_cell(row.estimates[column.metric], column, footnotes) for column in columns]
        shown.add_row(place_text(row), _name(row), status_text(row, len(table.splits)), rank, *scores)
    shown.add_row(
        "", "[italic]real samples[/italic]", "", "", *(band_text(column).replace(" ", "\n", 1) for column in columns), style="green"
    )
    out.print(shown)
    for mark, text in footnotes.lines:
        out.print(f"{mark} {text}", style="dim", markup=False)
    for line in leak_lines(table):
        out.print(line, style="dim", markup=False)
    out.print("● within the real band, ▲ above, ▼ below; [low, high] is the 95 % interval.", style="dim", markup=False)


def _print_differences(found: list[PairedDifference], first: str, second: str) -> None:
    from rich.markup import escape
    from rich.table import Table

    from genobench.leaderboard.text import MISSING, heading, number, off_zero_interval

    shown = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("score", escape(first), escape(second), "gain", "95 % interval", "splits", "better"):
        shown.add_column(name, justify="left" if name in {"score", "better"} else "right")
    better = {"first": first, "second": second, "neither": "not told apart", "both as real": "both as real", None: MISSING}
    for item in found:
        decimals = item.column.decimals
        values = [MISSING if math.isnan(value) else number(value, decimals) for value in (item.first, item.second, item.gain)]
        interval = off_zero_interval(item.interval, decimals) or MISSING
        shown.add_row(heading(item.column), *values, escape(interval), str(item.n_splits), escape(better[item.verdict]))
    out = console()
    out.print(shown)
    out.print(
        f"gain is how much nearer to its aim {first} is, from the pairs of split and seed that both have; the interval is corrected for "
        "the samples that splits share.",
        style="dim",
        markup=False,
    )
    if any(item.n_splits == 1 for item in found):
        out.print("One split gives no interval, and no row is said to be better: run both with --splits 5.", style="dim", markup=False)


def _json_line(item: PairedDifference) -> dict[str, Any]:
    numbers = {name: None if math.isnan(value := getattr(item, name)) else value for name in ("first", "second", "gain")}
    counts = {"n_splits": item.n_splits, "n_pairs": item.n_pairs}
    return {"metric": item.column.metric, **numbers, "interval": item.interval, **counts, "better": item.verdict}


def _name(row: Row) -> str:
    from rich.markup import escape

    return escape(row.label) + (" [red](leaks)[/red]" if row.leaks else "")


def _cell(estimate: Estimate, column: Column, footnotes: Footnotes) -> str:
    from rich.markup import escape

    from genobench.leaderboard.text import cell_text, interval_text, spread_text

    text = cell_text(estimate, column, footnotes)
    noise = " ".join(filter(None, (interval_text(estimate.interval, column.decimals), spread_text(estimate, column.decimals))))
    if not noise or estimate.is_missing:
        return escape(text)
    return escape(f"{text.replace(f' {noise}', '')}\n{noise}")


def _print_cells(outcomes: list[Outcome]) -> None:
    out = console()
    for outcome in outcomes:
        split = f"split {outcome.split.get('seed', '?')}  seed {outcome.seed}"
        out.print(f"  {outcome.cell_id}  {outcome.generator}  {split}  {outcome.status}", style="dim", markup=False)
