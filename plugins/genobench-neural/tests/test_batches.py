"""Decoding of packed batches, and the layout that they are packed in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from genobench import MISSING, Genotypes, PackedCalls
from genobench.statgen import BlockLayout
from genobench_neural.batches import MISSING_CODE, PackedBatches, RowOrder, unplaced_calls


def random_genotypes(n_samples: int, n_variants: int) -> Genotypes:
    random = np.random.default_rng(5)
    calls = random.integers(MISSING, 3, (n_samples, n_variants)).astype(np.int8)
    variants = pd.DataFrame(
        {
            "chromosome": random.permutation(np.resize(["1", "2", "X"], n_variants)),
            "position_bp": random.permutation(n_variants) + 1,
            "id": [f"v{k}" for k in range(n_variants)],
            "ref": "A",
            "alt": "G",
        }
    )
    return Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": [f"s{k}" for k in range(n_samples)]}), variants)


def test_codes__unplaced_again_are_the_calls() -> None:
    genotypes = random_genotypes(9, 53)
    layout = BlockLayout.of_variants(genotypes.variants, block_size=8)
    batches = PackedBatches.of_genotypes(genotypes, layout, torch.device("cpu"))
    rows = torch.tensor([4, 0, 8])
    assert (unplaced_calls(batches.codes(rows), layout) == genotypes.to_array()[rows.numpy()]).all()


def test_block_codes__are_the_codes_of_all_samples() -> None:
    genotypes = random_genotypes(6, 40)
    layout = BlockLayout.of_variants(genotypes.variants, block_size=8)
    batches = PackedBatches.of_genotypes(genotypes, layout, torch.device("cpu"))
    every = batches.codes(torch.arange(6))
    assert torch.equal(batches.block_codes(slice(1, 3)), every[1:3])
    assert int(every.max()) == MISSING_CODE


def test_row_order__shows_each_sample_once_an_epoch() -> None:
    rows = RowOrder(10, 4, torch.Generator().manual_seed(1))
    seen = torch.cat([next(rows) for _ in range(5)])
    assert torch.equal(seen.bincount(minlength=10), torch.full((10,), 2))


def test_row_order__fills_a_batch_larger_than_the_data() -> None:
    assert next(RowOrder(3, 7, torch.Generator().manual_seed(1))).shape == (7,)


def test_row_order__goes_on_from_its_state() -> None:
    first = RowOrder(10, 4, torch.Generator().manual_seed(1))
    next(first)
    again = RowOrder(10, 4, torch.Generator())
    again.load_state_dict(first.state_dict())
    assert torch.equal(next(again), next(first))


def test_layout__orders_variants_by_position_within_chromosomes() -> None:
    table = pd.DataFrame({"chromosome": ["2", "1", "2", "1", "2"], "position_bp": pd.array([5, 9, 3, 2, 4], dtype="Int64")})
    layout = BlockLayout.of_variants(table, block_size=4)
    assert layout.variant_at.tolist() == [[2, 4, 0, -1], [3, 1, -1, -1]]
    assert layout.is_followed.tolist() == [False, False]


def test_layout__keeps_the_order_where_a_position_is_not_known() -> None:
    table = pd.DataFrame({"chromosome": ["1"] * 3, "position_bp": pd.array([5, None, 3], dtype="Int64")})
    assert BlockLayout.of_variants(table, block_size=4).variant_at.tolist() == [[0, 1, 2, -1]]


def test_layout__cuts_chromosomes_into_equal_blocks() -> None:
    table = pd.DataFrame({"chromosome": ["1"] * 10, "position_bp": pd.array(range(1, 11), dtype="Int64")})
    layout = BlockLayout.of_variants(table, block_size=8)
    assert layout.is_variant.sum(axis=1).tolist() == [5, 5]
    assert layout.is_followed.tolist() == [True, False]
    assert (layout.variant_at.reshape(-1)[layout.place_of] == np.arange(10)).all()
