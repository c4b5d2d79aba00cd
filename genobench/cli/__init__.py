"""The command line: one file a command, each of which calls one function below this layer.

`main` is the one place where an error becomes a line on stderr and an exit code: 2 for what a user, a file or a plugin did, 130 for Ctrl-C,
1 (with a traceback) for a bug of ours. Commands import their work when they are called, so that `--help` takes a moment only.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from genobench.cli import compare, data, downstream, generate, leaderboard, plugins, record, run, score
from genobench.errors import GenobenchError, UnknownNameError
from genobench.home import NO_ROOM

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["app", "main"]

_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_WRONG_PLACE: Final = frozenset({errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG})
_MACHINE_ERRORS: Final = NO_ROOM | _DENIED | _WRONG_PLACE

app = typer.Typer(
    name="genobench",
    help="Benchmark generative models of genotypes: fidelity, privacy and downstream prediction, each score with its noise.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run.run)
app.command("study", help="Run several generators with equal budgets on the same splits; `run`, with --generator repeated.")(run.run)
app.command("generate")(generate.generate)
app.command("score")(score.score)
app.command("compare")(compare.compare)
app.command("downstream")(downstream.downstream)
app.command("record")(record.record)
app.add_typer(data.app, name="data")
app.add_typer(plugins.app, name="plugins")
app.add_typer(leaderboard.app, name="leaderboard")

_ELSEWHERE: Final = {"generators": "plugins list", "classifiers": "plugins list", "metrics": "plugins list", "datasets": "data list"}
"""What one might type, and the command that answers it."""


def _point_to(typed: str, command: str) -> Callable[[], None]:
    def point() -> None:
        raise UnknownNameError(f"There is no command '{typed}'; `genobench {command}` lists {typed}.")

    return point


for _typed, _command in _ELSEWHERE.items():
    settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(_typed, hidden=True, context_settings=settings)(_point_to(_typed, _command))


class _Stopped(BaseException):
    """A signal asked this process to stop; not a KeyboardInterrupt, which the command-line library would take for an abort."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@app.callback(invoke_without_command=True)
def root(*, version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False) -> None:
    """Benchmark generative models of genotypes."""
    if version:
        from genobench import __version__

        typer.echo(f"genobench {__version__}")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app()
    except GenobenchError as error:
        _leave(str(error), 2)
    except _Stopped as stopped:
        _leave("stopped. What is finished is kept; the same command goes on from there.", 128 + stopped.number)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in _MACHINE_ERRORS:
            raise
        place = f" ({error.filename})" if error.filename else ""
        _leave(f"{error.strerror}{place}. Nothing half-written was left behind; make room or choose another place, and run it again.", 2)
    sys.exit(0)


def _stop(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)
    raise _Stopped(number)


def _leave(message: str, code: int) -> NoReturn:
    print(f"genobench: {message}", file=sys.stderr)  # noqa: T201 - the last word of the command
    sys.exit(code)
