"""Arrays of a sampler in one file beside its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genobench import whole_sampler

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_FILE: Final = "arrays.safetensors"


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `arrays.safetensors` into a folder that is there."""
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _FILE)


def load_arrays(folder: Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """What `save_arrays` wrote under these names.

    Raises:
        GenobenchError: If the file is absent or damaged, or has no array of a name.
    """
    with whole_sampler(folder, SafetensorError):
        arrays = load_file(folder / _FILE)
        return {name: arrays[name] for name in names}
