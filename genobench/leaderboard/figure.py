"""A board as one picture, for a README: each primary score with its interval and the real band."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Final

from genobench.leaderboard.page import axis_of, plot_values
from genobench.leaderboard.text import aim, title, unit_text
from genobench.report.style import EDGE, HOLDOUT, INK, LINE, SOFT, SYNTHETIC, TRAIN, VERMILLION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from genobench.leaderboard.estimates import Estimate
    from genobench.leaderboard.rows import Column, Row, Standings

_RANKED: Final = SYNTHETIC
_REAL: Final = HOLDOUT
_LEAKS: Final = VERMILLION
_CONTROL: Final = TRAIN
_MOST_ACROSS: Final = 5
_LABEL_CHARACTERS: Final = 30
_LABEL_LINES: Final = 3
_INCHES_A_LINE: Final = 0.135


def to_svg(standings: Standings) -> str:
    """The picture as SVG, its text as paths, the same bytes for the same standings and matplotlib."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "genobench", "svg.fonttype": "path"}):
        draw_board(standings).savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def draw_board(standings: Standings) -> Figure:
    """Small multiples: a panel a primary score, a line a generator, in the order of the board.

    Args:
        standings: What to show.

    Returns:
        A figure that belongs to no window.
    """
    from matplotlib.figure import Figure

    columns = standings.primary
    has_ceiling = any(column.ceiling is not None for column in columns)
    n_down = max(1, -(-len(columns) // _MOST_ACROSS))
    n_across = max(1, -(-len(columns) // n_down))
    labels = _labels(standings)
    n_lines = max((label.count("\n") for label in labels), default=0)
    height = 1.1 + n_down * (0.85 + (0.27 + _INCHES_A_LINE * n_lines) * len(labels))
    figure = Figure(figsize=(2.0 + 2.35 * n_across, height), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.09, h_pad=0.09)  # type: ignore[union-attr, call-arg]
    figure.suptitle(standings.board, x=0.012, ha="left", fontsize=13, fontweight="bold", color=INK)
    key = [
        f"dot: mean over {'seeds' if len(standings.splits) == 1 else 'splits'}",
        "whisker: 95 % interval",
        "shaded: real samples, their mean a line",
        "dotted: ideal",
        "hollow: control",
        "orange: leaks",
    ]
    figure.supxlabel(
        "   ".join([*key, "dashed: all real training samples"] if has_ceiling else key), x=0.012, ha="left", fontsize=7.5, color=SOFT
    )
    grid = figure.subplots(n_down, n_across, squeeze=False, sharey=True)
    for axes, column in zip(grid.flat, columns, strict=False):
        _draw_score(axes, standings, column, labels)
    for axes in grid.flat[len(columns) :]:
        axes.set_visible(False)
    return figure


def _labels(standings: Standings) -> list[str]:
    """Places and names, those of many settings over a few lines: panels must have room beside them."""
    named = [f"{row.place}  {row.label}" if row.place is not None else row.label for row in standings.rows]
    return ["\n".join(_wrapped(label)) for label in named]


def _wrapped(label: str) -> list[str]:
    if len(label) <= _LABEL_CHARACTERS:
        return [label]
    place, gap, name = label.rpartition("  ")
    lines = textwrap.wrap(name, _LABEL_CHARACTERS, max_lines=_LABEL_LINES, placeholder=" …", break_on_hyphens=False)
    return [place + gap + lines[0], *lines[1:]]


def _draw_score(axes: Axes, standings: Standings, column: Column, labels: list[str]) -> None:
    if column.band is not None:
        axes.axvspan(column.band.low, column.band.high, color=_REAL, alpha=0.18, lw=0)
        axes.axvline(column.band.mean, color=_REAL, alpha=0.5, lw=0.9)
    if column.ceiling is not None:
        axes.axvline(column.ceiling, color=_REAL, ls=(0, (5, 2.5)), lw=1.3)
    for place, row in enumerate(standings.rows):
        _draw_row(axes, place, row, row.estimates[column.metric])
    values = plot_values(standings, column)
    if values:
        axis = axis_of(values)
        axes.set_xlim(axis.low, axis.high)
        if column.ideal is not None and axis.low <= column.ideal <= axis.high:
            axes.axvline(column.ideal, color=INK, ls=(0, (1, 2)), lw=1.0)
    axes.set_title(title(column.metric), loc="left", fontsize=9.5, fontweight="bold", color=INK, pad=16)
    # Points above the panel, as the title's: a share of the panel would run into it where there are many rows.
    axes.annotate(
        f"{unit_text(column)}, {aim(column)}",
        (0, 1),
        (0, 3),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=7.5,
        color=SOFT,
    )
    _style(axes, standings, labels)


def _draw_row(axes: Axes, place: int, row: Row, estimate: Estimate) -> None:
    if estimate.is_missing:
        axes.text(0.03, place, "missing", transform=axes.get_yaxis_transform(), va="center", fontsize=7.5, color=SOFT, style="italic")
        return
    colour = _LEAKS if row.leaks else _CONTROL if row.is_control else _RANKED
    if estimate.interval is not None:
        axes.plot(estimate.interval, (place, place), color=colour, lw=1.8, solid_capstyle="round", zorder=3)
    axes.plot(estimate.mean, place, "o", ms=5.5, mfc="white" if row.is_control else colour, mec=colour, mew=1.4, zorder=4)


def _style(axes: Axes, standings: Standings, labels: list[str]) -> None:
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_yticks(range(len(labels)), labels, fontsize=8.5, color=INK)
    for tick, row in zip(axes.yaxis.get_major_ticks(), standings.rows, strict=False):
        if row.is_control:
            tick.label1.set(color=SOFT, style="italic")
    axes.tick_params(axis="x", labelsize=8, colors=SOFT, length=3)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x", color=LINE, lw=0.7, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(EDGE)
