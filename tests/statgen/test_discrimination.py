"""AUC against scikit-learn, its standard error against the paper's definition, Wilson's interval against a published table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from genobench.statgen import auc_with_standard_error, true_positive_rate, true_positive_rate_interval, wilson_interval


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
