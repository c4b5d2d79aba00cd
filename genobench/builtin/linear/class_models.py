"""Classes from penalised sums of calls beside covariates that are not penalised: multinomial and cumulative logits.

Covariates may separate classes perfectly, and their effects would then have no finite maximum of the likelihood. They have a normal prior
with a standard deviation of 100 logits, which moves no effect that the data determine and keeps those finite that they do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logsumexp, softmax

from genobench import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from genobench import Covariates, Genotypes, Target
    from genobench.builtin.linear.call_span import CallScale

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

_FREE_PENALTY: Final = 1e-4
"""One over the variance of the prior of a covariate's effect, in squared logits."""

PRECISE: Final = 1e-7
"""Largest slope of the mean loss that a fit ends with, in nats a logit."""

_LEAST_GAP: Final = 1e-9
"""Between the thresholds of neighbouring classes, in logits."""

_MOST_GAP: Final = 700.0
"""Of larger ones, and of infinite ones, the exponential has no number; one over it is 0 to any precision."""


class Link(Protocol):
    """From scores to probabilities."""

    def probabilities(self, scores: Floats) -> Floats:
        """Of each class present in training, shape (n_samples, n_present)."""
        ...


@dataclass(frozen=True, eq=False)
class MultinomialLink:
    """A score for each class.

    Args:
        intercepts: Shape (n_present,).
    """

    intercepts: Floats

    def probabilities(self, scores: Floats) -> Floats:
        """Of each class, from scores of shape (n_samples, n_present)."""
        normalised: Floats = softmax(scores + self.intercepts, axis=1)
        return normalised


@dataclass(frozen=True, eq=False)
class CumulativeLink:
    """One score, cut by thresholds: the log odds of a class up to j are the threshold of j less the score.

    Args:
        thresholds: Rising, shape (n_present - 1,).
    """

    thresholds: Floats

    def probabilities(self, scores: Floats) -> Floats:
        """Of each class, from scores of shape (n_samples, 1)."""
        upper, lower = _bounds(self.thresholds)
        log_probabilities = _log_between(upper - scores, lower - scores)
        normalised: Floats = softmax(log_probabilities, axis=1)
        return normalised


@dataclass(frozen=True, eq=False)
class ClassModel:
    """A fitted model in the span of the training samples.

    Args:
        weights: Of axes, shape (n_axes, n_scores).
        free: Of covariates, shape (width, n_scores).
        link: From scores to probabilities.
    """

    weights: Floats
    free: Floats
    link: Link

    def probabilities(self, x: Floats, columns: Floats) -> Floats:
        """Of each class present in training, shape (n_samples, n_present), from coordinates and covariates."""
        return self.link.probabilities(x @ self.weights + columns @ self.free)


@dataclass(frozen=True, eq=False)
class ClassPredictor(Predictor):
    """Class probabilities from standardised calls and covariates.

    Args:
        covariates: How samples become covariates.
        scale: How calls are standardised; None where they are not used.
        weights: Shape (n_variants, n_scores); None likewise.
        model: The model, of which covariates' effects and the link are used.
        target: The trait; a class that was absent from training gets probability zero.
        inverse_penalty: The chosen one; None where nothing is penalised.
    """

    covariates: Covariates
    scale: CallScale | None
    weights: NDArray[np.floating[Any]] | None
    model: ClassModel
    target: Target
    inverse_penalty: float | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes of the trait, in order."""
        return self.target.classes

    def predict(self, genotypes: Genotypes) -> Floats:
        """Class probabilities, shape (n_samples, n_classes), as if all classes were equally frequent."""
        scores = self.covariates.matrix(genotypes) @ self.model.free
        if self.scale is not None and self.weights is not None:
            scores = scores + self.scale.times(genotypes, self.weights)
        return self.target.predictions(self.model.link.probabilities(scores))


def fit_multinomial(
    x: Floats,
    columns: Floats,
    numbers: Indices,
    *,
    sample_weights: Floats,
    inverse_penalty: float,
    start: ClassModel | None = None,
    tolerance: float = PRECISE,
) -> ClassModel:
    """Multinomial logistic regression; two classes have one score, that of the second.

    It is the least weighted sum, over samples, of log losses times `inverse_penalty`, plus half the squares of the weights of axes, as
    scikit-learn's `C` has it.

    Args:
        x: Coordinates of calls, shape (n_samples, n_axes).
        columns: Covariates, shape (n_samples, width).
        numbers: Classes from 0, each of which occurs, shape (n_samples,).
        sample_weights: Shape (n_samples,), with mean 1.
        inverse_penalty: Of the weights of axes.
        start: A model to begin with; zeros for None.
        tolerance: Of the largest slope of the mean loss.
    """
    n_classes = int(numbers.max()) + 1
    n_scores = 1 if n_classes == 2 else n_classes
    design = np.column_stack([x, columns, np.ones(len(x))])
    one_hot = np.eye(n_classes)[numbers]
    penalties = _penalties(x.shape[1], columns.shape[1] + 1, inverse_penalty, len(x))
    penalties[-1] = 0.0

    def loss(parameters: Floats) -> tuple[float, Floats]:
        table = parameters.reshape(-1, n_scores)
        scores = design @ table
        scores = np.column_stack([np.zeros(len(x)), scores]) if n_scores == 1 else scores
        log_probabilities = scores - logsumexp(scores, axis=1, keepdims=True)
        residual = sample_weights[:, None] * (np.exp(log_probabilities) - one_hot) / len(x)
        slope = design.T @ residual[:, n_classes - n_scores :] + penalties[:, None] * table
        value = -np.sum(sample_weights * log_probabilities[np.arange(len(x)), numbers]) / len(x)
        return float(value + 0.5 * np.sum(penalties[:, None] * table**2)), slope.ravel()

    first = np.zeros((design.shape[1], n_scores))
    if start is not None and isinstance(start.link, MultinomialLink):
        first = np.vstack([start.weights, start.free, start.link.intercepts])[:, n_classes - n_scores :]
    table = _least(loss, first.ravel(), tolerance).reshape(-1, n_scores)
    table = np.column_stack([np.zeros(len(table)), table]) if n_scores == 1 else table
    return ClassModel(weights=table[: x.shape[1]], free=table[x.shape[1] : -1], link=MultinomialLink(table[-1]))


def fit_cumulative(
    x: Floats,
    columns: Floats,
    numbers: Indices,
    *,
    sample_weights: Floats,
    inverse_penalty: float,
    start: ClassModel | None = None,
    tolerance: float = PRECISE,
) -> ClassModel:
    """Cumulative logit (proportional odds) regression: log odds of a class up to j are a threshold less one score.

    Penalised as `fit_multinomial`.

    Args:
        x: Coordinates of calls, shape (n_samples, n_axes).
        columns: Covariates, shape (n_samples, width).
        numbers: Classes in order from 0, each of which occurs, shape (n_samples,).
        sample_weights: Shape (n_samples,), with mean 1.
        inverse_penalty: Of the weights of axes.
        start: A model to begin with; zeros, and thresholds that fit the shares of classes, for None.
        tolerance: Of the largest slope of the mean loss.

    References:
        McCullagh P. 1980. Regression models for ordinal data. Journal of the Royal Statistical Society B 42: 109-142.
        https://doi.org/10.1111/j.2517-6161.1980.tb01109.x
    """
    n_cuts, n_slopes, n = int(numbers.max()), x.shape[1] + columns.shape[1], len(x)
    design = np.column_stack([x, columns])
    penalties = _penalties(x.shape[1], columns.shape[1], inverse_penalty, n)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slopes, thresholds = parameters[:n_slopes], _thresholds(parameters[n_slopes:])
        upper, lower = _bounds(thresholds)
        scores = design @ slopes
        a, b = lower[numbers] - scores, upper[numbers] - scores
        value = -np.sum(sample_weights * _log_between(b, a)) / n
        # The share that both bounds have in the slope of log(expit(b) - expit(a)): it cancels in that of the score.
        steep = 1 / np.expm1(np.clip(b - a, _LEAST_GAP, _MOST_GAP))
        of_upper, of_lower = sample_weights * (expit(-b) + steep) / n, sample_weights * (-expit(a) - steep) / n
        of_score = sample_weights * (expit(a) - expit(-b)) / n
        of_thresholds = np.bincount(numbers, of_upper, n_cuts + 1)[:-1] + np.bincount(numbers, of_lower, n_cuts + 1)[1:]
        after = np.cumsum(of_thresholds[::-1])[::-1]
        of_cuts = np.append(after[:1], after[1:] * np.exp(parameters[n_slopes + 1 :]))
        slope = np.concatenate([-(design.T @ of_score) + penalties * slopes, -of_cuts])
        return float(value + 0.5 * np.sum(penalties * slopes**2)), slope

    if start is not None and isinstance(start.link, CumulativeLink):
        slopes, thresholds = np.concatenate([start.weights[:, 0], start.free[:, 0]]), start.link.thresholds
    else:
        shares = np.cumsum(np.bincount(numbers, sample_weights))[:-1] / sample_weights.sum()
        slopes, thresholds = np.zeros(n_slopes), np.log(shares / (1 - shares))
    cuts = np.append(thresholds[:1], np.log(np.maximum(np.diff(thresholds), _LEAST_GAP)))
    found = _least(loss, np.concatenate([slopes, cuts]), tolerance)
    return ClassModel(
        weights=found[: x.shape[1], None],
        free=found[x.shape[1] : n_slopes, None],
        link=CumulativeLink(_thresholds(found[n_slopes:])),
    )


def _penalties(n_axes: int, n_free: int, inverse_penalty: float, n_samples: int) -> Floats:
    """Of a mean loss, shape (n_axes + n_free,)."""
    return np.append(np.full(n_axes, 1 / (inverse_penalty * n_samples)), np.full(n_free, _FREE_PENALTY / n_samples))


def _least(loss: Callable[[Floats], tuple[float, Floats]], start: Floats, tolerance: float) -> Floats:
    found: Floats = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "maxfun": 4000, "maxcor": 20, "ftol": 1e-6 * tolerance, "gtol": tolerance},
    ).x
    return found


def _thresholds(cuts: Floats) -> Floats:
    """From the first one and the logarithms of the steps between them."""
    return np.cumsum(np.append(cuts[:1], np.exp(cuts[1:])))


def _bounds(thresholds: Floats) -> tuple[Floats, Floats]:
    """The upper and the lower bound of each class."""
    return np.append(thresholds, np.inf), np.append(-np.inf, thresholds)


def _log_between(upper: Floats, lower: Floats) -> Floats:
    """log(expit(upper) - expit(lower)) without cancellation."""
    gap = np.maximum(upper - lower, _LEAST_GAP)
    between: Floats = log_expit(upper) + log_expit(-lower) + np.log(-np.expm1(-gap))
    return between
