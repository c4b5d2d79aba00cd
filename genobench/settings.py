"""A plugin's settings, between the text or JSON that names them and the frozen dataclass that holds them."""

from __future__ import annotations

import dataclasses
import difflib
import json
from typing import TYPE_CHECKING, Any, Final

from genobench.errors import ContractError, GenobenchError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_WANTED: Final = {"int_": "a whole number", "float_": "a number", "bool_": "true or false", "string_": "text", "finite_": "a finite number"}
"""What a value must be, by how the kind of pydantic's error begins."""


_LARGEST_WHOLE: Final = 2**63 - 1
"""Arrays and tensors count in int64."""

_SMALLEST, _LARGEST = 1.2e-38, 3.4e38
"""Networks hold numbers as float32, which beyond these are 0 or infinite (IEEE 754)."""


def with_settings(plugin: type[Any], settings: Mapping[str, Any]) -> Any:
    """Make a plugin with settings, as text or as values.

    Args:
        plugin: A frozen dataclass of settings.
        settings: Values by name; text ("3", "1e-4", "true") is read as the field's type asks.

    Returns:
        The instance.

    Raises:
        SettingsError: If a name is not a setting of the plugin (the message gives the nearest), or a value does not fit.
        ContractError: If the plugin's fields have types that cannot be read.
    """
    import pydantic

    if not dataclasses.is_dataclass(plugin):
        raise ContractError(f"{plugin.__name__} must be a frozen dataclass whose fields are its settings.")
    fields = [field.name for field in dataclasses.fields(plugin)]
    for name in settings:
        if name not in fields:
            nearest = difflib.get_close_matches(name, fields, n=1, cutoff=0.6)
            hint = f" Did you mean '{nearest[0]}'?" if nearest else f" Its settings: {', '.join(fields) or 'none'}."
            raise SettingsError(f"{plugin.__name__} has no setting '{name}'.{hint}")
    try:
        return pydantic.TypeAdapter(plugin).validate_python(dict(settings))
    except pydantic.errors.PydanticUserError as error:
        raise ContractError(f"The settings of {plugin.__name__} cannot be read: {error}") from error
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = str(first["loc"][0]) if first["loc"] else "settings"
        raise SettingsError(f"{plugin.__name__} does not take {place} = {first.get('input')!r}: {_wanted(first)}.") from error
    except GenobenchError:
        raise
    except Exception as error:  # the plugin boundary: `__post_init__` may raise anything
        raise SettingsError(f"{plugin.__name__} does not take {dict(settings)}: {type(error).__name__}: {error}") from error


def _wanted(error: Mapping[str, Any]) -> str:
    """What would be right in place of what pydantic refused, as a clause."""
    kind, expected = error["type"], error.get("ctx", {}).get("expected")
    if expected is not None:
        return f"it must be {expected}"
    for beginning, wanted in _WANTED.items():
        if kind.startswith(beginning):
            return f"it must be {wanted}"
    return str(error["msg"])


def settings_json(plugin: Any) -> dict[str, Any]:
    """All settings of a plugin, defaults included, as JSON values; `with_settings` reads them back.

    Raises:
        SettingsError: If a setting is infinite or not a number: a cell's identity could not be written down.
        ContractError: If a setting is no value that JSON knows.
    """
    values = dataclasses.asdict(plugin)
    try:
        settings: dict[str, Any] = json.loads(json.dumps(values, allow_nan=False))
    except ValueError as error:
        raise SettingsError(f"A setting of {type(plugin).__name__} is not a finite number: {values}.") from error
    except TypeError as error:
        raise ContractError(f"The settings of {type(plugin).__name__} must be values that JSON knows ({error}): {values}.") from error
    return settings


def check_lowest(settings: Any, lowest: Mapping[str, float]) -> None:
    """Refuse values below the lowest that is allowed.

    Here as in the other checks, None stands for not set, and these are refused: NaN, a whole number that is none of int64, and a number so
    large or so small that it is infinite or 0 in float32.

    Args:
        settings: A plugin's settings.
        lowest: The lowest value by the setting's name.

    Raises:
        SettingsError: If a value is lower.
    """
    for name, value in _values(settings, lowest):
        if not value >= lowest[name]:
            raise SettingsError(f"{name} is {value}; it must be at least {lowest[name]}.")


def check_below(settings: Any, limits: Mapping[str, float]) -> None:
    """Refuse values that are not below a limit.

    Args:
        settings: A plugin's settings.
        limits: The limit by the setting's name; the limit itself is refused.

    Raises:
        SettingsError: If a value is the limit, or above.
    """
    for name, value in _values(settings, limits):
        if not value < limits[name]:
            raise SettingsError(f"{name} is {value}; it must be below {limits[name]}.")


def check_positive(settings: Any, names: Iterable[str]) -> None:
    """Refuse values that are not above 0.

    Args:
        settings: A plugin's settings.
        names: The settings' names.

    Raises:
        SettingsError: If a value is 0 or negative.
    """
    for name, value in _values(settings, names):
        if not value > 0:
            raise SettingsError(f"{name} is {value}; it must be above 0.")


def check_share(settings: Any, names: Iterable[str]) -> None:
    """Refuse values outside [0, 1].

    Args:
        settings: A plugin's settings.
        names: The settings' names.

    Raises:
        SettingsError: If a value is negative, or above 1.
    """
    for name, value in _values(settings, names):
        if not 0 <= value <= 1:
            raise SettingsError(f"{name} is {value}; it must lie in [0, 1].")


def _values(settings: Any, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Those that are set, none of them beyond what arrays and networks can hold."""
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:
            raise SettingsError(f"{name} is {value}; it must be at most {_LARGEST_WHOLE:,}.")
        if isinstance(value, float) and (abs(value) > _LARGEST or 0 < abs(value) < _SMALLEST):
            raise SettingsError(f"{name} is {value}; it must be a number that float32 can hold: 0, or from {_SMALLEST} to {_LARGEST}.")
        if value is not None:
            yield name, value
