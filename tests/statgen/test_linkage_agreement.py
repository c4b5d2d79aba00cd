"""Agreement about LD and LD scores, against numpy on whole matrices."""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import pytest

from genobench import MISSING, PackedCalls
from genobench.statgen import corrected_r2, far_agreement, ld_scores, near_agreement

N_VARIANTS = 90
CHROMOSOMES = np.repeat(["1", "2", "3"], 30)
POSITIONS = np.tile(np.arange(30) * 4e4, 3)
IS_TOGETHER = CHROMOSOMES[:, None] == CHROMOSOMES
DISTANCES = np.where(IS_TOGETHER, np.abs(POSITIONS[:, None] - POSITIONS), np.inf)


def _r(calls: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations one pair at a time over the samples with both calls, NaN where undefined; and how many samples."""
    r, n_both = np.full((calls.shape[1],) * 2, np.nan), np.zeros((calls.shape[1],) * 2)
    for i, j in combinations(range(calls.shape[1]), 2):
        both = (calls[:, i] != MISSING) & (calls[:, j] != MISSING)
        x, y = calls[both, i], calls[both, j]
        n_both[i, j] = n_both[j, i] = len(x)
        if np.ptp(x) and np.ptp(y):
            r[i, j] = r[j, i] = np.corrcoef(x, y)[0, 1]
    return r, n_both


def _pairs(r: np.ndarray, other: np.ndarray, is_pair: np.ndarray) -> np.ndarray:
    """The two r of each pair, the second 0 where it is not defined."""
    is_pair = np.triu(is_pair, 1) & np.isfinite(r)
    return np.stack([r[is_pair], np.nan_to_num(other[is_pair])])


@pytest.fixture(scope="module", params=[0.0, 0.05], ids=["complete", "missing"])
def sides(request, linked_calls) -> tuple[np.ndarray, np.ndarray]:
    first, second = (linked_calls(size, N_VARIANTS, missing=request.param, seed=seed) for size, seed in ((50, 1), (40, 2)))
    second[:, 7] = 1
    return first, second


@pytest.fixture(scope="module")
def correlated(sides) -> list[tuple[np.ndarray, np.ndarray]]:
    return [_r(side) for side in sides]


@pytest.fixture
def where() -> dict[str, np.ndarray]:
    return {"chromosomes": CHROMOSOMES, "positions": POSITIONS}


def test_near_agreement__is_the_correlation_over_pairs_in_reach(sides, correlated, where):
    found = near_agreement(*sides, **where, reach=3e5)
    expected = _pairs(correlated[0][0], correlated[1][0], DISTANCES < 3e5)
    assert found.n_pairs == expected.shape[1]
    assert found.correlation[0] == pytest.approx(np.corrcoef(*expected)[0, 1], rel=1e-10)


def test_near_agreement__without_a_block_leaves_out_its_left_hand_variants(sides, where):
    found = near_agreement(*sides, **where, reach=3e5)
    others = np.flatnonzero(CHROMOSOMES != "2")
    alone = near_agreement(
        sides[0][:, others], sides[1][:, others], chromosomes=CHROMOSOMES[others], positions=POSITIONS[others], reach=3e5
    )
    assert found.correlation[2] == pytest.approx(alone.correlation[0], rel=1e-10)


def test_near_agreement__of_a_set_with_itself_is_one(sides, where):
    assert near_agreement(sides[0], sides[0], **where).correlation == pytest.approx(1)


def test_ld_scores__are_sums_of_corrected_r2_in_the_window(sides, correlated, where):
    calls = sides[1]
    r, n_both = correlated[1]
    corrected = np.where((DISTANCES < 2e5) & np.isfinite(r), corrected_r2(r**2, n_both), 0)
    np.fill_diagonal(corrected, 1)
    expected = corrected.sum(axis=1)
    expected[7] = np.nan
    np.testing.assert_allclose(ld_scores(calls, **where, window=2e5), expected, rtol=1e-10)
    np.testing.assert_allclose(near_agreement(sides[0], calls, **where, reach=2e5).ld_scores[1], expected, rtol=1e-10)


def test_ld_scores__are_about_one_without_linkage_and_count_copies():
    """A variant in k copies among unlinked ones has a score of k (Bulik-Sullivan et al. 2015: r2 sums over what is tagged)."""
    rng = np.random.default_rng(9)
    calls = rng.integers(0, 3, (2_000, 40), dtype=np.int8)
    calls[:, 1:4] = calls[:, [0]]
    scores = ld_scores(calls, chromosomes=["1"] * 40, positions=np.arange(40))
    # Corrected r2 of unlinked variants has mean 0 and a standard deviation of about sqrt(2) / n; 39 of them are added up.
    assert scores[:4] == pytest.approx(4, abs=5 * np.sqrt(2 * 39) / 2_000)
    assert scores[4:] == pytest.approx(1, abs=5 * np.sqrt(2 * 39) / 2_000)


def test_ld_scores__are_not_a_number_for_variants_that_take_no_part(linked_calls):
    calls = linked_calls(30, 6)
    scores = ld_scores(
        calls, chromosomes=["1", "1", "1", "X", "1", "1"], positions=[1, 2, np.nan, 4, 5, 6], is_used=np.array([True] * 4 + [False, True])
    )
    assert np.isnan(scores).tolist() == [False, False, True, True, True, False]


def test_far_agreement__is_over_pairs_on_different_chromosomes(sides, correlated):
    found = far_agreement(*sides, chromosomes=CHROMOSOMES)
    (first, n_first), (second, n_second) = correlated
    expected = _pairs(first, second, ~IS_TOGETHER)
    assert found.n_pairs == expected.shape[1]
    assert found.correlation[0] == pytest.approx(np.corrcoef(*expected)[0, 1], rel=1e-9)
    for mean, r, n_both in zip(found.mean_r2[:, 0], (first, second), (n_first, n_second), strict=True):
        assert mean == pytest.approx(np.nanmean(corrected_r2(r**2, n_both)[~IS_TOGETHER]), rel=1e-9)


def test_far_agreement__without_a_block_leaves_out_all_pairs_with_it(sides):
    blocks = np.arange(N_VARIANTS) // 15
    found = far_agreement(*sides, chromosomes=CHROMOSOMES, blocks=blocks)
    kept = np.flatnonzero(blocks != 3)
    alone = far_agreement(sides[0][:, kept], sides[1][:, kept], chromosomes=CHROMOSOMES[kept])
    assert found.correlation[4] == pytest.approx(alone.correlation[0], rel=1e-9)
    np.testing.assert_allclose(found.mean_r2[:, 4], alone.mean_r2[:, 0], rtol=1e-9)


def test_far_agreement__takes_evenly_spaced_variants_where_there_are_many(sides):
    found = far_agreement(*sides, chromosomes=CHROMOSOMES, max_variants=45)
    chosen = np.linspace(0, 89, 45).round().astype(int)
    alone = far_agreement(sides[0][:, chosen], sides[1][:, chosen], chromosomes=CHROMOSOMES[chosen])
    assert found.n_variants == 45
    np.testing.assert_allclose(found.mean_r2[:, 0], alone.mean_r2[:, 0])


def test_far_agreement__is_undefined_on_one_chromosome(linked_calls):
    calls = linked_calls(30, 10)
    found = far_agreement(calls, calls, chromosomes=["1"] * 10)
    assert found.n_pairs == 0
    assert np.isnan(found.correlation).all()
    assert np.isnan(found.mean_r2).all()


@pytest.mark.parametrize("agreement", [partial(near_agreement, positions=POSITIONS), far_agreement], ids=["near", "far"])
def test_agreement__does_not_hang_on_the_order_of_samples_and_variants(sides, agreement):
    order = np.random.default_rng(1).permutation(N_VARIANTS)
    options = {"chromosomes": CHROMOSOMES[order]}
    if agreement is not far_agreement:
        options["positions"] = POSITIONS[order]
    shuffled = agreement(*(PackedCalls.from_calls(side[::-1][:, order]) for side in sides), **options)
    assert shuffled.correlation[0] == pytest.approx(agreement(*sides, chromosomes=CHROMOSOMES).correlation[0], rel=1e-10)
