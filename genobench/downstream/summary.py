"""What a board of predictions says: each classifier on each arm, against real samples, covariates alone and a polygenic score."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from genobench.downstream.arms import Arm
from genobench.downstream.labels import Named, labels
from genobench.downstream.measures import measures_for
from genobench.downstream.measuring import Measured, measure
from genobench.downstream.pairing import Pair, gain, mean_of
from genobench.downstream.records import by_trait
from genobench.downstream.relative import relative_utility
from genobench.leaderboard.standings import shared_holdout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from genobench.contracts import TraitKind
    from genobench.downstream.estimates import Estimate
    from genobench.downstream.measures import Measure
    from genobench.downstream.records import PredictionRecord
    from genobench.downstream.relative import RelativeUtility

    Side = dict[Pair, dict[str, Measured]]

REAL: Final = "real"
SYNTHETIC: Final = "synthetic"
MINORITY: Final = "minority"
COVARIATES: Final = "covariates"

POLYGENIC_SCORES: Final = ("genobench/prs", "genobench/ldpred", "genobench/ridge")
"""Linear scores that everything is held against, trained on real samples: clumping and thresholds, LDpred, GBLUP."""


@dataclass(frozen=True, order=True)
class Key:
    """A line of a table: labels of a classifier and of a generator, and an arm.

    Args:
        classifier: Its label.
        generator: Its label; "" for arms without synthetic samples.
        arm: The arm's name.
    """

    classifier: str
    generator: str
    arm: str

    @property
    def is_augmented(self) -> bool:
        """Whether it was trained on real samples and synthetic ones."""
        return self.arm.startswith(f"{REAL}+") or self.arm == MINORITY


@dataclass(frozen=True)
class Line:
    """What one classifier trained on one arm came to.

    Args:
        means: By measure.
        over_real: Gain over the same classifier trained on real samples alone, by measure; empty for real samples themselves.
        over_covariates: Gain over covariates alone, by measure; empty for them.
        over_scores: Gain in the primary measure over each polygenic score trained on real samples, by its label.
        relative: Relative utility in the primary measure; None for covariates alone.
    """

    means: Mapping[str, Estimate]
    over_real: Mapping[str, Estimate]
    over_covariates: Mapping[str, Estimate]
    over_scores: Mapping[str, Estimate]
    relative: RelativeUtility | None


@dataclass(frozen=True)
class Summary:
    """A trait of a board.

    Args:
        dataset: Its name.
        dataset_sha256: Content hash of its genotypes.
        trait: The phenotype's column.
        kind: Of the trait.
        splits: As the records state them, by their seeds.
        n_components: The numbers of principal components among the covariates.
        measures: The measures of the trait's kind, the primary one first.
        classifiers: Labels, in order.
        generators: Labels, in order; models first, then controls.
        controls: Labels of those that are controls (a floor, a leak): shown, and no models whose help or harm is counted.
        arms: Their names: real samples, synthetic ones, more and more synthetic ones beside real ones, the rarest class.
        scores: Labels of the polygenic scores that there are.
        lines: By classifier, generator and arm.
        records: What the lines are made of.
    """

    dataset: str
    dataset_sha256: str
    trait: str
    kind: TraitKind
    splits: tuple[Mapping[str, Any], ...]
    n_components: tuple[int, ...]
    measures: tuple[Measure, ...]
    classifiers: tuple[str, ...]
    generators: tuple[str, ...]
    controls: tuple[str, ...]
    arms: tuple[str, ...]
    scores: tuple[str, ...]
    lines: Mapping[Key, Line]
    records: Mapping[Key, tuple[PredictionRecord, ...]]

    @property
    def primary(self) -> Measure:
        """The measure that tables lead with."""
        return self.measures[0]

    @property
    def scheme(self) -> str:
        """How samples were split."""
        return str(self.splits[0]["scheme"])

    @property
    def covariates(self) -> Line | None:
        """Covariates alone; None where nobody predicted from them."""
        return next((line for key, line in self.lines.items() if key.arm == COVARIATES), None)

    def line(self, classifier: str, generator: str, arm: str) -> Line | None:
        """A line; arms without synthetic samples are the same beside every generator."""
        return self.lines.get(Key(classifier, "" if arm in {REAL, COVARIATES} else generator, arm))

    def predictions(self, classifier: str, generator: str, arm: str) -> tuple[PredictionRecord, ...]:
        """The records of a line that have predictions; covariates alone stand beside every classifier."""
        if arm == COVARIATES:
            found = [key for key in self.records if key.arm == COVARIATES]
            classifier = next((key.classifier for key in found), classifier)
        held = self.records.get(Key(classifier, "" if arm in {REAL, COVARIATES} else generator, arm), ())
        return tuple(record for record in held if record.reason is None)

    def augmented(self) -> dict[Key, Line]:
        """The lines of real samples with synthetic ones of models whose gain over real samples is known."""
        return {key: line for key, line in self._all_augmented().items() if key.generator not in self.controls}

    def augmented_by_controls(self) -> dict[Key, Line]:
        """Likewise with those of controls."""
        return {key: line for key, line in self._all_augmented().items() if key.generator in self.controls}

    def _all_augmented(self) -> dict[Key, Line]:
        return {
            key: line
            for key, line in self.lines.items()
            if key.is_augmented and line.over_real and line.over_real[self.primary.name].verdict is not None
        }


def summaries(records: Iterable[PredictionRecord], *, heritability: float | None = None) -> list[Summary]:
    """What a board's records say, a summary a trait.

    Args:
        records: Of one dataset and one scheme of splits; at least one.
        heritability: Of the trait, in (0, 1]; None where it is not known.

    Raises:
        GenobenchError: If there is no record, or they are of several datasets or schemes.
    """
    return [_summary(members, heritability) for _, members in sorted(by_trait(records).items())]


def arm_order(arm: str) -> tuple[int, int]:
    """What arms are sorted by: covariates, real samples, synthetic ones, more and more of these beside real ones, the rarest class."""
    parsed = Arm.parse(arm)
    if arm in {COVARIATES, REAL, SYNTHETIC}:
        return (COVARIATES, REAL, SYNTHETIC).index(arm), 0
    return (4 if parsed.is_minority else 3), parsed.n_times


def _summary(records: Sequence[PredictionRecord], heritability: float | None) -> Summary:
    first = records[0]
    measures = measures_for(first.kind)
    of_classifiers = labels(Named.classifier(record) for record in records)
    of_generators = labels(Named.generator(record) for record in records)
    sides: dict[Key, Side] = defaultdict(dict)
    by_key: dict[Key, list[PredictionRecord]] = defaultdict(list)
    for record in records:
        key = Key(of_classifiers[Named.classifier(record)], of_generators[Named.generator(record)], record.arm)
        sides[key][str(record.split["sha256"]), record.seed] = dict(measure(record, heritability=heritability))
        by_key[key].append(record)
    splits = tuple({str(one.split["sha256"]): one.split for one in sorted(records, key=lambda one: int(one.split["seed"]))}.values())
    scores = tuple(
        label for name in POLYGENIC_SCORES for one, label in of_classifiers.items() if one.name == name and Key(label, "", REAL) in sides
    )
    controls = tuple(sorted({of_generators[Named.generator(record)] for record in records if record.is_control}))
    return Summary(
        dataset=first.dataset,
        dataset_sha256=first.dataset_sha256,
        trait=first.trait,
        kind=first.kind,
        splits=splits,
        n_components=tuple(sorted({record.n_components for record in records})),
        measures=measures,
        classifiers=tuple(sorted({key.classifier for key in sides if key.arm != COVARIATES})),
        generators=tuple(sorted({key.generator for key in sides if key.generator}, key=lambda label: (label in controls, label))),
        controls=controls,
        arms=tuple(sorted({key.arm for key in sides}, key=arm_order)),
        scores=scores,
        lines=_Lines(sides, measures, shared_holdout(splits)).made(scores),
        records={key: tuple(held) for key, held in by_key.items()},
    )


@dataclass(frozen=True)
class _Lines:
    """Measures of all lines, from which each line is made.

    Args:
        sides: The measures of each pair of split and seed, by line.
        measures: The primary one first.
        shared: The share of all samples that is in a holdout.
    """

    sides: Mapping[Key, Side]
    measures: tuple[Measure, ...]
    shared: float

    def made(self, scores: Sequence[str]) -> dict[Key, Line]:
        """Every line, sorted."""
        ordered = sorted(self.sides, key=lambda key: (key.classifier, key.generator, arm_order(key.arm)))
        return {key: self._line(key, scores) for key in ordered}

    def _line(self, key: Key, scores: Sequence[str]) -> Line:
        primary = self.measures[0]
        real = Key(key.classifier, "", REAL) if key.arm not in {REAL, COVARIATES} else None
        covariates = self._covariates(key) if key.arm != COVARIATES else None
        over_scores = {}
        for label in scores:
            other = Key(label, "", REAL)
            if other != key:
                over_scores[label] = gain(self._of(key, primary), self._of(other, primary), measure=primary, shared=self.shared)
        relative = None
        if covariates is not None:
            relative = relative_utility(
                arm=self._of(key, primary),
                real=self._of(Key(key.classifier, "", REAL), primary),
                covariates=self._of(covariates, primary),
                measure=primary,
                shared=self.shared,
            )
        return Line(
            means={one.name: mean_of(self._of(key, one), measure=one, shared=self.shared) for one in self.measures},
            over_real=self._gains(key, real),
            over_covariates=self._gains(key, covariates),
            over_scores=over_scores,
            relative=relative,
        )

    def _covariates(self, key: Key) -> Key | None:
        """Covariates alone: of the same classifier where it has such an arm, else of the classifier that has."""
        found = [other for other in self.sides if other.arm == COVARIATES]
        return next((other for other in found if other.classifier == key.classifier), found[0] if found else None)

    def _gains(self, key: Key, other: Key | None) -> dict[str, Estimate]:
        if other is None or other not in self.sides:
            return {}
        return {one.name: gain(self._of(key, one), self._of(other, one), measure=one, shared=self.shared) for one in self.measures}

    def _of(self, key: Key, one: Measure) -> dict[Pair, Measured]:
        return {pair: values[one.name] for pair, values in self.sides.get(key, {}).items()}
