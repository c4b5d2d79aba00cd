"""Whether the files of a saved model can be read without running code: nothing is unpickled, ever."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

SAFE_SUFFIXES: Final = frozenset({".safetensors", ".npy", ".npz", ".parquet", ".json", ".csv", ".tsv", ".txt"})
"""What a saved model may be made of."""

_PICKLE_START: Final = b"\x80"
_ZIP_START: Final = b"PK\x03\x04"
_TEXT_SUFFIXES: Final = frozenset({".json", ".csv", ".tsv", ".txt"})
_HEADER_LENGTH_BYTES: Final = 8


def find_unsafe_file(folder: Path) -> str | None:
    """The first file that is not plain data.

    Args:
        folder: What `Sampler.save` wrote.

    Returns:
        One sentence that names the file and what is wrong with it; None if every file is what its name says.
    """
    for path in sorted(entry for entry in folder.rglob("*") if entry.is_file()):
        place = path.relative_to(folder).as_posix()
        if path.suffix not in SAFE_SUFFIXES:
            return f"save wrote {place}; a saved model is made of {', '.join(sorted(SAFE_SUFFIXES))} files."
        try:
            _read(path)
        except (ValueError, OSError) as error:
            return f"save wrote {place}, which is not what its name says, or needs unpickling: {error}"
    return None


def _read(path: Path) -> None:
    content = path.read_bytes()
    if path.suffix in _TEXT_SUFFIXES:
        text = content.decode("utf-8")
        if path.suffix == ".json":
            json.loads(text)
    elif path.suffix == ".npy":
        np.load(path, allow_pickle=False)
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                arrays[name]
    elif path.suffix == ".safetensors":
        n_header = int.from_bytes(content[:_HEADER_LENGTH_BYTES], "little")
        json.loads(content[_HEADER_LENGTH_BYTES : _HEADER_LENGTH_BYTES + n_header])
    elif content.startswith((_PICKLE_START, _ZIP_START)):
        raise ValueError("it begins as a pickle or an archive does.")
