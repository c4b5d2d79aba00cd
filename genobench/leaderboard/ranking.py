"""The order of a board, from intervals and not from means alone.

On one score, a row beats another where the other's 95 % interval lies wholly on the worse side of its own; intervals that overlap are a
draw, and so is everything that reaches the real band, because nothing can be more real than real samples. A row's rank is one, plus
one for each row that beats it, plus a half for each draw: noise leads to the middle, never to the top. A missing primary score is
beaten by every score that is there. Rows are ordered by their mean rank over the primary scores, those that leak below all that do not.
Controls are not ranked and beat nobody.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from genobench.outcomes import Z_95

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genobench.leaderboard.estimates import Estimate
    from genobench.leaderboard.rows import Column, Row

_MARKED_BY_CHANCE: Final = 0.025
"""Share of generators without a leak that are marked nevertheless, over all attacks together."""

RULES: Final = (
    "On one score a generator beats another only where their 95 % intervals do not overlap; otherwise it is a draw.",
    "Whoever reaches the real band draws with everyone else who does: nothing can be more real than real samples.",
    "A rank is 1, plus 1 for each generator that beats this one, plus ½ for each draw.",
    "The board orders by the mean rank over the primary scores.",
    "A missing primary score is beaten by every score that is there; it is never replaced by a number.",
    (
        "A generator leaks where an attack's AUC or share found, or the share of copies, lies above the band, and farther above its mean "
        "than noise explains. The more attacks there are the farther that is (Bonferroni's inequality), so that of generators that do not "
        "leak at most about one in forty is marked by chance. Where no draw of unseen real samples scores at all, as with copies, its "
        "interval need only lie above that."
    ),
    "Whoever leaks stands below all that do not.",
    "No such mark is no proof of safety: a small leak hides in the noise of few nonmembers, and other attacks may find more.",
    "Controls and real samples are shown and not ranked.",
)
"""The rules as a page states them."""


def rank_rows(rows: Sequence[Row], columns: Sequence[Column]) -> list[Row]:
    """Rows with leaks, mean ranks and places, in the order in which a board shows them.

    Args:
        rows: In any order.
        columns: Every score of the board; only primary ones rank.

    Returns:
        Ranked rows by place, then rows without any primary score, then controls.
    """
    primary = [column for column in columns if column.is_primary]
    ranked: list[Row] = []
    unranked: list[Row] = []
    controls: list[Row] = []
    for row in rows:
        leaks_by = _leaks_by(row, columns)
        marked = replace(row, leaks=bool(leaks_by), leaks_by=leaks_by)
        has_score = any(not row.estimates[column.metric].is_missing for column in primary)
        (controls if row.is_control else ranked if has_score else unranked).append(marked)
    mean_ranks = [sum(_rank(row, ranked, column) for column in primary) / len(primary) for row in ranked]
    keys = [(row.leaks, round(mean_rank, 9)) for row, mean_rank in zip(ranked, mean_ranks, strict=True)]
    placed = [
        replace(row, mean_rank=mean_rank, place=1 + len([other for other in keys if other < key]))
        for row, mean_rank, key in zip(ranked, mean_ranks, keys, strict=True)
    ]
    placed.sort(key=lambda row: (row.place, row.label))
    return [*placed, *sorted(unranked, key=lambda row: row.label), *sorted(controls, key=lambda row: row.label)]


def is_attack(column: Column) -> bool:
    """Whether a score says what an attack finds: a privacy score that had better be low, and is an AUC or a share of something.

    The AUC alone would not do. A generator that hands out one training sample in twenty lifts it by .025, less than its noise. A share with
    another unit, such as that of the worst-hit training samples, is evidence of another kind: its noise is not normal.
    """
    return column.family == "privacy" and column.direction == "lower" and column.unit in {"AUC", "share", "share of calls", "correlation"}


def loss_bounds(estimate: Estimate, column: Column) -> tuple[float, float]:
    """How far a score is from as good as real, at the better and at the worse end of its 95 % interval.

    Args:
        estimate: A score that is not missing; without an interval its mean stands for both ends.
        column: What the score means.

    Returns:
        Distances in the score's unit, the smaller first; 0 within the real band or beyond its better end. Without a band, the distance
        from the ideal; without either, the score itself (negated where higher is better).
    """
    low, high = estimate.interval or (estimate.mean, estimate.mean)
    band = estimate.band
    if column.direction == "lower":
        floor = None if band is None else band.high
        return (low, high) if floor is None else (max(0.0, low - floor), max(0.0, high - floor))
    if column.direction == "higher":
        top = None if band is None else band.low
        return (-high, -low) if top is None else (max(0.0, top - high), max(0.0, top - low))
    ideal = column.ideal or 0.0
    inner, outer = (ideal, ideal) if band is None else (band.low, band.high)
    ends = (max(0.0, inner - low, low - outer), max(0.0, inner - high, high - outer))
    reaches = low <= outer and high >= inner
    return (0.0 if reaches else min(ends), max(ends))


def _rank(row: Row, ranked: Sequence[Row], column: Column) -> float:
    rank = 1.0
    for other in ranked:
        if other is not row:
            rank += _points_lost(row.estimates[column.metric], other.estimates[column.metric], column)
    return rank


def _points_lost(mine: Estimate, theirs: Estimate, column: Column) -> float:
    if mine.is_missing or theirs.is_missing:
        return 0.5 * (1 + mine.is_missing - theirs.is_missing)
    my_best, my_worst = loss_bounds(mine, column)
    their_best, their_worst = loss_bounds(theirs, column)
    if their_worst < my_best:
        return 1.0
    return 0.0 if my_worst < their_best else 0.5


def _leaks_by(row: Row, columns: Sequence[Column]) -> tuple[str, ...]:
    """The scores of attacks that find more than they do where unseen real samples stand for the synthetic ones, the clearest first."""
    attacks = [column for column in columns if is_attack(column) and not row.estimates[column.metric].is_missing]
    n_errors = NormalDist().inv_cdf(1 - _MARKED_BY_CHANCE / max(1, len(attacks)))
    found: dict[str, float] = {}
    for column in attacks:
        estimate = row.estimates[column.metric]
        band = estimate.band
        centre, highest = (column.ideal, column.ideal) if band is None else (band.mean, band.high)
        if centre is None or highest is None or estimate.mean <= highest:
            continue
        low, high = estimate.interval or (estimate.mean, estimate.mean)
        # Few seeds widen an interval many times over; a leak must not hide in that.
        error = (high - low) / (2 * Z_95) if estimate.standard_error is None else estimate.standard_error
        noise = max(0.0 if band is None else band.standard_deviation, error)
        is_never_so_real = band is not None and band.standard_deviation == 0 and low > band.high
        if is_never_so_real or estimate.mean - centre > n_errors * noise:
            found[column.metric] = (estimate.mean - centre) / noise if noise else math.inf
    return tuple(sorted(found, key=lambda metric: -found[metric]))
