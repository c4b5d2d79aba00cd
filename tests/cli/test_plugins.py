"""How plugins are listed."""

from __future__ import annotations

import os

import pytest

from genobench.cli import plugins
from genobench.registry import load_registry


@pytest.fixture
def entry():
    return next(entry for entry in load_registry().offers("metric") if entry.name == "aats-privacy-loss")


def test_listed__is_wrapped_beside_its_name_on_a_terminal(entry, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((70, 24)))
    lines = plugins._listed(entry, "what it is, in rather more words than a line of a terminal has room for.", 20).splitlines()
    assert lines[0].startswith("  aats-privacy-loss     what it is")
    assert len(lines) > 1
    assert all(len(line) <= 70 for line in lines)
    assert all(line.startswith(" " * 24) for line in lines[1:])


def test_listed__is_one_line_in_a_pipe(entry, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    line = plugins._listed(entry, "many words, " * 30, 20)
    assert "\n" not in line
    assert line.endswith(f"(genobench {entry.version})")
