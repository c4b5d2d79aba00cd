"""What makes a comparison fair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from genobench.calls import MISSING
from genobench.comparing import limited, masked, matched, sizes
from genobench.testing.examples import example_genotypes


def test_limited__draws_groups_along_with_their_samples(comparison):
    numbered = replace(comparison, groups={part: np.arange(30) for part in ("train", "holdout", "nonmembers")})
    small = limited(numbered, seed=3, most_samples=12)
    assert sizes(small) == {"train": 12, "holdout": 12, "nonmembers": 12, "synthetic": 12}
    for part in ("train", "holdout", "nonmembers"):
        assert small.part(part).sample_ids.tolist() == numbered.part(part).sample_ids[small.groups[part]].tolist()


def test_limited__leaves_a_comparison_that_fits(comparison):
    assert limited(comparison, seed=3, most_samples=30) is comparison


def test_matched__shows_as_many_synthetic_samples_as_the_holdout_has(comparison):
    many = replace(comparison, synthetic=example_genotypes(n_samples=50))
    assert matched(many, seed=1).synthetic.n_samples == 30
    assert matched(comparison, seed=1) is comparison


def test_masked__each_pattern_of_missing_calls_is_used_once(comparison):
    complete = replace(comparison, synthetic=example_genotypes(n_samples=30, seed=9))
    shown = masked(complete, seed=1).synthetic.to_array()
    real = complete.holdout.to_array()
    assert (real == MISSING).any()
    patterns = [sorted(map(bytes, np.packbits(calls == MISSING, axis=1))) for calls in (shown, real)]
    assert patterns[0] == patterns[1]
    assert (shown == complete.synthetic.to_array())[shown != MISSING].all()


def test_masked__leaves_samples_alone_where_the_holdout_is_complete(comparison):
    complete = replace(comparison, holdout=example_genotypes(n_samples=30))
    assert masked(complete, seed=1) is complete
