"""What all linear classifiers do with traits that are incomplete, constant, or absent, and with covariates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from genobench import MISSING, DatasetError, PackedCalls
from genobench.builtin.linear.covariates_alone import CovariatesAlone
from genobench.builtin.linear.logistic import LogisticRegression
from genobench.builtin.linear.ordinal import OrdinalRegression
from genobench.builtin.linear.ridge import RidgeRegression
from genobench.builtin.linear.training import Known

OF_VALUES = [RidgeRegression(), CovariatesAlone()]
OF_CLASSES = [LogisticRegression(), OrdinalRegression(), CovariatesAlone()]


@pytest.fixture
def flat(train):
    """Training samples of which no call is known."""
    return replace(train, calls=PackedCalls.from_calls(np.full((100, 300), MISSING, dtype=np.int8)))


@pytest.mark.parametrize("classifier", OF_VALUES)
def test_values__samples_without_one_are_passed_over(classifier, train, others, context):
    gaps = train.samples.assign(weight=train.samples["weight"].where(np.arange(100) < 80))
    first = classifier.fit(train.with_samples(gaps), context["quantitative"])
    second = classifier.fit(train.take_samples(np.arange(80)), context["quantitative"])
    np.testing.assert_array_equal(first.predict(others), second.predict(others))


@pytest.mark.parametrize("classifier", OF_CLASSES)
def test_classes__samples_without_one_are_passed_over(classifier, train, others, context):
    gaps = train.samples.assign(grade=train.samples["grade"].where(np.arange(100) < 80))
    first = classifier.fit(train.with_samples(gaps), context["ordinal"])
    second = classifier.fit(train.take_samples(np.arange(80)), context["ordinal"])
    np.testing.assert_array_equal(first.predict(others), second.predict(others))


@pytest.mark.parametrize("classifier", OF_VALUES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": np.nan}, "None of the 100 training samples has a value of 'weight'"),
        ({"weight": 7.0}, "The trait 'weight' is 7 in all of the 100 training samples"),
        ({"weight": "heavy"}, "The quantitative trait 'weight' holds what is no number"),
        ({"weight": np.inf}, "The trait 'weight' holds the value inf"),
    ],
)
def test_values__are_refused_in_a_sentence(classifier, change, message, train, context):
    with pytest.raises(DatasetError, match=message):
        classifier.fit(train.with_samples(train.samples.assign(**change)), context["quantitative"])


@pytest.mark.parametrize("classifier", OF_CLASSES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grade": None}, "None of the 100 training samples has a value of 'grade'"),
        ({"grade": "low"}, "All of the 100 training samples that have 'grade' are of the class 'low'"),
        ({"grade": "huge"}, "The class 'huge' of 'grade' is none of low, medium, high"),
    ],
)
def test_classes__are_refused_in_a_sentence(classifier, change, message, train, context):
    with pytest.raises(DatasetError, match=message):
        classifier.fit(train.with_samples(train.samples.assign(**change)), context["ordinal"])


def test_trait__column_that_is_absent_is_named(train, context):
    with pytest.raises(DatasetError, match="no column 'weight'"):
        RidgeRegression().fit(train.with_samples(pd.DataFrame({"id": train.sample_ids})), context["quantitative"])


@pytest.mark.parametrize(("classifier", "kind"), [(RidgeRegression(), "quantitative"), (OrdinalRegression(), "ordinal")])
def test_calls__that_do_not_vary_leave_covariates_alone(classifier, kind, flat, others, context):
    expected = (
        CovariatesAlone().fit(flat, context[kind]).predict(others)
        if kind == "quantitative"
        else classifier.fit(flat, replace(context[kind], validation=flat)).predict(others)
    )
    np.testing.assert_allclose(classifier.fit(flat, context[kind]).predict(others), expected)
    alone = replace(context[kind], trait=replace(context[kind].trait, covariates=()))
    with pytest.raises(DatasetError, match="None of the 300 variants varies among the 100 training samples, and there are no covariates"):
        classifier.fit(flat, alone)


def test_covariates_alone__are_means_within_classes_of_one_covariate(train, others, context):
    predicted = CovariatesAlone().fit(train, context["quantitative"]).predict(others)
    means = train.samples.groupby("sex")["weight"].mean()
    np.testing.assert_allclose(predicted, means[others.samples["sex"]], rtol=1e-12)


def test_covariates_alone__are_balanced_odds_within_classes_of_one_covariate(train, others, context):
    """With a covariate of two classes the model is saturated: shares within each sex, of samples weighted to equal classes."""
    predicted = CovariatesAlone().fit(train, context["categorical"]).predict(others)
    shares = pd.crosstab(train.samples["sex"], train.samples["coat"], normalize="columns")
    shares = shares.div(shares.sum(axis=1), axis=0)
    np.testing.assert_allclose(predicted, shares.loc[others.samples["sex"], ["red", "white"]], atol=1e-4)


def test_covariates_alone__without_any_are_the_mean_and_equal_odds(train, others, context):
    bare = {kind: replace(found, trait=replace(found.trait, covariates=())) for kind, found in context.items()}
    np.testing.assert_allclose(CovariatesAlone().fit(train, bare["quantitative"]).predict(others), train.samples["weight"].mean())
    np.testing.assert_allclose(CovariatesAlone().fit(train, bare["ordinal"]).predict(others), 1 / 3, atol=1e-6)


def test_covariates_alone__read_calls_for_components_only(train, others, context):
    components = replace(context["quantitative"], n_components=3)
    without = [CovariatesAlone().fit(train, found).predict(others) for found in (context["quantitative"], components)]
    assert np.unique(without[0].round(9)).size == 2
    assert np.unique(without[1].round(9)).size == 50


def test_folds__ask_each_sample_once_of_a_fit_without_its_family(train, context):
    known = Known.of(train, context["quantitative"])
    asked = []
    for rows, others in known.folds(1):
        families = train.samples["family"].to_numpy()
        assert not set(families[rows]) & set(families[others])
        asked.extend(others.tolist())
    assert sorted(asked) == list(range(100))
