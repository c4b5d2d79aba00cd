"""GBLUP against Henderson's mixed model equations, REML against the estimate that is compared with GEMMA, and simulated traits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genobench import DatasetError, SettingsError
from genobench.builtin.linear.ridge import RidgeRegression
from genobench.statgen import reml_heritability
from genobench.testing import example_genotypes

FEW = np.arange(10, 40)


@pytest.mark.parametrize("variants", [np.arange(300), FEW], ids=["more variants than samples", "fewer"])
def test_ridge__solves_the_mixed_model_equations(variants, halves, context, standardised, is_male):
    """Henderson 1975, doi:10.2307/2529430: fixed effects and random effects of variants, solved at once."""
    train, others = (part.take_variants(variants) for part in halves)
    predictor = RidgeRegression().fit(train, context["quantitative"])
    x, other_x = standardised(train, others)
    fixed, other_fixed = (np.hstack([np.ones((part.n_samples, 1)), is_male(part)]) for part in (train, others))
    table = np.hstack([fixed, x])
    penalty = np.diag(np.repeat([0, (1 - predictor.heritability) / predictor.heritability], [2, x.shape[1]]))
    solution = np.linalg.solve(table.T @ table + penalty, table.T @ train.samples["weight"].to_numpy())
    assert 0.01 < predictor.heritability < 0.99
    np.testing.assert_allclose(predictor.predict(others), np.hstack([other_fixed, other_x]) @ solution, rtol=1e-5)


@pytest.mark.parametrize("variants", [np.arange(300), FEW], ids=["more variants than samples", "fewer"])
def test_ridge__heritability_is_by_restricted_maximum_likelihood(variants, train, context, standardised, is_male):
    """`reml_heritability` stands beside GEMMA in tests/oracles."""
    train = train.take_variants(variants)
    x, _ = standardised(train, train)
    expected = reml_heritability(x @ x.T, train.samples[["weight"]].to_numpy(), is_male(train))
    assert RidgeRegression().fit(train, context["quantitative"]).heritability == pytest.approx(expected[0], abs=1e-4)


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
    settings = RidgeRegression(heritability=0.3)
    before, after = (settings.fit(part, context["quantitative"]).predict(others) for part in (train, shifted))
    np.testing.assert_allclose(after - before, 1000 * is_male(others)[:, 0], atol=1e-3)


def test_ridge__without_heritability_is_the_covariates(train, others, context, is_male):
    predicted = RidgeRegression(heritability=0.0).fit(train, context["quantitative"]).predict(others)
    values = train.samples["weight"].groupby(is_male(train)[:, 0]).mean()
    np.testing.assert_allclose(predicted, values[is_male(others)[:, 0]], rtol=1e-9)


def test_ridge__takes_a_hundred_times_more_variants_than_samples(context):
    wide = example_genotypes(n_samples=30, n_variants=3_000)
    predicted = RidgeRegression().fit(wide.take_samples(np.arange(24)), context["quantitative"]).predict(wide)
    assert np.isfinite(predicted).all()


def test_ridge__says_when_samples_hardly_outnumber_covariates(train, context):
    """Two sexes and a mean leave nothing to estimate a variance from."""
    with pytest.raises(DatasetError, match=r"Only 3 training samples .* with 1 covariates needs at least 4"):
        RidgeRegression().fit(train.take_samples(np.arange(3)), context["quantitative"])


def test_ridge__refuses_a_heritability_of_one():
    with pytest.raises(SettingsError, match=r"heritability is 1\.0; it must be below 1"):
        RidgeRegression(heritability=1.0)


def test_ridge__takes_principal_components_beside_calls(train, others, context):
    """With all variance in the calls shrunk away, what is left is least squares on the components."""
    with_components = replace(context["quantitative"], n_components=2)
    first = RidgeRegression(heritability=0.0).fit(train, with_components)
    assert first.effects.shape == (4,)
    assert not np.allclose(first.predict(others), RidgeRegression(heritability=0.0).fit(train, context["quantitative"]).predict(others))
