"""Manifolds and adversarial accuracy: closed forms, controls and what must hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench import MISSING, Comparison, Genotypes, PackedCalls
from genobench.builtin.fidelity.manifold import AdversarialAccuracy, PrecisionRecall
from genobench.builtin.fidelity.neighbourhoods import TwoSets, neighbour_requests, proportional_groups
from genobench.testing import answer_requests, example_comparison

COMPARISON = example_comparison(missing_share=0.02)


def _scores(metric, comparison: Comparison, seed: int = 1) -> dict[str, Any]:
    answered = answer_requests(comparison, metric.needs(comparison.trait))
    return {score.name: score for score in metric.score(answered, seed=seed)}


def _with_calls(genotypes: Genotypes, calls: np.ndarray) -> Genotypes:
    return replace(genotypes, calls=PackedCalls.from_calls(calls.astype(np.int8)))


def _with_synthetic(calls: np.ndarray, comparison: Comparison = COMPARISON) -> Comparison:
    return replace(comparison, synthetic=_with_calls(comparison.synthetic, calls))


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
    assert "k is 48, but the smaller set has 48 samples" in score.reason


def test_precision_recall__gives_no_noise_where_a_group_less_leaves_too_few():
    score = _scores(PrecisionRecall(k=47), COMPARISON)["precision"]
    assert (score.value, score.standard_error, score.interval) == (1, None, None)


@pytest.mark.parametrize("value", [0, 1])
def test_share__that_no_group_moves_has_wilsons_interval(value):
    """Wilson 1927: for 0 of n the upper bound is z^2 / (n + z^2). A jackknife would claim to be certain."""
    far = COMPARISON.synthetic.to_array() if value else np.tile([0, 2], (48, 30))
    score = _scores(PrecisionRecall(k=20), _with_synthetic(far))["precision"]
    bound = 1.959964**2 / (48 + 1.959964**2)
    assert score.value == value
    assert score.interval == pytest.approx((1 - bound, 1) if value else (0, bound))


def test_density_and_coverage__see_a_generator_that_makes_one_sample_over_and_over():
    """The copies lie in the balls that the one lies in, so few balls hold all of them."""
    one = np.repeat(COMPARISON.holdout.to_array()[:1].clip(min=0), 48, axis=0)
    scores = _scores(PrecisionRecall(), _with_synthetic(one))
    assert scores["precision"].value == 1
    assert scores["coverage"].value < 0.5
    assert scores["density"].value == pytest.approx(scores["coverage"].value * 48 / 10)


def test_density_and_coverage__of_the_holdout_itself():
    """Each sample lies in its own ball and in those of its k nearest: Naeem et al. 2020, equations 3 and 4."""
    comparison = example_comparison()
    scores = _scores(PrecisionRecall(k=5), replace(comparison, synthetic=comparison.holdout))
    assert scores["coverage"].value == 1
    assert scores["density"].value >= 6 / 5


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
    # No group moves the mean, which does not make it certain.
    assert (scores["aats"].standard_error, scores["aats"].interval) == (None, None)


@pytest.mark.parametrize("metric", [PrecisionRecall(k=1), AdversarialAccuracy()])
def test_manifold_scores__say_when_sets_are_too_small(metric):
    tiny = replace(COMPARISON, synthetic=COMPARISON.synthetic.take_samples(np.arange(1)))
    assert all(np.isnan(score.value) and score.reason for score in _scores(metric, tiny).values())


@pytest.mark.parametrize("metric", [PrecisionRecall(), AdversarialAccuracy()])
def test_fidelity__does_not_mind_which_allele_is_alt(metric):
    def swapped(genotypes):
        calls = genotypes.to_array()
        return _with_calls(genotypes, np.where(calls == MISSING, MISSING, 2 - calls))

    comparison = example_comparison()
    other = replace(comparison, **{part: swapped(getattr(comparison, part)) for part in ("train", "holdout", "nonmembers", "synthetic")})
    first, second = _scores(metric, comparison), _scores(metric, other)
    for name, score in first.items():
        assert second[name].value == pytest.approx(score.value)


def test_adversarial_accuracy__compares_equal_numbers():
    """With 12 synthetic samples of the holdout's own population the halves stay near each other; among 48 they could not."""
    rng = np.random.default_rng(4)
    few = example_comparison(n_synthetic=12)
    comparison = replace(
        few,
        synthetic=_with_calls(few.synthetic, rng.binomial(2, 0.4, size=(12, 60))),
        holdout=_with_calls(few.holdout, rng.binomial(2, 0.4, size=(48, 60))),
    )
    requests = neighbour_requests("holdout", "manhattan")
    sets = TwoSets.of(answer_requests(comparison, requests), "holdout", "manhattan", seed=1).of_equal_size(seed=1)
    assert [matrix.shape for matrix in sets.distances] == [(12, 12)] * 3
    assert len(sets.reference_groups) == len(sets.synthetic_groups) == 12
    scores = _scores(AdversarialAccuracy(), comparison)
    # Halves of 12 samples: each within four binomial errors of a half.
    assert abs(scores["aats_real"].value - 0.5) < 4 * np.sqrt(0.25 / 12)
    assert abs(scores["aats_synthetic"].value - 0.5) < 4 * np.sqrt(0.25 / 12)


def test_standard_errors__leave_out_relatives_together_whatever_says_who_they_are():
    """A holdout of eight litters, known from the split alone: the trait names no family, as where kinship grouped the samples."""
    comparison = example_comparison()
    litters = np.arange(48) // 6
    comparison = replace(comparison, trait=replace(comparison.trait, family=None), groups={"holdout": litters})
    requests = neighbour_requests("holdout", "manhattan")
    sets = TwoSets.of(answer_requests(comparison, requests), "holdout", "manhattan", seed=1)
    assert len(set(zip(sets.reference_groups, litters, strict=True))) == 8
    assert np.bincount(sets.synthetic_groups).tolist() == np.bincount(sets.reference_groups).tolist() == [6] * 8


@pytest.mark.parametrize("n_samples", [40, 100, 250])
def test_proportional_groups__take_the_same_share_of_both_sets(n_samples):
    groups = np.repeat(np.arange(4), [10, 20, 30, 40])
    drawn = np.bincount(proportional_groups(groups, n_samples, seed=1), minlength=4)
    assert drawn.tolist() == (np.array([10, 20, 30, 40]) * n_samples // 100).tolist()


def test_standard_error__is_that_of_leaving_out_each_group_of_both_sets():
    """Busing et al. 1999, equation 5, over estimates made anew without each group; statistics of 12 groups of 4 and 4 samples."""
    comparison = example_comparison()
    groups = np.arange(48) // 4
    comparison = replace(comparison, groups={"holdout": groups})
    score = _scores(AdversarialAccuracy(), comparison)["aats_real"]
    requests = neighbour_requests("holdout", "manhattan")
    answered = answer_requests(comparison, requests)
    sets = TwoSets.of(answered, "holdout", "manhattan", seed=1)
    deleted = []
    for group in range(12):
        kept = replace(
            comparison,
            holdout=comparison.holdout.take_samples(np.flatnonzero(sets.reference_groups != group)),
            synthetic=comparison.synthetic.take_samples(np.flatnonzero(sets.synthetic_groups != group)),
            groups={},
        )
        deleted.append(_scores(AdversarialAccuracy(), kept)["aats_real"].value)
    assert score.standard_error == pytest.approx(np.sqrt(11 / 12 * np.sum((np.array(deleted) - np.mean(deleted)) ** 2)))


def test_intervals__hold_what_further_draws_give_on_average():
    """Twenty-five pairs of draws of 60 unrelated samples; 95 % intervals that err on the wide side, so at most five may miss (p < .01)."""
    rng = np.random.default_rng(5)
    frequencies = rng.uniform(0.1, 0.9, 60)
    template = example_comparison(n_synthetic=60)
    template = replace(template, holdout=template.synthetic)
    found: dict[str, list[Any]] = {}
    for _ in range(25):
        holdout, synthetic = (rng.binomial(2, p, size=(60, 60)) for p in (frequencies, 0.9 * frequencies + 0.05))
        drawn = replace(template, holdout=_with_calls(template.holdout, holdout), synthetic=_with_calls(template.synthetic, synthetic))
        for metric in (PrecisionRecall(k=5), AdversarialAccuracy()):
            for name, score in _scores(metric, drawn).items():
                found.setdefault(name, []).append((score.value, *score.interval))
    assert len(found) == 8
    for name, rows in found.items():
        values, low, high = np.array(rows).T
        missed = int(((values.mean() < low) | (high < values.mean())).sum())
        assert missed <= 5, f"{name}: {missed} of 25 intervals miss {values.mean()}"
