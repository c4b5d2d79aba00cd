"""What panels of a report are made of: figures, bands of real draws, histograms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.report.style import HOLDOUT, SYNTHETIC, add_legend, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from genobench.report.evidence import Evidence

    Floats = NDArray[np.float64]

_FEWEST_SAMPLES: Final = 10
_INCHES: Final = (4.6, 3.7)


@dataclass(frozen=True, eq=False)
class Panel:
    """One figure of a report.

    Args:
        name: A short name without blanks.
        title: What it shows.
        caption: How to read it, in one or two sentences.
        figure: The figure; None where it could not be drawn.
        reason: Why not.
        wide: The same, drawn for the whole width of a screen; None for a figure that needs no more than a column.
    """

    name: str
    title: str
    caption: str
    figure: Figure | None
    reason: str = ""
    wide: Figure | None = None


def make_panel(name: str, title: str, caption: str, drawn: Figure | str, *, wide: Figure | None = None) -> Panel:
    """A panel with its figure, or with the reason why there is none."""
    if isinstance(drawn, str):
        return Panel(name=name, title=title, caption=caption, figure=None, reason=drawn)
    return Panel(name=name, title=title, caption=caption, figure=drawn, wide=wide)


def new_panel(inches: tuple[float, float] = _INCHES) -> tuple[Figure, Axes]:
    """A figure with one empty pair of axes, of a report's size or another."""
    figure, panels = new_figure("", 1, panel_inches=inches)
    panels[0].locator_params(nbins=6)
    return figure, panels[0]


def too_few(evidence: Evidence, fewest: int = _FEWEST_SAMPLES) -> str | None:
    """Why there are too few samples on one of the sides; None where there are enough."""
    for name, part in ((evidence.reference_name, evidence.reference), ("synthetic", evidence.synthetic)):
        if part.n_samples < fewest:
            return f"it needs {fewest} {name} samples, and there are {part.n_samples}"
    return None


def with_band(evidence: Evidence, text: str) -> str:
    """A caption that says what is shaded, where anything is."""
    return f"{text} Shaded: real samples in the place of synthetic ones, 95 % of {len(evidence.draws)} draws." if evidence.draws else text


def draw_histograms(
    axes: Axes,
    evidence: Evidence,
    reference: Floats,
    synthetic: Floats,
    draws: Sequence[Floats],
    *,
    bins: Floats | None = None,
    n_bins: int = 30,
) -> None:
    """Shares of the reference and of synthetic samples, over the envelope of the real draws."""
    if bins is None:
        everything = np.concatenate([reference, synthetic])
        everything = everything[np.isfinite(everything)]
        low, high = (float(everything.min()), float(everything.max())) if len(everything) else (0.0, 1.0)
        bins = np.linspace(low, high if high > low else low + 1e-3, n_bins + 1)

    def shares(values: Floats) -> Floats:
        known = values[np.isfinite(values)]
        return np.histogram(known, bins=bins)[0] / max(1, len(known))

    band = envelope([shares(values) for values in draws])
    if band is not None:
        axes.stairs(band[1], bins, baseline=band[0], fill=True, color=HOLDOUT, alpha=0.25, label="real samples, 95 %")
    for values, colour, name in ((reference, HOLDOUT, evidence.reference_name), (synthetic, SYNTHETIC, "synthetic")):
        axes.stairs(shares(values), bins, baseline=None, color=colour, lw=1.8, label=name)
    axes.set_ylim(0, None)
    add_legend(axes)


def draw_band(axes: Axes, x: Floats, curves: Sequence[Floats], *, colour: str = HOLDOUT, name: str = "real samples, 95 %") -> None:
    """Shade where 95 % of some curves lie; nothing where there are none."""
    band = envelope(curves)
    if band is not None:
        axes.fill_between(x, *band, color=colour, alpha=0.2, lw=0, label=name or None)


def envelope(curves: Sequence[Floats]) -> tuple[Floats, Floats] | None:
    """The 2.5th and the 97.5th percentile of some curves at each point; None where there are none."""
    if len(curves) < 2:
        return None
    low, high = np.percentile(np.stack(curves), [2.5, 97.5], axis=0)
    return low, high


def running_mean(values: Floats, half: int) -> Floats:
    """Mean over a window of 2 half + 1 points, narrower at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    low, high = np.maximum(0, places - half), np.minimum(len(values), places + half + 1)
    means: Floats = (sums[high] - sums[low]) / (high - low)
    return means
