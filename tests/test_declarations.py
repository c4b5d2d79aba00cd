"""Metrics that declare or give what the contract does not know: each is told what is wrong, before anything is kept."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from genobench import Metric, Score, ScoreSpec
from genobench.declarations import check_demands, checked, declared
from genobench.errors import ContractError

SPEC = ScoreSpec(name="one", summary="", unit="", direction="lower", ideal=0.0, version=1)


class _One(Metric):
    family = "fidelity"
    scores: ClassVar = (SPEC,)

    def score(self, comparison, *, seed):
        return ()


def _metric(**attributes: Any) -> Metric:
    made: Metric = type("Lies", (_One,), attributes)()
    return made


def _spec(**changes: Any) -> ScoreSpec:
    """A spec with values of types that no spec may have."""
    return replace(SPEC, **changes)


def _score(value: Any, **changes: Any) -> Score:
    """The same for a score."""
    return Score("one", value, **changes)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"family": "weird"}, "has the family 'weird'"),
        ({"scores": None}, "declares the scores None"),
        ({"scores": (3,)}, "declares the scores"),
        ({"scores": (_spec(direction="sideways"),)}, "direction = 'sideways'; it must be one of lower, higher, target"),
        ({"scores": (_spec(name=5),)}, "name = 5; it must be text"),
        ({"scores": (_spec(unit=None),)}, "unit = None; it must be text"),
        ({"scores": (_spec(version="one"),)}, "version = 'one'"),
        ({"scores": (_spec(ideal="best"),)}, "ideal = 'best'"),
        ({"scores": (_spec(chance=math.nan),)}, "chance = nan; it must be a finite number"),
        ({"scores": (SPEC, SPEC)}, "more than once"),
    ],
)
def test_declared__what_is_no_declaration_is_refused(attributes, message):
    with pytest.raises(ContractError) as caught:
        declared(_metric(**attributes))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"parts": ("bogus",)}, "('bogus',); it must be a tuple of names out of train"),
        ({"parts": "train"}, "'train'; it must be a tuple"),
        ({"parts": None}, "None; it must be a tuple"),
        ({"most_samples": 0}, "most_samples = 0"),
        ({"most_samples": -3}, "most_samples = -3"),
        ({"most_samples": 7.5}, "most_samples = 7.5"),
        ({"most_samples": "10"}, "most_samples = '10'"),
    ],
)
def test_check_demands__parts_and_numbers_that_are_none_are_refused(attributes, message):
    with pytest.raises(ContractError) as caught:
        check_demands(_metric(**attributes))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ((_score("abc"),), "value = 'abc'; it must be a number"),
        ((_score(None),), "value = None"),
        ((_score(1j),), "value = 1j"),
        ((_score(np.ones(1)),), "value = array([1.])"),
        ((_score(1.0, standard_error="abc"),), "standard_error = 'abc'"),
        ((_score(1.0, standard_error=-2.0),), "standard_error = -2.0; it must be a number of at least 0"),
        ((_score(1.0, interval="ab"),), "interval = 'ab'; it must be two numbers"),
        ((_score(1.0, interval=3),), "interval = 3"),
        ((_score(1.0, interval=(1.0,)),), "interval = (1.0,)"),
        ((_score(1.0, interval=(2.0, 0.0)),), "interval = (2.0, 0.0)"),
        ((_score(math.nan, reason=5),), "reason = 5; it must be text"),
        ((_score(1.0), _score(2.0)), "gave ['one', 'one']"),
        ((), "gave []"),
    ],
)
def test_checked__what_is_no_score_is_refused(scores, message):
    with pytest.raises(ContractError) as caught:
        checked(scores, _One())
    assert message in str(caught.value)


@pytest.mark.parametrize("value", [True, 1, np.float32(1.0), np.int64(1)])
def test_checked__every_kind_of_number_becomes_a_float(value):
    (score,) = checked([_score(value, standard_error=math.nan, interval=(math.nan, 1.0))], _One())
    assert (type(score.value), score.value) == (float, 1.0)


def test_checked__value_that_is_not_finite_is_missing_with_a_reason():
    (score,) = checked([_score(math.inf)], _One())
    assert math.isnan(score.value)
    assert score.reason == "not finite, no reason given"
