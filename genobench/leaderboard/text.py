"""Standings as words and numbers: what every form of a board says the same way, and its Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from genobench.budgets import Budget
from genobench.leaderboard.ranking import RULES
from genobench.leaderboard.rows import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genobench.leaderboard.estimates import Estimate
    from genobench.leaderboard.rows import Column, FitClock, Row, Standings

MISSING: Final = "\N{EN DASH}"
"""What stands in place of a score that is missing."""

MARKS: Final = {"as real": "●", "above": "▲", "below": "▼"}
"""Where a score lies: within the real band, above it, below it."""

_ACRONYMS: Final = ("aats", "auc", "dcr", "f1", "fpr", "grm", "gwas", "hwe", "ld", "lr", "maf", "nndr", "pca", "roh", "tpr", "tstr")
_WORDS: Final = {
    **{word: word.upper() for word in _ACRONYMS},
    **{name.lower(): name for name in ("Pearson", "Hudson", "Weir", "Cockerham", "cM")},
    "fis": "F_IS",
    "froh": "F_ROH",
    "r2": "r²",
}
_UNITS: Final = {"bp": "bp", "kb": "kb", "mb": "Mb", "pct": "%"}
_NUMBER_WITH_UNIT: Final = re.compile(r"([\d.]+)(bp|kb|mb|pct)")
_INBREEDING: Final = re.compile(r"^f_(is|roh)(?=_|$)")
_DECIMAL: Final = re.compile(r"(?<=_)0_(?=\d+pct)")
_ARROWS: Final = {"lower": "↓", "higher": "↑", "target": "→"}
_CLOCKS: Final[Mapping[FitClock, str]] = {"processor": "in processor seconds of all its threads", "wall": "by the clock"}
_MOST_LEAKS_TOLD: Final = 3
_FOOTNOTES: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Footnotes:
    """Reasons, numbered in the order in which a page first meets them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, reasons: Sequence[str]) -> str:
        """The superscript number of these reasons; "" where there are none."""
        if not reasons:
            return ""
        text = "; ".join(reason.rstrip(".") for reason in reasons) + "."
        return str(self._numbers.setdefault(text[0].upper() + text[1:], len(self._numbers) + 1)).translate(_FOOTNOTES)

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Number and text of each footnote so far."""
        return [(str(number).translate(_FOOTNOTES), text) for text, number in self._numbers.items()]


def number(value: float, decimals: int) -> str:
    """A number with so many decimals and a true minus sign."""
    text = f"{value:.{decimals}f}"
    is_zero = not text.strip("-0.")
    return text.lstrip("-") if is_zero else text.replace("-", "\N{MINUS SIGN}")


def interval_text(interval: tuple[float, float] | None, decimals: int) -> str:
    """An interval as "[low, high]"; "" where there is none."""
    return "" if interval is None else f"[{number(interval[0], decimals)}, {number(interval[1], decimals)}]"


def off_zero(value: float, decimals: int) -> str:
    """A number as `number` gives it; one that is not 0 with as many more decimals as it takes not to read 0."""
    while value and not number(value, decimals).strip("0.\N{MINUS SIGN}"):
        decimals += 1
    return number(value, decimals)


def off_zero_interval(interval: tuple[float, float] | None, decimals: int) -> str:
    """An interval as `interval_text` gives it; one without 0 in it does not read as if it touched 0."""
    if interval is None or interval[0] <= 0 <= interval[1]:
        return interval_text(interval, decimals)
    return f"[{off_zero(interval[0], decimals)}, {off_zero(interval[1], decimals)}]"


def spread_text(estimate: Estimate, decimals: int) -> str:
    """The spread between pairs of split and seed as "SD 0.02"; "" where there is one split."""
    return "" if estimate.n_splits < 2 or estimate.spread is None else f"SD {number(estimate.spread, decimals)}"


def title(metric: str) -> str:
    """A score's name in words: "ld_r2_100kb" is "LD r² 100 kb"."""
    words = []
    for word in _DECIMAL.sub("0.", _INBREEDING.sub(r"f\1", metric)).split("_"):
        found = _NUMBER_WITH_UNIT.fullmatch(word)
        words.append(_WORDS.get(word, word) if found is None else f"{found[1]}\N{NO-BREAK SPACE}{_UNITS[found[2]]}")
    return " ".join([words[0] if words[0] in _WORDS.values() else words[0].capitalize(), *words[1:]])


def aim(column: Column) -> str:
    """Which way is better: "↓ lower is better", "↑ higher is better", "→ nearest 0.5 is best"."""
    if column.direction == "target":
        goal = "the real band" if column.ideal is None else f"{column.ideal:g}"
        return f"{_ARROWS['target']} nearest {goal} is best"
    return f"{_ARROWS[column.direction]} {column.direction} is better"


def heading(column: Column) -> str:
    """A column's heading: name, unit and arrow."""
    name, unit = title(column.metric), unit_text(column)
    said = "" if unit.lower() in name.lower() else f" ({unit})"
    return f"{name}{said}\N{NO-BREAK SPACE}{_ARROWS[column.direction]}"


def unit_text(column: Column) -> str:
    """A score's unit as it is printed: "r2" is "r²"."""
    return " ".join(_WORDS.get(word, word) for word in column.unit.split())


def cell_text(estimate: Estimate, column: Column, footnotes: Footnotes) -> str:
    """An estimate as "0.58 [0.56, 0.60] ▲" (of several splits "0.58 [0.56, 0.60] SD 0.02 ▲"), a missing one as a dash with its footnote."""
    mark = footnotes.mark(estimate.reasons)
    if estimate.is_missing:
        return f"{MISSING}{mark}"
    parts = [
        number(estimate.mean, column.decimals),
        interval_text(estimate.interval, column.decimals),
        spread_text(estimate, column.decimals),
        MARKS.get(estimate.against_band or "", ""),
    ]
    return " ".join(part for part in parts if part) + mark


def band_text(column: Column) -> str:
    """What real samples score, as "0.50 [0.47, 0.53]"."""
    if column.band is None:
        return MISSING
    return f"{number(column.band.mean, column.decimals)} {interval_text((column.band.low, column.band.high), column.decimals)}"


def status_text(row: Row, n_splits: int = 1) -> str:
    """How many cells ended well, of how many of the board's splits, and what they were not asked for.

    "5 of 5", "3 of 5 (2 timeout)", "1 of 1 (1 of 5 splits)", "1 of 1 (4 primary scores not asked for)".
    """
    n_ok, n_cells = row.statuses.get("ok", 0), sum(row.statuses.values())
    others = [f"{count} {status}" for status, count in row.statuses.items() if status != "ok"]
    if n_splits > 1 and row.n_splits < n_splits:
        others.append(f"{row.n_splits} of {n_splits} splits")
    if row.n_not_asked:
        others.append(f"{row.n_not_asked} primary score{'s' if row.n_not_asked > 1 else ''} not asked for")
    return f"{n_ok} of {n_cells}" + (f" ({', '.join(others)})" if others else "")


def fit_heading(standings: Standings) -> str:
    """The heading over times of fits."""
    return "Fit (processor s)" if standings.fit_clock == "processor" else "Fit (s)"


def fit_text(row: Row) -> str:
    """How long a fit took, in whole seconds of the standings' clock."""
    return MISSING if row.fit_seconds is None else f"{row.fit_seconds:,.0f}"


def place_text(row: Row) -> str:
    """The place of a row; what it is instead where it has none."""
    if row.place is not None:
        return str(row.place)
    return "control" if row.is_control else MISSING


def facts(standings: Standings) -> list[tuple[str, str]]:
    """What a board compares, as pairs of name and value."""
    splits = standings.splits
    counts = splits[0].get("n", {})
    parts = ", ".join(f"{count:,} {part}" for part, count in counts.items())
    named = [f"seed {split.get('seed', MISSING)} (sha256 {str(split['sha256'])[:12]})" for split in splits]
    kinships = [split["largest_kinship"] for split in splits if split.get("largest_kinship") is not None]
    rows = [
        ("Dataset", f"{standings.dataset} (sha256 {standings.dataset_sha256[:12]})"),
        ("Trait", standings.trait),
        ("Split" if len(splits) == 1 else f"{len(splits)} splits", f"{splits[0]['scheme']}, {', '.join(named)}"),
        ("Samples" if len(splits) == 1 else "Samples of the first", parts or MISSING),
    ]
    if kinships:
        rows.append(("Largest kinship across sides", f"{max(kinships):.3f}"))
    if standings.budget:
        rows.append(("Budget", f"at most {Budget.parse(standings.budget)} for each phase of a fit"))
    return rows


def to_markdown(standings: Standings) -> str:
    """The board as GitHub-flavoured Markdown.

    Args:
        standings: What to show.

    Returns:
        A page: facts, ranking, further scores, what did not end well, how to read it.
    """
    footnotes = Footnotes()
    blocks = [
        f"# {standings.board}",
        "\n".join(f"- {name}: {value}" for name, value in facts(standings)),
        "![Each primary score with its 95 % interval and the real band](board.svg)",
        "## Ranking",
        _table(standings, standings.primary, footnotes),
    ]
    leaks = leak_lines(standings)
    if leaks:
        blocks.append("\n".join(f"- {line}" for line in leaks))
    further = tuple(column for column in standings.columns if not column.is_primary)
    if further:
        blocks += ["## Further scores", "Means alone; `index.html` beside this page has their intervals."]
        for family in FAMILIES:
            columns = tuple(column for column in further if column.family == family)
            known = tuple(column for column in columns if not all(row.estimates[column.metric].is_missing for row in standings.rows))
            absent = [title(column.metric) + _reasons(standings, column, footnotes) for column in columns if column not in known]
            if columns:
                blocks.append(f"### {family.capitalize()}")
            if known:
                blocks.append(_turned_table(standings, known, footnotes))
            if absent:
                blocks.append(f"Missing for all: {', '.join(absent)}.")
    if footnotes.lines:
        blocks.append("  \n".join(f"{mark} {text}" for mark, text in footnotes.lines))
    failures = [f"- {row.label}: {message}" for row in standings.rows for message in row.messages]
    if failures:
        blocks += ["## Cells that did not end well", "\n".join(failures)]
    blocks += ["## How to read this", "\n".join(f"- {line}" for line in legend(standings)), "## Scores", _score_table(standings)]
    return "\n\n".join(blocks) + "\n"


def legend(standings: Standings) -> list[str]:
    """How to read a board, line by line."""
    return [
        "Numbers are means over seeds with 95 % intervals, which hold the spread of the seeds and the noise of the holdout.",
        "With one seed there is no spread to know, and the interval holds the noise of the holdout alone.",
        "Of several splits, numbers are means over splits; intervals hold their spread, and the noise that their holdouts have in common.",
        "SD is the spread between single pairs of split and seed: what another run of one pair would scatter by.",
        f"Fit is the mean time of a fit {_CLOCKS[standings.fit_clock]} on the machine that ran it.",
        f"{MARKS['as real']} within the real band, {MARKS['above']} above it, {MARKS['below']} below it.",
        "The real band holds the middle 95 % of what real samples score in place of synthetic ones.",
        *RULES,
        f"{MISSING} is a score that is missing; its footnote says why.",
    ]


def leak_lines(standings: Standings) -> list[str]:
    """By which attacks each generator that is no control leaks, the clearest first: a line a generator."""
    columns = {column.metric: column for column in standings.columns}
    lines = []
    for row in standings.rows:
        if row.is_control or not row.leaks_by:
            continue
        told = [_leak_text(row.estimates[metric], columns[metric]) for metric in row.leaks_by[:_MOST_LEAKS_TOLD]]
        n_more = len(row.leaks_by) - len(told)
        more = f", and {n_more} more" if n_more else ""
        lines.append(f"{row.label} leaks: {', '.join(told)}{more}")
    return lines


def _leak_text(estimate: Estimate, column: Column) -> str:
    band = "" if estimate.band is None else f" (real samples up to {number(estimate.band.high, column.decimals)})"
    return f"{title(column.metric)} {number(estimate.mean, column.decimals)}{band}"


def _table(standings: Standings, columns: Sequence[Column], footnotes: Footnotes) -> str:
    header = ["Place", "Generator", "Seeds", fit_heading(standings), "Mean rank", *(heading(column) for column in columns)]
    lines = [_line(header), _line(["---:", "---", "---", "---:", "---:"] + ["---"] * len(columns))]
    for row in standings.rows:
        rank = MISSING if row.mean_rank is None else number(row.mean_rank, 2)
        label = f"**{row.label}**" if row.place is not None else row.label
        scores = [cell_text(row.estimates[column.metric], column, footnotes) for column in columns]
        name = label + (" (leaks)" if row.leaks else "")
        lines.append(_line([place_text(row), name, status_text(row, len(standings.splits)), fit_text(row), rank, *scores]))
    lines.append(_line(["", "*real samples (band)*", "", "", "", *(band_text(column) for column in columns)]))
    if any(column.ceiling is not None for column in columns):
        ceilings = [MISSING if column.ceiling is None else number(column.ceiling, column.decimals) for column in columns]
        lines.append(_line(["", "*all real training samples*", "", "", "", *ceilings]))
    return "\n".join(lines)


def _turned_table(standings: Standings, columns: Sequence[Column], footnotes: Footnotes) -> str:
    """A score a line and a generator a column, since scores are many; the mean and its mark."""
    names = [row.label + (" (leaks)" if row.leaks else "") for row in standings.rows]
    lines = [_line(["Score", *names, "*real samples*"]), _line(["---"] + ["---:"] * (len(names) + 1))]
    for column in columns:
        cells = [_mean_text(row.estimates[column.metric], column, footnotes) for row in standings.rows]
        band = MISSING if column.band is None else number(column.band.mean, column.decimals)
        lines.append(_line([heading(column), *cells, band]))
    return "\n".join(lines)


def _reasons(standings: Standings, column: Column, footnotes: Footnotes) -> str:
    """The footnote of a score that no row has."""
    return footnotes.mark(tuple(dict.fromkeys(reason for row in standings.rows for reason in row.estimates[column.metric].reasons)))


def _mean_text(estimate: Estimate, column: Column, footnotes: Footnotes) -> str:
    """A mean with its mark, "0.58 ▲"; a missing one as a dash with its footnote."""
    mean = MISSING if estimate.is_missing else number(estimate.mean, column.decimals)
    return " ".join(filter(None, (mean, MARKS.get(estimate.against_band or "")))) + footnotes.mark(estimate.reasons)


def _score_table(standings: Standings) -> str:
    lines = [_line(["Score", "Family", "What it measures", "Better", "Version"]), _line(["---"] * 5)]
    lines += [
        _line([f"`{column.metric}`", column.family, column.summary or MISSING, aim(column), str(column.version)])
        for column in standings.columns
    ]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
