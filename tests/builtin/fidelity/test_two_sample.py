"""The classifier two-sample test: against scikit-learn, where nothing can be told, and on controls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from genobench import MISSING, Comparison, Components, FitContext, PackedCalls
from genobench.builtin.controls import Independent
from genobench.builtin.fidelity.two_sample import TwoSampleTest, _neighbour_agreement, held_out_pairs
from genobench.testing import EXAMPLE_TRAITS, answer_requests, example_genotypes

TRAIT = EXAMPLE_TRAITS["quantitative"]
_ALL = example_genotypes(n_samples=900, n_variants=200, seed=3)
_PARTS = [_ALL.take_samples(np.arange(start, start + 300)) for start in (0, 300, 600)]
REAL = Comparison(trait=TRAIT, train=_PARTS[0], holdout=_PARTS[1], nonmembers=_PARTS[0], synthetic=_PARTS[2])


def _score(comparison: Comparison, **settings: Any) -> Any:
    metric = TwoSampleTest(**settings)
    (score,) = metric.score(answer_requests(comparison, metric.needs(TRAIT)), seed=1)
    return score


def test_held_out_pairs__are_those_of_scikit_learn_when_asked_for_single_folds():
    """The AUC within a fold, of Fisher's direction by lstsq on the labels: the two directions agree but for length."""
    rng = np.random.default_rng(1)
    described = np.vstack([rng.normal(size=(300, 4)), rng.normal(0.5, 1.0, size=(250, 4))])
    label, folds = np.arange(550) >= 300, rng.integers(5, size=550)
    won, n_pairs = held_out_pairs(described, label, folds)
    for fold in range(5):
        inside = folds == fold
        design = np.column_stack([np.ones(np.count_nonzero(~inside)), described[~inside]])
        direction = np.linalg.lstsq(design, label[~inside].astype(float), rcond=None)[0][1:]
        assert won[fold] / n_pairs[fold] == pytest.approx(roc_auc_score(label[inside], described[inside] @ direction), abs=0.01)


def test_held_out_pairs__reach_the_best_that_can_be():
    """Two normals a distance d apart: an AUC of Phi(d / sqrt 2), within four standard errors of 1,000 against 1,000."""
    rng = np.random.default_rng(2)
    described = rng.normal(size=(2000, 6))
    label = np.arange(2000) >= 1000
    described[label, 0] += 1.0
    won, n_pairs = held_out_pairs(described, label, rng.integers(20, size=2000))
    assert abs(won.sum() / n_pairs.sum() - 0.7602) < 4 * 0.0106


def test_two_sample__is_a_half_where_nothing_can_be_told():
    """Independent draws on both sides, no families: the mean over ten seeds within four standard errors of 0.5, and these hold."""
    rng, values, errors = np.random.default_rng(3), [], []
    for _ in range(10):
        calls = PackedCalls.from_calls(rng.binomial(2, 0.3, size=(900, 200)).astype(np.int8))
        shuffled = replace(_ALL, calls=calls)
        parts = [shuffled.take_samples(np.arange(start, start + 300)) for start in (0, 300, 600)]
        score = _score(replace(REAL, train=parts[0], holdout=parts[1], synthetic=parts[2]))
        values.append(score.value)
        errors.append(score.standard_error)
    assert abs(np.mean(values) - 0.5) < 4 * np.mean(errors) / np.sqrt(10)
    assert np.std(values, ddof=1) == pytest.approx(np.mean(errors), rel=0.75)


def test_two_sample__sees_samples_without_linkage(tmp_path):
    """Real ones from other families score below 0.7, independent draws from train's frequencies above 0.9."""
    context = FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)
    synthetic = Independent().fit(REAL.train, context).generate(300, seed=1)
    real, independent = _score(REAL), _score(replace(REAL, synthetic=synthetic))
    assert real.value < 0.7
    assert independent.value > 0.9
    assert independent.value - 4 * independent.standard_error > real.value


def test_two_sample__says_how_sure_it_is_of_full_separation():
    """All calls homozygous on one side."""
    calls = REAL.synthetic.to_array() // 2 * 2
    score = _score(replace(REAL, synthetic=replace(REAL.synthetic, calls=PackedCalls.from_calls(calls))))
    assert score.value == 1
    assert 0.97 < score.interval[0] < score.interval[1] == 1


def test_neighbour_agreement__counts_pairs_on_a_chromosome_with_both_calls():
    calls = PackedCalls.from_calls(np.array([[1, 1, 0, 2, MISSING, 0], [0, 1, 1, 0, 0, 2]], dtype=np.int8))
    chromosomes = np.array(["1", "1", "1", "2", "2", "2"], dtype=object)
    np.testing.assert_allclose(_neighbour_agreement(calls, chromosomes)[1], 3 / 4)
    np.testing.assert_allclose(_neighbour_agreement(calls, chromosomes)[0], 1 / 2)
    assert np.isnan(_neighbour_agreement(calls, np.arange(6).astype(object))).all()


def test_two_sample__says_when_samples_are_too_few():
    few = replace(REAL, synthetic=REAL.synthetic.take_samples(np.arange(9)))
    assert _score(few).reason == "The test needs 10 holdout and 10 synthetic samples; there are 300 and 9."


def test_two_sample__asks_for_as_many_components_as_it_is_told():
    assert TwoSampleTest(n_components=3).needs(TRAIT) == (Components(3),)
