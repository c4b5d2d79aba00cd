"""Where genobench keeps what it computes: one folder, `GENOBENCH_HOME`.

The layout is `datasets/` (unpacked and imported data), `splits/`, `cells/`, `bands/`, `score/`, `studies/` and the MLflow database.
Nothing is written beside it unless a command asks for a path.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from genobench.errors import GenobenchError

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where a file finds no room: the disk is full, or a quota or a limit on files (`ulimit -f`) is reached."""


def genobench_home() -> Path:
    """The folder of caches, cells and records: `GENOBENCH_HOME`, else the platform's data folder.

    Returns:
        An existing, writable folder (made when absent).

    Raises:
        GenobenchError: If the folder cannot be made or written.
    """
    configured = os.environ.get("GENOBENCH_HOME")
    if configured:
        home = Path(configured).expanduser().absolute()
    else:
        import platformdirs

        home = Path(platformdirs.user_data_dir("genobench", appauthor=False))
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise GenobenchError(
            f"The folder {home} cannot be written ({error.strerror or error}). Set GENOBENCH_HOME to a folder that you may write."
        ) from error
    return home


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader, or a kill at any moment, sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text_atomically(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically; half a surrogate pair, which UTF-8 has no form for, is written as its escape."""
    write_bytes_atomically(path, text.encode(errors="backslashreplace"))


def write_json_atomically(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; keys keep their order, NaN is refused."""
    write_text_atomically(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
