"""What all predictions of a split read, and what to do where a classifier has written to it.

A worker is no sandbox: a classifier can find the stored samples, and what it changed would stand in every prediction after its own.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from genobench.downstream.holdout import write_shown
from genobench.storage import files_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genobench.contracts import Trait
    from genobench.splitting import StoredParts


@dataclass(frozen=True)
class SharedStores:
    """The stores that classifiers are handed, as they were when they were opened.

    Args:
        parts: The parts of the split.
        trait: What is predicted.
        shown: The store of the holdout that classifiers see; written if it is not there.
        synthetic: Stores of synthetic samples.
    """

    parts: StoredParts
    trait: Trait
    shown: Path
    synthetic: tuple[Path, ...] = ()
    _files: Mapping[Path, Mapping[str, str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.mend_real()
        object.__setattr__(self, "_files", {store: files_sha256(store) for store in self.synthetic})

    def mend_real(self) -> tuple[str, ...]:
        """Write the real samples anew that say something else than they did; their names are returned."""
        changed = self.parts.mend()
        is_written = write_shown(self.parts.folder / "holdout", self.shown, self.trait)
        return (*changed, "the holdout as it is shown") if is_written else changed

    def drop_synthetic(self) -> tuple[str, ...]:
        """Remove the synthetic samples that are not what they were, so that they are generated anew; their names are returned."""
        changed = [store for store in self.synthetic if not store.is_dir() or files_sha256(store) != self._files[store]]
        for store in changed:
            shutil.rmtree(store, ignore_errors=True)
        return tuple(store.name for store in changed)
