"""Genotypes on disk: a folder that is memory-mapped, not read; and what a sampler saves of itself beside its model.

A store holds `calls.npy` (packed, two bits a call, sample-major), `samples.parquet`, `variants.parquet`, `phase.npy` where phase is
known, and `store.json`, written last. A store appears whole or not at all: it is made beside its place and renamed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import tokenize
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.calls import PackedCalls
from genobench.errors import FormatError, GenobenchError, SettingsError
from genobench.genotypes import Genotypes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

SCHEMA: Final = 1
"""Version of the store's layout; a store of another version is refused."""

DESCRIPTION: Final = "sampler.json"
"""What a sampler says of itself, in its folder."""

_ROWS_PER_BLOCK: Final = 4096


def write_store(genotypes: Genotypes, folder: Path) -> Path:
    """Write a store, whole or not at all.

    Args:
        genotypes: What to write.
        folder: Where; replaced if a store is already there.

    Returns:
        `folder`.

    Raises:
        OSError: If the disk is full or the place cannot be written; nothing is left behind then.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        temporary.chmod(0o755)
        _save_array(temporary / "calls.npy", np.asarray(genotypes.calls.packed))
        if genotypes.phase is not None:
            _save_array(temporary / "phase.npy", np.asarray(genotypes.phase))
        genotypes.samples.to_parquet(temporary / "samples.parquet", index=False)
        genotypes.variants.to_parquet(temporary / "variants.parquet", index=False)
        description = {"schema": SCHEMA, "n_samples": genotypes.n_samples, "n_variants": genotypes.n_variants}
        (temporary / "store.json").write_text(json.dumps(description), encoding="utf-8")
        if folder.exists():
            discarded = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
            folder.rename(discarded / "old")
            temporary.rename(folder)
            shutil.rmtree(discarded)
        else:
            temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def read_store(folder: Path) -> Genotypes:
    """Open a store; calls stay on disk until rows are asked for.

    Args:
        folder: A folder that `write_store` made.

    Returns:
        Genotypes whose calls are memory-mapped.

    Raises:
        FormatError: If the folder is no store, is of another schema, or its parts disagree.
    """
    import pandas as pd

    with _whole_store(folder, "store.json") as path:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema, n_variants = description["schema"], int(description["n_variants"])
    if schema != SCHEMA:
        raise FormatError(f"The store {folder} has schema {schema}; this genobench reads {SCHEMA}.")
    with _whole_store(folder, "calls.npy") as path:
        calls = PackedCalls(packed=np.load(path, mmap_mode="r", allow_pickle=False), n_variants=n_variants)
    phase = None
    if (folder / "phase.npy").exists():
        with _whole_store(folder, "phase.npy") as path:
            phase = np.load(path, mmap_mode="r", allow_pickle=False)
    with _whole_store(folder, "samples.parquet") as path:
        samples = pd.read_parquet(path)
    with _whole_store(folder, "variants.parquet") as path:
        variants = pd.read_parquet(path)
    with _whole_store(folder):
        return Genotypes(calls=calls, samples=samples, variants=variants, phase=phase)


@contextmanager
def _whole_store(folder: Path, file: str = "") -> Iterator[Path]:
    """Whatever a damaged file makes numpy, pandas and pyarrow raise, as one error that names the file.

    Args:
        folder: The store.
        file: The file in it that is read; "" for all together.
    """
    try:
        yield folder / file
    except _of_damage() as error:
        place = f", by its file {file}" if file else ""
        raise FormatError(f"The folder {folder} is not a whole genobench store{place}: {error}") from error


def _of_damage() -> tuple[type[Exception], ...]:
    """What damaged files make numpy, pandas and pyarrow raise; tried with a thousand changed bytes in each file of a store."""
    from zipfile import BadZipFile
    from zlib import error as broken_stream

    from pyarrow import ArrowException

    of_python = (OSError, EOFError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)
    return (*of_python, tokenize.TokenError, BadZipFile, broken_stream, ArrowException)


def is_store(folder: Path) -> bool:
    """Whether `folder` holds a finished store."""
    return (folder / "store.json").is_file()


@contextmanager
def whole_sampler(folder: Path, *also: type[Exception]) -> Iterator[None]:
    """What reading a saved sampler raises, as the error that `Generator.load` promises.

    Args:
        folder: Where the sampler is.
        also: Errors of another reading library than numpy, pandas and pyarrow.

    Raises:
        GenobenchError: From any of them.
    """
    damage: tuple[type[Exception], ...] = (*_of_damage(), SettingsError, *also)
    try:
        yield
    except damage as error:
        found = f"it lacks {error}; another generator may have written it." if isinstance(error, KeyError) else error
        raise GenobenchError(f"The folder {folder} holds no whole sampler of this kind: {found}") from error


def save_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write `sampler.json`.

    Args:
        folder: Of the sampler; it must be there.
        description: Plain values by name, which `load_description` gives back.
    """
    (folder / DESCRIPTION).write_text(json.dumps(dict(description)), encoding="utf-8")


def load_description(folder: Path, needs: Iterable[str]) -> dict[str, Any]:
    """What `save_description` wrote under these names.

    Raises:
        GenobenchError: If the file is absent or damaged, or of a sampler that lacks one of the names.
    """
    with whole_sampler(folder):
        description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        return {name: description[name] for name in needs}


def content_sha256(genotypes: Genotypes) -> str:
    """Hash of what genotypes say: calls, phase, sample table and variant table, independent of how they are stored.

    Args:
        genotypes: What to hash.

    Returns:
        64 hexadecimal digits; equal for equal content on every machine.
    """
    digest = hashlib.sha256(f"genobench {genotypes.n_samples} {genotypes.n_variants}\n".encode())
    for plane in (genotypes.calls.packed, genotypes.phase):
        if plane is not None:
            for start in range(0, len(plane), _ROWS_PER_BLOCK):
                digest.update(np.ascontiguousarray(plane[start : start + _ROWS_PER_BLOCK]).tobytes())
        digest.update(b"\n")
    for table in (genotypes.samples, genotypes.variants):
        digest.update(_canonical_csv(table))
    return digest.hexdigest()


def files_sha256(folder: Path) -> dict[str, str]:
    """Hash of each file in a folder and in those below it, by its path in the folder with `/` between its parts."""
    digests = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digests[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _save_array(path: Path, array: NDArray[Any]) -> None:
    """`numpy.save`, but a full disk gives the system's own error (numpy's says only how many bytes it wrote)."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(np.ascontiguousarray(array).data)


def _canonical_csv(table: pd.DataFrame) -> bytes:
    buffer = io.StringIO()
    table.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue().replace(os.linesep, "\n").encode()
