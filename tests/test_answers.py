"""Answers to requests: computed once, and nothing withheld is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.distance import cdist

from genobench.answers import Answers
from genobench.contracts import FitContext, Pairwise, Predictions
from genobench.registry import load_registry
from genobench.statgen import Imputer


def test_answers__distances_of_drawn_samples_equal_those_computed_afresh(comparison):
    answers = Answers(load_registry(), comparison.train)
    positions = np.array([3, 8, 20])
    drawn = answers.take(comparison.train, positions)
    shown = replace(comparison, synthetic=drawn)
    got = answers.answer(Pairwise("holdout", "synthetic", "squared-euclidean"), shown)
    imputer = Imputer.fit(comparison.train.to_array())
    holdout, synthetic = (imputer.complete(part.to_array()).astype(float) for part in (comparison.holdout, drawn))
    np.testing.assert_array_equal(got, cdist(holdout, synthetic, "sqeuclidean"))


def test_answers__predictions_withhold_the_trait(comparison, monkeypatch, tmp_path):
    context = FitContext(trait=comparison.trait, seed=0, device="cpu", folder=tmp_path)
    seen: list[list[str]] = []
    registry = load_registry()
    ridge = registry.load("classifier", "ridge")
    fitted = type(ridge().fit(comparison.train, context))
    real = fitted.predict

    def spy(self, genotypes):
        seen.append(list(genotypes.samples.columns))
        return real(self, genotypes)

    monkeypatch.setattr(fitted, "predict", spy)
    prediction = Answers(registry, comparison.train).answer(Predictions("ridge", "synthetic"), comparison)
    assert seen == [["id", "sex"]]
    np.testing.assert_array_equal(prediction.truth, comparison.holdout.samples["weight"])


def test_answers__predictions_hang_on_calls_and_not_on_covariates(comparison):
    """A covariate that gives the trait away changes nothing: synthetic samples carry both in one row, whatever their calls are."""
    telling = {part: comparison.part(part) for part in ("synthetic", "holdout")}
    telling = {part: found.with_samples(found.samples.assign(sex=found.samples["weight"])) for part, found in telling.items()}
    request = Predictions("ridge", "synthetic")
    first, second = (
        Answers(load_registry(), comparison.train).answer(request, shown) for shown in (comparison, replace(comparison, **telling))
    )
    np.testing.assert_array_equal(first.predicted, second.predicted)


def test_answers__a_classifier_is_fitted_once_for_all_that_it_predicts(comparison, monkeypatch):
    """A band asks a classifier trained on the holdout about a hundred draws."""
    registry = load_registry()
    ridge = registry.load("classifier", "ridge")
    fit, n_samples = ridge.fit, []

    def spy(self, train, context):
        n_samples.append(train.n_samples)
        return fit(self, train, context)

    monkeypatch.setattr(ridge, "fit", spy)
    answers = Answers(registry, comparison.train)
    for target in ("synthetic", "train", "synthetic"):
        prediction = answers.answer(Predictions("ridge", "holdout", target), comparison)
        np.testing.assert_array_equal(prediction.truth, comparison.part(target).samples["weight"])
    assert n_samples == [comparison.holdout.n_samples]


def test_answers__synthetic_samples_without_the_trait_give_a_reason(comparison):
    bare = comparison.synthetic.with_samples(comparison.synthetic.samples[["id"]])
    shown = replace(comparison, synthetic=bare)
    assert (
        Answers(load_registry(), comparison.train).answer(Predictions("ridge", "synthetic"), shown)
        == "the synthetic samples carry no 'weight'"
    )
