"""How a worker is started and kept in bounds: its own process group, its own log, a time limit for each phase.

A worker that hangs, dies or prints nonsense ends as a status. A worker whose parent dies ends by itself (`genobench.events`).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genobench.events import OnEvent
    from genobench.outcomes import Status

_SECONDS_TO_EXIT: Final = 10.0
_HIDDEN_FROM_WORKERS: Final = ("GENOBENCH_HOME", "GENOBENCH_SHARED_DATA", "MLFLOW_TRACKING_URI")


@dataclass(frozen=True)
class Ending:
    """How a worker ended.

    Args:
        status: `ok`, or what went wrong.
        phase: The phase it ended in.
        message: One line; "" when all went well.
        values: The worker's last event (timings, peak memory, ...); empty if it never sent one.
        seconds: Wall-clock time of the process.
    """

    status: Status
    phase: str
    message: str
    values: Mapping[str, Any]
    seconds: float


def run_worker(
    module: str,
    job: Path,
    *,
    log: Path,
    seconds_per_phase: float | None,
    on_event: OnEvent,
) -> Ending:
    """Run `python -m module job` to its end.

    Args:
        module: The worker's module.
        job: Its job file.
        log: Where its stderr, and whatever a plugin prints, is appended.
        seconds_per_phase: No phase may take longer; None: no limit.
        on_event: Called with each event as it comes.

    Returns:
        How it ended; a worker that died, was killed or ran out of time is an ending, not an exception.

    Raises:
        KeyboardInterrupt: As it comes, after the worker has been stopped.
    """
    begin = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in _HIDDEN_FROM_WORKERS}
    with log.open("ab") as log_file:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", module, str(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            start_new_session=True,
            env=environment,
        )
    patience_seconds = 0.0
    try:
        ending = _follow(process, log, seconds_per_phase, on_event)
        patience_seconds = _SECONDS_TO_EXIT if ending["values"] else 0.0
    finally:
        _stop(process, patience_seconds)
    return Ending(seconds=round(time.monotonic() - begin, 3), **ending)


def _follow(process: subprocess.Popen[bytes], log: Path, seconds_per_phase: float | None, on_event: OnEvent) -> dict[str, Any]:
    lines: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_pump, args=(process, lines), daemon=True).start()
    phase, deadline = "start", _deadline(seconds_per_phase)
    while True:
        try:
            line = lines.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            message = f"the phase '{phase}' took longer than the limit of {seconds_per_phase:g} s"
            return {"status": "timeout", "phase": phase, "message": message, "values": {}}
        if line is None:
            return _died(process, log, phase)
        event = _event(line)
        if event.get("event") == "phase":
            phase, deadline = str(event["phase"]), _deadline(seconds_per_phase)
        if event.get("event") == "end":
            return {"status": event["status"], "phase": event["phase"], "message": event["message"], "values": event}
        if event:
            on_event(event)


def _pump(process: subprocess.Popen[bytes], lines: queue.Queue[bytes | None]) -> None:
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    for line in process.stdout:
        lines.put(line)
    lines.put(None)


def _deadline(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _died(process: subprocess.Popen[bytes], log: Path, phase: str) -> dict[str, Any]:
    code = process.wait()
    if code == -signal.SIGKILL:
        message = "the worker was killed (signal 9): by hand, or by the system for want of memory"
        return {"status": "preempted", "phase": phase, "message": message, "values": {}}
    if code in (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP):
        return {"status": "preempted", "phase": phase, "message": f"the worker was stopped by signal {-code}", "values": {}}
    written = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    message = f"the worker ended with exit code {code}; the last line of its log: {written[-1] if written else 'none'}"
    return {"status": "failed", "phase": phase, "message": message, "values": {}}


def _stop(process: subprocess.Popen[bytes], patience_seconds: float) -> None:
    """End the worker's whole process group; one that has said its last word is given a moment to leave by itself."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=patience_seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
