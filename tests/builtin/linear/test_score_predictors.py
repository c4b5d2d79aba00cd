"""Scores of classes in order: against a cumulative logit of the true score, and what a score must not claim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from genobench.builtin.linear.bayesr import BayesR
from genobench.builtin.linear.class_models import fit_cumulative
from genobench.builtin.linear.lasso import Lasso
from genobench.builtin.linear.ldpred import LdPred
from genobench.builtin.linear.prs import PolygenicScore
from genobench.builtin.linear.score_predictors import covariates_left, score_predictor
from genobench.builtin.linear.variant_weights import CallTable, Unseen
from genobench.testing import example_genotypes

LABELS = np.array(["low", "medium", "high"], dtype=object)
CLASSIFIERS = [Lasso(), PolygenicScore(), LdPred(reach_bp=500_000, n_sweeps=15, n_discarded=5)]


@pytest.fixture(scope="module")
def liability():
    """900 samples of 200 variants, three of which and the sex act on a latent logistic variable, cut in three."""
    genotypes = example_genotypes(n_samples=900, n_variants=200, seed=13)
    genetic = genotypes.to_array()[:, [20, 90, 170]] @ [1.5, -1.5, 1.5]
    genetic = genetic - genetic.mean() + 1.5 * (genotypes.samples["sex"] == "male").to_numpy()
    latent = genetic + np.random.default_rng(13).logistic(size=900)
    grades = LABELS[np.digitize(latent, np.quantile(latent, [1 / 3, 2 / 3]))]
    return genotypes.with_samples(genotypes.samples.assign(grade=grades)), genetic


def _loss(probabilities: np.ndarray, grades: np.ndarray) -> float:
    return float(-np.log(probabilities[np.arange(len(grades)), np.searchsorted([0, 1, 2], grades)]).mean())


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classes__are_predicted_nearly_as_by_the_true_score(classifier, liability, context):
    """300 samples that the fit did not see: most of the log loss that the true score saves is saved, with honest probabilities."""
    labelled, genetic = liability
    grades = np.array([list(LABELS).index(grade) for grade in labelled.samples["grade"]])
    predicted = classifier.fit(labelled.take_samples(np.arange(600)), context["ordinal"]).predict(labelled)[600:]
    no_axes = np.zeros((900, 0))
    oracle = fit_cumulative(no_axes[:600], genetic[:600, None], grades[:600], inverse_penalty=1.0, sample_weights=np.ones(600))
    best = _loss(oracle.probabilities(no_axes[600:], genetic[600:, None]), grades[600:])
    saved = (np.log(3) - _loss(predicted, grades[600:])) / (np.log(3) - best)
    assert saved > 0.7


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classes__covariates_stand_beside_the_score(classifier, liability, context):
    """The sex that raises the trait has more of the highest class."""
    labelled, _ = liability
    predicted = classifier.fit(labelled.take_samples(np.arange(600)), context["ordinal"]).predict(labelled)
    is_male = (labelled.samples["sex"] == "male").to_numpy()
    assert predicted[is_male, 2].mean() > predicted[~is_male, 2].mean() + 0.1


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classes__drawn_at_random_are_guessed(classifier, context):
    """250 samples that the fit did not see, far fewer samples than variants in it: a third is right, within four standard errors, and
    no class is thought likely: a score that says too much of its own samples would be sure of others too."""
    genotypes = example_genotypes(n_samples=400, n_variants=900, seed=14)
    labels = np.random.default_rng(14).choice(LABELS, 400)
    labelled = genotypes.with_samples(genotypes.samples.assign(grade=labels))
    predicted = classifier.fit(labelled.take_samples(np.arange(150)), context["ordinal"]).predict(labelled)[150:]
    assert abs((LABELS[predicted.argmax(axis=1)] == labels[150:]).mean() - 1 / 3) < 4 * np.sqrt(2 / 9 / 250)
    assert np.median(predicted.max(axis=1)) < 0.5


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classes__without_variants_that_vary_are_the_covariates(classifier, train, context):
    flat = train.take_variants(np.arange(3))
    by_sex = classifier.fit(flat, context["ordinal"]).predict(flat).round(9)
    assert len(np.unique(by_sex, axis=0)) == 2
    np.testing.assert_allclose(by_sex.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classes__are_not_turned_by_validation_samples(classifier, liability, context):
    """Folds within training say how steep the odds are."""
    labelled, _ = liability
    train = labelled.take_samples(np.arange(300))
    turned = train.with_samples(train.samples.assign(grade=train.samples["grade"].map({"low": "high", "high": "low", "medium": "medium"})))
    fits = [classifier.fit(train, replace(context["ordinal"], validation=part)).predict(train) for part in (None, turned)]
    np.testing.assert_array_equal(*fits)


@pytest.mark.parametrize("classifier", [*CLASSIFIERS, BayesR(n_sweeps=20, n_discarded=5)])
@pytest.mark.parametrize(("n_samples", "n_per_family", "n_high"), [(90, 10, 10), (60, 1, 1)])
def test_classes__one_that_a_single_fold_has_is_predicted_too(classifier, n_samples, n_per_family, n_high, context):
    """A class of one family, or of one sample: without its fold all others are of one class, of which nothing can be learned."""
    genotypes = example_genotypes(n_samples=n_samples + 30, n_variants=80, seed=3)
    places = np.arange(n_samples + 30)
    rare = genotypes.samples.assign(grade=np.where(places < n_high, "high", "low"), family=[f"f{k}" for k in places // n_per_family])
    predictor = classifier.fit(genotypes.with_samples(rare).take_samples(places[:n_samples]), context["ordinal"])
    probabilities = predictor.predict(genotypes)
    assert np.isfinite(probabilities).all()
    assert not probabilities[:, 1].any()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_classes__of_score_and_covariates_have_the_odds_of_a_regression_on_both(context, is_male):
    """By scikit-learn on the whole score, though what folds tell of scores is what covariates leave of them; sex has a part in this one."""
    genotypes = example_genotypes(n_samples=260, n_variants=150, seed=15)
    male = is_male(genotypes)[:, 0]
    train, others = genotypes.take_samples(np.arange(200)), genotypes.take_samples(np.arange(200, 260))
    latent = 1.5 * male + genotypes.to_array()[:, :5].sum(axis=1) + np.random.default_rng(15).logistic(size=260)
    grades = np.where(latent > np.quantile(latent, 0.7), "high", "low")
    table = CallTable.of(train.with_samples(train.samples.assign(grade=grades[:200])), context["ordinal"])
    weights = table.x.T.astype(float) @ (male[:200] - male[:200].mean() + 0.1 * (grades[:200] == "high")) / 200
    score, rows = table.x @ weights, np.arange(200)
    unseen = Unseen(values=table.values, scores=table.beside_covariates(rows, score[:, None]), rows=rows)
    found = score_predictor(table, weights, unseen, 0).predict(others)
    peer = LogisticRegression(C=1e6, class_weight="balanced", tol=1e-10, max_iter=5_000)
    peer.fit(np.column_stack([score, male[:200]]), grades[:200])
    assert np.corrcoef(score, male[:200])[0, 1] > 4 / np.sqrt(200)
    expected = peer.predict_proba(np.column_stack([table.calls_of(others) @ weights, male[200:]]))
    np.testing.assert_allclose(found[:, [2, 0]], expected, atol=1e-3)
    assert not found[:, 1].any()


def test_classes__take_the_steepness_of_a_score_from_samples_that_it_was_not_learned_from(context):
    """Weights that tell the classes apart in their own samples, and in others point the wrong way: covariates alone are left."""
    train = example_genotypes(n_samples=100, n_variants=150, seed=15)
    table, rows = CallTable.of(train, context["ordinal"]), np.arange(100)
    weights = table.x.T.astype(float) @ table.values / 100
    score = table.beside_covariates(rows, (table.x @ weights)[:, None])
    assert np.corrcoef(score[:, 0], table.values)[0, 1] > 0.5
    alone = covariates_left(table).predict(train)
    turned = Unseen(values=table.values, scores=-score, rows=rows)
    np.testing.assert_allclose(score_predictor(table, weights, turned, 0).predict(train), alone, atol=1e-6)
    straight = Unseen(values=table.values, scores=score, rows=rows)
    assert np.abs(score_predictor(table, weights, straight, 0).predict(train) - alone).max() > 0.1
