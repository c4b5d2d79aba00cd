"""How strongly a model of classes is penalised: by log loss on samples that the fit did not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from genobench.builtin.linear.call_span import CallSpan
from genobench.builtin.linear.class_models import ClassModel, ClassPredictor
from genobench.builtin.linear.training import Known

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

INVERSE_PENALTIES: Final = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Inverse penalties (scikit-learn's C) that are tried.

C is the prior variance of a score in squared logits. With pi^2 / 3 for chance, as in a cumulative model, these stand for heritabilities of
.003 to .6 of what lies behind the classes. Steps of 5 between them would lose as much log loss as calls gain (rat-demo).
"""

_LEAST_PROBABILITY: Final = 1e-12

_ROUGH: Final = 1e-4
"""Largest slope that a fit ends with while penalties are compared, whose losses differ by far more."""


class Fit(Protocol):
    """Fits a model of classes."""

    def __call__(
        self,
        x: Floats,
        columns: Floats,
        numbers: Indices,
        *,
        sample_weights: Floats,
        inverse_penalty: float,
        start: ClassModel | None = None,
        tolerance: float = ...,
    ) -> ClassModel:
        """From coordinates, covariates and classes numbered from 0; see `class_models`."""
        ...


def fit_classes(fit: Fit, train: Genotypes, context: FitContext, inverse_penalty: float | None) -> ClassPredictor:
    """A predictor of classes, with the penalty given, or the one of `INVERSE_PENALTIES` that predicts best.

    It is chosen on the validation samples where there are any, else by cross-validation within training that keeps families together.
    Where no variant varies, covariates alone are used.

    Raises:
        DatasetError: If a covariate is absent, fewer than two classes occur, or there are neither covariates nor variants that vary.
    """
    known = Known.of(train, context)
    span = CallSpan.fit(known.genotypes, is_needed=not known.covariates.width)
    if inverse_penalty is None:
        inverse_penalty = _chosen(fit, known, span, context)
    model = fit(span.coordinates, known.columns, known.classes, sample_weights=known.weights, inverse_penalty=inverse_penalty)
    return ClassPredictor(
        covariates=known.covariates,
        scale=span.scale,
        weights=span.variant_weights(model.weights),
        model=model,
        target=known.target,
        inverse_penalty=inverse_penalty,
    )


def _chosen(fit: Fit, known: Known, span: CallSpan, context: FitContext) -> float:
    """The member of `INVERSE_PENALTIES` with the least balanced log loss on samples that the fit did not see."""
    losses = np.zeros(len(INVERSE_PENALTIES))
    for (x, columns, fitted), (other_x, other_columns, others) in _parts(known, span, context):
        present, places = np.unique(fitted, return_inverse=True)
        if len(present) < 2:
            continue
        weights, model = known.target.weights(fitted.astype(np.float64)), None
        for place, inverse_penalty in enumerate(INVERSE_PENALTIES):
            model = fit(x, columns, places, sample_weights=weights, inverse_penalty=inverse_penalty, start=model, tolerance=_ROUGH)
            losses[place] += _balanced_log_loss(model.probabilities(other_x, other_columns), present, others)
    return INVERSE_PENALTIES[int(np.argmin(losses))]


def _parts(
    known: Known, span: CallSpan, context: FitContext
) -> Iterator[tuple[tuple[Floats, Floats, Indices], tuple[Floats, Floats, Indices]]]:
    """Coordinates, covariates and classes to fit on, and of samples to be asked about."""
    x, numbers = span.coordinates, known.classes
    validation = known.target.validation(context)
    if validation is not None:
        others = known.target.numbers(validation).astype(np.intp)
        yield (x, known.columns, numbers), (span.coordinates_of(validation), known.covariates.matrix(validation), others)
        return
    for rows, asked in known.folds(context.seed):
        yield (x[rows], known.columns[rows], numbers[rows]), (x[asked], known.columns[asked], numbers[asked])


def _balanced_log_loss(probabilities: Floats, present: Indices, numbers: Indices) -> float:
    """Mean over classes of the mean log loss; samples of classes that the fit did not know are left out."""
    losses = [-np.log(np.maximum(probabilities[numbers == number, column], _LEAST_PROBABILITY)) for column, number in enumerate(present)]
    return float(np.mean([loss.mean() for loss in losses if len(loss)] or [0.0]))
