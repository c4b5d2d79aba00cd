"""Arrays of a sampler in one file beside its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genobench import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_FILE: Final = "arrays.safetensors"


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `arrays.safetensors` into a folder that is there."""
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _FILE)


def load_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """What `save_arrays` wrote.

    Raises:
        GenobenchError: If the file is absent or damaged.
    """
    try:
        arrays: dict[str, NDArray[Any]] = load_file(folder / _FILE)
    except (OSError, SafetensorError) as error:
        raise GenobenchError(f"The folder {folder} holds no whole sampler: {error}") from error
    return arrays
