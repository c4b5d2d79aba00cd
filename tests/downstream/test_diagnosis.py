"""Confusion and calibration of pooled predictions, against scikit-learn, scipy and the measures of the tables."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix

from genobench.downstream.diagnosis import Pooled, confusion, pooled, reliability
from genobench.statgen import expected_calibration_error


def _predictions(n_a_class=200, n_classes=3, *, seed=0, sharpness=1.0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(n_classes), n_a_class)
    scores = rng.normal(size=(len(truth), n_classes)) + np.eye(n_classes)[truth]
    chances = np.exp(sharpness * scores)
    return truth, chances / chances.sum(axis=1, keepdims=True)


def test_pooled__holds_every_holdout_and_leaves_out_what_is_not_known(make_record):
    first, second = (make_record("ordinal", split_seed=seed) for seed in (0, 1))
    unknown = dataclasses.replace(second, truth=("", *second.truth[1:]))
    found: Any = pooled([first, unknown])
    assert (len(found.truth), found.n_holdouts) == (239, 2)
    assert found.predicted[:120].tolist() == [list(row) for row in first.predicted]


def test_pooled__says_why_there_is_nothing(make_record):
    assert pooled([]) == "no prediction"
    unknown = dataclasses.replace(make_record("ordinal"), truth=("",) * 120)
    assert pooled([unknown]) == "The trait is known of no holdout sample"


def test_confusion__is_that_of_scikit_learn_also_where_a_class_is_never_called_or_absent():
    truth, chances = _predictions(n_classes=4)
    chances[:, 2] = 0.0
    kept = truth != 3
    found = confusion(Pooled(truth[kept], chances[kept], 1))
    assert found.tolist() == confusion_matrix(truth[kept], chances[kept].argmax(axis=1), labels=range(4)).tolist()
    assert found[:, 2].sum() == found[3].sum() == 0


def test_reliability__of_classes_of_equal_size_is_the_curve_of_scikit_learn_with_wilson_intervals():
    truth, chances = _predictions()
    called = chances.argmax(axis=1)
    confidence = chances.max(axis=1)
    found = reliability(Pooled(truth, chances, 1))
    shares, confidences = calibration_curve(called == truth, confidence, n_bins=10)
    assert found.share_right == pytest.approx(shares)
    assert found.confidence == pytest.approx(confidences)
    assert found.n_calls.sum() == len(truth)
    for share, n, low, high in zip(shares, found.n_calls.tolist(), found.low, found.high, strict=True):
        wanted = binomtest(round(share * n), n).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((wanted.low, wanted.high))


def test_reliability__weighs_classes_as_the_calibration_error_does():
    truth, chances = _predictions()
    kept = np.concatenate([np.flatnonzero(truth != 1), np.flatnonzero(truth == 1)[:15]])
    truth, chances = truth[kept], chances[kept]
    found = reliability(Pooled(truth, chances, 1))
    bins = np.clip(np.ceil(chances.max(axis=1) * 10).astype(int) - 1, 0, 9)
    weights = 1 / np.bincount(truth)[truth] / 3
    weight = np.array([weights[bins == place].sum() for place in np.unique(bins)])
    error = np.sum(weight * np.abs(found.share_right - found.confidence))
    assert error == pytest.approx(expected_calibration_error(truth, chances))


def test_reliability__of_the_same_holdout_twice_is_no_surer():
    truth, chances = _predictions(40)
    once = reliability(Pooled(truth, chances, 1))
    twice = reliability(Pooled(np.tile(truth, 2), np.tile(chances, (2, 1)), 2))
    for name in ("confidence", "share_right", "low", "high"):
        assert getattr(twice, name) == pytest.approx(getattr(once, name))
    assert twice.n_calls.tolist() == (2 * once.n_calls).tolist()


def test_reliability__of_one_sample_spans_nearly_everything():
    found = reliability(Pooled(np.array([1]), np.array([[0.2, 0.8]]), 1))
    wanted = binomtest(1, 1).proportion_ci(method="wilson")
    assert (found.low[0], found.high[0]) == pytest.approx((wanted.low, wanted.high))
    assert found.n_calls.tolist() == [1]
