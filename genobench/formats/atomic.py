"""Files that appear whole or not at all."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def written_together(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Files to write in a hidden folder beside their place; they are moved there once the block ends without an error.

    A full disk, an error or a kill leaves what was there before. The last path is moved last, so that a set of files is complete
    when its main file appears.

    Args:
        paths: Where the files shall stand, all in one folder.

    Yields:
        As many paths to write to, with the same names.
    """
    folder = paths[-1].parent
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder, prefix=f".{paths[-1].name}."))
    try:
        drafts = tuple(temporary / path.name for path in paths)
        yield drafts
        for draft, path in zip(drafts, paths, strict=True):
            draft.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def binary_writer(path: Path) -> Iterator[IO[bytes]]:
    """A file to write bytes to; gzipped where its name ends in .gz, with neither name nor time in the header: equal input, equal bytes."""
    with path.open("wb") as plain:
        if path.suffix != ".gz":
            yield plain
            return
        with gzip.GzipFile(filename="", fileobj=plain, mode="wb", compresslevel=6, mtime=0) as compressed:
            yield cast("IO[bytes]", compressed)
