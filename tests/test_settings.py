from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from genobench.errors import ContractError, SettingsError
from genobench.settings import settings_json, with_settings


@dataclass(frozen=True)
class _Settings:
    steps: int = 10
    rate: float = 0.1
    is_fast: bool = False
    widths: tuple[int, ...] = (8, 4)


def test_with_settings__reads_text_by_the_type_of_the_field():
    assert with_settings(_Settings, {"steps": "300", "rate": "1e-4", "is_fast": "true"}) == _Settings(300, 1e-4, is_fast=True)


def test_with_settings__unknown_name_gives_the_nearest():
    with pytest.raises(SettingsError, match=r"has no setting 'step'\. Did you mean 'steps'"):
        with_settings(_Settings, {"step": 3})


def test_with_settings__value_that_does_not_fit():
    with pytest.raises(SettingsError, match="does not take steps = 'many'"):
        with_settings(_Settings, {"steps": "many"})


def test_settings_json__reads_back_as_the_same_settings():
    settings = _Settings(rate=1e-4, widths=(3, 2, 1))
    values = settings_json(settings)
    assert values == {"steps": 10, "rate": 1e-4, "is_fast": False, "widths": [3, 2, 1]}
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
