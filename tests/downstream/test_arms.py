"""Arms: their names, and the samples that are put together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from genobench.downstream.arms import DEFAULT_ARMS, Arm, n_to_balance, training_samples
from genobench.errors import DatasetError, UnknownNameError
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

WHOLE = example_genotypes(n_samples=60, n_variants=10, missing_share=0.1)
TRAIN = WHOLE.take_samples(np.arange(24))
SYNTHETIC = WHOLE.take_samples(np.arange(24, 60)).with_samples(WHOLE.samples.iloc[24:60].drop(columns="family").assign(extra=1.0))
TRAIT = EXAMPLE_TRAITS["ordinal"]


@pytest.mark.parametrize("name", [*DEFAULT_ARMS, "real+2x", "real+99x"])
def test_arm__known_names(name):
    arm = Arm.parse(name)
    assert arm.name == name
    assert arm.is_real == (name in {"real", "covariates"})
    assert arm.has_real == (name != "synthetic")


@pytest.mark.parametrize("name", ["reel", "real+0x", "real+100x", "real+x", "real+1", ""])
def test_arm__unknown_name_lists_those_there_are(name):
    with pytest.raises(UnknownNameError, match=f"There is no arm '{name}'; the arms are real, synthetic".replace("+", r"\+")):
        Arm.parse(name)


def test_arm__minority_is_for_classes_alone():
    assert [Arm.parse("minority").suits(EXAMPLE_TRAITS[kind]) for kind in ("quantitative", "categorical", "ordinal")] == [False, True, True]


def test_training_samples__are_the_real_ones_and_then_those_of_each_store():
    parts = [SYNTHETIC.take_samples(np.arange(5)), SYNTHETIC.take_samples(np.arange(5, 12))]
    made = training_samples(TRAIN, parts, TRAIT, arm="real+1x", has_real=True)
    assert np.array_equal(made.to_array(), WHOLE.to_array()[:36])
    assert list(made.samples.columns) == ["id", "grade", "sex", "family"]
    assert made.samples["grade"].tolist() == WHOLE.samples["grade"].tolist()[:36]
    assert made.samples["id"].tolist()[:24] == TRAIN.sample_ids.tolist()
    assert made.samples["family"].isna().tolist() == [False] * 24 + [True] * 12


def test_training_samples__without_real_ones_hold_no_real_sample():
    made = training_samples(TRAIN, [SYNTHETIC], TRAIT, arm="synthetic", has_real=False)
    assert np.array_equal(made.to_array(), SYNTHETIC.to_array())
    assert not set(made.sample_ids) & set(TRAIN.sample_ids)
    assert list(made.samples.columns) == ["id", "grade", "sex"]


def test_training_samples__of_the_real_arm_show_trait_covariates_and_family_alone():
    made = training_samples(TRAIN, [], TRAIT, arm="real", has_real=True)
    assert list(made.samples.columns) == ["id", "grade", "sex", "family"]
    assert np.array_equal(made.to_array(), TRAIN.to_array())


def test_training_samples__numbers_stay_numbers():
    """Whole numbers beside fractions, as a measured covariate beside a smoothed one."""
    trait = dataclasses.replace(EXAMPLE_TRAITS["quantitative"], covariates=("age",))
    real = TRAIN.with_samples(TRAIN.samples.assign(age=np.arange(24)))
    drawn = SYNTHETIC.with_samples(SYNTHETIC.samples.assign(age=np.linspace(0.5, 1.5, 36)))
    made = training_samples(real, [drawn], trait, arm="real+1x", has_real=True)
    assert made.samples["age"].dtype == np.float64
    assert made.samples["age"].sum() == pytest.approx(23 * 24 / 2 + 36)


@pytest.mark.parametrize(
    ("synthetic", "kind", "message"),
    [
        (SYNTHETIC.samples[["id", "sex"]], "ordinal", "carry no trait 'grade', and the arm 'synthetic' needs it"),
        (SYNTHETIC.samples[["id", "grade"]], "ordinal", "carry no covariate 'sex', and the arm 'synthetic' needs it"),
        (SYNTHETIC.samples.assign(grade="low"), "ordinal", "No sample of the arm 'synthetic' has the class 'high' of 'grade'"),
        (SYNTHETIC.samples.assign(weight=3.0), "quantitative", "The trait 'weight' does not vary among the samples of the arm 'synthetic'"),
    ],
    ids=["no trait", "no covariate", "class absent", "constant"],
)
def test_training_samples__what_cannot_be_learned_from_is_said(synthetic, kind, message):
    with pytest.raises(DatasetError, match=message):
        training_samples(TRAIN, [SYNTHETIC.with_samples(synthetic)], EXAMPLE_TRAITS[kind], arm="synthetic", has_real=False)


def test_n_to_balance__fills_the_rarest_class_up_to_the_most_frequent():
    labels = ["low"] * 15 + ["medium"] * 2 + ["high"] * 7
    assert n_to_balance(TRAIN.samples.assign(grade=labels), TRAIT) == ("medium", 13)
