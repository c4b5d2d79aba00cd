"""The lasso: the conditions of its least, simulated traits, and what it may see of samples that it is asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genobench import DatasetError, SettingsError
from genobench.builtin.linear.lasso import Lasso
from genobench.builtin.linear.value_predictors import CallPredictor
from genobench.builtin.linear.variant_weights import CallTable, Unseen, unseen_scores
from genobench.testing import example_genotypes


@pytest.fixture
def sparse():
    """600 samples of 500 variants, three of which act on `weight`; a tenth of its variance is noise."""
    genotypes = example_genotypes(n_samples=600, n_variants=500, seed=3)
    genetic = genotypes.to_array()[:, [20, 200, 400]] @ [1.0, -1.0, 1.0]
    noise = np.random.default_rng(3).normal(size=600) * genetic.std() / 3
    return genotypes.with_samples(genotypes.samples.assign(weight=genetic + noise))


@pytest.mark.parametrize("l1_share", [1.0, 0.5])
def test_lasso__is_where_the_penalised_squares_are_least(l1_share, train, context, standardised, is_male):
    """The conditions of Karush, Kuhn and Tucker (Friedman et al. 2010, equation 5 and below): residuals have no product with mean and
    covariate, and with each variant one of the penalty's size and the weight's sign, or less where the weight is 0."""
    table = CallTable.of(train, context["quantitative"])
    penalties = Lasso(l1_share=l1_share)._penalties(table)[:12]
    weights = Lasso(l1_share=l1_share)._path(table, np.arange(100), penalties, tolerance=1e-10)[:, -1]
    residual = train.samples["weight"].to_numpy() - table.value_predictor(weights).predict(train)
    x, _ = standardised(train, train)
    slopes = (x * np.sqrt(x.shape[1])).T @ residual / 100
    acts = weights != 0
    assert 3 < acts.sum() < 100
    penalty = penalties[-1]
    np.testing.assert_allclose(slopes[acts], penalty * (l1_share * np.sign(weights) + (1 - l1_share) * weights)[acts], rtol=1e-3)
    assert np.abs(slopes[~acts]).max() < penalty * l1_share * 1.001
    np.testing.assert_allclose([residual.mean(), residual @ is_male(train)[:, 0] / 100], 0, atol=1e-4 * residual.std())


def test_lasso__first_penalty_of_the_path_leaves_no_variant_and_the_next_does(train, context):
    table = CallTable.of(train, context["quantitative"])
    everyone = np.arange(100)
    penalties = Lasso()._penalties(table)
    weights = Lasso()._path(table, everyone, np.append(penalties[0] * 1.0001, penalties[:2]), tolerance=1e-6)
    assert np.count_nonzero(weights, axis=0)[0] == 0
    assert np.count_nonzero(weights, axis=0)[2] > 0


def test_lasso__finds_the_variants_that_act(sparse, context):
    predictor = Lasso().fit(sparse.take_samples(np.arange(400)), context["quantitative"])
    assert isinstance(predictor, CallPredictor)
    strongest = np.argsort(-np.abs(predictor.weights[:, 0]))[:3]
    assert sorted(strongest) == [20, 200, 400]
    predicted = predictor.predict(sparse)[400:]
    assert np.corrcoef(predicted, sparse.samples["weight"][400:])[0, 1] > 0.9


def test_lasso__screens_variants_in_the_samples_that_it_is_fitted_on(context):
    """A planted leak. Values drawn at random, 40 samples, 4,000 variants: variants chosen in all of them predict those that were left
    out of the fit, variants chosen within the fit do not."""
    rng = np.random.default_rng(21)
    genotypes = example_genotypes(n_samples=60, n_variants=4_000, seed=21)
    noise = genotypes.with_samples(genotypes.samples.assign(weight=rng.normal(size=60)))
    table = CallTable.of(noise, context["quantitative"])
    penalties = Lasso()._penalties(table)[:15]
    everyone = np.arange(60)
    seen = Lasso(most_variants=20)._path(table, everyone, penalties, tolerance=1e-4).any(axis=1)

    def honest(part: CallTable, rows: np.ndarray) -> np.ndarray:
        return Lasso(most_variants=20)._path(part, rows, penalties, tolerance=1e-4)

    def leaky(part: CallTable, rows: np.ndarray) -> np.ndarray:
        shown = replace(part, x=np.where(seen, part.x, 0).astype(np.float32))
        return Lasso(most_variants=20)._path(shown, rows, penalties, tolerance=1e-4)

    def share_explained(weigh):
        unseen = unseen_scores(weigh, table, context["quantitative"])
        return 1 - unseen.errors().min() / np.mean(unseen.values**2)

    assert share_explained(leaky) > 0.3
    assert share_explained(honest) < 0.1


def test_lasso__does_not_predict_values_drawn_at_random(context):
    """200 samples that the fit did not see: within four standard errors of no correlation; the fit may also predict one value for all."""
    rng = np.random.default_rng(5)
    genotypes = example_genotypes(n_samples=300, n_variants=2_000, seed=5)
    values = rng.normal(size=300)
    labelled = genotypes.with_samples(genotypes.samples.assign(weight=values))
    predicted = Lasso().fit(labelled.take_samples(np.arange(100)), context["quantitative"]).predict(genotypes)[100:]
    spread = predicted.std()
    assert spread == 0 or abs(np.corrcoef(predicted, values[100:])[0, 1]) < 4 / np.sqrt(200)


def test_lasso__chooses_its_penalty_on_validation_samples_where_given(sparse, context):
    """Values turned round ask for no variant at all."""
    train = sparse.take_samples(np.arange(200))
    turned = train.with_samples(train.samples.assign(weight=-train.samples["weight"]))
    with_turned = Lasso().fit(train, replace(context["quantitative"], validation=turned))
    with_itself = Lasso().fit(train, replace(context["quantitative"], validation=train))
    assert isinstance(with_turned, CallPredictor)
    assert isinstance(with_itself, CallPredictor)
    assert not with_turned.weights.any()
    assert with_itself.weights.any()


def test_lasso__takes_a_hundred_times_more_variants_than_samples(context):
    wide = example_genotypes(n_samples=30, n_variants=3_000)
    assert np.isfinite(Lasso().fit(wide.take_samples(np.arange(24)), context["quantitative"]).predict(wide)).all()


def test_lasso__without_variants_that_vary_is_the_covariates(train, others, context, is_male):
    flat = train.take_variants(np.arange(3))
    predicted = Lasso().fit(flat, context["quantitative"]).predict(others.take_variants(np.arange(3)))
    means = train.samples["weight"].groupby(is_male(train)[:, 0]).mean()
    np.testing.assert_allclose(predicted, means[is_male(others)[:, 0]], rtol=1e-9)
    alone = replace(context["quantitative"], trait=replace(context["quantitative"].trait, covariates=()))
    with pytest.raises(DatasetError, match="None of the 3 variants varies among the 100 training samples"):
        Lasso().fit(flat, alone)


@pytest.mark.parametrize(("settings", "message"), [({"l1_share": 0.0}, "l1_share is 0.0"), ({"n_penalties": 1}, "n_penalties is 1")])
def test_lasso__refuses_settings_that_mean_nothing(settings, message):
    with pytest.raises(SettingsError, match=message):
        Lasso(**settings)


def test_unseen__slopes_are_those_of_least_squares_but_never_negative():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(50, 3)) * [1.0, 10.0, 0.0]
    values = scores[:, 0] - 0.2 * scores[:, 1] + rng.normal(size=50)
    unseen = Unseen(values=values, scores=scores, rows=np.arange(50))
    expected = np.linalg.lstsq(scores[:, :1], values)[0][0]
    np.testing.assert_allclose(unseen.slopes, [expected, 0.0, 0.0])
    np.testing.assert_allclose(unseen.scaled(unseen.slopes).errors()[1:], np.mean(values**2))
