"""What every classifier must do with samples that lack something: traits, classes, covariates, or nearly all samples.

Each rule is a function of a `ClassifierSubject`; see `genobench.testing.rules`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.errors import DatasetError
from genobench.testing.classifier_subject import shape_fault, without_traits
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

if TYPE_CHECKING:
    from genobench.contracts import Trait
    from genobench.genotypes import Genotypes
    from genobench.testing.classifier_subject import ClassifierSubject
    from genobench.testing.rules import Rule

_MOST_CHANCE: Final = 1e-9
_FEW_SAMPLES: Final = 30
_VARIANTS_PER_SAMPLE: Final = 100


def samples_without_the_trait_are_left_out(subject: ClassifierSubject) -> str | None:
    """A trait may be missing in some training samples; the others suffice."""
    for trait in subject.traits:
        known = subject.train.samples[trait.column].where(np.arange(subject.train.n_samples) % 3 > 0)
        predictor = subject.fit(_with_trait(subject.train, trait, known), trait)
        fault = shape_fault(predictor.predict(subject.withheld), trait, subject.withheld.n_samples)
        if fault:
            return f"with the trait missing in a third of the training samples, {fault}"
    return None


def a_trait_without_content_is_a_dataset_error(subject: ClassifierSubject) -> str | None:
    """Where the trait is missing in all training samples, or the same in all, `fit` raises DatasetError."""
    for trait in subject.traits:
        same = 1.0 if trait.kind == "quantitative" else trait.classes[0]
        for what, values in (("missing", np.nan if trait.kind == "quantitative" else None), (f"{same!r}", same)):
            try:
                subject.fit(_with_trait(subject.train, trait, values), trait)
            except DatasetError:
                continue
            return f"fit accepts a {trait.kind} trait that is {what} in all training samples."
    return None


def absent_covariates_are_a_dataset_error(subject: ClassifierSubject) -> str | None:
    """Samples without a covariate of the trait are refused with DatasetError, or fitted and predicted without it."""
    bare = subject.withheld.with_samples(subject.withheld.samples[["id"]])
    for trait in subject.traits:
        train = subject.train.with_samples(subject.train.samples.drop(columns=list(trait.covariates)))
        for predictor_of in (
            lambda train=train, trait=trait: subject.fit(train, trait),
            lambda trait=trait: subject.predictors[trait.kind],
        ):
            try:
                predicted = predictor_of().predict(bare)
            except DatasetError:
                continue
            fault = shape_fault(predicted, trait, bare.n_samples)
            if fault:
                return f"without the covariate {trait.covariates[0]}, {fault}"
    return None


def a_class_absent_from_training_has_no_chance(subject: ClassifierSubject) -> str | None:
    """A class of the trait that no training sample has stays among the classes, with probability 0."""
    example = EXAMPLE_TRAITS["ordinal"]
    train = subject.train.take_samples(np.flatnonzero(subject.train.samples[example.column] != example.classes[1]))
    for kind in ("categorical", "ordinal"):
        if kind not in subject.plugin.trait_kinds:
            continue
        trait = replace(example, kind=kind)
        predictor = subject.fit(train, trait)
        predicted = predictor.predict(subject.withheld)
        fault = shape_fault(predicted, trait, subject.withheld.n_samples)
        if fault:
            return f"with '{example.classes[1]}' absent from training, {fault}"
        most = predicted[:, predictor.classes.index(example.classes[1])].max()
        if most > _MOST_CHANCE:
            return f"for the {kind} trait, the class '{example.classes[1]}', absent from training, has probabilities up to {most:.3g}."
    return None


def variants_may_far_outnumber_samples(subject: ClassifierSubject) -> str | None:
    """A hundred variants for each training sample are accepted."""
    wide = example_genotypes(n_samples=_FEW_SAMPLES + 6, n_variants=_FEW_SAMPLES * _VARIANTS_PER_SAMPLE)
    train, withheld = wide.take_samples(np.arange(_FEW_SAMPLES)), without_traits(wide.take_samples(np.arange(_FEW_SAMPLES, wide.n_samples)))
    for trait in subject.traits:
        fault = shape_fault(subject.fit(train, trait).predict(withheld), trait, withheld.n_samples)
        if fault:
            return fault
    return None


def _with_trait(genotypes: Genotypes, trait: Trait, values: Any) -> Genotypes:
    return genotypes.with_samples(genotypes.samples.assign(**{trait.column: values}))


INPUT_RULES: Final[tuple[Rule, ...]] = (
    samples_without_the_trait_are_left_out,
    a_trait_without_content_is_a_dataset_error,
    absent_covariates_are_a_dataset_error,
    a_class_absent_from_training_has_no_chance,
    variants_may_far_outnumber_samples,
)
