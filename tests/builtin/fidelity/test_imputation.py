"""The imputation panel, against a plain loop, and on panels that must be perfect or useless."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench import MISSING, Comparison, Genotypes, PackedCalls
from genobench.builtin.fidelity import imputation
from genobench.builtin.fidelity.imputation import ImputationPanel, _flanking
from genobench.testing import example_comparison, example_genotypes

_ALL = example_genotypes(n_samples=260, n_variants=240, seed=5)
_TRAIN, _HOLDOUT, _OTHERS = (_ALL.take_samples(np.arange(start, start + n)) for start, n in ((0, 60), (60, 80), (140, 120)))
REAL = Comparison(trait=example_comparison().trait, train=_TRAIN, holdout=_HOLDOUT, nonmembers=_TRAIN, synthetic=_OTHERS)


def _score(comparison: Comparison, **settings: Any) -> Any:
    (score,) = ImputationPanel(**settings).score(comparison, seed=1)
    return score


def _with_calls(genotypes: Genotypes, calls: np.ndarray) -> Genotypes:
    return replace(genotypes, calls=PackedCalls.from_calls(calls.astype(np.int8)))


def test_imputation__is_what_a_plain_loop_makes_of_it():
    """Every tenth variant that is common in the holdout, weights exp(-Manhattan) over five shown variants on each side."""
    holdout, panel = REAL.holdout.to_array().astype(float), REAL.synthetic.to_array().astype(float)
    r2 = []
    for hidden in range(9, 240, 10):
        frequency = holdout[:, hidden].mean() / 2
        if min(frequency, 1 - frequency) < 0.05:
            continue
        chromosome = range(120) if hidden < 120 else range(120, 240)
        shown = [place for place in chromosome if place % 10 != 9]
        near = [place for place in shown if place < hidden][-5:] + [place for place in shown if place > hidden][:5]
        weights = np.exp(-np.abs(holdout[:, None, near] - panel[None, :, near]).sum(axis=2))
        imputed = weights @ panel[:, hidden] / weights.sum(axis=1)
        r2.append(np.corrcoef(imputed, holdout[:, hidden])[0, 1] ** 2)
    score = _score(REAL, n_flanking=5)
    assert len(r2) > 15
    assert score.value == pytest.approx(np.mean(r2), abs=1e-5)
    assert 0 < score.standard_error < 0.1


def test_imputation__by_the_holdout_itself_is_nearly_perfect_and_by_shuffled_variants_useless():
    """Shuffled calls keep frequencies and lose linkage: r2 is 1 / n on average, and at most a few times that."""
    rng = np.random.default_rng(1)
    shuffled = rng.permuted(REAL.synthetic.to_array(), axis=0)
    assert _score(replace(REAL, synthetic=REAL.holdout)).value > 0.99
    useless = _score(replace(REAL, synthetic=_with_calls(REAL.synthetic, shuffled)))
    assert useless.value < 4 / REAL.holdout.n_samples < 0.1 < _score(REAL).value


def test_imputation__wins_nothing_by_not_varying():
    one = np.repeat(REAL.synthetic.to_array()[:1], 120, axis=0)
    assert _score(replace(REAL, synthetic=_with_calls(REAL.synthetic, one))).value == 0


def test_imputation__passes_over_missing_calls():
    """One call in fifty missing on both sides moves the score a little; a panel without any call imputes nothing."""
    rng = np.random.default_rng(2)

    def gaps(genotypes: Genotypes) -> Genotypes:
        calls = genotypes.to_array()
        return _with_calls(genotypes, np.where(rng.random(calls.shape) < 0.02, MISSING, calls))

    with_gaps = replace(REAL, holdout=gaps(REAL.holdout), synthetic=gaps(REAL.synthetic))
    assert _score(with_gaps).value == pytest.approx(_score(REAL).value, abs=0.05)
    nothing = _with_calls(REAL.synthetic, np.full((120, 240), MISSING))
    assert _score(replace(REAL, synthetic=nothing)).value == 0


def test_imputation__does_not_mind_which_allele_is_alt():
    parts: Any = {part: _with_calls(REAL.part(part), 2 - REAL.part(part).to_array()) for part in ("holdout", "synthetic")}
    assert _score(replace(REAL, **parts)).value == pytest.approx(_score(REAL).value, abs=1e-5)


def test_imputation__draws_where_there_are_many(monkeypatch):
    """80 targets and 120 panel samples, of which 60 and 60 may be used: a lower r2, and the same one each time."""
    monkeypatch.setattr(imputation, "_MOST_TARGETS", 60)
    monkeypatch.setattr(imputation, "_MOST_IN_PANEL", 60)
    monkeypatch.setattr(imputation, "_MOST_VARIANTS", 12)
    monkeypatch.setattr(imputation, "_PAIRS_PER_BATCH", 1)
    assert np.isfinite(_score(REAL).value)
    assert _score(REAL) == _score(REAL)


def test_flanking__stays_on_the_chromosome_and_shows_no_hidden_variant():
    chromosomes = np.array(["1"] * 15 + ["2"] * 15, dtype=object)
    np.testing.assert_array_equal(_flanking(chromosomes, np.array([9, 19]), 3), [[6, 7, 8, 10, 11, 12], [16, 17, 18, 20, 21, 22]])
    np.testing.assert_array_equal(_flanking(chromosomes, np.array([19]), 5), [[-1, 15, 16, 17, 18, 20, 21, 22, 23, 24]])


def test_imputation__says_why_there_is_none():
    few = replace(REAL, synthetic=REAL.synthetic.take_samples(np.arange(4)))
    assert _score(few).reason == "It needs 5 holdout and 5 synthetic samples; there are 80 and 4."
    narrow: Any = {part: REAL.part(part).take_variants(np.arange(9)) for part in ("holdout", "synthetic")}
    assert "No autosomal variant that is hidden" in _score(replace(REAL, **narrow)).reason
