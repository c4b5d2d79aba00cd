"""Fixed effects: what they span, against numpy's least squares, and covariates that do not vary."""

from __future__ import annotations

import numpy as np
import pytest

from genobench import DatasetError
from genobench.statgen import MixedModel
from genobench.statgen.fixed_effects import effects_from_basis, fixed_basis, trait_beside

N_SAMPLES = 50


def covariates_of(n_samples: int) -> np.ndarray:
    """A covariate far from 0, one without an offset, and one that follows from the first."""
    covariates = np.random.default_rng(1).normal(size=(n_samples, 2)) + np.array([2_010.0, 0.0])
    return np.column_stack([covariates, 3 * covariates[:, 0] - 1])


def test_fixed_basis__spans_the_mean_and_the_covariates() -> None:
    covariates = covariates_of(N_SAMPLES)
    basis = fixed_basis(covariates, n_samples=N_SAMPLES)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(basis[:, 0], N_SAMPLES**-0.5)
    np.testing.assert_allclose(basis @ (basis.T @ covariates), covariates, rtol=1e-9)


def test_effects_from_basis__are_those_of_least_squares() -> None:
    covariates, values = covariates_of(N_SAMPLES)[:, :2], np.random.default_rng(2).normal(size=N_SAMPLES)
    basis = fixed_basis(covariates, n_samples=N_SAMPLES)
    design = np.column_stack([np.ones(N_SAMPLES), covariates])
    expected = np.linalg.lstsq(design, values, rcond=None)[0]
    np.testing.assert_allclose(effects_from_basis(basis, covariates) @ (basis.T @ values), expected, rtol=1e-6)


@pytest.mark.parametrize("constant", [0.1, 0.3, 1 / 3, 70.3, 1e6 + 0.1])
@pytest.mark.parametrize("n_samples", [7, 10, 23, 50, 300])
def test_fixed_basis__leaves_out_a_covariate_whose_mean_differs_from_it_by_rounding(n_samples: int, constant: float) -> None:
    covariates = np.column_stack([np.full(n_samples, constant), np.random.default_rng(3).normal(size=n_samples)])
    assert fixed_basis(covariates[:, :1], n_samples=n_samples).shape == (n_samples, 1)
    basis = fixed_basis(covariates, n_samples=n_samples)
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-12)
    values = 2 + 5 * covariates[:, 1]
    np.testing.assert_allclose(effects_from_basis(basis, covariates) @ (basis.T @ values), [2, 0, 5], atol=1e-9)


def test_mixed_model__takes_a_covariate_that_does_not_vary() -> None:
    """It raised `LinAlgError`: of 0.1, fifty times, the mean is not 0.1."""
    random = np.random.default_rng(4)
    family = np.repeat(np.eye(10), 5, axis=0)
    values = family @ random.normal(size=10) + random.normal(size=N_SAMPLES)
    one, other = MixedModel.fit(family @ family.T, values), MixedModel.fit(family @ family.T, values, np.full((N_SAMPLES, 1), 0.1))
    assert other.heritability == pytest.approx(one.heritability, rel=1e-9)
    assert other.effects == pytest.approx([values.mean(), 0])


@pytest.mark.parametrize("value", [0.1, 0.3, 2.5])
def test_trait_beside__values_that_differ_by_rounding_are_alike(value: float) -> None:
    values = np.full(N_SAMPLES, value)
    values[0] += np.spacing(value)
    with pytest.raises(DatasetError, match=f"The values of all 50 samples are {value}; a model of variances needs values that differ"):
        trait_beside(values, None, n_samples=N_SAMPLES)
