"""Arrays of a sampler in one file beside its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genobench import PackedCalls, whole_sampler

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_FILE: Final = "arrays.safetensors"


def save_arrays(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write `arrays.safetensors` into a folder that is there."""
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _FILE)


def load_arrays(folder: Path, kinds: Mapping[str, str], **sizes: int) -> dict[str, NDArray[Any]]:
    """What `save_arrays` wrote.

    Args:
        folder: Where.
        kinds: What each array must be, by its name: its type, then the length of each axis as a number or by name, such as
            "float32 n_strata 2 n_variants". Lengths of one name must be equal in all arrays.
        sizes: Lengths that are known, by name.

    Raises:
        GenobenchError: If the file is absent or damaged, or has no array of a name, or one that is not what it must be, or holds NaN.
    """
    with whole_sampler(folder, SafetensorError):
        stored = load_file(folder / _FILE)
        arrays = {name: stored[name] for name in kinds}
        for name, kind in kinds.items():
            _check_kind(name, arrays[name], kind, sizes)
        return arrays


def stored_haplotypes(arrays: Mapping[str, NDArray[Any]], n_variants: int) -> PackedCalls:
    """The training haplotypes among stored arrays.

    Args:
        arrays: With `haplotypes`, packed, and `encoded`, a row a training sample.
        n_variants: Their variants.

    Raises:
        ValueError: If there are not two of each training sample, or they are of another number of variants.
    """
    packed, n_train = arrays["haplotypes"], len(arrays["encoded"])
    if len(packed) != 2 * n_train or not n_train:
        raise ValueError(f"there are {len(packed)} haplotypes of {n_train} training samples.")
    return PackedCalls(packed=packed, n_variants=n_variants)


def _check_kind(name: str, array: NDArray[Any], kind: str, sizes: dict[str, int]) -> None:
    """Raise a ValueError if an array is not of its kind, and add the lengths that are new to `sizes`."""
    dtype, *axes = kind.split()
    wanted = [int(axis) if axis.isdigit() else sizes.get(axis) for axis in axes]
    is_alike = array.ndim == len(axes) and all(length in (None, found) for length, found in zip(wanted, array.shape, strict=True))
    if array.dtype != dtype or not is_alike:
        known = f" with {', '.join(f'{axis} = {size}' for axis, size in sizes.items())}" if sizes else ""
        raise ValueError(f"the array '{name}' is {array.dtype} of shape {array.shape}, and should be {kind}{known}.")
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(f"the array '{name}' holds NaN.")
    sizes.update({axis: found for axis, found in zip(axes, array.shape, strict=True) if not axis.isdigit()})
