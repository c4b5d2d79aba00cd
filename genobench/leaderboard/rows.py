"""What a board shows, as data: its columns, its rows, and both together."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genobench.contracts import Direction, ScoreFamily
    from genobench.leaderboard.estimates import Estimate
    from genobench.outcomes import Band

FAMILIES: Final[tuple[ScoreFamily, ...]] = ("fidelity", "privacy", "utility")
"""The order in which boards show the families of scores."""

FitClock = Literal["processor", "wall"]
"""What times of fits are measured in."""


@dataclass(frozen=True)
class Column:
    """A score that a board compares.

    Args:
        metric: The score's name.
        family: Its family.
        unit: Its unit.
        direction: Whether lower or higher is better, or the nearer to the ideal.
        ideal: The ideal; None where only the band says it.
        version: The version of the definition that is compared, the newest on the board.
        is_primary: Whether the board ranks by it.
        summary: What it measures, in one line.
        band: What real samples score, the mean over splits; None where not computed.
        ceiling: The score of training on all real training samples, the mean over splits; None where that means nothing.
        decimals: Digits after the point that the noise leaves meaning to.
    """

    metric: str
    family: ScoreFamily
    unit: str
    direction: Direction
    ideal: float | None
    version: int
    is_primary: bool
    summary: str
    band: Band | None
    ceiling: float | None
    decimals: int


@dataclass(frozen=True)
class Row:
    """A generator as a board shows it.

    Args:
        label: Its name, with whatever tells it from its neighbours on this board.
        generator: Its name.
        distribution: Who offers it.
        plugin_version: In which version.
        code_sha256: Hash of its code: the same version with other code is another row.
        settings: Its settings.
        n_asked: Synthetic samples a cell; None for as many as the split has in training, 0 where no cell generated any.
        is_control: Controls are shown and never ranked.
        seeds: The seeds of its cells.
        cells: Their ids.
        n_splits: How many splits its cells are of.
        statuses: How many cells ended in which status.
        messages: What the cells that did not end well said, each once.
        n_not_asked: How many primary scores none of its cells was asked for, as after `genobench run --metric`.
        fit_seconds: Mean seconds of a fit, by the clock that the standings name; None where not recorded.
        estimates: By score.
        leaks: Whether an attack finds more of its training samples than it does where real samples stand for the synthetic ones.
        leaks_by: The scores of the attacks that say so, the clearest first.
        mean_rank: Mean over the primary scores; None for controls and where no cell ended well.
        place: 1 is best; None where there is no mean rank.
    """

    label: str
    generator: str
    distribution: str
    plugin_version: str
    code_sha256: str
    settings: Mapping[str, Any]
    n_asked: int | None
    is_control: bool
    seeds: tuple[int, ...]
    cells: tuple[str, ...]
    n_splits: int
    statuses: Mapping[str, int]
    messages: tuple[str, ...]
    n_not_asked: int
    fit_seconds: float | None
    estimates: Mapping[str, Estimate]
    leaks: bool = False
    leaks_by: tuple[str, ...] = ()
    mean_rank: float | None = None
    place: int | None = None


@dataclass(frozen=True)
class Standings:
    """What a board shows.

    Args:
        board: Its name.
        dataset: The dataset's name.
        dataset_sha256: Its content hash.
        splits: As the outcomes state them, by their seeds.
        trait: The phenotype's column.
        budget: What each phase of a fit was allowed, as `Budget.name` gives it; "" for no budget.
        fit_clock: `processor`: fits are timed in processor seconds of all their threads, which a busy machine hardly changes. `wall`: by
            the clock, where a fit used a GPU or recorded no processor time.
        columns: Fidelity, privacy, utility; primary scores first in each.
        rows: Ranked rows by place, rows without a score, controls.
    """

    board: str
    dataset: str
    dataset_sha256: str
    splits: tuple[Mapping[str, Any], ...]
    trait: str
    budget: str
    fit_clock: FitClock
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def primary(self) -> tuple[Column, ...]:
        """The columns that the board ranks by."""
        return tuple(column for column in self.columns if column.is_primary)

    def to_json(self) -> dict[str, Any]:
        """The standings as a JSON object; a missing number is null."""
        values: dict[str, Any] = asdict(self)
        for row in values["rows"]:
            for value in row["estimates"].values():
                value["mean"] = value["mean"] if math.isfinite(value["mean"]) else None
        return values
