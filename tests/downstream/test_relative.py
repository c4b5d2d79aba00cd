"""Relative utility: Fieller's interval in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from genobench.downstream.measures import MEASURES
from genobench.downstream.measuring import Measured
from genobench.downstream.relative import RelativeUtility, relative_utility

OF = {one.name: one for one in MEASURES}
R, MSE = OF["pearson_r"], OF["mse"]
N_GROUPS = 20


def _quiet(values):
    """Values of pairs of split and seed, whose holdouts have no noise."""
    return {pair: Measured(value, np.full(N_GROUPS, value), np.full(N_GROUPS, 6), "one") for pair, value in values.items()}


def _share(arm, real, covariates, *, one=R) -> RelativeUtility:
    return relative_utility(arm=arm, real=real, covariates=covariates, measure=one, shared=0.2)


def _ends(interval: tuple[float, float] | None) -> tuple[float, float]:
    assert interval is not None
    return interval


def _pairs(values):
    return {(f"split {place}", place): value for place, value in enumerate(values)}


def test_relative_utility__has_fiellers_interval():
    """Without noise of the holdouts the set of shares is the solution of Fieller's quadratic, with Nadeau and Bengio's variance."""
    real = np.array([0.52, 0.47, 0.55, 0.50, 0.49])
    arm = np.array([0.40, 0.41, 0.42, 0.37, 0.44])
    covariates = np.array([0.10, 0.12, 0.08, 0.13, 0.11])
    found = _share(*(_quiet(_pairs(side)) for side in (arm, real, covariates)))
    above, below = arm - covariates, real - covariates
    matrix = np.cov(above, below) * (1 / 5 + 0.25)
    t2 = stats.t(4).ppf(0.975) ** 2
    quadratic = [
        below.mean() ** 2 - t2 * matrix[1, 1],
        -2 * (above.mean() * below.mean() - t2 * matrix[0, 1]),
        above.mean() ** 2 - t2 * matrix[0, 0],
    ]
    assert found.value == pytest.approx(above.mean() / below.mean())
    assert found.interval == pytest.approx(sorted(np.roots(quadratic)), rel=1e-6)


def test_relative_utility__of_one_split_has_fiellers_interval_of_the_jackknife():
    rng = np.random.default_rng(4)
    values, moves = {"arm": 0.4, "real": 0.5, "covariates": 0.1}, 0.004 * rng.normal(size=(3, N_GROUPS))
    sides = [
        {("a", 0): Measured(value, value + move - move.mean(), np.full(N_GROUPS, 6), "one")}
        for value, move in zip(values.values(), moves, strict=True)
    ]
    found = _share(*sides)
    centred = moves - moves.mean(axis=1, keepdims=True)
    both = np.array([centred[0] - centred[2], centred[1] - centred[2]])
    matrix = (N_GROUPS - 1) / N_GROUPS * both @ both.T
    t2 = stats.t(N_GROUPS - 1).ppf(0.975) ** 2
    quadratic = [0.4**2 - t2 * matrix[1, 1], -2 * (0.3 * 0.4 - t2 * matrix[0, 1]), 0.3**2 - t2 * matrix[0, 0]]
    assert found.interval == pytest.approx(sorted(np.roots(quadratic)), rel=1e-6)


def test_relative_utility__of_real_samples_is_one_and_of_covariates_none():
    real, covariates = _quiet(_pairs([0.52, 0.47, 0.55])), _quiet(_pairs([0.10, 0.12, 0.08]))
    assert _share(real, real, covariates).interval == pytest.approx((1, 1))
    assert _share(covariates, real, covariates).interval == pytest.approx((0, 0), abs=1e-12)


def test_relative_utility__is_the_same_for_a_measure_turned_round():
    sides = [_pairs([0.40, 0.41, 0.42]), _pairs([0.52, 0.47, 0.55]), _pairs([0.10, 0.12, 0.08])]
    turned = [{pair: 3 - value for pair, value in side.items()} for side in sides]
    one = _share(*map(_quiet, sides))
    other = _share(*map(_quiet, turned), one=MSE)
    assert (other.value, *_ends(other.interval)) == pytest.approx((one.value, *_ends(one.interval)))


@pytest.mark.parametrize(
    ("real", "reason"),
    [
        ([0.12, 0.10, 0.11, 0.09], "not clearly better than covariates alone"),
        ([0.01, 0.02, 0.01, 0.02], "worse than covariates alone"),
    ],
)
def test_relative_utility__needs_a_gain_to_have_a_share_of(real, reason):
    arm, covariates = _quiet(_pairs([0.40, 0.41, 0.42, 0.43])), _quiet(_pairs([0.10, 0.12, 0.08, 0.11]))
    found = _share(arm, _quiet(_pairs(real)), covariates)
    assert math.isnan(found.value)
    assert found.interval is None
    assert reason in found.reason


def test_relative_utility__says_what_is_missing():
    arm, real = _quiet(_pairs([0.4])), _quiet(_pairs([0.5]))
    assert "no prediction" in _share(arm, real, {}).reason
