"""Measures of prediction against scikit-learn, scipy and closed forms; ties and absent classes included."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from genobench.statgen import (
    accuracy_of_genetic_values,
    auroc,
    balanced_accuracy,
    balanced_brier,
    balanced_log_loss,
    calibration_line,
    expected_calibration_error,
    explained_share,
    macro_f1,
    mean_squared_error,
    pearson_r,
    quadratic_kappa,
    reliability_bins,
    within_group_r,
)

OF_CLASSES = (balanced_accuracy, macro_f1, auroc, balanced_log_loss, balanced_brier, quadratic_kappa, expected_calibration_error)
OF_VALUES = (pearson_r, explained_share, mean_squared_error, calibration_line)


def _classes(n_classes, *, n=150, seed=3, decimals=1):
    """Unequal classes, and probabilities in tenths, so that many are tied."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(n_classes, size=n, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    scores = rng.integers(1, 10, size=(n, n_classes)) + 4.0 * (truth[:, None] == np.arange(n_classes))
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    if n_classes == 2:
        second = np.round(probabilities[:, 1], decimals)
        probabilities = np.column_stack([1 - second, second])
    return truth, probabilities


def _values(n=120, seed=5):
    rng = np.random.default_rng(seed)
    truth = rng.normal(30, 4, size=n)
    return truth, 0.4 * truth + rng.normal(size=n) + 3


def _weights(truth):
    counts = np.bincount(truth)
    return 1 / counts[truth]


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_shares_and_ranks__are_those_of_scikit_learn(n_classes):
    truth, probabilities = _classes(n_classes)
    called = probabilities.argmax(axis=1)
    assert balanced_accuracy(truth, probabilities) == pytest.approx(metrics.balanced_accuracy_score(truth, called))
    assert macro_f1(truth, probabilities) == pytest.approx(metrics.f1_score(truth, called, average="macro"))
    assert quadratic_kappa(truth, probabilities) == pytest.approx(metrics.cohen_kappa_score(truth, called, weights="quadratic"))
    expected = (
        metrics.roc_auc_score(truth, probabilities[:, 1])
        if n_classes == 2
        else metrics.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro")
    )
    assert auroc(truth, probabilities) == pytest.approx(expected)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_probabilities__are_scored_as_by_scikit_learn_with_classes_of_equal_weight(n_classes):
    truth, probabilities = _classes(n_classes, decimals=2)
    clipped = np.clip(probabilities, 1e-6, 1)
    expected = metrics.log_loss(truth, clipped / clipped.sum(axis=1, keepdims=True), sample_weight=_weights(truth))
    assert balanced_log_loss(truth, probabilities) == pytest.approx(expected, rel=1e-5)
    of_classes = [np.average((probabilities[:, place] - (truth == place)) ** 2, weights=_weights(truth)) for place in range(n_classes)]
    assert balanced_brier(truth, probabilities) == pytest.approx(sum(of_classes))
    if n_classes == 2:
        once = metrics.brier_score_loss(truth, probabilities[:, 1], sample_weight=_weights(truth))
        assert balanced_brier(truth, probabilities) == pytest.approx(2 * once)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_guesses__score_what_is_known_of_guessing(n_classes):
    truth, _ = _classes(n_classes)
    even = np.full((len(truth), n_classes), 1 / n_classes)
    assert balanced_accuracy(truth, even) == pytest.approx(1 / n_classes)
    assert auroc(truth, even) == 0.5
    assert balanced_log_loss(truth, even) == pytest.approx(np.log(n_classes))
    assert balanced_brier(truth, even) == pytest.approx(1 - 1 / n_classes)
    assert quadratic_kappa(truth, even) == 0
    assert expected_calibration_error(truth, even) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("measure", "ideal"),
    [
        (balanced_accuracy, 1),
        (macro_f1, 1),
        (auroc, 1),
        (balanced_log_loss, 0),
        (balanced_brier, 0),
        (quadratic_kappa, 1),
        (expected_calibration_error, 0),
    ],
)
def test_certain_and_right_predictions__score_the_ideal(measure, ideal):
    truth, _ = _classes(3)
    assert measure(truth, np.eye(3)[truth]) == ideal


@pytest.mark.parametrize("measure", OF_CLASSES)
def test_classes__ten_times_as_many_samples_of_one_change_only_what_is_not_balanced(measure):
    truth, probabilities = _classes(3)
    more = np.concatenate([np.arange(len(truth)), np.repeat(np.flatnonzero(truth == 2), 9)])
    is_balanced = measure in {balanced_accuracy, balanced_log_loss, balanced_brier, expected_calibration_error}
    assert (measure(truth[more], probabilities[more]) == pytest.approx(measure(truth, probabilities))) == is_balanced


def test_absent_classes__are_left_out_of_means_over_classes():
    """Scikit-learn on the classes that occur; nobody is called the absent one."""
    truth, probabilities = _classes(3)
    padded = np.column_stack([probabilities[:, :1], np.zeros(len(truth)), probabilities[:, 1:]])
    places = np.array([0, 2, 3])[truth]
    for measure in (balanced_accuracy, macro_f1, auroc, balanced_log_loss, balanced_brier, expected_calibration_error):
        assert measure(places, padded) == pytest.approx(measure(truth, probabilities))


@pytest.mark.parametrize("measure", [auroc, quadratic_kappa])
def test_one_class__leaves_ranks_and_agreement_undefined(measure):
    assert np.isnan(measure(np.ones(5, dtype=int), np.tile([0.2, 0.8], (5, 1))))


def test_kappa__of_exchanged_ends_is_minus_one():
    """Two true ends, each called the other: squared errors are twice what chance gives."""
    truth = np.array([0, 0, 2, 2])
    assert quadratic_kappa(truth, np.eye(3)[2 - truth]) == pytest.approx(-1)


def test_calibration_error__of_one_bin_is_accuracy_less_mean_confidence():
    truth, probabilities = _classes(3)
    weights = _weights(truth)
    confidence = np.average(probabilities.max(axis=1), weights=weights)
    gap = abs(balanced_accuracy(truth, probabilities) - confidence)
    assert expected_calibration_error(truth, probabilities, n_bins=1) == pytest.approx(gap)


def test_reliability_bins__are_scikit_learns_calibration_curve():
    """Two classes of equal number, so that weights are equal; calls of the second class with probabilities off the edges of bins."""
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(8)
    truth = np.repeat([0, 1], 200)
    second = rng.uniform(0.5, 1, size=400)
    bins = reliability_bins(truth, np.column_stack([1 - second, second]), n_bins=10)
    right, confidence = calibration_curve(truth, second, n_bins=10)
    filled = bins.weight > 0
    assert list(np.flatnonzero(filled)) == [5, 6, 7, 8, 9]
    np.testing.assert_allclose(bins.share_right[filled], right)
    np.testing.assert_allclose(bins.confidence[filled], confidence)
    assert bins.weight.sum() == pytest.approx(1)


def test_calibration_error__of_a_calibrated_classifier_is_as_small_as_its_docstring_says():
    """The mean distance of a share from its expectation is .8 standard deviations, and a bin's is at most sqrt(.25 n_bins / n)."""
    rng = np.random.default_rng(9)
    second = rng.uniform(size=4_000)
    truth = (rng.uniform(size=4_000) < second).astype(int)
    assert expected_calibration_error(truth, np.column_stack([1 - second, second])) < 0.4 * np.sqrt(10 / 4_000)


def test_values__are_scored_as_by_scipy_and_scikit_learn():
    truth, predicted = _values()
    line = stats.linregress(predicted, truth)
    assert pearson_r(truth, predicted) == pytest.approx(stats.pearsonr(truth, predicted).statistic)
    assert explained_share(truth, predicted) == pytest.approx(metrics.r2_score(truth, predicted))
    assert mean_squared_error(truth, predicted) == pytest.approx(metrics.mean_squared_error(truth, predicted))
    assert calibration_line(truth, predicted) == pytest.approx((line.slope, line.intercept))


def test_within_group_r__is_the_partial_correlation_given_the_groups():
    """Correlation of the residuals of two regressions on indicators of the groups, by numpy's least squares."""
    truth, predicted = _values()
    groups = np.random.default_rng(6).integers(0, 9, size=len(truth))
    indicators = np.eye(9)[groups]
    rest = [side - indicators @ np.linalg.lstsq(indicators, side, rcond=None)[0] for side in (truth, predicted + 50 * groups)]
    expected = stats.pearsonr(*rest).statistic
    assert within_group_r(truth, predicted + 50 * groups, groups) == pytest.approx(expected)
    assert within_group_r(truth, predicted + 50 * groups, [f"family {group}" for group in groups]) == pytest.approx(expected)


def test_within_group_r__is_nothing_where_only_groups_are_predicted():
    truth, _ = _values()
    groups = np.arange(len(truth)) // 10
    assert np.isnan(within_group_r(truth, groups * 1.1, groups))
    assert np.isnan(within_group_r(groups * 1.1, truth, groups))
    assert np.isnan(within_group_r(truth, truth, np.arange(len(truth))))


def test_accuracy_of_genetic_values__is_the_correlation_with_them():
    """Normal genetic values with h2 = .4: r/h estimates the correlation of predictions with them; errors of r are (1 - r2)/sqrt(n)."""
    rng = np.random.default_rng(7)
    n = 20_000
    genetic = rng.normal(size=n) * np.sqrt(0.4)
    truth = genetic + rng.normal(size=n) * np.sqrt(0.6)
    predicted = genetic + rng.normal(size=n)
    found = accuracy_of_genetic_values(pearson_r(truth, predicted), 0.4)
    assert found == pytest.approx(np.corrcoef(genetic, predicted)[0, 1], abs=3.5 / np.sqrt(n * 0.4))


@pytest.mark.parametrize("heritability", [0.0, 1.2, float("nan")])
def test_accuracy_of_genetic_values__refuses_what_is_no_heritability(heritability):
    with pytest.raises(ValueError, match="above 0 and at most 1, not"):
        accuracy_of_genetic_values(0.3, heritability)


def test_predictions_all_alike__have_no_correlation_and_no_line():
    truth, _ = _values()
    alike = np.full(len(truth), 0.1) + np.resize([0, 1e-17], len(truth))
    assert np.isnan(pearson_r(truth, alike))
    assert np.isnan(calibration_line(truth, alike).slope)
    assert explained_share(truth, np.full(len(truth), truth.mean())) == pytest.approx(0)
    assert np.isnan(explained_share(alike * 0 + 2, truth))


@pytest.mark.parametrize("n_samples", [7, 10, 23, 50, 100, 300])
@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3, 70.3, 1e6 + 0.1])
def test_values_all_alike__have_no_correlation_and_no_explained_share(value, n_samples):
    """Their mean differs from them by rounding: R2 of seven times 0.1 was -2.5e33."""
    truth, predicted = np.full(n_samples, value), np.random.default_rng(10).normal(size=n_samples)
    assert np.isnan(pearson_r(truth, predicted))
    assert np.isnan(explained_share(truth, predicted))
    assert np.isnan(within_group_r(truth, predicted, np.arange(n_samples) // 3))


@pytest.mark.parametrize("measure", OF_CLASSES)
def test_classes__refuse_shapes_that_do_not_fit(measure):
    truth, probabilities = _classes(3)
    with pytest.raises(ValueError, match=r"must be \(n,\) and \(n, n_classes\)"):
        measure(truth[:-1], probabilities)
    with pytest.raises(ValueError, match=r"must be \(n,\) and \(n, n_classes\)"):
        measure(truth, probabilities[:, 0])
    with pytest.raises(ValueError, match="from 0 to 2, but probabilities have columns 0 to 1"):
        measure(truth, probabilities[:, :2])
    with pytest.raises(ValueError, match="whole numbers, not float64"):
        measure(truth * 1.0, probabilities)


@pytest.mark.parametrize("measure", OF_VALUES)
def test_values__refuse_shapes_that_do_not_fit(measure):
    truth, predicted = _values()
    with pytest.raises(ValueError, match=r"both must be \(n_samples,\)"):
        measure(truth, predicted[:-1])
    with pytest.raises(ValueError, match=r"both must be \(n_samples,\)"):
        measure(truth[:, None], predicted[:, None])


def test_groups__must_be_one_for_each_value():
    truth, predicted = _values()
    with pytest.raises(ValueError, match=r"120 values and groups of shape \(119,\)"):
        within_group_r(truth, predicted, np.arange(119))


@pytest.mark.parametrize("measure", [*OF_CLASSES, *OF_VALUES])
def test_no_samples__are_no_score(measure):
    empty = np.empty(0, dtype=int), np.empty((0, 2) if measure in OF_CLASSES else 0)
    assert np.all(np.isnan(measure(*empty)))


def test_reliability__needs_a_bin():
    with pytest.raises(ValueError, match="at least one bin, not 0"):
        reliability_bins([0, 1], np.eye(2), n_bins=0)
