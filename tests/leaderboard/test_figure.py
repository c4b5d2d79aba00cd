"""The picture of a board."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest

from genobench.leaderboard import standings
from genobench.leaderboard.figure import draw_board, to_svg


def test_figure__has_a_panel_for_each_primary_score(board_outcomes):
    table = standings(board_outcomes)

    panels = [axes for axes in draw_board(table).axes if axes.get_visible()]

    assert [axes.get_title(loc="left") for axes in panels] == ["Allele frequency error", "LD decay error", "Membership AUC", "Ridge r²"]
    assert [label.get_text() for label in panels[0].get_yticklabels()][:2] == ["1  haplotype-mosaic", "2  wgan"]


def test_figure__is_the_same_bytes_twice_and_holds_no_font(board_outcomes):
    table = standings(board_outcomes)
    first = to_svg(table)

    assert to_svg(table) == first
    assert ET.fromstring(first).tag.endswith("svg")  # noqa: S314 - our own output
    assert "<text" not in first


def test_figure__leaves_the_settings_of_matplotlib_alone(board_outcomes):
    before = dict(mpl.rcParams)

    to_svg(standings(board_outcomes))

    assert dict(mpl.rcParams) == before


def test_figure__of_failures_alone_is_still_a_picture(make_outcome):
    assert "<svg" in to_svg(standings([make_outcome("wgan", status="failed", phase="fit", message="it broke.")]))


@pytest.mark.parametrize("n_scores", [1, 6])
def test_figure__takes_any_number_of_scores(make_outcome, make_score, n_scores):
    scores = tuple(
        make_score(f"score_{number}", 0.5, error=0.1, family="fidelity", unit="share", direction="higher") for number in range(n_scores)
    )

    figure = draw_board(standings([make_outcome(scores=scores)]))

    assert sum(axes.get_visible() for axes in figure.axes) == n_scores


def test_figure__has_room_for_its_panels_beside_labels_of_many_settings(make_outcome, make_score):
    """Warnings are errors: matplotlib warns where panels have no room left."""
    scores = (make_score("ld_decay_error", 0.01, error=0.001),)
    programs = [f"Rscript fit{number}.R {{train}} {{synthetic}} --with many --more options" for number in range(3)]
    made = [make_outcome("command", settings={"program": name, "files_sha256": name[:12], "n": 0}, scores=scores) for name in programs]
    table = standings([*made, make_outcome("wgan", scores=scores)])

    figure = draw_board(table)
    figure.canvas.draw()

    (panel,) = figure.axes
    shown = [label.get_text() for label in panel.get_yticklabels()]
    assert max(len(line) for text in shown for line in text.splitlines()) <= 35
    assert panel.get_window_extent().width > 0.3 * figure.bbox.width


@pytest.mark.parametrize("n_rows", [1, 30])
def test_figure__keeps_what_a_score_is_measured_in_below_its_title(make_outcome, make_score, n_rows):
    scores = (make_score("ld_decay_error", 0.01, error=0.001),)
    figure = draw_board(standings([make_outcome(f"model-{number}", scores=scores) for number in range(n_rows)]))

    figure.draw_without_rendering()

    (axes,) = (axes for axes in figure.axes if axes.get_visible())
    (unit,) = axes.texts
    heading = next(child for child in axes.get_children() if getattr(child, "get_text", str)() == "LD decay error")
    assert unit.get_window_extent().y1 <= heading.get_window_extent().y0
