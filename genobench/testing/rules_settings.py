"""Rules for every plugin that is a frozen dataclass of settings: generators, classifiers, metrics."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import TYPE_CHECKING, Any, Final

from genobench.errors import SettingsError
from genobench.settings import with_settings
from genobench.testing.trials import FixedTrial

if TYPE_CHECKING:
    from genobench.testing.rules import Subject

_PLACES: Final = (0.0, 0.5, 1.0)


def is_documented(subject: Subject) -> str | None:
    """The class has a docstring of its own; `genobench plugins info` shows it."""
    own = inspect.cleandoc(vars(subject.plugin).get("__doc__") or "")
    # A dataclass without a docstring is given its signature for one.
    if not own or own.startswith(f"{subject.plugin.__name__}("):
        return "it has no docstring; say in one line what it is, and cite its source."
    return None


def settings_are_a_frozen_dataclass(subject: Subject) -> str | None:
    """The class is a frozen dataclass whose fields are the settings."""
    if "__dataclass_fields__" not in vars(subject.plugin):
        return "it is no dataclass; write @dataclass(frozen=True) above the class."
    parameters = getattr(subject.plugin, "__dataclass_params__", None)
    if not getattr(parameters, "frozen", False):
        return "it is a dataclass that can be changed; write @dataclass(frozen=True)."
    return None


def settings_have_defaults(subject: Subject) -> str | None:
    """Every setting has a default, so that the class can be made without arguments."""
    absent = [
        entry.name
        for entry in dataclasses.fields(subject.plugin)
        if entry.init and entry.default is dataclasses.MISSING and entry.default_factory is dataclasses.MISSING
    ]
    if absent:
        return f"the setting {', '.join(absent)} has no default."
    subject.plugin()
    return None


def settings_survive_json(subject: Subject) -> str | None:
    """Settings written as JSON and read back are the same settings; cells are named by them."""
    made = with_settings(subject.plugin, subject.settings)
    values = dataclasses.asdict(made)
    try:
        text = json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        return f"the settings {values} cannot be written as JSON ({error}); use numbers, text, booleans, None and tuples of them."
    again = with_settings(subject.plugin, json.loads(text))
    if again != made:
        return f"{made!r} became {again!r} on the way through JSON."
    return None


def suggest_gives_valid_settings(subject: Subject) -> str | None:
    """`suggest` returns settings of the class itself, at both ends of every range and between."""
    for place in _PLACES:
        trial = FixedTrial(place)
        suggested: Any = subject.plugin.suggest(trial)
        if type(suggested) is not subject.plugin:
            return f"suggest returned {suggested!r}; it must return an instance of {subject.plugin.__name__}."
        try:
            with_settings(subject.plugin, dataclasses.asdict(suggested))
        except SettingsError as error:
            return f"suggest returned {suggested!r}, which its own settings refuse: {error}"
    return None
