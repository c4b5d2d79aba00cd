"""Whole-number products against float64 by numpy, and blocks of calls against the calls."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genobench import PackedCalls
from genobench.statgen import products
from genobench.statgen.products import MISSING_CODE, call_codes, gram, inner_products, is_call, row_tiles, variant_blocks


def _plane(n_rows: int, n_inner: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(-4, 5, size=(n_rows, n_inner)).astype(np.int8))


def _float64(left: torch.Tensor, right: torch.Tensor) -> np.ndarray:
    return left.numpy().astype(np.float64) @ right.numpy().astype(np.float64).T


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 1), (40, 33, 1), (3, 5, 7), (17, 16, 8), (100, 33, 1001)])
def test_inner_products__equal_float64(shape):
    n_left, n_right, n_inner = shape
    left, right = _plane(n_left, n_inner, 1), _plane(n_right, n_inner, 2)
    result = inner_products(left, right)
    assert result.dtype == torch.int32
    np.testing.assert_array_equal(result.numpy(), _float64(left, right))


def test_inner_products__are_exact_beyond_what_float32_counts():
    """4 x 4 x 1,500,001 = 24,000,016 is over 2 ** 24, and one more entry than a multiple of what float32 may add up."""
    left = torch.full((2, 1_500_001), 4, dtype=torch.int8)
    assert inner_products(left, left).tolist() == [[24_000_016] * 2] * 2


def test_inner_products__without_integer_units_are_the_same(monkeypatch):
    """Old processors have no product of int8; float32 must then be cut where it would round: 5 x 5 x 700,001 is over 2 ** 24."""
    monkeypatch.setattr(products, "_has_integer_units", lambda _: False)
    left, right = _plane(20, 300, 3), _plane(30, 300, 4)
    np.testing.assert_array_equal(inner_products(left, right).numpy(), _float64(left, right))
    wide = torch.full((1, 700_001), 5, dtype=torch.int8)
    assert inner_products(wide, wide).item() == 17_500_025


def test_inner_products__of_nothing_are_zero():
    assert inner_products(torch.zeros((2, 0), dtype=torch.int8), torch.zeros((3, 0), dtype=torch.int8)).tolist() == [[0] * 3] * 2
    assert inner_products(torch.zeros((0, 4), dtype=torch.int8), _plane(3, 4, 0)).shape == (0, 3)


def test_inner_products__refuse_planes_that_are_not_int8():
    with pytest.raises(TypeError, match=r"planes are torch\.float32 and torch\.int8; both must be torch\.int8"):
        inner_products(torch.zeros((2, 2)), torch.zeros((2, 2), dtype=torch.int8))


@pytest.mark.parametrize("n_rows", [1, 30, 600])
def test_gram__is_the_product_with_itself(n_rows):
    planes = _plane(n_rows, 50, 5)
    np.testing.assert_array_equal(gram(planes).numpy(), _float64(planes, planes))


def test_padding__changes_no_sum():
    """A GPU takes sizes that are multiples of eight only; what is added is zero."""
    left, right = _plane(5, 13, 6), _plane(9, 13, 7)
    padded = products._padded(left, 24, 16), products._padded(right, 16, 16)
    np.testing.assert_array_equal(inner_products(*padded).numpy()[:5, :9], _float64(left, right))


@pytest.mark.parametrize("pack", [np.asarray, PackedCalls.from_calls], ids=["array", "packed"])
def test_call_codes__are_the_calls_in_blocks(pack):
    calls = np.random.default_rng(8).integers(-1, 3, size=(11, 203)).astype(np.int8)
    blocks = [call_codes(pack(calls), block, slice(2, 9)).numpy() for block in variant_blocks(11, 203, plane_bytes=1000)]
    assert [block.shape[1] for block in blocks] == [64, 64, 64, 11]
    np.testing.assert_array_equal(np.hstack(blocks), np.where(calls[2:9] < 0, MISSING_CODE, calls[2:9]))


@pytest.mark.parametrize("pack", [np.asarray, PackedCalls.from_calls], ids=["array", "packed"])
def test_codes__unpacked_by_torch_are_those_unpacked_by_numpy(pack):
    """A device object in the place of its name takes the way of a GPU, here on the processor."""
    calls = pack(np.random.default_rng(9).integers(-1, 3, size=(5, 70)).astype(np.int8))
    by_torch = products._codes_of(calls, slice(1, 4), slice(4, 70), torch.device("cpu"))  # type: ignore[arg-type]
    assert by_torch.dtype == torch.int8
    np.testing.assert_array_equal(by_torch.numpy(), call_codes(calls, slice(4, 70), slice(1, 4)).numpy())


def test_call_codes__refuse_a_block_that_starts_within_a_byte():
    with pytest.raises(ValueError, match="starts at 2; it must start at a multiple of 4"):
        call_codes(np.zeros((1, 8), dtype=np.int8), slice(2, 8))


def test_is_call__tells_missing_from_called():
    codes = call_codes(np.array([[0, 1, 2, -1]], dtype=np.int8), slice(0, 4))
    assert is_call(codes, MISSING_CODE).tolist() == [[0, 0, 0, 1]]
    assert is_call(codes, 1).tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize(("n_rows", "rows_per_tile"), [(0, 5), (1, 5), (3, 5), (23, 5), (10_000, 1024)])
def test_row_tiles__cover_every_row_once(n_rows, rows_per_tile):
    tiles = row_tiles(n_rows, rows_per_tile=rows_per_tile)
    assert [row for tile in tiles for row in range(tile.start, tile.stop)] == list(range(n_rows))
    assert max((tile.stop - tile.start for tile in tiles), default=0) <= rows_per_tile
