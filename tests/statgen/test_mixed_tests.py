"""Tests of variants in mixed models: least squares where nobody is related, and likelihoods maximised over dense matrices."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, linregress, t

from genobench import MISSING, DatasetError, GenotypesError, PackedCalls
from genobench.statgen import MixedModel, RelationshipSpectrum, mixed_association, mixed_association_loco, mixed_tests, vanraden_1


def half_sibs(*, n_variants: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calls of 80 offspring of 8 sires, one in 50 missing; a trait of all variants, noise and two covariates; these."""
    random = np.random.default_rng(3)
    frequency = random.uniform(0.1, 0.9, n_variants)
    sires = random.binomial(2, frequency, (8, n_variants))
    calls = (random.binomial(1, np.repeat(sires, 10, axis=0) / 2) + random.binomial(1, frequency, (80, n_variants))).astype(np.int8)
    value, covariates = calls @ random.normal(size=n_variants), random.normal(size=(80, 2))
    trait = (value - value.mean()) / value.std() + random.normal(size=80) + covariates[:, 0]
    calls[random.random(calls.shape) < 0.02] = MISSING
    return calls, trait, covariates


def at_means(calls: np.ndarray) -> np.ndarray:
    whole = np.ma.masked_equal(calls, MISSING)
    return np.asarray((whole - whole.mean(axis=0)).filled(0.0))


def centred(relationship: np.ndarray) -> np.ndarray:
    """Around 0, with a mean diagonal of 1."""
    centring = np.eye(len(relationship)) - 1 / len(relationship)
    around = centring @ relationship @ centring
    return np.asarray(around / np.trace(around) * len(relationship))


def profile(
    log_ratio: float, relationship: np.ndarray, values: np.ndarray, fixed: np.ndarray
) -> tuple[float, float, np.ndarray, np.ndarray]:
    """Restricted and full log-likelihood up to constants, effects, and their covariance, of generalised least squares."""
    variance = np.exp(log_ratio) * relationship + np.eye(len(values))
    inverse = np.linalg.inv(variance)
    of_fixed = fixed.T @ inverse @ fixed
    effects = np.linalg.solve(of_fixed, fixed.T @ inverse @ values)
    quadratic = (values - fixed @ effects) @ inverse @ (values - fixed @ effects)
    degrees, determinant = len(values) - fixed.shape[1], np.linalg.slogdet(variance)[1]
    restricted = -(determinant + np.linalg.slogdet(of_fixed)[1] + degrees * np.log(quadratic)) / 2
    full = -(determinant + len(values) * np.log(quadratic)) / 2
    return restricted, full, effects, quadratic / degrees * np.linalg.inv(of_fixed)


def likeliest(which: int, relationship: np.ndarray, values: np.ndarray, fixed: np.ndarray) -> float:
    def surprise(log_ratio: float) -> float:
        return -float(profile(log_ratio, relationship, values, fixed)[which])

    tried = np.linspace(-11.5, 11.5, 47)
    best = tried[np.argmin([surprise(log_ratio) for log_ratio in tried])]
    return float(minimize_scalar(surprise, bounds=(best - 0.5, best + 0.5), method="bounded", options={"xatol": 1e-7}).x)


@pytest.mark.parametrize("n_covariates", [0, 2])
def test_mixed_association__maximises_the_likelihoods_of_each_variant(n_covariates: int) -> None:
    calls, trait, covariates = half_sibs()
    relationship, null = centred(vanraden_1(calls)), np.column_stack([np.ones(80), covariates[:, :n_covariates]])
    found = mixed_association(calls, trait, 3 * relationship + 1, covariates[:, :n_covariates])
    without = profile(likeliest(1, relationship, trait, null), relationship, trait, null)[1]
    for place in (0, 17, 31):
        fixed = np.column_stack([null, at_means(calls)[:, place]])
        log_ratio = likeliest(0, relationship, trait, fixed)
        _, _, effects, covariance = profile(log_ratio, relationship, trait, fixed)
        error = np.sqrt(covariance[-1, -1])
        full = profile(likeliest(1, relationship, trait, fixed), relationship, trait, fixed)[1]
        assert found.heritability[place] == pytest.approx(1 / (1 + np.exp(-log_ratio)), abs=1e-5)
        assert found.effect[place] == pytest.approx(effects[-1], abs=1e-5 * error)
        assert found.standard_error[place] == pytest.approx(error, rel=1e-5)
        assert 10 ** found.log10_p[place] == pytest.approx(2 * t.sf(abs(effects[-1] / error), 80 - fixed.shape[1]), rel=1e-4)
        assert 10 ** found.log10_p_ratio[place] == pytest.approx(chi2.sf(2 * (full - without), 1), rel=1e-4)


def test_mixed_association__keeps_the_variances_of_the_null_model() -> None:
    calls, trait, covariates = half_sibs()
    relationship, null = centred(vanraden_1(calls)), np.column_stack([np.ones(80), covariates])
    found = mixed_association(calls, trait, relationship, covariates, variances="null")
    log_ratio, full_log_ratio = likeliest(0, relationship, trait, null), likeliest(1, relationship, trait, null)
    without = profile(full_log_ratio, relationship, trait, null)[1]
    for place in (0, 17, 31):
        fixed = np.column_stack([null, at_means(calls)[:, place]])
        _, _, effects, covariance = profile(log_ratio, relationship, trait, fixed)
        assert found.effect[place] == pytest.approx(effects[-1], rel=1e-4)
        assert found.standard_error[place] == pytest.approx(np.sqrt(covariance[-1, -1]), rel=1e-4)
        full = profile(full_log_ratio, relationship, trait, fixed)[1]
        assert 10 ** found.log10_p_ratio[place] == pytest.approx(chi2.sf(2 * (full - without), 1), rel=1e-4)
    assert found.heritability == pytest.approx(MixedModel.fit(relationship, trait, covariates).heritability)


@pytest.mark.parametrize("variances", ["each", "null"])
def test_mixed_association__is_least_squares_where_all_are_alike(variances: Literal["each", "null"]) -> None:
    calls, trait, _ = half_sibs()
    found = mixed_association(calls, trait, np.full((80, 80), 0.5), variances=variances)
    for place in (0, 17, 31):
        line = linregress(at_means(calls)[:, place], trait)
        assert found.effect[place] == pytest.approx(line.slope)
        assert found.standard_error[place] == pytest.approx(line.stderr)
        assert 10 ** found.log10_p[place] == pytest.approx(line.pvalue, rel=1e-6)
        assert 10 ** found.log10_p_ratio[place] == pytest.approx(chi2.sf(-80 * np.log(1 - line.rvalue**2), 1), rel=1e-6)


def test_mixed_association__is_missing_where_a_variant_does_not_vary_beside_covariates() -> None:
    calls, trait, covariates = half_sibs()
    calls[:, 0], calls[:, 1], calls[:, 2] = 1, MISSING, np.arange(80) % 2
    found = mixed_association(calls, trait, vanraden_1(calls), np.column_stack([covariates, calls[:, 2]]))
    assert np.isnan([found.effect[:3], found.standard_error[:3], found.log10_p[:3], found.log10_p_ratio[:3], found.heritability[:3]]).all()
    assert np.isfinite([found.effect[3:], found.log10_p[3:], found.log10_p_ratio[3:]]).all()
    nothing = mixed_association(calls[:, :3], trait, vanraden_1(calls), calls[:, 2:3])
    assert np.isnan(nothing.statistic).all()


def test_mixed_association__never_underflows() -> None:
    """A trait that is one variant but for a part in a million: floats end at p = 1e-308."""
    random = np.random.default_rng(8)
    calls = random.binomial(2, 0.4, (400, 40)).astype(np.int8)
    trait = calls[:, 7] + 1e-6 * random.normal(size=400)
    relationship = vanraden_1(calls[:, 20:])
    for found in (mixed_association(calls, trait, relationship), mixed_association(calls, trait, relationship, variances="null")):
        assert np.isfinite(found.log10_p).all()
        # Least squares would have F = 398 r ** 2 / (1 - r ** 2), about 1e14, and log10 p of about -398 / 2 x log10(1e12).
        assert found.log10_p[7] < -2000
        assert found.log10_p_ratio[7] < -2000


def test_mixed_association__turns_round_with_the_alleles_and_takes_packed_calls() -> None:
    calls, trait, covariates = half_sibs(n_variants=61)
    spectrum = RelationshipSpectrum.decompose(vanraden_1(calls))
    swapped = np.where(calls == MISSING, MISSING, 2 - calls).astype(np.int8)
    one = mixed_association(calls, trait, spectrum, covariates)
    other = mixed_association(PackedCalls.from_calls(swapped), trait, spectrum, covariates)
    np.testing.assert_allclose(other.effect, -one.effect, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(other.log10_p, one.log10_p, rtol=1e-6, atol=1e-9)


def test_mixed_association_loco__leaves_out_the_relationships_of_the_chromosome() -> None:
    """Those of all variants less the chromosome's are those of the others; a chromosome that makes none is tested against all."""
    calls, trait, covariates = half_sibs()
    chromosomes, is_used = np.tile(["1", "2", "X"], 20), np.tile([True, True, False], 20)
    found = mixed_association_loco(PackedCalls.from_calls(calls), trait, chromosomes, covariates, is_used=is_used)
    for name in ("1", "2", "X"):
        is_here = chromosomes == name
        expected = mixed_association(calls[:, is_here], trait, vanraden_1(calls[:, is_used & ~is_here]), covariates)
        np.testing.assert_allclose(found.effect[is_here], expected.effect, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.log10_p[is_here], expected.log10_p, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.log10_p_ratio[is_here], expected.log10_p_ratio, rtol=1e-4, atol=1e-6)


def test_mixed_association__refuses_what_it_cannot_test() -> None:
    calls, trait, covariates = half_sibs()
    relationship = vanraden_1(calls)
    with pytest.raises(GenotypesError, match=r"calls have shape \(79, 60\) but there are 80 values"):
        mixed_association(calls[1:], trait, relationship)
    with pytest.raises(DatasetError, match="The values follow from the 2 covariates"):
        mixed_association(calls, covariates[:, 0], relationship, covariates)
    with pytest.raises(DatasetError, match="4 samples are too few for 3 fixed effects"):
        mixed_association(calls[:4], trait[:4], np.eye(4), covariates[:4])
    with pytest.raises(DatasetError, match="variants that vary lie on 1 of the chromosomes 1; leaving one out needs two"):
        mixed_association_loco(calls, trait, np.full(60, "1"))
    with pytest.raises(GenotypesError, match=r"calls have 60 variants but chromosomes have shape \(59,\)"):
        mixed_association_loco(calls, trait, np.full(59, "1"))


def test_mixed_association__is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64 variants each, the narrowest there are."""
    calls, trait, covariates = half_sibs(n_variants=150)
    whole = mixed_association(calls, trait, vanraden_1(calls), covariates)
    monkeypatch.setattr(mixed_tests, "_BLOCK_BYTES", 1)
    found = mixed_association(calls, trait, vanraden_1(calls), covariates)
    np.testing.assert_allclose(found.log10_p, whole.log10_p, rtol=1e-9)
    assert found.n_samples.tolist() == [80] * 150
