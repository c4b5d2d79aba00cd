"""Mixed models: analysis of variance and least squares in closed form, and likelihoods written out with determinants."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from genobench import DatasetError, GenotypesError
from genobench.statgen import MixedModel, RelationshipSpectrum

N_FAMILIES, FAMILY_SIZE = 12, 5


def relationship_of(n_samples: int, *, n_variants: int = 50, seed: int = 1) -> np.ndarray:
    deviations = np.random.default_rng(seed).normal(size=(n_samples, n_variants))
    deviations -= deviations.mean(axis=1, keepdims=True)
    relationship: np.ndarray = deviations @ deviations.T / (n_variants - 1)
    return relationship


def trait_of(relationship: np.ndarray, covariates: np.ndarray, *, seed: int = 4) -> np.ndarray:
    """With a mean of 3, effects of 1, and as much variance of genetic values as of the rest."""
    random, n_samples = np.random.default_rng(seed), len(relationship)
    values = np.linalg.cholesky(relationship + 1e-9 * np.eye(n_samples)) @ random.normal(size=n_samples)
    trait: np.ndarray = 3 + covariates.sum(axis=1) + values + random.normal(size=n_samples)
    return trait


def families() -> tuple[np.ndarray, np.ndarray]:
    """A relationship of 1 within families of equal size, and values in them."""
    random = np.random.default_rng(2)
    of_family = np.repeat(np.eye(N_FAMILIES), FAMILY_SIZE, axis=0)
    return of_family @ of_family.T, 7 + of_family @ random.normal(size=N_FAMILIES) + random.normal(size=N_FAMILIES * FAMILY_SIZE)


def mean_squares(values: np.ndarray) -> tuple[float, float]:
    """Between and within families."""
    table = values.reshape(N_FAMILIES, FAMILY_SIZE)
    between = FAMILY_SIZE * ((table.mean(axis=1) - table.mean()) ** 2).sum() / (N_FAMILIES - 1)
    within = ((table - table.mean(axis=1, keepdims=True)) ** 2).sum() / (N_FAMILIES * (FAMILY_SIZE - 1))
    return float(between), float(within)


def test_mixed_model__is_the_analysis_of_variance_of_balanced_families() -> None:
    """As restricted likelihood is in balanced designs: Searle, Casella, McCulloch 1992, Variance Components, section 4.5."""
    relationship, values = families()
    between, within = mean_squares(values)
    model = MixedModel.fit(relationship, values)
    assert model.residual_variance == pytest.approx(within, rel=1e-6)
    assert model.genetic_variance == pytest.approx((between - within) / FAMILY_SIZE, rel=1e-6)
    # A mean square of d degrees of freedom has a variance of 2 / d times its square.
    of_between, of_within = 2 * between**2 / (N_FAMILIES - 1), 2 * within**2 / (N_FAMILIES * (FAMILY_SIZE - 1))
    assert model.residual_variance_error == pytest.approx(np.sqrt(of_within), rel=1e-5)
    assert model.genetic_variance_error == pytest.approx(np.sqrt(of_between + of_within) / FAMILY_SIZE, rel=1e-5)
    assert model.effects == pytest.approx([values.mean()])
    # Of these families' mean: it would be the root of between / n for all families that there might be.
    assert model.effect_errors == pytest.approx([np.sqrt(within / len(values))], rel=1e-5)


def test_mixed_model__shrinks_means_of_families() -> None:
    relationship, values = families()
    between, within = mean_squares(values)
    deviations = np.repeat(values.reshape(N_FAMILIES, FAMILY_SIZE).mean(axis=1) - values.mean(), FAMILY_SIZE)
    np.testing.assert_allclose(MixedModel.fit(relationship, values).genetic_values, (1 - within / between) * deviations, atol=1e-6)


@pytest.mark.parametrize("relationship", [np.zeros((30, 30)), np.full((30, 30), 0.3), np.eye(30)], ids=["none", "all alike", "all alone"])
def test_mixed_model__is_least_squares_where_no_two_samples_are_more_related(relationship: np.ndarray) -> None:
    random = np.random.default_rng(5)
    covariates = random.normal(size=(30, 2)) + 4
    values = trait_of(np.eye(30), covariates)
    design = np.column_stack([np.ones(30), covariates])
    inverse = np.linalg.inv(design.T @ design)
    effects = inverse @ design.T @ values
    variance = ((values - design @ effects) ** 2).sum() / 27
    model = MixedModel.fit(relationship, values, covariates)
    np.testing.assert_allclose(model.effects, effects)
    errors = np.sqrt(variance * np.diag(inverse))
    np.testing.assert_allclose(model.effect_errors[1:], errors[1:])
    if relationship[0, 0] == relationship[0, 1]:
        assert model.effect_errors[0] == pytest.approx(errors[0])
        assert model.residual_variance == pytest.approx(variance)
        assert [model.heritability, model.genetic_variance, *model.genetic_values] == [0] * 32


def restricted(genetic: float, residual: float, relationship: np.ndarray, values: np.ndarray, fixed: np.ndarray) -> float:
    """The restricted log-likelihood of Patterson and Thompson, with determinants and inverses, without eigenvectors."""
    variance = genetic * relationship + residual * np.eye(len(values))
    inverse = np.linalg.inv(variance)
    of_fixed = fixed.T @ inverse @ fixed
    projection = inverse - inverse @ fixed @ np.linalg.solve(of_fixed, fixed.T @ inverse)
    determinants = np.linalg.slogdet(variance)[1] + np.linalg.slogdet(of_fixed)[1] - np.linalg.slogdet(fixed.T @ fixed)[1]
    degrees = len(values) - fixed.shape[1]
    return float(-(degrees * np.log(2 * np.pi) + determinants + values @ projection @ values) / 2)


@pytest.mark.parametrize("n_covariates", [0, 3])
def test_mixed_model__has_the_highest_restricted_likelihood(n_covariates: int) -> None:
    """And the errors of its bend, by differences of the likelihood; a covariate in other units changes nothing."""
    covariates = np.random.default_rng(6).normal(size=(60, n_covariates)) * 100
    relationship = relationship_of(60)
    values, fixed = trait_of(relationship, covariates / 100), np.column_stack([np.ones(60), covariates])
    model = MixedModel.fit(relationship, values, covariates)
    found = np.array([model.genetic_variance, model.residual_variance])

    def likelihood(genetic: float, residual: float) -> float:
        return restricted(found[0] + genetic, found[1] + residual, relationship, values, fixed)

    assert model.restricted_log_likelihood == pytest.approx(likelihood(0, 0), abs=1e-8)
    assert all(
        likelihood(*shift) < likelihood(0, 0) for shift in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01), (0.01, -0.01), (-0.01, 0.01))
    )
    step = 1e-3
    bend = np.empty((2, 2))
    for row, left in enumerate(np.eye(2) * step):
        for column, right in enumerate(np.eye(2) * step):
            signs = [(left + right, 1), (left - right, -1), (right - left, -1), (-left - right, 1)]
            bend[row, column] = sum(sign * likelihood(*shift) for shift, sign in signs) / (4 * step**2)
    covariance = np.linalg.inv(-bend)
    assert model.genetic_variance_error == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-4)
    assert model.residual_variance_error == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-4)
    # The share's error follows from both variances and their covariance.
    scale = model.heritability / (1 - model.heritability) * found[1] / found[0]
    slope = scale * np.array([found[1], -found[0]]) / (scale * found[0] + found[1]) ** 2
    assert model.heritability_error == pytest.approx(np.sqrt(slope @ covariance @ slope), rel=1e-4)


def test_mixed_model__has_the_full_likelihood_of_a_normal_distribution() -> None:
    relationship, values = families()
    model, n_samples = MixedModel.fit(relationship, values), len(values)
    centring = np.eye(n_samples) - 1 / n_samples
    centred = centring @ relationship @ centring
    variance = np.exp(model.full_log_ratio) * centred * n_samples / np.trace(centred) + np.eye(n_samples)
    inverse = np.linalg.inv(variance)
    deviations = values - inverse.sum(axis=0) @ values / inverse.sum()
    scale = deviations @ inverse @ deviations / n_samples
    expected = multivariate_normal.logpdf(deviations, cov=scale * variance)
    assert model.log_likelihood == pytest.approx(expected, abs=1e-8)


def test_mixed_model__hangs_on_no_scale_and_no_mean() -> None:
    relationship, covariates = relationship_of(40), np.random.default_rng(7).normal(size=(40, 1))
    values = trait_of(relationship, covariates)
    one, other = MixedModel.fit(relationship, values, covariates), MixedModel.fit(7 * relationship + 3, 100 + 5 * values, covariates - 9)
    assert other.heritability == pytest.approx(one.heritability, abs=1e-6)
    assert other.heritability_error == pytest.approx(one.heritability_error, abs=1e-6)
    assert other.genetic_variance == pytest.approx(25 / 7 * one.genetic_variance, rel=1e-5)
    assert other.residual_variance == pytest.approx(25 * one.residual_variance, rel=1e-5)
    np.testing.assert_allclose(other.genetic_values, 5 * one.genetic_values, atol=1e-5)
    assert other.effects[1] == pytest.approx(5 * one.effects[1], rel=1e-5)


def test_mixed_model__takes_covariates_that_follow_from_one_another() -> None:
    relationship, covariate = relationship_of(40), np.random.default_rng(8).normal(size=(40, 1))
    values = trait_of(relationship, covariate)
    one = MixedModel.fit(relationship, values, covariate)
    many = MixedModel.fit(RelationshipSpectrum.decompose(relationship), values, np.hstack([covariate, covariate, np.full((40, 1), 2.0)]))
    assert many.heritability == pytest.approx(one.heritability, abs=1e-6)
    np.testing.assert_allclose(many.effects, [one.effects[0], one.effects[1] / 2, one.effects[1] / 2, 0], atol=1e-6)


def test_mixed_model__refuses_what_it_cannot_fit() -> None:
    relationship, values = relationship_of(20), np.random.default_rng(9).normal(size=20)
    with pytest.raises(GenotypesError, match=r"relationships have shape \(20, 19\)"):
        MixedModel.fit(relationship[:, 1:], values)
    with pytest.raises(GenotypesError, match=r"values have shape \(19,\); there must be one for each of 20 samples"):
        MixedModel.fit(relationship, values[1:])
    with pytest.raises(GenotypesError, match="values of 1 samples are missing"):
        MixedModel.fit(relationship, np.append(values[1:], np.nan))
    with pytest.raises(GenotypesError, match=r"covariates have shape \(19, 1\)"):
        MixedModel.fit(relationship, values, values[1:, None])
    with pytest.raises(GenotypesError, match="covariates hold missing values"):
        MixedModel.fit(relationship, values, np.full((20, 1), np.nan))
    with pytest.raises(DatasetError, match="The values of all 20 samples are 1; a model of variances needs values that differ"):
        MixedModel.fit(relationship, np.ones(20))
    with pytest.raises(DatasetError, match="The values follow from a covariate"):
        MixedModel.fit(relationship, values, 2 * values[:, None] + 1)
    with pytest.raises(DatasetError, match="20 samples are too few for 20 fixed effects"):
        MixedModel.fit(relationship, values, np.eye(20))
