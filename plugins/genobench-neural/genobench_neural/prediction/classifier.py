"""What the neural classifiers share: their settings, how they are fitted, and how they predict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import torch

from genobench import Classifier, DatasetError, Predictor, check_below, check_lowest, check_positive, check_share
from genobench_neural.checkpoints import fit_identity
from genobench_neural.optimising import checked_device
from genobench_neural.prediction.committee import Committee, Course, train_committee
from genobench_neural.prediction.inputs import Inputs
from genobench_neural.prediction.linear_part import Lesson, fit_linear
from genobench_neural.prediction.targets import NetworkTarget

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from genobench import FitContext, Genotypes, Trial
    from genobench_neural.prediction.linear_part import LinearFit, LinearPart

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NetworkPredictor(Predictor):
    """A linear part and a committee of networks.

    Args:
        target: What they predict.
        inputs: What they see.
        linear: The linear part.
        committee: What is added to it.
    """

    target: NetworkTarget
    inputs: Inputs
    linear: LinearPart
    committee: Committee

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes of the trait, in order; empty for a quantitative trait."""
        return self.target.classes

    def predict(self, genotypes: Genotypes) -> Floats:
        """Values, shape (n_samples,), or class probabilities as if classes were equally frequent, shape (n_samples, n_classes).

        Raises:
            DatasetError: If the samples lack a covariate.
        """
        samples = self.inputs.samples(genotypes, torch.device("cpu"))
        return self.target.predicted(self.linear.raw(self.target, self.inputs, samples) + self.committee.scores(samples))


@dataclass(frozen=True)
class NetworkClassifier(Classifier, ABC):
    """A linear part and a committee of small networks: what the neural classifiers share; their classes say what the settings are.

    A thousand samples and thousands of variants suffice for a linear model and hardly for more, so that a network begins with what a
    linear model leaves. The linear part is fitted first and exactly (`linear_part`); networks learn from calls and covariates what is to
    be added to what it says of samples that it was not fitted on (folds of whole families). Without validation samples each network
    leaves out a fold, which says when it stops (a cross-validated committee, Krogh and Vedelsby 1995); with ten or more, each learns from
    all training samples, with a seed of its own, and these say when. What is added is the networks' mean times the share, from 0 to 1,
    that helped the samples that judge.

    Classes weigh the same in every loss, however many samples they have. Ordinal classes have cumulative log odds (McCullagh 1980) with
    one score. Samples without a phenotype are left out. Where no variant varies, or the samples are too few for two folds that differ in
    the trait, there are no networks.
    """

    linear_part: Literal["calls", "covariates"] = "calls"
    n_members: int = 3
    max_epochs: int = 40
    patience: int = 5
    batch_size: int = 64
    n_hidden: int = 32
    dropout: float = 0.5
    learning_rate: float = 1e-3
    weight_decay: float = 0.1

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        ones = dict.fromkeys(("max_epochs", "patience", "n_hidden"), 1)
        check_lowest(self, {**ones, "n_members": 2, "batch_size": 2, "weight_decay": 0})
        check_positive(self, ("learning_rate",))
        check_share(self, ("dropout",))
        check_below(self, {"dropout": 1})

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """What matters most: how large, how fast, how much is held back."""
        return cls(
            n_hidden=trial.suggest_int("n_hidden", 8, 128, log=True),
            dropout=trial.suggest_float("dropout", 0.0, 0.8),
            learning_rate=trial.suggest_float("learning_rate", cls.learning_rate / 10, cls.learning_rate * 10, log=True),
            weight_decay=trial.suggest_float("weight_decay", 0.01, 10.0, log=True),
        )

    @abstractmethod
    def network(self, inputs: Inputs, *, n_out: int, random: torch.Generator) -> nn.Module:
        """A network from `Samples` to scores, shape (n_samples, n_out), that says 0 before it is trained.

        Args:
            inputs: What it sees.
            n_out: Scores a sample.
            random: Draws weights and dropout; the network lies on its device.
        """

    def fit(self, train: Genotypes, context: FitContext) -> NetworkPredictor:
        """Fit on the samples whose phenotype is known.

        Raises:
            DatasetError: If a column is absent, no phenotype is known, all are alike, a class is unknown, or there is neither a variant
                that varies nor a covariate.
            GenobenchError: If the device is not there, a loss becomes no number, or memory is short.
        """
        device = checked_device(context.device)
        target = NetworkTarget.fit(train, context.trait)
        known = target.known(train)
        inputs = Inputs.fit(known, context.trait, n_components=context.n_components)
        if not inputs.n_variants and not inputs.covariates.width:
            raise DatasetError(
                f"None of the {known.n_variants} variants varies among the {known.n_samples} training samples with a known "
                f"'{context.trait.column}', and no covariate does."
            )
        lesson = Lesson.of(inputs.samples(known, device), target, target.numbers(known))
        folds = target.folds(known, n_folds=self.n_members, seed=context.seed)
        has_calls = self.linear_part == "calls" and inputs.n_variants > 0
        linear = fit_linear(lesson, target, inputs, folds=folds, has_calls=has_calls)
        validation = target.validation(context)
        judge = None if validation is None else Lesson.of(inputs.samples(validation, device), target, target.numbers(validation))
        place = _least_loss(linear, lesson, target, inputs, judge)
        courses = _courses(linear, place, lesson, target, inputs, folds=folds, judge=judge) if inputs.n_variants else []
        committee = Committee(networks=(), share=0.0)
        if courses:
            committee = train_committee(
                courses,
                lambda random: self.network(inputs, n_out=target.n_scores, random=random),
                target,
                self,
                context,
                identity=fit_identity(self, train, context),
            )
        return NetworkPredictor(target=target, inputs=inputs, linear=linear.parts[place].on_host(), committee=committee)


def _least_loss(linear: LinearFit, lesson: Lesson, target: NetworkTarget, inputs: Inputs, judge: Lesson | None) -> int:
    """The place of the penalty with the least loss over folds and validation samples together; the middle one where neither can say."""
    total = np.zeros(len(linear.parts))
    is_told = torch.isfinite(linear.crossed[0]).all(dim=1).cpu().numpy()
    if is_told.any():
        told = lesson.rows(np.flatnonzero(is_told), target)
        total += [told.n_samples * told.loss(target, raw[is_told]) for raw in linear.crossed]
    if judge is not None:
        total += [judge.n_samples * judge.loss(target, part.raw(target, inputs, judge.samples)) for part in linear.parts]
    return int(np.argmin(total)) if total.any() else len(linear.parts) // 2


def _courses(
    linear: LinearFit,
    place: int,
    lesson: Lesson,
    target: NetworkTarget,
    inputs: Inputs,
    *,
    folds: list[NDArray[np.intp]],
    judge: Lesson | None,
) -> list[Course]:
    """What each network is trained on: without a fold that judges, or all samples where others judge."""
    raw = linear.crossed[place]
    is_told = torch.isfinite(raw).all(dim=1).cpu().numpy()
    if not is_told.all() or not folds:
        return []
    if judge is not None:
        judge_raw = linear.parts[place].raw(target, inputs, judge.samples)
        return [Course(train=lesson, train_raw=raw, judge=judge, judge_raw=judge_raw) for _ in folds]
    courses = []
    for fold in folds:
        rest = np.setdiff1d(np.arange(lesson.n_samples), fold)
        judges = lesson.rows(fold, target)
        if judges.has_contrast():
            courses.append(Course(train=lesson.rows(rest, target), train_raw=raw[rest], judge=judges, judge_raw=raw[fold]))
    return courses
