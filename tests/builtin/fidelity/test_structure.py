"""Scores of population structure: ideals, closed forms, collapses, populations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genobench import Comparison, Components, Genotypes, PackedCalls
from genobench.builtin.fidelity.structure import FixationIndex, PrincipalComponentFidelity
from genobench.statgen import genotype_counts, hudson_fst, sliced_wasserstein
from genobench.testing import answer_requests, example_comparison

COMPARISON = example_comparison(missing_share=0.02)
BOTH = ("pca_distance", "pca_spectrum_error")


def _scores(metric, comparison: Comparison, seed: int = 1) -> dict[str, Any]:
    answered = answer_requests(comparison, metric.needs(comparison.trait))
    return {score.name: score for score in metric.score(answered, seed=seed)}


def _of_points(holdout: np.ndarray, synthetic: np.ndarray, seed: int = 1) -> dict[str, Any]:
    """Scores of clouds that are given."""
    metric = PrincipalComponentFidelity(n_components=holdout.shape[1])
    parts = {"holdout": holdout, "synthetic": synthetic}
    sides: dict[str, Any] = {name: _genotypes(np.ones((len(points), 3)), name) for name, points in parts.items()}
    comparison = replace(COMPARISON, **sides, groups={}, results={Components(holdout.shape[1]): parts})
    return {score.name: score for score in metric.score(comparison, seed=seed)}


def _genotypes(calls: np.ndarray, prefix: str, chromosome: str = "1", **columns: Any) -> Genotypes:
    n_samples, n_variants = calls.shape
    variants = pd.DataFrame(
        {
            "chromosome": chromosome,
            "position_bp": np.arange(1, n_variants + 1),
            "id": [f"v{place}" for place in range(n_variants)],
            "ref": "A",
            "alt": "C",
        }
    )
    samples = pd.DataFrame({"id": [f"{prefix}{row}" for row in range(n_samples)], **columns})
    return Genotypes(PackedCalls.from_calls(calls.astype(np.int8)), samples, variants)


def test_pca_scores__of_the_holdout_itself_are_zero():
    scores = _scores(PrincipalComponentFidelity(), replace(COMPARISON, synthetic=COMPARISON.holdout))
    assert [scores[name].value for name in BOTH] == [pytest.approx(0, abs=1e-9)] * 2


def test_pca_scores__are_worse_for_samples_from_elsewhere():
    elsewhere = replace(COMPARISON.synthetic, calls=PackedCalls.from_calls(2 - np.abs(COMPARISON.synthetic.to_array())))
    near, far = (_scores(PrincipalComponentFidelity(), replace(COMPARISON, synthetic=side)) for side in (COMPARISON.synthetic, elsewhere))
    assert far["pca_distance"].value > near["pca_distance"].value + 4 * far["pca_distance"].standard_error


def test_pca_spectrum_error__of_one_sample_over_and_over_is_one():
    one = np.repeat(COMPARISON.synthetic.to_array()[:1], COMPARISON.synthetic.n_samples, axis=0)
    collapsed = replace(COMPARISON, synthetic=replace(COMPARISON.synthetic, calls=PackedCalls.from_calls(np.abs(one))))
    assert _scores(PrincipalComponentFidelity(), collapsed)["pca_spectrum_error"].value == pytest.approx(1)


def test_pca_scores__are_what_they_say_of_given_clouds():
    """The synthetic cloud is the holdout's, half as wide: the spectrum loses three quarters."""
    rng = np.random.default_rng(1)
    holdout = rng.standard_normal((40, 4)) * [3, 2, 1, 1]
    scores = _of_points(holdout, holdout / 2)
    spread = np.sqrt(holdout.var(axis=0).mean())
    assert scores["pca_spectrum_error"].value == pytest.approx(0.75)
    assert scores["pca_distance"].value == pytest.approx(sliced_wasserstein(holdout, holdout / 2, seed=1) / spread)


@pytest.mark.parametrize("name", BOTH)
def test_pca_scores__have_a_standard_error_near_their_spread_over_draws(name):
    """40 fresh draws of 60 against 60 points, the clouds well apart in place and width: errors and spread within a factor of 1.5."""
    values, errors = [], []
    for draw in range(40):
        rng = np.random.default_rng(draw)
        score = _of_points(rng.standard_normal((60, 4)), 2 * rng.standard_normal((60, 4)) + 2)[name]
        values.append(score.value)
        errors.append(score.standard_error)
    assert 1 / 1.5 < np.mean(errors) / np.std(values, ddof=1) < 1.5


def test_pca_scores__say_when_they_mean_nothing():
    few = _scores(PrincipalComponentFidelity(), replace(COMPARISON, synthetic=COMPARISON.synthetic.take_samples(np.arange(4))))
    assert "need 10 samples" in few["pca_distance"].reason
    flat = _of_points(np.ones((20, 3)), np.ones((20, 3)))
    assert "all lie at one point" in flat["pca_spectrum_error"].reason


def test_fst__is_hudsons_of_the_autosomes():
    scores = _scores(FixationIndex(), COMPARISON)
    sides = [genotype_counts(side.to_array()) for side in (COMPARISON.synthetic, COMPARISON.holdout)]
    assert scores["fst_hudson"].value == pytest.approx(hudson_fst(*sides).fst)
    assert scores["fst_weir_cockerham"].value == pytest.approx(scores["fst_hudson"].value, abs=0.005)
    for name in ("fst_within_populations", "fst_between_populations_error"):
        assert np.isnan(scores[name].value)
        assert "no column in common that says the population" in scores[name].reason


def test_fst__covers_the_truth():
    """Two populations with Fst .05 by the model of Balding and Nichols 1995 (p of a population about the ancestral one is Beta): 40 draws
    of 200 variants in 20 blocks; the interval holds the truth in at least 34 (chance of fewer, at .95: 1 in 100)."""
    n_held = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        ancestral = rng.uniform(0.2, 0.8, 200)
        sides = []
        for name in ("s", "h"):
            frequencies = rng.beta(ancestral * 19, (1 - ancestral) * 19)
            sides.append(_genotypes(rng.binomial(2, frequencies, size=(60, 200)), name))
        score = _scores(FixationIndex(), replace(COMPARISON, synthetic=sides[0], holdout=sides[1], groups={}))["fst_hudson"]
        n_held += score.interval[0] <= 0.05 <= score.interval[1]
    assert n_held >= 34


def _two_populations(gap: float, name: str, labels: tuple[str, str] = ("one", "two")) -> Genotypes:
    """80 samples of two populations whose frequencies are .5 - gap and .5 + gap."""
    frequencies = np.repeat([[0.5 - gap], [0.5 + gap]], 40, axis=0)
    calls = np.random.default_rng(len(name)).binomial(2, frequencies, size=(80, 300))
    return _genotypes(calls, name, vendor=np.repeat(labels, 40))


def test_fst_of_populations__tells_a_lost_difference_from_a_shift_of_frequencies():
    """Gaps of .2 and .05: Hudson's Fst is (2 gap)^2 over p (1 - q) + q (1 - p), so .276 and .020; within each, frequencies move by .15."""
    between = {gap: (2 * gap) ** 2 / ((0.5 - gap) ** 2 + (0.5 + gap) ** 2) for gap in (0.2, 0.05)}
    same, lost = _two_populations(0.2, "synthetic"), _two_populations(0.05, "synthetic")
    holdout = _two_populations(0.2, "holdout")
    good, bad = (_scores(FixationIndex(), replace(COMPARISON, synthetic=side, holdout=holdout, groups={})) for side in (same, lost))
    assert abs(good["fst_within_populations"].value) < 0.01
    assert good["fst_between_populations_error"].value < 0.02
    assert bad["fst_between_populations_error"].value == pytest.approx(between[0.2] - between[0.05], abs=0.03)
    moved = 0.15**2 / (0.3 * 0.55 + 0.45 * 0.7)
    assert bad["fst_within_populations"].value == pytest.approx(moved, abs=0.01)


def test_fst_of_populations__says_what_is_missing():
    holdout = _two_populations(0.2, "holdout")
    one_lost = _two_populations(0.2, "synthetic", labels=("one", "one"))
    scores = _scores(FixationIndex(), replace(COMPARISON, synthetic=one_lost, holdout=holdout, groups={}))
    assert np.isfinite(scores["fst_within_populations"].value)
    assert "Only one population of the column 'vendor'" in scores["fst_between_populations_error"].reason
    others = _two_populations(0.2, "synthetic", labels=("three", "four"))
    scores = _scores(FixationIndex(), replace(COMPARISON, synthetic=others, holdout=holdout, groups={}))
    assert "No population of the column 'vendor' has 10 samples" in scores["fst_within_populations"].reason


def test_fst__says_when_no_variant_can_serve():
    calls = np.random.default_rng(1).integers(0, 3, (20, 30))
    on_x = [_genotypes(calls, name, chromosome="X") for name in ("s", "h")]
    fixed = [_genotypes(0 * calls, name) for name in ("s", "h")]
    for sides, words in ((on_x, "No variant lies on an autosome"), (fixed, "No autosomal variant varies")):
        scores = _scores(FixationIndex(), replace(COMPARISON, synthetic=sides[0], holdout=sides[1], groups={}))
        assert words in scores["fst_hudson"].reason
