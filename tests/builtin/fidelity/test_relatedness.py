"""Scores of relatedness: ideals, families lost, and how well their noise is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wasserstein_distance

from genobench import Comparison, Genotypes, PackedCalls
from genobench.builtin.fidelity.relatedness import Relatedness, _spectrum_errors
from genobench.statgen import vanraden_1
from genobench.testing import example_comparison

COMPARISON = example_comparison(missing_share=0.02)
SCORES = ("grm_spectrum_error", "relatedness_distribution_error")


def _scores(comparison: Comparison, seed: int = 1) -> dict[str, Any]:
    return {score.name: score for score in Relatedness().score(comparison, seed=seed)}


def _genotypes(calls: np.ndarray, prefix: str, chromosome: str = "1") -> Genotypes:
    n_samples, n_variants = calls.shape
    places = np.arange(1, n_variants + 1)
    variants = pd.DataFrame({"chromosome": chromosome, "position_bp": places, "id": places.astype(str), "ref": "A", "alt": "C"})
    return Genotypes(
        PackedCalls.from_calls(calls.astype(np.int8)), pd.DataFrame({"id": [f"{prefix}{i}" for i in range(n_samples)]}), variants
    )


def _sibs(rng: np.random.Generator, n_families: int, n_sibs: int, n_variants: int = 400) -> np.ndarray:
    """Full sibs of unlinked variants at a frequency of one half."""
    parents = rng.integers(0, 2, (n_families, 2, 2, n_variants))
    shape = (n_families, n_sibs, n_variants)
    gametes = [np.where(rng.random(shape) < 0.5, parents[:, None, parent, 0], parents[:, None, parent, 1]) for parent in (0, 1)]
    return (gametes[0] + gametes[1]).reshape(-1, n_variants)


def _against(synthetic: np.ndarray, holdout: np.ndarray, groups: np.ndarray | None = None) -> Comparison:
    held: dict[Any, Any] = {} if groups is None else {"holdout": groups}
    return replace(COMPARISON, synthetic=_genotypes(synthetic, "s"), holdout=_genotypes(holdout, "h"), groups=held)


def test_relatedness__of_the_holdout_itself_is_perfect():
    scores = _scores(replace(COMPARISON, synthetic=COMPARISON.holdout))
    assert [scores[name].value for name in SCORES] == [0, 0]


def test_relatedness__is_what_scipy_and_numpy_say():
    scores = _scores(COMPARISON)
    matrices = [vanraden_1(side.to_array()).astype(float) for side in (COMPARISON.holdout, COMPARISON.synthetic)]
    pairs = [matrix[np.triu_indices(len(matrix), k=1)] for matrix in matrices]
    assert scores["relatedness_distribution_error"].value == pytest.approx(wasserstein_distance(*pairs))
    spectra = [np.linalg.eigvalsh(matrix) for matrix in matrices]
    expected = np.abs(spectra[0] - spectra[1]).sum() / spectra[0].sum()
    assert scores["grm_spectrum_error"].value == pytest.approx(expected, rel=1e-4)


def test_relatedness__sees_families_that_are_lost():
    """Holdout: 12 families of 5 full sibs. Fresh families come near; unrelated samples with the same frequencies do not."""
    rng = np.random.default_rng(1)
    holdout, fresh, unrelated = _sibs(rng, 12, 5), _sibs(rng, 12, 5), _sibs(rng, 60, 1)
    good, bad = (_scores(_against(side, holdout, np.repeat(np.arange(12), 5))) for side in (fresh, unrelated))
    for name in SCORES:
        assert good[name].value + 4 * good[name].standard_error < bad[name].value
    # 120 of 1,770 pairs lose about a half each, and centring gives the others the opposite sum.
    assert bad["relatedness_distribution_error"].value > 0.9 * 120 / 1_770 * 0.5


def test_spectrum__without_a_group_is_near_that_of_the_other_samples():
    """First-order perturbation against eigenvalues computed again: for the change that counts, of the error, within a quarter."""
    rng = np.random.default_rng(2)
    matrices = [vanraden_1(_sibs(rng, *shape)).astype(float) for shape in ((12, 5), (60, 1))]
    groups = np.repeat(np.arange(12), 5), rng.permutation(np.repeat(np.arange(12), 5))
    near = _spectrum_errors(matrices, groups)
    again = []
    for group in range(12):
        spectra = [
            np.sort(np.linalg.eigvalsh(matrix[np.ix_(side != group, side != group)]))[::-1]
            for matrix, side in zip(matrices, groups, strict=True)
        ]
        again.append(np.abs(spectra[0] - spectra[1]).sum() / spectra[0].sum())
    assert np.std(near[1:]) == pytest.approx(np.std(again), rel=0.25)


def test_relatedness__has_standard_errors_that_err_on_the_wide_side():
    """25 fresh draws of families against unrelated samples: errors are no less than the spread (known to 15 %), nor thrice it."""
    scores = []
    for draw in range(25):
        rng = np.random.default_rng(draw)
        families = np.repeat(np.arange(20), 3)
        scores.append(_scores(_against(_sibs(rng, 60, 1, 200), _sibs(rng, 20, 3, 200), families)))
    for name in SCORES:
        spread = np.std([score[name].value for score in scores], ddof=1)
        assert 1 - 2 * 0.15 < np.mean([score[name].standard_error for score in scores]) / spread < 3


def test_relatedness__of_one_sample_over_and_over_says_that_nothing_varies():
    one = np.repeat(np.abs(COMPARISON.synthetic.to_array()[:1]) // 2 * 2, COMPARISON.synthetic.n_samples, axis=0)
    collapsed = replace(COMPARISON, synthetic=replace(COMPARISON.synthetic, calls=PackedCalls.from_calls(one)))
    assert "varies among the synthetic samples" in _scores(collapsed)["grm_spectrum_error"].reason


def test_relatedness__draws_as_many_on_both_sides_by_the_seed():
    rng = np.random.default_rng(3)
    comparison = _against(_sibs(rng, 20, 2), _sibs(rng, 12, 2))
    first, again, other = (_scores(comparison, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["grm_spectrum_error"].value != other["grm_spectrum_error"].value


def test_relatedness__says_what_is_missing():
    few = _scores(replace(COMPARISON, synthetic=COMPARISON.synthetic.take_samples(np.arange(6))))
    assert "need 10 samples on both sides; there are 6" in few["grm_spectrum_error"].reason
    calls = np.random.default_rng(1).integers(0, 3, (20, 30))
    sides = [_genotypes(calls, name, chromosome="X") for name in ("s", "h")]
    on_x = _scores(replace(COMPARISON, synthetic=sides[0], holdout=sides[1], groups={}))
    assert "No autosomal variant varies" in on_x["grm_spectrum_error"].reason
