"""The linear part against scikit-learn's ridge and logistic regression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from genobench import Trait
from genobench_neural.prediction.inputs import Inputs
from genobench_neural.prediction.linear_part import PENALTIES, Lesson, fit_linear
from genobench_neural.prediction.targets import NetworkTarget

if TYPE_CHECKING:
    from collections.abc import Callable

    from genobench_neural.prediction.linear_part import LinearFit

CPU = torch.device("cpu")
# Similarities get .0001 on their diagonal and constants a penalty of .001, beside about 1 and as many samples: predictions move by that.
TOLERANCE = 3e-3


def fitted(genotypes: Any, trait: Trait, folds: Any = ()) -> tuple[LinearFit, NetworkTarget, Inputs, Lesson]:
    target, inputs = NetworkTarget.fit(genotypes, trait), Inputs.fit(genotypes, trait, n_components=0)
    lesson = Lesson.of(inputs.samples(genotypes, CPU), target, target.numbers(genotypes))
    return fit_linear(lesson, target, inputs, folds=folds, has_calls=True), target, inputs, lesson


def scaled(calls: Any) -> Any:
    """Calls centred, with a mean variance of 1 / n_variants."""
    centred = calls - calls.mean(axis=0)
    return centred / np.sqrt(centred.var(axis=0).sum())


@pytest.mark.parametrize("n_variants", [30, 300])
def test_linear_part__of_values_is_ridge_regression(
    n_variants: int, random_calls: Callable[..., Any], with_columns: Callable[..., Any]
) -> None:
    calls = random_calls(120, n_variants, seed=1)
    values = calls[:, :5].sum(axis=1) + np.random.default_rng(2).normal(size=120)
    fit, target, inputs, lesson = fitted(with_columns(calls, milk=values), Trait(column="milk", kind="quantitative"))
    for place in (0, 4, len(PENALTIES) - 1):
        expected = Ridge(alpha=PENALTIES[place]).fit(scaled(calls), values).predict(scaled(calls))
        ours = target.predicted(fit.parts[place].raw(target, inputs, lesson.samples))
        np.testing.assert_allclose(ours, expected, atol=TOLERANCE * values.std())


def test_linear_part__of_classes_is_logistic_regression(random_calls: Callable[..., Any], with_columns: Callable[..., Any]) -> None:
    calls = random_calls(150, 200, seed=3)
    load = calls[:, :4].sum(axis=1)
    labels = np.array(["black", "red", "white"], dtype=object)[np.searchsorted([2, 5], load)]
    trait = Trait(column="coat", kind="categorical", classes=("black", "red", "white"))
    fit, target, inputs, lesson = fitted(with_columns(calls, coat=labels), trait)
    model = LogisticRegression(C=1 / PENALTIES[6], class_weight="balanced", max_iter=2000, tol=1e-8).fit(scaled(calls), labels)
    ours = target.predicted(fit.parts[6].raw(target, inputs, lesson.samples))
    np.testing.assert_allclose(ours, model.predict_proba(scaled(calls)), atol=TOLERANCE)


def test_crossed__is_what_a_fit_without_the_fold_says(random_calls: Callable[..., Any], with_columns: Callable[..., Any]) -> None:
    calls = random_calls(90, 60, seed=4)
    values = calls[:, 0] + np.random.default_rng(5).normal(size=90)
    folds = [np.arange(start, 90, 3) for start in range(3)]
    fit, target, *_ = fitted(with_columns(calls, milk=values), Trait(column="milk", kind="quantitative"), folds)
    rest = np.setdiff1d(np.arange(90), folds[1])
    model = Ridge(alpha=PENALTIES[5]).fit(scaled(calls)[rest], values[rest])
    ours = target.predicted(fit.crossed[5])[folds[1]]
    np.testing.assert_allclose(ours, model.predict(scaled(calls)[folds[1]]), atol=TOLERANCE * values.std())
