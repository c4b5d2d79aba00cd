"""Predictions that are missing are made in a worker, and each is kept as a record as soon as it is there."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from filelock import FileLock

from genobench.containment import run_worker
from genobench.downstream.leaks import equals_truth
from genobench.downstream.predicting import PredictingJob, PredictingTask
from genobench.downstream.records import PredictionRecord, kept_record
from genobench.errors import CellError, GenobenchError
from genobench.home import NO_ROOM, write_bytes_atomically, write_json_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from genobench.containment import Ending
    from genobench.contracts import Trait
    from genobench.downstream.shared import SharedStores
    from genobench.events import OnEvent

_MOST_KILLS: Final = 2
"""A predicting worker that is killed from outside is started again this often before its classifier is given up."""

_MOST_LOG_BYTES: Final = 1 << 20
"""A log that has grown beyond this loses all but its last half before another worker writes to it."""

_NO_SYNTHETIC: Final = (
    "The stored synthetic samples were changed while {names} ran; the same command generates them anew. Name one classifier at a time to "
    "see which it is."
)


class _MeddledError(Exception):
    """A classifier has changed what others read.

    Args:
        changed: The names of the stores.
        is_lost: Whether they are synthetic samples, which only their generator can write anew.
    """

    def __init__(self, changed: Sequence[str], *, is_lost: bool = False) -> None:
        super().__init__(
            f"while it ran, the stored samples of {', '.join(changed)} were changed, which all predictions share; a classifier writes into "
            "its own folder (FitContext.folder) alone. They have been written anew."
        )
        self.is_lost = is_lost


@dataclass(frozen=True)
class Wanted:
    """A prediction that is wanted.

    Args:
        head: Its record without predictions; its reason says that it was not made.
        task: What the worker is asked for.
        file: Where the record is kept.
    """

    head: PredictionRecord
    task: PredictingTask
    file: Path

    @property
    def kept(self) -> PredictionRecord | None:
        """Its record, if it is there; one that is damaged or of something else counts as none."""
        return kept_record(self.file, self.head)


@dataclass(frozen=True, kw_only=True)
class Predicting:
    """What predictions of one split have in common, and how they are made.

    Args:
        trait: What is predicted.
        train: Store of the training part.
        validation: Store of the validation part.
        holdout: Store of the holdout with ids and covariates alone.
        stores: These and those of synthetic samples, to see that nobody changes them.
        device: `cpu`, `cuda`, ...
        time_limit_seconds: Of each classifier on each arm; None: no limit.
        retry: Whether predictions that failed before are made again.
        on_event: Called with progress; of each record that is new with `prediction`.
    """

    trait: Trait
    train: Path
    validation: Path
    holdout: Path
    stores: SharedStores
    device: str
    time_limit_seconds: float | None
    retry: bool
    on_event: OnEvent

    def records(self, wanted: Sequence[Wanted], folder: Path) -> list[PredictionRecord]:
        """The records of all that is wanted; those that are not there are made.

        A classifier that takes its worker down, or too long, is left out of the next worker, and its record says so; one whose worker was
        killed from outside is not kept, so that the next run tries it again.

        Args:
            wanted: Predictions, no two of one phase.
            folder: Of the log and the lock.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            if self.retry:
                _forget_failures(wanted)
            return self._records(wanted, folder / "log.txt")

    def _records(self, wanted: Sequence[Wanted], log: Path) -> list[PredictionRecord]:
        failures: dict[Path, PredictionRecord] = {}
        found: dict[Path, PredictionRecord] = {}
        n_kills: Counter[str] = Counter()
        is_alone = False
        while True:
            found |= {item.file: kept for item in wanted if item.file not in found and (kept := item.kept) is not None}
            missing = [item for item in wanted if item.file not in found and item.file not in failures]
            if not missing:
                return [found[item.file] if item.file in found else failures[item.file] for item in wanted]
            running = missing[:1] if is_alone else missing
            try:
                ending = self._attempt(running, wanted, log)
            except _MeddledError as error:
                # The worker wrote on until it was killed; the next one must not be blamed for that.
                self.stores.mend_real()
                for item in wanted:
                    Path(item.task.answer).unlink(missing_ok=True)
                failures |= self._blame(error, running, missing)
                # Of several, the next may have begun before the change was seen: each alone, it is plain whose it is.
                is_alone = True
                continue
            if ending is None:
                continue
            n_kills[ending.phase] += ending.status == "preempted"
            if ending.status == "preempted" and n_kills[ending.phase] <= _MOST_KILLS:
                self._warn(f"{ending.message}; predicting starts again")
                continue
            failed = _failed(ending, running, log)
            if failed is not None:
                is_cut_short = ending.status in ("ok", "preempted")
                failures[failed.file] = record = replace(failed.head, is_cut_short=is_cut_short)
                if not is_cut_short:
                    _keep(record, failed.file)
                self._tell(record)

    def _attempt(self, running: Sequence[Wanted], wanted: Sequence[Wanted], log: Path) -> Ending | None:
        """Run a worker and keep what it answers; None where a run that was stopped had left answers to all.

        Raises:
            _MeddledError: If stored samples were changed.
            OSError: If the worker found no room for an answer.
        """
        self._collect(wanted)
        unanswered = [item for item in running if item.kept is None]
        if not unanswered:
            return None
        ending = self._run_worker(unanswered, log, lambda event: self._hear(event, wanted))
        self._collect(wanted)
        self._check_stores()
        if (number := ending.values.get("errno")) in NO_ROOM:
            raise OSError(number, os.strerror(number), unanswered[0].task.answer)
        return ending

    def _blame(self, error: _MeddledError, running: Sequence[Wanted], missing: Sequence[Wanted]) -> dict[Path, PredictionRecord]:
        """Keep who changed real samples where only one can have; give the predictions that cannot be made where synthetic ones are gone."""
        if error.is_lost:
            names = ", ".join(dict.fromkeys(item.head.classifier for item in running))
            reason = _NO_SYNTHETIC.format(names=names)
            return {item.file: replace(item.head, reason=reason, is_cut_short=True) for item in missing}
        if len(running) == 1:
            self._settle(running[0], replace(running[0].head, reason=f"ContractError: {error}"))
        return {}

    def _hear(self, event: Mapping[str, Any], wanted: Sequence[Wanted]) -> None:
        """Pass an event on; where a phase begins the one before it has ended."""
        if event.get("event") == "phase":
            self._collect(wanted)
        self.on_event({**event, "task": "predict"})

    def _collect(self, wanted: Sequence[Wanted]) -> None:
        """Make records of the answers that are there.

        Raises:
            _MeddledError: If stored samples were changed, so that no answer can be trusted that has not been kept.
        """
        for item in wanted:
            if Path(item.task.answer).is_file():
                self._check_stores()
                self._settle(item, _record_of(item))

    def _check_stores(self) -> None:
        """Raise _MeddledError if stored samples are not what they were; real ones then are again."""
        if changed := self.stores.drop_synthetic():
            raise _MeddledError(changed, is_lost=True)
        if changed := self.stores.mend_real():
            raise _MeddledError(changed)

    def _settle(self, item: Wanted, record: PredictionRecord) -> None:
        """Keep the record of an answer, and tell of it."""
        _keep(record, item.file)
        Path(item.task.answer).unlink(missing_ok=True)
        self._tell(record)
        if equals_truth(record):
            self._warn(
                f"What {record.classifier} on {record.arm} predicts is the truth for every holdout sample. Either the trait follows from "
                "genotypes and covariates without any noise, or the classifier knows the holdout's trait from elsewhere."
            )

    def _warn(self, message: str) -> None:
        self.on_event({"event": "warning", "message": message})

    def _tell(self, record: PredictionRecord) -> None:
        self.on_event(prediction_event(record))

    def _run_worker(self, missing: Sequence[Wanted], log: Path, on_event: OnEvent) -> Ending:
        _shorten(log)
        with tempfile.TemporaryDirectory() as folder:
            job = PredictingJob(
                trait=asdict(self.trait),
                train=str(self.train),
                validation=str(self.validation),
                holdout=str(self.holdout),
                device=self.device,
                time_limit_seconds=self.time_limit_seconds,
                tasks=tuple(item.task for item in missing),
            ).write(Path(folder) / "job.json")
            return run_worker("genobench.downstream.predicting", job, log=log, seconds_per_phase=self.time_limit_seconds, on_event=on_event)


def prediction_event(record: PredictionRecord) -> dict[str, Any]:
    """What is told of a prediction."""
    told = ("classifier", "arm", "generator", "seed", "seconds", "reason")
    return {"event": "prediction", **{name: getattr(record, name) for name in told}}


def _shorten(log: Path) -> None:
    """Drop the beginning of a log that is too long; every worker of every run writes to its end."""
    if log.is_file() and log.stat().st_size > _MOST_LOG_BYTES:
        with log.open("rb") as file:
            file.seek(-_MOST_LOG_BYTES // 2, os.SEEK_END)
            cut_line, _, whole_lines = file.read().partition(b"\n")
        write_bytes_atomically(log, whole_lines or cut_line)


def _record_of(item: Wanted) -> PredictionRecord:
    """The record that a worker's answer makes."""
    try:
        given = json.loads(Path(item.task.answer).read_text(encoding="utf-8"))
        predicted = tuple(tuple(row) if isinstance(row, list) else row for row in given["predicted"])
        return replace(item.head, predicted=predicted, classes=tuple(given["classes"]), seconds=given["seconds"], reason=given["reason"])
    except (ValueError, KeyError, TypeError, RecursionError, GenobenchError) as error:
        return replace(item.head, reason=f"Its answer cannot be read: {error}")


def _failed(ending: Ending, missing: Sequence[Wanted], log: Path) -> Wanted | None:
    """What a worker that has ended could not make, with the reason in its head; None where all of it is there.

    Raises:
        CellError: If the worker ended before it began with the first.
    """
    if ending.status == "ok":
        # The first alone: one that spoils its answer must not cost those after it.
        lost = next((item for item in missing if item.kept is None), None)
        return None if lost is None else _with_reason(lost, "Its answer was not written, or cannot be read.")
    blamed = next((item for item in missing if item.task.phase == ending.phase), None)
    if blamed is None:
        raise CellError(f"The predicting worker did not begin ({ending.status}): {ending.message}. Log: {log}")
    return _with_reason(blamed, f"{ending.status}: {ending.message}")


def _with_reason(item: Wanted, reason: str) -> Wanted:
    return replace(item, head=replace(item.head, reason=reason))


def _forget_failures(wanted: Sequence[Wanted]) -> None:
    for item in wanted:
        kept = item.kept
        if kept is not None and kept.reason is not None:
            item.file.unlink()


def _keep(record: PredictionRecord, file: Path) -> None:
    write_json_atomically(file, record.to_json())
