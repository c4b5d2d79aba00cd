"""What generators with presets share: the check of the name, and settings that take the place of a preset's."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final, TypeVar

from genobench import SettingsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from _typeshed import DataclassInstance

DEFAULT: Final = "default"

_Preset = TypeVar("_Preset", bound="DataclassInstance")


def check_preset(settings: Any, published: Mapping[str, Any], *, default_only: Collection[str] = ()) -> None:
    """Refuse a preset that there is not, and beside a published preset settings that it lacks.

    Args:
        settings: A generator with a field `preset`, whose other fields are None where they are not set.
        published: The published presets by name; a setting that is no field of theirs belongs to the default alone.
        default_only: Fields of a published preset that mean nothing to its training.

    Raises:
        SettingsError: If there is no preset of that name, or it has no such setting.
    """
    if settings.preset == DEFAULT:
        return
    if settings.preset not in published:
        raise SettingsError(f"preset is '{settings.preset}'; it must be one of {DEFAULT}, {', '.join(published)}.")
    known = {field.name for field in dataclasses.fields(published[settings.preset])} - set(default_only)
    for name, value in dataclasses.asdict(settings).items():
        if name != "preset" and name not in known and value is not None:
            raise SettingsError(f"{name} is {value}, but the preset '{settings.preset}' has no such thing; leave it out.")


def overridden(preset: _Preset, settings: Mapping[str, Any]) -> _Preset:
    """The preset with what was set explicitly (what is not None and has a field there) in its place."""
    names = {field.name for field in dataclasses.fields(preset)}
    return dataclasses.replace(preset, **{name: value for name, value in settings.items() if value is not None and name in names})
