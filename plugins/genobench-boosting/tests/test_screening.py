"""The share of a variant that a trait explains, against scikit-learn's F statistics and least squares."""

from __future__ import annotations

import numpy as np
from sklearn.feature_selection import f_classif, f_regression

from genobench_boosting.screening import explained_shares, most_associated


def test_explained_shares__give_the_f_statistic_of_regression() -> None:
    rng = np.random.default_rng(1)
    calls = rng.integers(0, 3, (80, 3000)).astype(np.int8)
    values = calls[:, 7] + rng.normal(size=80)
    shares = explained_shares(calls, outcome=values[:, None], covariates=np.zeros((80, 0)), weights=np.ones(80)).astype(float)
    expected, _ = f_regression(calls.astype(float), values)
    np.testing.assert_allclose(shares / (1 - shares) * 78, expected, rtol=1e-3, atol=1e-3)


def test_explained_shares__give_the_f_statistic_of_analysis_of_variance() -> None:
    rng = np.random.default_rng(2)
    calls = rng.integers(0, 3, (90, 200)).astype(np.int8)
    classes = rng.integers(0, 3, 90)
    indicators = np.eye(3)[classes]
    shares = explained_shares(calls, outcome=indicators, covariates=np.zeros((90, 0)), weights=np.ones(90)).astype(float)
    expected, _ = f_classif(calls.astype(float), classes)
    np.testing.assert_allclose(shares / (1 - shares) * 87 / 2, expected, rtol=1e-3, atol=1e-3)


def test_explained_shares__are_squared_partial_correlations_beside_covariates() -> None:
    rng = np.random.default_rng(3)
    calls = rng.integers(0, 3, (70, 20)).astype(np.int8)
    covariates = rng.normal(size=(70, 2))
    values = calls[:, 3] + 5 * covariates[:, 0] + rng.normal(size=70)
    shares = explained_shares(calls, outcome=values[:, None], covariates=covariates, weights=np.ones(70))
    known = np.column_stack([np.ones(70), covariates])
    rest_of_values = values - known @ np.linalg.lstsq(known, values, rcond=None)[0]
    for variant, share in enumerate(shares):
        rest = calls[:, variant] - known @ np.linalg.lstsq(known, calls[:, variant].astype(float), rcond=None)[0]
        assert np.isclose(share, np.corrcoef(rest, rest_of_values)[0, 1] ** 2, rtol=1e-3, atol=1e-5)


def test_explained_shares__weights_are_as_repeated_samples() -> None:
    rng = np.random.default_rng(4)
    calls = rng.integers(0, 3, (40, 30)).astype(np.int8)
    values, times = rng.normal(size=40), rng.integers(1, 4, 40)
    weighted = explained_shares(calls, outcome=values[:, None], covariates=np.zeros((40, 0)), weights=times.astype(float))
    rows = np.repeat(np.arange(40), times)
    repeated = explained_shares(calls[rows], outcome=values[rows, None], covariates=np.zeros((len(rows), 0)), weights=np.ones(len(rows)))
    np.testing.assert_allclose(weighted, repeated, atol=1e-5)


def test_explained_shares__a_variant_that_follows_from_covariates_has_none() -> None:
    rng = np.random.default_rng(5)
    vendor = np.arange(60) % 2
    calls = np.column_stack([2 * vendor, np.ones(60), rng.integers(0, 3, 60)]).astype(np.int8)
    values = vendor + 0.1 * rng.normal(size=60)
    shares = explained_shares(calls, outcome=values[:, None], covariates=(vendor[:, None] - 0.5).astype(np.float64), weights=np.ones(60))
    assert shares[0] == 0
    assert shares[1] == 0
    assert shares[2] > 0


def test_most_associated__keeps_file_order_and_the_first_of_equals() -> None:
    assert most_associated(np.array([0.1, 0.5, 0.3, 0.3, 0.9], dtype=np.float32), 3).tolist() == [1, 2, 4]
