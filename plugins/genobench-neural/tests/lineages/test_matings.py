"""Who mates with whom, and what is kept of it."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import ConditionEncoder, Trait
from genobench_neural.lineages.matings import Matings, MatingTable, facts_per_number

TRAIT = Trait(column="weight", kind="quantitative")
FACTORIAL = [(sire, dam) for sire in (0, 1) for dam in (2, 3, 4)]


def test_matings__number_parents_of_two_and_more() -> None:
    samples = pd.DataFrame({"sire": ["a", "a", "a", "b"], "dam": ["x", "y", "z", "z"], "weight": 0.0})
    matings = Matings.of_samples(samples, TRAIT)
    assert matings.n_parents == 2
    assert matings.sires.tolist() == [0, 0, 0, 2]
    assert matings.dams.tolist() == [2, 2, 1, 1]
    assert matings.n_offspring().tolist() == [3, 2]
    left = matings.of_parents(torch.tensor([False, True]))
    assert left.n_parents == 1
    assert left.sires.tolist() == [1, 1, 1, 1]
    assert left.dams.tolist() == [1, 1, 0, 0]


def mating_table(pairs: list[tuple[int, int]], *, n_parents: int, seed: int) -> torch.Tensor:
    """The mates of synthetic samples where training has these pairs; n_parents is the unknown parent."""
    sires, dams = torch.tensor(pairs).T
    samples = pd.DataFrame({"weight": np.arange(len(pairs), dtype=float)})
    encoder = ConditionEncoder.of_samples(samples, TRAIT)
    matings = Matings(sires=sires, dams=dams, n_parents=n_parents)
    condition = torch.from_numpy(encoder.encode(samples))
    random = torch.Generator().manual_seed(seed)
    return MatingTable.of_matings(matings, condition, encoder, is_population=torch.tensor([False]), generator=random).mates


@pytest.mark.parametrize(
    ("pairs", "n_parents"),
    [([(0, 2), (0, 3), (1, 2), (1, 3)], 4), ([(0, 1), (0, 2), (0, 3)], 4), ([(0, 1)], 2), ([(0, 3), (1, 4), (2, 5), (6, 3)], 6)],
)
def test_mating_table__never_mates_parents_of_training_samples(pairs: list[tuple[int, int]], n_parents: int) -> None:
    """Factorial matings, one sire for all, one mating, and ones that leave a choice; without a choice the dam is unknown."""
    for seed in range(20):
        mates = [tuple(pair) for pair in mating_table(pairs, n_parents=n_parents, seed=seed).tolist()]
        assert not {pair for pair in mates if max(pair) < n_parents} & set(pairs)
        if n_parents < 6:
            assert all(dam == n_parents for _, dam in mates)
        else:
            assert {mates[k][1] for k in range(3)} <= {3, 4, 5}


@pytest.mark.parametrize(
    "n_offspring",
    [(20, 20, 1, 20, 20, 20), (20, 20, 1, 20, 20, 3), (20, 20, 20, 4, 1, 20), (1, 1, 1, 1, 1, 1), (20, 1, 20, 3, 3, 2), (1, 5, 5, 5, 5, 5)],
)
def test_mating_table__gives_no_sample_away(n_offspring: tuple[int, ...]) -> None:
    """Matings of one offspring, and a covariate that one offspring of a mating has: no mean or remainder of sums is one sample's."""
    random = np.random.default_rng(3)
    pairs = np.repeat(FACTORIAL, n_offspring, axis=0)
    samples = pd.DataFrame({"weight": random.normal(60, 5, len(pairs)), "age": random.normal(9, 1, len(pairs))})
    samples.loc[(pairs == FACTORIAL[1]).all(axis=1).nonzero()[0][1:], "age"] = np.nan
    encoder = ConditionEncoder.of_samples(samples, Trait(column="weight", kind="quantitative", covariates=("age",)))
    condition = torch.from_numpy(encoder.encode(samples))
    sires, dams = torch.from_numpy(pairs).T
    matings = Matings(sires, dams, n_parents=5)
    table = MatingTable.of_matings(
        matings, condition, encoder, is_population=torch.zeros(2, dtype=torch.bool), generator=torch.Generator().manual_seed(1)
    )
    assert table.counts.tolist() == list(n_offspring)
    for column, known in zip(table.means.double().numpy().T, condition.double().numpy().T, strict=True):
        # What a reader can undo: the drawing in of a mean by one sample, and any difference of sums over matings that share a mean.
        shared, group = np.unique(column, return_inverse=True)
        sums = shared * (np.bincount(group, weights=n_offspring) + 1)
        signs = np.array(list(itertools.product([-1, 0, 1], repeat=len(sums))))
        guesses = np.concatenate([column, column * (np.array(n_offspring) + 1), signs @ sums])
        assert np.abs(guesses[:, None] - known[known != 0]).min() > 1e-5


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_facts_per_number__makes_distances_mahalanobis_ones(n_classes: int) -> None:
    one_hot = np.eye(n_classes) - 1 / n_classes
    covariance = one_hot.T @ one_hot / n_classes
    away = np.random.default_rng(1).normal(size=(5, n_classes))
    away -= away.mean(axis=1, keepdims=True)
    expected = np.einsum("ni,ij,nj->n", away, np.linalg.pinv(covariance), away)
    found = facts_per_number(n_classes) * (away**2 / covariance.diagonal()).sum(axis=1)
    np.testing.assert_allclose(found, expected)
