"""The report of a set of scores: one HTML file that needs no other, for a screen, a phone or paper."""

from __future__ import annotations

import base64
import io
import math
from typing import TYPE_CHECKING, Any, get_args

from genobench.contracts import ScoreFamily
from genobench.home import write_text_atomically
from genobench.report.evidence import Evidence
from genobench.report.panels import draw_panels
from genobench.report.style import to_svg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from genobench.contracts import Comparison
    from genobench.outcomes import Outcome, ScoreRecord
    from genobench.report.drawing import Panel


def write_report(
    path: Path,
    comparison: Comparison,
    scores: Sequence[ScoreRecord],
    *,
    title: str,
    facts: Mapping[str, str],
    curves: Sequence[Mapping[str, float]] = (),
    seed: int,
    has_families: bool,
) -> Path:
    """Draw the panels and write the page.

    Args:
        path: Where; replaced whole.
        comparison: What was scored; its holdout and its nonmembers may be empty.
        scores: What came out.
        title: The heading.
        facts: What a reader must know of the samples and how they were scored, each with its name.
        curves: Of a fit, as `read_curves` gives them.
        seed: Of the scores.
        has_families: Whether groups were kept whole by the split.

    Returns:
        `path`.
    """
    panels = draw_panels(Evidence.of(comparison, seed=seed, has_families=has_families), curves)
    write_text_atomically(path, to_html(panels, scores, title=title, facts=facts))
    return path


def outcome_facts(outcome: Outcome, *, n_variants: int) -> dict[str, str]:
    """What the page of a cell says of it, each fact with its name."""
    made_by = f"generator {outcome.generator} ({outcome.distribution} {outcome.plugin_version}), seed {outcome.seed}"
    n_of = ", ".join(f"{n:,} {part}" for part, n in outcome.split["n"].items())
    kinship = outcome.split.get("largest_kinship")
    across = "" if kinship is None else f"; largest kinship across the edge of the holdout {kinship:.3f}"
    return {
        "cell": f"{outcome.cell_id}, {made_by}",
        "settings": _settings_text(outcome),
        "dataset": f"{outcome.dataset}, {n_variants:,} variants, sha256 {outcome.dataset_sha256[:12]}",
        "trait": outcome.trait,
        "split": f"{outcome.split['scheme']}, seed {outcome.split['seed']}: {n_of}{across}",
        "synthetic": f"{outcome.n_generated:,} samples",
    }


def _settings_text(outcome: Outcome) -> str:
    """The settings that have a value, and the names of those that were left to the generator."""
    told = ", ".join(f"{name} {value}" for name, value in outcome.settings.items() if value is not None)
    left = ", ".join(name for name, value in outcome.settings.items() if value is None)
    chosen = f"not set, so as `genobench plugins info {outcome.generator}` says: {left}" if left else ""
    return "; ".join(filter(None, (told, chosen))) or "none"


def to_html(panels: Sequence[Panel], scores: Sequence[ScoreRecord], *, title: str, facts: Mapping[str, str]) -> str:
    """The page; see `write_report`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("genobench.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    families = [(family, [_row(score) for score in scores if score.family == family]) for family in get_args(ScoreFamily)]
    return environment.get_template("report.html.j2").render(
        title=title,
        facts=facts,
        families=[(family, rows) for family, rows in families if rows],
        panels=[_figure(panel) for panel in panels if panel.figure is not None],
        absent=[panel for panel in panels if panel.figure is None],
    )


def _figure(panel: Panel) -> dict[str, str]:
    assert panel.figure is not None  # noqa: S101 - the caller shows panels with a figure only
    return {
        "name": panel.name,
        "title": panel.title,
        "caption": panel.caption,
        "source": _source(panel.figure),
        "wide": "" if panel.wide is None else _source(panel.wide),
    }


def _source(figure: Figure) -> str:
    """A figure as the address of an image."""
    drawn = io.BytesIO()
    to_svg(figure, drawn)
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}"


def _row(score: ScoreRecord) -> dict[str, Any]:
    """A score as the words of its row."""
    bounds, band = score.bounds, score.band
    verdict = ""
    if band is not None and not score.is_missing:
        verdict = "as real" if band.low <= score.value <= band.high else "above real" if score.value > band.high else "below real"
    is_worse = verdict in {"lower": ("above real",), "higher": ("below real",)}.get(score.direction, ("above real", "below real"))
    return {
        "name": score.metric,
        "summary": score.summary,
        "unit": score.unit,
        "is_primary": score.is_primary,
        "value": "\N{EN DASH}" if score.is_missing else _number(score.value),
        "interval": "" if bounds is None or not all(map(math.isfinite, bounds)) else f"{_number(bounds[0])} to {_number(bounds[1])}",
        "band": "" if band is None else f"{_number(band.low)} to {_number(band.high)}",
        "verdict": verdict,
        "is_worse": is_worse,
        "scale": _scale(score),
        "reason": score.reason or "",
    }


def _scale(score: ScoreRecord) -> str:
    if score.is_missing or score.band is None or score.anchor is None:
        return ""
    return "no headroom" if score.scaled is None else _number(score.scaled, 2)


def _number(value: float, decimals: int = 4) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
