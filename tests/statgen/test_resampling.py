"""The jackknife, against closed forms for a mean; blocks and groups by what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genobench.statgen import genome_blocks, jackknife_standard_error, sample_groups


def test_jackknife__of_a_mean_one_at_a_time_is_its_textbook_error():
    values = np.random.default_rng(1).normal(size=30)
    deleted = (values.sum() - values) / 29
    error = jackknife_standard_error(values.mean(), deleted, np.ones(30))
    assert error == pytest.approx(values.std(ddof=1) / np.sqrt(30))


def test_jackknife__of_a_mean_in_unequal_groups_has_the_closed_form():
    """For a mean the pseudo-values of Busing et al. 1999 are the group means, so var = mean((mean_j - mean)^2 m_j / (n - m_j))."""
    rng = np.random.default_rng(2)
    sizes = np.array([3, 9, 5, 20, 2])
    groups = [rng.normal(size=size) for size in sizes]
    whole = np.concatenate(groups)
    deleted = [(whole.sum() - group.sum()) / (len(whole) - len(group)) for group in groups]
    means = np.array([group.mean() for group in groups])
    expected = np.sqrt(np.mean((means - whole.mean()) ** 2 * sizes / (len(whole) - sizes)))
    assert jackknife_standard_error(whole.mean(), deleted, sizes) == pytest.approx(expected)


def test_jackknife__of_one_group_is_undefined():
    assert np.isnan(jackknife_standard_error(1.0, [1.0], [5]))


@given(st.lists(st.sampled_from(["1", "2", "3", "X"]), min_size=1, max_size=300))
def test_genome_blocks__are_small_and_stay_within_chromosomes(names):
    names = sorted(names)
    blocks = genome_blocks(names)
    sizes = np.bincount(blocks)
    assert sizes.max() <= max(1, 0.05 * len(names)) + 1
    assert sizes.min() > 0
    assert all(len(set(np.array(names)[blocks == block])) == 1 for block in range(len(sizes)))


def test_genome_blocks__are_the_chromosomes_where_none_is_large():
    assert genome_blocks(np.repeat(np.arange(1, 31).astype(str), 10)).tolist() == np.repeat(np.arange(30), 10).tolist()


def test_sample_groups__keep_families_together_and_about_equal():
    families = np.repeat([f"sire {number}" for number in range(60)], 5)
    groups = sample_groups(families, 300, seed=1)
    assert np.bincount(groups).tolist() == [15] * 20
    assert all(len(set(groups[families == family])) == 1 for family in set(families))


def test_sample_groups__take_unknown_families_apart():
    groups = sample_groups([None, float("nan"), "", "a", "a", "b"], 6, seed=1)
    assert groups[3] == groups[4]
    assert len(set(groups)) == 5


@pytest.mark.parametrize("families", [None, ["a"] * 20 + ["b"] * 20])
def test_sample_groups__of_too_few_families_are_of_single_samples(families):
    assert np.bincount(sample_groups(families, 40, seed=1)).tolist() == [2] * 20


def test_sample_groups__of_few_samples_are_the_samples():
    assert sorted(sample_groups(None, 7, seed=1)) == list(range(7))
