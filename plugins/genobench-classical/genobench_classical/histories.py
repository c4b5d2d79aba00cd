"""Counts of calls after the calls before them, smoothed from short histories to long ones.

A history of length k is a number: its newest call is the lowest of k digits to base 3. Everything runs along a `GeneticPath`, the
variants of each chromosome by position.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from genobench import CallMatrix
    from genobench.statgen import GeneticPath

    Floats = NDArray[np.float64]
    Calls = NDArray[np.int8]

_CALLS_PER_BLOCK: Final = 1 << 20
_ROWS_PER_CHUNK: Final = 512
_LARGEST_SLOPE: Final = 0.7
_TINY: Final = 1e-12


@dataclass(frozen=True, eq=False)
class _Walk:
    """Some places of a path, and the calls before them.

    Args:
        calls: Along the whole path, shape (n_samples, n_variants).
        n_before: Variants of its chromosome before each, shape (n_variants,).
        places: Those looked at.
    """

    calls: Calls
    n_before: NDArray[np.int64]
    places: slice

    def now(self) -> Calls:
        """Calls at the places, shape (n_samples, n_places)."""
        return self.calls[:, self.places]

    def longer(self, history: NDArray[np.intp], is_known: NDArray[np.bool_], length: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Histories of `length` calls from those with one fewer, and which of them are whole; all of shape (n_samples, n_places)."""
        older = np.arange(self.places.start, self.places.stop) - length
        call = self.calls[:, np.maximum(older, 0)]
        is_there = (call >= 0) & (self.n_before[self.places] >= length)
        return history + np.where(is_there, call, 0).astype(np.intp) * 3 ** (length - 1), is_known & is_there

    def counts(self, length: int) -> Floats:
        """How often each call follows each history, shape (n_places, 3 ** length, 3); 0 where the chromosome has no such history."""
        now = self.now()
        history, is_known = np.zeros(now.shape, dtype=np.intp), now >= 0
        for k in range(1, length + 1):
            history, is_known = self.longer(history, is_known, k)
        n_places, n_histories = now.shape[1], 3**length
        cell = (np.arange(n_places) * n_histories + history) * 3 + now
        counted = np.bincount(cell[is_known], minlength=n_places * n_histories * 3)
        return counted.reshape(n_places, n_histories, 3).astype(np.float64)

    def levels(self, *, order: int, prior: float) -> Iterator[Floats]:
        """Chance of 0, 1 and 2 after histories of length 0, 1, ..., each of shape (n_places, 3 ** length, 3)."""
        counts = self.counts(0)
        counts[counts.sum(axis=2) == 0, 0] = 1
        level = counts / counts.sum(axis=2, keepdims=True)
        yield level
        for length in range(1, order + 1):
            # The oldest call is the highest digit, so the shorter history of number h is h modulo the number of shorter ones.
            level = _pooled(self.counts(length), np.tile(level, (1, 3, 1)), prior)
            yield level


def calls_along(calls: CallMatrix, path: GeneticPath) -> Calls:
    """Calls along the path, int8, shape (n_samples, n_variants)."""
    along = np.empty((calls.shape[0], len(path.order)), dtype=np.int8)
    for start in range(0, len(along), _ROWS_PER_CHUNK):
        rows = np.arange(start, min(start + _ROWS_PER_CHUNK, len(along)))
        along[rows] = calls.rows(rows)[:, path.order]
    return along


def history_tables(calls: Calls, n_before: NDArray[np.int64], *, order: int, prior: float) -> NDArray[np.float32]:
    """Chance of at most 0 and at most 1 ALT allele after each history.

    Args:
        calls: Along a path, shape (n_samples, n_variants).
        n_before: Variants of its chromosome before each, shape (n_variants,).
        order: Length of histories; near the start of a chromosome, calls that are not there count nothing.
        prior: Samples that follow the shorter history.

    Returns:
        Shape (n_variants, 3 ** order, 2).
    """
    tables = np.empty((calls.shape[1], 3**order, 2), dtype=np.float32)
    for places in _blocks(calls):
        levels = list(_Walk(calls, n_before, places).levels(order=order, prior=prior))
        at_most = np.cumsum(levels[-1], axis=2)[..., :2]
        at_most[levels[-1][..., 2] == 0, 1] = 1
        tables[places] = at_most
    return tables


def log_likelihoods(calls: Calls, others: Calls, n_before: NDArray[np.int64], *, order: int, prior: float) -> Floats:
    """Mean log-likelihood of the calls of other samples at each order.

    Args:
        calls: Those counted, along a path, shape (n_samples, n_variants).
        others: Those of which the likelihood is, shape (n_others, n_variants).
        n_before: As in `history_tables`.
        order: The longest.
        prior: As in `history_tables`.

    Returns:
        Shape (order + 1,), in nats.
    """
    total, n_calls = np.zeros(order + 1), 0
    for places in _blocks(calls):
        walk = _Walk(others, n_before, places)
        now = walk.now()
        is_called = now >= 0
        n_calls += int(is_called.sum())
        column = np.broadcast_to(np.arange(now.shape[1]), now.shape)
        history, is_known = np.zeros(now.shape, dtype=np.intp), is_called
        chance = np.ones(now.shape)
        for length, level in enumerate(_Walk(calls, n_before, places).levels(order=order, prior=prior)):
            if length:
                history, is_known = walk.longer(history, is_known, length)
            found = level[column, history, np.maximum(now, 0)]
            # A history with a missing call is as long as it is known.
            chance = np.where(is_known, found, chance)
            total[length] += np.log(np.maximum(chance[is_called], 1e-4)).sum()
    return total / max(1, n_calls)


def stratum_ratios(
    calls: Calls, n_before: NDArray[np.int64], stratum_of: NDArray[np.intp], *, n_strata: int, prior: float, stratum_prior: float
) -> NDArray[np.float32]:
    """Chance of each call after each call in each stratum, over that in all samples.

    Args:
        calls: Along a path, shape (n_samples, n_variants).
        n_before: As in `history_tables`.
        stratum_of: The stratum of each sample, shape (n_samples,); the last stratum stands for all.
        n_strata: Strata.
        prior: As in `history_tables`.
        stratum_prior: Samples of all strata with which a stratum's counts are pooled.

    Returns:
        Shape (n_strata - 1, n_variants, 3, 3): stratum, place, call before, call; where a chromosome begins, the same after all calls. 1
        for calls that never occur.
    """
    ratios = np.ones((n_strata - 1, calls.shape[1], 3, 3), dtype=np.float32)
    for places in _blocks(calls) if n_strata > 1 else ():
        alone, after = _Walk(calls, n_before, places).levels(order=1, prior=prior)
        for stratum in range(n_strata - 1):
            members = _Walk(calls[stratum_of == stratum], n_before, places)
            own = _pooled(members.counts(0), alone, stratum_prior)
            ratio = np.divide(own, alone, out=np.ones_like(own), where=alone > 0)
            base = after * ratio
            base /= np.maximum(base.sum(axis=2, keepdims=True), _TINY)
            own = _pooled(members.counts(1), base, stratum_prior)
            is_first = n_before[places] == 0
            own[is_first] = base[is_first]
            ratios[stratum, places] = np.divide(own, after, out=np.ones_like(own), where=after > 0)
    return ratios


def first_order_slopes(
    calls: Calls, n_before: NDArray[np.int64], values: NDArray[np.float32], *, stratum_of: NDArray[np.intp], ridge: float
) -> NDArray[np.float32]:
    """Tilt of log-odds by ALT allele and unit of each column: slopes beside the call before, over the variance that it leaves.

    Calls count as differences from the mean of their stratum, as values do: what lies between strata is in the strata's own tables.

    Args:
        calls: Along a path, shape (n_samples, n_variants).
        n_before: As in `history_tables`.
        values: Standardised columns less the mean of the sample's stratum, 0 where missing, shape (n_samples, n_columns).
        stratum_of: The stratum of each sample, shape (n_samples,).
        ridge: Penalty, in samples.

    Returns:
        Shape (n_columns, n_variants).
    """
    slopes = np.zeros((values.shape[1], calls.shape[1]), dtype=np.float32)
    if not values.shape[1]:
        return slopes
    regress = np.linalg.solve(values.T @ values + ridge * np.eye(values.shape[1]), values.T)
    n_means = len(np.unique(stratum_of))
    for places in _blocks(calls):
        # With the variant before the first one; what it hands on at the beginning of a chromosome is set to nothing.
        around = np.maximum(np.arange(places.start - 1, places.stop), 0)
        centred, is_called = _less_stratum_mean(calls[:, around], stratum_of)
        n_called, n_both = is_called.sum(axis=0), (is_called[:, 1:] & is_called[:, :-1]).sum(axis=0)
        # Each stratum's mean takes one degree of freedom.
        variance = (centred**2).sum(axis=0) / np.maximum(n_called - n_means, 1)
        carried = (centred[:, 1:] * centred[:, :-1]).sum(axis=0) / np.maximum(n_both - n_means, 1) / np.maximum(variance[:-1], _TINY)
        carried[n_before[places] == 0] = 0
        left = np.maximum(variance[1:] - carried**2 * variance[:-1], 0.05 * variance[1:])
        # A missing call adds nothing to the products, so that they fall short by the call rate.
        slope = regress @ centred * (len(calls) / np.maximum(n_called, 1))
        found = (slope[:, 1:] - carried * slope[:, :-1]) / np.maximum(left, 1e-3)
        slopes[:, places] = np.clip(found, -_LARGEST_SLOPE, _LARGEST_SLOPE)
    return slopes


def _less_stratum_mean(calls: Calls, stratum_of: NDArray[np.intp]) -> tuple[Floats, NDArray[np.bool_]]:
    """Calls less their stratum's mean, 0 where missing, and which are there; both of the shape of `calls`."""
    is_called = calls >= 0
    centred = np.zeros(calls.shape)
    for stratum in np.unique(stratum_of):
        rows = stratum_of == stratum
        own, is_there = calls[rows].astype(np.float64), is_called[rows]
        mean = (own * is_there).sum(axis=0) / np.maximum(is_there.sum(axis=0), 1)
        centred[rows] = np.where(is_there, own - mean, 0)
    return centred, is_called


def _blocks(calls: Calls) -> Iterator[slice]:
    width = max(1, _CALLS_PER_BLOCK // max(1, len(calls)))
    for start in range(0, calls.shape[1], width):
        yield slice(start, min(start + width, calls.shape[1]))


def _pooled(counts: Floats, base: Floats, prior: float) -> Floats:
    pooled: Floats = (counts + prior * base) / (counts.sum(axis=2, keepdims=True) + prior)
    return pooled
