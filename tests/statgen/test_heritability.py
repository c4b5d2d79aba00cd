"""Heritability: a regression over pairs by numpy, and restricted likelihoods written out with determinants."""

from __future__ import annotations

import numpy as np
import pytest

from genobench import GenotypesError
from genobench.statgen import haseman_elston, reml_heritability


def relationship_of(n_samples: int, *, n_variants: int = 50, seed: int = 1) -> np.ndarray:
    return np.cov(np.random.default_rng(seed).normal(size=(n_samples, n_variants)))


def test_haseman_elston__is_the_slope_of_products_on_relationships() -> None:
    relationship, values = relationship_of(30).astype(np.float32), np.random.default_rng(2).normal(size=30)
    z = (values - values.mean()) / values.std()
    pairs = np.triu_indices(30, k=1)
    slope = np.polyfit(relationship[pairs], np.outer(z, z)[pairs], 1)[0]
    assert haseman_elston(relationship, values) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize(("relationship", "values"), [(relationship_of(5), np.ones(5)), (np.ones((5, 5)), np.arange(5.0))])
def test_haseman_elston__is_0_where_nothing_varies(relationship: np.ndarray, values: np.ndarray) -> None:
    assert haseman_elston(relationship, values) == 0.0


def restricted_surprise(share: float, relationship: np.ndarray, values: np.ndarray, fixed: np.ndarray) -> float:
    """-2 log of the restricted likelihood at its best scale, by Patterson and Thompson's determinants, without eigenvectors."""
    n_samples = len(values)
    centring = np.eye(n_samples) - 1 / n_samples
    centred = centring @ relationship @ centring
    variance = share * centred * n_samples / np.trace(centred) + (1 - share) * np.eye(n_samples)
    inverse = np.linalg.inv(variance)
    of_fixed = fixed.T @ inverse @ fixed
    residual = inverse - inverse @ fixed @ np.linalg.solve(of_fixed, fixed.T @ inverse)
    degrees = n_samples - fixed.shape[1]
    return float(np.linalg.slogdet(variance)[1] + np.linalg.slogdet(of_fixed)[1] + degrees * np.log(values @ residual @ values))


@pytest.mark.parametrize("n_covariates", [0, 12])
@pytest.mark.parametrize("heritability", [0.0, 0.4, 0.8])
def test_reml_heritability__has_the_highest_restricted_likelihood(heritability: float, n_covariates: int) -> None:
    """Of all shares on a grid of steps of .001, whose neighbours its estimate lies between; a covariate may be there twice."""
    random = np.random.default_rng(4)
    relationship = relationship_of(40, seed=5)
    of_relatives = np.linalg.cholesky(relationship + 1e-9 * np.eye(40)) @ random.normal(size=40)
    values = 3 + heritability**0.5 * of_relatives + (1 - heritability) ** 0.5 * random.normal(size=40)
    grid = np.arange(0, 0.9995, 0.001)
    covariates = random.normal(size=(40, n_covariates))
    fixed = np.column_stack([np.ones(40), covariates])
    likeliest = grid[np.argmin([restricted_surprise(share, relationship, values, fixed) for share in grid])]
    twice = np.hstack([covariates, covariates - 1])
    assert reml_heritability(relationship, values[:, None], twice)[0] == pytest.approx(likeliest, abs=0.001)


def test_reml_heritability__hangs_on_no_scale_and_no_mean() -> None:
    random = np.random.default_rng(6)
    relationship, values = relationship_of(40), random.normal(size=(40, 2)) + 0.8 * random.normal(size=(1, 2))
    found = reml_heritability(relationship, values)
    np.testing.assert_allclose(reml_heritability(7 * relationship + 3, 100 + 5 * values), found, atol=1e-5)
    np.testing.assert_allclose(reml_heritability(relationship, values[:, :1]), found[:1], atol=1e-12)


def test_reml_heritability__is_0_where_nothing_varies() -> None:
    values = np.column_stack([np.ones(20), np.random.default_rng(7).normal(size=20)])
    assert reml_heritability(relationship_of(20), values)[0] == 0
    assert reml_heritability(np.full((20, 20), 0.3), values).tolist() == [0, 0]
    assert reml_heritability(relationship_of(20), values, values[:, 1:] * 2 + 1).tolist() == [0, 0]
    assert reml_heritability(relationship_of(20), values, np.eye(20)).tolist() == [0, 0]


@pytest.mark.parametrize("values", [np.ones(4), np.ones((5, 1, 1))])
def test_heritability__refuses_values_of_other_shapes(values: np.ndarray) -> None:
    with pytest.raises(GenotypesError, match=r"relationships have shape \(5, 5\) and values"):
        haseman_elston(np.eye(5), values)
    with pytest.raises(GenotypesError, match=r"relationships have shape \(5, 5\) and values"):
        reml_heritability(np.eye(5), values)
