"""Figures of what a classifier predicts: values against the truth, calls by how sure they are, and which class is called which."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, PowerNorm

from genobench.downstream.diagnosis import Pooled, confusion, pooled, reliability
from genobench.downstream.summary import COVARIATES, REAL
from genobench.downstream.wording import arm_text, mean_text
from genobench.report.style import EDGE, INK, SOFT, SYNTHETIC, VERMILLION, label, new_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genobench.downstream.summary import Summary

    Floats = NDArray[np.float64]

_INCHES: Final = (2.35, 2.1)
_ACROSS: Final = 2
_DENSITY: Final = LinearSegmentedColormap.from_list("density", ["#DCEBF5", SYNTHETIC, "#003A5C"])
_SHARES: Final = LinearSegmentedColormap.from_list("shares", ["#EFF6FB", SYNTHETIC])
"""Of one hue each, so that they are read by their lightness."""

_WHITE_FROM: Final = 0.8
"""Shares from here up are written in white."""

_N_CELLS: Final = 32
_MOST_NAMED: Final = 5
"""Classes up to which a confusion matrix has room for counts."""


def arms_shown(summary: Summary) -> list[str]:
    """The arms of a figure, one panel each: real samples and covariates alone first, then those that hold synthetic samples."""
    first = [arm for arm in (REAL, COVARIATES) if arm in summary.arms]
    return [*first, *(arm for arm in summary.arms if arm not in first)]


def draw_values(summary: Summary, classifier: str, generator: str) -> Figure:
    """True against predicted values, a panel an arm: density of samples, identity, and the regression with the slope of the tables.

    Args:
        summary: Of a quantitative trait.
        classifier: Its label.
        generator: Its label; "" where there is none.

    Returns:
        A figure that belongs to no window.
    """
    held = {arm: pooled(summary.predictions(classifier, generator, arm)) for arm in arms_shown(summary)}
    known = [found for found in held.values() if isinstance(found, Pooled)]
    edges = tuple(_edges([getattr(found, side) for found in known]) for side in ("predicted", "truth"))

    def draw(axes: Axes, arm: str, found: Pooled) -> None:
        counts, _, _ = np.histogram2d(found.predicted, found.truth.astype(np.float64), bins=edges)
        shown = np.ma.masked_equal(counts.T, 0)
        axes.pcolormesh(*edges, shown, cmap=_DENSITY, norm=PowerNorm(0.5, vmin=0, vmax=max(1.0, counts.max())), rasterized=True)
        ends = np.array([edges[0][0], edges[0][-1]])
        axes.plot(ends, ends, color=SOFT, lw=1.0, ls=(0, (4, 3)))
        line = summary.line(_owner(summary, classifier, arm), generator, arm)
        slope, intercept = (line.means[name] if line is not None else None for name in ("slope", "intercept"))
        if slope is None or intercept is None or not math.isfinite(slope.mean):
            said = "no slope: all alike"
        else:
            axes.plot(ends, intercept.mean + slope.mean * ends, color=VERMILLION, lw=1.6)
            said = f"slope {mean_text(slope)}"
        axes.set(xlim=ends, ylim=(edges[1][0], edges[1][-1]))
        axes.text(0.03, 0.97, said, transform=axes.transAxes, va="top", fontsize=7.5, color=INK, backgroundcolor="#FFFFFFC0")

    key = "the darker, the more samples; dashed: as predicted; orange: regression"
    return _drawn(_title(classifier, generator), held, draw, x=f"predicted {summary.trait}", y=f"true {summary.trait}", key=key)


def draw_calibration(summary: Summary, classifier: str, generator: str) -> Figure:
    """How often calls are right by the probability of the called class, a panel an arm, with intervals and the number of calls.

    Args:
        summary: Of classes.
        classifier: Its label.
        generator: Its label; "" where there is none.
    """
    held = {arm: pooled(summary.predictions(classifier, generator, arm)) for arm in arms_shown(summary)}

    def draw(axes: Axes, _arm: str, found: Pooled) -> None:
        bins = reliability(found)
        axes.plot([0, 1], [0, 1], color=SOFT, lw=1.0, ls=(0, (4, 3)))
        axes.vlines(bins.confidence, bins.low, bins.high, color=SYNTHETIC, lw=1.4, alpha=0.8)
        axes.plot(bins.confidence, bins.share_right, "o-", color=SYNTHETIC, lw=1.2, ms=4)
        for x, count in zip(bins.middle, bins.n_calls, strict=True):
            axes.text(x, -0.04, f"{count:,}", rotation=90, ha="center", va="top", fontsize=7, color=SOFT)
        axes.axhline(0, color=EDGE, lw=0.8)
        axes.set(xlim=(0, 1.03), ylim=(-0.36, 1.03), yticks=(0, 0.5, 1), xticks=(0, 0.5, 1))

    key = "dashed: as sure as right; whisker: 95 % interval of one holdout; numbers: calls"
    title = _title(classifier, generator)
    return _drawn(title, held, draw, x="probability of the called class", y="share of calls right", key=key)


def draw_confusion(summary: Summary, classifier: str, generator: str) -> Figure:
    """Which class is called which, a panel an arm: shares of each true class, with counts.

    Args:
        summary: Of classes.
        classifier: Its label.
        generator: Its label; "" where there is none.
    """
    held = {arm: pooled(summary.predictions(classifier, generator, arm)) for arm in arms_shown(summary)}
    classes = next(record.classes for records in summary.records.values() for record in records)

    def draw(axes: Axes, _arm: str, found: Pooled) -> None:
        counts = confusion(found)
        totals = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
        axes.imshow(np.ma.masked_invalid(shares), cmap=_SHARES, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_xticks(range(len(classes)), classes)
        axes.set_yticks(range(len(classes)), classes)
        axes.grid(visible=False)
        for row, column in np.ndindex(counts.shape):
            share = shares[row, column]
            said = "none" if math.isnan(share) else f"{share:.2f}"
            if len(classes) <= _MOST_NAMED and not math.isnan(share):
                said += f"\n{counts[row, column]:,}"
            axes.text(column, row, said, ha="center", va="center", fontsize=8, color="white" if share >= _WHITE_FROM else INK)

    key = "share of the true class, and samples of all holdouts"
    return _drawn(_title(classifier, generator), held, draw, x="called class", y="true class", key=key)


def _title(classifier: str, generator: str) -> str:
    return ", ".join(filter(None, (classifier, generator)))


def _drawn(title: str, held: Mapping[str, Pooled | str], draw: Callable[[Axes, str, Pooled], None], *, x: str, y: str, key: str) -> Figure:
    """A panel an arm, or the reason why it has no predictions."""
    figure, panels = new_figure(title, max(1, len(held)), panel_inches=_INCHES, most_across=_ACROSS)
    for place, (axes, (arm, found)) in enumerate(zip(panels, held.items(), strict=False)):
        if isinstance(found, Pooled):
            draw(axes, arm, found)
        else:
            axes.set(xticks=[], yticks=[])
            axes.text(0.5, 0.5, found, transform=axes.transAxes, ha="center", va="center", fontsize=7.5, color=SOFT, wrap=True)
        label(axes, title=arm_text(arm), x=x if place + _ACROSS >= len(held) else "", y=y if place % _ACROSS == 0 else "")
    figure.supxlabel(key, x=0.02, ha="left", fontsize=7.5, color=SOFT)
    return figure


def _owner(summary: Summary, classifier: str, arm: str) -> str:
    """The classifier whose line of an arm is shown: covariates alone have one of their own."""
    if arm != COVARIATES:
        return classifier
    return next((key.classifier for key in summary.lines if key.arm == COVARIATES), classifier)


def _edges(values: Sequence[Any]) -> Floats:
    """Cells that hold all values."""
    everything = np.concatenate([np.asarray(one, dtype=np.float64) for one in values]) if values else np.zeros(0)
    low, high = (float(everything.min()), float(everything.max())) if len(everything) else (0.0, 1.0)
    half = 0.02 * (high - low) or 0.5
    edges: Floats = np.linspace(low - half, high + half, _N_CELLS + 1)
    return edges
