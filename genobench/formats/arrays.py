"""NumPy archives (.npz) that hold everything: calls, phase, and both tables as arrays. Nothing is unpickled."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.calls import pack_calls
from genobench.errors import FormatError
from genobench.formats.assembly import RawGenotypes, checked_calls, phase_from_haplotypes
from genobench.formats.atomic import written_together

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Calls, PackedBytes
    from genobench.genotypes import Genotypes

FORMAT: Final = "npz"

_CALLS: Final = ("calls", "dosage")
_SAMPLES: Final = "samples/"
_VARIANTS: Final = "variants/"


def read_arrays(path: Path) -> RawGenotypes:
    """Read an archive that `write_arrays` made, or one laid out like it.

    Args:
        path: The .npz: `calls` (or `dosage`), shape (n_samples, n_variants); `samples/id` and further columns; `variants/chromosome`,
            `/position_bp` and, where known, `/id`, `/ref`, `/alt`; possibly `phase`, or `haplotypes` of shape (2 n_samples, n_variants).

    Returns:
        Calls and tables, in file order.

    Raises:
        FormatError: If the archive is damaged, lacks an array, holds other values than calls, or its parts disagree.
    """
    import pandas as pd

    arrays = load_arrays(path)
    columns = {
        prefix: {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
        for prefix in (_SAMPLES, _VARIANTS)
    }
    absent = [name for name in ("samples/id", "variants/chromosome", "variants/position_bp") if name not in arrays]
    if absent:
        raise FormatError(f"{path} has no array {', '.join(absent)}; without ids and places, put samples.csv and variants.csv beside it.")
    for prefix, axis in ((_SAMPLES, 0), (_VARIANTS, 1)):
        for name, values in columns[prefix].items():
            if values.shape != (calls_of(arrays, path).shape[axis],):
                raise FormatError(f"{path}: {prefix}{name} has shape {values.shape}; the calls have shape {calls_of(arrays, path).shape}.")
    samples = pd.DataFrame({name: _column(values) for name, values in columns[_SAMPLES].items()})
    variants = pd.DataFrame({name: _column(values) for name, values in columns[_VARIANTS].items()})
    position = pd.to_numeric(variants["position_bp"])
    variants["position_bp"] = position.where(position > 0).astype("Int64")
    for name in ("id", "ref", "alt"):
        variants[name] = variants[name].fillna("") if name in variants.columns else ""
    samples["id"] = samples["id"].astype(str)
    variants["chromosome"] = variants["chromosome"].astype(str)
    return raw_from_arrays(arrays, samples=samples, variants=variants, path=path)


def write_arrays(genotypes: Genotypes, path: Path) -> tuple[Path, ...]:
    """Write a compressed .npz, whole or not at all; every column of both tables is kept.

    Returns:
        The one path.
    """
    arrays: dict[str, NDArray[Any]] = {"calls": genotypes.to_array()}
    if genotypes.phase is not None:
        arrays["phase"] = np.asarray(genotypes.phase)
    for prefix, table in ((_SAMPLES, genotypes.samples), (_VARIANTS, genotypes.variants)):
        arrays |= {prefix + str(name): _array(table[name]) for name in table.columns}
    with written_together(path) as (draft,):
        np.savez_compressed(draft, allow_pickle=False, **arrays)
    return (path,)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an archive.

    Raises:
        FormatError: If it is no archive, or is damaged, or holds objects that would have to be unpickled.
    """
    try:
        with path.open("rb") as handle:
            archive = np.load(handle, allow_pickle=False)
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise FormatError(f"{path} cannot be read as a NumPy archive: {error}") from error


def calls_of(arrays: dict[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    """The array of calls, two-dimensional numbers.

    Raises:
        FormatError: If there is none.
    """
    for name in _CALLS:
        if name in arrays:
            values = arrays[name]
            if values.ndim != 2 or values.dtype.kind not in "iufb":
                raise FormatError(f"{path}: {name} is {values.dtype} of shape {values.shape}; calls are numbers, samples x variants.")
            return values
    raise FormatError(f"{path} has no array 'calls' (or 'dosage'); it holds: {', '.join(arrays) or 'nothing'}.")


def raw_from_arrays(arrays: dict[str, NDArray[Any]], *, samples: pd.DataFrame, variants: pd.DataFrame, path: Path) -> RawGenotypes:
    """Calls and phase of an archive under the tables that go with it.

    Raises:
        FormatError: If shapes disagree, a value is no call, or haplotypes do not sum to the calls.
    """
    values = calls_of(arrays, path)
    if values.shape != (len(samples), len(variants)):
        raise FormatError(
            f"{path}: the calls have shape {values.shape}, but there are {len(samples)} samples and {len(variants)} variants in the tables."
        )
    names = [
        name or f"{place}:{bp}" for name, place, bp in zip(variants["id"], variants["chromosome"], variants["position_bp"], strict=True)
    ]
    calls = checked_calls(values, sample_ids=list(samples["id"].astype(str)), variant_ids=names, path=path)
    return RawGenotypes(packed=pack_calls(calls), samples=samples, variants=variants, phase=_phase(arrays, calls, path))


def _phase(arrays: dict[str, NDArray[Any]], calls: Calls, path: Path) -> PackedBytes | None:
    if "phase" in arrays:
        phase = arrays["phase"]
        expected = (calls.shape[0], -(-calls.shape[1] // 8))
        if phase.shape != expected or phase.dtype != np.uint8:
            raise FormatError(f"{path}: phase is {phase.dtype} of shape {phase.shape}; it must be uint8 of shape {expected}.")
        return phase
    if "haplotypes" not in arrays:
        return None
    haplotypes = arrays["haplotypes"]
    if haplotypes.shape != (2 * calls.shape[0], calls.shape[1]):
        raise FormatError(f"{path}: haplotypes have shape {haplotypes.shape}; calls of shape {calls.shape} need two rows a sample.")
    first, second = haplotypes[::2], haplotypes[1::2]
    is_wrong = (calls >= 0) & (first + second != calls)
    if is_wrong.any():
        row, column = (int(place) for place in np.argwhere(is_wrong)[0])
        raise FormatError(
            f"{path}: haplotypes[{2 * row}, {column}] and [{2 * row + 1}, {column}] sum to {first[row, column] + second[row, column]}, "
            f"but the call is {calls[row, column]}."
        )
    return phase_from_haplotypes(first, second)


def _column(values: NDArray[Any]) -> Any:
    if values.dtype.kind in "US":
        return [text or None for text in values.astype(str).tolist()]
    return values


def _array(column: pd.Series[Any]) -> NDArray[Any]:
    import pandas as pd

    if pd.api.types.is_bool_dtype(column) and not column.isna().any():
        return column.to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(column):
        if pd.api.types.is_integer_dtype(column) and not column.isna().any():
            return column.to_numpy(dtype=np.int64)
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    texts = ["" if pd.isna(value) else str(value) for value in column]
    return np.array(texts, dtype=str) if texts else np.array([], dtype="U1")
