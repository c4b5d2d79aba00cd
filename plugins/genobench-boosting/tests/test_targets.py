"""Traits as trees are fitted to them, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from genobench import DatasetError, Trait
from genobench.testing import genotypes_of
from genobench_boosting.targets import Target

if TYPE_CHECKING:
    from genobench import Genotypes

COAT = Trait(column="coat", kind="categorical", classes=("black", "red", "white"))
MILK = Trait(column="milk", kind="quantitative")


def with_trait(trait: Trait, values: list[Any]) -> Genotypes:
    genotypes = genotypes_of(np.ones((len(values), 4), dtype=np.int8))
    return genotypes.with_samples(genotypes.samples[["id"]].assign(**{trait.column: values}))


def test_target__weights_are_those_of_scikit_learn() -> None:
    labels = ["white"] * 7 + ["black"] * 2 + ["red"] * 3
    train = with_trait(COAT, labels)
    target = Target.fit(train, COAT)
    np.testing.assert_allclose(target.weights(target.numbers(train)), compute_sample_weight("balanced", labels))


def test_target__a_class_that_training_lacks_gets_probability_zero() -> None:
    target = Target.fit(with_trait(COAT, ["white", "black", "white"]), COAT)
    assert target.classes == ("black", "red", "white")
    np.testing.assert_allclose(target.predictions(np.array([[0.25, 0.75]])), [[0.25, 0.0, 0.75]])
    judges = with_trait(COAT, ["red", "white", None])
    assert target.samples_with_target(judges).samples["coat"].tolist() == ["white"]


def test_target__values_come_back_on_their_scale() -> None:
    train = with_trait(MILK, [1000.0, 1010.0, None, 1040.0])
    target = Target.fit(train, MILK)
    known = target.samples_with_target(train)
    assert known.n_samples == 3
    np.testing.assert_allclose(target.predictions(target.numbers(known)), [1000.0, 1010.0, 1040.0])


@pytest.mark.parametrize(
    ("trait", "values", "message"),
    [
        (COAT, ["red", "red", None], "All 2 training samples with a known 'coat' are of the class 'red'; a classifier needs samples of at"),
        (COAT, ["red", "blue"], "The class 'blue' of 'coat' is none of black, red, white"),
        (COAT, [None, None], "None of the 2 training samples has a phenotype 'coat'"),
        (MILK, [3.5, 3.5, 3.5], "The trait 'milk' is 3.5 in all of the 3 training samples that have it"),
        (MILK, [float("nan"), float("inf")], "None of the 2 training samples has a phenotype 'milk'"),
    ],
)
def test_target__refuses_what_teaches_nothing(trait: Trait, values: list[Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Target.fit(with_trait(trait, values), trait)


def test_target__refuses_samples_without_the_column() -> None:
    with pytest.raises(DatasetError, match="The samples have no column 'milk'"):
        Target.fit(with_trait(COAT, ["red", "white"]), MILK)
