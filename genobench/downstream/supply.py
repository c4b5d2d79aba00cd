"""Synthetic samples for arms: a cell's own, and more from its saved sampler, which are kept beside it."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from genobench.cells import hash_json
from genobench.conditions import draw_condition
from genobench.downstream.arms import n_to_balance
from genobench.downstream.predicting import Source
from genobench.errors import CellError, GenobenchError
from genobench.generating import generate_store
from genobench.home import write_json_atomically
from genobench.storage import read_store

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from genobench.cells import Cell
    from genobench.downstream.arms import Arm
    from genobench.events import OnEvent
    from genobench.genotypes import Genotypes
    from genobench.planning import Prepared
    from genobench.registry import Registered

_STEPS: Final = (1, 3, 10, 30, 99)
"""Stores end at so many synthetic samples for each training sample; the first is the cell's own. They are fixed, so that an arm's samples
do not hang on which other arms were asked for."""

_MARGIN: Final = 1.5
"""By how much more is asked of a generator that gives a class less often than it is asked to."""


class CutShortError(CellError):
    """More samples were not generated, since something from outside ended the worker; the next run tries again."""


@dataclass(frozen=True)
class Supply:
    """The synthetic samples of a finished cell, as many as arms need.

    Args:
        prepared: What the cell shares with others.
        entry: Its generator.
        cell: The cell.
        identity: Content hash of the cell's own samples; what is kept beside it is known by it.
        on_event: Called with progress.
    """

    prepared: Prepared
    entry: Registered
    cell: Cell
    identity: str
    on_event: OnEvent

    @property
    def folder(self) -> Path:
        """Where more samples are kept."""
        return self.cell.folder / "more" / self.identity[:12]

    def sources(self, arm: Arm) -> tuple[Source, ...]:
        """Where the synthetic samples of an arm are; those that are not there are generated.

        Raises:
            GenobenchError: If the samples cannot be generated, or the arm needs none; the message is the reason why it has no predictions.
        """
        train = read_store(self.prepared.store("train"))
        if arm.is_minority:
            return (self._minority(train),)
        found: list[Source] = []
        begin = 0
        for end in _STEPS:
            n_taken = (min(arm.n_times, end) - begin) * train.n_samples
            store = self.cell.synthetic if end == 1 else self._more(f"{end}x", train, train.samples, (end - begin) * train.n_samples)
            found.append(Source(str(store), n_taken))
            begin = end
            if arm.n_times <= end:
                break
        return tuple(found)

    def _minority(self, train: Genotypes) -> Source:
        """Samples of the rarest class. A generator that does not heed the condition is asked a second time, for as many as it takes."""
        column = self.prepared.trait.column
        rarest, n_samples = n_to_balance(train.samples, self.prepared.trait)
        if not n_samples:
            raise CellError("All classes are equally frequent among the training samples, so there is nothing to fill up.")
        rows = train.samples[train.samples[column].astype(str) == rarest]
        n_asked, n_found = n_samples, 0
        for name in ("minority", "minority-again"):
            store = self._more(name, train, rows, n_asked)
            table = read_store(store).samples
            # Without a trait the arm cannot be put together, and says so itself.
            n_found = int((table[column].astype(str) == rarest).sum()) if column in table else n_samples
            if n_found >= n_samples:
                return Source(str(store), n_samples, rarest)
            if not n_found:
                break
            n_asked = min(math.ceil(_MARGIN * n_samples * n_samples / n_found), _STEPS[2] * train.n_samples)
        raise CellError(
            f"{self.entry.name} generated {n_found} samples of the class '{rarest}', and {n_samples} are needed; it does not heed what it "
            "is asked for."
        )

    def _more(self, name: str, train: Genotypes, rows: pd.DataFrame, n_samples: int) -> Path:
        """A store of more samples, generated if it is not there.

        Args:
            name: Of the store.
            train: The training part.
            rows: The training samples whose traits and covariates they are asked to have.
            n_samples: How many.

        Raises:
            CellError: If they cannot be generated. Other endings than a kill are kept, until cells that failed are to run again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "lock"):
            return self._found_or_generated(name, train, rows, n_samples)

    def _found_or_generated(self, name: str, train: Genotypes, rows: pd.DataFrame, n_samples: int) -> Path:
        store, failure = self.folder / name, self.folder / f"{name}.failed.json"
        if _holds(store, n_samples):
            return store
        if failure.is_file() and not self.prepared.plan.retry:
            raise CellError(_reason(failure))
        failure.unlink(missing_ok=True)
        unchecked = self.folder / f"{name}.unchecked"
        seed = int(hash_json([self.cell.key.seed, name])[:7], 16)
        condition = draw_condition(rows, self.prepared.trait, n_samples=n_samples, seed=seed)
        self.on_event({"event": "stage", "stage": f"generate {n_samples:,} more samples ({name})"})
        request = self.prepared.fit_request(self.entry, self.cell.key)
        # A phase may take as often what it may in a fit as there are as many samples.
        n_fold = math.ceil(n_samples / self.cell.key.n_samples)
        seconds, processor_seconds = (
            None if limit is None else n_fold * limit for limit in (request.seconds_per_phase, request.processor_seconds_per_phase)
        )
        ending = generate_store(
            self.cell,
            unchecked,
            train=train,
            condition=condition,
            target=self.entry.target,
            seed=seed,
            limits=(seconds, processor_seconds),
            on_event=self.on_event,
        )
        if ending.status == "ok":
            shutil.rmtree(store, ignore_errors=True)
            unchecked.rename(store)
            return store
        said = f"{self.entry.name} did not generate {n_samples:,} more samples ({ending.status} in {ending.phase}): {ending.message}"
        shutil.rmtree(unchecked, ignore_errors=True)
        if ending.status == "preempted":
            raise CutShortError(said)
        write_json_atomically(failure, {"reason": said})
        raise CellError(said)


def _holds(store: Path, n_samples: int) -> bool:
    """Whether the store is there, whole, and has so many samples."""
    try:
        return read_store(store).n_samples == n_samples
    except GenobenchError:
        return False


def _reason(failure: Path) -> str:
    try:
        return str(json.loads(failure.read_text(encoding="utf-8"))["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"More samples could not be generated before, and {failure} does not say why; --retry tries again."
