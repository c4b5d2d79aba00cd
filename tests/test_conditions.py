from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from genobench.conditions import draw_condition
from genobench.contracts import Trait
from genobench.errors import DatasetError

HEIGHT = Trait(column="height", kind="quantitative", covariates=("sex",))


def _samples(n: int = 400) -> pd.DataFrame:
    generator = np.random.default_rng(1)
    sex = np.where(np.arange(n) % 2, "F", "M")
    return pd.DataFrame({"id": np.arange(n).astype(str), "height": generator.normal(10.0, 2.0, n) + (sex == "M"), "sex": sex})


def test_draw_condition__is_smoothed_so_that_no_training_value_recurs():
    samples = _samples()
    drawn = draw_condition(samples, HEIGHT, n_samples=400, seed=3)
    assert not set(drawn["height"]) & set(samples["height"])


def test_draw_condition__keeps_mean_and_variance():
    """The mean of 400 draws has a standard error of sd / 20; four of them, and 4 sd / sqrt(2 n) for the deviation."""
    samples = _samples()
    drawn = draw_condition(samples, HEIGHT, n_samples=400, seed=3)
    deviation = samples["height"].std()
    assert abs(drawn["height"].mean() - samples["height"].mean()) < 4 * deviation / 20
    assert abs(drawn["height"].std() / deviation - 1) < 4 / np.sqrt(2 * 400)


def test_draw_condition__keeps_the_correlation_of_quantitative_columns():
    """Jittered apart, a correlation of 0.9 came out as 0.79 from 200 rows. A draw's own has a standard error of (1 - r^2) / sqrt(n)."""
    generator = np.random.default_rng(2)
    height = generator.normal(size=200)
    weight = 0.9 * height + np.sqrt(1 - 0.81) * generator.normal(size=200)
    samples = pd.DataFrame({"height": height, "weight": weight, "constant": 1.5})
    trait = Trait(column="height", kind="quantitative", covariates=("weight", "constant"))
    drawn = draw_condition(samples, trait, n_samples=2000, seed=0)
    expected = np.corrcoef(height, weight)[0, 1]
    assert np.corrcoef(drawn["height"], drawn["weight"])[0, 1] == pytest.approx(expected, abs=4 * (1 - expected**2) / np.sqrt(2000))
    assert set(drawn["constant"]) == {1.5}


def test_draw_condition__draws_trait_and_covariate_jointly():
    samples = _samples()
    samples["height"] = np.where(samples["sex"] == "M", 100.0, 0.0)
    drawn = draw_condition(samples, HEIGHT, n_samples=200, seed=0)
    assert np.corrcoef(drawn["height"], drawn["sex"] == "M")[0, 1] > 0.9


def test_draw_condition__keeps_the_shares_of_classes():
    trait = Trait(column="sex", kind="categorical", classes=("F", "M"))
    drawn = draw_condition(_samples(), trait, n_samples=400, seed=0)
    assert dict(drawn["sex"].value_counts()) == {"F": 200, "M": 200}


def test_draw_condition__same_seed_same_rows():
    first, second, other = (draw_condition(_samples(), HEIGHT, n_samples=50, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


def test_draw_condition__absent_column():
    with pytest.raises(DatasetError, match=r"no column \['height'\]"):
        draw_condition(pd.DataFrame({"id": ["a"], "sex": ["F"]}), HEIGHT, n_samples=1, seed=0)


def test_draw_condition__no_complete_row():
    with pytest.raises(DatasetError, match="No training sample has a value in all of"):
        draw_condition(_samples(3).assign(height=np.nan), HEIGHT, n_samples=1, seed=0)
