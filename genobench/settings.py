"""A plugin's settings, between the text or JSON that names them and the frozen dataclass that holds them."""

from __future__ import annotations

import dataclasses
import difflib
import json
from typing import TYPE_CHECKING, Any

from genobench.errors import ContractError, GenobenchError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        place = ".".join(str(part) for part in first["loc"]) or "settings"
        raise SettingsError(f"{plugin.__name__} does not take {place} = {first.get('input')!r}: {first['msg']}.") from error
    except GenobenchError:
        raise
    except Exception as error:  # the plugin boundary: `__post_init__` may raise anything
        raise SettingsError(f"{plugin.__name__} does not take {dict(settings)}: {type(error).__name__}: {error}") from error


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
