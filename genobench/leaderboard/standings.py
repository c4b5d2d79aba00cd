"""From outcomes to standings: an estimate with its interval for each score of each generator.

Outcomes are compared only where the dataset's hash, the scheme of the split, the budget and the trait agree. A row is a generator with its
settings, its version, its code and the number of samples it generated; its splits and seeds are averaged.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from genobench.errors import GenobenchError
from genobench.leaderboard.estimates import Estimate, estimate, last_of_each_split, mean_band
from genobench.leaderboard.places import named_files
from genobench.leaderboard.ranking import rank_rows
from genobench.leaderboard.rows import FAMILIES, Column, Row, Standings
from genobench.outcomes import Z_95, Outcome, board_name, settings_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from genobench.leaderboard.rows import FitClock
    from genobench.outcomes import ScoreRecord

_MOST_CHARACTERS: Final = 32
"""Of a setting in a label."""


def comparable_groups(outcomes: Iterable[Outcome]) -> dict[tuple[str, str, str], list[Outcome]]:
    """Outcomes that may stand in one table.

    Returns:
        By board (which says scheme and budget), dataset hash and trait.
    """
    groups: dict[tuple[str, str, str], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[board_name(outcome), outcome.dataset_sha256, outcome.trait].append(outcome)
    return dict(groups)


def standings(outcomes: Sequence[Outcome]) -> Standings:
    """Average, rank and order.

    Args:
        outcomes: Evidence of one board that may be compared; at least one.

    Returns:
        The standings; the same for any order of the outcomes.

    Raises:
        GenobenchError: If there are none, or if they may not stand in one table.
    """
    groups = comparable_groups(outcomes)
    if len(groups) != 1:
        listed = "; ".join(f"{board}, dataset {dataset[:8]}, trait {trait}" for board, dataset, trait in groups)
        raise GenobenchError(f"A table compares outcomes of one board, dataset and trait; these are of {len(groups)}: {listed or 'none'}.")
    ((board, dataset_sha256, trait), members) = next(iter(groups.items()))
    members = sorted(members, key=evidence_order)
    columns = _columns(members)
    cells: dict[tuple[str, str, str, str, str, int | None], list[Outcome]] = defaultdict(list)
    for outcome in members:
        cells[_row_key(outcome)].append(outcome)
    # A cell that generated nothing belongs to the row of its own settings, whatever number the others generated.
    for key in [key for key in cells if key[-1] == 0]:
        whole = [other for other in cells if other[:-1] == key[:-1] and other[-1] != 0]
        if len(whole) == 1:
            cells[whole[0]] += cells.pop(key)
    splits = tuple({str(outcome.split["sha256"]): outcome.split for outcome in sorted(members, key=_split_order)}.values())
    fit_clock = _fit_clock(members)
    rows = [_row(group, columns, shared_holdout(splits), fit_clock) for group in cells.values()]
    return Standings(
        board=board,
        dataset=members[0].dataset,
        dataset_sha256=dataset_sha256,
        splits=splits,
        trait=trait,
        budget=members[0].budget,
        fit_clock=fit_clock,
        columns=columns,
        rows=tuple(rank_rows(_labelled(rows), columns)),
    )


def evidence_order(outcome: Outcome) -> tuple[str, str, int, int, str]:
    """What outcomes of a board are ordered by: generator, split, seed."""
    return (outcome.generator, outcome.distribution, *_split_order(outcome)[:1], outcome.seed, outcome.cell_id)


def shared_holdout(splits: Sequence[Mapping[str, Any]]) -> float:
    """The largest share of all samples that is in a holdout; 1 where it is not known, or where every split has the same one."""
    counts = [split.get("n", {}) for split in splits]
    if any(split["scheme"] == "forward" for split in splits) or not all(count.get("holdout") for count in counts):
        return 1.0
    return float(max(count["holdout"] / sum(count.values()) for count in counts))


def _split_order(outcome: Outcome) -> tuple[int, str]:
    return (int(outcome.split.get("seed", 0)), str(outcome.split["sha256"]))


def _row_key(outcome: Outcome) -> tuple[str, str, str, str, str, int | None]:
    return (
        outcome.generator,
        outcome.distribution,
        outcome.plugin_version,
        outcome.code_sha256,
        settings_sha256(outcome.settings),
        _n_asked(outcome),
    )


def _n_asked(outcome: Outcome) -> int | None:
    """None for as many samples as there are in training, which is a few more or less in each split; 0 for none."""
    return None if outcome.n_generated == outcome.split.get("n", {}).get("train") else outcome.n_generated


def _columns(outcomes: Sequence[Outcome]) -> tuple[Column, ...]:
    """A column for each score; what it says of itself is as the last of these outcomes has it, in the newest version."""
    by_metric: dict[str, list[tuple[str, ScoreRecord]]] = defaultdict(list)
    for outcome in outcomes:
        for score in outcome.scores:
            by_metric[score.metric].append((str(outcome.split["sha256"]), score))
    columns = []
    for placed in by_metric.values():
        newest = max(score.version for _, score in placed)
        current = [(split, score) for split, score in placed if score.version == newest]
        _, score = current[-1]
        ceilings = last_of_each_split((split, one.ceiling) for split, one in current)
        columns.append(
            Column(
                metric=score.metric,
                family=score.family,
                unit=score.unit,
                direction=score.direction,
                ideal=score.ideal,
                version=newest,
                is_primary=score.is_primary,
                summary=score.summary,
                band=mean_band(last_of_each_split((split, one.band) for split, one in current)),
                ceiling=math.fsum(ceilings) / len(ceilings) if ceilings else None,
                decimals=_decimals([one for _, one in current]),
            )
        )
    return tuple(sorted(columns, key=lambda column: (FAMILIES.index(column.family), not column.is_primary, column.metric)))


def _decimals(scores: Sequence[ScoreRecord]) -> int:
    """Two digits of the median noise; three decimals where no noise is known."""
    errors = sorted(score.error for score in scores if score.error is not None and score.error > 0 and not score.is_missing)
    if not errors:
        return 3
    return min(6, max(0, 1 - math.floor(math.log10(Z_95 * errors[len(errors) // 2]))))


def _fit_clock(outcomes: Sequence[Outcome]) -> FitClock:
    fitted = [outcome for outcome in outcomes if outcome.status == "ok"]
    on_processor = all("fit" in outcome.processor_seconds and outcome.environment.get("device", "cpu") == "cpu" for outcome in fitted)
    return "processor" if on_processor else "wall"


def _row(outcomes: Sequence[Outcome], columns: Sequence[Column], shared: float, fit_clock: FitClock) -> Row:
    first = outcomes[0]
    finished = [outcome for outcome in outcomes if outcome.status == "ok"]
    clocks = [outcome.processor_seconds if fit_clock == "processor" else outcome.timings for outcome in finished]
    fits = [clock["fit"] for clock in clocks if "fit" in clock]
    return Row(
        label=first.generator,
        generator=first.generator,
        distribution=first.distribution,
        plugin_version=first.plugin_version,
        code_sha256=first.code_sha256,
        settings=first.settings,
        n_asked=next((asked for asked in map(_n_asked, outcomes) if asked != 0), 0),
        is_control=any(outcome.is_control for outcome in outcomes),
        seeds=tuple(sorted(outcome.seed for outcome in outcomes)),
        cells=tuple(outcome.cell_id for outcome in outcomes),
        n_splits=len({outcome.split["sha256"] for outcome in outcomes}),
        statuses=dict(Counter(outcome.status for outcome in outcomes).most_common()),
        messages=tuple(
            dict.fromkeys(f"{outcome.status} in {outcome.phase}: {outcome.message}" for outcome in outcomes if outcome.status != "ok")
        ),
        n_not_asked=sum(
            column.is_primary and all(outcome.score(column.metric) is None for outcome in finished) for column in columns if finished
        ),
        fit_seconds=math.fsum(fits) / len(fits) if fits else None,
        estimates={column.metric: _estimate_of(outcomes, column, shared) for column in columns},
    )


def _estimate_of(outcomes: Sequence[Outcome], column: Column, shared: float) -> Estimate:
    scores: list[ScoreRecord] = []
    splits: list[str] = []
    reasons: list[str] = []
    if all(outcome.status != "ok" for outcome in outcomes):
        reasons = [f"every cell ended as {' or '.join(sorted({outcome.status for outcome in outcomes}))}"]
    for outcome in outcomes:
        score = outcome.score(column.metric)
        if outcome.status != "ok":
            continue
        if score is None:
            reasons.append("this score was not asked for")
        elif score.version != column.version:
            reasons.append(f"scored under version {score.version} of the definition; the board compares version {column.version}")
        else:
            scores.append(score)
            splits.append(str(outcome.split["sha256"]))
    return estimate(scores, splits=splits, shared=shared, reasons=reasons)


def _labelled(rows: Sequence[Row]) -> list[Row]:
    """Rows whose labels say what tells them apart: settings that differ, then number of samples, version and distribution."""
    labelled = []
    for row in rows:
        peers = [other for other in rows if other.generator == row.generator]
        parts = [
            f"{name}={_short(row.settings.get(name))}"
            for name in sorted({name for other in peers for name in other.settings})
            if len({str(other.settings.get(name)) for other in peers}) > 1
        ]
        if row.n_asked and len({other.n_asked for other in peers if other.n_asked != 0}) > 1:
            parts.append(f"n={row.n_asked}")
        if len({other.plugin_version for other in peers}) > 1:
            parts.append(f"v{row.plugin_version}")
        if len({(other.plugin_version, other.code_sha256) for other in peers}) > len({other.plugin_version for other in peers}):
            parts.append(f"code {row.code_sha256[:6]}")
        name = row.generator if len({other.distribution for other in peers}) == 1 else f"{row.distribution}/{row.generator}"
        labelled.append(replace(row, label=f"{name} ({', '.join(parts)})" if parts else name))
    return labelled


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else named_files(str(value))
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS // 2]}…{text[-_MOST_CHARACTERS // 2 :]}"
