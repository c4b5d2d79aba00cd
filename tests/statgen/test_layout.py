"""Blocks of neighbouring variants, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from genobench.statgen import BlockLayout, chromosome_numbers


def _layout(chromosomes: str, block_size: int = 4) -> BlockLayout:
    n_variants = len(chromosomes)
    table = pd.DataFrame({"chromosome": list(chromosomes), "position_bp": pd.array(range(n_variants, 0, -1), dtype="Int64")})
    return BlockLayout.of_variants(table, block_size=block_size)


@pytest.mark.parametrize(
    ("most_blocks", "wanted"),
    [(None, [(0, 2), (2, 3), (3, 6)]), (0, [(0, 2), (2, 3), (3, 6)]), (3, [(0, 3), (3, 6)]), (5, [(0, 3), (3, 6)]), (6, [(0, 6)])],
)
def test_runs__join_whole_chromosomes(most_blocks: int | None, wanted: list[tuple[int, int]]) -> None:
    """Chromosomes of two, one and three blocks."""
    layout = _layout("1" * 8 + "2" * 3 + "3" * 12)
    assert [(run.start, run.stop) for run in layout.runs(most_blocks)] == wanted


def test_placed__numbers_stand_at_their_variants_and_padding_is_filled() -> None:
    layout = _layout("121")
    assert layout.variant_at.tolist() == [[2, 0, -1, -1], [1, -1, -1, -1]]
    placed = layout.placed(np.array([1.5, 2.5, 3.5]), fill=-9)
    assert placed.tolist() == [[3.5, 1.5, -9, -9], [2.5, -9, -9, -9]]
    several = layout.placed(np.arange(6, dtype=np.int8).reshape(2, 3), fill=0)
    assert several.dtype == np.int8
    assert several.tolist() == [[[2, 0, 0, 0], [1, 0, 0, 0]], [[5, 3, 0, 0], [4, 0, 0, 0]]]


def test_to_arrays__from_arrays_gives_the_layout_back_among_other_arrays() -> None:
    layout = _layout("1" * 7 + "2" * 3)
    for saved in (layout.to_arrays(), {name: torch.from_numpy(values.copy()) for name, values in layout.to_arrays().items()}):
        again = BlockLayout.from_arrays({"loadings": np.zeros(3), **saved}, n_variants=len(layout.place_of))
        assert (again.variant_at == layout.variant_at).all()
        assert (again.is_followed == layout.is_followed).all()


def test_chromosome_numbers__count_blocks_by_their_chromosome() -> None:
    layout = _layout("1" * 8 + "2" * 3 + "3" * 12)
    assert chromosome_numbers(layout.is_followed).tolist() == [0, 0, 1, 2, 2, 2]
