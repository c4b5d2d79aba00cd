"""The page stands alone and says what the standings say."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import pytest

from genobench.leaderboard import standings
from genobench.leaderboard.page import axis_of, to_html

_VOID = {"meta", "link", "br", "img", "hr", "input"}


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(board_outcomes) -> str:
    return to_html(standings(board_outcomes))


def test_page__needs_nothing_from_outside(page):
    assert not re.search(r"(src|href)=\"(?!outcomes\.jsonl)", page)
    assert "url(" not in page
    assert "@import" not in page
    assert "<script" not in page


def test_page__closes_every_element_that_it_opens(page):
    parser = _Balance()
    parser.feed(page)
    parser.close()

    assert parser.open == []


def test_page__shows_each_generator_and_each_primary_score(page, board_outcomes):
    table = standings(board_outcomes)

    assert page.count("<figure>") == len(table.primary)
    assert all(row.label in page for row in table.rows)
    assert page.count('class="badge"') >= 3


def test_page__marks_what_is_missing(page):
    assert 'class="absent"' in page
    assert ">nan<" not in page


def test_page__escapes_what_plugins_say(make_outcome, make_score):
    outcome = make_outcome("wgan", status="failed", phase="fit", message="<script>alert(1)</script>")

    page = to_html(standings([outcome, make_outcome("vae", scores=(make_score("ld_decay_error", 0.1, error=0.01),))]))

    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_page__of_failures_alone_is_still_a_page(make_outcome):
    page = to_html(standings([make_outcome("wgan", status="failed", phase="fit", message="it broke.")]))

    assert "it broke." in page


@pytest.mark.parametrize("values", [[0.0], [1e-5, 2e-5], [-3.0, 1e6], [0.5, 0.5], [-2.0]])
def test_axis__holds_its_values_and_has_round_ticks(values):
    axis = axis_of(values)

    assert axis.low < min(values)
    assert axis.high > max(values)
    assert 2 <= len(axis.ticks) <= 7
    step = axis.ticks[1] - axis.ticks[0]
    assert round(step / 10 ** math.floor(math.log10(step) + 1e-9), 6) in {1, 2, 5}
