"""Losses and probabilities against scipy and scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from genobench import Trait
from genobench_neural.prediction.targets import NetworkTarget

if TYPE_CHECKING:
    from collections.abc import Callable

GRADE = Trait(column="grade", kind="ordinal", classes=("low", "medium", "high", "top"))
COAT = Trait(column="coat", kind="categorical", classes=("black", "red", "white"))
MILK = Trait(column="milk", kind="quantitative")


def target_of(trait: Trait, values: Any, with_columns: Callable[..., Any]) -> tuple[NetworkTarget, Any]:
    genotypes = with_columns(np.zeros((len(values), 1), dtype=np.int8), **{trait.column: values})
    return NetworkTarget.fit(genotypes, trait), genotypes


def test_ordinal_losses__are_those_of_differences_of_logistic_functions(with_columns: Callable[..., Any]) -> None:
    labels = np.array(["low", "top", "medium", "high", "low"], dtype=object)
    target, genotypes = target_of(GRADE, labels, with_columns)
    cuts, scores = torch.tensor([-1.0, 0.3, 0.8], dtype=torch.float64), torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None]
    raw = target.raw(cuts, scores)
    thresholds = np.cumsum([-1.0, np.log1p(np.exp(0.3)), np.log1p(np.exp(0.8))])
    at_most = np.column_stack([np.zeros(5), expit(thresholds + scores.numpy()), np.ones(5)])
    expected = np.diff(at_most, axis=1)
    np.testing.assert_allclose(target.predicted(raw), expected, rtol=1e-5)
    numbers = torch.from_numpy(target.numbers(genotypes))
    places = [GRADE.classes.index(label) for label in labels]
    np.testing.assert_allclose(target.losses(raw, numbers), -np.log(expected[np.arange(5), places]), rtol=1e-5)


def test_ordinal_cuts__begin_with_equal_chances(with_columns: Callable[..., Any]) -> None:
    target, _ = target_of(GRADE, np.array(GRADE.classes, dtype=object), with_columns)
    probabilities = target.predicted(target.raw(target.first_cuts(), torch.zeros(2, 1, dtype=torch.float64)))
    np.testing.assert_allclose(probabilities, 0.25, rtol=1e-5)


def test_ordinal_losses__of_certain_samples_are_finite(with_columns: Callable[..., Any]) -> None:
    target, genotypes = target_of(GRADE, np.array(GRADE.classes, dtype=object), with_columns)
    raw = target.raw(target.first_cuts(), torch.tensor([[500.0], [-500.0], [500.0], [-500.0]], dtype=torch.float64)).requires_grad_()
    loss = target.losses(raw, torch.from_numpy(target.numbers(genotypes))).sum()
    loss.backward()
    assert torch.isfinite(loss)
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()


def test_class_losses__are_the_log_loss_with_balanced_weights(with_columns: Callable[..., Any]) -> None:
    labels = np.array(["black"] * 7 + ["red"] * 2 + ["white"], dtype=object)
    target, genotypes = target_of(COAT, labels, with_columns)
    raw = torch.from_numpy(np.random.default_rng(1).normal(size=(10, 3)))
    numbers = target.numbers(genotypes)
    weights = target.weights(numbers)
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", labels))
    ours = float((torch.from_numpy(weights) * target.losses(raw, torch.from_numpy(numbers))).mean())
    assert ours == pytest.approx(log_loss(labels, target.predicted(raw), sample_weight=weights))


def test_target__gives_a_class_that_training_lacks_no_chance(with_columns: Callable[..., Any]) -> None:
    target, _ = target_of(COAT, np.array(["white", "black", "white"], dtype=object), with_columns)
    assert target.predicted(torch.zeros(1, 2, dtype=torch.float64)).tolist() == [[0.5, 0.0, 0.5]]
