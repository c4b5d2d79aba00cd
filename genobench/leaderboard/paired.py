"""Two rows of a board against each other, split by split and seed by seed, so that what a split does to both cancels."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from genobench.errors import GenobenchError
from genobench.leaderboard.standings import shared_holdout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from genobench.leaderboard.rows import Column, Row, Standings
    from genobench.outcomes import Band, Outcome

_FEWEST_DIGITS: Final = 4
"""Of a cell's id: fewer may well be a part of a label."""


@dataclass(frozen=True)
class PairedDifference:
    """How much nearer to its aim a score of the first row is than that of the second.

    Args:
        column: The score.
        first: The first row's mean over the splits that both rows have, each with the mean of its seeds; NaN where there are none.
        second: The second row's.
        gain: Mean over those splits by which the first is better: lower, higher, or nearer to the ideal, as the score asks; NaN
            without pairs.
        interval: 95 % interval of the gain; None where splits are fewer than two, or all have one holdout.
        n_splits: Splits that both rows have.
        n_pairs: Pairs of split and seed that both rows have.
        is_real: Whether both means reach the band of real samples: nothing can be more real than real samples, so neither is better then.
    """

    column: Column
    first: float
    second: float
    gain: float
    interval: tuple[float, float] | None
    n_splits: int
    n_pairs: int
    is_real: bool

    @property
    def verdict(self) -> Literal["first", "second", "neither", "both as real"] | None:
        """Which is better beyond the noise; None where the noise is not known."""
        if self.is_real:
            return "both as real"
        if self.interval is None:
            return None
        return "first" if self.interval[0] > 0 else "second" if self.interval[1] < 0 else "neither"


def paired_differences(table: Standings, outcomes: Sequence[Outcome], first: str, second: str) -> list[PairedDifference]:
    """Compare two rows on every score of a board.

    The difference is taken within each pair of split and seed, averaged over the seeds of a split, and then over splits. Splits share
    samples, so the variance of the mean over n splits is (1/n + p / (1 - p)) times that between splits, where p is the share of samples
    in a holdout, and the interval is Student's with n - 1 degrees of freedom. Of one split, or of splits with one holdout, seeds say
    nothing of the holdout's noise, and there is no interval.

    Args:
        table: The board.
        outcomes: What it was made of.
        first: A row's label, its generator where that names one row, the id of one of its cells (or how it begins), or a part of its label
            that no other row has.
        second: Another row's.

    Returns:
        One difference a column, in the board's order.

    Raises:
        GenobenchError: If a name is that of no row, or of several.

    References:
        Nadeau C., Bengio Y. 2003. Machine Learning 52: 239-281, the corrected resampled t-test. https://doi.org/10.1023/A:1024068626366
    """
    by_id = {outcome.cell_id: outcome for outcome in outcomes}
    sides = [[by_id[cell] for cell in _row_named(table, name).cells] for name in (first, second)]
    shared = shared_holdout(table.splits)
    return [_difference(column, *(_values(side, column) for side in sides), shared=shared) for column in table.columns]


def _row_named(table: Standings, name: str) -> Row:
    ways: tuple[Callable[[Row], bool], ...] = (
        lambda row: row.label == name,
        lambda row: row.generator == name,
        lambda row: len(name) >= _FEWEST_DIGITS and any(cell.startswith(name) for cell in row.cells),
        lambda row: bool(name) and name in row.label,
    )
    found: list[Row] = []
    for is_named in ways:
        found = [row for row in table.rows if is_named(row)]
        if found:
            break
    if len(found) == 1:
        return found[0]
    labels = ", ".join(f"'{row.label}' (cell {row.cells[0]})" for row in (found or table.rows))
    raise GenobenchError(
        f"'{name}' names {len(found) or 'no'} rows of {table.board}; write a label, a part that no other has, or a cell's id: {labels}."
    )


def _values(outcomes: Sequence[Outcome], column: Column) -> dict[tuple[str, int], float]:
    """The score of each pair of split and seed that has it, by the version that the board compares."""
    found = {}
    for outcome in outcomes:
        score = outcome.score(column.metric)
        if score is not None and not score.is_missing and score.version == column.version:
            found[str(outcome.split["sha256"]), outcome.seed] = score.value
    return found


def _difference(
    column: Column, first: dict[tuple[str, int], float], second: dict[tuple[str, int], float], *, shared: float
) -> PairedDifference:
    from scipy.special import stdtrit

    by_split: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for split, seed in first.keys() & second.keys():
        by_split[split].append((first[split, seed], second[split, seed]))
    means = [(_mean(mine for mine, _ in pairs), _mean(theirs for _, theirs in pairs)) for pairs in by_split.values()]
    ours, others = _mean(mine for mine, _ in means), _mean(theirs for _, theirs in means)
    gains = [_mean(_distance(theirs, column) - _distance(mine, column) for mine, theirs in pairs) for pairs in by_split.values()]
    n_splits, gain, interval = len(gains), _mean(gains), None
    if n_splits > 1 and shared < 1:
        variance = math.fsum((value - gain) ** 2 for value in gains) / (n_splits - 1)
        half_width = float(stdtrit(n_splits - 1, 0.975)) * math.sqrt(variance * (1 / n_splits + shared / (1 - shared)))
        interval = (gain - half_width, gain + half_width)
    return PairedDifference(
        column=column,
        first=ours,
        second=others,
        gain=gain,
        interval=interval,
        n_splits=n_splits,
        n_pairs=sum(map(len, by_split.values())),
        is_real=column.band is not None and all(_reaches(value, column.band, column) for value in (ours, others)),
    )


def _mean(values: Iterable[float]) -> float:
    """Their mean, the same in any order; NaN of nothing."""
    listed = list(values)
    return math.fsum(listed) / len(listed) if listed else math.nan


def _reaches(value: float, band: Band, column: Column) -> bool:
    """Whether a score lies in the band of real samples, or beyond its better end."""
    return (column.direction == "lower" or value >= band.low) and (column.direction == "higher" or value <= band.high)


def _distance(value: float, column: Column) -> float:
    """How far a score is from its aim: the score itself, its negative where higher is better, or its distance from the ideal."""
    if column.direction == "target":
        ideal = column.ideal if column.ideal is not None else column.band.mean if column.band is not None else 0.0
        return abs(value - ideal)
    return value if column.direction == "lower" else -value
