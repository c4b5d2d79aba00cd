"""Principal components, by numpy's eigenvectors of all samples and by what must hold; PLINK 2 is in tests/oracles."""

from __future__ import annotations

import numpy as np
import pytest

from genobench import MISSING, PackedCalls
from genobench.errors import GenotypesError
from genobench.statgen import PrincipalComponents, structure


@pytest.fixture(scope="module")
def calls() -> np.ndarray:
    """150 samples of three populations x 900 variants; one call in fifty missing, ten variants that do not vary, one without calls."""
    rng = np.random.default_rng(11)
    frequencies = np.clip(0.5 + 0.15 * rng.standard_normal((3, 900)), 0.05, 0.95)
    made = rng.binomial(2, np.repeat(frequencies, 50, axis=0)).astype(np.int8)
    made[:, :10] = 2
    made[rng.random(made.shape) < 0.02] = MISSING
    made[:, 10] = MISSING
    return made


def _standardised(calls: np.ndarray) -> np.ndarray:
    """Patterson et al. 2006, equations 1 to 3, with numpy alone, over the variants that vary."""
    masked = np.ma.masked_equal(calls, MISSING).astype(float)
    mean = masked.mean(axis=0).filled(0)
    varies = (mean > 0) & (mean < 2)
    standardised: np.ndarray = ((masked - mean) / np.sqrt(np.where(varies, mean / 2 * (1 - mean / 2), 1))).filled(0)[:, varies]
    return standardised


def _eigen(standardised: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(standardised @ standardised.T)
    return values[::-1], vectors[:, ::-1]


@pytest.mark.parametrize("kept_bytes", [1 << 29, 0])
def test_components__are_those_of_all_eigenvectors(calls, kept_bytes, monkeypatch):
    """Kept between passes or made anew in blocks of 64 variants; packed or not. Components among many alike are found to four digits."""
    monkeypatch.setattr(structure, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(structure, "BLOCK_BYTES", 1)
    standardised = _standardised(calls)
    values, vectors = _eigen(standardised)
    for given in (calls, PackedCalls.from_calls(calls)):
        fitted = PrincipalComponents.fit(given, 5, seed=1)
        np.testing.assert_allclose(fitted.eigenvalues, values[:5] / standardised.shape[1], rtol=1e-4)
        np.testing.assert_allclose(fitted.eigenvalues[:2], values[:2] / standardised.shape[1], rtol=1e-6)
        np.testing.assert_allclose(fitted.explained_share, values[:5] / values.sum(), rtol=1e-4)
        scores = fitted.project(given)
        for place in range(2):
            assert abs(np.corrcoef(scores[:, place], vectors[:, place])[0, 1]) > 1 - 1e-6
        np.testing.assert_allclose((scores**2).sum(axis=0), values[:5], rtol=1e-3)


def test_components__separate_populations(calls):
    """Three populations far apart take two components; the between-population share of those scores is nearly all."""
    scores = PrincipalComponents.fit(calls, 2, seed=1).project(calls).reshape(3, 50, 2)
    between = scores.mean(axis=1).var(axis=0).sum()
    assert between > 0.9 * scores.reshape(150, 2).var(axis=0).sum()


def test_components__have_orthonormal_loadings_a_fixed_sign_and_fall(calls):
    fitted = PrincipalComponents.fit(calls, 4, seed=1)
    np.testing.assert_allclose(fitted.loadings.T @ fitted.loadings, np.eye(4), atol=1e-5)
    assert np.all(np.diff(fitted.eigenvalues) < 0)
    scores = fitted.project(calls)
    assert np.all(scores[np.abs(scores).argmax(axis=0), np.arange(4)] > 0)


def test_components__do_not_depend_on_the_seed_where_they_are_clear_cut(calls):
    first, second = (PrincipalComponents.fit(calls, 2, seed=seed).project(calls) for seed in (1, 2))
    np.testing.assert_allclose(first, second, atol=0.01)
    np.testing.assert_array_equal(first, PrincipalComponents.fit(calls, 2, seed=1).project(calls))


def test_projection__of_new_samples_is_what_the_loadings_say(calls):
    fitted = PrincipalComponents.fit(calls[:100], 3, seed=1)
    by_hand = (calls[100:] - fitted.mean) * fitted.inverse_spread
    by_hand[calls[100:] == MISSING] = 0
    np.testing.assert_allclose(fitted.project(calls[100:]), by_hand @ fitted.loadings, atol=1e-4)


def test_components__do_not_mind_which_allele_is_alt(calls):
    swapped = np.where(calls == MISSING, MISSING, 2 - calls).astype(np.int8)
    fitted, other = (PrincipalComponents.fit(given, 3, seed=1) for given in (calls, swapped))
    np.testing.assert_allclose(fitted.eigenvalues, other.eigenvalues, rtol=1e-5)


def test_components__leave_out_variants_that_are_not_used(calls):
    is_used = np.arange(900) < 450
    masked, cut = PrincipalComponents.fit(calls, 3, seed=1, is_used=is_used), PrincipalComponents.fit(calls[:, :450], 3, seed=1)
    np.testing.assert_allclose(masked.eigenvalues, cut.eigenvalues, rtol=1e-5)
    assert not masked.loadings[450:].any()


def test_components__beyond_the_rank_explain_nothing():
    """Three samples span two components."""
    fitted = PrincipalComponents.fit(np.array([[0, 1, 2, 0], [2, 1, 0, 0], [1, 0, 2, 1]], dtype=np.int8), 5, seed=1)
    assert np.count_nonzero(fitted.explained_share) == 2
    assert fitted.explained_share.sum() == pytest.approx(1, abs=1e-6)
    assert fitted.loadings.shape == (4, 5)


def test_components__say_what_they_need(calls):
    with pytest.raises(GenotypesError, match="need two samples or more; there are 1"):
        PrincipalComponents.fit(calls[:1], 2, seed=1)
    with pytest.raises(GenotypesError, match="need a variant that varies; none of 10 does"):
        PrincipalComponents.fit(calls[:, :10], 2, seed=1)
    with pytest.raises(GenotypesError, match="calls have 8 variants but the components were fitted on 900"):
        PrincipalComponents.fit(calls, 2, seed=1).project(calls[:, :8])
