"""Measures, arms and estimates in words and numbers, the same in every table and picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from genobench.leaderboard.text import MISSING, Footnotes, interval_text, number, off_zero, off_zero_interval
from genobench.outcomes import Z_95

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from genobench.downstream.estimates import Estimate
    from genobench.downstream.measures import Measure

_TITLES: Final = {
    "auroc": "AUROC",
    "brier": "Brier score",
    "log_loss": "log loss",
    "macro_f1": "macro F1",
    "mse": "MSE",
    "pearson_r": "Pearson r",
    "quadratic_kappa": "quadratic kappa",
    "r2": "R²",
    "r_over_h": "r/h",
    "within_covariates_r": "r within covariates",
    "within_family_r": "r within families",
}
_ARROWS: Final = {"lower": "↓", "higher": "↑", "target": "→"}
_ARMS: Final = {"synthetic": "synthetic only", "minority": "real + minority", "covariates": "covariates only"}
_MOST_DECIMALS: Final = 6


def measure_title(measure: Measure) -> str:
    """A measure's name in words."""
    return _TITLES.get(measure.name, measure.name.replace("_", " "))


def sentence(text: str) -> str:
    """The text with a capital first."""
    return text[:1].upper() + text[1:]


def aim_text(measure: Measure) -> str:
    """Which way is better, an arrow first: "↑ higher is better", "→ nearest 1 is best"."""
    direction = measure.spec.direction
    goal = f"nearest {measure.spec.ideal:g} is best" if direction == "target" else f"{direction} is better"
    return f"{_ARROWS[direction]} {goal}"


def arm_text(arm: str) -> str:
    """An arm's name in words: "real+3x" is "real + 3x"."""
    if arm.startswith("real+"):
        return f"real + {arm.removeprefix('real+').removesuffix('x')}x"
    return _ARMS.get(arm, arm)


def decimals_of(estimates: Iterable[Estimate]) -> int:
    """Digits after the point that the noise leaves meaning to: two of the median noise; three where none is known."""
    errors = sorted(one.standard_error for one in estimates if one.standard_error and math.isfinite(one.mean))
    if not errors:
        return 3
    return min(_MOST_DECIMALS, max(0, 1 - math.floor(math.log10(Z_95 * errors[len(errors) // 2]))))


def value_text(estimate: Estimate, decimals: int, footnotes: Footnotes, *, mark: str = "") -> str:
    """An estimate as "0.58 [0.56, 0.60]", a missing one as a dash, each with the footnote of its reasons."""
    note = footnotes.mark(estimate.reasons)
    if math.isnan(estimate.mean):
        return f"{MISSING}{note}"
    parts = (number(estimate.mean, decimals), interval_text(estimate.interval, decimals))
    return " ".join(part for part in parts if part) + mark + note


def signed_text(estimate: Estimate, decimals: int, footnotes: Footnotes) -> str:
    """A gain as "+0.02 [-0.01, 0.05]", a missing one as a dash, each with the footnote of its reasons.

    One that is clear of 0 does not read as if it touched it: "-0.014 [-0.027, -0.0004]" rather than "-0.014 [-0.027, 0.000]".
    """
    note = footnotes.mark(estimate.reasons)
    if math.isnan(estimate.mean):
        return f"{MISSING}{note}"
    is_clear = estimate.verdict in {"helps", "harms"}
    mean = off_zero(estimate.mean, decimals) if is_clear else number(estimate.mean, decimals)
    sign = "+" if estimate.mean > 0 and mean.strip("0.") else ""
    return " ".join(filter(None, (f"{sign}{mean}", off_zero_interval(estimate.interval, decimals)))) + note


def gain_text(estimate: Estimate) -> str:
    """A gain in a sentence, as "+0.02 [-0.01, 0.05]"."""
    return signed_text(estimate, decimals_of([estimate]), Footnotes())


def mean_text(estimate: Estimate) -> str:
    """A mean in a sentence, as "0.58 [0.56, 0.60]"."""
    return value_text(estimate, decimals_of([estimate]), Footnotes())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first column to the left and the others to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)
