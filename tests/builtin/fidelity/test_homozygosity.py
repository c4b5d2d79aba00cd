"""Distributions of runs of homozygosity: against scipy, controls and what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genobench import Comparison, Genotypes, PackedCalls
from genobench.builtin.fidelity.homozygosity import RunsOfHomozygosity
from genobench.statgen import runs_of_homozygosity
from genobench.testing import EXAMPLE_TRAITS

N, M = 60, 800


def _genotypes(name: str, *, seed: int, n_runs: int, spacing_bp: int = 50_000) -> Genotypes:
    """Unlinked variants on two chromosomes, up to so many stretches a sample made homozygous; two breeds."""
    rng = np.random.default_rng(seed)
    calls = rng.binomial(2, 0.4, size=(N, M)).astype(np.int8)
    for row in range(N):
        for start in rng.integers(0, M - 150, rng.integers(0, n_runs + 1)):
            calls[row, start : start + rng.integers(40, 150)] &= 2
    half = M // 2
    variants = pd.DataFrame(
        {
            "chromosome": np.repeat(["1", "2"], half),
            "position_bp": pd.array(np.tile(np.arange(half) * spacing_bp + 1, 2), dtype="Int64"),
            "id": [f"v{column}" for column in range(M)],
            "ref": "A",
            "alt": "C",
        }
    )
    samples = pd.DataFrame({"id": [f"{name}{row}" for row in range(N)], "breed": np.repeat(["one", "two"], [20, 40])})
    return Genotypes(PackedCalls.from_calls(calls), samples, variants)


def _comparison(holdout: Genotypes, synthetic: Genotypes) -> Comparison:
    trait = EXAMPLE_TRAITS["quantitative"]
    return Comparison(trait=trait, train=holdout, holdout=holdout, nonmembers=holdout, synthetic=synthetic)


def _scores(comparison: Comparison, metric: RunsOfHomozygosity | None = None) -> dict[str, Any]:
    return {score.name: score for score in (metric or RunsOfHomozygosity()).score(comparison, seed=1)}


HOLDOUT = _genotypes("h", seed=1, n_runs=5)


def test_distances__are_those_of_scipy_within_breeds():
    synthetic = _genotypes("s", seed=2, n_runs=2)
    numbers = []
    for side in (HOLDOUT, synthetic):
        runs = runs_of_homozygosity(side.calls, chromosomes=side.variants["chromosome"], positions_bp=side.variants["position_bp"])
        lengths = [runs.length_bp[runs.sample == row] / 1e6 for row in range(N)]
        means = np.array([length.mean() if len(length) else 0.0 for length in lengths])
        numbers.append((runs.f_roh, runs.number.astype(float), means))
    scores = _scores(_comparison(HOLDOUT, synthetic))
    for name, holdout, other in zip(("f_roh", "roh_number", "roh_length"), *numbers, strict=True):
        within = [stats.wasserstein_distance(holdout[rows], other[rows]) for rows in (slice(0, 20), slice(20, 60))]
        score = scores[f"{name}_distance"]
        assert score.value == pytest.approx(within[0] / 3 + 2 * within[1] / 3)
        assert score.standard_error > 0


def test_distances__of_the_holdout_itself_are_zero():
    assert [score.value for score in _scores(_comparison(HOLDOUT, HOLDOUT)).values()] == [0, 0, 0]


def test_distances__rank_real_samples_before_unlinked_variants():
    """Without runs on one side, the distance in F_ROH is the mean F_ROH of the other."""
    real, floor = (_scores(_comparison(HOLDOUT, _genotypes("s", seed=3, n_runs=n))) for n in (5, 0))
    for name, score in real.items():
        assert score.value < floor[name].value / 2
    runs = runs_of_homozygosity(HOLDOUT.calls, chromosomes=HOLDOUT.variants["chromosome"], positions_bp=HOLDOUT.variants["position_bp"])
    assert floor["f_roh_distance"].value == pytest.approx(runs.f_roh.mean())


def test_scores__are_missing_where_variants_are_sparse():
    sparse = [_genotypes(name, seed=4, n_runs=5, spacing_bp=240_000) for name in "hs"]
    nowhere = [replace(side, variants=side.variants.assign(position_bp=pd.array([pd.NA] * M, dtype="Int64"))) for side in sparse]
    few = HOLDOUT.take_samples(np.arange(5))
    for comparison, words in (
        (_comparison(*sparse), "one variant per 239 kb of autosome"),
        (_comparison(*nowhere), "No two autosomal variants with a position"),
        (_comparison(HOLDOUT, few), "No population has 10 samples"),
    ):
        for score in _scores(comparison).values():
            assert np.isnan(score.value)
            assert words in score.reason


def test_scores__read_the_map_where_positions_are_not_known():
    table = HOLDOUT.variants.assign(position_cm=HOLDOUT.variants["position_bp"].astype(float) / 1e6)
    hidden = table.assign(position_bp=table["position_bp"].where(np.arange(M) % 3 > 0))
    synthetic = _genotypes("s", seed=5, n_runs=2)
    first, second = (_scores(_comparison(replace(HOLDOUT, variants=variants), synthetic)) for variants in (table, hidden))
    assert second["f_roh_distance"].value == pytest.approx(first["f_roh_distance"].value, rel=1e-3)
