"""What `command` and `file` must be told, checked before a cell is made: a wrong command line would be a failed row for good.

The generators themselves say it where they need it, in the worker. They may also be made without, as `genobench plugins info` and the
rules for plugins do.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from genobench import SettingsError

if TYPE_CHECKING:
    from genobench.builtin.command import Command
    from genobench.builtin.file import File

_INTERPRETERS: Final = ("python", "pypy", "Rscript", "julia", "bash", "sh", "zsh", "perl", "ruby", "node")
"""Programs whose script lies on this machine; that of a container (`docker run image python /app/x.py`) does not."""

_SCRIPTS: Final = (".py", ".R", ".r", ".jl", ".sh", ".pl", ".rb", ".js")


def check_command(command: Command) -> None:
    """Check that there is a program, and that it and the script that it runs are there.

    Args:
        command: The generator with its settings.

    Raises:
        SettingsError: If `program` is empty, or a command line names a program or a script that is not there.
    """
    if not command.program:
        raise SettingsError("command: program is empty; write --set program='...', a command line as in docs/external_generators.md.")
    for setting, text in (("fit_program", command.fit_program), ("program", command.program)):
        if text:
            _check_program(f"command: {setting}", text)


def check_file(file: File) -> None:
    """Check that a file is named; that it can be read is checked when the generator is made.

    Args:
        file: The generator with its settings.

    Raises:
        SettingsError: If `path` is empty.
    """
    if not file.path:
        raise SettingsError("file: path is empty; write --set path=FILE. docs/external_generators.md has examples.")


def _check_program(setting: str, text: str) -> None:
    words = shlex.split(text)  # The generator has read it already.
    if not words:
        raise SettingsError(f"{setting} holds no word: '{text}'.")
    program = words[0]
    if "{" not in program and shutil.which(program) is None:
        where = "is not a file that may be run" if "/" in program else "is not found on PATH"
        raise SettingsError(f"{setting} runs '{program}', which {where}: {text}")
    if Path(program).name.rstrip("0123456789.") not in _INTERPRETERS:
        return
    script = next((word for word in words[1:] if word.endswith(_SCRIPTS)), "{")
    if "{" not in script and not Path(script).is_file():
        raise SettingsError(f"{setting} runs the script {script}, which is not there (this folder is {Path.cwd()}): {text}")
