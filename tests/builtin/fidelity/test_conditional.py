"""Conditional fidelity: a trait that goes with the genotypes as in real samples scores 0, a shuffled one loses what there is to lose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from genobench import Comparison, Genotypes, PackedCalls
from genobench.answers import Answers
from genobench.builtin.fidelity.conditional import ConditionalClasses, ConditionalValues
from genobench.registry import load_registry
from genobench.testing import EXAMPLE_TRAITS, example_genotypes

REGISTRY = load_registry()
_ALL = example_genotypes(n_samples=1200, n_variants=80, seed=7)
_PARTS = [_ALL.take_samples(np.arange(start, start + 400)) for start in (0, 400, 800)]
VALUES = Comparison(EXAMPLE_TRAITS["quantitative"], train=_PARTS[0], holdout=_PARTS[1], nonmembers=_PARTS[0], synthetic=_PARTS[2])
CLASSES = replace(VALUES, trait=EXAMPLE_TRAITS["ordinal"])
CASES: list[tuple[Any, Comparison]] = [(ConditionalValues(), VALUES), (ConditionalClasses(), CLASSES)]


def _score(metric: Any, comparison: Comparison) -> Any:
    answers = Answers(REGISTRY, comparison.train)
    results = {request: answers.answer(request, comparison) for request in metric.needs(comparison.trait)}
    (score,) = metric.score(replace(comparison, results=results), seed=1)
    return score


def _with(genotypes: Genotypes, **columns: Any) -> Genotypes:
    return genotypes.with_samples(genotypes.samples.assign(**columns))


def _shuffled(genotypes: Genotypes, column: str) -> Genotypes:
    return _with(genotypes, **{column: np.random.default_rng(1).permutation(genotypes.samples[column].to_numpy())})


@pytest.mark.parametrize(("metric", "comparison"), CASES)
def test_conditional__of_fresh_real_samples_is_about_zero(metric, comparison):
    score = _score(metric, comparison)
    assert abs(score.value) < 4 * score.standard_error
    assert score.standard_error < 0.1


def test_conditional_values__of_a_shuffled_trait_lose_the_whole_correlation():
    """What real samples have is worked out here with the same predictor and scipy; a shuffled trait has 0 within 4 / sqrt(n)."""
    metric = ConditionalValues()
    request = metric.needs(VALUES.trait)[1]
    prediction = Answers(REGISTRY, VALUES.train).answer(request, VALUES)
    expected = -pearsonr(prediction.truth, prediction.predicted).statistic
    score = _score(metric, replace(VALUES, synthetic=_shuffled(VALUES.synthetic, "weight")))
    assert expected < -0.3
    assert abs(score.value - expected) < 4 / np.sqrt(400)


def test_conditional_classes__of_a_shuffled_trait_lose_the_whole_auc():
    """What real samples have by scikit-learn, one class against the rest; a shuffled trait has 0.5."""
    metric = ConditionalClasses()
    prediction = Answers(REGISTRY, CLASSES.train).answer(metric.needs(CLASSES.trait)[1], CLASSES)
    columns = enumerate(prediction.classes)
    aucs = [roc_auc_score(prediction.truth == label, prediction.predicted[:, column]) for column, label in columns]
    score = _score(metric, replace(CLASSES, synthetic=_shuffled(CLASSES.synthetic, "grade")))
    expected = 0.5 - np.mean(aucs)
    assert expected < -0.1
    assert abs(score.value - expected) < 4 * score.standard_error


@pytest.mark.parametrize(("metric", "comparison"), CASES)
def test_conditional__takes_no_population_for_genotypes(metric, comparison):
    """Two populations, one with no ALT allele at a quarter of the variants and a higher trait; synthetic traits say the population alone.

    Across populations such a trait seems to go with the genotypes; within them it has lost all there was.
    """
    column = comparison.trait.column

    def mixed(genotypes: Genotypes, *, is_shuffled: bool) -> Genotypes:
        is_first = np.arange(genotypes.n_samples) % 2 == 0
        calls = genotypes.to_array().copy()
        calls[np.ix_(is_first, np.arange(0, 80, 4))] = 0
        trait = genotypes.samples[column].to_numpy(dtype=object).copy()
        for side in (is_first, ~is_first) if is_shuffled else ():
            trait[side] = np.random.default_rng(2).permutation(trait[side])
        is_raised = is_first if column == "weight" else is_first & (trait == "low")
        trait[is_raised] = trait[is_raised] + 60.0 if column == "weight" else "high"
        mixed_calls = replace(genotypes, calls=PackedCalls.from_calls(calls))
        return _with(mixed_calls, **{column: trait}, vendor=np.where(is_first, "A", "B"))

    parts: Any = {part: mixed(comparison.part(part), is_shuffled=False) for part in ("train", "holdout")}
    fooled = replace(comparison, **parts, synthetic=mixed(comparison.synthetic, is_shuffled=True))
    within, across = _score(metric, fooled), _score(replace(metric, population_columns=()), fooled)
    assert within.value < -2 * within.standard_error
    assert within.value < across.value - 0.02


@pytest.mark.parametrize(("metric", "comparison"), CASES)
def test_conditional__says_when_synthetic_samples_carry_no_trait(metric, comparison):
    bare = comparison.synthetic.with_samples(comparison.synthetic.samples[["id"]])
    assert f"carry no '{comparison.trait.column}'" in _score(metric, replace(comparison, synthetic=bare)).reason


@pytest.mark.parametrize(("metric", "comparison", "value"), [(*CASES[0], 1.0), (*CASES[1], "low")])
def test_conditional__says_when_the_trait_does_not_vary(metric, comparison, value):
    alike = _with(comparison.synthetic, **{comparison.trait.column: value})
    assert "must vary within a population of at least 10 samples" in _score(metric, replace(comparison, synthetic=alike)).reason


@pytest.mark.parametrize(("metric", "comparison"), CASES)
def test_conditional__passes_over_samples_whose_trait_is_unknown(metric, comparison):
    column = comparison.trait.column
    unknown = comparison.synthetic.samples[column].to_numpy(dtype=object).copy()
    unknown[::10] = None
    score = _score(metric, replace(comparison, synthetic=_with(comparison.synthetic, **{column: unknown})))
    kept = comparison.synthetic.take_samples(np.flatnonzero(np.arange(400) % 10))
    assert score.value == pytest.approx(_score(metric, replace(comparison, synthetic=kept)).value)
