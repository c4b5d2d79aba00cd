"""GBLUP against Henderson's mixed model equations, REML against the estimate that is compared with GEMMA, and simulated traits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genobench import DatasetError
from genobench.builtin.linear.ridge import RidgePredictor, RidgeRegression
from genobench.statgen import reml_heritability
from genobench.testing import example_genotypes

FEW = np.arange(10, 40)


def _centred(train, others):
    """Calls less their mean in training, 0 where missing."""
    calls, other_calls = (part.to_array().astype(float) for part in (train, others))
    means = np.nanmean(np.where(calls < 0, np.nan, calls), axis=0)
    return tuple(np.where(part < 0, 0, part - means) for part in (calls, other_calls)), means


@pytest.mark.parametrize("variants", [np.arange(300), FEW], ids=["more variants than samples", "fewer"])
def test_ridge__solves_the_mixed_model_equations(variants, halves, context, is_male):
    """Henderson 1975, doi:10.2307/2529430: fixed effects and random effects of variants, solved at once."""
    train, others = (part.take_variants(variants) for part in halves)
    predictor = RidgeRegression().fit(train, context["quantitative"])
    assert isinstance(predictor, RidgePredictor)
    (x, other_x), means = _centred(train, others)
    fixed, other_fixed = (np.hstack([np.ones((part.n_samples, 1)), is_male(part)]) for part in (train, others))
    table = np.hstack([fixed, x])
    of_one_variant = predictor.model.genetic_variance / (means * (1 - means / 2)).sum()
    penalty = np.diag(np.repeat([0, predictor.model.residual_variance / of_one_variant], [2, x.shape[1]]))
    solution = np.linalg.solve(table.T @ table + penalty, table.T @ train.samples["weight"].to_numpy())
    assert 0.01 < predictor.model.heritability < 0.99
    np.testing.assert_allclose(predictor.predict(others), np.hstack([other_fixed, other_x]) @ solution, rtol=1e-5)


@pytest.mark.parametrize("variants", [np.arange(300), FEW], ids=["more variants than samples", "fewer"])
def test_ridge__heritability_is_by_restricted_maximum_likelihood(variants, train, context, is_male):
    """`reml_heritability` stands beside GEMMA in tests/oracles."""
    train = train.take_variants(variants)
    (x, _), _ = _centred(train, train)
    expected = reml_heritability(x @ x.T, train.samples[["weight"]].to_numpy(), is_male(train))
    predictor = RidgeRegression().fit(train, context["quantitative"])
    assert isinstance(predictor, RidgePredictor)
    assert predictor.model.heritability == pytest.approx(expected[0], abs=1e-3)


def test_ridge__finds_a_heritable_trait_and_none_in_noise(context):
    """An additive trait of 200 variants in 800 samples: the correlation in 200 others is above 0.4, and near zero for shuffled values."""
    rng = np.random.default_rng(2)
    genotypes = example_genotypes(n_samples=1_000, n_variants=200, seed=2)
    genetic = genotypes.to_array() @ rng.normal(size=200)
    trait = genetic / genetic.std() + rng.normal(size=1_000)
    correlations = []
    for values in (trait, rng.permutation(trait)):
        labelled = genotypes.with_samples(genotypes.samples.assign(weight=values))
        predictor = RidgeRegression().fit(labelled.take_samples(np.arange(800)), context["quantitative"])
        correlations.append(np.corrcoef(predictor.predict(labelled.take_samples(np.arange(800, 1_000))), values[800:])[0, 1])
    assert correlations[0] > 0.4
    assert abs(correlations[1]) < 4 / np.sqrt(200)


def test_ridge__does_not_shrink_a_covariate(train, others, context, is_male):
    """A difference of 1000 between the sexes comes back whole, whatever the penalty on calls."""
    shifted = train.with_samples(train.samples.assign(weight=train.samples["weight"] + 1000 * is_male(train)[:, 0]))
    before, after = (RidgeRegression().fit(part, context["quantitative"]).predict(others) for part in (train, shifted))
    np.testing.assert_allclose(after - before, 1000 * is_male(others)[:, 0], atol=1e-2)


def test_ridge__takes_a_hundred_times_more_variants_than_samples(context):
    wide = example_genotypes(n_samples=30, n_variants=3_000)
    predicted = RidgeRegression().fit(wide.take_samples(np.arange(24)), context["quantitative"]).predict(wide)
    assert np.isfinite(predicted).all()


def test_ridge__says_when_samples_hardly_outnumber_covariates(train, context):
    """Two sexes and a mean leave nothing to estimate a variance from."""
    with pytest.raises(DatasetError, match=r"Only 3 training samples .* with 1 covariates needs at least 4"):
        RidgeRegression().fit(train.take_samples(np.arange(3)), context["quantitative"])


def test_ridge__says_when_covariates_are_the_trait(train, context):
    doubled = train.with_samples(train.samples.assign(copy=train.samples["weight"] * 2))
    of_copy = replace(context["quantitative"], trait=replace(context["quantitative"].trait, covariates=("copy",)))
    with pytest.raises(DatasetError, match="The values follow from a covariate"):
        RidgeRegression().fit(doubled, of_copy)


def test_ridge__takes_principal_components_beside_calls(train, context):
    predictor = RidgeRegression().fit(train, replace(context["quantitative"], n_components=2))
    assert isinstance(predictor, RidgePredictor)
    assert predictor.model.effects.shape == (3,)
