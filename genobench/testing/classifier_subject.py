"""A classifier on trial: what it is fitted on and asked about, and whether what it gives has the right shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.contracts import FitContext, Predictor
from genobench.settings import with_settings
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes
from genobench.testing.rules import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from genobench.contracts import Classifier, Trait, TraitKind
    from genobench.genotypes import Genotypes

FIT_SEED: Final = 11


@dataclass(frozen=True, eq=False)
class ClassifierSubject(Subject):
    """A classifier on trial, with samples to learn from and to predict."""

    @cached_property
    def train(self) -> Genotypes:
        """96 samples of 16 families, every trait known."""
        return example_genotypes(n_samples=132).take_samples(np.arange(96))

    @cached_property
    def withheld(self) -> Genotypes:
        """36 further samples without their traits."""
        return without_traits(example_genotypes(n_samples=132).take_samples(np.arange(96, 132)))

    @cached_property
    def predictors(self) -> dict[TraitKind, Any]:
        """What `fit` made of `train`, by kind of trait: a Predictor each, if the plugin keeps the rules."""
        return {trait.kind: self.fit(self.train, trait) for trait in self.traits}

    @property
    def traits(self) -> Iterator[Trait]:
        """An example trait of each kind that the classifier says it takes."""
        return (trait for kind, trait in EXAMPLE_TRAITS.items() if kind in self.plugin.trait_kinds)

    def fit(self, train: Genotypes, trait: Trait) -> Predictor:
        """Fit the classifier on `train`."""
        classifier: Classifier = with_settings(self.plugin, self.settings)
        return classifier.fit(train, FitContext(trait=trait, seed=FIT_SEED, device=self.device, folder=self.new_folder()))


def shape_fault(predicted: NDArray[np.float64], trait: Trait, n_samples: int) -> str | None:
    """What is wrong with predictions of a trait; None where nothing is."""
    expected = (n_samples,) if trait.kind == "quantitative" else (n_samples, len(trait.classes))
    if not isinstance(predicted, np.ndarray) or predicted.shape != expected:
        return f"for the {trait.kind} trait, predict returned shape {np.shape(predicted)}; it must be {expected}."
    if not np.issubdtype(predicted.dtype, np.floating):
        return f"for the {trait.kind} trait, predict returned {predicted.dtype}; it must be float."
    if not np.isfinite(predicted).all():
        return f"for the {trait.kind} trait, {int((~np.isfinite(predicted)).sum())} predictions are not finite."
    return None


def without_traits(genotypes: Genotypes) -> Genotypes:
    """The samples as the harness shows them to a predictor: their ids and the covariates of the traits, without traits and families."""
    shown = ["id", *dict.fromkeys(name for trait in EXAMPLE_TRAITS.values() for name in trait.covariates)]
    return genotypes.with_samples(genotypes.samples[shown])
