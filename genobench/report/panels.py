"""The panels of a report, in the order in which it shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.report.association_panels import draw_manhattan, draw_quantiles
from genobench.report.drawing import Panel, make_panel, new_panel, running_mean
from genobench.report.privacy_panels import draw_attack, draw_nearest
from genobench.report.sample_panels import draw_components, draw_heterozygosity, draw_kinship, draw_manifold, draw_runs
from genobench.report.style import SYNTHETIC, label
from genobench.report.variant_panels import draw_decay, draw_frequencies, draw_heat_map, draw_spectrum

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from genobench.report.evidence import Evidence

_MOST_LOSSES: Final = 6


def draw_panels(evidence: Evidence, curves: Sequence[Mapping[str, float]] = ()) -> list[Panel]:
    """All panels, in the order in which a report shows them.

    Args:
        evidence: What they show.
        curves: Points of a fit, `step` and losses; a panel for each loss follows the others.
    """
    losses = dict.fromkeys(name for point in curves for name in point if name != "step")
    return [draw(evidence) for draw in _PANELS] + [_training(name, curves) for name in list(losses)[:_MOST_LOSSES]]


def _training(name: str, curves: Sequence[Mapping[str, float]]) -> Panel:
    points = np.array([(point["step"], point[name]) for point in curves if name in point])
    figure, axes = new_panel()
    is_smoothed = len(points) > 50
    axes.plot(points[:, 0], points[:, 1], color=SYNTHETIC, lw=1.0, alpha=0.35 if is_smoothed else 1.0)
    if is_smoothed:
        axes.plot(points[:, 0], running_mean(points[:, 1], len(points) // 40), color=SYNTHETIC, lw=1.8)
    label(axes, x="step", y=name.replace("_", " "))
    caption = "As the generator reported it; bold: running mean." if is_smoothed else "As the generator reported it."
    return make_panel(f"training-{name}", f"Training: {name.replace('_', ' ')}", caption, figure)


_PANELS: Final[tuple[Callable[[Evidence], Panel], ...]] = (
    draw_components,
    draw_frequencies,
    draw_spectrum,
    draw_decay,
    draw_heat_map,
    draw_heterozygosity,
    draw_kinship,
    draw_runs,
    draw_manifold,
    draw_manhattan,
    draw_quantiles,
    draw_nearest,
    draw_attack,
)
