"""The plain answers of a board of predictions, in sentences with their numbers."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from genobench.downstream.estimates import Estimate, holm
from genobench.downstream.summary import COVARIATES, REAL, SYNTHETIC, Key
from genobench.downstream.wording import arm_text, decimals_of, gain_text, mean_text, measure_title, sentence, table
from genobench.leaderboard.text import MISSING, interval_text, number, off_zero_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from genobench.downstream.relative import RelativeUtility
    from genobench.downstream.summary import Summary

_SURE = 0.05


def answer(summary: Summary) -> list[str]:
    """Does augmentation help, against a polygenic score, and what are synthetic samples worth alone?

    Args:
        summary: A trait of a board.

    Returns:
        Sentences in Markdown, a paragraph each.
    """
    told = [_augmentation(summary)]
    told += [_against(summary, score) for score in summary.scores] or [
        "**Against a polygenic score?** None of `prs`, `ldpred` and `ridge` was trained on real samples, so there is none to compare with."
    ]
    return [*told, _synthetic_alone(summary), _genotypes(summary)]


def levels(summary: Summary) -> list[tuple[str, str]]:
    """The primary measure of each classifier on real samples, and of covariates alone: what is meant, and its mean with the interval."""
    found = [(f"{one} on real samples", line) for one in summary.classifiers if (line := summary.line(one, "", REAL)) is not None]
    found += [] if summary.covariates is None else [(arm_text(COVARIATES), summary.covariates)]
    means = {name: line.means[summary.primary.name] for name, line in found}
    digits = decimals_of(means.values())
    return [(name, _level(one, digits)) for name, one in means.items()]


def _level(mean: Estimate, digits: int) -> str:
    if math.isnan(mean.mean):
        return f"none. {'; '.join(mean.reasons)}"
    return f"{number(mean.mean, digits)} {interval_text(mean.interval, digits)}".rstrip()


def _augmentation(summary: Summary) -> str:
    name = summary.primary.name
    gains = {key: line.over_real[name] for key, line in summary.augmented().items()}
    question = "**Does augmentation help?**"
    if not gains:
        said = "No arm with real samples and a model's synthetic ones has a gain with an interval, so this board cannot say."
        return " ".join([question, said, *_of_controls(summary)])
    counts = _counts(gains)
    if counts["sure helps"] and counts["sure harms"]:
        said = "In places; in others it harms."
    elif counts["sure helps"]:
        said = "In places."
    elif counts["sure harms"]:
        said = "No; in places it harms."
    else:
        said = "No help was seen."
    visible = sorted(one.least_visible for one in gains.values() if one.least_visible is not None)
    sentences = [
        f"{question} {said} Against the same classifier on real samples alone, of {_n(len(gains), 'augmented model')} {_counted(counts)}"
    ]
    if visible:
        gain = f"{number(visible[len(visible) // 2], 3)} in {measure_title(summary.primary)}"
        sentences.append(f"Half of the comparisons would have seen a gain of {gain} four times in five, had it been there.")
    if counts["helps"]:
        best = max((key for key in gains if gains[key].verdict == "helps"), key=lambda key: gains[key].mean)
        sentences.append(f"The largest clear gain is {gain_text(gains[best])}, of {_of(best)}.")
    if counts["harms"]:
        worst = min((key for key in gains if gains[key].verdict == "harms"), key=lambda key: gains[key].mean)
        sentences.append(f"The largest clear loss is {gain_text(gains[worst])}, of {_of(worst)}.")
    return " ".join([*sentences, *_of_controls(summary)])


def _of_controls(summary: Summary) -> list[str]:
    """How arms with samples of controls do, which show what synthetic samples do that know too little or too much."""
    gains = [line.over_real[summary.primary.name] for line in summary.augmented_by_controls().values()]
    if not gains:
        return []
    counts = [sum(one.verdict == verdict for one in gains) for verdict in ("helps", "harms")]
    names = ", ".join(f"`{label}`" for label in summary.controls)
    return [f"Controls ({names}) do not count as models: of their {_n(len(gains), 'arm')} {counts[0]} do better and {counts[1]} worse."]


def _against(summary: Summary, score: str) -> str:
    name = summary.primary.name
    own = summary.lines[Key(score, "", REAL)].means[name]
    question = f"**Against the polygenic score `{score}`**, {mean_text(own)} from real samples alone:"
    if math.isnan(own.mean):
        return f"**Against the polygenic score `{score}`?** It has no prediction from real samples: {'; '.join(own.reasons)}"
    augmented = {key: line.over_scores[score] for key, line in summary.augmented().items() if score in line.over_scores}
    augmented = {key: one for key, one in augmented.items() if one.verdict is not None}
    real = {
        key: line.over_scores[score]
        for key, line in summary.lines.items()
        if key.arm == REAL and score in line.over_scores and line.over_scores[score].verdict is not None
    }
    sentences = []
    if augmented:
        best = max(augmented, key=lambda key: augmented[key].mean)
        sentences.append(f"of {_n(len(augmented), 'augmented model')} {_counted(_counts(augmented))}")
        sentences.append(f"The best of them, picked after the fact, is {_of(best)}: {gain_text(augmented[best])}.")
    else:
        sentences.append("no augmented model can be compared with it.")
    if real:
        best = max(real, key=lambda key: real[key].mean)
        others = f"Of {len(real)} other classifiers without synthetic samples, the best is" if len(real) > 1 else "The other classifier is"
        sentences.append(f"{others} {_of(best)}: {gain_text(real[best])}.")
    return f"{question} {' '.join(sentences)}"


def _synthetic_alone(summary: Summary) -> str:
    question = "**Are synthetic samples worth real ones?**"
    lines = {key: line.relative for key, line in summary.lines.items() if key.arm == SYNTHETIC and line.relative is not None}
    shares = {key: one for key, one in lines.items() if not math.isnan(one.value)}
    of_models = {key: one for key, one in shares.items() if key.generator not in summary.controls}
    of_controls = {key: one for key, one in shares.items() if key.generator in summary.controls}
    if not of_models:
        said = "No relative utility of a model's samples can be given" if of_controls else "No relative utility can be given"
        return f"{question} {_because(said, {one.reason for one in lines.values()} | _nothing_to_compare(summary))}"
    said = f"{question} Alone they keep {_range(of_models)} of real samples' gain over covariates alone"
    if len(of_models) > 1:
        said += f", over {len(of_models)} classifiers and generators"
    return f"{said}." + (f" Those of controls keep {_range(of_controls)}." if of_controls else "")


def _nothing_to_compare(summary: Summary) -> set[str]:
    """Which of the predictions that a relative utility needs nobody made."""
    reasons = set()
    if not any(key.arm == SYNTHETIC and key.generator not in summary.controls for key in summary.lines):
        reasons.add(f"no classifier was trained on {'synthetic samples of a model' if summary.controls else 'synthetic samples'} alone")
    if summary.covariates is None:
        reasons.add("there is no prediction from covariates alone to compare with")
    return reasons


def _range(shares: Mapping[Key, RelativeUtility]) -> str:
    """The least and the greatest share, each with whose it is: "between 0.4 [0.2, 0.6] (...) and 0.9 [0.8, 1.0] (...)"."""

    def told(key: Key) -> str:
        return f"{number(shares[key].value, 2)} {off_zero_interval(shares[key].interval, 2)} ({_of(key)})"

    ordered = sorted(shares, key=lambda key: shares[key].value)
    return told(ordered[0]) if len(shares) == 1 else f"between {told(ordered[0])} and {told(ordered[-1])}"


def _genotypes(summary: Summary) -> str:
    question = "**Do genotypes say more than covariates?**"
    gains = {
        key: line.over_covariates[summary.primary.name] for key, line in summary.lines.items() if key.arm == REAL and line.over_covariates
    }
    gains = {key: one for key, one in gains.items() if one.verdict is not None}
    if not gains:
        lines = [
            line.over_covariates[summary.primary.name] for key, line in summary.lines.items() if key.arm == REAL and line.over_covariates
        ]
        reasons = {reason for one in lines for reason in one.reasons}
        said = (
            "No classifier can be compared with covariates alone"
            if lines
            else "There is no prediction from covariates alone to compare with"
        )
        return f"{question} {_because(said, reasons)}"
    return f"{question} Trained on real samples, of {_n(len(gains), 'classifier')} {_counted(_counts(gains))}"


def by_generator(summary: Summary) -> list[str]:
    """How many arms with each generator's samples do better or worse than real samples alone, as blocks of Markdown.

    Holm's correction is for all comparisons of models, and for all of controls.
    """
    name = summary.primary.name
    gains: dict[Key, Estimate] = {}
    sure: dict[Key, float] = {}
    for lines in (summary.augmented(), summary.augmented_by_controls()):
        some = {key: line.over_real[name] for key, line in lines.items()}
        gains |= some
        sure |= zip(some, holm([one.p_value for one in some.values()]), strict=True)
    rows = []
    for generator in summary.generators:
        own = {key: one for key, one in gains.items() if key.generator == generator}
        if own:
            best = max(own, key=lambda key: own[key].mean)
            numbers = [
                f"{sum(one.verdict == verdict for one in own.values())} "
                f"({sum(one.verdict == verdict and sure[key] < _SURE for key, one in own.items())})"
                for verdict in ("helps", "harms")
            ]
            unseen = sum(one.verdict == "no difference seen" for one in own.values())
            rows.append([generator_text(summary, generator), *numbers, str(unseen), f"{gain_text(own[best])}, {_of(best)}"])
    header = ["Generator", "better (Holm)", "worse (Holm)", "no difference seen", "greatest gain, picked after the fact"]
    return ["Augmented models against the same classifier on real samples alone:", table(header, rows)] if len(rows) > 1 else []


def generator_text(summary: Summary, label: str) -> str:
    """A generator's label without markup, and whether it is a control."""
    return f"{escape(label)} (control)" if label in summary.controls else escape(label)


def flattery(summary: Summary, others: Sequence[Summary]) -> list[str]:
    """By how much splits of another scheme flatter or do not, for training on real samples.

    Args:
        summary: The board's own.
        others: The same dataset and trait under other schemes.

    Returns:
        Blocks of Markdown; none where there is no other scheme.
    """
    if not others:
        return []
    name = summary.primary.name
    rows = []
    for classifier in summary.classifiers:
        own = summary.line(classifier, "", REAL)
        beside = [other.line(classifier, "", REAL) for other in others]
        if own is None or all(line is None for line in beside):
            continue
        cells = [mean_text(own.means[name])]
        for line in beside:
            cells += [MISSING] * 2 if line is None else [mean_text(line.means[name]), gain_text(_apart(line.means[name], own.means[name]))]
        rows.append([f"`{classifier}`", *cells])
    if not rows:
        return []
    header = ["Classifier", f"{summary.scheme} splits"]
    for other in others:
        header += [f"{other.scheme} splits", f"{other.scheme} less {summary.scheme}"]
    said = (
        f"{sentence(measure_title(summary.primary))} of classifiers trained on real samples, by how the holdout was chosen. Holdouts "
        "differ, so these differences are not paired, and their errors are added as if independent."
    )
    return ["### Other splits", said, table(header, rows)]


def _apart(first: Estimate, second: Estimate) -> Estimate:
    """The difference of two means of different holdouts, with the fewer degrees of freedom."""
    errors = (first.standard_error, second.standard_error)
    error = math.hypot(*(one for one in errors if one is not None)) if None not in errors else None
    return Estimate(
        mean=first.mean - second.mean,
        standard_error=error,
        degrees=min(first.degrees, second.degrees),
        n_splits=min(first.n_splits, second.n_splits),
        n_pairs=min(first.n_pairs, second.n_pairs),
        reasons=(*first.reasons, *second.reasons),
    )


def _counts(gains: Mapping[Key, Estimate]) -> dict[str, int]:
    """How many help, harm or neither, and how many of them after Holm's correction for all."""
    adjusted = holm([one.p_value for one in gains.values()])
    counts = dict.fromkeys(("helps", "harms", "no difference seen", "sure helps", "sure harms"), 0)
    for one, value in zip(gains.values(), adjusted, strict=True):
        if one.verdict is not None:
            counts[one.verdict] += 1
            if one.verdict != "no difference seen" and value < _SURE:
                counts[f"sure {one.verdict}"] += 1
    return counts


def _counted(counts: Mapping[str, int]) -> str:
    """The rest of a sentence that begins with how many there are."""
    n_all = counts["helps"] + counts["harms"] + counts["no difference seen"]
    said = f"{counts['helps']} do better and {counts['harms']} worse; for {counts['no difference seen']} no difference is seen."
    if n_all == 1:
        return said
    by_chance = number(0.025 * n_all, 1)
    return (
        f"{said} Chance alone would have some {by_chance} on either side; corrected for all {n_all} comparisons (Holm), "
        f"{counts['sure helps']} do better and {counts['sure harms']} worse."
    )


def _because(said: str, reasons: Iterable[str]) -> str:
    """A sentence with the reasons for it, which may end with a full stop themselves."""
    told = "; ".join(sorted({reason.rstrip(".") for reason in reasons if reason}))
    return f"{said}: {told}." if told else f"{said}."


def _of(key: Key) -> str:
    """A line in words: "`lasso` (real + 3x, mosaic)"."""
    return f"`{key.classifier}` ({arm_text(key.arm)}{', ' if key.generator else ''}{escape(key.generator)})"


def _n(count: int, one: str, several: str = "") -> str:
    return f"{count} {one if count == 1 else several or one + 's'}"
