"""What is shown of the holdout, and what records say of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from genobench.downstream.holdout import covariate_groups, true_values, write_shown
from genobench.storage import read_store, write_store
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

TRAIT = EXAMPLE_TRAITS["quantitative"]
SAMPLES = pd.DataFrame(
    {
        "id": ["a", "b", "c", "d", "e"],
        "vendor": ["CR", "HS", "CR", "HS", None],
        "sex": ["f", "f", "f", "m", "f"],
        "age": [1, 2, 3, 4, 5],
        "weight": [1.5, np.nan, 2.0, 3.0, 4.0],
        "grade": ["low", None, "high", "low", "low"],
    }
)


@pytest.mark.parametrize(
    ("covariates", "groups"),
    [
        (("vendor",), (0, 1, 0, 1, 2)),
        (("vendor", "sex"), (0, 1, 0, 2, 3)),
        (("vendor", "age"), (0, 1, 0, 1, 2)),
        (("age",), ()),
        ((), ()),
    ],
    ids=lambda value: "-".join(map(str, value)),
)
def test_covariate_groups__are_of_classes_and_named_by_nothing(covariates, groups):
    assert covariate_groups(SAMPLES, dataclasses.replace(TRAIT, covariates=covariates)) == groups


def test_true_values__what_is_not_known_stays_unknown():
    assert true_values(SAMPLES, TRAIT) == (1.5, None, 2.0, 3.0, 4.0)
    assert true_values(SAMPLES, EXAMPLE_TRAITS["ordinal"]) == ("low", "", "high", "low", "low")


def test_write_shown__hides_trait_and_family_and_mends_what_was_changed(tmp_path):
    holdout, shown = tmp_path / "holdout", tmp_path / "shown"
    whole = example_genotypes(n_samples=12, n_variants=8)
    write_store(whole, holdout)
    assert write_shown(holdout, shown, TRAIT)
    assert set(read_store(shown).samples.columns) == {"id", *TRAIT.covariates}
    assert not write_shown(holdout, shown, TRAIT)
    write_store(whole, shown)
    assert write_shown(holdout, shown, TRAIT)
    assert set(read_store(shown).samples.columns) == {"id", *TRAIT.covariates}
