"""A cell's fit in its worker: good and bad plugins, kills, time limits, and what is left on disk."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from genobench.cells import find_cell
from genobench.containment import Ending
from genobench.errors import CellError
from genobench.fitting import fit_cell
from genobench.splitting import StoredParts, split_samples
from genobench.storage import files_sha256, read_store
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes


def test_fit_cell__writes_samples_model_curves_and_log(request_for):
    events: list[dict[str, object]] = []
    cell, result = fit_cell(request_for("behave"), lambda event: events.append(dict(event)))
    assert (result.status, result.phase) == ("ok", "done")
    assert read_store(cell.synthetic).calls.shape == (6, 10)
    assert (cell.model / "sampler.json").exists()
    assert json.loads(cell.curves.read_text().splitlines()[-1])["step"] == 3
    assert "the plugin prints to stdout" in cell.log.read_text()
    assert {"load", "fit", "save", "generate", "write"} <= {event.get("phase") for event in events}


def test_fit_cell__finished_cell_is_not_fitted_again(request_for, tmp_path):
    request = request_for("behave", touch=str(tmp_path / "fits"))
    for _ in range(2):
        fit_cell(request, lambda _event: None)
    assert (tmp_path / "fits").read_text() == "x"


@pytest.mark.parametrize(
    ("deed", "status", "phase", "message"),
    [
        ("raise", "failed", "fit", "RuntimeError: the fit went wrong"),
        ("raise-unprintable", "failed", "fit", r"RuntimeError: \ud800 \x1b[31myyy"),
        ("interrupt", "failed", "fit", "KeyboardInterrupt"),
        ("memory", "out-of-memory", "fit", "MemoryError"),
        ("memory-in-its-own-words", "out-of-memory", "fit", "The batch of 64 does not fit. Write --set batch_size=32."),
        ("die", "failed", "fit", r"exit code 3; the last line of its log: \x1b[31myyy"),
        ("no-sampler", "invalid-output", "fit", "must return a genobench.Sampler"),
        ("no-genotypes", "invalid-output", "generate", "must return genobench.Genotypes"),
        ("wrong-rows", "invalid-output", "check", r"calls of shape (5, 10); (6, 10) were asked for"),
        ("wrong-variants", "invalid-output", "check", "column 'id' differs"),
        ("missing", "invalid-output", "check", "the call of sample 0 at variant 1 missing"),
        ("other-condition", "invalid-output", "check", "row 0 of the sample table has the height"),
        ("nan", "failed", "generate", "calls[0, 0] is nan"),
        ("exit", "failed", "fit", "exit code 0"),
        ("save-nothing", "invalid-output", "save", "the sampler's save wrote nothing"),
        ("delete-cell", "invalid-output", "check", "tests/naughty removed"),
    ],
)
def test_fit_cell__bad_plugin_ends_as_a_status(request_for, deed, status, phase, message):
    _, result = fit_cell(request_for(deed), lambda _event: None)
    assert (result.status, result.phase) == (status, phase)
    assert message in result.message
    assert len(result.message) < 2200


def test_fit_cell__plugin_that_writes_to_the_stored_parts_ends_its_own_cell_alone(request_for, tmp_path):
    """Every later cell reads the same store, and so do the bands."""
    genotypes = example_genotypes(n_samples=60, n_variants=10)
    split = split_samples(genotypes, trait=EXAMPLE_TRAITS["quantitative"], scheme="random")
    parts = StoredParts(genotypes, split, tmp_path / "parts")
    whole = files_sha256(parts.folder)
    given = {"trait": EXAMPLE_TRAITS["quantitative"], "train": parts.folder / "train", "mend_parts": parts.mend}
    _, result = fit_cell(dataclasses.replace(request_for("write-train"), **given), lambda _event: None)
    assert (result.status, result.phase) == ("invalid-output", "check")
    assert "while tests/naughty ran, the stored samples of train were changed" in result.message
    assert files_sha256(parts.folder) == whole
    _, result = fit_cell(dataclasses.replace(request_for("behave"), **given), lambda _event: None)
    assert result.status == "ok"


def test_fit_cell__parts_that_were_changed_between_two_fits_are_mended_first(request_for):
    events: list[Any] = []
    changes = iter([("train",), ()])
    _, result = fit_cell(dataclasses.replace(request_for("behave"), mend_parts=lambda: next(changes)), events.append)
    assert result.status == "ok"
    assert [event["message"] for event in events if event["event"] == "warning"] == [
        "the stored parts train had been changed, and were written anew"
    ]


def test_fit_cell__plugin_that_never_returns_is_a_timeout(request_for):
    begin = time.monotonic()
    _, result = fit_cell(request_for("hang", limit=4.0), lambda _event: None)
    assert (result.status, result.phase) == ("timeout", "fit")
    assert "longer than the limit of 4 s" in result.message
    assert time.monotonic() - begin < 30


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processor time of others is read from /proc")
def test_fit_cell__processor_time_of_all_processes_is_bounded_by_the_budget(request_for):
    """The worker sleeps and its child spins; on the clock there is time enough."""
    _, result = fit_cell(request_for("spin", budget="1cpu-s"), lambda _event: None)
    assert (result.status, result.phase) == ("timeout", "fit")
    assert result.message == "the phase 'fit' used more than its 1 s of processor time"


def test_fit_cell__says_how_much_processor_time_each_phase_used(request_for):
    _, result = fit_cell(request_for("behave", budget="60cpu-s"), lambda _event: None)
    assert result.status == "ok"
    assert {"load", "fit", "generate"} <= set(result.processor_seconds)
    assert all(0 <= seconds < 60 for seconds in result.processor_seconds.values())


@pytest.mark.parametrize(("budget", "endings"), [("", ["preempted", "ok"]), ("60cpu-s", ["preempted", "preempted"])])
def test_fit_cell__killed_fit_finds_its_checkpoints_unless_a_budget_counts(request_for, budget, endings):
    """What a fit had used when it was killed is not known, so that under a budget it begins anew."""
    request = request_for("be-killed-once", budget=budget)
    events: list[Any] = []
    results = [fit_cell(request, events.append) for _ in range(2)]
    assert [result.status for _, result in results] == endings
    assert [event["step"] for event in events if event["event"] == "resumed"] == ([3] if endings[-1] == "ok" else [])
    assert results[0][0].checkpoints.exists() == (endings[-1] != "ok"), "checkpoints of a good fit are dropped"


@pytest.mark.parametrize("deed", ["read-stdin", "forge-end"])
def test_fit_cell__plugin_that_meddles_with_the_pipes_harms_nobody(request_for, deed):
    _, result = fit_cell(request_for(deed), lambda _event: None)
    assert (result.status, result.phase) == ("ok", "done")


@pytest.mark.parametrize(("deed", "status"), [("orphan", "ok"), ("orphan-die", "failed")])
def test_fit_cell__child_that_left_the_process_group_is_ended(request_for, tmp_path, deed, status):
    """It holds the worker's end of the pipe, so the parent must not wait for that to close."""
    _, result = fit_cell(request_for(deed, touch=str(tmp_path / "pid")), lambda _event: None)
    assert result.status == status
    assert _ends_soon([int((tmp_path / "pid").read_text().lstrip("x"))])


def test_fit_cell__damaged_cell_is_fitted_again(request_for, tmp_path):
    request = request_for("behave", touch=str(tmp_path / "fits"))
    cell, first = fit_cell(request, lambda _event: None)
    stored = cell.synthetic / "calls.npy"
    content = stored.read_bytes()
    for place, damaged in (
        (stored, content[:-5]),
        (stored, content[:-1] + bytes([content[-1] ^ 1])),
        (cell.folder / "result.json", b"{"),
        (cell.folder / "cell.json", b"[]"),
    ):
        place.write_bytes(damaged)
        _, again = fit_cell(request, lambda _event: None)
        assert (again.status, again.synthetic_sha256) == ("ok", first.synthetic_sha256)
        assert stored.read_bytes() == content
    assert find_cell(tmp_path / "home", cell.key.cell_id).key == cell.key
    assert (tmp_path / "fits").read_text() == "xxxx", "the key alone is no reason to fit"


@pytest.mark.parametrize("deed", ["kill", "interrupt-from-outside", "full-disk"])
def test_fit_cell__killed_worker_leaves_the_cell_unfinished(request_for, deed):
    cell, result = fit_cell(request_for(deed), lambda _event: None)
    assert result.status == "preempted"
    assert cell.result is None


def test_fit_cell__third_kill_in_a_row_is_a_failure_until_a_retry(request_for, monkeypatch):
    """A program that kills its own process group would be run again for ever."""
    killed = Ending("preempted", "fit", "the worker was killed (signal 9)", {}, 1.0)
    monkeypatch.setattr("genobench.fitting.run_worker", lambda *_args, **_kwargs: killed)
    endings = []
    for retry in (False, False, False, False, True):
        cell, result = fit_cell(request_for("kill", retry=retry), lambda _event: None)
        endings.append((result.status, cell.result is not None))
        if result.status == "failed":
            assert result.message.endswith("That happened 3 times in a row, so that it is run again on demand only: add --retry")
    assert endings == [("preempted", False)] * 2 + [("failed", True)] * 2 + [("preempted", False)]


def test_fit_cell__full_disk_is_no_kill_however_often_it_is_found(request_for, monkeypatch):
    full = Ending("preempted", "write", "OSError: [Errno 28] No space left on device", {"event": "end"}, 1.0)
    monkeypatch.setattr("genobench.fitting.run_worker", lambda *_args, **_kwargs: full)
    results = [fit_cell(request_for("behave"), lambda _event: None)[1] for _ in range(4)]
    assert {result.status for result in results} == {"preempted"}


def test_fit_cell__failed_cell_is_kept_until_a_retry(request_for, tmp_path):
    touch = str(tmp_path / "fits")
    for retry in (False, False, True):
        fit_cell(request_for("raise", touch=touch, retry=retry), lambda _event: None)
    assert Path(touch).read_text() == "xx"


def test_fit_cell__worker_ends_when_its_parent_is_killed(request_for, tmp_path):
    """A parent that dies without a word (kill -9) must not leave a worker behind, nor a finished cell."""
    request = request_for("hang", touch=str(tmp_path / "fits"), limit=None)
    request.home.mkdir()
    arguments = repr(request).replace("PosixPath", "Path")
    code = (
        "from pathlib import Path; from genobench.fitting import *; from genobench.cells import *; from genobench.contracts import Trait\n"
        f"fit_cell({arguments}, lambda event: print(event, flush=True))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    for line in parent.stdout:
        if "'step'" in line:
            break
    workers = _children(parent.pid)
    assert workers
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert _ends_soon(workers)
    assert not list((request.home / "cells").glob("*/result.json"))


def _ends_soon(processes: list[int]) -> bool:
    gone = threading.Event()
    deadline = time.monotonic() + 20
    while any(_is_running(process) for process in processes) and time.monotonic() < deadline:
        gone.wait(0.1)
    return not any(_is_running(process) for process in processes)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_find_cell__by_the_beginning_of_its_id(request_for, tmp_path):
    cell, _ = fit_cell(request_for("behave"), lambda _event: None)
    assert find_cell(tmp_path / "home", cell.key.cell_id[:6]).key == cell.key


def test_find_cell__unknown_id(tmp_path):
    with pytest.raises(CellError, match="should name one cell"):
        find_cell(tmp_path, "0123")


def test_fit_request__several_gpus_use_a_budget_up_the_sooner(request_for):
    request = request_for("behave")
    for n_devices, seconds in ((1, 600), (4, 150)):
        key = dataclasses.replace(request.key, device="cuda", budget="10gpu-min", n_devices=n_devices)
        assert dataclasses.replace(request, key=key, time_limit_seconds=1800.0).seconds_per_phase == seconds
