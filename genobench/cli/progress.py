"""What a run shows while it works: a live line with loss and time left on a terminal, plain lines in a log.

Progress goes to stderr; stdout is for results.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from rich.progress import TaskID

SECONDS_BETWEEN_LINES: Final = 10.0
"""In a log, a step is shown at most this often."""


class RunProgress:
    """Shows the events of a run; a context manager, callable with an event."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._live: Any = None
        self._task: TaskID | None = None
        self._first_step: tuple[int, float] | None = None
        self._last_line = 0.0
        self._doing = ""

    def __enter__(self) -> Self:
        self._show_live("starting")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._hide_live()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the live line away, so that results may be printed; it comes back with the next phase."""
        self._hide_live()
        yield

    def _show_live(self, doing: str) -> None:
        if not self._console.is_terminal:
            return
        if self._live is None:
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TimeElapsedColumn(), TextColumn("{task.fields[detail]}"))
            # Rich would print what is written to stdout on this console: on stderr, wrapped, and not into the file it is meant for.
            self._live = Progress(*columns, console=self._console, transient=True, redirect_stdout=False)
            self._task = self._live.add_task("", total=None, detail="")
            self._live.start()
        if self._task is not None:
            self._live.reset(self._task, description=escape(doing), total=None, detail="")

    def _hide_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show one event; unknown ones are passed over."""
        match event.get("event"):
            case "stage":
                self._begin({"load": f"load {event.get('dataset')}", "split": "split"}.get(event["stage"], event["stage"]))
            case "split":
                self._split(event)
            case "cell":
                self._say(f"[bold]{event['generator']}[/bold] seed {event['seed']}, cell {event['cell_id']}")
            case "trial":
                self._say(f"trial {event['trial']} of {event['trials']}: {event['generator']}, cell {event['cell_id']}")
            case "trial-end":
                scores = ", ".join(escape(f"{name} {value:.5g}") for name, value in event.items() if isinstance(value, float))
                self._say(f"trial {event['trial']} of {event['trials']}: {scores or 'no score'} on validation")
            case "reused" | "resumed" | "prediction":
                self._say(escape(_made(event)))
            case "phase":
                self._begin(
                    _PHASES.get((event.get("task", ""), event["phase"])) or _PHASES.get((event.get("task", ""), ""), "") + event["phase"]
                )
            case "step":
                self._step(int(event["step"]), dict(event["losses"]) if "losses" in event else {})
            case "warning":
                self._say(f"[yellow]warning[/yellow] {escape(str(event['message']))}")

    def _split(self, event: Mapping[str, Any]) -> None:
        parts = ", ".join(f"{part} {n:,}" for part, n in event["n"].items())
        self._say(f"{event['scheme']} split: {parts}")
        if event["largest_kinship"] is not None:
            pair = " and ".join(event["largest_kinship_pair"])
            self._say(escape(f"  largest kinship between the holdout and the rest: {event['largest_kinship']:.3f} ({pair})"))
        for note in event["notes"]:
            self._say(escape(f"  {note}"))

    def _begin(self, doing: str) -> None:
        self._first_step = None
        self._doing = doing
        self._show_live(f"  {doing}")
        if self._live is None and doing:
            self._console.print(f"  {doing}", markup=False)

    def _say(self, line: str) -> None:
        self._console.print(line)

    def _step(self, step: int, losses: dict[str, float]) -> None:
        total = losses.pop("total_steps", math.nan)
        now = time.monotonic()
        self._first_step = self._first_step or (step, now)
        n_seen, seconds = step - self._first_step[0], now - self._first_step[1]
        shown = escape(" ".join(f"{name} {value:.4g}" for name, value in losses.items()))
        left = f"{_duration(seconds / n_seen * (total - step))} left" if n_seen > 0 and math.isfinite(total) else ""
        of_total = f"{step:,}/{int(total):,}" if math.isfinite(total) else f"{step:,}"
        if self._live is not None and self._task is not None:
            self._live.update(
                self._task, total=total if math.isfinite(total) else None, completed=step, detail=f"{of_total}  {shown}  {left}"
            )
        elif now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._console.print(f"  {escape(self._doing)}: {of_total} {shown} {left}")


_PHASES: Final = {
    ("fit", ""): "",
    ("score", ""): "score: ",
    ("band", ""): "real band: ",
    ("predict", ""): "predict: ",
    ("fit", "load"): "load samples",
    ("fit", "write"): "write samples",
}


def _made(event: Mapping[str, Any]) -> str:
    """What is there now: a cell or a part of one that was there before, or a prediction."""
    if event["event"] == "resumed":
        return f"  goes on at step {event['step']:,}, from its checkpoint"
    if event["event"] == "reused":
        return f"  already fitted ({event['status']}), taken as it is"
    ending = f"{event['seconds']:.1f} s" if event["reason"] is None else f"none. {event['reason']}"
    source = f" of {event['generator']}, seed {event['seed']}" if event["generator"] else ""
    return f"  {event['classifier']} on {event['arm']}{source}: {ending}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
