"""What a rule is, and how a plugin is held to it without a test runner.

A rule is a function of a subject (a plugin class with its settings, and examples to try it on). It returns None where the rule holds,
otherwise one sentence that says what was found and what would be right. The rule's name is the function's, what it asks is the first line
of its docstring.
"""

from __future__ import annotations

import inspect
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from genobench.errors import ContractError, GenobenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Rule: TypeAlias = Callable[[Any], str | None]


@dataclass(frozen=True)
class Check:
    """What came of one rule.

    Args:
        rule: The rule's name.
        ok: Whether the plugin keeps it.
        message: Empty where it does; otherwise one line that names the plugin, the rule and the value.
    """

    rule: str
    ok: bool
    message: str = ""


@dataclass(frozen=True, eq=False)
class Subject:
    """A plugin on trial; what its rules share is computed once and kept.

    Args:
        plugin: The class.
        folder: An empty folder for whatever the plugin writes.
        settings: Settings that make it quick; empty for the defaults.
        device: What generators and classifiers are fitted on.
    """

    plugin: type[Any]
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def name(self) -> str:
        """The plugin as messages name it, `module:Class`."""
        return f"{self.plugin.__module__}:{self.plugin.__qualname__}"

    def new_folder(self) -> Path:
        """An empty folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))


def statement(rule: Rule) -> str:
    """What a rule asks: the first line of its docstring."""
    return (inspect.getdoc(rule) or "").partition("\n")[0]


def run_rule(rule: Rule, subject: Subject) -> Check:
    """Hold a plugin to one rule; whatever the plugin raises is the finding.

    Args:
        rule: One of `genobench.testing.RULES`.
        subject: A plugin of the rule's kind.

    Returns:
        The check, with its message where the rule is broken.
    """
    name = getattr(rule, "__name__", repr(rule))
    try:
        finding = rule(subject)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        finding = f"it raised {type(error).__name__}: {error}"
        if not isinstance(error, GenobenchError):
            finding += f" ({_place(error)})"
    if finding is None:
        return Check(rule=name, ok=True)
    return Check(rule=name, ok=False, message=f"{subject.name} breaks the rule {name} ({statement(rule)}) Found: {finding}")


def assert_rule(rule: Rule, subject: Subject) -> None:
    """Hold a plugin to one rule.

    Raises:
        ContractError: If it breaks the rule; the message names the plugin, the rule and the value.
    """
    check = run_rule(rule, subject)
    if not check.ok:
        raise ContractError(check.message)


def _place(error: BaseException) -> str:
    """The innermost file and line of an error."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return "no traceback"
    return f"{Path(frame.tb_frame.f_code.co_filename).name}, line {frame.tb_lineno}"
