"""BayesR: posterior means in closed form, simulated traits, and what it may see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genobench import SettingsError
from genobench.builtin.linear.bayesr import VARIANCES, BayesR, _Mixture
from genobench.builtin.linear.variant_weights import CallTable
from genobench.testing import example_genotypes

QUICK = BayesR(n_sweeps=60, n_discarded=20)


def test_mixture__draws_one_variant_from_its_posterior():
    """Alone, a variant's effect has a mixture of four normal posteriors in closed form: mean within four standard errors of 4,000 draws."""
    mixture = _Mixture(np.array(VARIANCES) * 50, np.array([0.4, 0.3, 0.2, 0.1]), 2.0)
    squares, alone = 30.0, 0.35
    error = 2.0 / squares
    totals = mixture.variances + error
    weights = mixture.shares * np.exp(-(alone**2) / (2 * totals)) / np.sqrt(totals)
    weights /= weights.sum()
    shrunk = mixture.variances / totals
    mean = weights @ (alone * shrunk)
    second = weights @ (shrunk * error + (alone * shrunk) ** 2)
    rng = np.random.default_rng(1)
    draws = [mixture.draw(np.array([alone * squares]), np.array([[squares]]), np.zeros(1), rng) for _ in range(4_000)]
    effects, counts = np.array([effect[0] for effect, _ in draws]), np.sum([count for _, count in draws], axis=0)
    assert abs(effects.mean() - mean) < 4 * np.sqrt((second - mean**2) / 4_000)
    np.testing.assert_allclose(counts / 4_000, weights, atol=4 * 0.5 / np.sqrt(4_000))


def test_mixture__of_one_normal_class_is_ridge_regression():
    """With all variants in the largest class, the mean of draws solves (X'X + penalty) b = X'y; a block draws each given the others."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(80, 6))
    x[:, 1] += x[:, 0]
    y = x @ rng.normal(size=6) + rng.normal(size=80)
    mixture = _Mixture(np.array(VARIANCES) * 100, np.array([0.0, 0.0, 0.0, 1.0]), 1.0)
    gram, effects, total = x.T @ x, np.zeros(6), np.zeros(6)
    for _ in range(6_000):
        effects, _ = mixture.draw(x.T @ (y - x @ effects), gram, effects, rng)
        total += effects
    precision = gram + np.eye(6) / mixture.variances[3]
    errors = np.sqrt(np.diag(np.linalg.inv(precision)))
    # Draws of two linked variants follow one another: 6,000 are worth some 1,000.
    assert (np.abs(total / 6_000 - np.linalg.solve(precision, x.T @ y)) < 4 * errors / np.sqrt(1_000)).all()


def test_bayesr__finds_few_variants_that_act_and_the_residual_variance(context):
    """Three of 500 variants make 80 % of the variance: nearly all others have no effect."""
    genotypes = example_genotypes(n_samples=700, n_variants=500, seed=3)
    genetic = genotypes.to_array()[:, [20, 200, 400]] @ [1.0, -1.0, 1.0]
    noise = np.random.default_rng(3).normal(size=700) * genetic.std() / 2
    labelled = genotypes.with_samples(genotypes.samples.assign(weight=genetic + noise))
    table = CallTable.of(labelled.take_samples(np.arange(500)), context["quantitative"])
    posterior = BayesR(n_sweeps=200, n_discarded=50).posterior(table, np.arange(500), seed=1)
    assert sorted(np.argsort(-np.abs(posterior.effects))[:3]) == [20, 200, 400]
    assert posterior.shares[0] > 0.5
    assert posterior.residual_variance == pytest.approx(noise.var(), rel=4 * np.sqrt(2 / 500))
    predicted = table.value_predictor(posterior.effects).predict(labelled)[500:]
    assert np.corrcoef(predicted, labelled.samples["weight"][500:])[0, 1] > 0.85


def test_bayesr__does_not_predict_values_drawn_at_random(context):
    """200 samples that the fit did not see: within four standard errors of no correlation."""
    genotypes = example_genotypes(n_samples=300, n_variants=600, seed=5)
    values = np.random.default_rng(5).normal(size=300)
    labelled = genotypes.with_samples(genotypes.samples.assign(weight=values))
    predicted = QUICK.fit(labelled.take_samples(np.arange(100)), context["quantitative"]).predict(genotypes)[100:]
    assert abs(np.corrcoef(predicted, values[100:])[0, 1]) < 4 / np.sqrt(200)


def test_bayesr__classes_follow_the_calls_that_decide_them(context):
    genotypes = example_genotypes(n_samples=450, n_variants=60, seed=9)
    calls = genotypes.to_array()[:, 3]
    labelled = genotypes.with_samples(genotypes.samples.assign(grade=np.array(["low", "medium", "high"], dtype=object)[calls]))
    predicted = QUICK.fit(labelled.take_samples(np.arange(300)), context["ordinal"]).predict(genotypes)[300:]
    assert (predicted.argmax(axis=1) == calls[300:]).mean() > 0.9


def test_bayesr__is_the_same_with_one_seed_and_nearly_with_another(train, others, context):
    fits = [QUICK.fit(train, replace(context["quantitative"], seed=seed)).predict(others) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])
    assert np.corrcoef(fits[0], fits[2])[0, 1] > 0.5


def test_bayesr__without_variants_that_vary_is_the_covariates(train, context):
    flat = train.take_variants(np.arange(3))
    predicted = QUICK.fit(flat, context["quantitative"]).predict(flat)
    np.testing.assert_allclose(predicted, train.samples.groupby("sex")["weight"].transform("mean"), rtol=1e-9)


def test_bayesr__keeps_some_sweeps():
    with pytest.raises(SettingsError, match="n_discarded is 100; it must be below n_sweeps, which is 100"):
        BayesR(n_sweeps=100)
