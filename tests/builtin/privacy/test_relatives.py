"""Kinship replay against all draws written out; segments and opposing homozygotes on samples made to share them."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from genobench import Comparison, FitContext, Pairwise
from genobench.builtin.controls import Copy
from genobench.builtin.privacy.relatives import KinshipReplay, OpposingHomozygotes, SharedSegment, kinship_replay
from genobench.testing import EXAMPLE_TRAITS, answer_requests, example_genotypes

TRAIT = EXAMPLE_TRAITS["quantitative"]
METRIC = KinshipReplay()
GENOTYPES = example_genotypes(n_samples=600, n_variants=200, seed=5)
FAMILIES = np.arange(600) // 6
IS_MEMBER = np.arange(600) % 6 < 4


def _replay(members, others, families=None) -> float:
    alone = (np.arange(len(members)), len(members) + np.arange(len(others)))
    return float(kinship_replay(members, others, families=families or alone).mean())


def _over_all_draws(members, others, draws) -> float:
    """The share of columns that members win, over draws of positions; a tie counts one half."""
    shares = []
    for drawn in draws:
        best, bar = members[list(drawn)].max(axis=0), others.max(axis=0)
        shares.append(np.mean((best > bar) + (best == bar) / 2))
    return float(np.mean(shares))


@pytest.mark.parametrize("n_values", [4, 1000])
def test_replay__is_the_mean_over_all_draws(n_values):
    """Few values make ties common."""
    rng = np.random.default_rng(1)
    members, others = (rng.integers(0, n_values, (n, 9)).astype(np.float32) for n in (8, 3))
    assert _replay(members, others) == pytest.approx(_over_all_draws(members, others, combinations(range(8), 3)))


def test_replay__draws_family_by_family():
    """Two of family 0 and one of family 1 are drawn; family 2 has fewer members than others, so its one stands with the familyless."""
    rng = np.random.default_rng(2)
    members, others = rng.random((9, 11)).astype(np.float32), rng.random((5, 11)).astype(np.float32)
    families = (np.array([0, 0, 0, 1, 1, 2, 7, 8, 9]), np.array([0, 0, 1, 2, 2]))
    draws = [
        (*first, *second, *rest) for first, second, rest in product(combinations(range(3), 2), ((3,), (4,)), combinations(range(5, 9), 2))
    ]
    assert _replay(members, others, families) == pytest.approx(_over_all_draws(members, others, draws))


def test_replay__of_those_kept_is_that_of_their_rows():
    """600 members of one family, so that more than a byte holds are closer."""
    rng = np.random.default_rng(4)
    members, others = rng.random((600, 20)).astype(np.float32), rng.random((5, 20)).astype(np.float32)
    families = (np.zeros(600, dtype=np.intp), np.zeros(5, dtype=np.intp))
    kept = (np.arange(0, 600, 2), np.array([0, 3]))
    whole = kinship_replay(members, others, families=families, kept=kept)
    np.testing.assert_array_equal(whole, kinship_replay(members[::2], others[[0, 3]], families=(families[0][::2], families[1][:2])))
    # One other, and one member drawn from 600: as often closer as members are above it.
    one = kinship_replay(members, others[:1], families=(families[0], families[1][:1]))
    np.testing.assert_allclose(one, (members > others[0]).mean(axis=0))


def test_replay__turns_to_its_complement_when_members_and_others_swap():
    rng = np.random.default_rng(3)
    members, others = rng.random((8, 20)).astype(np.float32), rng.random((5, 20)).astype(np.float32)
    assert _replay(members, others) + _replay(others, members) == pytest.approx(1)


def test_replay__of_copies_finds_those_that_are_drawn(tmp_path):
    """A copy is closest kin to itself, and is drawn with a chance of one half; else its sibs are, in train as often as not."""
    context = FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)
    train, nonmembers = (GENOTYPES.take_samples(np.flatnonzero(side)) for side in (IS_MEMBER, ~IS_MEMBER))
    groups: Any = {"train": FAMILIES[IS_MEMBER], "nonmembers": FAMILIES[~IS_MEMBER]}
    synthetic = Copy().fit(train, context).generate(300, seed=1)
    comparison = Comparison(TRAIT, train=train, holdout=nonmembers, nonmembers=nonmembers, synthetic=synthetic, groups=groups)
    (score,) = METRIC.score(answer_requests(comparison, METRIC.needs(TRAIT)), seed=1)
    assert score.value == pytest.approx(0.5 + 0.5 * 0.37, abs=0.08)
    assert score.interval is not None
    assert score.interval[0] > 0.5


def test_replay__of_unseen_samples_is_a_half_and_its_error_covers_the_spread():
    """Members and nonmembers dealt out 40 times, four and two of each family; the synthetic samples are the last ten families."""
    rows = np.arange(540)
    everybody = Comparison(TRAIT, GENOTYPES, GENOTYPES, GENOTYPES, GENOTYPES)
    within = answer_requests(everybody, METRIC.needs(TRAIT)).results[METRIC.needs(TRAIT)[0]]
    values: list[float] = []
    errors: list[float] = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        is_member = np.concatenate([rng.permutation(6) for _ in range(90)]) < 4
        members, others, synthetic = rows[is_member], rows[~is_member], np.arange(540, 600)
        parts: Any = [GENOTYPES.take_samples(chosen) for chosen in (members, others, others, synthetic)]
        results: Any = {
            Pairwise("train", "synthetic", "king"): within[np.ix_(members, synthetic)],
            Pairwise("nonmembers", "synthetic", "king"): within[np.ix_(others, synthetic)],
        }
        groups: Any = {"train": FAMILIES[members], "nonmembers": FAMILIES[others]}
        (score,) = METRIC.score(Comparison(TRAIT, parts[0], parts[1], parts[2], parts[3], results=results, groups=groups), seed=1)
        values.append(score.value)
        assert score.standard_error is not None
        errors.append(score.standard_error)
    spread = np.std(values, ddof=1)
    assert np.mean(values) == pytest.approx(0.5, abs=4 * spread / np.sqrt(40))
    # A jackknife of a statistic of nearest neighbours errs on the wide side.
    assert 0.8 * spread < np.mean(errors) < 3 * spread


@pytest.mark.parametrize("is_kin", [True, False])
def test_replay__of_strangers_on_one_side_is_not_certain(is_kin: bool):
    """Whatever is left out, all synthetic samples are closer to one side: a jackknife alone would give an error of 0."""
    parts: Any = [GENOTYPES.take_samples(np.arange(n)) for n in (40, 30, 30, 25)]
    kinship = [np.full((n, 25), value, dtype=np.float32) for n, value in ((40, 0.1 if is_kin else -0.4), (30, -0.1))]
    results: Any = dict(zip(METRIC.needs(TRAIT), kinship, strict=True))
    (score,) = METRIC.score(Comparison(TRAIT, parts[0], parts[1], parts[2], parts[3], results=results), seed=1)
    assert score.value == is_kin
    assert score.interval == pytest.approx((0.839, 1.0) if is_kin else (0.0, 0.161), abs=1e-3)


def test_replay__takes_undefined_kinship_for_none():
    parts: Any = [GENOTYPES.take_samples(np.arange(n)) for n in (4, 3, 3, 2)]
    others = np.full((3, 2), np.nan, dtype=np.float32)
    others[0, 0] = 0.1
    results: Any = {METRIC.needs(TRAIT)[0]: np.zeros((4, 2), dtype=np.float32), METRIC.needs(TRAIT)[1]: others}
    (score,) = METRIC.score(Comparison(TRAIT, parts[0], parts[1], parts[2], parts[3], results=results), seed=1)
    assert score.value == 0.5


@pytest.mark.parametrize("n_nonmembers", [0, 1])
def test_replay__says_when_there_are_too_few(n_nonmembers):
    parts: Any = [GENOTYPES.take_samples(np.arange(n)) for n in (4, 3, n_nonmembers, 2)]
    (score,) = METRIC.score(Comparison(TRAIT, parts[0], parts[1], parts[2], parts[3]), seed=1)
    assert score.reason == f"It takes a synthetic sample, two training samples and two nonmembers; there are 2, 4 and {n_nonmembers}."


def test_exposures__are_told_apart_by_distance_where_relatives_share_as_much():
    """Both targets share the longest stretch, 50, and have no opposing homozygotes with some sample; only the first is a copy."""
    segments = np.array([[50, 50, 3]], dtype=np.int32)
    opposing = np.array([[0, 0, 9]], dtype=np.int32)
    copy, relative = np.array([[0, 40, 5]], dtype=np.int32), np.array([[20, 40, 5]], dtype=np.int32)
    for metric, clue in ((SharedSegment(), segments), (OpposingHomozygotes(), opposing)):
        first, second = metric.exposures([clue, clue, copy, relative])
        assert first > second
        shorter, _ = metric.exposures([clue - 1, clue, relative, copy]) if metric == SharedSegment() else (np.array([-2.0]), None)
        assert shorter < second
