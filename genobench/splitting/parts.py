"""The parts of a split on disk: a store each, which workers are handed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filelock import FileLock

from genobench.errors import FormatError
from genobench.splitting.split import PARTS, Split
from genobench.storage import content_sha256, is_store, read_store, write_store

if TYPE_CHECKING:
    from pathlib import Path

    from genobench.genotypes import Genotypes


def parts_folder(home: Path, *, dataset_sha256: str, split_sha256: str) -> Path:
    """The folder of a split's stores, one a part."""
    return home / "splits" / f"{dataset_sha256[:8]}-{split_sha256[:16]}"


def write_parts(genotypes: Genotypes, split: Split, folder: Path) -> None:
    """Write the stores of a split's parts that are not there yet, or are damaged."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        for part in PARTS:
            samples = genotypes.take_samples(split.part(part))
            if not _holds(folder / part, samples):
                write_store(samples, folder / part)


def _holds(folder: Path, genotypes: Genotypes) -> bool:
    """Whether the store is there and holds these very genotypes."""
    try:
        return is_store(folder) and content_sha256(read_store(folder)) == content_sha256(genotypes)
    except FormatError:
        return False
