"""Logistic regression: a score for each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from genobench import Classifier, check_positive
from genobench.builtin.linear.class_models import fit_multinomial
from genobench.builtin.linear.class_penalties import INVERSE_PENALTIES, fit_classes

if TYPE_CHECKING:
    from genobench import FitContext, Genotypes, Trial
    from genobench.builtin.linear.class_models import ClassPredictor


@dataclass(frozen=True)
class LogisticRegression(Classifier):
    """Multinomial logistic regression with an L2 penalty on standardised calls; covariates are not penalised.

    Classes weigh the same however many samples they have. Where no variant varies, covariates alone are used; where covariates separate
    classes perfectly, a weak prior keeps their effects finite (see `class_models`).

    Args:
        inverse_penalty: scikit-learn's C; None for the one of eight that has the least log loss on the validation samples where there are
            any, else in cross-validation within training that keeps families together.

    References:
        le Cessie S., van Houwelingen J.C. 1992. Ridge estimators in logistic regression. Applied Statistics 41: 191-201.
        https://doi.org/10.2307/2347628
    """

    inverse_penalty: float | None = None

    trait_kinds = frozenset({"categorical", "ordinal"})

    def __post_init__(self) -> None:
        check_positive(self, ["inverse_penalty"])

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """The penalty, a decade beyond those that are tried by default."""
        return cls(inverse_penalty=trial.suggest_float("inverse_penalty", INVERSE_PENALTIES[0] / 10, INVERSE_PENALTIES[-1] * 10, log=True))

    def fit(self, train: Genotypes, context: FitContext) -> ClassPredictor:
        """Fit on the samples whose class is known.

        Raises:
            DatasetError: If a covariate is absent, fewer than two classes occur, or there are neither covariates nor variants that vary.
        """
        return fit_classes(fit_multinomial, train, context, self.inverse_penalty)
