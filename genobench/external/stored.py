"""Aligned parts on disk: what files of these bytes became, kept so that they are read once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from genobench.cells import hash_json
from genobench.contracts import Comparison, Trait
from genobench.external.parts import read_parts
from genobench.home import write_json_atomically
from genobench.sources import package_sha256
from genobench.storage import content_sha256, is_store, read_store, write_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from genobench.contracts import Part
    from genobench.events import OnEvent
    from genobench.external.parts import FileParts, FileRequest

_DOUBLE_SUFFIXES: Final = (".vcf.gz", ".vcf.bgz", ".hap.gz", ".csv.gz", ".tsv.gz")
_BYTES_PER_BLOCK: Final = 1 << 22


@dataclass(frozen=True, eq=False)
class StoredParts:
    """Aligned parts on disk.

    Args:
        stores: Of each part.
        groups: For each real part, a number per sample that relatives share.
        has_families: As in `FileParts`; likewise what follows.
        trait: The trait.
        files: What was read.
        variants: How variants met.
        notes: What was decided.
        warnings: What a reader of the scores must know.
    """

    stores: Mapping[Part, Path]
    groups: Mapping[Part, list[int]]
    has_families: bool
    trait: Trait
    files: Mapping[str, Any]
    variants: Mapping[str, Any]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    def comparison(self) -> Comparison:
        """The parts as metrics see them, without results; a part that nobody has holds no samples."""
        train = read_store(self.stores["train"])
        nobody = train.take_samples(np.zeros(0, dtype=np.intp))
        groups: dict[Part, NDArray[np.intp]] = {part: np.asarray(given, dtype=np.intp) for part, given in self.groups.items()}
        return Comparison(
            trait=self.trait,
            train=train,
            holdout=read_store(self.stores["holdout"]) if "holdout" in self.stores else nobody,
            nonmembers=read_store(self.stores["nonmembers"]) if "nonmembers" in self.stores else nobody,
            synthetic=read_store(self.stores["synthetic"]),
            groups=groups,
        )


def store_parts(files: FileRequest, folder: Path, on_event: OnEvent) -> StoredParts:
    """The parts that these files become; those that are kept where the same bytes were read before.

    Args:
        files: Which files are what.
        folder: Where parts are kept: `inputs/` by the hash of bytes, `parts/` by what they say.
        on_event: Told of stages.

    Raises:
        GenobenchError: As `genobench.external.parts.read_parts`.
    """
    file = folder / "inputs" / f"{_inputs_key(files)}.json"
    found = _kept(file, folder / "parts", files)
    if found is not None:
        return found
    parts = read_parts(files, on_event)
    on_event({"event": "stage", "stage": "keep parts"})
    names: dict[Part, str] = {}
    for part, genotypes in parts.genotypes.items():
        names[part] = content_sha256(genotypes)[:32]
        if not is_store(folder / "parts" / names[part]):
            write_store(genotypes, folder / "parts" / names[part])
    write_json_atomically(file, _to_json(parts, names))
    kept = _kept(file, folder / "parts", files)
    assert kept is not None  # noqa: S101 - it was written just now
    return kept


def _to_json(parts: FileParts, names: Mapping[Part, str]) -> dict[str, Any]:
    return {
        "stores": dict(names),
        "groups": {part: groups.tolist() for part, groups in parts.groups.items()},
        "has_families": parts.has_families,
        "trait": asdict(parts.trait),
        "files": dict(parts.files),
        "variants": dict(parts.variants),
        "notes": list(parts.notes),
        "warnings": list(parts.warnings),
    }


def _kept(file: Path, stores: Path, files: FileRequest) -> StoredParts | None:
    """What is kept, under the paths of this request; None where it is not there, or not whole."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    paths = {part: stores / name for part, name in values["stores"].items()}
    if not all(is_store(path) for path in paths.values()):
        return None
    return StoredParts(
        stores=paths,
        groups=values["groups"],
        has_families=values["has_families"],
        trait=Trait.from_json(values["trait"]),
        files={part: {**values["files"][part], "path": str(path)} for part, path in files.paths.items()},
        variants=values["variants"],
        notes=tuple(values["notes"]),
        warnings=tuple(values["warnings"]),
    )


def _inputs_key(files: FileRequest) -> str:
    """Of the bytes of all files, what they are, and what reads them."""
    content = {part: _bytes_sha256(path) for part, path in files.paths.items()}
    tables = [_bytes_sha256(path) for path in files.phenotypes]
    asked = [files.trait, files.family, files.n_autosomes, [path.name for path in (*files.paths.values(), *files.phenotypes)]]
    return hash_json([package_sha256("genobench.formats"), package_sha256("genobench.external"), content, tables, asked])[:32]


def _bytes_sha256(path: Path) -> str:
    """Of a file and of those beside it that are named as it is up to the suffix, or of all files of a folder."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
    else:
        suffix = next((one for one in _DOUBLE_SUFFIXES if path.name.endswith(one)), path.suffix if path.is_file() else "")
        stem = path.name.removesuffix(suffix)
        files = [file for file in path.parent.glob("*") if file.name.startswith(f"{stem}.") and file.is_file()]
    digest = hashlib.sha256()
    for file in sorted({*files, *([path] if path.is_file() else [])}):
        digest.update(f"{file.relative_to(path.parent)}\n{file.stat().st_size}\n".encode())
        with file.open("rb") as handle:
            while block := handle.read(_BYTES_PER_BLOCK):
                digest.update(block)
    return digest.hexdigest()
