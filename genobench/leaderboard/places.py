"""Local paths, left out of what is published: a board says which file it was, not in whose folder it lay.

Settings such as the `program` of `command` and the `path` of `file` name places on one machine. What tells two files of one name apart is
their hash, which those settings hold beside the path.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from genobench.outcomes import Outcome

_PATH: Final = re.compile(r"""(?:(?<![^\s=:,;'"(\[])|(?<=\s-[A-Za-z]))(?:~[\w.-]*)?(?:/[^\s/:;,'"(){}\[\]<>|]+)+""")
"""An absolute path or one in a home folder, at the beginning of a word, behind `=`, `:` or a quote, or behind an option such as -v."""

_QUOTED: Final = re.compile(r"""(?P<quote>['"])(?P<path>~?/[^'"{}]*)(?P=quote)""")
_HOME: Final = re.compile(r"~[\w.-]*|/root|/(?:home|Users)/[^/]+")


def without_places(outcome: Outcome) -> Outcome:
    """An outcome as it is published: its settings and its message name files, not folders of a machine.

    Args:
        outcome: Evidence; its cell's id stays, though settings are part of what it is the hash of.
    """
    settings = {name: without_paths(value) for name, value in outcome.settings.items()}
    return dataclasses.replace(outcome, settings=settings, message=named_files(outcome.message))


def named_files(text: str) -> str:
    """A text with the file's name in place of each absolute path; relative paths and placeholders stay.

    >>> named_files("Rscript /Users/ana/models/fit.R {train}")
    'Rscript fit.R {train}'
    """
    if _is_path(text):
        return _name(text)
    text = _QUOTED.sub(lambda found: found[0].replace(found["path"], named_files(found["path"])), text)
    return _PATH.sub(lambda found: _name(found[0]), text)


def without_paths(value: Any) -> Any:
    """A JSON value with files' names in place of absolute paths."""
    if isinstance(value, str):
        return named_files(value)
    if isinstance(value, dict):
        return {name: without_paths(item) for name, item in value.items()}
    return [without_paths(item) for item in value] if isinstance(value, list) else value


def _is_path(text: str) -> bool:
    """Whether a text is one path, which may hold spaces, and no command line."""
    return bool(re.match(r"~[\w.-]*/|/", text)) and "{" not in text and not re.search(r"\s~?/", text)


def _name(path: str) -> str:
    """Its last part; "~" for a home folder, whose last part is somebody's name."""
    return "~" if _HOME.fullmatch(path.rstrip("/")) else PurePosixPath(path).name
