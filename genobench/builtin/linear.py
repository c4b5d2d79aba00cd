"""Linear classifiers: ridge regression for values, L2 logistic regression for classes.

Both see calls only (covariates are not used yet), completed with the most frequent genotype of the training samples and standardised,
and are fitted in the span of the training samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench import Classifier, DatasetError, FitContext, Genotypes, Predictor
from genobench.builtin.call_span import CallScale, CallSpan
from genobench.statgen import sample_groups

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_N_FOLDS: Final = 3

HERITABILITIES: Final = (0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.99)
"""Shares of the trait's variance that the calls might explain; each stands for a ridge penalty."""

INVERSE_PENALTIES: Final = (0.01, 0.05, 0.2, 1.0, 5.0)
"""Values of scikit-learn's C that logistic regression chooses from."""


@dataclass(frozen=True, eq=False)
class RidgePredictor(Predictor):
    """A weighted sum of standardised calls.

    Args:
        scale: How calls are standardised.
        weights: Shape (n_variants, 1).
        intercept: The mean of the trait in training.
        heritability: The share of variance that the chosen penalty stands for.
    """

    scale: CallScale
    weights: NDArray[np.float32]
    intercept: float
    heritability: float

    def predict(self, genotypes: Genotypes) -> Floats:
        """Values of the trait, shape (n_samples,)."""
        return self.intercept + self.scale.times(genotypes, self.weights)[:, 0]


@dataclass(frozen=True)
class RidgeRegression(Classifier):
    """Ridge regression on standardised calls; the penalty has the least generalised cross-validation error within training.

    With the calls scaled as in `CallScale`, the penalty (1 - h2) / h2 makes it GBLUP with heritability h2 (Habier D. et al. 2007.
    Genetics 177: 2389-2397. https://doi.org/10.1534/genetics.107.081190), so the penalties tried are a list of heritabilities.
    The criterion is that of Golub G.H., Heath M., Wahba G. 1979. Technometrics 21: 215-223.
    https://doi.org/10.1080/00401706.1979.10489751
    """

    trait_kinds = frozenset({"quantitative"})

    def fit(self, train: Genotypes, context: FitContext) -> RidgePredictor:
        """Fit on the samples whose trait is known.

        Raises:
            DatasetError: If fewer than three samples have a value, or no variant varies.
        """
        known = _with_known_trait(train, context)
        values = known.samples[context.trait.column].to_numpy(dtype=np.float64)
        if len(values) < 3:
            raise DatasetError(f"Only {len(values)} training samples have a value of '{context.trait.column}'; ridge needs at least 3.")
        span = CallSpan.fit(known)
        projections = span.vectors.T @ (values - values.mean())
        heritability = min(HERITABILITIES, key=lambda share: _gcv_error(span, values=values, projections=projections, heritability=share))
        shrunk = projections * span.roots / (span.roots**2 + _ridge_penalty(heritability))
        return RidgePredictor(
            scale=span.scale, weights=span.variant_weights(shrunk[:, None]), intercept=float(values.mean()), heritability=heritability
        )


@dataclass(frozen=True, eq=False)
class LogisticPredictor(Predictor):
    """Class probabilities from weighted sums of standardised calls.

    Args:
        scale: How calls are standardised.
        weights: Shape (n_variants, n_present), a column for each class present in training.
        intercepts: Shape (n_present,).
        present: Place of those classes among `labels`, shape (n_present,).
        labels: All classes of the trait, in order; one that was absent from training gets probability zero.
        inverse_penalty: The chosen C of scikit-learn.
    """

    scale: CallScale
    weights: NDArray[np.float32]
    intercepts: Floats
    present: NDArray[np.intp]
    labels: tuple[str, ...]
    inverse_penalty: float

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes of the trait, in order."""
        return self.labels

    def predict(self, genotypes: Genotypes) -> Floats:
        """Class probabilities, shape (n_samples, n_classes), as if all classes were equally frequent."""
        probabilities = np.zeros((genotypes.n_samples, len(self.labels)))
        probabilities[:, self.present] = _softmax(self.scale.times(genotypes, self.weights) + self.intercepts)
        return probabilities


@dataclass(frozen=True)
class LogisticRegression(Classifier):
    """Multinomial logistic regression with an L2 penalty on standardised calls, by scikit-learn.

    Classes weigh the same however many samples they have. The penalty is the one with the least log loss on the validation samples
    where there are any, else by cross-validation within training that keeps families together.
    """

    trait_kinds = frozenset({"categorical", "ordinal"})

    def fit(self, train: Genotypes, context: FitContext) -> LogisticPredictor:
        """Fit on the samples whose class is known.

        Raises:
            DatasetError: If the training samples hold fewer than two classes, or no variant varies.
        """
        known = _with_known_trait(train, context)
        labels = context.trait.classes or tuple(sorted(set(known.samples[context.trait.column].astype(str))))
        numbers = _class_numbers(known, context, labels)
        present = np.unique(numbers)
        if len(present) < 2:
            found = ", ".join(labels[number] for number in present) or "none"
            raise DatasetError(f"The training samples hold fewer than two classes of '{context.trait.column}' ({found}).")
        span = CallSpan.fit(known)
        inverse_penalty = _chosen_inverse_penalty(span, numbers, context, labels)
        weights, intercepts = _fit_logistic(span.coordinates, numbers, inverse_penalty)
        return LogisticPredictor(
            scale=span.scale,
            weights=span.variant_weights(weights),
            intercepts=intercepts,
            present=present,
            labels=labels,
            inverse_penalty=inverse_penalty,
        )


def _chosen_inverse_penalty(span: CallSpan, numbers: NDArray[np.intp], context: FitContext, labels: tuple[str, ...]) -> float:
    """The member of `INVERSE_PENALTIES` with the least balanced log loss on samples that the fit did not see."""
    x = span.coordinates
    validation = None if context.validation is None else _with_known_trait(context.validation, context)
    if validation is not None and validation.n_samples:
        # The axes take as much room as the calls of the training samples in float32, for this one product.
        axes = span.variant_weights(np.eye(x.shape[1]))
        parts = [(x, numbers, span.scale.times(validation, axes), _class_numbers(validation, context, labels))]
    else:
        family = context.trait.family
        families = span.train.samples[family].to_numpy() if family in span.train.samples else None
        folds = sample_groups(families, len(x), seed=context.seed, n_groups=_N_FOLDS)
        parts = [(x[folds != fold], numbers[folds != fold], x[folds == fold], numbers[folds == fold]) for fold in np.unique(folds)]
    losses = np.zeros(len(INVERSE_PENALTIES))
    for fit_x, fit_numbers, test_x, test_numbers in parts:
        if len(np.unique(fit_numbers)) < 2:
            continue
        for place, inverse_penalty in enumerate(INVERSE_PENALTIES):
            weights, intercepts = _fit_logistic(fit_x, fit_numbers, inverse_penalty)
            losses[place] += _balanced_log_loss(_softmax(test_x @ weights + intercepts), np.unique(fit_numbers), test_numbers)
    return INVERSE_PENALTIES[int(np.argmin(losses))]


def _fit_logistic(x: Floats, numbers: NDArray[np.intp], inverse_penalty: float) -> tuple[Floats, Floats]:
    """Weights, shape (n_axes, n_present), and intercepts, shape (n_present,)."""
    from sklearn.linear_model import LogisticRegression as MultinomialRegression

    model = MultinomialRegression(C=inverse_penalty, class_weight="balanced", max_iter=2000, tol=1e-4).fit(x, numbers)
    if len(model.classes_) == 2:
        # scikit-learn keeps one column for two classes: the log odds of the second.
        return np.hstack([np.zeros_like(model.coef_.T), model.coef_.T]), np.append(0.0, model.intercept_)
    return model.coef_.T, model.intercept_


def _balanced_log_loss(probabilities: Floats, present: NDArray[np.intp], numbers: NDArray[np.intp]) -> float:
    """Mean over classes of the mean log loss; samples of classes that the fit did not know are left out."""
    losses = [-np.log(np.maximum(probabilities[numbers == number, column], 1e-12)) for column, number in enumerate(present)]
    return float(np.mean([loss.mean() for loss in losses if len(loss)] or [0.0]))


def _gcv_error(span: CallSpan, *, values: Floats, projections: Floats, heritability: float) -> float:
    """Generalised cross-validation error of ridge regression with an unpenalised mean."""
    kept = span.roots**2 / (span.roots**2 + _ridge_penalty(heritability))
    n = len(values)
    residual = np.sum((values - values.mean()) ** 2) - np.sum(projections**2) + np.sum(((1 - kept) * projections) ** 2)
    return float(n * residual / (n - 1 - kept.sum()) ** 2)


def _ridge_penalty(heritability: float) -> float:
    return (1 - heritability) / heritability


def _with_known_trait(genotypes: Genotypes, context: FitContext) -> Genotypes:
    if context.trait.column not in genotypes.samples:
        raise DatasetError(f"The training samples have no column '{context.trait.column}'; their columns are {list(genotypes.samples)}.")
    known: NDArray[np.bool_] = genotypes.samples[context.trait.column].notna().to_numpy()
    return genotypes if known.all() else genotypes.take_samples(np.flatnonzero(known))


def _class_numbers(genotypes: Genotypes, context: FitContext, labels: tuple[str, ...]) -> NDArray[np.intp]:
    texts: pd.Series[str] = genotypes.samples[context.trait.column].astype(str)
    place = {label: number for number, label in enumerate(labels)}
    unknown = sorted(set(texts) - set(labels))
    if unknown:
        raise DatasetError(f"The class '{unknown[0]}' of '{context.trait.column}' is none of {', '.join(labels)}.")
    return np.array([place[text] for text in texts], dtype=np.intp)


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    normalised: Floats = powers / powers.sum(axis=1, keepdims=True)
    return normalised
