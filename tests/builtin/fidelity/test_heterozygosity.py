"""Hardy-Weinberg proportions, heterozygosity and inbreeding: plain loops, controls and what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from genobench import MISSING, Comparison, Genotypes, Metric, PackedCalls
from genobench.builtin.fidelity.heterozygosity import HardyWeinberg, Heterozygosity
from genobench.builtin.fidelity.populations import left_out
from genobench.statgen import genotype_counts, jackknife_standard_error, population_inbreeding, sample_inbreeding
from genobench.testing import EXAMPLE_TRAITS

N, M = 80, 400
P = np.random.default_rng(1).uniform(0.1, 0.9, M)
FAMILIES = np.arange(N) // 4


def _calls(f: float | np.ndarray, *, seed: int, p: np.ndarray = P, n_samples: int = N) -> np.ndarray:
    """Calls of samples whose two alleles are identical by descent with probability f (one number, or one per sample)."""
    rng = np.random.default_rng(seed)
    first, second = (rng.random((2, n_samples, len(p))) < p).astype(np.int8)
    calls: np.ndarray = first + np.where(rng.random(first.shape) < np.reshape(f, (-1, 1)), first, second)
    return calls.astype(np.int8)


def _genotypes(calls: np.ndarray, name: str, **columns: Any) -> Genotypes:
    variants = pd.DataFrame(
        {
            "chromosome": np.repeat(["1", "2", "3", "X"], M // 4),
            "position_bp": np.tile(np.arange(M // 4) * 50_000 + 1, 4),
            "id": [f"v{column}" for column in range(M)],
            "ref": "A",
            "alt": "C",
        }
    )
    samples = pd.DataFrame({"id": [f"{name}{row}" for row in range(len(calls))], **columns})
    return Genotypes(PackedCalls.from_calls(calls), samples, variants)


def _comparison(holdout: Genotypes, synthetic: Genotypes) -> Comparison:
    groups: dict[Any, Any] = {"holdout": FAMILIES[: holdout.n_samples]}
    trait = EXAMPLE_TRAITS["quantitative"]
    return Comparison(trait=trait, train=holdout, holdout=holdout, nonmembers=holdout, synthetic=synthetic, groups=groups)


def _of(f_holdout: Any, f_synthetic: Any) -> Comparison:
    return _comparison(_genotypes(_calls(f_holdout, seed=2), "h"), _genotypes(_calls(f_synthetic, seed=3), "s"))


def _scores(metric: Metric, comparison: Comparison) -> dict[str, Any]:
    return {score.name: score for score in metric.score(comparison, seed=1)}


def test_f_is__is_that_of_the_autosomes():
    comparison = _of(0.2, 0.0)
    scores = _scores(HardyWeinberg(), comparison)
    f_is = [population_inbreeding(genotype_counts(side.to_array()[:, :300])) for side in (comparison.synthetic, comparison.holdout)]
    assert scores["f_is"].value == pytest.approx(f_is[0])
    assert scores["f_is_error"].value == pytest.approx(abs(f_is[0] - f_is[1]))
    assert abs(scores["f_is_error"].value - 0.2) < 4 * scores["f_is_error"].standard_error < 0.1


def test_f_is__within_populations_is_not_fooled_by_their_mixture():
    """Wahlund: two populations at 0.2 and 0.8, pooled, have F_IS of 0.36; each is in Hardy-Weinberg proportions."""
    sides = []
    for seed, name in enumerate("hs"):
        halves = [_calls(0, seed=10 + 2 * seed + place, p=np.full(M, p), n_samples=N // 2) for place, p in enumerate((0.2, 0.8))]
        sides.append(_genotypes(np.concatenate(halves), name, vendor=np.repeat(["one", "two"], N // 2)))
    comparison = _comparison(*sides)
    within, pooled = _scores(HardyWeinberg(), comparison), _scores(HardyWeinberg(population_columns=()), comparison)
    assert abs(within["f_is"].value) < 4 * within["f_is"].standard_error
    assert pooled["f_is"].value == pytest.approx(0.36, abs=0.04)
    assert within["hwe_departure"].value == 0


def test_hwe_departure__is_the_share_below_the_level():
    """Every second variant without heterozygotes: p far below 1e-6 at frequencies of 0.1 to 0.9 among 80 samples."""
    calls = _calls(0, seed=4)
    calls[:, ::2] = _calls(1, seed=5)[:, ::2]
    scores = _scores(HardyWeinberg(), _comparison(_genotypes(_calls(0, seed=2), "h"), _genotypes(calls, "s")))
    assert scores["hwe_departure"].value == 0.5
    assert scores["hwe_departure_holdout"].value == 0
    low, high = scores["hwe_departure_holdout"].interval
    assert (low, high) == (0, pytest.approx(3.84 / 300, rel=0.02))


def test_distances__are_those_of_scipy():
    comparison = _of(0.3, 0.0)
    synthetic, holdout = (side.to_array()[:, :300] for side in (comparison.synthetic, comparison.holdout))
    scores = _scores(Heterozygosity(), comparison)
    shares = [(side == 1).mean(axis=1) for side in (synthetic, holdout)]
    f = [sample_inbreeding(side) for side in (synthetic, holdout)]
    assert scores["heterozygosity_distance"].value == pytest.approx(stats.wasserstein_distance(*shares))
    assert scores["f_distance"].value == pytest.approx(stats.wasserstein_distance(*f))
    assert scores["f_variance_ratio"].value == pytest.approx(np.var(f[0], ddof=1) / np.var(f[1], ddof=1))


def test_f_distance__has_the_error_of_leaving_families_out_one_by_one():
    """20 families make 20 groups; each is left out with a twentieth of the synthetic samples, and frequencies are found anew."""
    comparison = _of(0.1, 0.3)
    groups = left_out(comparison, seed=1)
    assert len(set(zip(groups.holdout, FAMILIES, strict=True))) == groups.n_groups == 20
    holdout, synthetic = (side.to_array()[:, :300] for side in (comparison.holdout, comparison.synthetic))
    deleted = [
        stats.wasserstein_distance(
            sample_inbreeding(holdout[groups.holdout != group]), sample_inbreeding(synthetic[groups.synthetic != group])
        )
        for group in range(20)
    ]
    score = _scores(Heterozygosity(), comparison)["f_distance"]
    assert score.standard_error == pytest.approx(jackknife_standard_error(score.value, deleted, groups.sizes))


def test_f_variance_ratio__sees_samples_that_are_too_much_alike():
    f = np.random.default_rng(7).uniform(0, 0.5, N)
    scores = _scores(Heterozygosity(), _of(f, 0.25))
    assert scores["f_variance_ratio"].value < 0.5
    assert scores["heterozygosity_distance"].value > 0.02


def test_standard_errors__are_near_the_spread_over_fresh_draws():
    """40 pairs of draws: a spread of 40 numbers is known to 11 %, so the mean error lies within a third of it."""
    drawn: dict[str, list[tuple[float, float]]] = {"f_is": [], "f_is_error": [], "heterozygosity_distance": [], "f_distance": []}
    for draw in range(40):
        comparison = _comparison(_genotypes(_calls(0, seed=100 + draw), "h"), _genotypes(_calls(0.15, seed=500 + draw), "s"))
        scores = _scores(HardyWeinberg(), comparison) | _scores(Heterozygosity(), comparison)
        for name, values in drawn.items():
            values.append((scores[name].value, scores[name].standard_error))
    for name, values in drawn.items():
        value, error = np.array(values).T
        assert error.mean() == pytest.approx(value.std(ddof=1), rel=0.35), name


@pytest.mark.parametrize("metric", [HardyWeinberg(), Heterozygosity()])
def test_scores__of_the_holdout_itself_are_ideal(metric):
    side = _genotypes(_calls(0.1, seed=2), "h")
    scores = _scores(metric, _comparison(side, side))
    for spec in metric.scores:
        if spec.ideal is not None:
            assert scores[spec.name].value == pytest.approx(spec.ideal, abs=1e-12)


@pytest.mark.parametrize("metric", [HardyWeinberg(), Heterozygosity()])
def test_scores__say_what_is_missing(metric):
    comparison = _of(0, 0)
    few = replace(comparison, synthetic=comparison.synthetic.take_samples(np.arange(9)))
    nowhere = [replace(side, variants=side.variants.assign(chromosome="X")) for side in (comparison.holdout, comparison.synthetic)]
    uncalled = _genotypes(np.full((N, M), MISSING, dtype=np.int8), "s")
    fixed = _genotypes(np.zeros((N, M), dtype=np.int8), "s")
    for poor in (few, _comparison(*nowhere), _comparison(comparison.holdout, uncalled)):
        assert all(np.isnan(score.value) and score.reason for score in _scores(metric, poor).values())
    assert "9 synthetic ones" in _scores(metric, few)[metric.scores[0].name].reason
    assert "varies" in _scores(metric, _comparison(comparison.holdout, fixed))[metric.scores[1].name].reason
