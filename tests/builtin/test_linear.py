"""Linear classifiers, against scikit-learn on all variants at once, and against the truth of simulated traits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression as PeerLogistic
from sklearn.linear_model import Ridge as PeerRidge

from genobench import MISSING, DatasetError, FitContext, Genotypes, PackedCalls
from genobench.builtin.linear import HERITABILITIES, INVERSE_PENALTIES, LogisticRegression, RidgeRegression
from genobench.statgen import Imputer
from genobench.testing import EXAMPLE_TRAITS, example_genotypes

GENOTYPES = example_genotypes(n_samples=150, n_variants=300, n_constant=3, missing_share=0.02, seed=6)
TRAIN, OTHERS = GENOTYPES.take_samples(np.arange(100)), GENOTYPES.take_samples(np.arange(100, 150))
FEW = TRAIN.take_variants(np.arange(10, 40))


@pytest.fixture
def context(tmp_path):
    return {kind: FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path) for kind, trait in EXAMPLE_TRAITS.items()}


def _standardised(train: Genotypes, others: Genotypes) -> tuple[np.ndarray, np.ndarray]:
    """Completed calls less their mean over their deviation, over the root of the number of variants that vary."""
    imputer = Imputer.fit(train.to_array())
    calls, other_calls = (imputer.complete(part.to_array()).astype(float) for part in (train, others))
    varies = calls.std(axis=0) > 0
    scale = calls.std(axis=0)[varies] * np.sqrt(varies.sum())
    return (calls - calls.mean(axis=0))[:, varies] / scale, (other_calls - calls.mean(axis=0))[:, varies] / scale


@pytest.mark.parametrize("train", [TRAIN, FEW], ids=["more variants than samples", "fewer"])
def test_ridge__predicts_as_scikit_learn_does_with_its_penalty(train, context):
    others = OTHERS if train is TRAIN else OTHERS.take_variants(np.arange(10, 40))
    predictor = RidgeRegression().fit(train, context["quantitative"])
    x, other_x = _standardised(train, others)
    penalty = (1 - predictor.heritability) / predictor.heritability
    peer = PeerRidge(alpha=penalty).fit(x, train.samples["weight"])
    np.testing.assert_allclose(predictor.predict(others), peer.predict(other_x), rtol=1e-5)


def test_ridge__chooses_the_least_generalised_cross_validation_error(context):
    """Golub, Heath and Wahba 1979, equation 1.4, with the hat matrix written out."""
    x, _ = _standardised(TRAIN, OTHERS)
    y = TRAIN.samples["weight"].to_numpy()
    errors = []
    for share in HERITABILITIES:
        hat = x @ np.linalg.solve(x.T @ x + (1 - share) / share * np.eye(x.shape[1]), x.T) + 1 / len(y)
        residual = y - hat @ y
        errors.append(len(y) * residual @ residual / (len(y) - np.trace(hat)) ** 2)
    assert RidgeRegression().fit(TRAIN, context["quantitative"]).heritability == HERITABILITIES[int(np.argmin(errors))]


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


@pytest.mark.parametrize("kind", ["categorical", "ordinal"])
def test_logistic__predicts_as_scikit_learn_does_with_its_penalty(kind, context):
    trait = EXAMPLE_TRAITS[kind]
    predictor = LogisticRegression().fit(TRAIN, context[kind])
    x, other_x = _standardised(TRAIN, OTHERS)
    peer = PeerLogistic(C=predictor.inverse_penalty, class_weight="balanced", max_iter=5_000, tol=1e-8)
    peer.fit(x, TRAIN.samples[trait.column])
    columns = [list(peer.classes_).index(label) for label in trait.classes]
    assert predictor.classes == trait.classes
    np.testing.assert_allclose(predictor.predict(OTHERS), peer.predict_proba(other_x)[:, columns], atol=2e-3)


def test_logistic__chooses_its_penalty_on_validation_samples_where_given(context):
    """The training samples themselves ask for no shrinkage, the same samples with turned classes for as much as there is."""
    turned = TRAIN.with_samples(TRAIN.samples.assign(coat=TRAIN.samples["coat"].map({"red": "white", "white": "red"})))
    chosen = [
        LogisticRegression().fit(TRAIN, replace(context["categorical"], validation=validation)).inverse_penalty
        for validation in (TRAIN, turned)
    ]
    assert chosen == [INVERSE_PENALTIES[-1], INVERSE_PENALTIES[0]]


def test_logistic__gives_a_class_that_training_lacks_no_chance(context):
    known = TRAIN.take_samples(np.flatnonzero(TRAIN.samples["grade"] != "medium"))
    probabilities = LogisticRegression().fit(known, context["ordinal"]).predict(OTHERS)
    assert not probabilities[:, 1].any()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_classifiers__pass_over_samples_without_the_trait(context):
    gaps = TRAIN.samples.assign(weight=TRAIN.samples["weight"].where(np.arange(100) < 80))
    first = RidgeRegression().fit(TRAIN.with_samples(gaps), context["quantitative"])
    second = RidgeRegression().fit(TRAIN.take_samples(np.arange(80)), context["quantitative"])
    np.testing.assert_array_equal(first.predict(OTHERS), second.predict(OTHERS))


@pytest.mark.parametrize(
    ("classifier", "kind", "change", "message"),
    [
        (RidgeRegression(), "quantitative", {"weight": np.nan}, "Only 0 training samples have a value of 'weight'"),
        (LogisticRegression(), "ordinal", {"grade": "low"}, r"hold fewer than two classes of 'grade' \(low\)"),
        (LogisticRegression(), "ordinal", {"grade": "huge"}, "The class 'huge' of 'grade' is none of low, medium, high"),
    ],
)
def test_classifiers__say_what_a_trait_lacks(classifier, kind, change, message, context):
    with pytest.raises(DatasetError, match=message):
        classifier.fit(TRAIN.with_samples(TRAIN.samples.assign(**change)), context[kind])


def test_classifiers__say_which_column_is_absent(context):
    with pytest.raises(DatasetError, match="no column 'weight'"):
        RidgeRegression().fit(TRAIN.with_samples(pd.DataFrame({"id": TRAIN.sample_ids})), context["quantitative"])


def test_classifiers__need_a_variant_that_varies(context):
    flat = replace(TRAIN, calls=PackedCalls.from_calls(np.full((100, 300), MISSING, dtype=np.int8)))
    with pytest.raises(DatasetError, match="None of the 300 variants varies among the 100 training samples"):
        RidgeRegression().fit(flat, context["quantitative"])
