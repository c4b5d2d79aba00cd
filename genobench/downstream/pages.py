"""The files that are made from a board's predictions: README.md, its pictures, and every number with its interval."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Final

from genobench.downstream.boards import EVIDENCE, read_board
from genobench.downstream.summary import REAL, summaries
from genobench.downstream.table import to_markdown
from genobench.home import write_bytes_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from genobench.downstream.pairing import Estimate
    from genobench.downstream.records import PredictionRecord
    from genobench.downstream.summary import Summary

PAGE: Final = "README.md"
NUMBERS: Final = "measures.csv"

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


def write_pages(folder: Path, *, heritability: float | None = None) -> list[Path]:
    """Make a board's page, pictures and numbers from its evidence.

    Boards of the same dataset beside it, under other schemes of splits, are read for what random splits flatter.

    Args:
        folder: The board's folder, with its evidence.
        heritability: Of the trait, in (0, 1]; None where it is not known.

    Returns:
        The files written, the page first.

    Raises:
        GenobenchError: If there is no evidence, it cannot be read, or it is not of one dataset and scheme.
    """
    made = summaries(read_board(folder), heritability=heritability)
    others = [summary for other in _beside(folder, made[0]) for summary in summaries(_real_alone(other))]
    figures = [f"{summary.trait}.svg" for summary in made]
    text = to_markdown(folder.name, made, others=others, figures=figures)
    contents = {PAGE: text.encode(), NUMBERS: _numbers(made).encode()}
    contents |= {name: _svg(summary) for name, summary in zip(figures, made, strict=True)}
    for name, content in contents.items():
        write_bytes_atomically(folder / name, content)
    return [folder / name for name in contents]


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


def _svg(summary: Summary) -> bytes:
    from genobench.downstream.figure import draw_curves
    from genobench.report.style import to_svg

    buffer = io.BytesIO()
    to_svg(draw_curves(summary), buffer)
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
