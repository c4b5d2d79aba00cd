"""Covariates: against scikit-learn and pandas, and closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from genobench import Covariates, DatasetError, Genotypes, Trait
from genobench.testing import example_genotypes

TRAIT = Trait("trait", "quantitative", covariates=("sex", "weight", "herd"))


def table(n_samples: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "id": [f"s{k}" for k in range(n_samples)],
            "trait": rng.normal(size=n_samples),
            "sex": rng.choice(["female", "male"], n_samples, p=[0.7, 0.3]),
            "weight": rng.normal(300, 40, n_samples),
            "herd": rng.choice(["a", "b", "c"], n_samples, p=[0.2, 0.5, 0.3]),
        }
    )


@pytest.fixture
def train() -> Genotypes:
    genotypes = example_genotypes(n_samples=60, n_variants=80)
    return genotypes.with_samples(table(60).assign(id=genotypes.samples["id"].to_numpy()))


def test_matrix__spans_what_dummies_and_values_span(train: Genotypes) -> None:
    covariates = Covariates.fit(train, TRAIT)
    expected = pd.get_dummies(train.samples[["sex", "weight", "herd"]], drop_first=True).to_numpy(dtype=float)
    matrix = covariates.matrix(train)
    residual = matrix - np.column_stack([np.ones(60), expected]) @ np.linalg.lstsq(np.column_stack([np.ones(60), expected]), matrix)[0]
    assert matrix.shape == expected.shape
    assert np.linalg.matrix_rank(matrix) == expected.shape[1]
    assert np.abs(residual).max() < 1e-10
    assert np.abs(matrix.mean(axis=0)).max() < 1e-12
    assert covariates.names == ("sex=male", "weight", "herd=a", "herd=c")


def test_matrix__of_others_has_the_scale_of_training(train: Genotypes) -> None:
    covariates = Covariates.fit(train, TRAIT)
    weight = train.samples["weight"]
    other = train.take_samples(np.arange(2))
    other = other.with_samples(other.samples.assign(weight=[weight.mean() + 2 * weight.std(ddof=0), np.nan], herd=["z", "a"]))
    place = covariates.names.index("weight")
    assert covariates.matrix(other)[:, place] == pytest.approx([2, 0], abs=1e-12)
    # A herd that training did not have is the average one.
    assert covariates.matrix(other)[0, covariates.names.index("herd=a")] == 0


def test_fit__what_follows_from_other_columns_is_left_out(train: Genotypes) -> None:
    samples = train.samples.assign(kilograms=train.samples["weight"] * 2 + 1, same="x", barn=train.samples["herd"].str.upper())
    trait = replace(TRAIT, covariates=("weight", "kilograms", "same", "herd", "barn"))
    assert Covariates.fit(train.with_samples(samples), trait).names == ("weight", "herd=a", "herd=c")


def test_fit__values_that_differ_by_rounding_are_left_out(train: Genotypes) -> None:
    """0.1 + 0.2 is not quite 0.3; standardised by that, another value was 1.8e15 standard deviations away."""
    samples = train.samples.assign(weight=np.where(np.arange(60) == 0, 0.1 + 0.2, 0.3))
    trait = replace(TRAIT, covariates=("weight", "sex"))
    covariates = Covariates.fit(train.with_samples(samples), trait)
    assert covariates.names == ("sex=male",)
    assert np.abs(covariates.matrix(train.with_samples(samples.assign(weight=0.4)))).max() < 1


def test_fit__a_class_of_a_single_sample_and_values_of_a_tiny_unit_are_columns(train: Genotypes) -> None:
    samples = train.samples.assign(weight=1e-9 * train.samples["weight"], sex=np.where(np.arange(60) == 7, "male", "female"))
    covariates = Covariates.fit(train.with_samples(samples), replace(TRAIT, covariates=("weight", "sex")))
    assert covariates.names == ("weight", "sex=male")
    assert covariates.matrix(train.with_samples(samples)).std(axis=0) == pytest.approx([1, np.sqrt(59) / 60])


def test_fit__components_are_those_of_a_singular_value_decomposition(train: Genotypes) -> None:
    covariates = Covariates.fit(train, Trait("trait", "quantitative"), n_components=2)
    calls = train.to_array().astype(float)
    frequency = calls.mean(axis=0) / 2
    varies = (frequency > 0) & (frequency < 1)
    scaled = (calls[:, varies] - 2 * frequency[varies]) / np.sqrt(frequency[varies] * (1 - frequency[varies]))
    left = np.linalg.svd(scaled, full_matrices=False)[0][:, :2] * np.sqrt(60)
    found = covariates.matrix(train)
    assert covariates.names == ("PC1", "PC2")
    assert np.abs(np.abs(found.T @ left) / 60 - np.eye(2)).max() < 0.02


def test_matrix__samples_without_a_covariate_are_refused(train: Genotypes) -> None:
    covariates = Covariates.fit(train, TRAIT)
    with pytest.raises(DatasetError, match="have no covariate 'herd'"):
        covariates.matrix(train.with_samples(train.samples.drop(columns="herd")))
    with pytest.raises(DatasetError, match="training samples have no covariate 'age'"):
        Covariates.fit(train, replace(TRAIT, covariates=("age",)))


def test_fit__no_covariates_are_no_columns(train: Genotypes) -> None:
    assert Covariates.fit(train, Trait("trait", "quantitative")).matrix(train).shape == (60, 0)
