"""What every classifier must do. Each rule is a function of a `ClassifierSubject`; see `genobench.testing.rules`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.contracts import Predictor
from genobench.storage import content_sha256
from genobench.testing.classifier_subject import FIT_SEED, shape_fault, without_traits
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes, permute_samples
from genobench.testing.random_states import disturbed_random_states, global_random_states
from genobench.testing.rules_classifier_input import INPUT_RULES
from genobench.testing.rules_settings import (
    is_documented,
    settings_are_a_frozen_dataclass,
    settings_have_defaults,
    settings_survive_json,
    suggest_gives_valid_settings,
)

if TYPE_CHECKING:
    from genobench.contracts import Trait
    from genobench.genotypes import Genotypes
    from genobench.testing.classifier_subject import ClassifierSubject
    from genobench.testing.rules import Rule

_TOLERANCE: Final = 1e-6


def trait_kinds_are_declared(subject: ClassifierSubject) -> str | None:
    """`trait_kinds` names at least one kind of trait, and only kinds that there are."""
    kinds = subject.plugin.trait_kinds
    unknown = sorted(set(kinds) - set(EXAMPLE_TRAITS))
    if unknown or not kinds:
        return f"trait_kinds is {set(kinds) or '{}'}; the kinds are {', '.join(EXAMPLE_TRAITS)}."
    return None


def fit_gives_a_predictor(subject: ClassifierSubject) -> str | None:
    """`fit` returns a genobench.Predictor for every kind of trait in `trait_kinds`."""
    for kind, predictor in subject.predictors.items():
        if not isinstance(predictor, Predictor):
            return f"for the {kind} trait, fit returned {type(predictor).__name__}."
    return None


def classes_are_those_of_the_trait(subject: ClassifierSubject) -> str | None:
    """`Predictor.classes` holds the classes of the trait, each once; none for a quantitative trait."""
    for trait in subject.traits:
        classes = subject.predictors[trait.kind].classes
        if sorted(classes) != sorted(trait.classes):
            return f"for the {trait.kind} trait, classes is {classes!r}; the trait has {trait.classes!r}."
    return None


def predictions_have_their_shape(subject: ClassifierSubject) -> str | None:
    """`predict` returns finite floats, (n_samples, n_classes), or (n_samples,) for a quantitative trait."""
    for trait in subject.traits:
        predicted = subject.predictors[trait.kind].predict(subject.withheld)
        fault = shape_fault(predicted, trait, subject.withheld.n_samples)
        if fault:
            return fault
    return None


def probabilities_sum_to_one(subject: ClassifierSubject) -> str | None:
    """Class probabilities lie in [0, 1] and sum to one in each row."""
    for trait in subject.traits:
        if trait.kind == "quantitative":
            continue
        predicted = np.asarray(subject.predictors[trait.kind].predict(subject.withheld))
        sums = predicted.sum(axis=1)
        if predicted.min() < 0 or predicted.max() > 1 or np.abs(sums - 1).max() > _TOLERANCE:
            return (
                f"for the {trait.kind} trait, probabilities lie in [{predicted.min():.6g}, {predicted.max():.6g}] "
                f"and their rows sum to [{sums.min():.6g}, {sums.max():.6g}]."
            )
    return None


def columns_follow_the_classes(subject: ClassifierSubject) -> str | None:
    """The columns of `predict` stand in the order of `classes`: on a trait that the calls decide, each is largest in its class."""
    for trait in subject.traits:
        if trait.kind == "quantitative":
            continue
        train = _decided_by_its_calls(subject.train, trait)
        predictor = subject.fit(train, trait)
        predicted = np.asarray(predictor.predict(without_traits(train)))
        codes = np.array([predictor.classes.index(label) for label in train.samples[trait.column]])
        # Averaged over a class, its own column must be at least as large as in the other classes: true of any order-keeping
        # classifier, and of one that predicts the class shares and nothing else.
        means = np.array([predicted[codes == code].mean(axis=0) for code in range(len(predictor.classes))])
        if (np.diag(means) + _TOLERANCE < means.max(axis=0)).any():
            return f"for the {trait.kind} trait, the mean prediction by true class (rows) is {means.round(3).tolist()}."
    return None


def trait_of_the_predicted_is_not_read(subject: ClassifierSubject) -> str | None:
    """Predictions are the same whether or not the samples carry a trait column, whatever stands in it."""
    for trait in subject.traits:
        predictor = subject.predictors[trait.kind]
        expected = predictor.predict(subject.withheld)
        wrong: Any = subject.train.samples[trait.column].to_numpy()[::-1][: subject.withheld.n_samples]
        misled = predictor.predict(subject.withheld.with_samples(subject.withheld.samples.assign(**{trait.column: wrong})))
        if not np.allclose(expected, misled, rtol=0, atol=_TOLERANCE):
            return f"for the {trait.kind} trait, predictions change with the trait column of the samples to be predicted."
    return None


def predictions_go_with_the_sample(subject: ClassifierSubject) -> str | None:
    """The prediction of a sample does not depend on which samples stand beside it, nor in which order."""
    for trait in subject.traits:
        predictor = subject.predictors[trait.kind]
        together = predictor.predict(subject.withheld)
        rows = np.random.default_rng(5).permutation(subject.withheld.n_samples)[:10]
        apart = predictor.predict(subject.withheld.take_samples(rows))
        if not np.allclose(np.asarray(together)[rows], apart, rtol=0, atol=_TOLERANCE):
            return f"for the {trait.kind} trait, ten samples predicted apart have other predictions than among all."
    return None


def same_seed_gives_same_predictions(subject: ClassifierSubject) -> str | None:
    """Two fits with one seed predict the same, whatever the global random state."""
    for trait in subject.traits:
        with disturbed_random_states():
            again = subject.fit(subject.train, trait).predict(subject.withheld)
        if not np.allclose(subject.predictors[trait.kind].predict(subject.withheld), again, rtol=0, atol=_TOLERANCE):
            return f"for the {trait.kind} trait, two fits with seed {FIT_SEED} predict differently."
    return None


def global_random_state_is_left_alone(subject: ClassifierSubject) -> str | None:
    """Neither `fit` nor `predict` uses or seeds the global random state of random, numpy or torch."""
    for trait in subject.traits:
        with disturbed_random_states():
            before = global_random_states()
            subject.fit(subject.train, trait).predict(subject.withheld)
            after = global_random_states()
        changed = [library for library, state in before.items() if after[library] != state]
        if changed:
            return f"the global state of {', '.join(changed)} changed; make a generator from the seed, or fork torch's."
    return None


def samples_are_not_changed(subject: ClassifierSubject) -> str | None:
    """`fit` and `predict` leave the samples as they were."""
    before = content_sha256(subject.train), content_sha256(subject.withheld)
    for trait in subject.traits:
        subject.fit(subject.train, trait).predict(subject.withheld)
    if (content_sha256(subject.train), content_sha256(subject.withheld)) != before:
        return "the content hash of the samples differs before and after."
    return None


def missing_and_constant_calls_are_accepted(subject: ClassifierSubject) -> str | None:
    """Calls may be missing, and variants constant, in training and in prediction."""
    samples = permute_samples(example_genotypes(n_samples=96, n_constant=6, missing_share=0.1), seed=3)
    train, withheld = samples.take_samples(np.arange(72)), without_traits(samples.take_samples(np.arange(72, 96)))
    for trait in subject.traits:
        fault = shape_fault(subject.fit(train, trait).predict(withheld), trait, withheld.n_samples)
        if fault:
            return fault
    return None


def _decided_by_its_calls(genotypes: Genotypes, trait: Trait) -> Genotypes:
    """The trait's classes given by the rank of the number of ALT alleles that a sample carries."""
    load = genotypes.to_array().sum(axis=1)
    ranks = np.argsort(np.argsort(load, kind="stable"), kind="stable")
    labels = np.array(trait.classes, dtype=object)[ranks * len(trait.classes) // genotypes.n_samples]
    return genotypes.with_samples(genotypes.samples.assign(**{trait.column: labels}))


CLASSIFIER_RULES: Final[tuple[Rule, ...]] = (
    is_documented,
    settings_are_a_frozen_dataclass,
    settings_have_defaults,
    settings_survive_json,
    suggest_gives_valid_settings,
    trait_kinds_are_declared,
    fit_gives_a_predictor,
    classes_are_those_of_the_trait,
    predictions_have_their_shape,
    probabilities_sum_to_one,
    columns_follow_the_classes,
    trait_of_the_predicted_is_not_read,
    predictions_go_with_the_sample,
    same_seed_gives_same_predictions,
    global_random_state_is_left_alone,
    samples_are_not_changed,
    missing_and_constant_calls_are_accepted,
    *INPUT_RULES,
)
"""The rules, cheap ones first."""
