"""How an outcome is printed: one line a score, with its noise and what real samples score."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

from genobench.cli.console import console
from genobench.contracts import ScoreFamily

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from genobench.outcomes import Outcome, ScoreRecord

SCALE = "scale: fidelity from 0 (independent variants) to 1 (real samples), privacy from 0 (unseen real samples) to 1 (copies of train)"
"""What the last column of scores means."""

INCONCLUSIVE = "privacy: an attack whose interval holds chance is inconclusive, never a proof of safety"
"""What a privacy score that is as real does not say."""


def print_outcome(outcome: Outcome, report: Path) -> None:
    """Print an outcome to stdout: a table on a terminal, the same text without colour elsewhere.

    Args:
        outcome: What became of a cell. Of its scores the headlines are shown.
        report: The page that shows all of them.
    """
    out = console()
    fitted = outcome.timings.get("fit")
    seconds = f", fitted in {fitted:.0f} s" if fitted is not None else ""
    out.print(
        f"[bold]{outcome.generator}[/bold] on {outcome.dataset}, {outcome.split['scheme']} split, seed {outcome.seed}: "
        f"{outcome.status}{seconds}; cell {outcome.cell_id}"
    )
    if outcome.message:
        out.print(f"  in {outcome.phase}: {outcome.message}", markup=False)
    shown = headlines(outcome.scores)
    print_scores(shown)
    if outcome.scores:
        rest = f"{len(outcome.scores) - len(shown)} more scores, and figures: "
        out.print(f"  {rest if len(shown) < len(outcome.scores) else 'figures: '}{report}", style="dim", markup=False)


def headlines(scores: Sequence[ScoreRecord]) -> list[ScoreRecord]:
    """The first score of each metric, and every primary one."""
    first = {score.plugin: score.metric for score in reversed(scores)}
    return [score for score in scores if score.is_primary or first[score.plugin] == score.metric]


def print_scores(scores: Sequence[ScoreRecord]) -> None:
    """Print scores by family, then those that are missing, each reason once."""
    from rich.markup import escape
    from rich.table import Table

    if not scores:
        return
    out = console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "score", "value", "95 % interval", "real samples", "", "scale"):
        table.add_column(heading, justify="right" if heading in ("value", "scale") else "left")
    family = ""
    present = [score for score in scores if not score.is_missing]
    for score in sorted(present, key=lambda score: get_args(ScoreFamily).index(score.family)):
        shown = score.family if score.family != family else ""
        family = score.family
        cells = (escape(score.metric), _value(score), _interval(score), _band(score), verdict(score), _scaled(score))
        table.add_row(f"  [dim]{shown}[/dim]", *cells)
    if present:
        out.print(table)
    _print_notes(present)
    reasons: dict[str, list[str]] = {}
    for score in scores:
        if score.reason:
            reasons.setdefault(score.reason, []).append(score.metric)
    for reason, names in reasons.items():
        out.print(f"  no {', '.join(names)}: {reason}", style="dim", markup=False)


def _print_notes(present: Sequence[ScoreRecord]) -> None:
    """What a reader of the table must know."""
    out = console()
    with_ceiling = [score for score in present if score.ceiling is not None]
    if with_ceiling:
        out.print(f"  {_ceilings_text(with_ceiling)}", style="dim", markup=False)
    if any(score.scaled is not None for score in present):
        out.print(f"  {SCALE}", style="dim", markup=False)
    if any(score.family == "privacy" for score in present):
        out.print(f"  {INCONCLUSIVE}", style="dim", markup=False)


def _ceilings_text(scores: Sequence[ScoreRecord]) -> str:
    """What all real training samples score, and how many fewer samples value and band are of."""
    told = ", ".join(f"{score.metric} {score.ceiling:.4f}" for score in scores)
    n_train, n_shown = (scores[0].samples.get(part, 0) for part in ("train", "synthetic"))
    if not 0 < n_shown < n_train:
        return f"all real training samples give {told}"
    return f"all {n_train:,} real training samples give {told}; value and real samples are of {n_shown:,}"


def verdict(score: ScoreRecord) -> str:
    """Where a score stands beside real samples: `as real` inside their band, `above real` or `below real`; "" where there is no band."""
    if score.is_missing or score.band is None:
        return ""
    if score.band.low <= score.value <= score.band.high:
        return "as real"
    return "above real" if score.value > score.band.high else "below real"


def _scaled(score: ScoreRecord) -> str:
    scaled = score.scaled
    if scaled is None:
        return "no headroom" if score.band is not None and score.anchor is not None and not score.is_missing else ""
    return f"{scaled + 0.0:.2f}".replace("-0.00", "0.00")


def _value(score: ScoreRecord) -> str:
    return "-" if score.is_missing else f"{score.value:.4f}"


def _interval(score: ScoreRecord) -> str:
    bounds = score.bounds
    return "" if bounds is None or not all(math.isfinite(bound) for bound in bounds) else f"{bounds[0]:.4f} to {bounds[1]:.4f}"


def _band(score: ScoreRecord) -> str:
    return "" if score.band is None else f"{score.band.low:.4f} to {score.band.high:.4f}"
