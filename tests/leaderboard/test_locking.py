"""The lock of a board's folder: two that publish at once would each write what it had read, and its own."""

from __future__ import annotations

from functools import partial

import pytest
from filelock import FileLock

from genobench.errors import GenobenchError
from genobench.leaderboard import boards, publish, render
from genobench.leaderboard.locking import board_locked


def test_board_locked__waits_for_nobody_that_is_done(tmp_path):
    for _ in range(2):
        with board_locked(tmp_path, most_seconds=0), pytest.raises(GenobenchError, match=f"held the board {tmp_path} for 0 s"):
            board_locked(tmp_path, most_seconds=0).__enter__()


def test_board_locked__makes_no_folder(tmp_path):
    with pytest.raises(GenobenchError, match="absent: it is no folder"):
        board_locked(tmp_path / "absent").__enter__()
    assert not (tmp_path / "absent").exists()


def test_publish_and_render__of_outcomes_leave_a_board_alone_that_another_process_holds(tmp_path, make_outcome, make_score, monkeypatch):
    first, second = (make_outcome(name, scores=(make_score("membership_auc", 0.52, error=0.02),)) for name in ("wgan", "vae"))
    publish([first], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(boards, "board_locked", partial(board_locked, most_seconds=0.01))
    for write in (partial(publish, [second]), render):
        with FileLock(tmp_path / ".lock"), pytest.raises(GenobenchError, match=r"Another process has held the board .* for 0.01 s"):
            write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert publish([second], tmp_path) == 1
