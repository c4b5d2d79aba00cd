"""Multinomial and cumulative logits: scikit-learn, closed forms, and a published fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_sample_weight

from genobench.builtin.linear.class_models import ClassModel, CumulativeLink, fit_cumulative, fit_multinomial

NO_AXES = np.zeros((40, 0))

WELL, MILD, MODERATE, IMPAIRED = range(4)
AGRESTI = {
    WELL: "11 19 14 13 02 10 01 13 13 17 01 02",
    MILD: "15 06 13 01 18 12 05 15 19 03 13 11",
    MODERATE: "00 14 03 09 16 04 03",
    IMPAIRED: "18 12 17 05 04 04 18 08 09",
}
"""Mental impairment of 40 adults in Alachua County, by socioeconomic status (first digit, 1 is high) and life events (second digit):
Agresti A. 2002. Categorical Data Analysis, 2nd edition, table 7.8. https://doi.org/10.1002/0471249688"""


def balanced(numbers: np.ndarray) -> np.ndarray:
    weights: np.ndarray = compute_sample_weight("balanced", numbers)
    return weights


def thresholds_of(model: ClassModel) -> np.ndarray:
    assert isinstance(model.link, CumulativeLink)
    return model.link.thresholds


def test_cumulative__gives_the_published_fit():
    """Section 7.2.4 of the same: logit P(Y <= j) = alpha_j - 0.319 life events + 1.111 status, alpha = -0.282, 1.213, 2.209."""
    rows = [
        (status, events, impaired) for impaired, text in AGRESTI.items() for status, events in (map(int, pair) for pair in text.split())
    ]
    columns, numbers = np.array(rows, dtype=float)[:, :2], np.array(rows)[:, 2]
    model = fit_cumulative(NO_AXES, columns, numbers, inverse_penalty=1.0, sample_weights=np.ones(40))
    np.testing.assert_allclose(thresholds_of(model), [-0.282, 1.213, 2.209], atol=6e-4)
    np.testing.assert_allclose(-model.free[:, 0], [1.111, -0.319], atol=6e-4)


def test_cumulative__without_scores_has_the_shares_of_classes():
    numbers = np.repeat([0, 1, 2], [5, 15, 20])
    model = fit_cumulative(NO_AXES, np.zeros((40, 0)), numbers, inverse_penalty=1.0, sample_weights=np.ones(40))
    np.testing.assert_allclose(thresholds_of(model), logit([5 / 40, 20 / 40]), atol=1e-5)
    equal = fit_cumulative(NO_AXES, np.zeros((40, 0)), numbers, inverse_penalty=1.0, sample_weights=balanced(numbers))
    np.testing.assert_allclose(thresholds_of(equal), logit([1 / 3, 2 / 3]), atol=1e-5)


def test_cumulative__of_two_classes_is_logistic_regression():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 3))
    numbers = (x[:, 0] + rng.normal(size=40) > 0.7).astype(np.intp)
    model = fit_cumulative(x, np.zeros((40, 0)), numbers, inverse_penalty=0.5, sample_weights=balanced(numbers))
    peer = LogisticRegression(C=0.5, class_weight="balanced", tol=1e-10, max_iter=5_000).fit(x, numbers)
    np.testing.assert_allclose(model.weights[:, 0], peer.coef_[0], atol=1e-4)
    np.testing.assert_allclose(thresholds_of(model), -peer.intercept_, atol=1e-4)


def test_cumulative__recovers_the_effects_it_was_drawn_with():
    """4,000 samples of a latent logistic variable: within four of its asymptotic standard errors, which are below 0.05 here."""
    rng = np.random.default_rng(5)
    columns = rng.normal(size=(4_000, 2))
    latent = columns @ [1.0, -0.5] + rng.logistic(size=4_000)
    model = fit_cumulative(
        np.zeros((4_000, 0)), columns, np.digitize(latent, [-1.0, 0.5, 2.0]), inverse_penalty=1.0, sample_weights=np.ones(4_000)
    )
    np.testing.assert_allclose(model.free[:, 0], [1.0, -0.5], atol=0.2)
    np.testing.assert_allclose(thresholds_of(model), [-1.0, 0.5, 2.0], atol=0.2)


def test_cumulative__probabilities_are_differences_of_logistic_ones():
    thresholds, scores = np.array([-1.0, 0.0, 30.0]), np.array([[-2.0], [0.3], [40.0]])
    edges = np.hstack([np.zeros((3, 1)), expit(thresholds - scores), np.ones((3, 1))])
    np.testing.assert_allclose(CumulativeLink(thresholds).probabilities(scores), np.diff(edges, axis=1), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_multinomial__penalises_as_scikit_learn_does(n_classes):
    """Columns beside the axes are hardly penalised at all, as scikit-learn's are where they are large."""
    rng = np.random.default_rng(6)
    x, columns = rng.normal(size=(200, 3)), rng.normal(size=(200, 1))
    numbers = np.digitize(x[:, 0] + columns[:, 0] + rng.normal(size=200), np.linspace(-1, 1, n_classes + 1)[1:-1])
    model = fit_multinomial(x, columns, numbers, inverse_penalty=0.1, sample_weights=balanced(numbers))
    large = np.hstack([x, 1e4 * columns])
    peer = LogisticRegression(C=0.1, class_weight="balanced", tol=1e-12, max_iter=50_000, solver="newton-cholesky").fit(large, numbers)
    np.testing.assert_allclose(model.probabilities(x, columns), peer.predict_proba(large), atol=1e-4)


@pytest.mark.parametrize("fit", [fit_multinomial, fit_cumulative])
def test_fits__keep_effects_finite_where_covariates_separate_classes(fit):
    column = np.linspace(-1, 1, 40)[:, None]
    numbers = (np.arange(40) >= 20).astype(np.intp)
    model = fit(NO_AXES, column, numbers, inverse_penalty=1.0, sample_weights=np.ones(40))
    probabilities = model.probabilities(NO_AXES, column)
    assert np.isfinite(probabilities).all()
    assert (probabilities.argmax(axis=1) == numbers).all()


@pytest.mark.parametrize("distance", np.geomspace(1.0, 1e4, 13))
def test_cumulative__finds_separate_classes_at_any_distance(distance):
    """On its way a fit tries thresholds that rounding makes one, and some too far apart for an exponential; neither may warn.

    An effect of 20 logits a class, with thresholds half-way, costs less than 30 (2 e^-10) nats, and in its prior 20^2 / (2 100^2), which
    is .02; the best fit costs no more, so that no sample's own class has less than e^-.03.
    """
    numbers = np.repeat([0, 1, 2], 10)
    no_axes, column = np.zeros((30, 0)), distance * numbers[:, None]
    model = fit_cumulative(no_axes, column, numbers, inverse_penalty=1.0, sample_weights=np.ones(30))
    assert model.probabilities(no_axes, column)[np.arange(30), numbers].min() > np.exp(-0.03)


@pytest.mark.parametrize("fit", [fit_multinomial, fit_cumulative])
def test_fits__slope_is_that_of_their_loss(fit):
    """A fit from elsewhere ends in the same place: the loss is convex and its slope right."""
    rng = np.random.default_rng(8)
    x, columns = rng.normal(size=(60, 4)), rng.normal(size=(60, 2))
    numbers = rng.integers(3, size=60)
    weights = balanced(numbers)
    weak = fit(x, columns, numbers, inverse_penalty=50.0, sample_weights=weights)
    first = fit(x, columns, numbers, inverse_penalty=0.3, sample_weights=weights)
    far = fit(x, columns, numbers, inverse_penalty=0.3, sample_weights=weights, start=weak)
    np.testing.assert_allclose(first.probabilities(x, columns), far.probabilities(x, columns), atol=1e-5)
