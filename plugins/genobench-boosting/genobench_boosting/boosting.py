"""Gradient boosting as both libraries have it: settings, when to stop, and what comes out.

Rounds are added one at a time, to several fits at once where folds say when to stop: the round with the least mean loss is kept.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from genobench import Classifier, DatasetError, Predictor, Target, check_lowest, check_positive, check_share
from genobench_boosting.design import Design

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes, Trial
    from genobench_boosting.design import Part

    Floats = NDArray[np.float64]


class Forest(Protocol):
    """Trees that are grown."""

    def raw(self, columns: NDArray[np.float32]) -> Floats:
        """Standardised values, shape (n_samples,), or probabilities of the classes in training, shape (n_samples, n_present)."""
        ...


class Growth(Protocol):
    """Trees that are being grown, a round at a time."""

    def grow(self) -> None:
        """Add a round."""
        ...

    def loss(self) -> float:
        """Of the samples that judge: log loss in which classes weigh the same, or squared error of standardised values."""
        ...

    def forest(self, n_rounds: int) -> Forest:
        """The first rounds."""
        ...


@dataclass(frozen=True, eq=False)
class BoostedPredictor(Predictor):
    """Predictions of boosted trees.

    Args:
        design: What the trees see.
        target: What they predict.
        trees: The trees.
        n_rounds: Rounds that were kept.
    """

    design: Design
    target: Target
    trees: Forest
    n_rounds: int

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes of the trait, in order; empty for a quantitative trait."""
        return self.target.classes

    def predict(self, genotypes: Genotypes) -> Floats:
        """Values, shape (n_samples,), or class probabilities as if classes were equally frequent, shape (n_samples, n_classes)."""
        raw = self.trees.raw(self.design.columns(genotypes))
        # Trees give numbers of four bytes, whose sums are 1 up to rounding.
        return self.target.predictions(raw / raw.sum(axis=1, keepdims=True) if self.target.classes else raw)


@dataclass(frozen=True)
class BoostedTrees(Classifier, ABC):
    """Gradient-boosted trees on calls and covariates: what LightGBM and XGBoost share; their classes say what the settings are.

    Squared error of the standardised trait, or log loss of its classes, in which classes weigh the same however many samples they have;
    ordinal classes are taken without their order. Samples without a phenotype are left out. Where no variant varies, trees see the
    covariates alone.

    With ten or more validation samples the round with the least loss on them is kept. Without, `n_folds` parts of the training samples,
    families kept together, each judge trees that were grown on the rest (with variants, imputation and covariates learned from the rest
    too), and trees are grown again on all training samples for as many rounds as had the least mean loss; for `patience` rounds where too
    few samples are there to judge.
    """

    most_variants: int = 4000
    n_rounds: int = 1000
    patience: int = 50
    n_folds: int = 3
    learning_rate: float = 0.05
    max_depth: int = 3
    least_leaf_samples: int = 10
    sample_share: float = 0.8
    column_share: float = 0.2
    l2_penalty: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing."""
        ones = dict.fromkeys(("most_variants", "n_rounds", "patience", "max_depth", "least_leaf_samples"), 1)
        check_lowest(self, {**ones, "n_folds": 2, "l2_penalty": 0})
        check_positive(self, ("learning_rate", "sample_share", "column_share"))
        check_share(self, ("learning_rate", "sample_share", "column_share"))

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """What matters most: how deep, how fast, how much of the data a tree sees."""
        return cls(
            learning_rate=trial.suggest_float("learning_rate", 0.02, 0.1, log=True),
            max_depth=trial.suggest_int("max_depth", 1, 6),
            least_leaf_samples=trial.suggest_int("least_leaf_samples", 2, 50, log=True),
            sample_share=trial.suggest_float("sample_share", 0.5, 1.0),
            column_share=trial.suggest_float("column_share", 0.05, 1.0, log=True),
            l2_penalty=trial.suggest_float("l2_penalty", 0.1, 100.0, log=True),
        )

    @abstractmethod
    def start(self, train: Part, judge: Part | None, *, n_classes: int, context: FitContext) -> Growth:
        """Trees before the first round.

        Args:
            train: What they are grown on.
            judge: Samples for `Growth.loss`; None where nobody asks for it.
            n_classes: 0 for values, else at least 2.
            context: Of the fit.
        """

    def fit(self, train: Genotypes, context: FitContext) -> BoostedPredictor:
        """Grow trees on the samples whose phenotype is known.

        Raises:
            DatasetError: If no phenotype is known, all are alike, a class is unknown, or there is neither a variant that varies nor a
                covariate.
        """
        target = Target.fit(train, context.trait)
        known, validation = target.known(train), target.validation(context)
        design = self._design(known, target, context)
        if not design.width:
            raise DatasetError(
                f"None of the {known.n_variants} variants varies among the {known.n_samples} training samples with a known "
                f"'{context.trait.column}', and no covariate does."
            )
        whole = design.part(known, target)
        if validation is not None:
            growth = self.start(whole, design.part(validation, target), n_classes=target.n_present, context=context)
            n_rounds = self._least_loss_round([growth], context)
        else:
            n_rounds = self._least_loss_round(self._folds(known, target, context), context)
            growth = self.start(whole, None, n_classes=target.n_present, context=context)
            for _ in range(n_rounds):
                growth.grow()
        return BoostedPredictor(design=design, target=target, trees=growth.forest(n_rounds), n_rounds=n_rounds)

    def _design(self, train: Genotypes, target: Target, context: FitContext) -> Design:
        return Design.fit(train, target, most_variants=self.most_variants, n_components=context.n_components)

    def _folds(self, known: Genotypes, target: Target, context: FitContext) -> list[Growth]:
        """A growth on the samples outside each fold, judged by those inside; folds that cannot judge are left out."""
        growths = []
        for rows in target.folds(known, n_folds=self.n_folds, seed=context.seed):
            rest, inside = known.take_samples(np.setdiff1d(np.arange(known.n_samples), rows)), known.take_samples(rows)
            design = self._design(rest, target, context)
            if design.width and _can_judge(target, rest) and _can_judge(target, inside):
                part, judge = design.part(rest, target), design.part(inside, target)
                growths.append(self.start(part, judge, n_classes=target.n_present, context=context))
        return growths

    def _least_loss_round(self, growths: Sequence[Growth], context: FitContext) -> int:
        """The round with the least mean loss; `patience` rounds where nobody can judge (a handful of samples)."""
        if not growths:
            return min(self.n_rounds, self.patience)
        best_round, best_loss = 1, float("inf")
        for number in range(1, self.n_rounds + 1):
            for growth in growths:
                growth.grow()
            loss = float(np.mean([growth.loss() for growth in growths]))
            context.report(number, {"validation_loss": loss})
            if loss < best_loss:
                best_round, best_loss = number, loss
            if number - best_round >= self.patience:
                break
        return best_round


def n_threads() -> int:
    """As many as OMP_NUM_THREADS allows, as elsewhere; the processors that this process may use where it is not set."""
    allowed = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    usable: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    n_processors = len(usable(0)) if usable else os.cpu_count() or 1
    return max(1, int(allowed)) if allowed.isdigit() else n_processors


def _can_judge(target: Target, genotypes: Genotypes) -> bool:
    """Whether the samples differ in the trait."""
    return len(np.unique(target.numbers(genotypes))) > 1
