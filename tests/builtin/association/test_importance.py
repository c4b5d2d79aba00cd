"""Important windows, against closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import hypergeom, spearmanr

from genobench import PackedCalls, Trait
from genobench.builtin.association.cohorts import paired_cohorts
from genobench.builtin.association.importance import VariantImportance, _importance, _overlap, _rank_correlation
from genobench.statgen import fit_gblup

VALUES = Trait("weight", "quantitative")
N_VARIANTS = 200
METRIC = VariantImportance(top_share=0.1)
"""Variants lie 6 Mb apart, so that each has a window of its own: 20 of 200 are named."""


@pytest.fixture(scope="session")
def scores_of(compared: Any) -> Any:
    """A function that gives the scores of holdout and synthetic samples by their names."""

    def made(holdout: Any, synthetic: Any, metric: VariantImportance = METRIC) -> dict[str, Any]:
        return {score.name: score for score in metric.score(compared(holdout, synthetic), seed=0)}

    return made


@pytest.fixture(scope="session")
def population(genotypes_with: Any) -> Any:
    """A function that makes samples with a trait: calls times effects, and normal noise."""

    def made(seed: int, prefix: str, effects: Any, n_samples: int = 300) -> Any:
        rng = np.random.default_rng(seed)
        calls = rng.binomial(2, 0.5, (n_samples, N_VARIANTS)).astype(np.int8)
        return genotypes_with(calls, prefix, weight=calls @ effects + rng.normal(size=n_samples))

    return made


def test_the_same_samples__name_the_same_windows(scores_of: Any, population: Any) -> None:
    holdout = population(1, "a", np.random.default_rng(0).normal(size=N_VARIANTS) / 10)
    found = scores_of(holdout, holdout)
    assert found["importance_overlap"].value == pytest.approx(1.0)
    assert found["importance_correlation"].value == pytest.approx(1.0)


def test_large_effects__are_named_from_both(scores_of: Any, population: Any) -> None:
    """Twenty variants explain a twenty-fifth of the trait each; with 2,000 samples an estimate is nine errors from 0."""
    effects = np.zeros(N_VARIANTS)
    effects[::10] = 0.63
    found = scores_of(population(2, "a", effects, 2_000), population(3, "s", effects, 2_000))
    assert found["importance_overlap"].value == 1.0
    assert 0 < found["importance_correlation"].value < 1


def test_a_trait_dealt_out_at_random__shares_what_chance_shares(scores_of: Any, population: Any) -> None:
    """Of variants of one frequency; the overlap of 20 with 20 of 200 is hypergeometric."""
    effects = np.random.default_rng(4).normal(size=N_VARIANTS) / 10
    overlaps, correlations, n_held = [], [], 0
    for deal in range(30):
        holdout = population(100 + deal, "a", effects, 120)
        weight = np.random.default_rng(deal).permutation(holdout.samples["weight"])
        found = scores_of(holdout, holdout.with_samples(holdout.samples.assign(weight=weight)))
        overlaps.append(found["importance_overlap"].value)
        correlations.append(found["importance_correlation"].value)
        low, high = found["importance_correlation"].interval
        n_held += low <= 0 <= high
    error = hypergeom(200, 20, 20).std() / 20 / 0.9 / np.sqrt(30)
    assert np.mean(overlaps) == pytest.approx(0.0, abs=4 * error)
    assert np.mean(correlations) == pytest.approx(0.0, abs=4 / np.sqrt(30 * (N_VARIANTS - 1)))
    assert n_held >= 24  # .001 quantile of a binomial count of 30 at .95


def test_overlap__is_kunchevas_index() -> None:
    """(r n - k^2) / (k (n - k)), with r of k windows shared out of n."""
    holdout, synthetic = np.arange(50.0), np.arange(50.0)
    synthetic[[48, 49]] = -1.0
    n, k, r = 50, 5, 3
    score = _overlap("importance_overlap", holdout, synthetic, k)
    assert score.value == pytest.approx((r * n - k**2) / (k * (n - k)))
    assert score.interval is not None
    assert score.interval[0] < score.value < score.interval[1]


def test_rank_correlation__is_spearmans() -> None:
    rng = np.random.default_rng(5)
    one, other = rng.normal(size=60), rng.integers(5, size=60).astype(float)
    score = _rank_correlation("importance_correlation", one, other, np.repeat(["1", "2", "3"], 20))
    assert score.value == pytest.approx(spearmanr(one, other).statistic)
    constant = _rank_correlation("importance_correlation", one, np.ones(60), np.repeat(["1", "2", "3"], 20))
    assert constant.reason == "All windows are of one importance in one of the two models."


def test_importance__of_one_window_is_the_variance_of_what_the_model_predicts_over_that_of_noise(
    genotypes_with: Any, compared: Any
) -> None:
    """Also with calls missing, which stand at the mean. Noise is had by dealing it out ten thousand times."""
    rng = np.random.default_rng(6)
    calls = rng.binomial(2, 0.4, (150, 10)).astype(np.int8)
    calls[:, 1:4] = calls[:, :1]  # Linked variants in the first window.
    calls[rng.random(calls.shape) < 0.1] = -1
    holdout = genotypes_with(calls, "a", weight=rng.normal(size=150) + np.maximum(calls[:, 0], 0))
    cohort, _ = paired_cohorts(compared(holdout, holdout), seed=0)
    model = fit_gblup(cohort.genotypes.calls, cohort.responses[0])
    windows = np.array([0] * 5 + [-1] * 3 + [1] * 2)
    centred = np.where(calls < 0, 0.0, calls - model.means)
    assert model.intercept + centred @ model.weights == pytest.approx(model.predict(cohort.genotypes.calls))
    expected, errors = [], []
    for window in (0, 1):
        columns = centred[:, windows == window]
        noise = (columns @ (columns.T @ rng.normal(size=(150, 10_000)))).var(axis=0)
        expected.append((columns @ model.weights[windows == window]).var() / noise.mean())
        errors.append(noise.std() / noise.mean() / 100)
    found = _importance(cohort, VALUES, windows)
    assert found[0] / found[1] == pytest.approx(expected[0] / expected[1], rel=4 * np.hypot(*errors))


@pytest.mark.parametrize(
    ("synthetic", "metric", "reason"),
    [
        ("alike", METRIC, "No model of 60 synthetic samples: GBLUP needs a variant that varies"),
        ("none", METRIC, "carry no 'weight'"),
        ("same", VariantImportance(window_bp=1e9), None),
    ],
)
def test_what_cannot_be_compared__gives_the_reason(
    synthetic: str, metric: VariantImportance, reason: str | None, scores_of: Any, population: Any
) -> None:
    holdout = population(7, "a", np.zeros(N_VARIANTS), 60)
    others = {
        "alike": replace(holdout, calls=PackedCalls.from_calls(np.ones((60, N_VARIANTS), dtype=np.int8))),
        "none": holdout.with_samples(holdout.samples[["id"]]),
        "same": holdout,
    }
    scores = scores_of(holdout, others[synthetic], metric)
    assert all(reason in (score.reason or "") if reason else score.value == pytest.approx(1.0) for score in scores.values())


def test_few_windows__are_not_compared(genotypes_with: Any, scores_of: Any) -> None:
    holdout = genotypes_with(np.random.default_rng(8).binomial(2, 0.5, (40, 20)).astype(np.int8), "a", weight=np.arange(40.0))
    scores = scores_of(holdout, holdout, VariantImportance(window_bp=1e9))
    assert all(score.reason == "Variants with a known position lie in 1 windows; a comparison needs 3." for score in scores.values())
