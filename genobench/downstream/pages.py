"""The files that are made from a board's predictions: README.md, its pictures, and every number with its interval."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from genobench.downstream.boards import EVIDENCE, read_board, stated_heritability
from genobench.downstream.summary import REAL, summaries
from genobench.downstream.table import Picture, to_markdown
from genobench.home import write_bytes_atomically
from genobench.leaderboard.locking import board_locked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from matplotlib.figure import Figure

    from genobench.downstream.estimates import Estimate
    from genobench.downstream.records import PredictionRecord
    from genobench.downstream.summary import Summary

PAGE: Final = "README.md"
NUMBERS: Final = "measures.csv"
FIGURES: Final = "figures"
"""The folder of a board's pictures; what is in it and is not made again is removed."""

_MOST_CHARACTERS: Final = 60
"""Of a label in a file's name, which may have 255 in all."""

_COLUMNS: Final = (
    "trait",
    "classifier",
    "generator",
    "arm",
    "measure",
    "unit",
    "direction",
    "quantity",
    "value",
    "low",
    "high",
    "n_splits",
    "n_pairs",
    "reason",
)


def write_pages(folder: Path) -> list[Path]:
    """Make a board's page, pictures and numbers from its evidence, and the heritability that is stated beside it.

    Boards of the same dataset beside it, under other schemes of splits, are read for what random splits flatter.

    Args:
        folder: The board's folder, with its evidence.

    Returns:
        The files written, the page first.

    Raises:
        GenobenchError: If there is no evidence, it cannot be read, it is not of one dataset and scheme, or another process holds the board.
    """
    with board_locked(folder):
        return _write_pages(folder)


def _write_pages(folder: Path) -> list[Path]:
    made = summaries(read_board(folder), heritability=stated_heritability(folder))
    # It may be called ".".
    named = folder.absolute()
    others = [summary for other in _beside(named, made[0]) if (real := _real_alone(other)) for summary in summaries(real)]
    pictures = [_pictures(summary) for summary in made]
    text = to_markdown(named.name, made, others=others, pictures=[[one for one, _ in drawn] for drawn in pictures])
    contents = {PAGE: text.encode(), NUMBERS: _numbers(made).encode()}
    contents |= {picture.file: _svg(draw()) for drawn in pictures for picture, draw in drawn}
    (folder / FIGURES).mkdir(exist_ok=True)
    for name, content in contents.items():
        write_bytes_atomically(folder / name, content)
    for path in (folder / FIGURES).glob("*.svg"):
        if f"{FIGURES}/{path.name}" not in contents:
            path.unlink()
    return [folder / name for name in contents]


def _pictures(summary: Summary) -> list[tuple[Picture, Callable[[], Figure]]]:
    """The pictures of a trait, each with what draws it."""
    from genobench.downstream.figure import draw_curve
    from genobench.downstream.panels import draw_calibration, draw_confusion, draw_values

    kinds = {"values": draw_values} if summary.kind == "quantitative" else {"confusion": draw_confusion, "calibration": draw_calibration}
    found: list[tuple[Picture, Callable[[], Figure]]] = []
    for classifier in summary.classifiers:
        found.append((_picture(summary, "curve", classifier), partial(draw_curve, summary, classifier)))
        for generator in summary.generators or ("",):
            for kind, draw in kinds.items():
                found.append((_picture(summary, kind, classifier, generator), partial(draw, summary, classifier, generator)))
    return found


def _picture(summary: Summary, kind: str, classifier: str, generator: str = "") -> Picture:
    """A picture with a file of its own: labels may differ in settings alone, which have signs that file names cannot have."""
    labels = [part for part in (classifier, generator) if part]
    name = ".".join(
        re.sub(r"[^\w+=-]+", "-", part, flags=re.ASCII).strip("-")[:_MOST_CHARACTERS] for part in (summary.trait, kind, *labels)
    )
    told = hashlib.sha256("/".join((summary.trait, *labels)).encode()).hexdigest()[:6]
    is_plain = all(re.fullmatch(rf"[\w+=-]{{1,{_MOST_CHARACTERS}}}", part, flags=re.ASCII) for part in (summary.trait, *labels))
    file = f"{FIGURES}/{name}.svg" if is_plain else f"{FIGURES}/{name}.{told}.svg"
    return Picture(file=file, kind=kind, classifier=classifier, generator=generator)


def _beside(folder: Path, summary: Summary) -> list[Path]:
    """The folders of the same dataset's boards under other schemes, of the same budget."""
    start = f"{summary.dataset}."
    ending = folder.name.removeprefix(f"{start}{summary.scheme}.")
    found = sorted(folder.parent.glob(f"*.{ending}/{EVIDENCE}")) if ending != folder.name else []
    schemes = {path.parent: path.parent.name.removeprefix(start).removesuffix(f".{ending}") for path in found}
    return [
        other
        for other, scheme in schemes.items()
        if other.name == f"{start}{scheme}.{ending}" and scheme.isidentifier() and other != folder
    ]


def _real_alone(folder: Path) -> list[PredictionRecord]:
    """The predictions of a board that come from real samples alone."""
    return [record for record in read_board(folder) if record.arm == REAL]


def _svg(figure: Figure) -> bytes:
    from genobench.report.style import to_svg

    buffer = io.BytesIO()
    to_svg(figure, buffer)
    return b"\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + b"\n"


def _numbers(made: list[Summary]) -> str:
    """Every mean, gain and relative utility, a line each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for summary in made:
        specs = {one.name: one.spec for one in summary.measures}
        for key, line in summary.lines.items():
            start = (summary.trait, key.classifier, key.generator, key.arm)
            kinds = {"mean": line.means, "gain over real": line.over_real, "gain over covariates": line.over_covariates}
            for quantity, estimates in kinds.items():
                for name, one in estimates.items():
                    writer.writerow((*start, name, specs[name].unit, specs[name].direction, quantity, *_cells(one)))
            primary = summary.primary.spec
            for score, one in line.over_scores.items():
                writer.writerow((*start, primary.name, primary.unit, primary.direction, f"gain over {score} on real", *_cells(one)))
            if line.relative is not None:
                low, high = line.relative.interval or (math.nan, math.nan)
                cells = (_figure(line.relative.value), _figure(low), _figure(high), "", "", line.relative.reason)
                writer.writerow((*start, primary.name, "share", "higher", "relative utility", *cells))
    return text.getvalue()


def _cells(estimate: Estimate) -> tuple[str, ...]:
    low, high = estimate.interval or (math.nan, math.nan)
    counts = (str(estimate.n_splits), str(estimate.n_pairs))
    return (_figure(estimate.mean), _figure(low), _figure(high), *counts, "; ".join(estimate.reasons))


def _figure(value: float) -> str:
    """Six significant digits; nothing for a missing number."""
    return f"{value:.6g}" if math.isfinite(value) else ""
