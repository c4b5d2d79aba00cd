"""Logistic and ordinal regression on calls: scikit-learn on all variants at once, and how the penalty is chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression as PeerLogistic
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from genobench import Target
from genobench.builtin.linear.class_penalties import INVERSE_PENALTIES
from genobench.builtin.linear.logistic import LogisticRegression
from genobench.builtin.linear.ordinal import OrdinalRegression
from genobench.testing import EXAMPLE_TRAITS, example_genotypes

CLASSIFIERS = [(LogisticRegression, "categorical"), (LogisticRegression, "ordinal"), (OrdinalRegression, "ordinal")]


@pytest.mark.parametrize("kind", ["categorical", "ordinal"])
def test_logistic__predicts_as_scikit_learn_does_with_its_penalty(kind, halves, context, standardised, is_male):
    """A covariate times 1000 is as good as not penalised there."""
    train, others = halves
    trait = EXAMPLE_TRAITS[kind]
    predictor = LogisticRegression().fit(train, context[kind])
    x, other_x = standardised(train, others)
    x, other_x = np.hstack([x, 1e3 * is_male(train)]), np.hstack([other_x, 1e3 * is_male(others)])
    peer = PeerLogistic(C=predictor.inverse_penalty, class_weight="balanced", max_iter=5_000, tol=1e-10, solver="newton-cg")
    peer.fit(x, train.samples[trait.column])
    columns = [list(peer.classes_).index(label) for label in trait.classes]
    assert predictor.classes == trait.classes
    np.testing.assert_allclose(predictor.predict(others), peer.predict_proba(other_x)[:, columns], atol=2e-3)


@pytest.mark.parametrize("classifier", [LogisticRegression, OrdinalRegression])
def test_penalty__is_chosen_on_validation_samples_where_given(classifier, train, context):
    """The training samples themselves ask for no shrinkage, the same samples with turned classes for as much as there is."""
    turned = train.with_samples(train.samples.assign(grade=train.samples["grade"].map({"low": "high", "high": "low", "medium": "medium"})))
    chosen = [classifier().fit(train, replace(context["ordinal"], validation=validation)).inverse_penalty for validation in (train, turned)]
    assert chosen == [INVERSE_PENALTIES[-1], INVERSE_PENALTIES[0]]


@pytest.mark.parametrize("classifier", [LogisticRegression, OrdinalRegression])
def test_penalty__heeds_all_classes_of_validation_where_training_lacks_one_between(classifier, train, context):
    """Training samples of the lowest class, half of them called the highest: a fit that is sure of them is right half the time, so that
    calls should say little; whoever hears of the lowest alone finds it right always."""
    grades = train.samples["grade"].to_numpy(dtype=object)
    without = train.take_samples(np.flatnonzero(grades != "medium"))
    low = train.take_samples(np.flatnonzero(grades == "low"))
    is_turned = np.arange(low.n_samples) % 2 == 1
    contested = low.with_samples(low.samples.assign(grade=np.where(is_turned, "high", "low")))
    chosen = [
        classifier().fit(without, replace(context["ordinal"], validation=validation)).inverse_penalty for validation in (contested, without)
    ]
    assert chosen == [INVERSE_PENALTIES[0], INVERSE_PENALTIES[-1]]


@pytest.mark.parametrize("kind", ["categorical", "ordinal"])
def test_penalty__is_the_best_of_scikit_learns_fits_without_each_fold(kind, context, standardised, is_male):
    """Judged by samples of its own fit, the least shrinkage would always be best."""
    trait = EXAMPLE_TRAITS[kind]
    train = example_genotypes(n_samples=120, n_variants=300, n_constant=3, missing_share=0.02, seed=2)
    x = np.hstack([standardised(train, train)[0], 1e3 * is_male(train)])
    labels = train.samples[trait.column].to_numpy(dtype=object)
    folds = Target.fit(train, trait).folds(train, n_folds=3, seed=context[kind].seed)
    losses = np.zeros((len(INVERSE_PENALTIES), len(folds)))
    for number, fold in enumerate(folds):
        rest = np.setdiff1d(np.arange(120), fold)
        weights = compute_sample_weight("balanced", labels[fold])
        for place, inverse_penalty in enumerate(INVERSE_PENALTIES):
            peer = PeerLogistic(C=inverse_penalty, class_weight="balanced", max_iter=5_000, tol=1e-8, solver="newton-cg")
            told = peer.fit(x[rest], labels[rest]).predict_proba(x[fold])
            losses[place, number] = log_loss(labels[fold], told, sample_weight=weights, labels=peer.classes_)
    best = int(losses.mean(axis=1).argmin())
    assert 0 < best < len(INVERSE_PENALTIES) - 1
    assert LogisticRegression().fit(train, context[kind]).inverse_penalty == INVERSE_PENALTIES[best]


@pytest.mark.parametrize("classifier", [LogisticRegression, OrdinalRegression])
def test_classes__one_that_training_lacks_gets_no_chance(classifier, train, others, context):
    known = train.take_samples(np.flatnonzero(train.samples["grade"] != "medium"))
    probabilities = classifier().fit(known, context["ordinal"]).predict(others)
    assert not probabilities[:, 1].any()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize(("classifier", "kind"), CLASSIFIERS)
def test_classes__weigh_the_same_however_many_samples_they_have(classifier, kind, train, context):
    """Where calls say nothing (shrunk away), each of two unequal classes has one half, not its share."""
    trait = EXAMPLE_TRAITS[kind]
    labels = np.where(np.arange(100) % 10 == 0, trait.classes[0], trait.classes[-1])
    unequal = train.with_samples(train.samples.assign(**{trait.column: labels}))
    alone = replace(context[kind], trait=replace(trait, covariates=()))
    probabilities = classifier(inverse_penalty=1e-6).fit(unequal, alone).predict(train)
    np.testing.assert_allclose(probabilities[:, [0, -1]], 0.5, atol=1e-3)


def test_ordinal__is_nearer_to_the_middle_than_the_far_class(context):
    """On a trait that one variant drives, probability falls with the distance from the likeliest class."""
    genotypes = example_genotypes(n_samples=600, n_variants=20, seed=9)
    calls = genotypes.to_array()[:, 3]
    labels = np.array(["low", "medium", "high"], dtype=object)[calls]
    labelled = genotypes.with_samples(genotypes.samples.assign(grade=labels))
    probabilities = OrdinalRegression().fit(labelled, context["ordinal"]).predict(genotypes)
    assert (probabilities.argmax(axis=1) == calls).mean() > 0.9
    assert (probabilities[calls == 0, 1] > probabilities[calls == 0, 2]).all()
    assert (probabilities[calls == 2, 1] > probabilities[calls == 2, 0]).all()


@pytest.mark.parametrize(("classifier", "kind"), CLASSIFIERS)
def test_classifiers__guess_on_labels_drawn_at_random(classifier, kind, context):
    """400 samples that the fit did not see: mean of hits within classes, within four standard errors of chance."""
    trait = EXAMPLE_TRAITS[kind]
    rng = np.random.default_rng(12)
    genotypes = example_genotypes(n_samples=600, n_variants=800, seed=12)
    labels = rng.choice(np.array(trait.classes, dtype=object), 600)
    labelled = genotypes.with_samples(genotypes.samples.assign(**{trait.column: labels}))
    predicted = classifier().fit(labelled.take_samples(np.arange(200)), context[kind]).predict(genotypes)[200:]
    hits = np.array(trait.classes, dtype=object)[predicted.argmax(axis=1)] == labels[200:]
    chance = 1 / len(trait.classes)
    assert abs(hits.mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / 400)
