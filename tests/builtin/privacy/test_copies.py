"""Copies: found whatever filled missing calls, and without nonmembers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from genobench import MISSING, Comparison, PackedCalls, Pairwise
from genobench.builtin.privacy.copies import Copies, copies
from genobench.testing import answer_requests
from genobench.testing.examples import EXAMPLE_TRAITS, example_comparison, example_genotypes

TRAIT = EXAMPLE_TRAITS["quantitative"]


def test_copied_share__needs_no_nonmembers():
    """What can be read off the files must not be lost for lack of others."""
    shown = example_comparison()
    nobody = shown.nonmembers.take_samples(np.zeros(0, dtype=np.intp))
    leaked = replace(shown, nonmembers=nobody, holdout=nobody, synthetic=shown.train.take_samples(np.arange(20)))
    assert Copies().parts == ("train", "synthetic")
    (score,) = Copies().score(answer_requests(leaked, Copies().needs(TRAIT)), seed=1)
    assert score.value == 1


def test_copies__are_found_however_missing_calls_were_filled():
    """Each training sample with its missing calls filled as far from the imputed ones as can be, and one call that it has changed."""
    gaps = example_genotypes(n_samples=80, n_variants=400, missing_share=0.05, seed=6)
    calls = gaps.to_array()
    rng = np.random.default_rng(6)
    filled = np.where(calls == MISSING, rng.integers(0, 3, calls.shape), calls).astype(np.int8)
    changed = filled.copy()
    for row in changed:
        place = rng.choice(np.flatnonzero(calls[0] != MISSING))
        row[place] = (row[place] + 1) % 3
    changed[calls == MISSING] = filled[calls == MISSING]
    is_changed = (changed != filled).any(axis=1)
    synthetic = replace(gaps, calls=PackedCalls.from_calls(np.concatenate([filled[:40], changed[40:]])))
    comparison = Comparison(trait=TRAIT, train=gaps, holdout=gaps, nonmembers=gaps, synthetic=synthetic)
    distances = answer_requests(comparison, Copies().needs(TRAIT)).results[Pairwise("train", "synthetic")]
    found = copies(synthetic, gaps, distances)
    assert found[:40].all()
    assert (np.diagonal(distances)[:40] > 0).sum() > 30
    np.testing.assert_array_equal(found[40:], ~is_changed[40:])


def test_copies__need_calls_at_half_of_the_variants():
    """A sample without calls would equal everybody."""
    calls = np.zeros((2, 10), dtype=np.int8)
    calls[0, 4:] = MISSING
    calls[1, 5:] = MISSING
    train = replace(example_genotypes(n_samples=2, n_variants=10), calls=PackedCalls.from_calls(calls))
    synthetic = replace(train, calls=PackedCalls.from_calls(np.zeros((2, 10), dtype=np.int8)))
    distances = np.zeros((2, 2), dtype=np.int32)
    assert copies(synthetic, train, distances).all()
    assert not copies(synthetic.take_samples(np.arange(2)), train.take_samples(np.arange(1)), distances[:1]).any()
