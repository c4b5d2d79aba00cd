"""What every form of a board says the same way."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from genobench.leaderboard import standings, to_markdown
from genobench.leaderboard.text import Footnotes, cell_text, heading, number, status_text, title

if TYPE_CHECKING:
    from genobench.outcomes import ScoreRecord


@pytest.mark.parametrize(("value", "decimals", "expected"), [(0.1234, 2, "0.12"), (-1.5, 1, "\N{MINUS SIGN}1.5"), (-0.001, 2, "0.00")])
def test_number__has_the_decimals_asked_for(value, decimals, expected):
    assert number(value, decimals) == expected


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("ld_decay_error", "LD decay error"),
        ("membership_tpr_at_1pct_fpr", "Membership TPR at 1\N{NO-BREAK SPACE}% FPR"),
        ("ld_r2_100kb", "LD r² 100\N{NO-BREAK SPACE}kb"),
        ("tstr_pearson_r", "TSTR Pearson r"),
        ("membership_tpr_at_0_1pct_fpr", "Membership TPR at 0.1\N{NO-BREAK SPACE}% FPR"),
        ("allele_frequency_error_maf_1_to_5pct", "Allele frequency error MAF 1 to 5\N{NO-BREAK SPACE}%"),
        ("f_is_error", "F_IS error"),
        ("f_roh_distance", "F_ROH distance"),
        ("f_distance", "F distance"),
        ("fst_hudson", "Fst Hudson"),
        ("frequency_lr_auc", "Frequency LR AUC"),
    ],
)
def test_title__is_the_name_in_words(metric, expected):
    assert title(metric) == expected


def test_heading__does_not_say_a_unit_twice(board_outcomes):
    headings = {column.metric: heading(column) for column in standings(board_outcomes).columns}

    assert headings["membership_auc"] == "Membership AUC\N{NO-BREAK SPACE}↓"
    assert headings["ld_decay_error"] == "LD decay error (r²)\N{NO-BREAK SPACE}↓"


def test_decimals__follow_the_noise(board_outcomes):
    decimals = {column.metric: column.decimals for column in standings(board_outcomes).columns}

    # 1.96 x 0.0012 = 0.0024 and 1.96 x 0.014 = 0.027: two digits of each.
    assert (decimals["ld_decay_error"], decimals["membership_auc"]) == (4, 3)


def test_cell__shows_interval_and_band(board_outcomes):
    table = standings(board_outcomes)
    columns = {column.metric: column for column in table.columns}
    rows = {row.label: row for row in table.rows}
    footnotes = Footnotes()

    copy = cell_text(rows["copy"].estimates["membership_auc"], columns["membership_auc"], footnotes)
    assert copy == "0.989 [0.962, 1.000] ▲"
    assert cell_text(rows["ctgan"].estimates["membership_auc"], columns["membership_auc"], footnotes) == "\N{EN DASH}¹"
    assert footnotes.lines == [("¹", "Every cell ended as out-of-memory.")]


def test_footnotes__end_each_of_several_reasons_once():
    footnotes = Footnotes()

    footnotes.mark(["there are 292 nonmembers.", "there are 293 nonmembers."])
    assert footnotes.lines == [("¹", "There are 292 nonmembers; there are 293 nonmembers.")]


def test_markdown__shows_everything_that_was_run(board_outcomes):
    page = to_markdown(standings(board_outcomes))

    assert "| 1 | **haplotype-mosaic** | 1 of 1 | 60 |" in page
    assert "**diffusion** (leaks)" in page
    assert "3 of 4 (1 timeout)" in page
    assert "- ctgan: out-of-memory in fit: the worker asked for more than 8 GiB." in page
    assert "The classifier was given one class only." in page
    assert "*real samples (band)*" in page
    assert "nan" not in page.lower().replace("nonmembers", "")


def test_markdown__keeps_a_bar_out_of_its_tables(make_outcome, make_score):
    score = make_score("ld_decay_error", math.nan, reason="none", summary="mean of |a - b|")

    page = to_markdown(standings([make_outcome(scores=(score,))]))

    assert r"mean of \|a - b\|" in page


def test_markdown__further_scores_are_a_line_each_and_those_of_nobody_are_named_once(make_outcome, make_score):
    def further(name: str, value: float, **changes: Any) -> ScoreRecord:
        more = {"family": "fidelity", "unit": "share", "direction": "higher", "is_primary": False}
        record: ScoreRecord = make_score(name, value, **{**more, **changes})
        return record

    nobody = further("haplotype_r2_error", math.nan, reason="nothing is phased")
    outcomes = [make_outcome(name, scores=(further("recall", value), nobody)) for name, value in (("vae", 0.25), ("wgan", 0.5))]

    page = to_markdown(standings(outcomes))

    assert "| Recall (share)\N{NO-BREAK SPACE}↑ | 0.250 | 0.500 | \N{EN DASH} |" in page
    assert "Missing for all: Haplotype r² error¹." in page
    assert "¹ Nothing is phased." in page


def test_markdown__says_which_row_was_not_asked_for_primary_scores(make_outcome, make_score):
    """After `genobench run --metric`, a row has a rank that most scores are not behind."""
    scores = tuple(make_score(metric, 0.5, error=0.01) for metric in ("ld_decay_error", "membership_auc", "ridge_r2"))
    missing = (*scores[:2], make_score("ridge_r2", math.nan, reason="none"))
    table = standings(
        [make_outcome("whole", scores=scores), make_outcome("part", scores=scores[:1]), make_outcome("tried", scores=missing)]
    )

    said = {row.label: status_text(row) for row in table.rows}

    assert said == {"whole": "1 of 1", "part": "1 of 1 (2 primary scores not asked for)", "tried": "1 of 1"}
