"""A board of predictions as Markdown: the plain answer, then classifiers by arms with intervals, then every other measure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from genobench.downstream.answer import answer, by_generator, flattery, generator_text
from genobench.downstream.summary import COVARIATES, REAL, Key
from genobench.downstream.wording import aim_text, arm_text, decimals_of, mean_text, measure_title, sentence, signed_text, table, value_text
from genobench.leaderboard.text import MISSING, Footnotes, number, off_zero_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genobench.downstream.summary import Line, Summary

_LEGEND: Final = (
    (
        "Numbers are means over splits, each with the mean of its seeds, with 95 % intervals for new samples of the same population: they "
        "hold the spread between splits, and the noise that holdouts have in common."
    ),
    (
        "A gain is taken on the same holdout, split by split and seed by seed, so what a split does to both cancels. Above 0 the first is "
        "better, also where a lower measure is. ▲ and ▼ mark gains over real samples whose interval is above or below 0."
    ),
    (
        "Relative utility is (arm - covariates) / (real - covariates): 1 is as good as real samples, 0 no better than covariates alone. It "
        "is given only where real samples are clearly better than covariates alone."
    ),
)
_SUBJECTS: Final = {
    "values": ("True against predicted values", "slope"),
    "confusion": ("Classes as they are called", "balanced_accuracy"),
    "calibration": ("Share of calls that are right by the probability of the called class", "calibration_error"),
}
"""By kind of picture: what it shows, and the measure that sums it up."""

_VALUES_SHOWN: Final = (
    "True against predicted values, the holdouts of all splits and seeds together: the darker, the more samples. The orange line has the "
    "slope and intercept of the table of measures, the dashed one is a slope of 1."
)
_CLASSES_SHOWN: Final = (
    "First which class is called which: the share of each true class, and how many samples, the holdouts of all splits and seeds together. "
    "Then calibration: how often calls are right by the probability of the called class, every class with the same weight. Whiskers are "
    "Wilson's 95 % intervals for as many samples as one holdout has there; the numbers are calls in all holdouts."
)
_ROUND: Final = str.maketrans("[]", "()")
"""Square brackets end the text of a Markdown image."""

_MARKS: Final = {"helps": " ▲", "harms": " ▼"}


@dataclass(frozen=True)
class Picture:
    """A picture beside the page.

    Args:
        file: Its path from the page.
        kind: `curve`, `values`, `confusion` or `calibration`.
        classifier: Label of the classifier that it is about.
        generator: Label of the generator; "" for all of them, or none.
    """

    file: str
    kind: str
    classifier: str
    generator: str = ""


def to_markdown(
    title: str, summaries: Sequence[Summary], *, others: Sequence[Summary] = (), pictures: Sequence[Sequence[Picture]] = ()
) -> str:
    """The page of a board.

    Args:
        title: The board's name.
        summaries: One a trait.
        others: The same traits under other schemes of splits, for what random splits flatter.
        pictures: Those of each summary; none for no pictures.

    Returns:
        GitHub-flavoured Markdown.
    """
    blocks = [f"# {escape(title)}"]
    for place, summary in enumerate(summaries):
        beside = [other for other in others if (other.dataset_sha256, other.trait) == (summary.dataset_sha256, summary.trait)]
        footnotes = Footnotes()
        blocks += [f"## {escape(summary.trait)}", _facts(summary), "### The answer", "\n".join(f"- {line}" for line in answer(summary))]
        blocks += by_generator(summary)
        shown = pictures[place] if pictures else ()
        blocks += _curves(summary, [picture for picture in shown if picture.kind == "curve"])
        blocks += _primary_tables(summary, footnotes)
        blocks += flattery(summary, beside)
        blocks += _further_tables(summary, footnotes)
        blocks += _predictions(summary, [picture for picture in shown if picture.kind != "curve"])
        if footnotes.lines:
            blocks.append("  \n".join(f"{mark} {text}" for mark, text in footnotes.lines))
    blocks += ["## How to read this", "\n".join(f"- {line}" for line in _legend(summaries))]
    return "\n\n".join(blocks) + "\n"


def _curves(summary: Summary, pictures: Sequence[Picture]) -> list[str]:
    """The learning curves, beside each other where there is room."""
    title = measure_title(summary.primary)
    images = [f"![{sentence(title)} of {one.classifier} by arm and generator, as in the tables below]({one.file})" for one in pictures]
    return ["### Over the synthetic share", "\n".join(images)] if images else []


def _predictions(summary: Summary, pictures: Sequence[Picture]) -> list[str]:
    """What classifiers predict, a fold a classifier."""
    if not pictures:
        return []
    blocks = ["### Predictions", _VALUES_SHOWN if summary.kind == "quantitative" else _CLASSES_SHOWN]
    for classifier in summary.classifiers:
        for generator in summary.generators or ("",):
            own = [one for one in pictures if (one.classifier, one.generator) == (classifier, generator)]
            name = f"<code>{escape(classifier)}</code>{', ' if generator else ''}{escape(generator)}"
            images = [f"![{_alternative(summary, one)}]({one.file})" for one in own]
            blocks += [f"<details><summary>{name}</summary>", "\n".join(images), "</details>"]
    return blocks


def _alternative(summary: Summary, picture: Picture) -> str:
    """What stands in a picture's place: its subject, and the measure that sums it up, arm by arm."""
    subject, name = _SUBJECTS[picture.kind]
    measure = next(one for one in summary.measures if one.name == name)
    told = []
    for arm in summary.arms:
        line = summary.line(picture.classifier, picture.generator, arm) if arm != COVARIATES else summary.covariates
        if line is not None and math.isfinite(line.means[name].mean):
            told.append(f"{arm_text(arm)} {mean_text(line.means[name])}")
    numbers = "; ".join(told) or "no prediction"
    of_what = " and ".join(filter(None, (picture.classifier, picture.generator)))
    return f"{subject} of {of_what}, {measure_title(measure)}: {numbers}".translate(_ROUND)


def _facts(summary: Summary) -> str:
    counts = summary.splits[0].get("n", {})
    seeds = ", ".join(str(split.get("seed", MISSING)) for split in summary.splits)
    n_pairs = max((line.means[summary.primary.name].n_pairs for line in summary.lines.values()), default=0)
    components = ", ".join(map(str, summary.n_components))
    facts = [
        ("Dataset", f"{escape(summary.dataset)} (sha256 {escape(summary.dataset_sha256[:12])})"),
        ("Trait", f"{escape(summary.trait)}, {summary.kind}"),
        ("Splits", f"{len(summary.splits)}, {summary.scheme}, of seeds {seeds}; at most {n_pairs} pairs of split and seed a line"),
        ("Samples of the first", ", ".join(f"{count:,} {part}" for part, count in counts.items()) or MISSING),
        ("Covariates", f"the trait's own and {components} principal components of the training samples"),
    ]
    return "\n".join(f"- {name}: {value}" for name, value in facts)


def _primary_tables(summary: Summary, footnotes: Footnotes) -> list[str]:
    """For each generator: means, gains over real samples, relative utility, and gains over each polygenic score."""
    primary = summary.primary.name
    blocks = [f"### {sentence(measure_title(summary.primary))}", f"{aim_text(summary.primary)}. {_covariates_text(summary)}"]
    digits = decimals_of(line.means[primary] for line in summary.lines.values())
    fine = decimals_of(line.over_real[primary] for line in summary.lines.values() if line.over_real)

    def mean(line: Line) -> str:
        mark = _MARKS.get(line.over_real[primary].verdict or "", "") if line.over_real else ""
        return value_text(line.means[primary], digits, footnotes, mark=mark)

    def over_real(line: Line) -> str:
        return signed_text(line.over_real[primary], fine, footnotes) if line.over_real else MISSING

    def relative(line: Line) -> str:
        found = line.relative
        if found is None or math.isnan(found.value):
            return MISSING + footnotes.mark((found.reason,) if found is not None else ())
        return f"{number(found.value, 2)} {off_zero_interval(found.interval, 2)}"

    mixed = [arm for arm in summary.arms if arm not in {REAL, COVARIATES}]
    if not summary.generators:
        return [*blocks, _arms_table(summary, "", [REAL], mean)]
    for generator in summary.generators:
        blocks += [f"#### {generator_text(summary, generator)}", _arms_table(summary, generator, [REAL, *mixed], mean)]
        blocks += ["Gain over the same classifier on real samples alone:", _arms_table(summary, generator, mixed, over_real)]
        blocks += ["Relative utility, the share of real samples' gain over covariates:", _arms_table(summary, generator, mixed, relative)]
        for score in summary.scores:
            against = _over_score(score, fine, footnotes)
            blocks += [f"Gain over `{score}` on real samples alone:", _arms_table(summary, generator, [REAL, *mixed], against)]
    return blocks


def _over_score(score: str, digits: int, footnotes: Footnotes) -> Callable[[Line], str]:
    return lambda line: signed_text(line.over_scores[score], digits, footnotes) if score in line.over_scores else "the score itself"


def _arms_table(summary: Summary, generator: str, arms: Sequence[str], text: Callable[[Line], str]) -> str:
    rows = []
    for classifier in summary.classifiers:
        lines = [summary.line(classifier, generator, arm) for arm in arms]
        rows.append([f"`{classifier}`", *(MISSING if line is None else text(line) for line in lines)])
    return table(["Classifier", *map(arm_text, arms)], rows)


def _covariates_text(summary: Summary) -> str:
    line = summary.covariates
    if line is None:
        return "Nobody predicted from covariates alone."
    found = line.means[summary.primary.name]
    if math.isnan(found.mean):
        return f"Covariates alone gave no prediction: {'; '.join(found.reasons)}"
    return f"Covariates alone: {value_text(found, decimals_of([found]), Footnotes())}."


def _further_tables(summary: Summary, footnotes: Footnotes) -> list[str]:
    """Means of every other measure: a line a classifier and arm, for real samples and for each generator."""
    measures = summary.measures[1:]
    known = [one for one in measures if any(math.isfinite(line.means[one.name].mean) for line in summary.lines.values())]
    blocks = ["### Further measures", "Means alone; `measures.csv` beside this page has their intervals and gains."]
    digits = {one.name: decimals_of(line.means[one.name] for line in summary.lines.values()) for one in known}
    header = ["Classifier, arm", *(f"{measure_title(one)} {aim_text(one)[0]}" for one in known)]

    def row(key: Key, line: Line) -> list[str]:
        cells = []
        for one in known:
            found = line.means[one.name]
            mark = footnotes.mark(found.reasons)
            cells.append((MISSING if math.isnan(found.mean) else number(found.mean, digits[one.name])) + mark)
        return [f"`{key.classifier}`, {arm_text(key.arm)}", *cells]

    for generator in ("", *summary.generators):
        rows = [row(key, line) for key, line in summary.lines.items() if key.generator == generator]
        if rows:
            blocks += [f"<details><summary>{escape(generator) or 'Without synthetic samples'}</summary>", table(header, rows), "</details>"]
    absent = [measure_title(one) + footnotes.mark((one.why_missing,)) for one in measures if one not in known]
    return blocks + ([f"Missing for all: {', '.join(absent)}."] if absent else [])


def _legend(summaries: Sequence[Summary]) -> list[str]:
    names = {one.name: one for summary in summaries for one in summary.measures}
    said = "; ".join(f"{measure_title(one)} is the {one.spec.summary} ({one.spec.unit}, {aim_text(one)})" for one in names.values())
    return [*_LEGEND, f"Measures: {said}.", f"{MISSING} is a number that is missing; its footnote says why."]
