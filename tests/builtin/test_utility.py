"""Scores of predictions, against scikit-learn and scipy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score

from genobench import Comparison, Prediction, Predictions
from genobench.builtin.utility import TrainOnSyntheticClasses, TrainOnSyntheticValues
from genobench.testing import EXAMPLE_TRAITS, example_comparison

LABELS = ("low", "medium", "high")


def _scores(metric, kind, result) -> dict[str, Any]:
    comparison = example_comparison(kind)
    answered = Comparison(
        trait=comparison.trait,
        train=comparison.train,
        holdout=comparison.holdout,
        nonmembers=comparison.nonmembers,
        synthetic=comparison.synthetic,
        results={Predictions(metric.classifier, "synthetic"): result},
    )
    return {score.name: score for score in metric.score(answered, seed=1)}


def _values(n: int = 80) -> Prediction:
    rng = np.random.default_rng(1)
    truth = rng.normal(10, 3, size=n)
    return Prediction(truth=truth, predicted=truth / 2 + rng.normal(size=n), classes=(), groups=np.arange(n))


def _classes(n: int = 90) -> Prediction:
    rng = np.random.default_rng(2)
    truth = rng.choice(np.array(LABELS, dtype=object), size=n, p=[0.6, 0.3, 0.1])
    probabilities = rng.dirichlet(np.ones(3), size=n)
    return Prediction(truth=truth, predicted=probabilities, classes=LABELS, groups=np.arange(n))


def test_values__are_scored_as_by_scipy_and_scikit_learn():
    prediction = _values()
    scores = _scores(TrainOnSyntheticValues(), "quantitative", prediction)
    assert scores["tstr_pearson_r"].value == pytest.approx(pearsonr(prediction.truth, prediction.predicted).statistic)
    assert scores["tstr_r2"].value == pytest.approx(r2_score(prediction.truth, prediction.predicted))


def test_values__have_the_standard_error_of_a_correlation():
    """About (1 - r^2) / sqrt(n - 1) for normal values; the jackknife over 20 groups is itself good to about a quarter."""
    prediction = _values(2_000)
    score = _scores(TrainOnSyntheticValues(), "quantitative", prediction)["tstr_pearson_r"]
    assert score.standard_error == pytest.approx((1 - score.value**2) / np.sqrt(1_999), rel=0.6)


def test_classes__are_scored_as_by_scikit_learn():
    prediction = _classes()
    scores = _scores(TrainOnSyntheticClasses(), "ordinal", prediction)
    called = np.array(LABELS, dtype=object)[prediction.predicted.argmax(axis=1)]
    assert scores["tstr_balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(list(prediction.truth), list(called)))
    counts = {label: np.sum(prediction.truth == label) for label in LABELS}
    order = [LABELS.index(label) for label in sorted(LABELS)]
    expected = log_loss(
        list(prediction.truth),
        prediction.predicted[:, order],
        labels=sorted(LABELS),
        sample_weight=[1 / counts[label] for label in prediction.truth],
    )
    assert scores["tstr_log_loss"].value == pytest.approx(expected)


def test_classes__of_equal_chances_have_the_log_of_their_number():
    prediction = Prediction(truth=_classes().truth, predicted=np.full((90, 3), 1 / 3), classes=LABELS, groups=np.arange(90))
    assert _scores(TrainOnSyntheticClasses(), "ordinal", prediction)["tstr_log_loss"].value == pytest.approx(np.log(3))


def test_families__widen_the_error_where_relatives_are_predicted_alike():
    """Truth and prediction repeated ten times over: leaving out families sees the twelve samples that there really are."""
    rng = np.random.default_rng(3)
    truth = np.repeat(rng.normal(size=40), 10)
    predicted = np.repeat(rng.normal(size=40), 10) + truth / 2
    alone, together = (
        _scores(TrainOnSyntheticValues(), "quantitative", Prediction(truth, predicted, (), groups))["tstr_pearson_r"].standard_error
        for groups in (np.arange(400), np.repeat(np.arange(40), 10))
    )
    assert together > 1.8 * alone


@pytest.mark.parametrize(
    ("metric", "kind", "prediction", "unknown"),
    [(TrainOnSyntheticValues(), "quantitative", _values(), np.nan), (TrainOnSyntheticClasses(), "categorical", _classes(), "")],
)
def test_scores__pass_over_samples_whose_trait_is_not_known(metric, kind, prediction, unknown):
    told = replace(
        prediction,
        truth=np.append(prediction.truth, [unknown]),
        predicted=np.concatenate([prediction.predicted, prediction.predicted[:1]]),
        groups=np.append(prediction.groups, [len(prediction.groups)]),
    )
    expected = {name: score.value for name, score in _scores(metric, kind, prediction).items()}
    assert {name: score.value for name, score in _scores(metric, kind, told).items()} == expected


def test_values__say_when_predictions_are_all_alike():
    prediction = Prediction(truth=_values().truth, predicted=np.full(80, 3.3), classes=(), groups=np.arange(80))
    scores = _scores(TrainOnSyntheticValues(), "quantitative", prediction)
    assert "all alike" in scores["tstr_pearson_r"].reason
    assert scores["tstr_r2"].value < 0


@pytest.mark.parametrize(("metric", "kind"), [(TrainOnSyntheticValues(), "quantitative"), (TrainOnSyntheticClasses(), "ordinal")])
def test_scores__hand_on_why_there_is_no_prediction(metric, kind):
    scores = _scores(metric, kind, "the synthetic samples carry no 'weight'")
    assert all(np.isnan(score.value) and "carry no 'weight'" in score.reason for score in scores.values())


@pytest.mark.parametrize("kind", ["quantitative", "categorical", "ordinal"])
def test_metrics__share_the_kinds_of_trait(kind):
    trait = EXAMPLE_TRAITS[kind]
    assert TrainOnSyntheticValues().applies_to(trait) == (kind == "quantitative")
    assert TrainOnSyntheticClasses().applies_to(trait) == (kind != "quantitative")


def test_classes__that_the_classifier_does_not_know_are_a_reason_not_a_crash():
    prediction = replace(_classes(), classes=("low", "medium"), predicted=np.full((90, 2), 0.5))
    for score in _scores(TrainOnSyntheticClasses(), "ordinal", prediction).values():
        assert np.isnan(score.value)
        assert "The holdout has the class 'high'" in score.reason
