"""The nearest-distance membership attack on generators whose leak is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench import Comparison, FitContext, PackedCalls, Pairwise
from genobench.builtin.controls import Copy, Independent, Leaky
from genobench.builtin.privacy.copies import Copies
from genobench.builtin.privacy.nearest import MembershipDistance
from genobench.testing import EXAMPLE_TRAITS, answer_requests, example_genotypes

TRAIT = EXAMPLE_TRAITS["quantitative"]
ALL = example_genotypes(n_samples=800, n_variants=150, seed=4)
IS_MEMBER = np.random.default_rng(4).random(800) < 0.5
TRAIN, NONMEMBERS = ALL.take_samples(np.flatnonzero(IS_MEMBER)), ALL.take_samples(np.flatnonzero(~IS_MEMBER))


@pytest.fixture
def context(tmp_path) -> FitContext:
    return FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)


def _scores(synthetic, *, nonmembers=NONMEMBERS) -> dict[str, Any]:
    comparison = Comparison(trait=TRAIT, train=TRAIN, holdout=NONMEMBERS, nonmembers=nonmembers, synthetic=synthetic)
    metrics = (MembershipDistance(), Copies())
    given = [score for metric in metrics for score in metric.score(answer_requests(comparison, metric.needs(TRAIT)), seed=1)]
    return {score.name: score for score in given}


def test_membership__is_a_half_where_nothing_leaks(context):
    """Independent draws from 400 samples' frequencies: the interval holds 0.5, and no synthetic sample is a copy."""
    scores = _scores(Independent().fit(TRAIN, context).generate(400, seed=1))
    low, high = scores["membership_auc"].interval
    assert low < 0.5 < high < 0.6
    assert scores["copied_share"].value == 0


def test_membership__is_one_for_copies_and_says_how_sure(context):
    scores = _scores(Copy().fit(TRAIN, context).generate(TRAIN.n_samples, seed=1))
    auc = scores["membership_auc"]
    assert auc.value == 1
    assert 0.98 < auc.interval[0] < auc.interval[1] <= 1
    assert scores["membership_tpr_at_10pct_fpr"].value == 1
    assert scores["copied_share"].value == 1


def test_membership__rises_with_the_share_of_copies(context):
    """The means over ten seeds rise; a share s of copies lifts the AUC by about s / 2 at as many synthetic as training samples."""
    means = []
    for share in (0.01, 0.05, 0.10):
        sampler = Leaky(share=share).fit(TRAIN, context)
        scores = [_scores(sampler.generate(TRAIN.n_samples, seed=seed)) for seed in range(10)]
        means.append(np.mean([score["membership_auc"].value for score in scores]))
        assert scores[0]["copied_share"].value == pytest.approx(share, abs=1 / TRAIN.n_samples)
    assert means[0] < means[1] < means[2]
    assert means[2] - means[0] == pytest.approx(0.045, abs=0.02)


def test_true_positive_rate__sees_a_leak_of_five_per_cent(context):
    scores = _scores(Leaky(share=0.05).fit(TRAIN, context).generate(TRAIN.n_samples, seed=1))
    assert scores["membership_tpr_at_10pct_fpr"].value > 0.1


def test_true_positive_rates__need_enough_nonmembers(context):
    synthetic = Copy().fit(TRAIN, context).generate(50, seed=1)
    many, few = _scores(synthetic), _scores(synthetic, nonmembers=NONMEMBERS.take_samples(np.arange(99)))
    assert "needs 1,000 nonmembers; there are" in many["membership_tpr_at_1pct_fpr"].reason
    assert "The next that has enough is 10 %." in many["membership_tpr_at_0_1pct_fpr"].reason
    assert np.isfinite(many["membership_tpr_at_10pct_fpr"].value)
    assert few["membership_tpr_at_10pct_fpr"].reason == "A false-positive rate of 10 % needs 100 nonmembers; there are 99."
    assert few["near_copied_share"].reason == "To say what is near takes 100 nonmembers; there are 99."


@pytest.mark.parametrize("n_nonmembers", [0, 1])
def test_membership__says_when_there_are_too_few_nonmembers(n_nonmembers):
    metric = MembershipDistance()
    nonmembers, synthetic = NONMEMBERS.take_samples(np.arange(n_nonmembers)), TRAIN.take_samples(np.arange(5))
    shapes = ((TRAIN.n_samples, 5), (n_nonmembers, 5), (n_nonmembers, TRAIN.n_samples))
    distances = [np.zeros(shape, dtype=np.int32) for shape in shapes]
    results: dict[Any, Any] = dict(zip(metric.needs(TRAIT), distances, strict=True))
    comparison = Comparison(TRAIT, train=TRAIN, holdout=NONMEMBERS, nonmembers=nonmembers, synthetic=synthetic, results=results)
    scores = {score.name: score for score in metric.score(comparison, seed=1)}
    assert f"two members and two nonmembers; there are {TRAIN.n_samples} and {n_nonmembers}." in str(scores["membership_auc"].reason)


def test_membership__says_when_there_is_no_synthetic_sample():
    empty = ALL.take_samples(np.arange(0))
    comparison = Comparison(TRAIT, train=TRAIN, holdout=NONMEMBERS, nonmembers=NONMEMBERS, synthetic=empty)
    assert all(score.reason == "There is no synthetic sample." for score in MembershipDistance().score(comparison, seed=1))


def test_membership__is_not_moved_by_missing_calls_of_one_in_a_hundred(context):
    """Imputed from train on both sides; copies are completed the same way, so they stay copies."""
    gaps = example_genotypes(n_samples=800, n_variants=150, missing_share=0.01, seed=4).take_samples(np.flatnonzero(IS_MEMBER))
    comparison = Comparison(
        trait=TRAIT, train=gaps, holdout=NONMEMBERS, nonmembers=NONMEMBERS, synthetic=Copy().fit(gaps, context).generate(400, seed=1)
    )
    (copied,) = Copies().score(answer_requests(comparison, Copies().needs(TRAIT)), seed=1)
    assert copied.value == 1
    other = MembershipDistance(distance="squared-euclidean")
    answered = answer_requests(comparison, other.needs(TRAIT))
    assert next(score.value for score in other.score(answered, seed=1) if score.name == "membership_auc") > 0.99


def test_near_copies__are_one_in_a_hundred_among_unseen_samples():
    """Nonmembers and stand-ins dealt at random from one population, 40 times: (floor(n / 100) + 1) / (n + 1) of the stand-ins, n = 150."""
    metric, shares = MembershipDistance(), []
    within = answer_requests(Comparison(TRAIT, ALL, ALL, ALL, ALL), metric.needs(TRAIT)).results[Pairwise("train", "synthetic")]
    for seed in range(40):
        dealt = np.random.default_rng(seed).permutation(ALL.n_samples)
        train, nonmembers, stand_ins = np.split(dealt, [500, 650])
        parts: Any = [ALL.take_samples(rows) for rows in (train, nonmembers, nonmembers, stand_ins)]
        pairs = ((train, stand_ins), (nonmembers, stand_ins), (nonmembers, train))
        results: Any = {request: within[np.ix_(*rows)] for request, rows in zip(metric.needs(TRAIT), pairs, strict=True)}
        scores = metric.score(Comparison(TRAIT, parts[0], parts[1], parts[2], parts[3], results=results), seed=1)
        shares.append(next(score.value for score in scores if score.name == "near_copied_share"))
    # Ties at the threshold do not count as nearer, so whole numbers stay somewhat below.
    assert 0.4 * 2 / 151 < np.mean(shares) < 2 / 151 + 4 * np.std(shares) / np.sqrt(40)


def test_near_copies__are_training_samples_with_some_calls_changed():
    """Three calls in a hundred drawn anew: no copies, but nearer than any relative."""
    calls = TRAIN.to_array()
    rng = np.random.default_rng(7)
    calls = np.where(rng.random(calls.shape) < 0.03, rng.integers(0, 3, calls.shape), calls).astype(np.int8)
    scores = _scores(replace(TRAIN, calls=PackedCalls.from_calls(calls)))
    assert scores["near_copied_share"].value > 0.9
    assert scores["copied_share"].value < 0.2
    assert scores["membership_auc"].value > 0.99
