"""Where and how commands print: tables as wide as the terminal, wide and without colour where there is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_PLAIN_WIDTH: Final = 220
_NUMBERS: Final = {"samples", "variants", "groups", "share", "known"}


def console() -> Console:
    """A console on stdout for tables."""
    from rich.console import Console

    terminal = Console(highlight=False)
    return terminal if terminal.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)


def warn(message: str) -> None:
    """Say on stderr what went less than well."""
    typer.echo(f"genobench: warning: {message}", err=True)


def print_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows of text under their headings."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left", no_wrap=heading == "name")
    for row in rows:
        table.add_row(*map(escape, row))
    console().print(table)


def print_json(value: Any) -> None:
    """Print a JSON value over several lines."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_lines(heading: str, lines: Sequence[str]) -> None:
    """Print a heading and its lines; nothing where there are none."""
    if lines:
        typer.echo(heading)
        for line in lines:
            typer.echo(f"  - {line}")
