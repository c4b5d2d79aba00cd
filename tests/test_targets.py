"""Traits as classifiers are fitted to them: weights by scikit-learn, the way there and back, who may judge, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from genobench import DatasetError, FitContext, Genotypes, Target, Trait
from genobench.testing import ClassifierSuite, genotypes_of

DOCS = Path(__file__).parents[1] / "docs" / "classifiers.md"
COAT = Trait(column="coat", kind="categorical", classes=("black", "red", "white"))
MILK = Trait(column="milk", kind="quantitative", family="sire")


def with_columns(**columns: Any) -> Genotypes:
    n_samples = len(next(iter(columns.values())))
    genotypes = genotypes_of(np.ones((n_samples, 4), dtype=np.int8))
    return genotypes.with_samples(genotypes.samples[["id"]].assign(**columns))


def context_of(trait: Trait, validation: Genotypes | None) -> FitContext:
    return FitContext(trait=trait, seed=1, device="cpu", folder=Path(), validation=validation)


def test_weights__are_those_of_scikit_learn():
    labels = ["white"] * 7 + ["black"] * 2 + ["red"] * 3
    train = with_columns(coat=labels)
    target = Target.fit(train, COAT)
    np.testing.assert_allclose(target.weights(target.numbers(train)), compute_sample_weight("balanced", labels), rtol=1e-14)


def test_weights__of_a_part_without_a_class_balance_the_others():
    target = Target.fit(with_columns(coat=["white", "black", "red"]), COAT)
    part = ["white"] * 5 + ["black"]
    weights = target.weights(target.numbers(with_columns(coat=part)))
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", part), rtol=1e-14)


def test_weights__of_values_are_one():
    target = Target.fit(with_columns(milk=[1.0, 2.0]), MILK)
    np.testing.assert_array_equal(target.weights(np.array([0.5, -1.0, 3.0])), 1.0)


def test_target__a_class_that_training_lacks_gets_probability_zero():
    target = Target.fit(with_columns(coat=["white", "black", "white"]), COAT)
    assert target.classes == ("black", "red", "white")
    np.testing.assert_array_equal(target.predictions(np.array([[0.25, 0.75]])), [[0.25, 0.0, 0.75]])


def test_target__passes_over_samples_of_a_class_that_training_lacks():
    target = Target.fit(with_columns(coat=["white", "black", "white"]), COAT)
    known = target.known(with_columns(coat=["red", "white", None, "black"]))
    assert known.samples["coat"].tolist() == ["white", "black"]
    np.testing.assert_array_equal(target.numbers(known), [1, 0])
    np.testing.assert_array_equal(target.values(known), [2, 0])


def test_target__takes_the_classes_of_training_where_the_trait_names_none():
    target = Target.fit(with_columns(coat=["white", "black"]), Trait(column="coat", kind="categorical"))
    assert target.classes == ("black", "white")
    assert target.known(with_columns(coat=["red", "white"])).samples["coat"].tolist() == ["white"]


def test_target__values_come_back_on_their_scale():
    train = with_columns(milk=[1000.0, 1010.0, None, 1040.0])
    target = Target.fit(train, MILK)
    known = target.known(train)
    numbers = target.numbers(known)
    np.testing.assert_allclose([numbers.mean(), numbers.std()], [0, 1], atol=1e-12)
    np.testing.assert_allclose(target.predictions(numbers), [1000.0, 1010.0, 1040.0])
    np.testing.assert_array_equal(target.values(known), [1000.0, 1010.0, 1040.0])


def test_target__reads_whole_numbers_of_which_some_are_missing():
    train = with_columns(milk=pd.array([3, None, 5], dtype="Int64"))
    target = Target.fit(train, MILK)
    np.testing.assert_array_equal(target.values(target.known(train)), [3.0, 5.0])


@pytest.mark.parametrize(
    ("trait", "values", "is_enough"),
    [
        (MILK, [*range(9), None], False),
        (MILK, [*range(10), None], True),
        (MILK, [4.0] * 20, False),
        (COAT, ["white"] * 9 + ["red"] * 5, False),
        (COAT, ["white"] * 9 + ["black", "red"], True),
        (COAT, ["white"] * 12, False),
    ],
)
def test_validation__judges_with_ten_samples_that_differ(trait: Trait, values: list[Any], is_enough: bool):
    target = Target.fit(with_columns(milk=[1.0, 2.0], coat=["white", "black"]), trait)
    validation = target.validation(context_of(trait, with_columns(**{trait.column: values})))
    assert (validation is not None) == is_enough


def test_validation__may_be_absent_or_without_the_trait():
    target = Target.fit(with_columns(milk=[1.0, 2.0]), MILK)
    assert target.validation(context_of(MILK, None)) is None
    assert target.validation(context_of(MILK, with_columns(coat=["red"] * 20))) is None


def test_folds__keep_families_whole_and_hold_each_sample_once():
    families = np.repeat(np.arange(20), 5).astype(str)
    train = with_columns(milk=np.arange(100.0), sire=families)
    folds = Target.fit(train, MILK).folds(train, n_folds=3, seed=1)
    assert len(folds) == 3
    assert sorted(np.concatenate(folds).tolist()) == list(range(100))
    assert sum(len(set(families[fold])) for fold in folds) == 20


def test_folds__are_none_where_samples_do_not_make_two():
    train = with_columns(milk=[1.0, 2.0])
    assert not Target.fit(train, MILK).folds(train.take_samples(np.arange(1)), n_folds=3, seed=1)


@pytest.mark.parametrize(
    ("trait", "values", "message"),
    [
        (
            COAT,
            ["red", "red", None],
            "All of the 2 training samples that have 'coat' are of the class 'red'; a classifier needs samples of at",
        ),
        (COAT, ["red", "blue"], "The class 'blue' of 'coat' is none of black, red, white"),
        (COAT, [None, None], "None of the 2 training samples has a value of 'coat'"),
        (MILK, [3.5, 3.5, 3.5], "The trait 'milk' is 3.5 in all of the 3 training samples that have it"),
        (MILK, [0.3, 0.1 + 0.2], "The trait 'milk' is 0.3 in all of the 2 training samples that have it"),
        (MILK, [np.nan, np.nan], "None of the 2 training samples has a value of 'milk'"),
        (MILK, [1.0, -np.inf], "The trait 'milk' holds the value -inf; values must be finite"),
        (MILK, ["much", "little"], "The quantitative trait 'milk' holds what is no number"),
    ],
)
def test_target__refuses_what_teaches_nothing(trait: Trait, values: list[Any], message: str):
    with pytest.raises(DatasetError, match=message):
        Target.fit(with_columns(**{trait.column: values}), trait)


def test_target__refuses_samples_without_the_column():
    with pytest.raises(DatasetError, match="The samples have no column 'milk'"):
        Target.fit(with_columns(coat=["red", "white"]), MILK)


def test_known__refuses_a_class_that_is_none_of_the_traits():
    target = Target.fit(with_columns(coat=["white", "black"]), COAT)
    with pytest.raises(DatasetError, match="The class 'blue' of 'coat' is none of black, red, white"):
        target.known(with_columns(coat=["blue", "white"]))


def _shown_in_docs() -> Any:
    """The classifier that docs/classifiers.md shows to authors of plugins."""
    names: dict[str, Any] = {"__name__": __name__}
    shown = DOCS.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    exec(compile(shown, DOCS, "exec", dont_inherit=True), names)  # noqa: S102 - our own page
    return names["Neighbours"]


class TestNeighbours(ClassifierSuite):
    """It keeps every rule."""

    plugin = _shown_in_docs()
