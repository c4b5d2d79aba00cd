"""From weights of variants to predictions: values as they are, classes in order by a cumulative logit of the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genobench.builtin.linear.class_models import ClassModel, ClassPredictor, fit_cumulative
from genobench.builtin.linear.value_predictors import least_squares
from genobench.builtin.linear.variant_weights import unseen_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import FitContext, Predictor
    from genobench.builtin.linear.variant_weights import CallTable, Unseen, Weigh

    Floats = NDArray[np.float64]


def covariates_left(table: CallTable) -> Predictor:
    """What is left to predict from where no variant varies."""
    nothing = np.zeros(len(table.variants))
    if not table.known.target.classes:
        return table.value_predictor(nothing)
    return _class_predictor(table, nothing, score=np.zeros(0), rows=np.arange(len(table.values)))


def score_predictor(table: CallTable, weights: Floats, unseen: Unseen, chosen: int) -> Predictor:
    """Of a quantitative trait the weighted sum itself; of classes their cumulative logits, given the score and covariates.

    How steeply the odds of classes follow the score is learned from scores of samples that the weights were not learned from: in its own
    samples a score says too much. Classes weigh the same however many samples they have.

    Args:
        table: The training samples.
        weights: Learned from all of them, shape (n_varying,).
        unseen: Scores of theirs by folds.
        chosen: Which of these go with the weights.
    """
    if not table.known.target.classes:
        return table.value_predictor(weights)
    return _class_predictor(table, weights, score=unseen.scores[:, chosen], rows=unseen.rows)


def scaled_score_predictor(weigh: Weigh, table: CallTable, context: FitContext) -> Predictor:
    """Of the choice, and the scale of its score, with the least squared error on samples that the weights were not learned from.

    Args:
        weigh: Learns the weights of each choice.
        table: The training samples.
        context: Of the fit.
    """
    unseen = unseen_scores(weigh, table, context)
    slopes = unseen.slopes
    unseen = unseen.scaled(slopes)
    chosen = int(np.argmin(unseen.errors()))
    weights = weigh(table, np.arange(len(table.values)))[:, chosen] * slopes[chosen]
    return score_predictor(table, weights, unseen, chosen)


def _class_predictor(table: CallTable, weights: Floats, *, score: Floats, rows: NDArray[np.intp]) -> ClassPredictor:
    columns, numbers = table.known.columns[rows], table.known.classes[rows]
    sample_weights = table.known.target.weights(numbers.astype(np.float64))
    steepness, spread = 0.0, float(score.std()) if len(score) else 0.0
    no_axes = np.zeros((len(rows), 0))
    model = fit_cumulative(no_axes, columns, numbers, sample_weights=sample_weights, inverse_penalty=1.0)
    if spread > 0:
        beside = np.column_stack([score / spread, columns])
        with_score = fit_cumulative(no_axes, beside, numbers, sample_weights=sample_weights, inverse_penalty=1.0)
        # A score that points the wrong way says nothing.
        if with_score.free[0, 0] > 0:
            steepness, model = float(with_score.free[0, 0]) / spread, with_score
    # Scores of folds are what covariates and the mean leave of them; the mean of calls and of covariates over training is 0.
    shared = least_squares(table.known.columns, table.x @ weights)
    free = model.free[-columns.shape[1] :] if columns.shape[1] else np.zeros((0, 1))
    return ClassPredictor(
        covariates=table.known.covariates,
        scale=table.scale,
        weights=table.of_variants(steepness * weights),
        model=ClassModel(weights=np.zeros((0, 1)), free=free - steepness * shared[:, None], link=model.link),
        target=table.known.target,
    )
