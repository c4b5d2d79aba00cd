"""Two cells side by side."""

from __future__ import annotations

import math

import pytest

from genobench.leaderboard.differences import differences, what_differs, why_not_comparable


def _only(make_outcome, first, second):
    (difference,) = differences(make_outcome("a", scores=(first,)), make_outcome("b", scores=(second,)))
    return difference


def test_difference__adds_the_errors_of_both(make_outcome, make_score):
    difference = _only(make_outcome, make_score("ridge_r2", 0.2, error=0.03), make_score("ridge_r2", 0.3, error=0.04))

    assert difference.value == pytest.approx(0.1)
    assert difference.standard_error == pytest.approx(0.05)
    assert difference.is_clear


def test_difference__within_196_standard_errors_is_not_clear(make_outcome, make_score):
    difference = _only(make_outcome, make_score("ridge_r2", 0.2, error=0.03), make_score("ridge_r2", 0.297, error=0.04))

    assert not difference.is_clear


def test_difference__without_an_error_says_none(make_outcome, make_score):
    difference = _only(make_outcome, make_score("ridge_r2", 0.2), make_score("ridge_r2", 0.3, error=0.04))

    assert difference.standard_error is None
    assert not difference.is_clear


@pytest.mark.parametrize(
    ("value", "change", "reason"),
    [(math.nan, {"reason": "one class"}, "one class"), (0.2, {"version": 2}, "versions 1 and 2")],
)
def test_difference__is_missing_where_scores_cannot_be_compared(make_outcome, make_score, value, change, reason):
    difference = _only(make_outcome, make_score("ridge_r2", 0.2), make_score("ridge_r2", value, **change))

    assert math.isnan(difference.value)
    assert reason in difference.reason


def test_differences__list_a_score_that_only_one_cell_has(make_outcome, make_score):
    found = differences(make_outcome("a"), make_outcome("b", scores=(make_score("ridge_r2", 0.2),)))

    assert [(item.metric, item.reason) for item in found] == [("ridge_r2", "only one cell has it")]


def test_what_differs__names_settings(make_outcome):
    first, second = make_outcome("wgan", settings={"n": 1, "rate": 0.1}), make_outcome("wgan", 1, settings={"n": 2, "rate": 0.1, "x": 3})

    assert what_differs(first, second) == [("seed", 0, 1), ("settings.n", 1, 2), ("settings.x", "not set", 3)]


def test_why_not_comparable__says_what_is_not_shared(make_outcome):
    base = make_outcome()

    assert why_not_comparable(base, make_outcome("vae")) == ""
    assert why_not_comparable(base, make_outcome(trait="milk", dataset_sha256="a")) == "other genotypes and another trait"
    assert why_not_comparable(base, make_outcome(split={"scheme": "family", "sha256": "x"})) == "another split"
