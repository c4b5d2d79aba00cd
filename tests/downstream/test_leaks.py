"""Covariates that give the trait away, planted; and predictions that are the truth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from genobench.downstream.leaks import equals_truth, leaking_covariates
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

SAMPLES = example_genotypes(n_samples=90).samples
NUMBERS = np.random.default_rng(7).normal(size=90)
CODES = SAMPLES["grade"].map({"low": 0.0, "medium": 1.0, "high": 2.0})


@pytest.mark.parametrize(
    ("kind", "planted"),
    [
        ("quantitative", SAMPLES["weight"]),
        ("quantitative", 3 - 0.5 * SAMPLES["weight"]),
        ("ordinal", SAMPLES["grade"]),
        ("ordinal", SAMPLES["grade"].map({"low": "x", "medium": "y", "high": "z"})),
        ("ordinal", SAMPLES["grade"].map({"low": 3, "medium": 1, "high": 2})),
        ("ordinal", CODES + 0.4 * np.tanh(NUMBERS)),
        ("categorical", SAMPLES["coat"] == "red"),
    ],
    ids=["itself", "turned and scaled", "itself", "by other names", "as numbers", "cut into classes", "as truth values"],
)
def test_leaking_covariates__finds_one_that_is_the_trait(kind, planted):
    trait = dataclasses.replace(EXAMPLE_TRAITS[kind], covariates=("sex", "planted", "absent"))
    assert leaking_covariates(SAMPLES.assign(planted=planted), trait) == ("planted",)


@pytest.mark.parametrize(
    ("kind", "innocent"),
    [
        ("quantitative", SAMPLES["weight"] + 0.01 * NUMBERS),
        ("quantitative", SAMPLES["id"]),
        ("quantitative", pd.Series(1.0, index=SAMPLES.index)),
        ("ordinal", SAMPLES["id"]),
        ("ordinal", CODES + NUMBERS),
        ("ordinal", SAMPLES["coat"]),
        ("categorical", SAMPLES["family"]),
    ],
    ids=["nearly itself", "ids", "constant", "ids", "goes with it", "another class", "families"],
)
def test_leaking_covariates__what_only_goes_with_the_trait_is_none(kind, innocent):
    trait = dataclasses.replace(EXAMPLE_TRAITS[kind], covariates=("innocent",))
    assert leaking_covariates(SAMPLES.assign(innocent=innocent), trait) == ()


@pytest.mark.parametrize("kind", ["quantitative", "ordinal"])
def test_equals_truth__all_samples_but_one_are_not_all(make_record, kind):
    record = make_record(kind)
    certain = [tuple(float(name == true) for name in record.classes) for true in record.truth]
    right = tuple(certain) if kind == "ordinal" else record.truth
    wrong = right[1] if right[1] != right[0] else right[np.flatnonzero([one != right[0] for one in right])[0]]
    assert equals_truth(dataclasses.replace(record, predicted=right))
    assert not equals_truth(dataclasses.replace(record, predicted=(wrong, *right[1:])))
    assert not equals_truth(record)
    assert not equals_truth(dataclasses.replace(record, predicted=(), reason="There is none."))
