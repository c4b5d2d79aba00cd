"""GBLUP: Henderson's equations solved whole, and the mixed model's own estimates from eigenvectors."""

from __future__ import annotations

import numpy as np
import pytest

from genobench import MISSING, DatasetError, GenotypesError, PackedCalls
from genobench.statgen import Gblup, MixedModel, fit_gblup, vanraden_1


def half_sibs(n_variants: int, *, heritability: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calls of 120 offspring of 8 sires, one in 50 missing and the last variant the same in all; a trait of them; two covariates."""
    random = np.random.default_rng(3)
    frequency = random.uniform(0.1, 0.9, n_variants)
    sires = random.binomial(2, frequency, (8, n_variants))
    calls = (random.binomial(1, np.repeat(sires, 15, axis=0) / 2) + random.binomial(1, frequency, (120, n_variants))).astype(np.int8)
    value, covariates = calls @ random.normal(size=n_variants), random.normal(size=(120, 2)) + 3
    trait = heritability**0.5 * (value - value.mean()) / value.std() + (1 - heritability) ** 0.5 * random.normal(size=120)
    calls[random.random(calls.shape) < 0.02] = MISSING
    calls[:, -1] = 2
    return calls, 4 + 2 * trait + covariates[:, 0], covariates


def at_means(calls: np.ndarray, means: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(calls == MISSING, 0.0, calls - means))


def mean_calls(calls: np.ndarray) -> np.ndarray:
    return np.asarray(np.ma.masked_equal(calls, MISSING).mean(axis=0).filled(0))


@pytest.mark.parametrize("n_variants", [60, 200])
def test_fit_gblup__solves_hendersons_equations(n_variants: int) -> None:
    """Both with fewer variants than samples and with more: [W'W W'Z; Z'W Z'Z + penalty] [a; u] = [W'y; Z'y]."""
    calls, trait, covariates = half_sibs(n_variants)
    found = fit_gblup(calls, trait, covariates)
    means = mean_calls(calls)
    design = np.column_stack([np.ones(120), covariates, at_means(calls, means)])
    # The variance of a weight is that of a sample with a relationship of 1 over the sum of 2 p (1 - p).
    penalty = found.residual_variance / found.genetic_variance * (means * (1 - means / 2)).sum()
    equations = design.T @ design + np.diag([0] * 3 + [penalty] * n_variants)
    solution = np.linalg.lstsq(equations, design.T @ trait)[0]
    np.testing.assert_allclose([found.intercept, *found.effects], solution[:3], rtol=1e-5)
    np.testing.assert_allclose(found.weights, solution[3:], atol=1e-5 * np.abs(solution[3:]).max())
    assert found.weights[-1] == 0
    others = calls[::-1].copy()
    others[:, 0] = MISSING
    expected = np.column_stack([np.ones(120), covariates, at_means(others, means)]) @ solution
    np.testing.assert_allclose(found.predict(PackedCalls.from_calls(others), covariates), expected, rtol=1e-5)


@pytest.mark.parametrize("heritability", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("n_variants", [60, 200])
def test_fit_gblup__has_the_variances_of_the_mixed_model(n_variants: int, heritability: float) -> None:
    calls, trait, covariates = half_sibs(n_variants, heritability=heritability)
    found, model = fit_gblup(calls, trait, covariates), MixedModel.fit(vanraden_1(calls), trait, covariates)
    assert found.heritability == pytest.approx(model.heritability, abs=1e-3)
    assert found.heritability_error == pytest.approx(model.heritability_error, rel=5e-3)
    assert found.restricted_log_likelihood == pytest.approx(model.restricted_log_likelihood, abs=1e-4)
    assert found.genetic_variance == pytest.approx(model.genetic_variance, rel=5e-3)
    assert found.residual_variance == pytest.approx(model.residual_variance, rel=5e-3)
    own = np.column_stack([np.ones(120), covariates]) @ model.effects + model.genetic_values
    np.testing.assert_allclose(found.predict(calls, covariates), own, atol=5e-3 * trait.std())


def test_fit_gblup__is_the_same_of_samples_and_of_variants() -> None:
    """Each variant twice makes no other relationships, but more variants than samples, and halves the weights."""
    calls, trait, covariates = half_sibs(100)
    once, twice = fit_gblup(calls, trait, covariates), fit_gblup(np.hstack([calls, calls]), trait, covariates)
    assert once.heritability == pytest.approx(twice.heritability, abs=1e-4)
    np.testing.assert_allclose(once.weights, twice.weights[:100] * 2, atol=1e-3 * np.abs(once.weights).max())
    np.testing.assert_allclose(twice.weights[:100], twice.weights[100:])


def test_fit_gblup__is_least_squares_on_covariates_where_calls_explain_nothing() -> None:
    """A trait of covariates and of noise that no call explains has the lowest heritability that is looked for."""
    calls, _, covariates = half_sibs(60)
    design, noise = np.column_stack([np.ones(120), covariates]), np.random.default_rng(12).normal(size=120)
    explaining = np.column_stack([design, at_means(calls, mean_calls(calls))])
    trait = covariates @ [2.0, -1.0] + noise - explaining @ np.linalg.lstsq(explaining, noise)[0]
    found = fit_gblup(calls, trait, covariates)
    assert found.heritability == pytest.approx(1e-4, rel=1e-3)
    assert np.isnan(found.heritability_error)
    np.testing.assert_allclose([found.intercept, *found.effects], np.linalg.lstsq(design, trait)[0], atol=1e-3)
    assert np.abs(found.weights).max() < 1e-3


def test_fit_gblup__swapped_alleles_turn_weights_round() -> None:
    calls, trait, _ = half_sibs(200)
    swapped = np.where(calls == MISSING, MISSING, 2 - calls).astype(np.int8)
    one, other = fit_gblup(calls, trait), fit_gblup(swapped, trait)
    np.testing.assert_allclose(other.weights, -one.weights, atol=1e-6)
    np.testing.assert_allclose(other.predict(swapped), one.predict(calls), atol=1e-6)


def test_fit_gblup__refuses_what_it_cannot_fit() -> None:
    calls, trait, covariates = half_sibs(60)
    with pytest.raises(DatasetError, match="GBLUP needs a variant that varies; none of 60 does among 120 samples"):
        fit_gblup(np.ones_like(calls), trait)
    with pytest.raises(DatasetError, match="The values of all 120 samples are 1"):
        fit_gblup(calls, np.ones(120))
    with pytest.raises(GenotypesError, match=r"values have shape \(119,\); there must be one for each of 120 samples"):
        fit_gblup(calls, trait[1:])
    found: Gblup = fit_gblup(calls, trait, covariates)
    with pytest.raises(GenotypesError, match="calls have 59 variants but the weights are of 60"):
        found.predict(calls[:, 1:], covariates)
    with pytest.raises(GenotypesError, match=r"covariates have shape \(120, 0\); they must be \(120, 2\)"):
        found.predict(calls)
