"""The learning curve over the synthetic share: what a classifier gains or loses as synthetic samples are added to real ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from genobench.downstream.summary import REAL, SYNTHETIC
from genobench.downstream.wording import arm_text, measure_title
from genobench.report.style import EDGE, HOLDOUT, INK, NONMEMBERS, SOFT, VERMILLION, label, new_figure
from genobench.report.style import SYNTHETIC as BLUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from genobench.downstream.summary import Summary

_COLOURS: Final = (BLUE, VERMILLION, HOLDOUT, NONMEMBERS, "#CC79A7", "#56B4E9", INK)
_MARKERS: Final = "osD^vP"
_PANEL_INCHES: Final = (4.6, 3.6)
_DODGE: Final = 0.5
"""Of the distance between two arms, what the points of all generators spread over."""


def draw_curve(summary: Summary, classifier: str) -> Figure:
    """A line a generator, the arms from left to right, over the levels of real samples and of covariates alone.

    Whiskers are those of the gain over real samples alone, drawn about the arm's mean: one that crosses the line of real samples shows no
    difference from it. The line of real samples is that of the very pairs of split and seed, as is that of covariates alone. The axis is
    the same for all classifiers.

    Args:
        summary: A trait of a board.
        classifier: Its label.

    Returns:
        A figure that belongs to no window.
    """
    arms = [
        REAL,
        *(arm for arm in summary.arms if arm.startswith(f"{REAL}+")),
        *(arm for arm in ("minority", SYNTHETIC) if arm in summary.arms),
    ]
    figure, panels = new_figure("", 1, panel_inches=_PANEL_INCHES)
    axes = panels[0]
    _draw_classifier(axes, summary, classifier, arms)
    axes.set_ylim(_limits(summary))
    unit = summary.primary.spec.unit
    title = measure_title(summary.primary)
    label(
        axes, title=f"{classifier}, {summary.scheme} splits", x="trained on (1x: as many synthetic as real samples)", y=f"{title} ({unit})"
    )
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=2,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        title="whisker: 95 % interval of the gain over real samples;\none that crosses their line shows no difference",
        title_fontsize=7.5,
        alignment="left",
    )
    legend.get_title().set_color(SOFT)
    return figure


def _limits(summary: Summary) -> tuple[float, float]:
    """What an axis must hold for every classifier of the board."""
    name, held = summary.primary.name, []
    for line in summary.lines.values():
        mean, gain = line.means[name], line.over_real.get(name)
        shown = mean if gain is None else gain
        half = 0.0 if shown.interval is None else (shown.interval[1] - shown.interval[0]) / 2
        held += [mean.mean - half, mean.mean + half] if math.isfinite(mean.mean) else []
    low, high = (min(held), max(held)) if held else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.05
    return low - room, high + room


def _draw_classifier(axes: Axes, summary: Summary, classifier: str, arms: Sequence[str]) -> None:
    name = summary.primary.name
    real = summary.line(classifier, "", REAL)
    if real is not None and math.isfinite(real.means[name].mean):
        interval = real.means[name].interval
        if interval is not None:
            axes.axhspan(*interval, color=EDGE, alpha=0.25, lw=0, label="real samples, 95 % interval")
        axes.axhline(real.means[name].mean, color=INK, lw=1.3, label="real samples")
        axes.plot(0, real.means[name].mean, "o", color=INK, ms=4.5)
    covariates = None if summary.covariates is None else summary.covariates.means[name]
    if covariates is not None and math.isfinite(covariates.mean):
        if covariates.interval is not None:
            axes.axhspan(*covariates.interval, facecolor="none", edgecolor=EDGE, hatch="////", lw=0, label="covariates only, 95 % interval")
        axes.axhline(covariates.mean, color=SOFT, lw=1.2, ls=(0, (4, 2.5)), label="covariates only")
    for place in range(len(summary.generators)):
        _draw_generator(axes, summary, classifier, place, arms)
    axes.set_xticks(range(len(arms)), [_tick(arm) for arm in arms], fontsize=7.5)
    axes.set_xlim(-0.5, len(arms) - 0.5)
    axes.grid(visible=False, axis="x")


def _draw_generator(axes: Axes, summary: Summary, classifier: str, place: int, arms: Sequence[str]) -> None:
    """The line of a generator; points of several stand side by side."""
    name, generator = summary.primary.name, summary.generators[place]
    shift = _DODGE * ((place + 0.5) / len(summary.generators) - 0.5)
    colour, marker = _COLOURS[place % len(_COLOURS)], _MARKERS[place // len(_COLOURS) % len(_MARKERS)]
    lines = {arm: summary.line(classifier, generator, arm) for arm in arms if arm != REAL}
    known = {arm: line for arm, line in lines.items() if line is not None and math.isfinite(line.means[name].mean)}
    curve = [(arms.index(arm) + shift, line.means[name].mean) for arm, line in known.items() if arm.startswith(f"{REAL}+")]
    real = summary.line(classifier, "", REAL)
    if curve and real is not None and math.isfinite(real.means[name].mean):
        curve = [(0.0, real.means[name].mean), *curve]
    if curve:
        axes.plot(*zip(*curve, strict=True), color=colour, lw=1.2, alpha=0.7)
    for arm, line in known.items():
        x, mean, gain = arms.index(arm) + shift, line.means[name].mean, line.over_real.get(name)
        if gain is not None and gain.interval is not None:
            half = (gain.interval[1] - gain.interval[0]) / 2
            axes.plot((x, x), (mean - half, mean + half), color=colour, lw=1.6, solid_capstyle="round")
        axes.plot(x, mean, marker, color=colour, ms=4.5, label=generator if arm == next(iter(known)) else None)


def _tick(arm: str) -> str:
    """An arm under the axis, in two lines."""
    return arm_text(arm).replace("real + ", "real\n+ ").replace("synthetic only", "synthetic\nonly")
