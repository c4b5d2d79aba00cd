"""Allele frequencies, manifolds and adversarial accuracy: closed forms, controls and what must hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench import MISSING, Comparison, Genotypes, PackedCalls
from genobench.builtin.fidelity.frequencies import AlleleFrequency
from genobench.builtin.fidelity.manifold import AdversarialAccuracy, PrecisionRecall, _groups_of_both
from genobench.statgen import alt_frequency
from genobench.testing import answer_requests, example_comparison

COMPARISON = example_comparison(missing_share=0.02)


def _scores(metric, comparison: Comparison, seed: int = 1) -> dict[str, Any]:
    answered = answer_requests(comparison, metric.needs(comparison.trait))
    return {score.name: score for score in metric.score(answered, seed=seed)}


def _with_calls(genotypes: Genotypes, calls: np.ndarray) -> Genotypes:
    return replace(genotypes, calls=PackedCalls.from_calls(calls.astype(np.int8)))


def _with_synthetic(calls: np.ndarray, comparison: Comparison = COMPARISON) -> Comparison:
    return replace(comparison, synthetic=_with_calls(comparison.synthetic, calls))


def test_allele_frequency__is_the_mean_absolute_difference():
    score = _scores(AlleleFrequency(), COMPARISON)["allele_frequency_error"]
    synthetic, holdout = alt_frequency(COMPARISON.synthetic.to_array()), alt_frequency(COMPARISON.holdout.to_array())
    assert score.value == pytest.approx(np.abs(synthetic - holdout).mean())
    assert 0 < score.standard_error < score.value


def test_allele_frequency__of_the_holdout_itself_is_zero():
    score = _scores(AlleleFrequency(), replace(COMPARISON, synthetic=COMPARISON.holdout))["allele_frequency_error"]
    assert (score.value, score.standard_error) == (0, 0)


def test_allele_frequency__of_two_draws_is_what_sampling_gives():
    """Two draws of n = 48 at p: E|difference| = sqrt(2 / pi) sqrt(2 p (1 - p) / (2 n)), about normal; 60 variants, 4 standard errors."""
    rng = np.random.default_rng(1)
    comparison = example_comparison()
    draws = [rng.binomial(2, 0.4, size=(48, 60)).astype(np.int8) for _ in range(2)]
    comparison = replace(
        comparison,
        synthetic=_with_calls(comparison.synthetic, draws[0]),
        holdout=_with_calls(comparison.holdout, draws[1]),
    )
    spread = np.sqrt(2 * 0.24 / 96)
    expected, error = spread * np.sqrt(2 / np.pi), spread * np.sqrt((1 - 2 / np.pi) / 60)
    score = _scores(AlleleFrequency(), comparison)["allele_frequency_error"]
    assert abs(score.value - expected) < 4 * error
    assert score.standard_error == pytest.approx(error, rel=0.6)


def test_allele_frequency__passes_over_variants_without_calls_and_says_when_none_is_left():
    calls = COMPARISON.holdout.to_array().copy()
    calls[:, :30] = MISSING
    half = _scores(AlleleFrequency(), replace(COMPARISON, holdout=_with_calls(COMPARISON.holdout, calls)))
    assert np.isfinite(half["allele_frequency_error"].value)
    calls[:] = MISSING
    none = _scores(AlleleFrequency(), replace(COMPARISON, holdout=_with_calls(COMPARISON.holdout, calls)))["allele_frequency_error"]
    assert np.isnan(none.value)
    assert "No variant has a call in both" in none.reason


def test_precision_recall__falls_apart_for_samples_from_elsewhere():
    near = _scores(PrecisionRecall(), COMPARISON)
    far = _scores(PrecisionRecall(), _with_synthetic(2 - COMPARISON.synthetic.to_array() // 2 * 2))
    assert near["precision"].value > 0.9
    assert far["precision"].value < 0.5
    assert far["precision_recall_f1"].value < near["precision_recall_f1"].value


def test_precision_recall__sees_a_generator_that_makes_one_sample_over_and_over():
    """Precision cannot see a collapse; recall must."""
    one = np.repeat(COMPARISON.synthetic.to_array()[:1], 48, axis=0)
    scores = _scores(PrecisionRecall(), _with_synthetic(one))
    assert scores["recall"].value == 0
    assert scores["precision_recall_f1"].value == 0


def test_precision_recall__says_when_k_is_too_large():
    score = _scores(PrecisionRecall(k=48), COMPARISON)["precision"]
    assert np.isnan(score.value)
    assert "k is 48, but a set of 48 samples leaves only" in score.reason


def test_adversarial_accuracy__is_the_mean_of_its_halves():
    scores = _scores(AdversarialAccuracy(), COMPARISON)
    assert scores["aats"].value == pytest.approx((scores["aats_real"].value + scores["aats_synthetic"].value) / 2)


def test_adversarial_accuracy__is_near_a_half_without_families():
    """Unrelated samples on both sides; each half within four standard errors by its own jackknife."""
    rng = np.random.default_rng(2)
    comparison = example_comparison()
    draws = [rng.binomial(2, 0.4, size=(48, 60)).astype(np.int8) for _ in range(2)]
    comparison = replace(
        comparison,
        synthetic=_with_calls(comparison.synthetic, draws[0]),
        holdout=_with_calls(comparison.holdout, draws[1]),
    )
    for score in _scores(AdversarialAccuracy(), comparison).values():
        assert abs(score.value - 0.5) < 4 * score.standard_error


def test_adversarial_accuracy__of_copies_is_zero():
    """Each sample has its copy at distance zero, and no other sample so near."""
    scores = _scores(AdversarialAccuracy(), replace(COMPARISON, synthetic=COMPARISON.holdout))
    assert scores["aats"].value == 0


def test_adversarial_accuracy__can_cancel_which_is_why_nothing_is_primary():
    """A holdout of heterozygotes amid random homozygotes: each side has its nearest neighbour in the holdout, and the mean is perfect."""
    rng = np.random.default_rng(3)
    comparison = replace(
        _with_synthetic(2 * rng.integers(0, 2, size=(48, 60))),
        holdout=_with_calls(COMPARISON.holdout, np.ones((48, 60))),
    )
    scores = _scores(AdversarialAccuracy(distance="squared-euclidean"), comparison)
    assert [scores[name].value for name in ("aats_real", "aats_synthetic", "aats")] == [1.0, 0.0, 0.5]
    assert not any(spec.is_primary for spec in AdversarialAccuracy.scores)


@pytest.mark.parametrize("metric", [PrecisionRecall(k=1), AdversarialAccuracy()])
def test_manifold_scores__say_when_sets_are_too_small(metric):
    tiny = replace(COMPARISON, synthetic=COMPARISON.synthetic.take_samples(np.arange(2)))
    assert all(np.isnan(score.value) and score.reason for score in _scores(metric, tiny).values())


@pytest.mark.parametrize("metric", [AlleleFrequency(), PrecisionRecall(), AdversarialAccuracy()])
def test_fidelity__does_not_mind_which_allele_is_alt(metric):
    def swapped(genotypes):
        calls = genotypes.to_array()
        return _with_calls(genotypes, np.where(calls == MISSING, MISSING, 2 - calls))

    comparison = example_comparison()
    other = replace(comparison, **{part: swapped(getattr(comparison, part)) for part in ("train", "holdout", "nonmembers", "synthetic")})
    first, second = _scores(metric, comparison), _scores(metric, other)
    for name, score in first.items():
        assert second[name].value == pytest.approx(score.value)


def test_standard_errors__leave_out_relatives_together_whatever_says_who_they_are():
    """A holdout of eight litters, known from the split alone: the trait names no family, as where kinship grouped the samples."""
    comparison = example_comparison()
    litters = np.arange(48) // 6
    comparison = replace(comparison, trait=replace(comparison.trait, family=None), groups={"holdout": litters})
    left_out, synthetic = _groups_of_both(comparison, seed=1)
    assert len(set(zip(left_out, litters, strict=True))) == 8
    assert set(left_out) == set(synthetic) == set(range(8))
