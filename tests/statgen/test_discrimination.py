"""AUC and advantage against scikit-learn, standard errors against the papers' definitions, Wilson's interval against a published table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, nhypergeom, norm
from sklearn.metrics import roc_auc_score, roc_curve

from genobench.statgen import (
    auc_with_interval,
    auc_with_standard_error,
    best_advantage,
    share_above_all,
    true_positive_rate,
    true_positive_rate_interval,
    wilson_interval,
)


def _groups():
    rng = np.random.default_rng(2)
    return rng.integers(0, 12, size=40).astype(float) + 2, rng.integers(0, 12, size=55).astype(float)


def test_auc__agrees_with_scikit_learn():
    """Whole numbers, so that ties are common."""
    high, low = _groups()
    truth = np.repeat([1, 0], [len(high), len(low)])
    assert auc_with_standard_error(high, low)[0] == pytest.approx(roc_auc_score(truth, np.concatenate([high, low])))


def test_auc_standard_error__follows_the_definition():
    """DeLong et al. 1988, equations 3 to 5, written out with their kernel psi over all pairs."""
    high, low = _groups()
    psi = (high[:, None] > low[None, :]) + (high[:, None] == low[None, :]) / 2
    variance = psi.mean(axis=1).var(ddof=1) / len(high) + psi.mean(axis=0).var(ddof=1) / len(low)
    assert auc_with_standard_error(high, low)[1] == pytest.approx(np.sqrt(variance))


def test_auc_standard_error__is_the_spread_over_repeated_draws():
    """Mean of the estimated variances against the variance of 400 AUCs; both have a relative error of about sqrt(2 / 400)."""
    rng = np.random.default_rng(3)
    results = np.array([auc_with_standard_error(rng.normal(0.5, 1, 60), rng.normal(0, 1, 60)) for _ in range(400)])
    assert np.mean(results[:, 1] ** 2) == pytest.approx(results[:, 0].var(ddof=1), rel=4 * np.sqrt(2 / 400))


def test_auc__turns_to_its_complement_when_groups_swap():
    high, low = _groups()
    (auc, error), (swapped, swapped_error) = auc_with_standard_error(high, low), auc_with_standard_error(low, high)
    assert auc + swapped == pytest.approx(1)
    assert error == pytest.approx(swapped_error)


def test_auc__refuses_a_group_of_one():
    with pytest.raises(ValueError, match="needs two values in each group; there are 1 and 2"):
        auc_with_standard_error([1.0], [1.0, 2.0])


def test_auc_standard_error__of_families_of_one_is_that_without_families():
    high, low = _groups()
    families = (np.arange(len(high)), len(high) + np.arange(len(low)))
    assert auc_with_standard_error(high, low, families=families) == pytest.approx(auc_with_standard_error(high, low))


def test_auc_standard_error__of_families_follows_the_definition():
    """Obuchowski 1997, equations 3 to 5: sums of DeLong's components over each cluster, and their covariance over clusters."""
    high, low = _groups()
    rng = np.random.default_rng(6)
    of_high, of_low = rng.integers(0, 15, len(high)), rng.integers(0, 15, len(low))
    psi = (high[:, None] > low[None, :]) + (high[:, None] == low[None, :]) / 2
    theta, m, n = psi.mean(), len(high), len(low)
    first = np.array([(psi.mean(axis=1)[of_high == family] - theta).sum() for family in range(15)])
    second = np.array([(psi.mean(axis=0)[of_low == family] - theta).sum() for family in range(15)])
    s10, s01, s11 = (15 / 14 * total for total in ((first**2).sum() / m, (second**2).sum() / n, (first * second).sum()))
    expected = np.sqrt(s10 / m + s01 / n + 2 * s11 / (m * n))
    assert auc_with_standard_error(high, low, families=(of_high, of_low))[1] == pytest.approx(expected)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_auc_interval__knows_of_families_that_both_groups_share(shift):
    """Families of six, four positives and two negatives, whose values share half of their variance: 19 intervals in 20 hold the truth.

    Taken one by one the same samples give intervals that are too wide, since what a family shares tells its members from no one.
    """
    rng = np.random.default_rng(7)
    truth, n_held, widths = norm.cdf(shift / np.sqrt(2)), 0, []
    families = (np.repeat(np.arange(60), 4), np.repeat(np.arange(60), 2))
    for _ in range(400):
        shared = rng.normal(0, np.sqrt(0.5), 60)
        high, low = (shared[family] + rng.normal(0, np.sqrt(0.5), len(family)) for family in families)
        high += shift
        _, (below, above) = auc_with_interval(high, low, families=families)
        n_held += below <= truth <= above
        alone = auc_with_interval(high, low)[1]
        widths.append((above - below) / (alone[1] - alone[0]))
    assert n_held / 400 == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 400))
    assert np.mean(widths) < 0.85


@pytest.mark.parametrize(("n_high", "n_low", "shift"), [(300, 60, 0.0), (300, 8, 0.0), (300, 60, 0.8)])
def test_auc_interval__holds_the_truth_19_times_in_20(n_high, n_low, shift):
    rng = np.random.default_rng(8)
    truth, n_held = norm.cdf(shift / np.sqrt(2)), 0
    for _ in range(500):
        _, (low, high) = auc_with_interval(rng.normal(shift, 1, n_high), rng.normal(0, 1, n_low))
        n_held += low <= truth <= high
    assert n_held / 500 == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 500))


def test_auc_interval__of_groups_apart_is_that_of_a_share():
    assert auc_with_interval([2.0, 3.0, 4.0], np.arange(50) / 50) == (1.0, wilson_interval(3, 3))
    nearly, interval = auc_with_interval(np.append(np.arange(1, 100), 0.5), np.append(np.zeros(99), 0.6))
    assert nearly == pytest.approx(1 - 1 / 10_000)
    assert interval == wilson_interval(100, 100)
    assert auc_with_interval([1.0, 1.0], [1.0, 1.0, 1.0]) == (0.5, (0.5, 0.5))


def test_auc_interval__takes_samples_one_by_one_in_few_families():
    high, low = _groups()
    families = (np.arange(len(high)) % 19, np.arange(len(low)) % 19)
    assert auc_with_interval(high, low, families=families) == auc_with_interval(high, low)


def test_best_advantage__agrees_with_scikit_learn_and_scipy():
    high, low = _groups()
    false_positives, true_positives, _ = roc_curve(np.repeat([1, 0], [len(high), len(low)]), np.concatenate([high, low]))
    advantage, _ = best_advantage(high, low)
    assert advantage == pytest.approx(np.max(true_positives - false_positives))
    assert advantage == pytest.approx(ks_2samp(low, high, alternative="greater").statistic)
    assert best_advantage(low, low)[0] == 0


@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_best_advantage_interval__holds_the_truth_19_times_in_20_or_more(shift):
    """Two normal groups apart by d: the largest difference of their distributions is 2 Phi(d / 2) - 1."""
    rng = np.random.default_rng(9)
    truth = 2 * norm.cdf(shift / 2) - 1
    drawn = [best_advantage(rng.normal(shift, 1, 200), rng.normal(0, 1, 80)) for _ in range(400)]
    held = np.mean([low <= truth <= high for _, (low, high) in drawn])
    assert held >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 400)
    if shift == 0:
        # The mean of the one-sided Kolmogorov-Smirnov distance is sqrt(pi / 8) times sqrt(1 / m + 1 / n), for many values.
        assert np.mean([value for value, _ in drawn]) == pytest.approx(np.sqrt(np.pi / 8 * (1 / 200 + 1 / 80)), rel=0.12)


def test_share_above_all__is_a_share_of_one_in_n_plus_1_by_chance():
    rng = np.random.default_rng(10)
    drawn = [share_above_all(rng.normal(size=100), rng.normal(size=40)) for _ in range(600)]
    spread = np.std([found.share for found in drawn])
    assert np.mean([found.share for found in drawn]) == pytest.approx(1 / 41, abs=4 * spread / np.sqrt(600))
    assert np.mean([found.interval[0] <= 1 / 41 <= found.interval[1] for found in drawn]) >= 0.95


def test_share_above_all__holds_a_share_that_stands_out():
    """Ten of 100 positives stand above all negatives whatever these are; the others are as the negatives."""
    rng = np.random.default_rng(11)
    truth, n_held = 0.1 + 0.9 / 41, 0
    for _ in range(400):
        found = share_above_all(np.concatenate([np.full(10, 9.0), rng.normal(size=90)]), rng.normal(size=40))
        n_held += found.interval[0] <= truth <= found.interval[1]
    assert n_held / 400 >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 400)


def test_share_above_all__takes_off_what_chance_exceeds_once_in_forty():
    """The positives above all negatives are a negative hypergeometric number: those drawn before the first negative."""
    found = share_above_all(np.full(100, 1.0), np.zeros(40))
    n_by_chance = int(nhypergeom.ppf(0.975, 140, 100, 1))
    sure = (100 - n_by_chance) / 100
    assert found.interval == pytest.approx((sure + (1 - sure) / 41, 1.0))
    assert share_above_all([0.0, 0.0], np.zeros(5)).share == 0


def test_true_positive_rate__takes_no_more_false_positives_than_allowed():
    negatives = np.arange(100.0)
    # Ten of a hundred may be wrong: those from 90 on. The threshold is then 89, which itself is not passed.
    assert true_positive_rate([89.0, 89.5, 95.0, 10.0], negatives, false_positive_rate=0.1) == 0.5


def test_true_positive_rate__with_ties_keeps_to_the_rate():
    assert true_positive_rate([1.0, 1.0], [1.0] * 50 + [0.0] * 50, false_positive_rate=0.1) == 0.0


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((81, 263), (0.2553, 0.3662)), ((15, 148), (0.0624, 0.1605)), ((0, 20), (0.0, 0.1611)), ((1, 29), (0.0061, 0.1718))],
)
def test_wilson_interval__agrees_with_newcombe(counts, expected):
    """Newcombe R.G. 1998. Statistics in Medicine 17: 857-872, table I, method 3."""
    assert wilson_interval(*counts) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("n_positives", "n_negatives", "rate"), [(1000, 292, 0.1), (300, 100, 0.1), (2000, 1000, 0.01)])
def test_true_positive_rate_interval__holds_the_truth_19_times_in_20(n_positives, n_negatives, rate):
    """Two normal groups apart by 0.2: the share at the true threshold is 1 - Phi(z - 0.2). 500 draws; Wilson's interval alone: .62."""
    rng = np.random.default_rng(5)
    truth = norm.sf(norm.isf(rate) - 0.2)
    n_held = 0
    for _ in range(500):
        positives, negatives = rng.normal(0.2, 1, n_positives), rng.normal(size=n_negatives)
        low, high = true_positive_rate_interval(positives, negatives, false_positive_rate=rate)
        n_held += low <= truth <= high
    assert n_held / 500 == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 500))


def test_true_positive_rate_interval__holds_the_estimate_also_where_all_are_found():
    positives, negatives = np.full(50, 2.0), np.arange(100) / 100
    low, high = true_positive_rate_interval(positives, negatives, false_positive_rate=0.1)
    assert low == pytest.approx(wilson_interval(50, 50)[0])
    assert high == 1
