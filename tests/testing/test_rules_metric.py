"""Each rule for metrics catches the metric that breaks it, and passes the one that does not."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from genobench import Comparison, Metric, Pairwise, Predictions, Score, ScoreSpec, Trait
from genobench.testing import RULES, check_plugin, run_rule, statement
from genobench.testing.rules_metric import MetricSubject

if TYPE_CHECKING:
    from pathlib import Path

SPEC = ScoreSpec(name="mean_gap", summary="difference of mean calls", unit="ALT alleles", direction="lower", ideal=0.0, version=1)
NEAREST = ScoreSpec(name="nearest", summary="mean distance to the nearest", unit="ALT alleles", direction="target", ideal=None, version=1)
DOWN = replace(SPEC, direction="down")  # type: ignore[arg-type]  # the fault on trial
REQUEST = Pairwise("synthetic", "train")


@dataclass(frozen=True)
class Honest(Metric):
    """Keeps every rule; one score is drawn at random, with its noise."""

    family: ClassVar[Any] = "fidelity"
    scores: ClassVar[Any] = (SPEC, NEAREST)

    def needs(self, trait: Trait) -> Any:
        return (REQUEST, Predictions("ridge", "synthetic"))

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        if comparison.synthetic.n_samples < 5:
            return tuple(Score(name, math.nan, reason="Five synthetic samples are needed.") for name in (SPEC.name, NEAREST.name))
        gap = abs(comparison.synthetic.to_array().mean() - comparison.holdout.to_array().mean())
        nearest = comparison.results[REQUEST].min(axis=1)
        drawn = np.random.default_rng(seed).choice(nearest, 30)
        return (Score(SPEC.name, float(gap)), Score(NEAREST.name, float(drawn.mean()), standard_error=float(nearest.std() / np.sqrt(30))))


class Undocumented(Honest):
    pass


@dataclass
class ChangeableSettings(Metric):
    """Breaks a rule."""

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class NoDefault(Metric):
    """Breaks a rule."""

    neighbours: int

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class SetSetting(Honest):
    """Breaks a rule: JSON has no sets."""

    distances: frozenset[str] = frozenset({"manhattan"})


def _declaring(**changes: Any) -> Any:
    """The honest metric with another declaration."""
    return dataclass(frozen=True)(type("Declares", (Honest,), {"__doc__": "Breaks a rule.", **changes}))


@dataclass(frozen=True)
class NeedsHoldout(Honest):
    """Breaks a rule: asks for something that is no request."""

    def needs(self, trait: Trait) -> Any:
        return ("holdout",)


@dataclass(frozen=True)
class AppliesNowhere(Honest):
    """Breaks a rule."""

    def applies_to(self, trait: Trait) -> bool:
        return trait.column == "milk"


@dataclass(frozen=True)
class HalfTheScores(Honest):
    """Breaks a rule."""

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        return super().score(comparison, seed=seed)[:1]


@dataclass(frozen=True)
class Changed(Honest):
    """The honest scores, changed."""

    change: ClassVar[Any]

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        return tuple(type(self).change(score) for score in super().score(comparison, seed=seed))


def _changing(**values: Any) -> Any:
    """A metric whose scores have other values."""
    return dataclass(frozen=True)(
        type("Changes", (Changed,), {"__doc__": "Breaks a rule.", "change": staticmethod(lambda score: replace(score, **values))})
    )


@dataclass(frozen=True)
class GlobalDraw(Honest):
    """Breaks a rule: its bootstrap is not seeded."""

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        noise = np.random.normal()  # noqa: NPY002 - the fault on trial
        return tuple(replace(score, value=score.value + float(noise)) for score in super().score(comparison, seed=seed))


@dataclass(frozen=True)
class FirstSamples(Honest):
    """Breaks a rule: looks at the first ten samples only."""

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        gap, nearest = super().score(comparison, seed=seed)
        first = comparison.synthetic.to_array()[:10].mean() - comparison.holdout.to_array()[:10].mean()
        return (replace(gap, value=float(first)) if gap.reason is None else gap, nearest)


@dataclass(frozen=True)
class SortsDistances(Honest):
    """Breaks a rule: sorts the harness's array in place."""

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        comparison.results[REQUEST].sort(axis=1)
        return super().score(comparison, seed=seed)


@dataclass(frozen=True)
class DropsColumns(Honest):
    """Breaks a rule: changes the table of the holdout."""

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        comparison.holdout.samples["seen"] = True
        return super().score(comparison, seed=seed)


@dataclass(frozen=True)
class NeedsManySamples(Honest):
    """Breaks a rule: raises where it should say why not."""

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        if comparison.synthetic.n_samples < 5:
            raise IndexError("kth(=5) out of bounds (2)")
        return super().score(comparison, seed=seed)


@dataclass(frozen=True)
class DividesByVariance(Honest):
    """Breaks a rule: NaN without a reason where samples are all alike."""

    def score(self, comparison: Comparison, *, seed: int) -> Any:
        gap, nearest = super().score(comparison, seed=seed)
        is_alike = bool((comparison.synthetic.to_array().std(axis=0) == 0).all())
        return (replace(gap, value=math.nan) if is_alike else gap, nearest)


BROKEN = [
    ("is_documented", Undocumented, "no docstring"),
    ("settings_are_a_frozen_dataclass", ChangeableSettings, "can be changed"),
    ("settings_have_defaults", NoDefault, "the setting neighbours has no default"),
    ("settings_survive_json", SetSetting, "cannot be written as JSON"),
    ("scores_are_declared_in_full", _declaring(family="beauty"), "family is 'beauty'"),
    ("scores_are_declared_in_full", _declaring(scores=()), "scores is empty"),
    ("scores_are_declared_in_full", _declaring(scores=("mean_gap",)), "scores holds 'mean_gap'"),
    ("scores_are_declared_in_full", _declaring(scores=(SPEC, SPEC)), "mean_gap is declared twice"),
    ("scores_are_declared_in_full", _declaring(scores=(replace(SPEC, name="Mean gap"),)), "named 'Mean gap'"),
    ("scores_are_declared_in_full", _declaring(scores=(replace(SPEC, unit=" "),)), "the unit ' '"),
    ("scores_are_declared_in_full", _declaring(scores=(DOWN,)), "direction 'down'"),
    ("scores_are_declared_in_full", _declaring(scores=(replace(SPEC, version=0),)), "version 0"),
    ("needs_are_requests", NeedsHoldout, r"needs returned \('holdout',\)"),
    ("applies_to_some_trait", AppliesNowhere, "'ordinal': False"),
    ("declared_scores_are_returned_once", HalfTheScores, r"returned \['mean_gap'\]; declared are \['mean_gap', 'nearest'\]"),
    ("values_are_finite_or_have_a_reason", _changing(value=math.inf), "mean_gap is infinite"),
    ("values_are_finite_or_have_a_reason", _changing(value=math.nan), "mean_gap is nan with the reason None"),
    ("values_are_finite_or_have_a_reason", _changing(reason="Just so."), "with the reason 'Just so.'"),
    ("values_are_finite_or_have_a_reason", _changing(value=np.float32(1)), "a float32; it must be a float"),
    ("noise_is_well_formed", _changing(standard_error=-1.0), r"standard error -1\.0"),
    ("noise_is_well_formed", _changing(standard_error=None, interval=(2.0, 1.0)), r"interval \(2\.0, 1\.0\)"),
    ("noise_is_well_formed", _changing(standard_error=1.0, interval=(1e6, 2e6)), "with the interval"),
    ("some_score_is_a_number", _changing(value=math.nan, reason="Not today."), "every score is NaN, because: Not today."),
    ("same_seed_gives_same_scores", GlobalDraw, "seed 31 gave"),
    ("order_of_samples_does_not_matter", FirstSamples, "in another order"),
    ("comparison_is_not_changed", SortsDistances, r"it raised ValueError: sort array is read-only"),
    ("comparison_is_not_changed", DropsColumns, "score changed holdout"),
    ("global_random_state_is_left_alone", GlobalDraw, r"numpy\.random changed"),
    ("poor_data_give_a_reason", NeedsManySamples, "with two synthetic samples and the quantitative trait, score raised IndexError: kth"),
    ("poor_data_give_a_reason", DividesByVariance, "with synthetic samples all alike and the quantitative trait, mean_gap is nan"),
]


@pytest.mark.parametrize(("rule", "plugin", "message"), BROKEN)
def test_metric_rules__catch_the_plugin_that_breaks_them(rule: str, plugin: Any, message: str, tmp_path: Path) -> None:
    (function,) = (function for function in RULES["metric"] if function.__name__ == rule)
    check = run_rule(function, MetricSubject(plugin=plugin, folder=tmp_path))
    assert not check.ok
    assert f":{plugin.__qualname__} breaks the rule {rule} ({statement(function)}) Found: " in check.message
    assert re.search(message, check.message)


def test_metric_rules__pass_the_honest_metric() -> None:
    assert [check.message for check in check_plugin("metric", Honest) if not check.ok] == []


def test_metric_rules__each_has_a_plugin_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == {rule.__name__ for rule in RULES["metric"]}
