"""Checkpoints of a fit: nested state as safetensors and JSON, written so that a kill at any moment leaves a whole one behind.

A folder holds `checkpoint.json`, which names the files of a checkpoint with their checksums, and those files. The JSON file is replaced
last and at once; files that it does not name are left-overs and are removed by the next write.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genobench import FitContext, Genotypes

SCHEMA: Final = 1
_INDEX: Final = "checkpoint.json"
_BYTES_PER_READ: Final = 1 << 22
_ROWS_PER_READ: Final = 4096


@dataclass(frozen=True)
class Checkpoint:
    """Where a fit stood.

    Args:
        step: Steps done.
        state: What the task said of itself.
        best: Its state at the best check so far; None before the first.
        progress: What the loop keeps for itself: plain numbers.
    """

    step: int
    state: Mapping[str, Any]
    best: Mapping[str, Any] | None
    progress: Mapping[str, Any]


class CheckpointFolder:
    """The checkpoints of one fit: the latest, and the one before it until the latest is proved good.

    Args:
        folder: A folder of its own.
        identity: What the fit is (settings, data, seed); a checkpoint of another fit is as good as none.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self._identity = identity
        self._best_file: dict[str, Any] | None = None

    def read(self) -> Checkpoint | None:
        """The checkpoint that is there; None where there is none, or it is damaged or of another fit."""
        for entry in self._entries():
            try:
                state = self._read_state(entry["state"])
                best = self._read_state(entry["best"]) if entry["best"] else None
            except (OSError, ValueError, KeyError, TypeError, SafetensorError):
                continue
            self._best_file = entry["best"]
            return Checkpoint(step=int(entry["step"]), state=state, best=best, progress=entry["progress"])
        return None

    def write(self, checkpoint: Checkpoint, *, is_best_new: bool) -> None:
        """Write a checkpoint beside the one before it.

        Args:
            checkpoint: What to write.
            is_best_new: Whether `best` has changed since the last one was written or read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if checkpoint.best is None:
            self._best_file = None
        elif is_best_new or self._best_file is None:
            self._best_file = self._write_state(f"best-{checkpoint.step:09d}", checkpoint.best)
        entry = {
            "step": checkpoint.step,
            "state": self._write_state(f"state-{checkpoint.step:09d}", checkpoint.state),
            "best": self._best_file,
            "progress": dict(checkpoint.progress),
        }
        self._publish([entry, *[old for old in self._entries() if old["step"] != checkpoint.step][:1]])

    def prove(self) -> None:
        """Forget the checkpoint before the latest: the latest is known to be good."""
        self._publish(self._entries()[:1])

    def drop_latest(self) -> None:
        """Forget the latest checkpoint, which is not known to be good, where there is one before it."""
        entries = self._entries()
        if len(entries) > 1:
            self._publish(entries[1:])

    def step(self) -> int | None:
        """Steps done at the latest checkpoint; None where there is none."""
        entries = self._entries()
        return int(entries[0]["step"]) if entries else None

    def _entries(self) -> list[dict[str, Any]]:
        try:
            index = json.loads((self.folder / _INDEX).read_text(encoding="utf-8"))
            is_ours = index["schema"] == SCHEMA and index["identity"] == self._identity
            return list(index["checkpoints"]) if is_ours else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _publish(self, entries: list[dict[str, Any]]) -> None:
        index = {"schema": SCHEMA, "identity": self._identity, "checkpoints": entries}
        draft = self.folder / f"{_INDEX}.new"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(index, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / _INDEX)
        named = {_INDEX, *(part["tensors"] for entry in entries for part in (entry["state"], entry["best"]) if part)}
        for path in self.folder.iterdir():
            if path.name not in named and path.is_file():
                path.unlink()

    def _write_state(self, name: str, state: Mapping[str, Any]) -> dict[str, Any]:
        tensors: dict[str, torch.Tensor] = {}
        skeleton = _flattened(state, tensors)
        path = self.folder / f"{name}.safetensors"
        save_file(tensors, path)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return {"tensors": path.name, "crc32": _crc32(path), "skeleton": skeleton}

    def _read_state(self, part: Mapping[str, Any]) -> dict[str, Any]:
        path = self.folder / part["tensors"]
        if _crc32(path) != part["crc32"]:
            raise ValueError(f"{path} is damaged: its checksum is not the one that was written.")
        state: dict[str, Any] = _unflattened(part["skeleton"], load_file(path))
        return state


def fit_identity(settings: Any, train: Genotypes, context: FitContext) -> str:
    """What a fit is: a hash of its settings, training samples, validation samples, trait, seed, device and torch version.

    Args:
        settings: The generator, a dataclass.
        train: What it learns from.
        context: What it is given beside.
    """
    device = context.device.partition(":")[0]
    facts = [type(settings).__qualname__, dataclasses.asdict(settings), dataclasses.asdict(context.trait), context.seed, device]
    digest = hashlib.sha256(json.dumps([*facts, torch.__version__], sort_keys=True, default=str).encode())
    for genotypes in (train, context.validation):
        if genotypes is None:
            continue
        digest.update(json.dumps(genotypes.calls.shape).encode())
        packed = genotypes.calls.packed
        for start in range(0, len(packed), _ROWS_PER_READ):
            digest.update(np.ascontiguousarray(packed[start : start + _ROWS_PER_READ]).tobytes())
        digest.update(pd.util.hash_pandas_object(genotypes.samples.astype(str), index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _flattened(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """`value` as JSON, its tensors put in `tensors` and replaced by their keys there."""
    if isinstance(value, torch.Tensor):
        key = str(len(tensors))
        tensors[key] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": key}
    if isinstance(value, dict):
        return {"dict": [[_flattened(key, tensors), _flattened(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [_flattened(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"A state holds {type(value).__name__} {value!r}; it may hold tensors, dicts, lists, tuples, numbers, text and None.")


def _unflattened(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The reverse of `_flattened`."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_unflattened(key, tensors): _unflattened(item, tensors) for key, item in content}
    items = [_unflattened(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)


def _crc32(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BYTES_PER_READ):
            checksum = zlib.crc32(block, checksum)
    return checksum
