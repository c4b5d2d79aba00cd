"""Agreement about linkage: its ideal, its controls, its noise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from genobench import Comparison, FitContext, Genotypes, PackedCalls, Trait
from genobench.builtin.controls import Independent
from genobench.builtin.fidelity.linkage_agreement import LdAgreement
from genobench.testing import EXAMPLE_TRAITS, example_genotypes

if TYPE_CHECKING:
    from pathlib import Path

TRAIT = EXAMPLE_TRAITS["quantitative"]
ALL = example_genotypes(n_samples=360, n_variants=240, seed=2)
THIRDS = [ALL.take_samples(np.arange(start, start + 120)) for start in (0, 120, 240)]


def _comparison(synthetic: Genotypes, holdout: Genotypes = THIRDS[1], trait: Trait = TRAIT) -> Comparison:
    return Comparison(trait=trait, train=THIRDS[0], holdout=holdout, nonmembers=THIRDS[0], synthetic=synthetic)


def _scores(comparison: Comparison, metric: LdAgreement | None = None) -> dict[str, Any]:
    return {score.name: score for score in (metric or LdAgreement()).score(comparison, seed=1)}


def _independent(tmp_path: Path) -> Genotypes:
    context = FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)
    return Independent().fit(THIRDS[0], context).generate(120, seed=1)


def test_ld_agreement__of_the_holdout_with_itself_is_perfect():
    scores = _scores(_comparison(THIRDS[1]))
    assert scores["ld_long_range_r2_excess"].value == pytest.approx(0, abs=1e-12)
    correlations = [name for name in scores if "correlation" in name]
    assert [scores[name].value for name in correlations] == pytest.approx([1] * 3)


def test_ld_agreement__is_high_for_real_samples_and_nought_for_independent_variants(tmp_path):
    real, floor = (_scores(_comparison(synthetic)) for synthetic in (THIRDS[2], _independent(tmp_path)))
    for name in ("ld_correlation_near", "ld_score_correlation"):
        assert real[name].value > floor[name].value + 3 * np.hypot(real[name].standard_error, floor[name].standard_error)
        assert abs(floor[name].value) < 4 * floor[name].standard_error + 0.02


def test_ld_agreement__sees_between_chromosomes_what_relatives_share(tmp_path):
    """The holdout consists of half-sib families of six, so that r2 between chromosomes is above that of unrelated samples."""
    scores = _scores(_comparison(_independent(tmp_path)))
    excess = scores["ld_long_range_r2_excess"]
    assert excess.value < -2 * excess.standard_error
    assert abs(_scores(_comparison(THIRDS[2]))["ld_long_range_r2_excess"].value) < 4 * excess.standard_error


def test_ld_agreement__near_is_numpys_correlation_of_correlations():
    metric = LdAgreement(min_minor_allele_frequency=0.0)
    positions = THIRDS[1].variants["position_bp"].to_numpy(dtype=float)
    chromosomes = THIRDS[1].variants["chromosome"].to_numpy()
    is_near = (chromosomes[:, None] == chromosomes) & (np.abs(positions[:, None] - positions) < 1e6)
    holdout, synthetic = (np.atleast_2d(np.corrcoef(side.to_array().T))[np.triu(is_near, 1)] for side in (THIRDS[1], THIRDS[2]))
    expected = np.corrcoef(holdout, synthetic)[0, 1]
    assert _scores(_comparison(THIRDS[2]), metric)["ld_correlation_near"].value == pytest.approx(expected, rel=1e-9)


def test_ld_agreement__wins_nothing_by_variants_that_do_not_vary():
    calls = THIRDS[2].to_array()
    calls[:, ::2] = 0
    whole = _scores(_comparison(THIRDS[2]))
    half = _scores(_comparison(replace(THIRDS[2], calls=PackedCalls.from_calls(calls))))
    for name in ("ld_correlation_near", "ld_score_correlation", "ld_correlation_far"):
        assert half[name].value < whole[name].value


def test_ld_agreement__says_when_nothing_can_be_measured():
    one = replace(THIRDS[1], variants=THIRDS[1].variants.assign(chromosome="1", position_bp=np.arange(1, 241) * 50_000))
    scores = _scores(_comparison(THIRDS[2], one))
    assert np.isfinite(scores["ld_correlation_near"].value)
    for name in ("ld_correlation_far", "ld_long_range_r2_excess"):
        assert "on different autosomes" in scores[name].reason
    alike = replace(THIRDS[2], calls=PackedCalls.from_calls(np.ones((120, 240), dtype=np.int8)))
    scores = _scores(_comparison(alike))
    assert all(np.isnan(score.value) and score.reason for score in scores.values())


def test_ld_agreement__has_standard_errors_near_their_spread_over_genomes():
    """24 genomes drawn anew, two halves each: the mean jackknife errors are within a factor of 1.6 of the spread."""
    scores: dict[str, list[Any]] = {}
    for seed in range(24):
        drawn = example_genotypes(n_samples=120, n_variants=240, seed=500 + seed)
        halves = [drawn.take_samples(np.arange(start, start + 60)) for start in (0, 60)]
        for name, score in _scores(_comparison(halves[0], halves[1])).items():
            scores.setdefault(name, []).append(score)
    for name in ("ld_correlation_near", "ld_score_correlation"):
        spread = np.std([score.value for score in scores[name]], ddof=1)
        assert 1 / 1.6 < np.mean([score.standard_error for score in scores[name]]) / spread < 1.6
