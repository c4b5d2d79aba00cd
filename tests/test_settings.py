from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

from genobench.errors import ContractError, SettingsError
from genobench.settings import check_below, check_lowest, check_positive, check_share, settings_json, with_settings

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class _Settings:
    steps: int = 10
    rate: float = 0.1
    is_fast: bool = False
    widths: tuple[int, ...] = (8, 4)
    mode: Literal["a", "b"] = "a"
    limit: int | None = None


def test_with_settings__reads_text_by_the_type_of_the_field():
    assert with_settings(_Settings, {"steps": "300", "rate": "1e-4", "is_fast": "true"}) == _Settings(300, 1e-4, is_fast=True)


def test_with_settings__unknown_name_gives_the_nearest():
    with pytest.raises(SettingsError, match=r"has no setting 'step'\. Did you mean 'steps'"):
        with_settings(_Settings, {"step": 3})


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("steps", "many", "it must be a whole number"),
        ("steps", "1.5", "it must be a whole number"),
        ("rate", "fast", "it must be a number"),
        ("is_fast", "maybe", "it must be true or false"),
        ("mode", "c", "it must be 'a' or 'b'"),
        ("limit", "none", "it must be a whole number"),
    ],
)
def test_with_settings__value_that_does_not_fit(name, value, wanted):
    with pytest.raises(SettingsError, match=rf"^_Settings does not take {name} = '{value}': {wanted}\.$"):
        with_settings(_Settings, {name: value})


def test_settings_json__reads_back_as_the_same_settings():
    settings = _Settings(rate=1e-4, widths=(3, 2, 1))
    values = settings_json(settings)
    assert values == {"steps": 10, "rate": 1e-4, "is_fast": False, "widths": [3, 2, 1], "mode": "a", "limit": None}
    assert with_settings(_Settings, json.loads(json.dumps(values))) == settings


@dataclass(frozen=True)
class _Strange:
    thing: Any = print

    def __post_init__(self) -> None:
        if self.thing == "odd":
            raise KeyError("odd")


def test_settings_json__what_cannot_stand_in_a_cells_identity():
    with pytest.raises(SettingsError, match="not a finite number"):
        settings_json(_Settings(rate=float("nan")))
    with pytest.raises(ContractError, match="must be values that JSON knows"):
        settings_json(_Strange())


def test_with_settings__class_that_raises_or_is_no_dataclass():
    with pytest.raises(SettingsError, match=r"does not take .* KeyError"):
        with_settings(_Strange, {"thing": "odd"})
    with pytest.raises(ContractError, match="must be a frozen dataclass"):
        with_settings(int, {})


@dataclass(frozen=True)
class _Checked:
    steps: int | None = 2
    rate: float | None = 0.5


@pytest.mark.parametrize("value", [-0.1, 0.0, 0.5, 1.0, 1.5, float("nan"), None])
def test_checks__take_what_they_say(value: float | None) -> None:
    """Each check against its interval, written out; None is not set."""
    checks: list[tuple[Callable[[Any], None], list[float]]] = [
        (lambda settings: check_lowest(settings, {"rate": 0.5}), [0.5, 1.0, 1.5]),
        (lambda settings: check_below(settings, {"rate": 1.0}), [-0.1, 0.0, 0.5]),
        (lambda settings: check_positive(settings, ("rate",)), [0.5, 1.0, 1.5]),
        (lambda settings: check_share(settings, ("rate",)), [0.0, 0.5, 1.0]),
    ]
    for check, allowed in checks:
        if value is None or value in allowed:
            check(_Checked(rate=value))
        else:
            with pytest.raises(SettingsError, match=f"^rate is {value}; it must"):
                check(_Checked(rate=value))


@pytest.mark.parametrize(
    "check",
    [
        lambda settings: check_lowest(settings, {"steps": 1, "rate": 0.0}),
        lambda settings: check_below(settings, {"steps": 10**30, "rate": math.inf}),
        lambda settings: check_positive(settings, ("steps", "rate")),
    ],
)
def test_checks__refuse_what_arrays_and_networks_cannot_hold(check: Callable[[Any], None]) -> None:
    """The limits are those of numpy's int64 and float32."""
    check(_Checked(steps=np.iinfo(np.int64).max, rate=3e38))
    with pytest.raises(SettingsError, match=r"^steps is 1000000000000000000000; it must be at most 9,223,372,036,854,775,807\.$"):
        check(_Checked(steps=10**21))
    for value in (1e300, math.inf, 1e-300):
        assert not float(np.finfo(np.float32).smallest_normal) <= value <= float(np.finfo(np.float32).max)
        with pytest.raises(
            SettingsError, match=f"^rate is {re.escape(str(value))}; it must be a number that float32 can hold: 0, or from 1.2e-38 to 3.4e"
        ):
            check(_Checked(rate=value))


def test_checks__say_what_would_be_right() -> None:
    with pytest.raises(SettingsError, match=r"^steps is 0; it must be at least 1\.$"):
        check_lowest(_Checked(steps=0), {"steps": 1})
    with pytest.raises(SettingsError, match=r"^rate is 1\.5; it must lie in \[0, 1\]\.$"):
        check_share(_Checked(rate=1.5), ("rate",))
