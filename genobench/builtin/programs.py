"""Command lines of programs that are not ours: their placeholders, and how they are run.

A command line is split as a shell would split it (`shlex`), then placeholders such as {train} are filled in, each within its word. No shell
is started. Write {{ and }} for a brace that is no placeholder.
"""

from __future__ import annotations

import hashlib
import shlex
import string
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from genobench import GenobenchError, SettingsError
from genobench.builtin.ready_files import DIGITS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_LINES_KEPT: Final = 8
_SECONDS_TO_DRAIN: Final = 2.0
"""A program's last lines may still be on their way when it has ended."""


def split_command(command: str, *, setting: str, allowed: Collection[str]) -> list[str]:
    """The words of a command line, with their placeholders.

    Args:
        command: As a user writes it.
        setting: What to call it in a message.
        allowed: Names that may stand in braces.

    Returns:
        Its words.

    Raises:
        SettingsError: If quotes are left open, or a placeholder is not known.
    """
    try:
        words = shlex.split(command)
        names = placeholders(words)
    except ValueError as error:
        raise SettingsError(f"{setting} cannot be read ({error}): {command}. Write {{{{ and }}}} for braces of its own.") from error
    unknown = sorted(names - set(allowed))
    if unknown:
        raise SettingsError(
            f"{setting} has the placeholder {{{unknown[0]}}}, which it may not have; it may have "
            f"{', '.join(f'{{{name}}}' for name in allowed)}. Write {{{{ and }}}} for braces of its own."
        )
    return words


def placeholders(words: Collection[str]) -> set[str]:
    """The names that stand in braces in the words of a command line."""
    return {name for word in words for _, name, _, _ in string.Formatter().parse(word) if name is not None}


def named_files_sha256(*commands: list[str]) -> str:
    """Hash of the files that command lines name (a script, say), 12 hexadecimal digits; "" where they name none."""
    digest = hashlib.sha256()
    files = [Path(word) for words in commands for word in words if "{" not in word and len(word) < 4096 and Path(word).is_file()]
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:DIGITS] if files else ""


def run_program(words: list[str], values: Mapping[str, object], *, doing: str) -> list[str]:
    """Run a program to its end; what it prints goes to the log (stderr) as it comes.

    The program stays in the process group of the worker, so that it is stopped with it. Only it is waited for: what a child that it leaves
    behind prints later is not.

    Args:
        words: Of the command line.
        values: What stands for each placeholder.
        doing: What it is run for, for messages.

    Returns:
        The last lines that it printed.

    Raises:
        GenobenchError: If it cannot be started, or ends with another exit code than 0.
    """
    filled = [word.format(**values) for word in words]
    sys.stderr.write(f"$ {shlex.join(filled)}\n")
    last: deque[str] = deque(maxlen=_LINES_KEPT)
    try:
        process = subprocess.Popen(  # noqa: S603 - to run what the user names is what this is for
            filled, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
    except OSError as error:
        raise GenobenchError(f"The program '{filled[0]}' ({doing}) cannot be started: {error.strerror}.") from error
    # A thread, since a child that is left behind may hold the other end of the pipe for ever.
    pump = threading.Thread(target=_pass_on, args=(process, last), daemon=True)
    pump.start()
    try:
        code = process.wait()
        pump.join(_SECONDS_TO_DRAIN)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if code:
        raise GenobenchError(f"The program '{filled[0]}' ({doing}) ended with exit code {code}.{said(last)}")
    return list(last)


def _pass_on(process: subprocess.Popen[str], last: deque[str]) -> None:
    """Write what a program prints to the log, and keep its last lines."""
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    with process.stdout:
        for line in process.stdout:
            sys.stderr.write(line)
            sys.stderr.flush()
            last.append(line.rstrip())


def said(lines: Collection[str]) -> str:
    """The last lines of a program, as the end of a message."""
    shown = [line for line in lines if line.strip()]
    return f" Its last lines: {' | '.join(shown)}" if shown else " It printed nothing."
