"""docs/scores.md says of every built-in score what the code declares, and of nothing else that it is a score."""

from __future__ import annotations

import dataclasses
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from genobench.builtin import genobench_classifiers, genobench_datasets, genobench_generators, genobench_metrics
from genobench.contracts import PARTS, Metric

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "scores.md").read_text(encoding="utf-8")
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
CHAPTERS: Final = {"fidelity": "Fidelity", "privacy": "Privacy", "utility": "Utility"}
PUBLISHED: Final = "DiscreteGenoGen's definitions"
HEADER: Final = "| score | unit | better | ideal | version | what it is |"
ROW: Final = re.compile(r"^\| (\*\*)?`([a-z0-9_]+)`(?:\*\*)? \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| .+ \|$", flags=re.MULTILINE)
VERDICTS: Final = frozenset({"as real", "above real", "below real", "no headroom"})
JSON_FIELDS: Final = frozenset({"samples", "null"})
DIRECTIONS: Final = frozenset({"lower", "higher", "target"})


class Row(NamedTuple):
    """A score as its table has it."""

    name: str
    unit: str
    direction: str
    ideal: str
    version: str
    is_primary: bool


def _metrics() -> dict[str, type[Metric]]:
    targets = {offer.name: offer.target.split(":") for offer in genobench_metrics()}
    return {name: getattr(import_module(module), place) for name, (module, place) in targets.items()}


METRICS: Final = _metrics()
SCORES: Final = {spec.name for metric in METRICS.values() for spec in metric.scores}


def _chapters() -> dict[str, str]:
    """Text by heading of the second level."""
    _, *parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def _sections() -> dict[str, tuple[str, str]]:
    """Chapter and text by the metric that a heading of the third level names."""
    found: dict[str, tuple[str, str]] = {}
    for chapter, text in _chapters().items():
        _, *parts = re.split(r"^### `(.+)`$", text, flags=re.MULTILINE)
        for name, section in zip(parts[::2], parts[1::2], strict=True):
            assert name not in found, f"{name} has two sections"
            found[name] = (chapter, section)
    return found


SECTIONS: Final = _sections()


def _rows(text: str) -> list[Row]:
    return [Row(name, unit, better, ideal, version, bool(bold)) for bold, name, unit, better, ideal, version in ROW.findall(text)]


def _declared(metric: type[Metric]) -> list[Row]:
    return [
        Row(
            spec.name,
            spec.unit,
            spec.direction,
            "\N{EN DASH}" if spec.ideal is None else f"{spec.ideal:g}",
            str(spec.version),
            spec.is_primary,
        )
        for spec in metric.scores
    ]


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _joined(items: Iterable[str]) -> str:
    return ", ".join(items) + "."


def test_page__has_a_section_for_every_metric_and_for_no_other() -> None:
    assert sorted(SECTIONS) == sorted(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_section__stands_in_the_chapter_of_its_family(name: str) -> None:
    metric = METRICS[name]
    assert SECTIONS[name][0] == (PUBLISHED if name.startswith("dgg-") else CHAPTERS[metric.family])


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.is_on_request])
def test_section__says_where_a_run_leaves_it_out(name: str) -> None:
    """Of those of DiscreteGenoGen the chapter says it for all."""
    chapter, section = SECTIONS[name]
    assert "`--metric`" in (_chapters()[chapter] if name.startswith("dgg-") else section)


@pytest.mark.parametrize("name", METRICS)
def test_section__has_the_scores_as_declared(name: str) -> None:
    """Name, unit, direction, ideal and version, and in bold what boards rank by, in the order of the declaration."""
    assert HEADER in SECTIONS[name][1]
    assert _rows(SECTIONS[name][1]) == _declared(METRICS[name])


@pytest.mark.parametrize("name", METRICS)
def test_section__has_the_settings_with_their_defaults(name: str) -> None:
    settings = [f"`{field.name}={_written(field.default)}`" for field in dataclasses.fields(METRICS[name])]  # type: ignore[arg-type]
    lines = [line for line in SECTIONS[name][1].splitlines() if line.startswith("Settings: ")]
    assert lines == ([f"Settings: {_joined(settings)}"] if settings else [])


@pytest.mark.parametrize("name", METRICS)
def test_section__says_what_the_self_check_holds_to_chance(name: str) -> None:
    checked = [f"`{spec.name}` against {spec.chance:g}" for spec in METRICS[name].scores if spec.chance is not None]
    lines = [line for line in SECTIONS[name][1].splitlines() if line.startswith("Self-check: ")]
    assert lines == ([f"Self-check: {_joined(checked)}"] if checked else [])


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.most_samples != Metric.most_samples])
def test_section__says_where_fewer_samples_are_shown(name: str) -> None:
    text = " ".join(SECTIONS[name][1].split())
    assert f"at most {METRICS[name].most_samples:,} samples" in text


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.family == "privacy"])
def test_privacy__names_its_threat_model(name: str) -> None:
    assert "**Threat model**" in SECTIONS[name][1]


@pytest.mark.parametrize("name", ["closest-records", "aats-privacy-loss"])
def test_privacy__labels_what_is_none(name: str) -> None:
    assert "**Diagnostic, not privacy.**" in SECTIONS[name][1]
    assert all("diagnostic, not privacy" in spec.summary for spec in METRICS[name].scores)


@pytest.mark.parametrize("page", [PAGE, README], ids=["docs/scores.md", "README.md"])
def test_page__names_no_score_that_does_not_exist(page: str) -> None:
    """Whatever is set as code and looks like the name of a score, a metric or a setting is one."""
    offers = (genobench_metrics(), genobench_generators(), genobench_classifiers(), genobench_datasets())
    settings = {field.name for metric in METRICS.values() for field in dataclasses.fields(metric)}  # type: ignore[arg-type]
    known = {*SCORES, *settings, *PARTS, *DIRECTIONS, *VERDICTS, *JSON_FIELDS, *(offer.name for listed in offers for offer in listed)}
    rows = page if page is PAGE else "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    words = {word.split("=")[0] for word in re.findall(r"`([a-z][a-z0-9_=. ,-]*)`", rows)}
    commands = {word for word in words if word.startswith("genobench ")}
    assert words - known - commands == set()


def test_page__cites_what_the_code_cites() -> None:
    """A source on the page stands in the code that it is the source of; a mistyped one would not."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "genobench").rglob("*.py"))
    cited = set(re.findall(r"\]\((https://(?:doi\.org|arxiv\.org)/[^\s]+?)\)(?=[\s,.;:]|$)", PAGE, flags=re.MULTILINE))
    shown = set(re.findall(r"\[(10\.\d{4,}/[^\]]+)\]\(https://doi\.org/([^\s]+?)\)(?=[\s,.;:]|$)", PAGE, flags=re.MULTILINE))
    assert len(cited) > 40
    assert sorted(source for source in cited if source not in code) == []
    assert [pair for pair in shown if pair[0] != pair[1]] == []


def test_page__calls_nothing_safe() -> None:
    text = PAGE.lower()
    assert 'inconclusive, never "safe"' in text
    assert re.findall(r"\bsafe\b", text.replace('never "safe"', "")) == []


def test_page__links_to_files_that_are_there() -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
