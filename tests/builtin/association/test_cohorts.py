"""Cohorts of two studies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genobench import DatasetError, Trait
from genobench.builtin.association.cohorts import paired_cohorts

VALUES = Trait("weight", "quantitative")
CALLS = np.zeros((8, 3), dtype=np.int8)


def test_cohorts__hold_as_many_samples_whose_trait_is_known(genotypes_with: Any, compared: Any) -> None:
    holdout = genotypes_with(CALLS, "a", weight=[1.0, np.nan, 3.0, np.inf, 5.0, 6.0, 7.0, 8.0])
    synthetic = genotypes_with(CALLS[:5], "s", weight=[4.0, 3.0, 2.0, np.nan, 0.0])
    for one, other in ((holdout, synthetic), (synthetic, holdout)):
        for cohort in paired_cohorts(compared(one, other), seed=1):
            assert cohort.responses.shape == (1, 4)
            assert np.isfinite(cohort.responses).all()
            assert cohort.genotypes.samples["weight"].tolist() == cohort.responses[0].tolist()


def test_cohorts__are_drawn_anew_by_another_seed(genotypes_with: Any, compared: Any) -> None:
    holdout, synthetic = (
        genotypes_with(np.zeros((60, 3), dtype=np.int8), "a", weight=np.arange(60.0)),
        genotypes_with(CALLS, "s", weight=1.0),
    )
    drawn = [tuple(paired_cohorts(compared(holdout, synthetic), seed=seed)[0].responses[0]) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_classes__become_numbers(genotypes_with: Any, compared: Any) -> None:
    labels = ["b", "a", None, "c", "d", "b", "a", "c"]
    table = genotypes_with(CALLS, "a", coat=labels)
    numbered = {
        "ordinal": [[1, 0, 2, 1, 0, 2]],
        "categorical": [[0, 1, 0, 0, 1, 0], [1, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1]],
    }
    for kind, expected in numbered.items():
        trait = Trait("coat", kind, ("a", "b", "c"))  # type: ignore[arg-type]  # the keys are kinds
        assert paired_cohorts(compared(table, table, trait=trait), seed=0)[0].responses.tolist() == expected
    two = paired_cohorts(compared(table, table, trait=Trait("coat", "categorical", ("a", "b"))), seed=0)[0]
    assert two.responses.tolist() == [[1, 0, 1, 0]]


def test_cohorts__say_what_is_absent(genotypes_with: Any, compared: Any) -> None:
    table = genotypes_with(CALLS, "a", weight=np.arange(8.0))
    with pytest.raises(DatasetError, match=r"The holdout samples carry no 'height'.*\['id', 'weight'\]"):
        paired_cohorts(compared(table, table, trait=Trait("height", "quantitative")), seed=0)
    nobody = table.with_samples(table.samples.assign(weight=np.nan))
    with pytest.raises(DatasetError, match="'weight' is known of no synthetic sample"):
        paired_cohorts(compared(table, nobody, trait=VALUES), seed=0)


@pytest.mark.parametrize("kind", ["categorical", "ordinal"])
def test_cohorts__name_the_one_class_that_all_samples_have(kind: Any, genotypes_with: Any, compared: Any) -> None:
    table = genotypes_with(CALLS, "a", coat=["a", "b", "c", "b"] * 2)
    alike = table.with_samples(table.samples.assign(coat="b"))
    with pytest.raises(DatasetError, match=r"^All 8 holdout samples have the class 'b'; an association needs two\.$"):
        paired_cohorts(compared(alike, table, trait=Trait("coat", kind, ("a", "b", "c"))), seed=0)
