"""The correlation score, against numpy on whole matrices and the published code's own values."""

from __future__ import annotations

import numpy as np
import pytest

from genobench import MISSING, PackedCalls
from genobench.statgen import correlation, correlation_score
from genobench.statgen.correlation import STRIP_BYTES

UNIFORM = [np.random.default_rng(seed).integers(0, 3, size=(size, 30)).astype(np.int8) for seed, size in ((0, 40), (1, 60))]


def _by_numpy(first: np.ndarray, second: np.ndarray) -> float:
    """The definition: missing calls at the mean, population standard deviation, constant variants 0, upper triangles."""
    triangles = []
    for calls in (first, second):
        values = np.where(calls == MISSING, np.nan, calls.astype(float))
        centred = np.nan_to_num(values - np.nanmean(values, axis=0))
        spread = centred.std(axis=0)
        standard = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
        triangles.append((standard.T @ standard / len(calls))[np.triu_indices(calls.shape[1], 1)])
    return float(np.corrcoef(*triangles)[0, 1])


@pytest.fixture(params=["variants", "samples"])
def side(request, monkeypatch) -> str:
    """Sums over tiles of variants, or from products between samples."""
    monkeypatch.setattr("genobench.statgen.correlation._FLOAT64_COST", 1e9 if request.param == "variants" else 0.0)
    return str(request.param)


def test_correlation_score__is_the_published(side):
    """reference-vectors.json, pair unif_40x30_seed0 and unif_60x30_seed1: corr_score of the published code."""
    assert correlation_score(*UNIFORM) == pytest.approx(-0.062104467555405676, rel=1e-9), side


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_correlation_score__equals_numpy(side, missing, linked_calls, monkeypatch):
    """In tiles, strips and pieces that do not divide the 130 variants."""
    first, second = linked_calls(50, 130, missing=missing, seed=1), linked_calls(35, 130, missing=missing / 2, seed=2)
    first[:, 3], second[:, 8] = 1, 0
    monkeypatch.setattr("genobench.statgen.correlation._TILE", 32)
    monkeypatch.setattr("genobench.statgen.correlation._VARIANTS_PER_PIECE", 24)
    monkeypatch.setattr("genobench.statgen.correlation.STRIP_BYTES", 64 * 50)
    expected = pytest.approx(_by_numpy(first, second), rel=1e-9)
    assert correlation_score(first, second) == expected, side
    assert correlation_score(PackedCalls.from_calls(first), PackedCalls.from_calls(second)) == expected, side


def test_correlation_score__of_a_set_with_itself_is_one(side):
    assert correlation_score(UNIFORM[0], UNIFORM[0]) == pytest.approx(1, abs=1e-12), side


@pytest.mark.parametrize("n_variants", [0, 1, 2, 30])
def test_correlation_score__is_zero_where_correlations_do_not_vary(side, n_variants):
    ones = np.ones((20, n_variants), dtype=np.int8)
    assert correlation_score(ones, ones) == 0, side
    varied = UNIFORM[0][:, : min(2, n_variants)]
    assert correlation_score(varied, varied) == 0, side


def test_correlation_score__stays_within_its_budget():
    """A strip of calls at the stated size of data, beside a few tiles, is far below the 20 GB of the matrix."""
    assert STRIP_BYTES + 8 * 8 * correlation._TILE**2 < 2**30
