"""Means over seeds and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from genobench.leaderboard import estimate
from genobench.leaderboard.estimates import last_of_each_split


def of_one_split(scores):
    """The estimate of seeds that share a holdout."""
    return estimate(scores, splits=["a"] * len(scores), shared=1.0)


def test_estimate__without_errors_of_their_own_is_students_interval(make_score):
    values = [0.51, 0.55, 0.62, 0.49]

    result = of_one_split([make_score("membership_auc", value) for value in values])

    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert result.mean == pytest.approx(np.mean(values))
    assert result.interval == pytest.approx((expected.low, expected.high))


def test_estimate__of_seeds_that_agree_keeps_the_noise_of_the_holdout(make_score):
    """Ten seeds scored on one holdout know its noise no better than one seed does."""
    result = of_one_split([make_score("ld_decay_error", 0.02, error=0.01)] * 10)

    assert result.interval == pytest.approx((0.02 - 1.96 * 0.01, 0.02 + 1.96 * 0.01), abs=1e-5)


def test_estimate__of_two_seeds_is_not_drowned_by_the_spread_it_cannot_know(make_score):
    """Welch: 1 degree of freedom, times the square of all noise over the noise of the spread."""
    spread = 0.02 / math.sqrt(2)
    scores = [make_score("ld_decay_error", value, error=spread) for value in (0.48, 0.52)]

    result = of_one_split(scores)

    half_width = stats.t(df=(1 + (spread / 0.02) ** 2) ** 2).ppf(0.975) * math.hypot(0.02, spread)
    assert result.interval == pytest.approx((0.5 - half_width, 0.5 + half_width))


def test_estimate__of_one_seed_is_its_own_interval(make_score):
    result = of_one_split([make_score("membership_auc", 0.6, interval=(0.5, 0.65))])

    assert result.interval == (0.5, 0.65)
    assert result.n_seeds == 1


def test_estimate__leaves_missing_scores_out_and_tells_why(make_score):
    result = of_one_split([make_score("ridge_r2", 0.2, error=0.01), make_score("ridge_r2", math.nan, reason="one class")])

    assert (result.mean, result.n_seeds, result.reasons) == (0.2, 1, ("one class",))


def test_estimate__of_nothing_is_missing_not_zero(make_score):
    result = of_one_split([make_score("ridge_r2", math.nan, reason="one class")])

    assert result.is_missing
    assert math.isnan(result.mean)
    assert result.against_band is None


def test_estimate__of_an_auc_stays_between_0_and_1(make_score):
    result = of_one_split([make_score("membership_auc", 0.99, error=0.1), make_score("membership_auc", 0.98, error=0.1)])

    assert result.interval is not None
    assert result.interval[1] == 1.0


@pytest.mark.parametrize(("value", "expected"), [(0.5, "as real"), (0.6, "above"), (0.4, "below")])
def test_estimate__is_set_against_the_band(make_score, value, expected):
    assert of_one_split([make_score("membership_auc", value)]).against_band == expected


@pytest.mark.parametrize(("training_noise", "expected"), [(0.0, 0.962), (1.0, 0.911), (3.0, 0.757)])
def test_estimate__of_several_splits_holds_the_truth_as_often_as_its_docstring_says(make_score, training_noise, expected):
    """Five splits of 1,000 samples into 800 and 200, whose means make the score. Expected: 3,000 draws of a separate simulation.

    1,500 draws here: the standard error of the difference is .006 at .96 and .014 at .757; three of them are allowed.
    """
    rng = np.random.default_rng(7)
    n_held = 0
    for _ in range(1500):
        for_holdout, for_training = rng.normal(size=1000), training_noise * rng.normal(size=1000)
        scores = []
        for order in (rng.permutation(1000) for _ in range(5)):
            holdout = for_holdout[order[:200]]
            value = holdout.mean() + for_training[order[200:]].mean() + rng.normal(0, 0.02)
            scores.append(make_score("ld_decay_error", float(value), error=float(holdout.std() / 200**0.5)))
        interval = estimate(scores, splits=list("abcde"), shared=0.2).interval
        n_held += interval is not None and interval[0] <= 0 <= interval[1]
    error = math.sqrt(expected * (1 - expected) * (1 / 1500 + 1 / 3000))
    assert n_held / 1500 == pytest.approx(expected, abs=3 * error)


def test_estimate__spread_between_splits_is_corrected_for_what_they_share(make_score):
    """Nadeau and Bengio: 1/n + n_test/n_train times the variance, with n - 1 degrees of freedom, where errors of their own are small."""
    values = [0.02, 0.03, 0.05, 0.03, 0.06]
    scores = [make_score("ld_decay_error", value, error=1e-4) for value in values]
    half_width = stats.t(df=4).ppf(0.975) * math.sqrt((1 / 5 + 0.2 / 0.8) * np.var(values, ddof=1))
    assert estimate(scores, splits=list("abcde"), shared=0.2).interval == pytest.approx((0.038 - half_width, 0.038 + half_width))


def test_estimate__seeds_of_one_split_are_no_further_splits(make_score):
    """Ten seeds of one split and one of another weigh as two splits."""
    scores = [make_score("ld_decay_error", 0.02, error=0.001)] * 10 + [make_score("ld_decay_error", 0.04, error=0.001)]

    result = estimate(scores, splits=["a"] * 10 + ["b"], shared=0.0)

    expected = stats.ttest_1samp([0.02, 0.04], 0).confidence_interval(0.95)
    assert result.mean == pytest.approx(0.03)
    assert (result.n_seeds, result.n_splits) == (11, 2)
    assert result.interval == pytest.approx((expected.low, expected.high))


def test_estimate__standard_error_is_not_widened_for_few_pairs(make_score):
    result = estimate([make_score("ld_decay_error", value, error=0.01) for value in (0.02, 0.03)], splits=["a", "b"], shared=0.25)

    assert result.standard_error == pytest.approx(math.sqrt(np.var([0.02, 0.03], ddof=1) / 2 + 0.25 * 0.01**2))


def test_estimate__of_one_split_has_the_interval_it_always_had(make_score):
    scores = [make_score("ld_decay_error", value, error=0.01) for value in (0.02, 0.03, 0.05)]

    assert estimate(scores, splits=["a"] * 3, shared=0.2).interval == of_one_split(scores).interval


def test_last_of_each_split__passes_over_what_is_not_there():
    assert last_of_each_split([("b", 1), ("a", 2), ("b", 3), ("a", None), ("c", None)]) == [3, 2]
