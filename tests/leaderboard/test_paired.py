"""Two rows against each other: paired, corrected, and by name."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from genobench.errors import GenobenchError
from genobench.leaderboard import paired_differences, standings
from genobench.leaderboard.paired import _row_named

FIRST = {(0, 0): 0.020, (1, 1): 0.031, (2, 2): 0.026, (3, 3): 0.040}
SECOND = {(0, 0): 0.034, (1, 1): 0.042, (2, 2): 0.041, (3, 3): 0.047, (9, 9): 0.001}


@pytest.fixture
def outcomes_of(make_outcome, make_score):
    """A function that makes the outcomes of a generator from its score in each pair of split and seed; a fifth of samples is held out."""

    def made(generator, values, *, metric="ld_decay_error", **changes):
        return [
            make_outcome(
                generator,
                seed,
                cell_id=f"{generator}-{split}-{seed}",
                split={"scheme": "family", "seed": split, "sha256": f"{split}" * 64, "n": {"train": 800, "holdout": 200}},
                scores=(make_score(metric, value, error=0.01, **changes),),
            )
            for (split, seed), value in values.items()
        ]

    return made


def test_paired_differences__are_the_corrected_resampled_t_test(outcomes_of):
    outcomes = outcomes_of("new", FIRST) + outcomes_of("old", SECOND)
    (found,) = paired_differences(standings(outcomes), outcomes, "new", "old")
    gains = np.array([SECOND[pair] - FIRST[pair] for pair in FIRST])
    half_width = stats.t(3).ppf(0.975) * gains.std(ddof=1) * math.sqrt(1 / 4 + 200 / 800)
    assert found.gain == pytest.approx(gains.mean())
    assert found.interval == pytest.approx((gains.mean() - half_width, gains.mean() + half_width))
    assert (found.n_splits, found.n_pairs, found.verdict) == (4, 4, "first")
    assert (found.first, found.second) == pytest.approx((np.mean(list(FIRST.values())), 0.041))


def test_paired_differences__turned_round_change_their_sign(outcomes_of):
    outcomes = outcomes_of("new", FIRST) + outcomes_of("old", SECOND)
    (found,) = paired_differences(standings(outcomes), outcomes, "old", "new")
    assert found.verdict == "second"
    assert found.gain < 0


def test_paired_differences__higher_may_be_better(outcomes_of):
    values = [{pair: 3 * value for pair, value in side.items()} for side in (FIRST, SECOND)]
    outcomes = [*outcomes_of("new", values[0], metric="ridge_r2"), *outcomes_of("old", values[1], metric="ridge_r2")]
    (found,) = paired_differences(standings(outcomes), outcomes, "new", "old")
    assert found.verdict == "second"


def test_paired_differences__what_reaches_the_band_is_no_better_than_its_like(outcomes_of):
    """The band of this score ends at .009: .001 and .008 are both as real as real samples, however sure their difference."""
    values = [{pair: base + pair[0] / 1e5 for pair in FIRST} for base in (0.001, 0.008)]
    outcomes = outcomes_of("new", values[0]) + outcomes_of("old", values[1])
    (found,) = paired_differences(standings(outcomes), outcomes, "new", "old")
    assert found.interval is not None
    assert found.interval[0] > 0
    assert found.verdict == "both as real"


def test_paired_differences__seeds_of_one_split_say_nothing_of_its_holdout(outcomes_of):
    values = [{(0, seed): value for (_, seed), value in side.items()} for side in (FIRST, SECOND)]
    outcomes = [*outcomes_of("new", values[0]), *outcomes_of("old", values[1])]
    (found,) = paired_differences(standings(outcomes), outcomes, "new", "old")
    assert (found.n_splits, found.n_pairs, found.interval, found.verdict) == (1, 4, None, None)
    assert found.gain == pytest.approx(np.mean([SECOND[pair] - FIRST[pair] for pair in FIRST]))


def test_paired_differences__nothing_in_common_is_no_number(outcomes_of):
    outcomes = outcomes_of("new", {(0, 0): 0.1}) + outcomes_of("old", {(1, 1): 0.2})
    (found,) = paired_differences(standings(outcomes), outcomes, "new", "old")
    assert math.isnan(found.gain)
    assert (found.interval, found.verdict, found.n_pairs) == (None, None, 0)


def test_paired_differences__of_one_pair_have_no_interval(outcomes_of):
    outcomes = outcomes_of("new", {(0, 0): 0.1}) + outcomes_of("old", {(0, 0): 0.2})
    (found,) = paired_differences(standings(outcomes), outcomes, "new", "old")
    assert found.gain == pytest.approx(0.1)
    assert (found.interval, found.verdict) == (None, None)


def test_paired_differences__a_name_of_no_row_or_of_two_is_an_error(outcomes_of, make_outcome, make_score):
    outcomes = outcomes_of("new", FIRST) + outcomes_of("old", SECOND)
    with pytest.raises(GenobenchError, match=r"'newest' names no rows of cattle-demo\.family; write a label, .*'new' \(cell new-0-0\)"):
        paired_differences(standings(outcomes), outcomes, "newest", "old")
    other = make_outcome("new", 0, settings={"width": 8}, scores=(make_score("ld_decay_error", 0.1, error=0.01),))
    with pytest.raises(GenobenchError, match=r"'new' names 2 rows .*'new \(width=8\)'"):
        paired_differences(standings([*outcomes, other]), [*outcomes, other], "new", "old")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("new-0-0", "new (width=64)"),
        ("old-3", "old"),
        ("width=8", "new (width=8)"),
        ("new (width=64)", "new (width=64)"),
        ("abcd", "new (width=8)"),
    ],
)
def test_row_named__by_a_cell_or_a_part_of_a_label(outcomes_of, make_outcome, make_score, name, label):
    """Labels of many settings are cut short, and are not typed gladly."""
    wide = [replace(outcome, settings={"width": 64}) for outcome in outcomes_of("new", FIRST)]
    narrow = make_outcome("new", cell_id="abcdef", settings={"width": 8}, scores=(make_score("ld_decay_error", 0.1, error=0.01),))
    assert _row_named(standings([*wide, *outcomes_of("old", SECOND), narrow]), name).label == label
