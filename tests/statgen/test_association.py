"""Association by least squares, against one regression after the other, a t-test, and what must hold."""

from __future__ import annotations

import mpmath  # type: ignore[import-untyped]  # it comes without types
import numpy as np
import pytest
from scipy import stats

from genobench import MISSING, DatasetError, GenotypesError, PackedCalls
from genobench.statgen import genomic_inflation, linear_association


def _regression(calls: np.ndarray, values: np.ndarray, covariates: np.ndarray) -> tuple[float, float, float]:
    """Effect, standard error and p of one variant, by numpy's least squares over the samples that have everything."""
    known = (calls != MISSING) & np.isfinite(values) & np.isfinite(covariates).all(axis=1)
    x, y = calls[known].astype(float), values[known]
    beside = covariates[known] - covariates[known].mean(axis=0)
    design = np.column_stack([x - x.mean(), np.ones(len(x)), beside])
    solution, rest, _, _ = np.linalg.lstsq(design, y, rcond=None)
    degrees = len(x) - design.shape[1]
    error = np.sqrt(rest[0] / degrees * np.linalg.inv(design.T @ design)[0, 0])
    return solution[0], error, 2 * stats.t.sf(abs(solution[0] / error), degrees)


@pytest.fixture
def study() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calls with 3 % missing, values and covariates of which one is far from 0, and two samples that lack a value or a covariate."""
    rng = np.random.default_rng(5)
    calls = rng.binomial(2, rng.uniform(0.1, 0.9, 70), (200, 70)).astype(np.int8)
    calls[rng.random(calls.shape) < 0.03] = MISSING
    covariates = rng.standard_normal((200, 3)) + np.array([0, 0, 2_003])
    values = rng.standard_normal(200) + covariates[:, 0] + 0.3 * calls[:, 3]
    values[4], covariates[9, 1] = np.nan, np.nan
    return calls, values, covariates


def test_association__is_that_of_one_regression_after_the_other(study):
    calls, values, covariates = study
    found = linear_association(PackedCalls.from_calls(calls), values, covariates)
    expected = np.array([_regression(column, values, covariates) for column in calls.T])
    np.testing.assert_allclose(np.column_stack([found.effect, found.standard_error, 10**found.log10_p]), expected, rtol=1e-9)
    is_used = np.isfinite(values) & np.isfinite(covariates).all(axis=1)
    np.testing.assert_array_equal(found.n_samples, (calls[is_used] != MISSING).sum(axis=0))


def test_association__does_not_depend_on_how_calls_are_kept_or_cut(study, monkeypatch):
    calls, values, covariates = study
    found = linear_association(calls, values, covariates)
    monkeypatch.setattr("genobench.statgen.call_sums._BLOCK_BYTES", 1)
    monkeypatch.setattr("genobench.statgen.call_sums._SAMPLES_PER_PIECE", 64)
    cut = linear_association(PackedCalls.from_calls(calls), values, covariates)
    for name in ("effect", "standard_error", "statistic", "log10_p", "n_samples"):
        np.testing.assert_allclose(getattr(cut, name), getattr(found, name), rtol=1e-12)


def test_association__of_the_other_allele_has_the_other_sign(study):
    calls, values, covariates = study
    swapped = np.where(calls == MISSING, MISSING, 2 - calls).astype(np.int8)
    found, other = linear_association(calls, values, covariates), linear_association(swapped, values, covariates)
    np.testing.assert_allclose(other.effect, -found.effect, rtol=1e-9)
    np.testing.assert_allclose(other.log10_p, found.log10_p, rtol=1e-9)


def test_association__does_not_depend_on_units(study):
    calls, values, covariates = study
    found, scaled = linear_association(calls, values, covariates), linear_association(calls, 1e9 * values + 1e9, 1e-7 * covariates)
    np.testing.assert_allclose(scaled.effect, 1e9 * found.effect, rtol=1e-6)
    np.testing.assert_allclose(scaled.log10_p, found.log10_p, rtol=1e-6)


def test_association__of_a_call_that_takes_two_values_is_a_t_test():
    rng = np.random.default_rng(6)
    calls = rng.integers(0, 2, (90, 5)).astype(np.int8)
    values = rng.standard_normal(90)
    expected = [stats.ttest_ind(values[column == 1], values[column == 0]).pvalue for column in calls.T]
    np.testing.assert_allclose(10 ** linear_association(calls, values).log10_p, expected, rtol=1e-10)


def test_association__of_covariates_that_follow_from_others_is_that_without_them(study):
    calls, values, covariates = study
    more = np.column_stack([covariates, np.ones(200), covariates @ [1, -2, 3]])
    np.testing.assert_allclose(linear_association(calls, values, more).log10_p, linear_association(calls, values, covariates).log10_p)


def test_association__is_nan_where_there_is_nothing_to_test():
    rng = np.random.default_rng(7)
    calls = rng.integers(0, 3, (60, 6)).astype(np.int8)
    herd = (np.arange(60) < 3).astype(float)
    calls[:, 0] = 1
    calls[:, 1] = np.where(rng.random(60) < 0.5, 2, MISSING)
    calls[:, 2] = MISSING
    calls[:, 3] = 2 * herd
    calls[:3, 4] = MISSING
    found = linear_association(calls, rng.standard_normal(60), herd[:, None])
    for values in (found.effect, found.standard_error, found.statistic, found.log10_p):
        np.testing.assert_array_equal(np.isnan(values), [True, True, True, True, True, False])
    np.testing.assert_array_equal(found.n_samples, [60, (calls[:, 1] == 2).sum(), 0, 60, 57, 60])


def test_association__tells_by_inflation_which_variants_follow_from_covariates():
    """A covariate that is the calls plus noise of a hundredth of their variance: inflation about 101."""
    rng = np.random.default_rng(8)
    calls = rng.integers(0, 3, (500, 1)).astype(np.int8)
    covariate = calls + 0.1 * calls.std() * rng.standard_normal((500, 1))
    values = rng.standard_normal(500)
    assert np.isnan(linear_association(calls, values, covariate).effect[0])
    assert linear_association(calls, values, covariate, most_inflation=200).effect[0] == pytest.approx(
        _regression(calls[:, 0], values, covariate)[0], rel=1e-9
    )


def test_association__of_an_effect_near_nothing_is_exact():
    """Values of 1e9 whose association is all but taken out: a statistic of 2e-5, of which sums in float32 would leave no digit."""
    rng = np.random.default_rng(9)
    calls = rng.integers(0, 3, (2_000, 1)).astype(np.int8)
    deviation = calls[:, 0] - calls.mean()
    whole = rng.integers(-(2**30), 2**30, 2_000)
    whole -= np.rint(deviation * (deviation @ whole) / (deviation @ deviation)).astype(int)
    whole += 300 * calls[:, 0].astype(np.int64)
    # In Python's whole numbers, which do not round: 2,000 times the deviation.
    times = [2_000 * int(call) - int(calls.sum()) for call in calls[:, 0]]
    exact = 2_000 * sum(d * int(v) for d, v in zip(times, whole, strict=True)) / sum(d * d for d in times)
    found = linear_association(calls, whole.astype(float))
    assert abs(found.statistic[0]) < 1e-4
    assert found.effect[0] == pytest.approx(exact, rel=1e-7)


def test_association__of_a_strong_effect_does_not_underflow():
    """p from R ** 2, by mpmath: I_(1 - R ** 2)((n - 2) / 2, 1 / 2)."""
    rng = np.random.default_rng(10)
    calls = rng.integers(0, 3, (3_000, 1)).astype(np.int8)
    values = calls[:, 0] + 0.3 * rng.standard_normal(3_000)
    unexplained = 1 - np.corrcoef(calls[:, 0], values)[0, 1] ** 2
    with mpmath.workdps(60):
        expected = mpmath.log10(mpmath.betainc(mpmath.mpf(2_998) / 2, mpmath.mpf(1) / 2, 0, mpmath.mpf(unexplained), regularized=True))
    assert linear_association(calls, values).log10_p[0] == pytest.approx(float(expected), rel=1e-9)
    assert expected < -1_000


@pytest.mark.parametrize("offset", [0.0, 1.7])
def test_association__without_a_call_of_any_sample_of_one_class_is_none(offset):
    """What is left are values that are all alike; beside covariates such a variant was the most significant one there is."""
    rng = np.random.default_rng(11)
    calls, covariates = rng.binomial(2, 0.4, (60, 3)).astype(np.int8), rng.standard_normal((60, 2))
    values = np.where(np.arange(60) < 8, 1.0, 0.0) + offset
    calls[:8, 0], calls[:7, 1] = MISSING, MISSING
    for beside in (covariates, None):
        found = linear_association(calls, values, beside)
        for of_variants in (found.effect, found.standard_error, found.statistic, found.log10_p):
            assert np.isnan(of_variants).tolist() == [True, False, False]
        assert found.n_samples.tolist() == [52, 53, 60]


def test_association__of_no_variants_is_empty():
    assert linear_association(np.zeros((10, 0), dtype=np.int8), np.arange(10.0)).effect.shape == (0,)


def test_genomic_inflation__is_the_factor_of_the_statistics():
    """Chi-squared at the midpoints of 999 equal shares, whose median is that of the distribution, times 1.3; and a p of 1e-5000 beside."""
    statistics = 1.3 * stats.chi2.ppf((np.arange(999) + 0.5) / 999, 1)
    log10_p = stats.chi2.logsf(statistics, 1) / np.log(10)
    assert genomic_inflation(log10_p) == pytest.approx(1.3, rel=1e-9)
    assert genomic_inflation([*log10_p, -5_000.0, 0.0, np.nan]) == pytest.approx(1.3, rel=1e-9)
    assert np.isnan(genomic_inflation([np.nan]))


@pytest.mark.parametrize(
    ("values", "covariates", "message"),
    [
        ([1.0] * 9, None, r"values have shape \(9,\)"),
        (np.arange(10.0), np.ones(10), r"covariates \(10,\)"),
        ([2.5] * 10, None, "values of all 10 samples are 2.5"),
        (np.arange(10.0), np.arange(10.0)[:, None] * 3 + 1, "follow from a covariate"),
        ([1.0, 2.0, *[np.nan] * 8], None, "2 samples have a value .* needs 3 at least"),
    ],
)
def test_association__refuses(values, covariates, message):
    with pytest.raises((DatasetError, GenotypesError), match=message):
        linear_association(np.zeros((10, 4), dtype=np.int8), values, covariates)
