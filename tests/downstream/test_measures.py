"""Measures: which a kind of trait has, and which way is better."""

from __future__ import annotations

import numpy as np
import pytest

from genobench.downstream.measures import MEASURES, measures_for


def test_kinds__have_the_measures_that_mean_something_for_them():
    of = {kind: [one.name for one in measures_for(kind)] for kind in ("quantitative", "categorical", "ordinal")}
    assert of["quantitative"] == ["pearson_r", "within_family_r", "within_covariates_r", "r_over_h", "r2", "mse", "slope", "intercept"]
    assert of["categorical"] == ["balanced_accuracy", "macro_f1", "auroc", "log_loss", "brier", "calibration_error"]
    assert sorted(of["ordinal"]) == sorted([*of["categorical"], "quadratic_kappa"])


@pytest.mark.parametrize("kind", ["quantitative", "categorical", "ordinal"])
def test_primary_measure__is_one_and_stands_first(kind):
    assert [one.spec.is_primary for one in measures_for(kind)] == [True] + [False] * (len(measures_for(kind)) - 1)


@pytest.mark.parametrize("one", MEASURES, ids=lambda one: one.name)
def test_goodness__is_greatest_at_the_ideal(one):
    ideal = one.spec.ideal
    worse = {"higher": ideal - 0.3, "lower": ideal + 0.3, "target": ideal + 0.3}[one.spec.direction]
    best, other = one.goodness(np.array([ideal, worse]))
    assert best - other == pytest.approx(0.3)
