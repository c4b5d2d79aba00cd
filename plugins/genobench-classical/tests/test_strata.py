"""Strata take their means from the encoder, and so give no value away."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest

from genobench import ConditionEncoder, Trait
from genobench_classical.strata import ClassStrata

_TRAIT = Trait(column="weight", kind="quantitative", covariates=("line",))


def _samples() -> pd.DataFrame:
    """Twenty of line a with a value, and six of line b, of which one has a value."""
    weight = np.concatenate([np.random.default_rng(1).normal(20, 2, 20), [23.4567], np.full(5, np.nan)])
    return pd.DataFrame({"weight": weight, "line": ["a"] * 20 + ["b"] * 6})


def test_means__of_a_stratum_with_one_value_are_not_what_others_leave_of_the_sum() -> None:
    encoder = ConditionEncoder.of_samples(_samples(), _TRAIT)
    means = ClassStrata.of_encoder(encoder).means[:, 0].astype(np.float64)
    trait = encoder.columns[0]
    # Sums over 21 and 20 values, as they are and with the 5 samples of 0 by which a mean is drawn in; differences of any two of them.
    sums = np.array([mean * n for mean in means for n in (1, 6, 11, 20, 21, 25, 26)])
    guesses = trait.mean + trait.standard_deviation * np.array([a - b for a, b in product([*sums, 0.0], repeat=2)])
    assert np.abs(guesses - 23.4567).min() > 1e-3


def test_deviations__are_from_the_mean_of_the_stratum_and_0_where_missing() -> None:
    lines = pd.DataFrame({"weight": [*np.arange(100.0), *np.arange(300.0, 400.0)], "line": ["a"] * 100 + ["b"] * 100})
    encoder = ConditionEncoder.of_samples(lines, _TRAIT)
    asked = pd.DataFrame({"weight": [49.5, 349.5, np.nan, 379.5], "line": ["a", "b", "b", "b"]})
    found = ClassStrata.of_encoder(encoder).deviations(encoder.encode(asked), asked)[:, 0] * lines["weight"].std(ddof=0)
    # A stratum's mean is drawn by 5 samples of 105 towards that of all, 150 away.
    assert found == pytest.approx([-150 * 5 / 105, 150 * 5 / 105, 0, 30 + 150 * 5 / 105], abs=1e-3)
