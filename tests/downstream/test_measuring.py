"""From a record of predictions to numbers: which measures, over which samples, with which noise."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from genobench.downstream.measuring import judged, measure
from genobench.errors import GenobenchError


def test_values__are_measured_as_by_scipy_and_scikit_learn(make_record):
    record = dataclasses.replace(make_record(), covariate_groups=tuple(place % 3 for place in range(120)))
    found = {name: one.value for name, one in measure(record, heritability=0.49).items()}
    truth, predicted, families, alike = (
        np.array(part) for part in (record.truth, record.predicted, record.groups, record.covariate_groups)
    )
    line = stats.linregress(predicted, truth)

    def within(groups):
        """As textbooks have it: the correlation of what is left of both sides beside their groups' means."""
        return stats.pearsonr(
            *(side - np.array([side[groups == group].mean() for group in groups]) for side in (truth, predicted))
        ).statistic

    assert found == pytest.approx(
        {
            "pearson_r": line.rvalue,
            "within_family_r": within(families),
            "within_covariates_r": within(alike),
            "r_over_h": line.rvalue / 0.7,
            "r2": metrics.r2_score(truth, predicted),
            "mse": metrics.mean_squared_error(truth, predicted),
            "slope": line.slope,
            "intercept": line.intercept,
        }
    )


def test_within_covariates_r__is_blind_to_what_a_vendor_explains(make_record):
    """A prediction that knows the vendor alone correlates with the trait, and not within vendors."""
    record = make_record()
    vendor = np.arange(120) % 2
    truth = np.array(record.truth) + 4 * vendor
    told = measure(dataclasses.replace(record, truth=tuple(truth), predicted=tuple(4.0 * vendor), covariate_groups=tuple(vendor.tolist())))
    assert told["pearson_r"].value > 0.8
    assert told["within_covariates_r"].value == 0.0
    without = measure(record)["within_covariates_r"]
    assert math.isnan(without.value)
    assert without.reason.startswith("no covariate of the trait has classes")


def test_classes__are_measured_as_by_scikit_learn_in_the_order_of_the_record(make_record):
    record = make_record("ordinal")
    found = {name: one.value for name, one in measure(record).items()}
    truth = np.array([record.classes.index(label) for label in record.truth])
    told = np.array(record.predicted)
    called = told.argmax(axis=1)
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, called))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, called, average="macro"))
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(truth, told, multi_class="ovr", average="macro"))
    assert found["quadratic_kappa"] == pytest.approx(metrics.cohen_kappa_score(truth, called, weights="quadratic"))
    weights = 1 / np.bincount(truth)[truth]
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, told, sample_weight=weights))


def test_samples_of_unknown_trait__do_not_count(make_record):
    for kind, unknown in (("quantitative", None), ("ordinal", "")):
        record = make_record(kind)
        more = dataclasses.replace(
            record, truth=(*record.truth, unknown), predicted=(*record.predicted, record.predicted[0]), groups=(*record.groups, 99)
        )
        before, after = ({name: one.value for name, one in measure(part).items()} for part in (record, more))
        np.testing.assert_equal(after, before)


def test_a_class_without_a_sample_in_the_holdout__is_no_reason_to_fail(make_record):
    record = make_record("ordinal")
    kept = [place for place, label in enumerate(record.truth) if label != "medium"]
    fewer = dataclasses.replace(
        record, **{name: tuple(getattr(record, name)[place] for place in kept) for name in ("truth", "predicted", "groups")}
    )
    assert all(math.isfinite(one.value) for one in measure(fewer).values())


def test_predictions_all_alike__correlate_with_nothing_instead_of_dropping_out(make_record):
    """A lasso that selects no variant must not be left out of a mean, which would flatter it."""
    record = make_record()
    found = measure(dataclasses.replace(record, predicted=(0.25,) * len(record.truth)), heritability=0.5)
    assert {name: found[name].value for name in ("pearson_r", "within_family_r", "r_over_h")} == {
        "pearson_r": 0.0,
        "within_family_r": 0.0,
        "r_over_h": 0.0,
    }
    assert math.isnan(found["slope"].value)
    assert "predictions are all alike" in found["slope"].reason


def test_a_holdout_of_one_value__has_no_correlation(make_record):
    record = make_record()
    found = measure(dataclasses.replace(record, truth=(2.0,) * len(record.truth)))
    assert math.isnan(found["pearson_r"].value)
    assert "values are all alike" in found["pearson_r"].reason
    assert "no family" in found["within_family_r"].reason


def test_single_samples__have_no_correlation_within_families(make_record):
    record = make_record()
    found = measure(dataclasses.replace(record, groups=tuple(range(len(record.truth)))))
    assert math.isnan(found["within_family_r"].value)
    assert math.isnan(found["r_over_h"].value)
    assert "heritability is not known" in found["r_over_h"].reason


def test_records_without_predictions__hand_their_reason_on(make_record):
    record = dataclasses.replace(make_record("categorical"), predicted=(), reason="The class 'high' has no sample.")
    assert {one.reason for one in measure(record).values()} == {"The class 'high' has no sample."}
    with pytest.raises(GenobenchError, match="The class 'high' has no sample"):
        judged(record)


def test_classes_that_nobody_told_of__are_a_reason(make_record):
    record = make_record("categorical")
    other = dataclasses.replace(record, classes=("low", "medium", "tall"))
    with pytest.raises(GenobenchError, match=r"has the class 'high', which 'genobench/ridge' was never told of"):
        judged(other)


def test_nobody__is_a_reason(make_record):
    record = make_record()
    with pytest.raises(GenobenchError, match="known of no holdout sample"):
        judged(dataclasses.replace(record, truth=(None,) * len(record.truth)))


def test_standard_error__of_a_mean_over_families_is_that_of_family_means(make_record):
    """Twenty families of six: the jackknife of a mean squared error is the standard error of the mean of 20 family means, exactly."""
    record = make_record()
    families = np.arange(120) // 6
    found = measure(dataclasses.replace(record, groups=tuple(families.tolist())))["mse"]
    squares = (np.array(record.truth) - np.array(record.predicted)) ** 2
    means = squares.reshape(20, 6).mean(axis=1)
    assert len(found.sizes) == 20
    assert found.standard_error == pytest.approx(means.std(ddof=1) / np.sqrt(20))


def test_groups__are_the_same_for_records_of_one_holdout(make_record):
    first, second = measure(make_record())["mse"], measure(make_record(arm="real+1x", quality=0.4))["mse"]
    assert first.samples == second.samples
    assert list(first.sizes) == list(second.sizes)
    assert first.samples != measure(make_record(split_seed=1))["mse"].samples
