"""The parts of a split on disk: a store each, which workers are handed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filelock import FileLock

from genobench.splitting.split import PARTS, Split
from genobench.storage import is_store, write_store

if TYPE_CHECKING:
    from pathlib import Path

    from genobench.genotypes import Genotypes


def parts_folder(home: Path, *, dataset_sha256: str, split_sha256: str) -> Path:
    """The folder of a split's stores, one a part."""
    return home / "splits" / f"{dataset_sha256[:8]}-{split_sha256[:16]}"


def write_parts(genotypes: Genotypes, split: Split, folder: Path) -> None:
    """Write the stores of a split's parts that are not there yet."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        for part in PARTS:
            if not is_store(folder / part):
                write_store(genotypes.take_samples(split.part(part)), folder / part)
