"""Ranks come from intervals."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from genobench.builtin.privacy.nearest import MembershipDistance
from genobench.leaderboard import standings
from genobench.leaderboard.estimates import Estimate
from genobench.leaderboard.ranking import loss_bounds
from genobench.leaderboard.rows import Column
from genobench.leaderboard.text import leak_lines
from genobench.outcomes import Band

WORST_HIT = next(spec for spec in MembershipDistance.scores if spec.name == "worst_hit_share")
BAND = Band(mean=0.5, standard_deviation=0.02, low=0.46, high=0.54, n_draws=100)


def _ranks(outcomes):
    return {row.label: (row.place, row.mean_rank) for row in standings(outcomes).rows}


def _outcomes(make_outcome, make_score, **values):
    return [
        make_outcome(name, scores=tuple(make_score(metric, value, error=error, band=None) for metric, value, error in scores))
        for name, scores in values.items()
    ]


def test_rank__overlapping_intervals_share_a_place(make_outcome, make_score):
    outcomes = _outcomes(
        make_outcome, make_score, a=[("ld_decay_error", 0.10, 0.01)], b=[("ld_decay_error", 0.11, 0.01)], c=[("ld_decay_error", 0.20, 0.01)]
    )

    assert _ranks(outcomes) == {"a": (1, 1.5), "b": (1, 1.5), "c": (3, 3.0)}


def test_rank__noise_leads_to_the_middle_not_to_the_top(make_outcome, make_score):
    outcomes = _outcomes(
        make_outcome,
        make_score,
        a=[("ld_decay_error", 0.1, 0.001)],
        b=[("ld_decay_error", 0.2, 0.001)],
        noisy=[("ld_decay_error", 0.15, 1.0)],
    )

    assert _ranks(outcomes) == {"a": (1, 1.5), "noisy": (2, 2.0), "b": (3, 2.5)}


def test_rank__sums_to_the_same_whatever_the_ties(board_outcomes):
    """On each score the ranks of n rows add up to n (n + 1) / 2, as ranks must."""
    ranked = [row for row in standings(board_outcomes).rows if row.mean_rank is not None]

    assert math.fsum(row.mean_rank or 0 for row in ranked) == pytest.approx(len(ranked) * (len(ranked) + 1) / 2)


def test_rank__a_missing_score_is_beaten_and_stays_missing(make_outcome, make_score):
    outcomes = [
        make_outcome("whole", scores=(make_score("ld_decay_error", 0.5, error=0.01), make_score("ridge_r2", 0.01, error=0.01))),
        make_outcome("gap", scores=(make_score("ld_decay_error", 0.5, error=0.01), make_score("ridge_r2", math.nan, reason="none"))),
    ]

    assert _ranks(outcomes) == {"whole": (1, 1.25), "gap": (2, 1.75)}
    assert standings(outcomes).rows[1].estimates["ridge_r2"].is_missing


def test_rank__leaking_stands_below_everything_that_does_not(board_outcomes):
    table = standings(board_outcomes)

    diffusion = next(row for row in table.rows if row.label == "diffusion")
    places = [row.place for row in table.rows if row.place is not None and row is not diffusion]
    assert diffusion.leaks
    assert diffusion.mean_rank == min(row.mean_rank for row in table.rows if row.mean_rank is not None)
    assert diffusion.place == max(places) + 1


@pytest.mark.parametrize(
    ("auc", "error", "is_leak"),
    [
        (0.57, 0.02, True),  # above the band (high .54), and 3.5 standard errors above its mean
        (0.57, 0.04, False),  # above the band, but its interval reaches the mean
        (0.535, 0.01, False),  # 3.5 standard errors above the mean, but inside the band
    ],
)
def test_rank__a_leak_is_above_the_band_and_clear_of_its_mean(make_outcome, make_score, auc, error, is_leak):
    outcome = make_outcome("a", scores=(make_score("membership_auc", auc, error=error),))

    assert standings([outcome]).rows[0].leaks is is_leak


def test_rank__names_the_attacks_that_find_a_leak_clearest_first(make_outcome, make_score):
    known = make_score("membership_auc", 0.51, error=0.02)
    scores = (replace(known, metric="learned_auc", value=0.6), known, replace(known, metric="calibrated_auc", value=0.7))
    outcome = make_outcome("a", scores=scores)
    table = standings([outcome])

    assert table.rows[0].leaks_by == ("calibrated_auc", "learned_auc")
    assert leak_lines(table) == ["a leaks: Calibrated AUC 0.700 (real samples up to 0.540), Learned AUC 0.600 (real samples up to 0.540)"]


def test_rank__without_a_band_a_leak_is_measured_against_the_ideal(make_outcome, make_score):
    outcome = make_outcome("a", scores=(make_score("membership_auc", 0.57, error=0.02, band=None),))

    assert standings([outcome]).rows[0].leaks


@pytest.mark.parametrize(("share", "interval", "is_leak"), [(0.05, (0.038, 0.065), True), (0.0, (0.0, 0.0036), False)])
def test_rank__copies_are_a_leak_though_the_auc_does_not_see_them(make_outcome, make_score, share, interval, is_leak):
    """One training sample in twenty handed out as it is: the AUC stays within its band."""
    shown = {"family": "privacy", "unit": "share", "direction": "lower", "ideal": 0.0, "is_primary": False}
    copies = make_score("copied_share", share, interval=interval, band=Band(0.0, 0.0, 0.0, 0.0, 100), **shown)
    outcome = make_outcome("a", scores=(make_score("membership_auc", 0.525, error=0.02), copies))

    assert standings([outcome]).rows[0].leaks is is_leak


def test_rank__controls_are_shown_and_not_ranked(board_outcomes):
    rows = standings(board_outcomes).rows

    controls = [row for row in rows if row.is_control]
    assert {row.generator for row in controls} == {"copy", "independent", "leaky"}
    assert all(row.place is None and row.mean_rank is None for row in controls)
    assert rows[-len(controls) :] == tuple(controls)
    assert next(row for row in controls if row.generator == "copy").leaks


def _column(direction, ideal=None):
    return Column("x", "fidelity", "r2", direction, ideal, 1, True, "", None, None, 3)


@pytest.mark.parametrize(
    ("direction", "interval", "band", "expected"),
    [
        ("lower", (0.60, 0.64), BAND, (0.06, 0.10)),
        ("lower", (0.40, 0.60), BAND, (0.0, 0.06)),
        ("higher", (0.30, 0.40), BAND, (0.06, 0.16)),
        ("higher", (0.50, 0.60), BAND, (0.0, 0.0)),
        ("target", (0.30, 0.40), BAND, (0.06, 0.16)),
        ("target", (0.40, 0.60), BAND, (0.0, 0.06)),
        ("lower", (0.1, 0.2), None, (0.1, 0.2)),
        ("higher", (0.1, 0.2), None, (-0.2, -0.1)),
        ("target", (0.6, 0.7), None, (0.1, 0.2)),
    ],
)
def test_loss__is_the_distance_beyond_the_band(direction, interval, band, expected):
    estimate = Estimate(
        mean=sum(interval) / 2, interval=interval, n_seeds=2, band=band, reasons=(), n_splits=1, spread=None, standard_error=None
    )

    assert loss_bounds(estimate, _column(direction, 0.5)) == pytest.approx(expected)


def test_rank__many_attacks_make_each_less_telling(make_outcome, make_score):
    """2.5 errors above the band's mean: a mark for a single attack, none for one of thirty, where chance gives such a one now and then."""
    found = make_score("membership_auc", 0.55, error=0.02)
    others = [replace(make_score("membership_auc", 0.50, error=0.02), metric=f"attack{number}_auc") for number in range(29)]
    assert standings([make_outcome("a", scores=(found,))]).rows[0].leaks
    assert not standings([make_outcome("a", scores=(found, *others))]).rows[0].leaks


def test_rank__a_copy_is_a_leak_however_few_there_are(make_outcome, make_score):
    """Five copies of 106: no statistic says more than the copies themselves, if unseen real samples never are copies."""
    nothing = Band(mean=0.0, standard_deviation=0.0, low=0.0, high=0.0, n_draws=100)
    copied = replace(
        make_score("membership_auc", 0.047, error=None), metric="copied_share", unit="share", band=nothing, interval=(0.02, 0.11)
    )
    others = [replace(make_score("membership_auc", 0.50, error=0.02), metric=f"attack{number}_auc") for number in range(29)]
    assert standings([make_outcome("a", scores=(copied, *others))]).rows[0].leaks
    assert not standings([make_outcome("a", scores=(replace(copied, value=0.0, interval=(0.0, 0.03)), *others))]).rows[0].leaks


def test_rank__the_worst_hit_are_no_mark_of_a_leak(make_outcome, make_score):
    """Above the most exposed of 292 nonmembers lie 2.1 % of members once in 500 times, five times the spread of such a share."""
    band = Band(mean=0.004, standard_deviation=0.003, low=0.003, high=0.012, n_draws=100)
    share = replace(make_score("membership_auc", 0.0214, error=None), metric="hit_share", unit="share", band=band, interval=(0.011, 0.025))
    assert standings([make_outcome("a", scores=(share,))]).rows[0].leaks
    worst = replace(share, metric=WORST_HIT.name, unit=WORST_HIT.unit)
    assert not standings([make_outcome("a", scores=(worst,))]).rows[0].leaks
