"""How a worker speaks to the process that started it: JSON lines on a pipe of their own, and a tie that ends the worker with its parent."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

    OnEvent = Callable[[Mapping[str, Any]], None]
    """Takes an event of a run. Its `event` is `stage`, `split`, `cell`, `reused`, `trial`, `trial-end` or `warning`; from a worker, with
    its `task` (`fit`, `score` or `band`), `phase` or `step`."""

_MOST_CHARACTERS: Final = 2000
"""Of an error's message; no plugin of ours says more than a few hundred."""

SECONDS_BETWEEN_STEPS = 0.2
"""A worker reports at most five training steps a second; the last one of a burst may be dropped."""


@dataclass
class Events:
    """The worker's end of the pipe.

    Whatever a plugin prints goes to the log (stderr), since stdout is taken for events before any plugin is imported.
    """

    stream: TextIO
    _last_step_at: float = field(default=0.0, init=False)

    @classmethod
    def take_stdout(cls) -> Self:
        """Keep the process's stdout for events and send everything else that is written there to stderr."""
        stream = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        return cls(stream=stream)

    def send(self, event: str, **values: Any) -> None:
        """Send one event."""
        self.stream.write(json.dumps({"event": event, **values}, default=str) + "\n")

    def phase(self, name: str) -> None:
        """Say which phase begins."""
        self.send("phase", phase=name)

    def step(self, step: int, losses: Mapping[str, float], /) -> None:
        """Report a training step; calls that come faster than five a second are dropped."""
        now = time.monotonic()
        if now - self._last_step_at >= SECONDS_BETWEEN_STEPS or step == losses.get("total_steps"):
            self._last_step_at = now
            finite = {name: float(value) for name, value in losses.items() if math.isfinite(value)}
            self.send("step", step=int(step), losses=finite)


def message_of(error: BaseException) -> str:
    """One line: an error's class, and all that genobench or a plugin says on purpose, or the first line of what came from elsewhere."""
    lines = str(error).splitlines() or [""]
    text = " ".join(line.strip() for line in lines) if isinstance(error, GenobenchError) else lines[0]
    return f"{type(error).__name__}: {sayable(text)}" if text else type(error).__name__


def sayable(text: str) -> str:
    """A text from elsewhere as records, pages and terminals can take it: no longer than a page, and escapes for what cannot be printed."""
    n_more = len(text) - _MOST_CHARACTERS
    if n_more > 0:
        text = f"{text[:_MOST_CHARACTERS]} ... ({n_more:,} more characters)"
    return "".join(char if char.isprintable() or char.isspace() else char.encode("unicode_escape").decode() for char in text)


def end_with_parent() -> None:
    """End this process and those it started when its parent is gone, however that came: the parent holds the other end of stdin.

    A plugin that reads stdin afterwards reads an empty one.
    """
    tie = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        while os.read(tie, 4096):
            pass
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(75)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def processor_seconds() -> float:
    """Processor time of this process and of the children that it has waited for, in seconds."""
    import resource

    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_memory_bytes() -> int:
    """The largest resident set of this process so far, in bytes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
