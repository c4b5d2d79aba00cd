"""Samples set apart: whole families, as many as asked for."""

from __future__ import annotations

import numpy as np
import pytest

from genobench import Genotypes, PackedCalls, Trait
from genobench.testing import example_genotypes
from genobench_classical.set_apart import set_apart

TRAIT = Trait(column="weight", kind="quantitative", family="sire")


def with_sires(sires: np.ndarray) -> Genotypes:
    train = example_genotypes(n_samples=len(sires))
    return train.with_samples(train.samples.assign(sire=sires))


def test_set_apart__takes_whole_families_up_to_a_quarter() -> None:
    sires = np.repeat([f"S{k}" for k in range(20)], 5)
    is_apart = set_apart(with_sires(sires), TRAIT, seed=3)
    assert is_apart.sum() == 25
    assert set(sires[is_apart]).isdisjoint(sires[~is_apart])


def test_set_apart__counts_a_sample_without_a_family_as_one() -> None:
    sires = np.array(["S1"] * 60 + [None] * 40, dtype=object)
    is_apart = set_apart(with_sires(sires), TRAIT, seed=3)
    assert is_apart.sum() == 25
    assert not is_apart[:60].any()


def test_set_apart__takes_single_samples_where_every_family_is_large() -> None:
    assert set_apart(with_sires(np.repeat(["S1", "S2"], 50)), TRAIT, seed=3).sum() == 25


@pytest.mark.parametrize("chromosome", ["1", "0"])
def test_set_apart__finds_families_by_kinship_where_none_is_recorded(chromosome: str) -> None:
    """Ten families of six: each sample has one haplotype of its parent and one from the population, as half sibs and closer."""
    rng = np.random.default_rng(1)
    n_variants = 2000
    calls = np.repeat(rng.integers(0, 2, (10, n_variants)), 6, axis=0) + rng.integers(0, 2, (60, n_variants))
    table = example_genotypes(n_samples=60, n_variants=n_variants)
    train = Genotypes(
        calls=PackedCalls.from_calls(calls.astype(np.int8)), samples=table.samples, variants=table.variants.assign(chromosome=chromosome)
    )
    is_apart = set_apart(train, Trait(column="weight", kind="quantitative"), seed=3)
    by_family = is_apart.reshape(10, 6)
    assert is_apart.sum() == 12
    assert (by_family.all(axis=1) | ~by_family.any(axis=1)).all()
