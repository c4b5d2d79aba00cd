"""Conditions as numbers, and drawn from what is kept of training."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from genobench import ConditionEncoder, GenobenchError, Trait

TRAIT = Trait(column="weight", kind="quantitative", covariates=("sex", "age"))


def table(n_samples: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(3)
    sex = np.where(random.random(n_samples) < 0.25, "male", "female")
    age = random.normal(10, 2, n_samples)
    return pd.DataFrame({"sex": sex, "age": age, "weight": 20 + 5 * (sex == "male") + age + random.normal(0, 1, n_samples)})


def test_encode__standardises_values_and_centres_classes() -> None:
    encoded = ConditionEncoder.of_samples(table(), TRAIT).encode(table())
    assert encoded.shape == (400, 4)
    assert encoded.mean(axis=0) == pytest.approx(np.zeros(4), abs=0.01)
    assert encoded[:, [0, 3]].std(axis=0) == pytest.approx(np.ones(2), abs=0.02)


def test_encode__missing_values_are_average() -> None:
    encoder = ConditionEncoder.of_samples(table(), TRAIT)
    empty = pd.DataFrame({"weight": [np.nan], "sex": [None], "age": [np.nan]})
    assert (encoder.encode(empty) == 0).all()


def test_encode__an_absent_column_is_an_error() -> None:
    encoder = ConditionEncoder.of_samples(table(), TRAIT)
    with pytest.raises(GenobenchError, match="has no column 'sex'"):
        encoder.encode(table().drop(columns="sex"))


def test_encode__whole_numbers_are_one_class_as_integers_and_floats() -> None:
    trait = Trait(column="batch", kind="categorical", classes=("1", "2"))
    encoder = ConditionEncoder.of_samples(pd.DataFrame({"batch": [1, 2, 2]}), trait)
    assert (encoder.encode(pd.DataFrame({"batch": [1.0, 2.0]})) == encoder.encode(pd.DataFrame({"batch": ["1", "2"]}))).all()


def test_of_samples__a_column_without_values_is_an_error() -> None:
    with pytest.raises(GenobenchError, match="'age' has no value in any training sample"):
        ConditionEncoder.of_samples(table().assign(age=np.nan), TRAIT)


def test_draw__keeps_shares_means_and_covariances() -> None:
    encoder = ConditionEncoder.of_samples(table(), TRAIT)
    drawn = encoder.draw(4000, np.random.default_rng(1))
    seen = table()
    assert (drawn["sex"] == "male").mean() == pytest.approx((seen["sex"] == "male").mean(), abs=4 * (0.2 / 4000) ** 0.5)
    standard_error = seen["weight"].std() / 4000**0.5
    assert drawn.groupby("sex")["weight"].mean()["male"] == pytest.approx(
        seen.groupby("sex")["weight"].mean()["male"], abs=8 * standard_error
    )
    assert drawn[["age", "weight"]].corr().iloc[0, 1] == pytest.approx(seen[["age", "weight"]].corr().iloc[0, 1], abs=0.1)


def test_draw__never_repeats_a_training_value() -> None:
    drawn = ConditionEncoder.of_samples(table(), TRAIT).draw(1000, np.random.default_rng(1))
    assert not set(drawn["weight"]) & set(table()["weight"])


def test_draw__classes_alone() -> None:
    drawn = ConditionEncoder.of_samples(table(), Trait(column="sex", kind="categorical")).draw(20, np.random.default_rng(1))
    assert list(drawn.columns) == ["sex"]
    assert set(drawn["sex"]) <= {"male", "female"}


def test_from_json__is_the_reverse_of_to_json() -> None:
    encoder = ConditionEncoder.of_samples(table(), TRAIT)
    assert ConditionEncoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder


def test_encode_known__an_unseen_class_is_missing_and_the_others_stay() -> None:
    encoder = ConditionEncoder.of_samples(table(), TRAIT)
    rows = pd.DataFrame({"weight": [21.0, 25.0], "sex": ["other", "male"], "age": [9.0, 11.0]})
    with pytest.raises(GenobenchError, match="'other', which no training sample has"):
        encoder.encode(rows)
    assert (encoder.encode_known(rows) == encoder.encode(rows.assign(sex=[None, "male"]))).all()
