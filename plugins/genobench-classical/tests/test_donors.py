"""No condition leaves few donors, and the average donor has the value asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from genobench import ConditionEncoder, Trait
from genobench_classical.donors import Donors, drawn_donors

_LEAST = 25


def _effective(weights: np.ndarray) -> np.ndarray:
    n_effective: np.ndarray = 1 / (weights**2).sum(axis=1)
    return n_effective


def _donors(table: pd.DataFrame, *, width: float = 0.3, pooling: float = 5.0) -> Donors:
    """The first column is the trait, the others are covariates."""
    trait = Trait(column=str(table.columns[0]), kind="quantitative", covariates=tuple(table.columns[1:]))
    encoder = ConditionEncoder.of_samples(table, trait)
    return Donors(encoder, encoder.encode(table), kernel_width=width, least_donors=_LEAST, pooling=pooling)


def _quantiles(n: int) -> np.ndarray:
    """Normal values without chance: the middles of n equally likely parts."""
    values: np.ndarray = norm.ppf((np.arange(n) + 0.5) / n)
    return values


@pytest.mark.parametrize("n_covariates", [1, 3, 5])
@pytest.mark.parametrize("width", [0.1, 0.3, 1.0])
def test_weights__leave_enough_effective_donors(n_covariates: int, width: float) -> None:
    """Values as in training, its maximum in each column, and 4 standard deviations out in all; 1 / sum(w²) >= n bounds w by 1 / sqrt(n)."""
    rng = np.random.default_rng(1)
    table = pd.DataFrame(rng.normal(size=(1300, n_covariates + 1))).add_prefix("column")
    donors = _donors(table, width=width)
    extremes = pd.DataFrame([table.max(), table.mean() + 4 * table.std(), table.mean() - 4 * table.std()])
    largest = table.iloc[table.to_numpy().argmax(axis=0)]
    weights = donors.weights(donors.encoder.encode(pd.concat([extremes, largest, table.head(200)])))
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert _effective(weights).min() >= _LEAST * (1 - 1e-9)
    assert weights.max() <= 1 / np.sqrt(_LEAST)


@pytest.mark.parametrize("n_rare", [1, 3, 10])
def test_weights__a_rare_class_is_not_copied_from_its_few_samples(n_rare: int) -> None:
    table = pd.DataFrame({"value": _quantiles(400), "group": "common"})
    table.loc[np.linspace(0, 399, n_rare).astype(int), "group"] = "rare"
    donors = _donors(table)
    asked = pd.DataFrame({"value": [0.0, 2.0, 4.0], "group": "rare"})
    assert _effective(donors.weights(donors.encoder.encode(asked))).min() >= _LEAST * (1 - 1e-9)


def test_weights__of_few_samples_a_quarter_counts() -> None:
    donors = _donors(pd.DataFrame({"value": _quantiles(20)}))
    weights = donors.weights(donors.encoder.encode(pd.DataFrame({"value": [0.0, 9.0]})))
    assert _effective(weights).min() >= 5 * (1 - 1e-9)


def test_weights__without_pooling_are_of_the_class_alone() -> None:
    table = pd.DataFrame({"value": _quantiles(200), "group": ["a", "b"] * 100})
    donors = _donors(table, pooling=0.0)
    weights = donors.weights(donors.encoder.encode(pd.DataFrame({"value": [0.0, 3.0], "group": ["a", "b"]})))
    assert (weights[0, 1::2] == 0).all()
    assert (weights[1, 0::2] == 0).all()


@pytest.mark.parametrize("width", [0.3, 1.0])
def test_weights__the_average_donor_has_the_value_asked_for(width: float) -> None:
    """Kernel times normal density, with the centre moved out, has its mean at the value; sums over quantiles stand for the integral."""
    donors = _donors(pd.DataFrame({"value": _quantiles(5000)}), width=width)
    asked = np.array([-1.5, -0.5, 0.0, 1.0, 2.0])
    weights = donors.weights(donors.encoder.encode(pd.DataFrame({"value": asked})))
    # At 2 and width 1 the integrand has its weight out to 2 + 4 * sqrt(1/2), beyond the last quantile of 3.7, whose tail is cut off.
    np.testing.assert_allclose(weights @ _quantiles(5000), asked, atol=0.01)


def test_weights__the_average_donor_has_the_value_asked_for_within_classes() -> None:
    """Two classes whose means are 3 standard deviations apart, which is most of the spread of all samples."""
    values = np.concatenate([_quantiles(3000) - 1.5, _quantiles(3000) + 1.5])
    table = pd.DataFrame({"value": values, "group": np.repeat(["a", "b"], 3000)})
    donors = _donors(table, width=1.0, pooling=0.0)
    asked = pd.DataFrame({"value": [-1.5, -0.5, 0.0, 1.5], "group": ["a", "a", "b", "b"]})
    np.testing.assert_allclose(donors.weights(donors.encoder.encode(asked)) @ values, asked["value"], atol=0.01)


def test_weights__extremes_are_followed_as_far_as_so_many_donors_go() -> None:
    """The 25 largest of 1,000 with equal weights have the largest mean that 25 effective donors can nearly have."""
    values = _quantiles(1000)
    donors = _donors(pd.DataFrame({"value": values}))
    mean = (donors.weights(donors.encoder.encode(pd.DataFrame({"value": [3.0]}))) @ values)[0]
    assert 0.9 * values[-25:].mean() < mean < 1.1 * values[-25:].mean()


def test_drawn_donors__come_by_their_weights() -> None:
    weights = np.array([[0.5, 0.0, 0.3, 0.2], [0.0, 1.0, 0.0, 0.0]])
    drawn = drawn_donors(weights, 10_000, np.random.default_rng(1))
    counts = np.stack([np.bincount(row, minlength=4) for row in drawn])
    assert (counts[weights == 0] == 0).all()
    error = 5 * np.sqrt(10_000 * weights * (1 - weights))
    assert (np.abs(counts - 10_000 * weights) <= error).all()
