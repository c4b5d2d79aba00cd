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
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from genobench.events import sayable
from genobench.outcomes import STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genobench.events import OnEvent
    from genobench.outcomes import Status

_SECONDS_TO_EXIT: Final = 10.0
_SECONDS_TO_DRAIN: Final = 2.0
_SECONDS_BETWEEN_LOOKS: Final = 0.5
_LOG_TAIL_BYTES: Final = 65536
_MARK: Final = "GENOBENCH_WORKER"
"""Environment variable that a worker and all it starts carry, so that a child that left the process group is found."""

_PASSIVE_WAITING: Final = ("OMP_WAIT_POLICY", "PASSIVE")
"""Threads that wait give their core away. Where others want the cores too, spinning threads make PyTorch over six times slower: measured on
two cores with three busy processes beside, 15 million calls of the WGAN's training took 18 s so, and were not done after 120 s without.
"""

_THREAD_COUNTS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What the libraries of linear algebra ask for their number of threads."""

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
    processor_seconds_per_phase: float | None = None,
    on_event: OnEvent,
    is_single_threaded: bool = False,
) -> Ending:
    """Run `python -m module job` to its end.

    Args:
        module: The worker's module.
        job: Its job file.
        log: Where its stderr, and whatever a plugin prints, is appended.
        seconds_per_phase: No phase may take longer; None: no limit.
        processor_seconds_per_phase: No phase may use more processor time, all threads and processes together; None: no limit. Looked at
            as it goes on where the system has /proc; elsewhere the caller sees in `Ending.values` what was used.
        on_event: Called with each event as it comes.
        is_single_threaded: Whether its matrix products keep to one thread.

    Returns:
        How it ended; a worker that died, was killed or ran out of time is an ending, not an exception.

    Raises:
        KeyboardInterrupt: As it comes, after the worker has been stopped.
    """
    begin = time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name not in _HIDDEN_FROM_WORKERS}
    environment.setdefault(*_PASSIVE_WAITING)
    if is_single_threaded:
        environment |= dict.fromkeys(_THREAD_COUNTS, "1")
    mark = environment[_MARK] = uuid.uuid4().hex
    with log.open("ab") as log_file:
        log_start = log_file.seek(0, os.SEEK_END)
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
        bounds = _PhaseBounds(process.pid, seconds_per_phase, processor_seconds_per_phase)
        ending = _follow(process, log, log_start, bounds, on_event)
        patience_seconds = _SECONDS_TO_EXIT if ending["values"] else 0.0
    finally:
        _stop(process, patience_seconds, mark)
    return Ending(seconds=round(time.monotonic() - begin, 3), **ending)


class _PhaseBounds:
    """What a phase of a worker may take: time on the clock, and processor time.

    Args:
        session: Of the worker's processes.
        seconds: On the clock; None: no limit.
        processor_seconds: Of all its processes; None: no limit.
    """

    def __init__(self, session: int, seconds: float | None, processor_seconds: float | None) -> None:
        self._session = session
        self._seconds = None if seconds is None or seconds > threading.TIMEOUT_MAX else seconds
        self._processor_seconds = processor_seconds
        self.begin("start")

    def begin(self, phase: str) -> None:
        """A phase begins."""
        self.phase = phase
        self._begun = self._looked = time.monotonic()
        self._used_before = 0.0 if self._processor_seconds is None else session_processor_seconds(self._session)

    @property
    def wait_seconds(self) -> float | None:
        """For how long nothing need be looked at; None: for ever."""
        left = None if self._seconds is None else max(0.0, self._begun + self._seconds - time.monotonic())
        if self._processor_seconds is None:
            return left
        return _SECONDS_BETWEEN_LOOKS if left is None else min(left, _SECONDS_BETWEEN_LOOKS)

    def passed(self) -> str:
        """What the phase has taken too much of, in words; "" where it is within its bounds."""
        now = time.monotonic()
        if self._seconds is not None and now - self._begun >= self._seconds:
            return f"the phase '{self.phase}' took longer than the limit of {self._seconds:g} s"
        if self._processor_seconds is not None and now - self._looked >= _SECONDS_BETWEEN_LOOKS:
            self._looked = now
            if session_processor_seconds(self._session) - self._used_before > self._processor_seconds:
                return over_budget(self.phase, self._processor_seconds)
        return ""


def over_budget(phase: str, processor_seconds: float) -> str:
    """What to say of a phase that used more processor time than it may."""
    return f"the phase '{phase}' used more than its {processor_seconds:g} s of processor time"


def session_processor_seconds(session: int) -> float:
    """Processor time that the processes of a session have used so far, those that have ended among them; 0 where there is no /proc.

    References:
        proc(5), /proc/pid/stat: field 6 is the session, 14 to 17 are the ticks of the process and of the children it has waited for.
    """
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The second field, the name in brackets, may hold blanks and brackets.
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _follow(process: subprocess.Popen[bytes], log: Path, log_start: int, bounds: _PhaseBounds, on_event: OnEvent) -> dict[str, Any]:
    lines: queue.Queue[bytes | None] = queue.Queue()
    pump = threading.Thread(target=_pump, args=(process, lines), daemon=True)
    pump.start()
    threading.Thread(target=_say_end, args=(process, pump, lines), daemon=True).start()
    while True:
        line: bytes | None = b""
        with contextlib.suppress(queue.Empty):
            line = lines.get(timeout=bounds.wait_seconds)
        if line is None:
            return _died(process, log, log_start, bounds.phase)
        event = _event(line)
        if event.get("event") not in ("phase", "end") and (message := bounds.passed()):
            return {"status": "timeout", "phase": bounds.phase, "message": message, "values": {}}
        if event.get("event") == "phase":
            bounds.begin(str(event["phase"]))
        if event.get("event") == "end":
            return {"status": event["status"], "phase": event["phase"], "message": event["message"], "values": event}
        if event:
            on_event(event)


def _pump(process: subprocess.Popen[bytes], lines: queue.Queue[bytes | None]) -> None:
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    # Closed here, because closing waits for a read to return, and a child that the worker left behind may hold the other end.
    with process.stdout:
        for line in process.stdout:
            lines.put(line)


def _say_end(process: subprocess.Popen[bytes], pump: threading.Thread, lines: queue.Queue[bytes | None]) -> None:
    """Put None when the worker is gone and its last lines are read; a child of its may keep the pipe open for ever."""
    process.wait()
    pump.join(_SECONDS_TO_DRAIN)
    lines.put(None)


def _event(line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) and _is_sound(event) else {}


def _is_sound(event: Mapping[str, Any]) -> bool:
    """Whether an event is one that a worker sends; a plugin could write to the pipe, and what it writes must not break the parent."""
    match event:
        case {"event": "phase", "phase": str()}:
            return True
        case {"event": "step", "step": int(), "losses": dict(losses)}:
            return all(isinstance(loss, (int, float)) for loss in losses.values())
        case {"event": "end", "status": str(status), "phase": str(), "message": str()}:
            measured = [event.get(name, {}) for name in ("timings", "processor_seconds")]
            return status in STATUSES and all(
                isinstance(one, dict) and all(isinstance(item, (int, float)) for item in one.values()) for one in measured
            )
    return False


def _died(process: subprocess.Popen[bytes], log: Path, log_start: int, phase: str) -> dict[str, Any]:
    code = process.wait()
    if code == -signal.SIGKILL:
        message = "the worker was killed (signal 9): by hand, or by the system for want of memory"
        return {"status": "preempted", "phase": phase, "message": message, "values": {}}
    if code in (-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP):
        return {"status": "preempted", "phase": phase, "message": f"the worker was stopped by signal {-code}", "values": {}}
    message = f"the worker ended with exit code {code}; the last line of its log: {_last_line(log, log_start)}"
    return {"status": "failed", "phase": phase, "message": message, "values": {}}


def _last_line(log: Path, log_start: int) -> str:
    """The last line that this worker wrote: a log is appended to, and those before it may have died of something else."""
    try:
        with log.open("rb") as file:
            file.seek(max(log_start, file.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
            written = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return "the log is gone"
    return sayable(written[-1]) if written else "none"


def _stop(process: subprocess.Popen[bytes], patience_seconds: float, mark: str) -> None:
    """End the worker and all it started; one that has said its last word is given a moment to leave by itself."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=patience_seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for left_behind in _carrying(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(left_behind, signal.SIGKILL)
    if process.stdin is not None:
        process.stdin.close()


def _carrying(mark: str) -> list[int]:
    """Processes whose environment holds the mark: what a worker started and sent out of its process group (Linux only)."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
    return found
