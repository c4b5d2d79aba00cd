"""Counts of calls after the calls before them, smoothed from short histories to long ones.

A history of length k is a number: its newest call is the lowest of k digits to base 3. Everything runs along a path, the variants of
each chromosome by position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.statgen import BlockLayout

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from genobench import CallMatrix

    Floats = NDArray[np.float64]
    Calls = NDArray[np.int8]

_CALLS_PER_BLOCK: Final = 1 << 20
_ROWS_PER_CHUNK: Final = 512
_LARGEST_TILT: Final = 5.0
_LARGEST_SLOPE: Final = 0.7
_TINY: Final = 1e-12


@dataclass(frozen=True, eq=False)
class Path:
    """The way along all chromosomes.

    Args:
        order: The variant at each place, shape (n_variants,).
        n_before: How many places of its chromosome lie before it, shape (n_variants,).
    """

    order: NDArray[np.int64]
    n_before: NDArray[np.int64]

    @classmethod
    def of_variants(cls, variants: pd.DataFrame) -> Path:
        """The path of a variant table, one chromosome after the other, as `BlockLayout` orders them."""
        layout = BlockLayout.of_variants(variants, block_size=max(1, len(variants)))
        sizes = layout.is_variant.sum(axis=1)
        return cls(order=layout.variant_at[layout.is_variant], n_before=np.concatenate([np.arange(size) for size in sizes]))


def calls_along(calls: CallMatrix, rows: NDArray[np.intp], path: Path) -> Calls:
    """Calls of some samples along the path, int8, shape (n_rows, n_variants)."""
    along = np.empty((len(rows), len(path.order)), dtype=np.int8)
    for start in range(0, len(rows), _ROWS_PER_CHUNK):
        chunk = slice(start, start + _ROWS_PER_CHUNK)
        along[chunk] = calls.rows(rows[chunk])[:, path.order]
    return along


def history_tables(calls: Calls, n_before: NDArray[np.int64], *, order: int, prior: float) -> NDArray[np.float32]:
    """Chance of at most 0 and at most 1 ALT allele after each history.

    Args:
        calls: Along a path, shape (n_samples, n_variants).
        n_before: As in `Path`.
        order: Length of histories; near the start of a chromosome, calls that are not there count nothing.
        prior: Samples that follow the shorter history.

    Returns:
        Shape (n_variants, 3 ** order, 2).
    """
    tables = np.empty((calls.shape[1], 3**order, 2), dtype=np.float32)
    for places in _blocks(calls):
        levels = list(_levels(calls, n_before, places, order=order, prior=prior))
        at_most = np.cumsum(levels[-1], axis=2)[..., :2]
        at_most[levels[-1][..., 2] == 0, 1] = 1
        tables[places] = at_most
    return tables


def log_likelihoods(calls: Calls, judges: Calls, n_before: NDArray[np.int64], *, order: int, prior: float) -> Floats:
    """Mean log-likelihood of the calls of other samples at each order.

    Args:
        calls: Those counted, along a path, shape (n_samples, n_variants).
        judges: Those judged, shape (n_judges, n_variants).
        n_before: As in `Path`.
        order: The longest.
        prior: As in `history_tables`.

    Returns:
        Shape (order + 1,), in nats.
    """
    total, n_calls = np.zeros(order + 1), 0
    for places in _blocks(calls):
        now = judges[:, places]
        is_called = now >= 0
        n_calls += int(is_called.sum())
        column = np.broadcast_to(np.arange(now.shape[1]), now.shape)
        history, is_known = np.zeros(now.shape, dtype=np.intp), is_called
        chance = np.ones(now.shape)
        for length, level in enumerate(_levels(calls, n_before, places, order=order, prior=prior)):
            if length:
                history, is_known = _longer(history, is_known, judges, n_before, places, length)
            found = level[column, history, np.maximum(now, 0)]
            # A history with a missing call is as long as it is known.
            chance = np.where(is_known, found, chance)
            total[length] += np.log(np.maximum(chance[is_called], 1e-4)).sum()
    return total / max(1, n_calls)


def stratum_tilts(
    calls: Calls, n_before: NDArray[np.int64], strata: NDArray[np.intp], *, n_strata: int, prior: float, stratum_prior: float
) -> NDArray[np.float32]:
    """What the log-odds of calls gain in each stratum, after each call at the place before.

    Args:
        calls: Along a path, shape (n_samples, n_variants).
        n_before: As in `Path`.
        strata: The stratum of each sample; the last stratum stands for all.
        n_strata: Strata.
        prior: As in `history_tables`.
        stratum_prior: Samples of all strata with which a stratum's counts are pooled.

    Returns:
        Shape (n_strata, n_variants, 3, 3): stratum, place, call before, call; 0 in the last stratum.
    """
    tilts = np.zeros((n_strata, calls.shape[1], 3, 3), dtype=np.float32)
    if n_strata == 1:
        return tilts
    for places in _blocks(calls):
        alone, after = _levels(calls, n_before, places, order=1, prior=prior)
        for stratum in range(n_strata - 1):
            members = calls[strata == stratum]
            own = _pooled(_counts(members, n_before, places, 0), alone, stratum_prior)
            ratio = np.divide(own, alone, out=np.ones_like(own), where=alone > 0)
            base = after * ratio
            base /= np.maximum(base.sum(axis=2, keepdims=True), _TINY)
            own = _pooled(_counts(members, n_before, places, 1), base, stratum_prior)
            is_first = n_before[places] == 0
            own[is_first] = base[is_first]
            is_possible = (own > 0) & (after > 0)
            gain = np.log(np.where(is_possible, own, 1) / np.where(is_possible, after, 1))
            tilts[stratum, places] = np.clip(gain, -_LARGEST_TILT, _LARGEST_TILT)
    return tilts


def first_order_slopes(calls: Calls, n_before: NDArray[np.int64], values: NDArray[np.float32], *, ridge: float) -> NDArray[np.float32]:
    """Tilt of log-odds by ALT allele and unit of each column: slopes beside the call before, over the variance that it leaves.

    Args:
        calls: Along a path, shape (n_samples, n_variants).
        n_before: As in `Path`.
        values: Standardised columns, shape (n_samples, n_columns).
        ridge: Penalty, in samples.

    Returns:
        Shape (n_columns, n_variants).
    """
    slopes = np.zeros((values.shape[1], calls.shape[1]), dtype=np.float32)
    if not values.shape[1]:
        return slopes
    regress = np.linalg.solve(values.T @ values + ridge * np.eye(values.shape[1]), values.T)
    for places in _blocks(calls):
        start = max(0, places.start - 1)
        block = calls[:, start : places.stop].astype(np.float64)
        is_called = block >= 0
        mean = (block * is_called).sum(axis=0) / np.maximum(is_called.sum(axis=0), 1)
        centred = np.where(is_called, block - mean, 0)
        if start == places.start:
            centred = np.concatenate([np.zeros((len(block), 1)), centred], axis=1)
        variance = (centred**2).mean(axis=0)
        carried = (centred[:, 1:] * centred[:, :-1]).mean(axis=0) / np.maximum(variance[:-1], _TINY)
        carried[n_before[places] == 0] = 0
        left = np.maximum(variance[1:] - carried**2 * variance[:-1], 0.05 * variance[1:])
        slope = regress @ centred
        found = (slope[:, 1:] - carried * slope[:, :-1]) / np.maximum(left, 1e-3)
        slopes[:, places] = np.clip(found, -_LARGEST_SLOPE, _LARGEST_SLOPE)
    return slopes


def _blocks(calls: Calls) -> Iterator[slice]:
    width = max(1, _CALLS_PER_BLOCK // max(1, len(calls)))
    for start in range(0, calls.shape[1], width):
        yield slice(start, min(start + width, calls.shape[1]))


def _levels(calls: Calls, n_before: NDArray[np.int64], places: slice, *, order: int, prior: float) -> Iterator[Floats]:
    """Chance of 0, 1 and 2 after histories of length 0, 1, ..., each of shape (n_places, 3 ** length, 3)."""
    counts = _counts(calls, n_before, places, 0)
    counts[counts.sum(axis=2) == 0, 0] = 1
    level = counts / counts.sum(axis=2, keepdims=True)
    yield level
    for length in range(1, order + 1):
        # The oldest call is the highest digit, so the shorter history of number h is h modulo the number of shorter ones.
        level = _pooled(_counts(calls, n_before, places, length), np.tile(level, (1, 3, 1)), prior)
        yield level


def _pooled(counts: Floats, base: Floats, prior: float) -> Floats:
    pooled: Floats = (counts + prior * base) / (counts.sum(axis=2, keepdims=True) + prior)
    return pooled


def _counts(calls: Calls, n_before: NDArray[np.int64], places: slice, length: int) -> Floats:
    """How often each call follows each history, shape (n_places, 3 ** length, 3); 0 where the chromosome has no such history."""
    now = calls[:, places]
    history, is_known = np.zeros(now.shape, dtype=np.intp), now >= 0
    for k in range(1, length + 1):
        history, is_known = _longer(history, is_known, calls, n_before, places, k)
    n_places, n_histories = now.shape[1], 3**length
    cell = (np.arange(n_places) * n_histories + history) * 3 + now
    counted = np.bincount(cell[is_known], minlength=n_places * n_histories * 3)
    return counted.reshape(n_places, n_histories, 3).astype(np.float64)


def _longer(  # noqa: PLR0917 - one step of a walk
    history: NDArray[np.intp], is_known: NDArray[np.bool_], calls: Calls, n_before: NDArray[np.int64], places: slice, length: int
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Histories with one older call, and which of them are whole."""
    older = np.arange(places.start, places.stop) - length
    call = calls[:, np.maximum(older, 0)]
    is_there = (call >= 0) & (n_before[places] >= length)
    return history + np.where(is_there, call, 0).astype(np.intp) * 3 ** (length - 1), is_known & is_there
