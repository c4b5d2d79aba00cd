"""Draws of real samples in the place of synthetic ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench.answers import Answers
from genobench.builtin.privacy.nearest import MembershipDistance
from genobench.contracts import Comparison, Part, Request
from genobench.draws import real_draws, unseen_attacks
from genobench.registry import load_registry
from genobench.splitting.drawing import draw_whole_groups, spread_over_groups
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

WEIGHT = EXAMPLE_TRAITS["quantitative"]


def test_draw_whole_groups__cuts_at_most_one_group():
    groups = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 7, 8])
    for seed in range(20):
        drawn = groups[draw_whole_groups(groups, 15, np.random.default_rng(seed))]
        cut = [group for group in np.unique(drawn) if (drawn == group).sum() < (groups == group).sum()]
        assert len(drawn) == 15
        assert len(cut) <= 1


def test_draw_whole_groups__every_group_has_its_turn():
    groups = np.repeat(np.arange(5), 4)
    seen = {group for seed in range(50) for group in groups[draw_whole_groups(groups, 4, np.random.default_rng(seed))]}
    assert seen == {0, 1, 2, 3, 4}


def test_unseen_attacks__on_relatives_are_no_better_than_guessing():
    """Families of six with a nonmember or two each, as a split spreads them: halves of the nonmembers themselves gave an AUC of 0.58."""
    whole = example_genotypes(n_samples=360, n_variants=200, seed=2)
    families = np.arange(360) // 6
    is_nonmember = spread_over_groups(families, 77, np.random.default_rng(0))
    parts = {"train": np.flatnonzero(~is_nonmember), "nonmembers": np.flatnonzero(is_nonmember)}
    train, nonmembers = (whole.take_samples(rows) for rows in parts.values())
    groups: dict[Part, Any] = {"train": families[parts["train"]], "nonmembers": families[parts["nonmembers"]], "holdout": np.zeros(77)}
    shown = Comparison(WEIGHT, train=train, holdout=nonmembers, nonmembers=nonmembers, synthetic=train, groups=groups)
    metric, answers = MembershipDistance(), Answers(load_registry(), train)
    aucs = []
    for drawn in unseen_attacks(shown, answers, n_draws=60, seed=3):
        assert (drawn.nonmembers.n_samples, drawn.synthetic.n_samples) == (77, 38)
        assert not set(drawn.train.sample_ids) & {*drawn.synthetic.sample_ids, *drawn.nonmembers.sample_ids}
        results: dict[Request, Any] = {request: answers.answer(request, drawn) for request in metric.needs(WEIGHT)}
        scores = metric.score(replace(drawn, results=results), seed=0)
        aucs.append(next(score.value for score in scores if score.name == "membership_auc"))
    # Without families one AUC of 77 nonmembers and 245 members has a standard error of sqrt((1/77 + 1/245) / 12) = 0.038; they lower it.
    assert np.mean(aucs) == pytest.approx(0.5, abs=4 * 0.038 / np.sqrt(60))
    assert np.std(aucs) < 0.05


def test_real_draws__are_as_many_as_there_are_synthetic_samples(comparison):
    answers = Answers(load_registry(), comparison.train)
    for n_synthetic, expected in ((12, 12), (None, 30), (50, 30)):
        drawn = next(real_draws(comparison, answers, n_draws=1, n_synthetic=n_synthetic, has_families=True, seed=3))
        assert drawn.synthetic.n_samples == expected
