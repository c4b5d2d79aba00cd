"""What `command` and `file` must be told before a cell is made."""

from __future__ import annotations

import pytest

from genobench.builtin.command import Command
from genobench.builtin.file import File
from genobench.builtin.outside_settings import check_command, check_file
from genobench.errors import SettingsError


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"program is empty; write --set program='...', a command line"),
        ({"program": "no-such-program {train} {synthetic}"}, r"runs 'no-such-program', which is not found on PATH"),
        ({"program": "/nowhere/run {synthetic}"}, r"runs '/nowhere/run', which is not a file that may be run"),
        ({"program": "sh /nosuch.sh {train} {synthetic}"}, r"program runs the script /nosuch\.sh, which is not there"),
        ({"program": "sh -c : {synthetic}", "fit_program": "sh nosuch.sh {model}"}, r"fit_program runs the script nosuch\.sh"),
    ],
)
def test_check_command__refuses_what_cannot_run(settings, message):
    with pytest.raises(SettingsError, match=message):
        check_command(Command(**settings))


@pytest.mark.parametrize(
    "program",
    [
        "sh there.sh {synthetic}",
        "sh -e there.sh --keep absent.sh {synthetic}",
        "sh {folder}/made.sh {synthetic}",
        "env python /in/a/container.py {synthetic}",
        "{model}/program {synthetic}",
    ],
)
def test_check_command__leaves_alone_what_may_run(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.sh").touch()
    check_command(Command(program=program, fit_program="sh there.sh {model}"))


def test_check_file__wants_a_file():
    with pytest.raises(SettingsError, match="path is empty; write --set path=FILE"):
        check_file(File())
