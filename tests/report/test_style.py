"""Axes: ticks that can be read."""

from __future__ import annotations

from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from genobench.report.drawing import new_panel
from genobench.report.style import label, number_log_scale


@pytest.mark.parametrize(("low", "high"), [(150.0, 3500.0), (12.0, 5000.0), (1.0, 80.0), (1.0, 7.0), (900.0, 4000.0)])
def test_logarithmic_ticks__are_several_and_do_not_overlap(low, high):
    figure, axes = new_panel()
    axes.plot([low, high], [0, 1])
    number_log_scale(axes)
    label(axes, x="distance", y="share")
    FigureCanvasAgg(figure).draw()

    left, right = axes.get_xlim()
    ticks = [*axes.xaxis.get_major_ticks(), *axes.xaxis.get_minor_ticks()]
    shown = [tick.label1 for tick in ticks if tick.label1.get_text() and left <= tick.get_loc() <= right]
    boxes = sorted((text.get_window_extent() for text in shown), key=lambda box: box.x0)
    assert len(boxes) >= 2
    assert all(first.x1 < second.x0 for first, second in pairwise(boxes))
    assert not any("10^" in text.get_text() for text in shown)
