"""Inference of hidden variants and of traits: copies give them away, samples that nobody trained on do not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from genobench import MISSING, Comparison, PackedCalls
from genobench.builtin.privacy.attributes import HiddenVariantInference, TraitClassInference, TraitValueInference, _nearest_places
from genobench.testing import EXAMPLE_TRAITS, answer_requests, example_genotypes

if TYPE_CHECKING:
    from genobench import Metric

ALL = example_genotypes(n_samples=900, n_variants=150, seed=6)
_OWNER = np.random.default_rng(6).integers(3, size=900)
TRAIN, NONMEMBERS, FRESH = (ALL.take_samples(np.flatnonzero(part == _OWNER)) for part in range(3))
CASES: list[tuple[Metric, Any]] = [
    (HiddenVariantInference(), EXAMPLE_TRAITS["quantitative"]),
    (TraitValueInference(), EXAMPLE_TRAITS["quantitative"]),
    (TraitClassInference(), EXAMPLE_TRAITS["ordinal"]),
]


def _score(metric: Metric, trait: Any, synthetic: Any, **parts: Any) -> Any:
    comparison = Comparison(trait, train=TRAIN, holdout=NONMEMBERS, nonmembers=NONMEMBERS, synthetic=synthetic)
    comparison = replace(comparison, **parts)
    (score,) = metric.score(answer_requests(comparison, metric.needs(trait)), seed=1)
    return score


@pytest.mark.parametrize(("metric", "trait"), CASES)
def test_inference__learns_nothing_from_samples_that_nobody_trained_on(metric, trait):
    score = _score(metric, trait, FRESH)
    assert abs(score.value) < 4 * score.standard_error


def test_hidden_variants__of_copies_are_all_right_so_that_the_rest_is_the_control():
    """Members: every call. Nonmembers: what the nearest training sample has, worked out here by hand."""
    shown = np.arange(150) % 10 != 9
    train, others = TRAIN.to_array(), NONMEMBERS.to_array()
    distances = np.abs(others[:, None, shown].astype(int) - train[None, :, shown]).sum(axis=2)
    is_tied = (distances == distances.min(axis=1, keepdims=True)).sum(axis=1) > 1
    right = (others[:, ~shown] == train[distances.argmin(axis=1)][:, ~shown]).mean(axis=1)
    score = _score(*CASES[0], TRAIN)
    assert abs(score.value - (1 - right.mean())) <= is_tied.mean()
    assert score.value > 20 * score.standard_error


@pytest.mark.parametrize(("metric", "trait"), CASES[1:])
def test_traits__of_copies_are_known(metric, trait):
    """Copies carry the trait: a correlation or a share of 1, less what relatives tell of nonmembers."""
    score = _score(metric, trait, TRAIN)
    assert 0.3 < score.value <= 1.2
    assert score.value > 5 * score.standard_error


@pytest.mark.parametrize(("metric", "trait"), CASES)
def test_inference__does_not_depend_on_the_order_even_where_samples_are_equally_near(metric, trait):
    """Few variants, so that nearly every target has several nearest samples."""
    few = {part: genotypes.take_variants(np.arange(12)) for part, genotypes in (("train", TRAIN), ("nonmembers", NONMEMBERS))}
    synthetic = FRESH.take_variants(np.arange(12))
    order = np.random.default_rng(2).permutation(synthetic.n_samples)
    scores = [_score(metric, trait, drawn, holdout=few["nonmembers"], **few) for drawn in (synthetic, synthetic.take_samples(order))]
    assert scores[0].value == scores[1].value


def test_nearest_places__of_equal_distances_take_the_least_rank():
    distances = np.array([[3, 1, 1], [2, 2, 2], [0, 1, 2]])
    np.testing.assert_array_equal(_nearest_places(distances, np.array([1, 2, 0])), [2, 2, 0])


def test_hidden_variants__that_are_missing_do_not_count():
    calls = TRAIN.to_array().copy()
    calls[::2, 9::10] = MISSING
    gaps = replace(TRAIN, calls=PackedCalls.from_calls(calls))
    assert _score(*CASES[0], TRAIN, train=gaps).value > 0.2
    calls[:, 9::10] = MISSING
    score = _score(*CASES[0], TRAIN, train=replace(TRAIN, calls=PackedCalls.from_calls(calls)))
    assert score.reason == "No target has a hidden variant with a call."


@pytest.mark.parametrize(("metric", "trait"), CASES[1:])
def test_traits__say_when_synthetic_samples_carry_none(metric, trait):
    bare = TRAIN.with_samples(TRAIN.samples[["id"]])
    assert _score(metric, trait, bare).reason == f"The synthetic samples carry no '{trait.column}'."


def test_traits__say_when_nothing_is_known():
    unknown = TRAIN.with_samples(TRAIN.samples.assign(weight=np.nan, grade=None))
    assert "Too few values of 'weight' are known" in _score(*CASES[1], unknown).reason
    assert "The class 'grade' is known of no member" in _score(*CASES[2], unknown).reason


def test_inference__says_when_there_is_nothing_to_infer():
    empty = TRAIN.take_samples(np.arange(0))
    assert all(metric.score(Comparison(trait, TRAIN, FRESH, NONMEMBERS, empty), seed=1)[0].reason for metric, trait in CASES)
    narrow: dict[str, Any] = {
        part: genotypes.take_variants(np.arange(9)) for part, genotypes in (("train", TRAIN), ("nonmembers", NONMEMBERS))
    }
    score = _score(*CASES[0], FRESH.take_variants(np.arange(9)), **narrow)
    assert score.reason == "9 variants are too few to hide every tenth of them."
