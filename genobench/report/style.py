"""How figures look: one palette, one way to begin and to finish. No pyplot, so that nothing is shared between figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from matplotlib.axes import Axes

# Okabe and Ito's palette, told apart by every kind of colour vision: https://jfly.uni-koeln.de/color/
SYNTHETIC: Final = "#0072B2"
HOLDOUT: Final = "#009E73"
TRAIN: Final = "#8A8F94"
NONMEMBERS: Final = "#E69F00"
VERMILLION: Final = "#D55E00"
INK: Final = "#1D2327"
SOFT: Final = "#5D686F"
LINE: Final = "#E3E6E4"
EDGE: Final = "#B9C1C4"

_DOTS_PER_INCH: Final = 140
_PANEL_INCHES: Final = (3.7, 3.5)


def new_figure(
    title: str, n_panels: int, *, panel_inches: tuple[float, float] = _PANEL_INCHES, most_across: int = 4
) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side.

    Args:
        title: What it shows; "" where the page says it.
        n_panels: How many panels, at least one.
        panel_inches: Width and height of each.
        most_across: How many stand in a row at most.

    Returns:
        The figure and its panels, styled.
    """
    n_across = min(n_panels, most_across)
    n_down = -(-n_panels // n_across)
    size = (panel_inches[0] * n_across, panel_inches[1] * n_down + 0.45)
    figure = Figure(figsize=size, layout="constrained", facecolor="white")
    layout: Any = figure.get_layout_engine()
    layout.set(w_pad=0.08, h_pad=0.08)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    grid = figure.subplots(n_down, n_across, squeeze=False)
    panels = list(grid.flat)
    for axes in panels[n_panels:]:
        axes.set_visible(False)
    for axes in panels[:n_panels]:
        _style(axes)
    return figure, panels[:n_panels]


def label(axes: Axes, *, title: str = "", x: str, y: str) -> None:
    """Name a panel and its axes, with their units."""
    axes.set_title(title, loc="left", fontsize=9.5, color=INK)
    axes.set_xlabel(x, fontsize=9, color=SOFT)
    axes.set_ylabel(y, fontsize=9, color=SOFT)


def add_legend(axes: Axes, **options: Any) -> None:
    """A legend without a frame, its points and lines opaque."""
    legend = axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, handletextpad=0.5, **options)
    for handle in legend.legend_handles:
        if handle is not None and not isinstance(handle, Patch):
            handle.set_alpha(1.0)


def number_log_scale(axes: Axes) -> None:
    """A logarithmic x axis whose ticks are numbers such as 1,000: powers of ten, and 2 and 5 times these where it is short."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high >= 50 * low else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:,g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG; the same figure gives the same bytes."""
    figure.savefig(path, dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return path


def to_svg(figure: Figure, file: BinaryIO) -> None:
    """Write an SVG; the same figure gives the same bytes."""
    with rc_context({"svg.hashsalt": "genobench", "svg.fonttype": "path"}):
        figure.savefig(file, format="svg", dpi=2 * _DOTS_PER_INCH, metadata={"Date": None, "Creator": None})


def _style(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(EDGE)
    axes.tick_params(labelsize=8.5, colors=SOFT, length=3)
    axes.grid(color=LINE, lw=0.7)
    axes.set_axisbelow(True)
