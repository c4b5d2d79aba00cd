"""What a run shows on a terminal, and that it leaves stdout to the results."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
import threading

import pytest

from genobench.cli.progress import RunProgress

BAR = "\N{BOX DRAWINGS HEAVY HORIZONTAL}"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """A pseudo-terminal: a stream to write to, and all that arrived on the other side."""

    def __init__(self) -> None:
        self._screen, child = pty.openpty()
        self.stream = os.fdopen(child, "w")
        self._parts: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._screen, 65536)
            except OSError:  # The other side is closed.
                return
            if not part:
                return
            self._parts.append(part)

    def close(self) -> str:
        """Close it and give what it showed."""
        self.stream.close()
        self._reader.join()
        os.close(self._screen)
        return b"".join(self._parts).decode()


@pytest.fixture
def terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    return Terminal()


def test_progress__on_a_terminal_leaves_stdout_to_the_file_it_is_meant_for(terminal, monkeypatch):
    """`genobench run --json > outcomes.jsonl`, with stderr on the terminal."""
    file = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    monkeypatch.setattr(sys, "stdout", file)
    line = '{"status": "ok", "scores": [' + "0.123456789, " * 20 + "0]}\n"
    with RunProgress() as progress:
        progress({"event": "stage", "stage": "split"})
        sys.stdout.write(line)
        with progress.aside():
            sys.stdout.write(line)
    shown = terminal.close()
    assert file.getvalue() == 2 * line
    assert BAR in shown
    assert "status" not in shown


def test_progress__is_taken_away_before_results_are_printed(terminal, monkeypatch):
    """stdout and stderr are one terminal: a result begins on a line of its own, and the bar of the next phase follows below it."""
    monkeypatch.setattr(sys, "stderr", terminal.stream)
    monkeypatch.setattr(sys, "stdout", terminal.stream)
    with RunProgress() as progress:
        progress({"event": "stage", "stage": "draw the report"})
        with progress.aside():
            sys.stdout.write("copy on example: ok\n")
        progress({"event": "phase", "task": "fit", "phase": "fit"})
    shown = terminal.close()
    before, _, after = shown.partition("copy on example: ok")
    assert BAR in before
    last_line = before.rpartition("\n")[2].rpartition("\x1b[2K")[2]
    assert CONTROL.sub("", last_line) == ""
    assert BAR in after


def test_progress__says_that_a_fit_goes_on_from_a_checkpoint(capsys):
    with RunProgress() as progress:
        progress({"event": "resumed", "task": "fit", "step": 1018})
    assert capsys.readouterr().err == "  goes on at step 1,018, from its checkpoint\n"


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"arm": "real", "generator": "", "reason": None}, "  x/prs on real: 2.4 s\n"),
        ({"arm": "real+3x", "generator": "y/vae", "reason": None}, "  x/prs on real+3x of y/vae, seed 1: 2.4 s\n"),
        ({"arm": "real", "generator": "", "reason": "It broke [off]."}, "  x/prs on real: none. It broke [off].\n"),
    ],
    ids=["real samples", "samples of a generator", "none"],
)
def test_progress__tells_of_a_prediction_what_it_is_of_and_how_long_it_took(capsys, facts, line):
    with RunProgress() as progress:
        progress({"event": "prediction", "classifier": "x/prs", "seed": 1, "seconds": 2.41, **facts})
    assert capsys.readouterr().err == line
