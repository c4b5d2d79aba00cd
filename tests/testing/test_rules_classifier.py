"""Each rule for classifiers catches the classifier that breaks it, and passes the one that does not."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from genobench import Classifier, DatasetError, FitContext, Genotypes, Predictor, Trait, Trial
from genobench.testing import RULES, check_plugin, run_rule, statement
from genobench.testing.classifier_subject import ClassifierSubject

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LoadPredictor(Predictor):
    """One number a sample, its ALT alleles; classes are the nearest of their means, softly."""

    trait: Trait
    centres: NDArray[np.float64]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.trait.classes

    def predict(self, genotypes: Genotypes) -> Any:
        calls = genotypes.to_array()
        load = np.where(calls < 0, 1, calls).sum(axis=1).astype(np.float64)
        if self.trait.kind == "quantitative":
            return load
        closeness = np.exp(-np.abs(load[:, None] - self.centres) / 10)
        return closeness / closeness.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Honest(Classifier):
    """Keeps every rule."""

    predictor: ClassVar[Any] = LoadPredictor

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        calls = train.to_array()
        load = np.where(calls < 0, 1, calls).sum(axis=1)
        labels = train.samples[context.trait.column]
        if labels.nunique() < 2:
            raise DatasetError(f"The trait '{context.trait.column}' says nothing.")
        # A class that is absent is infinitely far away.
        far = {label: load[labels == label].mean() if (labels == label).any() else np.inf for label in context.trait.classes}
        return self.predictor(context.trait, np.array(list(far.values())))


class Undocumented(Honest):
    pass


@dataclass
class ChangeableSettings(Classifier):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class NoDefault(Classifier):
    """Breaks a rule."""

    strength: float

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class NanSetting(Honest):
    """Breaks a rule: JSON has no NaN."""

    strength: float = float("nan")


@dataclass(frozen=True)
class SuggestsDownwards(Honest):
    """Breaks a rule: the upper end comes first."""

    strength: float = 1.0

    @classmethod
    def suggest(cls, trial: Trial) -> Any:
        return cls(strength=trial.suggest_float("strength", 2.0, 1.0))


@dataclass(frozen=True)
class UnknownKind(Honest):
    """Breaks a rule."""

    trait_kinds: ClassVar[Any] = frozenset({"quantitative", "survival"})


@dataclass(frozen=True)
class NoKind(Honest):
    """Breaks a rule."""

    trait_kinds: ClassVar[Any] = frozenset()


@dataclass(frozen=True)
class FitsNothing(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        return None


@dataclass(frozen=True)
class CountsOnEveryTrait(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        if 0 < train.samples[context.trait.column].isna().sum() < train.n_samples:
            raise ValueError("Input contains NaN.")
        return super().fit(train, context)


@dataclass(frozen=True)
class LearnsFromNothing(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        return self.predictor(context.trait, np.zeros(len(context.trait.classes)))


@dataclass(frozen=True)
class CountsOnSex(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        train.samples["sex"].to_numpy()
        return super().fit(train, context)


@dataclass(frozen=True)
class AllowsForAbsentClasses(Honest):
    """Breaks a rule: every class has some chance."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        found = super().fit(train, context)
        return self.predictor(found.trait, np.where(np.isinf(found.centres), 60.0, found.centres))


@dataclass(frozen=True)
class TakesFewVariants(Honest):
    """Breaks a rule."""

    def fit(self, train: Genotypes, context: FitContext) -> Any:
        if train.n_variants > 1_000:
            raise ValueError("Too many variants.")
        return super().fit(train, context)


class NoClasses(LoadPredictor):
    @property
    def classes(self) -> tuple[str, ...]:
        return ()


class SwapsClasses(LoadPredictor):
    """Its columns stand in another order than it says."""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.trait.classes[::-1]


class OneColumn(LoadPredictor):
    def predict(self, genotypes: Genotypes) -> Any:
        return np.atleast_2d(super().predict(genotypes).T).T[:, :1]


class PredictsNan(LoadPredictor):
    def predict(self, genotypes: Genotypes) -> Any:
        predicted = super().predict(genotypes)
        predicted[3] = np.nan
        return predicted


class PredictsWhole(LoadPredictor):
    def predict(self, genotypes: Genotypes) -> Any:
        return np.rint(super().predict(genotypes)).astype(int)


class PredictsScores(LoadPredictor):
    def predict(self, genotypes: Genotypes) -> Any:
        return super().predict(genotypes) * 2


class ReadsTheTrait(LoadPredictor):
    def predict(self, genotypes: Genotypes) -> Any:
        predicted = super().predict(genotypes)
        if self.trait.column in genotypes.samples and self.trait.kind == "quantitative":
            return genotypes.samples[self.trait.column].to_numpy(dtype=np.float64)
        return predicted


class CentresTheBatch(LoadPredictor):
    def predict(self, genotypes: Genotypes) -> Any:
        predicted = super().predict(genotypes)
        return predicted - predicted.mean() if predicted.ndim == 1 else predicted


class DrawsGlobally(LoadPredictor):
    def predict(self, genotypes: Genotypes) -> Any:
        noise = random.random()  # noqa: S311 - the fault on trial
        return super().predict(genotypes) * (1 + 1e-3 * noise * (self.trait.kind == "quantitative"))


class OverwritesSamples(LoadPredictor):
    def predict(self, genotypes: Genotypes) -> Any:
        genotypes.samples["sex"] = "unknown"
        return super().predict(genotypes)


class CountsMissing(LoadPredictor):
    def predict(self, genotypes: Genotypes) -> Any:
        if (genotypes.to_array() < 0).any():
            raise ValueError("Input contains NaN.")
        return super().predict(genotypes)


def _with_predictor(broken: type[LoadPredictor]) -> Any:
    """The honest classifier with a broken predictor."""
    return dataclass(frozen=True)(type(f"With{broken.__name__}", (Honest,), {"predictor": broken, "__doc__": "Breaks a rule."}))


BROKEN = [
    ("is_documented", Undocumented, "no docstring"),
    ("settings_are_a_frozen_dataclass", ChangeableSettings, "can be changed"),
    ("settings_have_defaults", NoDefault, "the setting strength has no default"),
    ("settings_survive_json", NanSetting, "cannot be written as JSON"),
    ("suggest_gives_valid_settings", SuggestsDownwards, r"'strength' in \[2\.0, 1\.0\]"),
    ("trait_kinds_are_declared", UnknownKind, "survival"),
    ("trait_kinds_are_declared", NoKind, "trait_kinds is {}"),
    ("fit_gives_a_predictor", FitsNothing, "for the quantitative trait, fit returned NoneType"),
    ("classes_are_those_of_the_trait", _with_predictor(NoClasses), r"classes is \(\); the trait has \('red', 'white'\)"),
    ("predictions_have_their_shape", _with_predictor(OneColumn), r"shape \(36, 1\); it must be \(36,\)"),
    ("predictions_have_their_shape", _with_predictor(PredictsNan), "1 predictions are not finite"),
    ("predictions_have_their_shape", _with_predictor(PredictsWhole), "int64; it must be float"),
    ("probabilities_sum_to_one", _with_predictor(PredictsScores), r"sum to \[2, 2\]"),
    ("columns_follow_the_classes", _with_predictor(SwapsClasses), "for the categorical trait, the mean prediction by true class"),
    ("trait_of_the_predicted_is_not_read", _with_predictor(ReadsTheTrait), "change with the trait column"),
    ("predictions_go_with_the_sample", _with_predictor(CentresTheBatch), "ten samples predicted apart"),
    ("same_seed_gives_same_predictions", _with_predictor(DrawsGlobally), "two fits with seed 11"),
    ("global_random_state_is_left_alone", _with_predictor(DrawsGlobally), "the global state of random changed"),
    ("samples_are_not_changed", _with_predictor(OverwritesSamples), "content hash"),
    ("missing_and_constant_calls_are_accepted", _with_predictor(CountsMissing), "Input contains NaN"),
    ("samples_without_the_trait_are_left_out", CountsOnEveryTrait, "it raised ValueError: Input contains NaN"),
    ("a_trait_without_content_is_a_dataset_error", LearnsFromNothing, "accepts a quantitative trait that is missing in all"),
    ("absent_covariates_are_a_dataset_error", CountsOnSex, "it raised KeyError: 'sex'"),
    ("a_class_absent_from_training_has_no_chance", AllowsForAbsentClasses, "'medium', absent from training, has probabilities up to"),
    ("variants_may_far_outnumber_samples", TakesFewVariants, "it raised ValueError: Too many variants"),
]


@pytest.mark.parametrize(("rule", "plugin", "message"), BROKEN)
def test_classifier_rules__catch_the_plugin_that_breaks_them(rule: str, plugin: Any, message: str, tmp_path: Path) -> None:
    (function,) = (function for function in RULES["classifier"] if function.__name__ == rule)
    check = run_rule(function, ClassifierSubject(plugin=plugin, folder=tmp_path))
    assert not check.ok
    assert f":{plugin.__qualname__} breaks the rule {rule} ({statement(function)}) Found: " in check.message
    assert re.search(message, check.message)


def test_classifier_rules__pass_the_honest_classifier() -> None:
    assert [check.message for check in check_plugin("classifier", Honest) if not check.ok] == []


def test_classifier_rules__each_has_a_plugin_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == {rule.__name__ for rule in RULES["classifier"]}
