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
