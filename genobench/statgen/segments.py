"""The longest stretch of a chromosome on which two samples may share a haplotype, for all pairs.

Two samples that share a haplotype never have opposing homozygotes on it (one 0, the other 2), so a long run of variants without any is the
sign of a shared segment, read off unphased calls. Opposing homozygotes are found 24 variants at a time by bits, and the run between two of
them by the lowest and the highest bit of a word, which are exponents of the word as float32 (exact below 2 ** 24).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from genobench.errors import GenotypesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from genobench.calls import CallMatrix, Calls

    Words = NDArray[np.int32]

VARIANTS_PER_WORD: Final = 24
"""Runs of up to 22 variants that begin and end within one word of 24 are passed over."""

_BITS_PER_WORD: Final = 32
_PAIRS_PER_TILE: Final = 1 << 16
_COLUMNS_PER_TILE: Final = 8192
_MANTISSA_BITS: Final = 23
_EXPONENT_OF_ONE: Final = 127


def longest_shared_segment(
    queries: Calls | CallMatrix, references: Calls | CallMatrix, chromosomes: Sequence[str] | NDArray[Any]
) -> NDArray[np.int32]:
    """Longest run of neighbouring variants of one chromosome without opposing homozygotes, for every query and reference.

    A missing call opposes nothing. Beside the result this takes the bits of one chromosome and some megabytes a thread; it uses as many
    threads as torch does.

    Args:
        queries: Calls, shape (n_queries, n_variants), in 0, 1, 2 or MISSING; an array, or packed.
        references: Calls, shape (n_references, n_variants), likewise; the same object takes half the time.
        chromosomes: The chromosome of each variant, in file order, shape (n_variants,).

    Returns:
        Lengths in variants, shape (n_queries, n_references): exact from 23 variants on; where the longest run is shorter, it may be given
        too short, down to the longest one that touches the end of a word of 24 variants.

    Raises:
        GenotypesError: If the numbers of variants differ.

    References:
        Henn B.M. et al. 2012. Cryptic distant relatives are common in both isolated and cosmopolitan genetic samples. PLoS ONE 7: e34267,
        methods (runs without opposite homozygotes). https://doi.org/10.1371/journal.pone.0034267 ; Seidman D.N. et al. 2020. Rapid,
        phase-free detection of long identity-by-descent segments enables effective relationship classification. American Journal of Human
        Genetics 106: 453-466. https://doi.org/10.1016/j.ajhg.2020.02.012
    """
    names = np.asarray(chromosomes, dtype=object)
    if not queries.shape[1] == references.shape[1] == len(names):
        raise GenotypesError(
            f"queries have {queries.shape[1]} variants, references {references.shape[1]}, and chromosomes are given for {len(names)}; "
            "all must be one number."
        )
    is_same, n_queries, n_references = references is queries, queries.shape[0], references.shape[0]
    # While it grows the result is one too long, which saves a step.
    longest = np.ones((n_queries, n_references), dtype=np.int32)
    tiles = _tiles(n_queries, n_references, is_same=is_same)
    edges = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for start, stop in pairwise(edges):
            left = _homozygous_words(queries, slice(start, stop))
            right = left if is_same else _homozygous_words(references, slice(start, stop))
            list(pool.map(partial(_scan, longest, left, right), tiles))
    if is_same:
        for rows, across in tiles:
            longest[across, rows] = longest[rows, across].T
    longest -= 1
    return longest


def _tiles(n_queries: int, n_references: int, *, is_same: bool) -> list[tuple[slice, slice]]:
    """Parts of the result with at most `_PAIRS_PER_TILE` pairs; of a set with itself, those that reach the diagonal or lie right of it."""
    n_columns = max(1, min(_COLUMNS_PER_TILE, n_references))
    n_rows = max(1, _PAIRS_PER_TILE // n_columns)
    return [
        (slice(row, min(row + n_rows, n_queries)), slice(column, min(column + n_columns, n_references)))
        for row in range(0, n_queries, n_rows)
        for column in range(0, n_references, n_columns)
        if not is_same or column + n_columns > row
    ]


def _homozygous_words(calls: Calls | CallMatrix, variants: slice) -> tuple[Words, Words]:
    """Bits of the homozygous for REF and for ALT, each of shape (n_words, n_samples); beyond the last variant all samples oppose all."""
    block = calls[:, variants] if isinstance(calls, np.ndarray) else calls.columns(variants)
    n_samples, n_block = block.shape
    n_words = -(-n_block // VARIANTS_PER_WORD)
    words = []
    for value in (0, 2):
        bits = np.ones((n_samples, n_words * VARIANTS_PER_WORD), dtype=bool)
        np.equal(block, value, out=bits[:, :n_block])
        spaced = np.zeros((n_samples, n_words, _BITS_PER_WORD), dtype=bool)
        spaced[..., :VARIANTS_PER_WORD] = bits.reshape(n_samples, n_words, VARIANTS_PER_WORD)
        packed = np.packbits(spaced.reshape(n_samples, n_words * _BITS_PER_WORD), axis=1, bitorder="little").view("<i4")
        words.append(np.ascontiguousarray(packed.T, dtype=np.int32))
    return words[0], words[1]


def _scan(whole: Words, left: tuple[Words, Words], right: tuple[Words, Words], tile: tuple[slice, slice]) -> None:
    """Raise a tile of `whole`, the longest run plus one of each pair, to the runs of one chromosome.

    `state` is the run that is open at the end of a word, less 126. An exponent is 127 plus the place of a bit, and 0 where there is none:
    a word without opposing homozygotes then lengthens the open run, and the lowest bit of another closes it.
    """
    (rows, across), longest = tile, whole[tile]
    shape = longest.shape
    opposing, other = np.empty(shape, dtype=np.int32), np.empty(shape, dtype=np.int32)
    as_float, is_free = np.empty(shape, dtype=np.float32), np.empty(shape, dtype=bool)
    float_bits = as_float.view(np.int32)
    state = np.full(shape, 1 - _EXPONENT_OF_ONE, dtype=np.int32)
    for word in range(len(left[0])):
        np.bitwise_and(left[0][word, rows, None], right[1][word, across], out=opposing)
        np.bitwise_and(left[1][word, rows, None], right[0][word, across], out=other)
        np.bitwise_or(opposing, other, out=opposing)
        np.negative(opposing, out=other)
        np.bitwise_and(other, opposing, out=other)
        as_float[...] = other
        np.right_shift(float_bits, _MANTISSA_BITS, out=other)
        np.add(other, state, out=other)
        np.maximum(longest, other, out=longest)
        np.equal(opposing, 0, out=is_free)
        np.multiply(state, is_free, out=state)
        as_float[...] = opposing
        np.right_shift(float_bits, _MANTISSA_BITS, out=other)
        np.subtract(state, other, out=state)
        np.add(state, VARIANTS_PER_WORD, out=state)
    state += _EXPONENT_OF_ONE
    np.maximum(longest, state, out=longest)
