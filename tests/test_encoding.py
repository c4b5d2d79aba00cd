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


@pytest.mark.parametrize(
    "place", [("covariance",), ("strata", 0, "means"), ("strata", 0, "classes"), ("others", "count"), ("columns", 1, "shares")]
)
@pytest.mark.parametrize("value", [None, "x", [], ["a", 1], {}, -1, float("nan")])
def test_from_json__what_is_no_condition_is_a_value_error(place: tuple[str | int, ...], value: object) -> None:
    values = json.loads(json.dumps(ConditionEncoder.of_samples(table(), TRAIT).to_json()))
    part = values
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    with pytest.raises(ValueError, match=r"."):
        ConditionEncoder.from_json(values)


def test_encode_known__an_unseen_class_is_missing_and_the_others_stay() -> None:
    encoder = ConditionEncoder.of_samples(table(), TRAIT)
    rows = pd.DataFrame({"weight": [21.0, 25.0], "sex": ["other", "male"], "age": [9.0, 11.0]})
    with pytest.raises(GenobenchError, match="'other', which no training sample has"):
        encoder.encode(rows)
    assert (encoder.encode_known(rows) == encoder.encode(rows.assign(sex=pd.Series([None, "male"], dtype=object)))).all()


def _numbers(value: object) -> list[float]:
    """Every number in a JSON value."""
    if isinstance(value, dict):
        return [number for part in value.values() for number in _numbers(part)]
    if isinstance(value, list):
        return [number for part in value for number in _numbers(part)]
    return [float(value)] if isinstance(value, int | float) else []


@pytest.mark.parametrize("n_rare", [1, 2, 6])
def test_to_json__gives_no_sample_away(n_rare: int) -> None:
    """Herds of one sample, and a covariate that one sample of a sex has: no mean or remainder of sums over them is kept."""
    seen = table().assign(age=np.nan)
    seen["herd"] = np.where(np.arange(400) < n_rare, [f"rare{k}" for k in range(400)], "common")
    seen.loc[(seen["sex"] == "female").to_numpy().nonzero()[0][3:90], "age"] = 9.0 + np.arange(87) / 10
    seen.loc[(seen["sex"] == "male").to_numpy().nonzero()[0][5], "age"] = 14.375
    encoder = ConditionEncoder.of_samples(seen, Trait(column="weight", kind="quantitative", covariates=("sex", "herd", "age")))
    values = json.loads(json.dumps(encoder.to_json()))
    strata = [*values["strata"], values["others"]]
    assert all(stratum["count"] == 0 or stratum["count"] >= 5 for stratum in strata)
    assert sum(stratum["count"] for stratum in strata) == 400
    known = np.array([*seen["weight"], *seen["age"].dropna()])
    for k, column in enumerate(c for c in encoder.columns if not c.classes):
        # What a reader can undo: the drawing in of a mean by 5 samples, and the sum over all but one stratum.
        sums = [stratum["means"][k] * (n + 5.0) for stratum in strata for n in {stratum["count"], 1}]
        of_all = [stratum["means"][k] * (stratum["count"] + 5.0) for stratum in strata]
        guesses = np.array([*_numbers(values), *sums, -sum(of_all), *(own - sum(of_all) for own in of_all)])
        undone = np.concatenate([guesses, column.mean + column.standard_deviation * guesses])
        assert np.abs(undone[:, None] - known).min() > 1e-9


@pytest.mark.parametrize("outliers", [(95.8,), (95.8, 3.1)])
def test_to_json__gives_no_outlier_away(outliers: tuple[float, ...]) -> None:
    """Values about 20 and two far out: what strata leave of the sum must not be the part that a clip took off an outlier."""
    random = np.random.default_rng(7)
    weight = np.concatenate([outliers, random.normal(20, 1, 300 - len(outliers))])
    seen = pd.DataFrame({"weight": weight, "line": np.where(np.arange(300) % 3 == 0, "a", "b")})
    encoder = ConditionEncoder.of_samples(seen, Trait(column="weight", kind="quantitative", covariates=("line",)))
    values = json.loads(json.dumps(encoder.to_json()))
    trait, excess = values["columns"][0], -sum(stratum["means"][0] * (stratum["count"] + 5) for stratum in values["strata"])
    # One clipped value is 4 standard deviations and what is lacking; of two, sum and difference are known.
    for guess in (4 + excess, -4 + excess, 4 - excess, -4 - excess):
        assert np.abs(trait["mean"] + trait["standard_deviation"] * guess - weight).min() > 0.1
    assert excess == pytest.approx(0, abs=1e-9)
    assert np.abs(encoder.encode(seen)[:, 0]).max() == 4


def test_draw__missing_values_make_no_column_narrower() -> None:
    """Half the values missing at random: the SD of 1,000 present normal ones has the standard error SD / sqrt(2,000)."""
    random = np.random.default_rng(5)
    line = random.random(2000) < 0.5
    whole = pd.DataFrame({"line": np.where(line, "a", "b"), "weight": random.normal(60, 6, 2000) + np.where(line, 6.7, -6.7)})
    half = whole.assign(weight=whole["weight"].where(random.random(2000) < 0.5))
    drawn = ConditionEncoder.of_samples(half, Trait(column="weight", kind="quantitative", covariates=("line",))).draw(20_000, random)
    assert drawn["weight"].std() == pytest.approx(whole["weight"].std(), abs=3 * whole["weight"].std() / 2000**0.5)
    # The mean of a line is drawn towards the other by 5 samples in about 500.
    for name, mean in whole.groupby("line")["weight"].mean().items():
        assert drawn["weight"][drawn["line"] == name].mean() == pytest.approx(mean, abs=3 * 6 / 500**0.5 + 6.7 * 5 / 400)


def test_draw__nothing_is_missing_and_rare_combinations_keep_their_share() -> None:
    seen = table()
    seen["herd"] = [f"rare{k}" for k in range(100)] + ["common"] * 300
    seen.loc[:30, "sex"] = None
    drawn = ConditionEncoder.of_samples(seen, Trait(column="weight", kind="quantitative", covariates=("sex", "herd", "age"))).draw(
        4000, np.random.default_rng(1)
    )
    assert drawn.notna().all().all()
    assert (drawn["herd"] != "common").mean() == pytest.approx(1 / 4, abs=4 * (1 / 4 * 3 / 4 / 4000) ** 0.5)
    assert drawn["herd"].nunique() > 95


def test_slices__name_the_numbers_of_each_column() -> None:
    encoder = ConditionEncoder.of_samples(table(), TRAIT)
    encoded = encoder.encode(table())
    slices = encoder.slices()
    assert list(slices) == ["weight", "sex", "age"]
    assert [column.width for column in encoder.columns] == [1, 2, 1]
    assert encoder.width == encoded.shape[1] == 4
    is_male = (table()["sex"] == "male").to_numpy()
    assert (encoded[:, slices["sex"]].argmax(axis=1) == is_male).all()
    assert (encoded[:, slices["age"]] == encoder.encode(table().assign(weight=np.nan, sex=None))[:, 3:]).all()
