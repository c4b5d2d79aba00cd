"""Inferred parents, against simulated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import Genotypes, Trait
from genobench.statgen import BlockLayout
from genobench_neural.batches import PackedBatches
from genobench_neural.lineages.matings import Matings
from genobench_neural.lineages.parents import add_to_parents, infer_parents, recombination

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("has_one_dam", [False, True])
def test_infer_parents__finds_the_haplotypes_of_sires(families: Callable[..., tuple[Genotypes, np.ndarray]], *, has_one_dam: bool) -> None:
    """Each inferred haplotype follows one true haplotype of the sire (or, where sire and dam are told apart by nothing, of either)."""
    train, sires = families(n_families=4, n_offspring=16, has_one_dam=has_one_dam, seed=5)
    layout = BlockLayout.of_variants(train.variants, block_size=4)
    batches = PackedBatches.of_genotypes(train, layout, torch.device("cpu"))
    matings = Matings.of_samples(train.samples, Trait(column="weight", kind="quantitative"))
    assert matings.n_parents == (8 if has_one_dam else 4)
    inferred = infer_parents(
        batches,
        layout,
        recombination(train.variants, layout),
        matings,
        rows=torch.arange(train.n_samples),
        generator=torch.Generator().manual_seed(1),
    )
    gametes = inferred.gametes.numpy()
    calls = gametes[:, 0] + gametes[:, 1]
    assert (calls.transpose(1, 0, 2).reshape(train.n_samples, -1)[:, layout.place_of] == train.to_array()).all()
    if has_one_dam:
        return
    found = inferred.haplotypes.numpy().transpose(1, 2, 0, 3).reshape(4, 2, -1)[:, :, layout.place_of]
    for family, truth in zip(found, sires, strict=True):
        for part in (slice(0, train.n_variants // 2), slice(train.n_variants // 2, None)):
            agreement = (family[:, None, part] == truth[None, :, part]).mean(axis=2)
            assert max(agreement[0, 0] + agreement[1, 1], agreement[0, 1] + agreement[1, 0]) / 2 > 0.95


def test_infer_parents__adds_samples_of_one_parent_up() -> None:
    """As numpy's unbuffered addition does, without an operation whose order a GPU leaves open."""
    random = np.random.default_rng(8)
    parents, values = random.integers(0, 4, 50), random.integers(0, 9, (50, 2, 3)).astype(np.float32)
    expected = np.ones((5, 2, 3), dtype=np.float32)
    np.add.at(expected, parents, values)
    total = torch.ones(5, 2, 3)
    add_to_parents(total, torch.from_numpy(parents), torch.from_numpy(values))
    assert (total.numpy() == expected).all()


def test_recombination__follows_haldane() -> None:
    variants = pd.DataFrame({"chromosome": "1", "position_bp": 1, "position_cm": np.repeat([0.0, 20.0], 4)})
    fractions = recombination(variants, BlockLayout.of_variants(variants, block_size=4))
    np.testing.assert_allclose(fractions.numpy(), [0.5, (1 - np.exp(-0.4)) / 2], rtol=1e-5)


def test_recombination__a_chromosome_without_a_map_goes_by_base_pairs() -> None:
    """As a PLINK file has it whose second chromosome has 0 cM throughout: blocks 100 Mb apart are a Morgan apart."""
    positions = [1, 2, 100_000_001, 100_000_002]
    variants = pd.DataFrame(
        {"chromosome": ["1"] * 4 + ["2"] * 4, "position_bp": positions * 2, "position_cm": [0.0, 0.0, 20.0, 20.0] + [0.0] * 4}
    )
    fractions = recombination(variants, BlockLayout.of_variants(variants, block_size=2)).reshape(2, -1)[:, 1:]
    np.testing.assert_allclose(fractions[:, 0], [(1 - np.exp(-2 * d)) / 2 for d in (0.2, 1.0)], rtol=1e-5)
