from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genobench.calls import MISSING, CallMatrix, PackedCalls, pack_calls, unpack_calls
from genobench.errors import GenotypesError

call_arrays = arrays(np.int8, st.tuples(st.integers(0, 5), st.integers(0, 13)), elements=st.sampled_from([0, 1, 2, MISSING]))


@given(call_arrays)
def test_packing__gives_back_what_was_packed(calls):
    assert np.array_equal(unpack_calls(pack_calls(calls), calls.shape[1]), calls)


def test_packing__puts_four_calls_in_a_byte_the_first_in_the_lowest_bits():
    # 0, 1, 2, missing are the codes 0, 1, 2, 3: 0 + 1 * 4 + 2 * 16 + 3 * 64.
    assert pack_calls(np.array([[0, 1, 2, MISSING]], dtype=np.int8)).tolist() == [[228]]


def test_packing__leaves_unused_places_zero():
    assert pack_calls(np.array([[2]], dtype=np.int8)).tolist() == [[2]]


@pytest.mark.parametrize("value", [3, -2, 9, -9])
def test_packing__names_the_place_of_a_value_that_is_no_call(value):
    calls = np.zeros((3, 5), dtype=np.int8)
    calls[1, 4] = value
    with pytest.raises(GenotypesError, match=rf"calls\[1, 4\] is {value}; a call must be 0, 1 or 2"):
        pack_calls(calls)


def test_packing__refuses_fractions_and_other_shapes():
    with pytest.raises(GenotypesError, match=r"calls\[0, 1\] is 0\.5"):
        pack_calls(np.array([[0, 0.5]]))
    with pytest.raises(GenotypesError, match="calls have 1 axes"):
        pack_calls(np.zeros(3, dtype=np.int8))


@given(call_arrays, st.data())
def test_rows_and_columns__are_those_of_the_array(calls, data):
    packed = PackedCalls.from_calls(calls)
    rows = np.array(data.draw(st.lists(st.integers(0, len(calls) - 1), max_size=4)) if len(calls) else [], dtype=np.intp)
    columns = np.array(data.draw(st.lists(st.integers(0, calls.shape[1] - 1), max_size=4)) if calls.shape[1] else [], dtype=np.intp)
    assert packed.shape == calls.shape
    assert np.array_equal(packed.rows(rows), calls[rows])
    assert np.array_equal(packed.columns(columns), calls[:, columns])
    assert np.array_equal(packed.columns(slice(1, 3)), calls[:, 1:3])


def test_packed_calls__are_a_call_matrix():
    assert isinstance(PackedCalls.from_calls(np.zeros((1, 1), dtype=np.int8)), CallMatrix)


def test_packed_calls__refuse_bytes_that_do_not_fit():
    with pytest.raises(GenotypesError, match=r"packed calls are uint8 of shape \(2, 1\); 5 variants need uint8 rows of 2 bytes"):
        PackedCalls(packed=np.zeros((2, 1), dtype=np.uint8), n_variants=5)


@pytest.mark.parametrize(
    "indices", [slice(3, 9), slice(4, 8), slice(None), slice(6, 2), slice(5, 5), slice(-3, None), slice(0, 99), slice(1, 9, 3)]
)
def test_columns__of_a_slice_are_those_of_its_indices(indices):
    calls = np.random.default_rng(3).integers(-1, 3, size=(5, 11)).astype(np.int8)
    np.testing.assert_array_equal(PackedCalls.from_calls(calls).columns(indices), calls[:, indices])
