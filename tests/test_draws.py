"""Draws of real samples in the place of synthetic ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from genobench.answers import Answers
from genobench.builtin.privacy.nearest import MembershipDistance
from genobench.calls import PackedCalls
from genobench.contracts import Comparison, Part, Request
from genobench.draws import exchange_check, real_draws, unseen_attacks
from genobench.registry import load_registry
from genobench.splitting.drawing import draw_exchange_check, draw_whole_groups, spread_over_groups
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


def test_real_draws__show_a_train_without_the_stand_ins(comparison):
    answers = Answers(load_registry(), comparison.train)
    for n_synthetic, n_train in ((12, 18), (15, 15), (None, 30)):
        drawn = next(real_draws(comparison, answers, n_draws=1, n_synthetic=n_synthetic, has_families=True, seed=3))
        assert len(drawn.groups["train"]) == drawn.train.n_samples == n_train
        if n_synthetic is not None:
            assert not set(drawn.train.sample_ids) & set(drawn.synthetic.sample_ids)


def test_draw_exchange_check__leaves_out_the_families_of_the_stand_ins():
    train, nonmembers = np.repeat(np.arange(20), 4), np.arange(20)
    for seed in range(20):
        stand_ins, members, others = draw_exchange_check(train, nonmembers, generator=np.random.default_rng(seed))
        assert len(stand_ins) == len(others) == 10
        assert not set(nonmembers[stand_ins]) & {*train[members], *nonmembers[others]}
        assert len(members) == 40


def test_draw_exchange_check__keeps_as_many_loners_among_members_as_among_others():
    """Of 100 samples in ten families and 100 on their own: whoever is on his own is far from everybody, whatever side he is on."""
    groups = np.concatenate([np.repeat(np.arange(10), 10), np.arange(10, 110)])
    shares = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        is_nonmember = spread_over_groups(groups, 40, generator)
        train, nonmembers = groups[~is_nonmember], groups[is_nonmember]
        _, members, others = draw_exchange_check(train, nonmembers, generator=generator)
        shares.append(((train[members] >= 10).mean(), (nonmembers[others] >= 10).mean()))
    differences = np.subtract(*np.transpose(shares))
    assert differences.mean() == pytest.approx(0, abs=4 * differences.std() / np.sqrt(200))


def test_draw_exchange_check__halves_the_nonmembers_of_a_single_family():
    stand_ins, members, others = draw_exchange_check(np.zeros(9, int), np.zeros(7, int), generator=np.random.default_rng(0))
    assert (len(stand_ins), len(members), len(others)) == (3, 9, 4)
    assert not set(stand_ins) & set(others)


def _attack_on_nonmembers(parts: dict[str, np.ndarray], whole: Any, families: np.ndarray, seed: int) -> float:
    train, nonmembers = (whole.take_samples(rows) for rows in parts.values())
    groups: dict[Part, Any] = {"train": families[parts["train"]], "nonmembers": families[parts["nonmembers"]]}
    shown = Comparison(WEIGHT, train=train, holdout=nonmembers, nonmembers=nonmembers, synthetic=train, groups=groups)
    metric, answers = MembershipDistance(), Answers(load_registry(), train)
    drawn = exchange_check(shown, answers, seed=seed)
    results: dict[Request, Any] = {request: answers.answer(request, drawn) for request in metric.needs(WEIGHT)}
    scores = metric.score(replace(drawn, results=results), seed=0)
    return next(score.value for score in scores if score.name == "membership_auc")


def test_exchange_check__is_near_a_half_in_families_and_far_from_it_for_strangers():
    """60 families of six: nonmembers of the same families cannot be told from train; samples of another population can."""
    whole = example_genotypes(n_samples=360, n_variants=200, seed=2)
    families = np.arange(360) // 6
    is_nonmember = spread_over_groups(families, 77, np.random.default_rng(0))
    parts = {"train": np.flatnonzero(~is_nonmember), "nonmembers": np.flatnonzero(is_nonmember)}
    aucs = [_attack_on_nonmembers(parts, whole, families, seed) for seed in range(20)]
    # 38 nonmembers and about 140 members: sqrt((1/38 + 1/140) / 12) = 0.053 each; the draws share samples, so their mean has nearly that.
    assert np.mean(aucs) == pytest.approx(0.5, abs=2 * 0.053)
    others = example_genotypes(n_samples=77, n_variants=200, seed=5)
    calls = np.concatenate([whole.take_samples(parts["train"]).to_array(), others.to_array()])
    mixed = replace(example_genotypes(n_samples=len(calls), n_variants=200, seed=2), calls=PackedCalls.from_calls(calls))
    n_train = len(parts["train"])
    strangers = {"train": np.arange(n_train), "nonmembers": np.arange(n_train, len(calls))}
    assert _attack_on_nonmembers(strangers, mixed, np.arange(len(calls)), 1) < 0.2
