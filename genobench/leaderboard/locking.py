"""One at a time in a board's folder: whoever publishes reads the evidence, adds to it and writes it again."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK: Final = ".lock"
"""A file in a board's folder that is empty and stays; it may be removed while nobody publishes."""

_MOST_SECONDS: Final = 600.0
"""Making the pages of a large board takes a few minutes; whoever holds the lock for longer hangs."""


@contextmanager
def board_locked(folder: Path, *, most_seconds: float = _MOST_SECONDS) -> Iterator[None]:
    """Keep other processes from publishing to a board and from making its pages.

    Args:
        folder: The board's folder.
        most_seconds: For so long it is waited for another process.

    Raises:
        GenobenchError: If there is no such folder, or another process holds it for longer. The board is as that process leaves it.
    """
    from filelock import FileLock, Timeout

    if not folder.is_dir():
        raise GenobenchError(f"There is no board {folder}: it is no folder.")
    lock = FileLock(folder / LOCK, timeout=most_seconds)
    try:
        lock.acquire()
    except Timeout as error:
        raise GenobenchError(
            f"Another process has held the board {folder} for {most_seconds:g} s. Nothing was published; run the same command again "
            "when it is done."
        ) from error
    try:
        yield
    finally:
        lock.release()
