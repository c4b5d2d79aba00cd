"""What weights say of samples that they were not learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genobench import PackedCalls
from genobench.builtin.linear.variant_weights import CallTable, unseen_scores
from genobench.testing import example_genotypes


@pytest.mark.parametrize("has_validation", [False, True])
def test_unseen__holds_nothing_that_covariates_say(has_validation, context):
    """A trait that is sex but for one part in a million, and a score of one variant that is sex: nothing is left of either."""
    genotypes = example_genotypes(n_samples=160, n_variants=30, seed=4)
    is_male = (genotypes.samples["sex"] == "male").to_numpy()
    calls = genotypes.to_array().copy()
    calls[:, 0] = is_male
    weight = 70 + 8 * is_male + 8e-6 * np.random.default_rng(4).normal(size=160)
    known = replace(genotypes, calls=PackedCalls.from_calls(calls)).with_samples(genotypes.samples.assign(weight=weight))
    train, validation = known.take_samples(np.arange(120)), known.take_samples(np.arange(120, 160))
    asked = replace(context["quantitative"], validation=validation if has_validation else None)
    unseen = unseen_scores(lambda table, _: np.eye(len(table.variants))[:, :2], CallTable.of(train, asked), asked)
    assert unseen.scores.shape == ((40 if has_validation else 120), 2)
    assert np.abs(unseen.values).max() < 8e-5
    assert np.abs(unseen.scores[:, 0]).max() < 1e-5
    assert unseen.scores[:, 1].std() > 0.5


def test_unseen__is_nothing_where_the_other_folds_have_one_value(context):
    """One sample alone has a class: its fold's scores are 0 for each choice, and those of the other folds are as they would be."""
    genotypes = example_genotypes(n_samples=60, n_variants=30, seed=4)
    single = genotypes.with_samples(genotypes.samples.assign(grade=np.where(np.arange(60) == 7, "high", "low"), family=np.arange(60)))
    asked, learned_from = context["ordinal"], []

    def weigh(table: CallTable, rows: np.ndarray) -> np.ndarray:
        learned_from.append(rows)
        return np.eye(len(table.variants))[:, :3]

    unseen = unseen_scores(weigh, CallTable.of(single, asked), asked)
    first, second = learned_from
    is_silent = np.isin(unseen.rows, first) & np.isin(unseen.rows, second)
    assert sorted(unseen.rows) == list(range(60))
    assert 7 in unseen.rows[is_silent]
    assert is_silent.sum() == 20
    assert unseen.scores.shape == (60, 3)
    assert not unseen.scores[is_silent].any()
    assert (unseen.scores[~is_silent].std(axis=0) > 0.5).all()
