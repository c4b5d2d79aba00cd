"""A cell: one fit with its synthetic samples, as a folder whose state is on disk.

The folder's name is the hash of what the cell is, so the same command finds the same cell. A cell is finished when `result.json` is
there; that file is written once and last. Score records lie beside it and come and go without touching the fit.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from genobench.errors import CellError
from genobench.home import write_json_atomically
from genobench.outcomes import FILE_NAME, STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genobench.outcomes import Status

SCHEMA: Final = 1

REPORT_NAME: Final = "report.html"
"""Name of a cell's page in its folder."""


@dataclass(frozen=True)
class CellKey:
    """What a cell is: two cells with one key hold the same fit.

    Args:
        dataset: Its name, for people; the hash decides.
        dataset_sha256: Content hash of the genotypes.
        split_sha256: Hash of the split, which names every sample's part.
        trait: The column conditioned on.
        generator: `distribution/name`.
        plugin_version: Version of the distribution.
        code_sha256: Hash of the plugin's code.
        settings: All settings, defaults included, as JSON values.
        seed: Seed of the fit and of what it generates.
        n_samples: How many synthetic samples.
        device: `cpu` or `cuda`: the two do not round alike.
        budget: What each phase may take, as `Budget.name` gives it; "" for no budget.
        n_devices: Devices that share the fit: sums over several are rounded otherwise, and each draws numbers of its own.
    """

    dataset: str
    dataset_sha256: str
    split_sha256: str
    trait: str
    generator: str
    plugin_version: str
    code_sha256: str
    settings: Mapping[str, Any]
    seed: int
    n_samples: int
    device: str
    budget: str = ""
    n_devices: int = 1

    def to_json(self) -> dict[str, Any]:
        """The key as a JSON object; without the number of devices where it is one, as before there could be more."""
        values = asdict(self)
        if self.n_devices == 1:
            del values["n_devices"]
        return values

    @property
    def cell_id(self) -> str:
        """16 hexadecimal digits, a function of the key alone."""
        values = self.to_json()
        if not self.budget:  # So cells had been named before there were budgets.
            del values["budget"]
        return hash_json({"schema": SCHEMA, **values})[:16]


@dataclass(frozen=True)
class FitResult:
    """How a fit ended.

    Args:
        status: `ok`, or what went wrong.
        phase: The phase it ended in: `start`, `load`, `fit`, `save`, `generate`, `write`, `check` or `done`.
        message: One line; "" when all went well.
        timings: Seconds by phase.
        peak_memory_bytes: Of the host; None where not known.
        peak_gpu_memory_bytes: Of the GPU; None on the CPU.
        synthetic_sha256: Content hash of the synthetic samples; "" where there are none.
        processor_seconds: By phase, of all threads and processes; empty where not known.
        model_sha256: Hash of each file that the sampler saved, by its path in the model's folder; empty where not known.
    """

    status: Status
    phase: str
    message: str
    timings: Mapping[str, float]
    peak_memory_bytes: int | None = None
    peak_gpu_memory_bytes: int | None = None
    synthetic_sha256: str = ""
    processor_seconds: Mapping[str, float] = field(default_factory=dict)
    model_sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A cell's folder and what is in it."""

    key: CellKey
    folder: Path

    @property
    def synthetic(self) -> Path:
        """The store of synthetic samples."""
        return self.folder / "synthetic"

    @property
    def model(self) -> Path:
        """What `Sampler.save` wrote."""
        return self.folder / "model"

    @property
    def checkpoints(self) -> Path:
        """The fit's own folder (`FitContext.folder`); it outlives a kill."""
        return self.folder / "checkpoints"

    @property
    def log(self) -> Path:
        """What the worker and the plugin printed."""
        return self.folder / "log.txt"

    @property
    def kills(self) -> Path:
        """How often its fit was killed since it last came to an end; absent for never."""
        return self.folder / "kills.json"

    @property
    def curves(self) -> Path:
        """One JSON object a line: step and losses."""
        return self.folder / "curves.jsonl"

    @property
    def job(self) -> Path:
        """What the worker was asked to do."""
        return self.folder / "job.json"

    @property
    def outcome(self) -> Path:
        """What the cell gave, as `genobench.outcomes` writes it."""
        return self.folder / FILE_NAME

    @property
    def scores(self) -> Path:
        """Score records, one JSON file each."""
        return self.folder / "scores"

    @property
    def validation_scores(self) -> Path:
        """Score records on validation samples, of a trial."""
        return self.folder / "validation-scores"

    @property
    def report(self) -> Path:
        """Figures of the run, PNG."""
        return self.folder / REPORT_NAME

    @property
    def result(self) -> FitResult | None:
        """How the fit ended; None while it has not, or where the file that says so is damaged."""
        try:
            result = FitResult(**json.loads((self.folder / "result.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return result if result.status in STATUSES else None

    def add_kill(self) -> int:
        """Count one more kill of its fit; what is returned is how many there were since it last came to an end."""
        try:
            before = int(json.loads(self.kills.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            before = 0
        write_json_atomically(self.kills, before + 1)
        return before + 1

    def finish(self, result: FitResult) -> None:
        """Write how the fit ended; checkpoints are dropped where the fit is good, or where a budget forbids to go on from them."""
        _write_key(self.folder, self.key)
        write_json_atomically(self.folder / "result.json", asdict(result))
        self.kills.unlink(missing_ok=True)
        if result.status == "ok" or self.key.budget:
            shutil.rmtree(self.checkpoints, ignore_errors=True)

    def clear(self, *, with_checkpoints: bool = False) -> None:
        """Forget an unfinished or failed fit; the key stays, and so do checkpoints unless told otherwise, so that the next can resume.

        The curves go with the checkpoints.
        """
        if with_checkpoints:
            shutil.rmtree(self.checkpoints, ignore_errors=True)
        (self.folder / "result.json").unlink(missing_ok=True)
        for stale in (self.synthetic, self.model, self.scores, self.validation_scores, *self.folder.glob(".synthetic.*")):
            shutil.rmtree(stale, ignore_errors=True)
        is_resumed = self.checkpoints.is_dir() and any(self.checkpoints.iterdir())
        for stale in (self.log, self.job, self.outcome, self.report, *(() if is_resumed else (self.curves,))):
            stale.unlink(missing_ok=True)


def cell_folder(home: Path, cell_id: str) -> Path:
    """The folder of a cell, whether it is there or not."""
    return home / "cells" / cell_id


def open_cell(home: Path, key: CellKey) -> Cell:
    """The cell of that key; its folder is made, and the key written, when it is new."""
    folder = cell_folder(home, key.cell_id)
    folder.mkdir(parents=True, exist_ok=True)
    _write_key(folder, key)
    return Cell(key=key, folder=folder)


def _write_key(folder: Path, key: CellKey) -> None:
    """Write the key where it is not there, or not whole."""
    try:
        is_there = json.loads((folder / "cell.json").read_text(encoding="utf-8")) == key.to_json()
    except (FileNotFoundError, ValueError):
        is_there = False
    if not is_there:
        write_json_atomically(folder / "cell.json", key.to_json())


def find_cell(home: Path, cell_id: str) -> Cell:
    """The cell whose id begins with `cell_id`.

    Raises:
        CellError: If there is none, or more than one.
    """
    every = (path.parent for path in (home / "cells").glob("*/cell.json"))
    folders = sorted(folder for folder in every if cell_id and folder.name.startswith(cell_id))
    if len(folders) != 1:
        found = "none" if not folders else ", ".join(folder.name for folder in folders)
        raise CellError(
            f"'{cell_id}' should name one cell of {home / 'cells'}, and names {found}. `genobench leaderboard show` lists cells."
        )
    try:
        return Cell(key=CellKey(**json.loads((folders[0] / "cell.json").read_text(encoding="utf-8"))), folder=folders[0])
    except (ValueError, TypeError) as error:
        raise CellError(f"{folders[0] / 'cell.json'} is damaged ({error}); remove the folder and run the cell again.") from error


def hash_json(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
