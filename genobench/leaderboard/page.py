"""A board as one page: self-contained HTML with its plots, nothing fetched from anywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from genobench.leaderboard.rows import FAMILIES
from genobench.leaderboard.text import (
    MARKS,
    MISSING,
    Footnotes,
    aim,
    band_text,
    facts,
    fit_heading,
    fit_text,
    heading,
    interval_text,
    leak_lines,
    legend,
    number,
    place_text,
    spread_text,
    status_text,
    title,
    unit_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genobench.leaderboard.estimates import Estimate
    from genobench.leaderboard.rows import Column, Row, Standings

_WIDTH: Final = 460
_RIGHT: Final = 14
_TOP: Final = 8
_ROW_HEIGHT: Final = 26
_LABEL_CHARACTERS: Final = 23
_PIXELS_A_CHARACTER: Final = 7.3
_MAX_TICKS: Final = 5


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Args:
        low: Value at its left end.
        high: Value at its right end.
        ticks: Values that are marked.
    """

    low: float
    high: float
    ticks: tuple[float, ...]


def to_html(standings: Standings) -> str:
    """The board as a page that needs no other file.

    Args:
        standings: What to show.

    Returns:
        HTML with inline CSS and SVG; light and dark, wide and narrow.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("genobench.leaderboard", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    footnotes = Footnotes()
    further = tuple(column for column in standings.columns if not column.is_primary)
    tables = [_table_view(standings, columns, footnotes) for columns in (standings.primary, further) if columns]
    return environment.get_template("board.html.j2").render(
        standings=standings,
        facts=facts(standings),
        tables=tables,
        plots=[_plot_view(standings, column) for column in standings.primary],
        definitions=[_definition(column) for column in standings.columns],
        failures=[(row.label, message) for row in standings.rows for message in row.messages],
        leaks=leak_lines(standings),
        footnotes=footnotes.lines,
        legend=legend(standings),
        marks=MARKS,
        missing=MISSING,
        n_cells=sum(sum(row.statuses.values()) for row in standings.rows),
    )


def axis_of(values: Sequence[float]) -> Axis:
    """An axis that holds all values, with round ticks.

    Args:
        values: Finite numbers, at least one.

    Returns:
        An axis that is a little wider than the values, with two to six ticks at multiples of 1, 2 or 5 times a power of ten.
    """
    low, high = min(values), max(values)
    width = (high - low) or abs(high) or 1.0
    low, high = low - 0.04 * width, high + 0.04 * width
    raw = (high - low) / _MAX_TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first = math.ceil(low / step)
    return Axis(low=low, high=high, ticks=tuple(index * step for index in range(first, math.floor(high / step) + 1)))


def plot_values(standings: Standings, column: Column) -> list[float]:
    """Everything that a plot of a score must have room for: estimates, intervals, band and ceiling."""
    values = [] if column.band is None else [column.band.low, column.band.high]
    values += [] if column.ceiling is None else [column.ceiling]
    for row in standings.rows:
        estimate = row.estimates[column.metric]
        if not estimate.is_missing:
            values += [estimate.mean, *(estimate.interval or ())]
    return values


def _table_view(standings: Standings, columns: Sequence[Column], footnotes: Footnotes) -> dict[str, Any]:
    groups = [(family, sum(column.family == family for column in columns)) for family in FAMILIES]
    return {
        "families": [(family, count) for family, count in groups if count],
        "fit_heading": fit_heading(standings),
        "columns": [{"heading": heading(column), "metric": column.metric, "summary": column.summary} for column in columns],
        "rows": [_row_view(row, columns, footnotes, len(standings.splits)) for row in standings.rows],
        "bands": [band_text(column) for column in columns],
        "ceilings": [MISSING if column.ceiling is None else number(column.ceiling, column.decimals) for column in columns],
        "has_ceiling": any(column.ceiling is not None for column in columns),
    }


def _row_view(row: Row, columns: Sequence[Column], footnotes: Footnotes, n_splits: int) -> dict[str, Any]:
    return {
        "place": place_text(row),
        "label": row.label,
        "origin": f"{row.distribution} {row.plugin_version}",
        "settings": ", ".join(f"{name}={value}" for name, value in row.settings.items()),
        "status": status_text(row, n_splits),
        "fit": fit_text(row),
        "mean_rank": MISSING if row.mean_rank is None else number(row.mean_rank, 2),
        "leaks": row.leaks,
        "kind": "control" if row.is_control else "ranked" if row.place is not None else "unranked",
        "cells": [_cell_view(row.estimates[column.metric], column, footnotes) for column in columns],
    }


def _cell_view(estimate: Estimate, column: Column, footnotes: Footnotes) -> dict[str, Any]:
    state = estimate.against_band
    return {
        "value": MISSING if estimate.is_missing else number(estimate.mean, column.decimals),
        "interval": " ".join(filter(None, (interval_text(estimate.interval, column.decimals), spread_text(estimate, column.decimals)))),
        "mark": MARKS.get(state or "", ""),
        "state": (state or "none").replace(" ", "-"),
        "note": footnotes.mark(estimate.reasons),
        "seeds": estimate.n_seeds,
    }


def _definition(column: Column) -> dict[str, Any]:
    return {
        "metric": column.metric,
        "title": title(column.metric),
        "family": column.family,
        "unit": unit_text(column),
        "summary": column.summary or MISSING,
        "aim": aim(column),
        "version": column.version,
        "is_primary": column.is_primary,
    }


def _plot_view(standings: Standings, column: Column) -> dict[str, Any]:
    values = plot_values(standings, column)
    axis = axis_of(values) if values else Axis(0.0, 1.0, (0.0, 1.0))
    longest = max((len(row.label) for row in standings.rows), default=0)
    left = 12 + _PIXELS_A_CHARACTER * min(longest, _LABEL_CHARACTERS)
    scale = (_WIDTH - left - _RIGHT) / (axis.high - axis.low)

    def place(value: float) -> float:
        return round(left + (value - axis.low) * scale, 1)

    bottom = _TOP + _ROW_HEIGHT * len(standings.rows)
    decimals = max(0, -math.floor(math.log10(axis.ticks[1] - axis.ticks[0]) + 1e-9)) if len(axis.ticks) > 1 else column.decimals
    ideal = column.ideal if column.ideal is not None and axis.low <= column.ideal <= axis.high else None
    return {
        "title": title(column.metric),
        "unit": unit_text(column),
        "aim": aim(column),
        "summary": column.summary,
        "family": column.family,
        "width": _WIDTH,
        "height": bottom + 24,
        "left": left,
        "right": _WIDTH - _RIGHT,
        "top": _TOP,
        "bottom": bottom,
        "ticks": [(place(tick), number(tick, decimals)) for tick in axis.ticks],
        "band": None if column.band is None else (place(column.band.low), place(column.band.high), place(column.band.mean)),
        "ideal": None if ideal is None else place(ideal),
        "ceiling": None if column.ceiling is None else place(column.ceiling),
        "rows": [_plot_row(row, column, index, place) for index, row in enumerate(standings.rows)],
    }


def _plot_row(row: Row, column: Column, index: int, place: Any) -> dict[str, Any]:
    estimate = row.estimates[column.metric]
    label = row.label if len(row.label) <= _LABEL_CHARACTERS else row.label[: _LABEL_CHARACTERS - 1] + "…"
    interval = None if estimate.interval is None else (place(estimate.interval[0]), place(estimate.interval[1]))
    text = "missing" if estimate.is_missing else number(estimate.mean, column.decimals)
    return {
        "label": label,
        "full_label": row.label,
        "y": _TOP + _ROW_HEIGHT * (index + 0.5),
        "x": None if estimate.is_missing else place(estimate.mean),
        "interval": interval,
        "text": f"{row.label}: {text} {interval_text(estimate.interval, column.decimals)}".strip(),
        "kind": " ".join(kind for kind, is_it in (("control", row.is_control), ("leaks", row.leaks)) if is_it) or "ranked",
    }
