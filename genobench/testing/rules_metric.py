"""What every metric must do. Each rule is a function of a `MetricSubject`; see `genobench.testing.rules`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, get_args

from genobench.calls import PackedCalls
from genobench.contracts import PARTS, Components, Direction, Pairwise, Predictions, Score, ScoreFamily, ScoreSpec
from genobench.settings import with_settings
from genobench.storage import content_sha256
from genobench.testing.examples import EXAMPLE_TRAITS, answer_requests, example_comparison, permute_samples
from genobench.testing.random_states import disturbed_random_states, global_random_states
from genobench.testing.rules import Subject
from genobench.testing.rules_settings import (
    is_documented,
    settings_are_a_frozen_dataclass,
    settings_have_defaults,
    settings_survive_json,
)

if TYPE_CHECKING:
    from genobench.contracts import Comparison, Metric, TraitKind
    from genobench.testing.rules import Rule

_SEED: Final = 31
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_TOLERANCE: Final = 1e-6
_N_STANDARD_ERRORS: Final = 4.0
_WIDTH_IN_STANDARD_ERRORS: Final = 2 * 1.959964
"""A normal 95 % interval is this many standard errors wide."""


@dataclass(frozen=True, eq=False)
class MetricSubject(Subject):
    """A metric on trial, with comparisons to score."""

    @cached_property
    def metric(self) -> Metric:
        """The metric, with the subject's settings."""
        made: Metric = with_settings(self.plugin, self.settings)
        return made

    @cached_property
    def comparisons(self) -> dict[TraitKind, Comparison]:
        """A comparison of 64 train, 48 holdout, 32 nonmembers and 48 synthetic samples for each kind of trait it applies to."""
        return {kind: self.answered(example_comparison(kind)) for kind, trait in EXAMPLE_TRAITS.items() if self.metric.applies_to(trait)}

    @cached_property
    def scores(self) -> dict[TraitKind, Any]:
        """What `score` made of `comparisons`: tuples of Score, if the plugin keeps the rules."""
        return {kind: self.metric.score(comparison, seed=_SEED) for kind, comparison in self.comparisons.items()}

    def answered(self, comparison: Comparison) -> Comparison:
        """The comparison with what the metric needs."""
        return answer_requests(comparison, self.metric.needs(comparison.trait))


def scores_are_declared_in_full(subject: MetricSubject) -> str | None:
    """`family` and `scores` are declared on the class; each score has a name, a summary, a unit, a direction and a version."""
    if getattr(subject.plugin, "family", None) not in get_args(ScoreFamily):
        return f"family is {getattr(subject.plugin, 'family', None)!r}; it must be one of {', '.join(get_args(ScoreFamily))}."
    specs = getattr(subject.plugin, "scores", ())
    if not specs:
        return "scores is empty; declare a genobench.ScoreSpec for each number."
    for spec in specs:
        fault = _spec_fault(spec)
        if fault:
            return fault
    names = [spec.name for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"the score {', '.join(twice)} is declared twice."
    return None


def needs_are_requests(subject: MetricSubject) -> str | None:
    """`needs` returns a tuple of requests (genobench.Pairwise, Components or Predictions), the same each time."""
    for trait in EXAMPLE_TRAITS.values():
        needs = subject.metric.needs(trait)
        if not isinstance(needs, tuple) or not all(isinstance(request, (Pairwise, Components, Predictions)) for request in needs):
            return f"for a {trait.kind} trait, needs returned {needs!r}."
        if subject.metric.needs(trait) != needs:
            return f"for a {trait.kind} trait, needs returned {needs!r} once and {subject.metric.needs(trait)!r} then."
    return None


def applies_to_some_trait(subject: MetricSubject) -> str | None:
    """`applies_to` returns True or False, and True for at least one kind of trait."""
    answers = {kind: subject.metric.applies_to(trait) for kind, trait in EXAMPLE_TRAITS.items()}
    if not all(isinstance(answer, bool) for answer in answers.values()) or not any(answers.values()):
        return f"applies_to returned {answers}."
    return None


def declared_scores_are_returned_once(subject: MetricSubject) -> str | None:
    """`score` returns every declared score once, and no other."""
    declared = sorted(spec.name for spec in subject.plugin.scores)
    for kind, scores in subject.scores.items():
        if not isinstance(scores, tuple) or not all(isinstance(score, Score) for score in scores):
            return f"for the {kind} trait, score returned {scores!r}; it must return a tuple of genobench.Score."
        returned = sorted(score.name for score in scores)
        if returned != declared:
            return f"for the {kind} trait, score returned {returned}; declared are {declared}."
    return None


def values_are_finite_or_have_a_reason(subject: MetricSubject) -> str | None:
    """A value is a finite float, or NaN with a reason; only NaN has a reason."""
    for kind, scores in subject.scores.items():
        for score in scores:
            if not isinstance(score.value, float):
                return f"for the {kind} trait, {score.name} is {score.value!r}, a {type(score.value).__name__}; it must be a float."
            if math.isinf(score.value):
                return f"for the {kind} trait, {score.name} is infinite; return NaN with a reason."
            if math.isnan(score.value) != bool(score.reason):
                return f"for the {kind} trait, {score.name} is {score.value} with the reason {score.reason!r}."
    return None


def noise_is_well_formed(subject: MetricSubject) -> str | None:
    """A standard error is finite and not negative; an interval's ends are finite and in order and hold the value."""
    for kind, scores in subject.scores.items():
        for score in scores:
            error, interval = score.standard_error, score.interval
            if error is not None and not (math.isfinite(error) and error >= 0):
                return f"for the {kind} trait, {score.name} has the standard error {error}."
            if interval is not None and not (all(math.isfinite(end) for end in interval) and interval[0] <= score.value <= interval[1]):
                return f"for the {kind} trait, {score.name} is {score.value} with the interval {interval}."
    return None


def some_score_is_a_number(subject: MetricSubject) -> str | None:
    """On the example comparison (48 holdout samples, 60 variants, no call missing) at least one score is a number."""
    if all(math.isnan(score.value) for scores in subject.scores.values() for score in scores):
        reasons = sorted({str(score.reason) for scores in subject.scores.values() for score in scores})
        return f"every score is NaN, because: {' '.join(reasons)}"
    return None


def same_seed_gives_same_scores(subject: MetricSubject) -> str | None:
    """`score` with one seed gives the same scores each time, whatever the global random state."""
    for kind, comparison in subject.comparisons.items():
        with disturbed_random_states():
            again = subject.metric.score(comparison, seed=_SEED)
        first = {score.name: repr(score) for score in subject.scores[kind]}
        for score in again:
            if first.get(score.name) != repr(score):
                return f"for the {kind} trait, seed {_SEED} gave {first.get(score.name)}, then {score!r}."
    return None


def order_of_samples_does_not_matter(subject: MetricSubject) -> str | None:
    """Reordering the samples of each part leaves the values; values that are drawn at random move within their noise."""
    for kind, comparison in subject.comparisons.items():
        reordered: Any = {part: permute_samples(comparison.part(part), seed=place) for place, part in enumerate(PARTS)}
        after = {
            score.name: score for score in subject.metric.score(subject.answered(replace(comparison, results={}, **reordered)), seed=_SEED)
        }
        other_seed = {score.name: score for score in subject.metric.score(comparison, seed=_SEED + 1)}
        for before in subject.scores[kind]:
            moved = abs(before.value - after[before.name].value)
            if moved > _allowed_move(before, other_seed[before.name]):
                return f"for the {kind} trait, {before.name} was {before.value:.8g}, and {after[before.name].value:.8g} in another order."
    return None


def comparison_is_not_changed(subject: MetricSubject) -> str | None:
    """`score` leaves the comparison as it was: calls, tables and the results of the requests."""
    for kind, comparison in subject.comparisons.items():
        before = _fingerprint(comparison)
        subject.metric.score(comparison, seed=_SEED)
        changed = [name for name, print_ in _fingerprint(comparison).items() if before[name] != print_]
        if changed:
            return f"for the {kind} trait, score changed {', '.join(changed)}."
    return None


def global_random_state_is_left_alone(subject: MetricSubject) -> str | None:
    """`score` neither uses nor seeds the global random state of random, numpy or torch."""
    for comparison in subject.comparisons.values():
        with disturbed_random_states():
            before = global_random_states()
            subject.metric.score(comparison, seed=_SEED)
            after = global_random_states()
        changed = [library for library, state in before.items() if after[library] != state]
        if changed:
            return f"the global state of {', '.join(changed)} changed; make a generator from the seed."
    return None


def poor_data_give_a_reason(subject: MetricSubject) -> str | None:
    """Two synthetic samples, missing calls and constant variants give a score or NaN with a reason, never an exception."""
    for kind in subject.comparisons:
        poor = {
            "two synthetic samples": example_comparison(kind, n_synthetic=2),
            "a tenth of the calls missing": example_comparison(kind, missing_share=0.1),
            "six constant variants": example_comparison(kind, n_constant=6),
            "synthetic samples all alike": _all_alike(example_comparison(kind)),
        }
        for condition, comparison in poor.items():
            try:
                scores = subject.metric.score(subject.answered(comparison), seed=_SEED)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything
                return f"with {condition} and the {kind} trait, score raised {type(error).__name__}: {error}"
            for score in scores:
                if math.isnan(score.value) != bool(score.reason) or math.isinf(score.value):
                    return f"with {condition} and the {kind} trait, {score.name} is {score.value} with the reason {score.reason!r}."
    return None


def _spec_fault(spec: object) -> str | None:
    if not isinstance(spec, ScoreSpec):
        return f"scores holds {spec!r}; it must hold genobench.ScoreSpec objects."
    if not _NAME.fullmatch(spec.name):
        return f"a score is named {spec.name!r}; a name is lower-case letters, digits and underscores."
    if not spec.summary.strip() or not spec.unit.strip():
        return f"the score {spec.name} has the summary {spec.summary!r} and the unit {spec.unit!r}; neither may be empty."
    if spec.direction not in get_args(Direction):
        return f"the score {spec.name} has the direction {spec.direction!r}; it must be one of {', '.join(get_args(Direction))}."
    if isinstance(spec.version, bool) or not isinstance(spec.version, int) or spec.version < 1:
        return f"the score {spec.name} has the version {spec.version!r}; versions are whole numbers from 1."
    return None


def _allowed_move(score: Score, other_seed: Score) -> float:
    """How far a value may move when samples change places: not at all if it is the same with another seed, else within its noise."""
    exact = _TOLERANCE * max(1.0, abs(score.value))
    if score.value == other_seed.value:
        return exact
    error = score.standard_error or 0.0
    if score.interval is not None:
        error = (score.interval[1] - score.interval[0]) / _WIDTH_IN_STANDARD_ERRORS
    return exact + _N_STANDARD_ERRORS * max(error, abs(score.value - other_seed.value))


def _fingerprint(comparison: Comparison) -> dict[str, str]:
    prints: dict[str, str] = {part: content_sha256(comparison.part(part)) for part in PARTS}
    for request, result in comparison.results.items():
        values: tuple[Any, ...] = (result,)
        if isinstance(request, Predictions):
            values = (result.truth, result.predicted)
        elif isinstance(request, Components):
            values = tuple(result.values())
        prints[f"the result of {request}"] = repr([value.tolist() for value in values])
    return prints


def _all_alike(comparison: Comparison) -> Comparison:
    synthetic = comparison.synthetic
    calls = PackedCalls(packed=synthetic.calls.packed[:1].repeat(synthetic.n_samples, axis=0), n_variants=synthetic.n_variants)
    return replace(comparison, synthetic=replace(synthetic, calls=calls))


METRIC_RULES: Final[tuple[Rule, ...]] = (
    is_documented,
    settings_are_a_frozen_dataclass,
    settings_have_defaults,
    settings_survive_json,
    scores_are_declared_in_full,
    needs_are_requests,
    applies_to_some_trait,
    declared_scores_are_returned_once,
    values_are_finite_or_have_a_reason,
    noise_is_well_formed,
    some_score_is_a_number,
    same_seed_gives_same_scores,
    order_of_samples_does_not_matter,
    comparison_is_not_changed,
    global_random_state_is_left_alone,
    poor_data_give_a_reason,
)
"""The rules, cheap ones first."""
