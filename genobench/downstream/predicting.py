"""What runs in the predicting worker: classifiers are fitted on arms, one after the other, and predict the holdout.

`python -m genobench.downstream.predicting JOB.json`. The worker is handed the holdout's calls with ids and covariates; it never learns
where the traits are. Each answer is written as soon as it is there, so that a classifier that takes the process down costs only itself.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from genobench.contracts import FitContext, Predictor, Trait
from genobench.downstream.arms import training_samples
from genobench.downstream.record_form import GREATEST_VALUE
from genobench.errors import ContractError, GenobenchError
from genobench.events import Events, end_with_parent, message_of, sayable
from genobench.home import NO_ROOM, write_json_atomically
from genobench.settings import with_settings
from genobench.storage import read_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from genobench.genotypes import Genotypes

_KINDS_OF_NUMBERS: Final = "biuf"
"""Of numpy's types: truth values, whole numbers, floating-point numbers."""

_SUM_TOLERANCE: Final = 1e-6
"""By how much probabilities may sum to something else than 1, as in `genobench.testing`."""

_SIGNIFICANT_DIGITS: Final = 7


@dataclass(frozen=True)
class Source:
    """Synthetic samples that are taken from a store, from the first.

    Args:
        store: The store.
        n_samples: How many are taken.
        of_class: Samples of this class alone; "" for any.
    """

    store: str
    n_samples: int
    of_class: str = ""

    def taken(self, trait: Trait) -> Genotypes:
        """The samples."""
        whole = read_store(Path(self.store))
        if not self.of_class or trait.column not in whole.samples:
            return whole.take_samples(np.arange(self.n_samples))
        return whole.take_samples(np.flatnonzero(whole.samples[trait.column].astype(str) == self.of_class)[: self.n_samples])


@dataclass(frozen=True, kw_only=True)
class PredictingTask:
    """One classifier on one arm.

    Args:
        phase: What events call it; no two of a job alike.
        target: "module:Class" of the classifier.
        settings: Its settings.
        arm: The arm's name.
        has_real: Whether the training samples are in it.
        synthetic: The synthetic samples in it.
        n_components: Principal components among the covariates.
        seed: Of the fit.
        answer: The file to write.
    """

    phase: str
    target: str
    settings: Mapping[str, Any]
    arm: str
    has_real: bool
    synthetic: tuple[Source, ...]
    n_components: int
    seed: int
    answer: str


@dataclass(frozen=True, kw_only=True)
class PredictingJob:
    """What a predicting worker is asked to do, as JSON.

    Args:
        trait: The trait, as its fields.
        train: Store of the training part.
        validation: Store of the validation part.
        holdout: Store of the holdout with ids and covariates alone.
        device: `cpu`, `cuda`, ...
        time_limit_seconds: Of each task, for the classifier to know; the parent enforces it.
        tasks: In the order in which they are done.
    """

    trait: Mapping[str, Any]
    train: str
    validation: str
    holdout: str
    device: str
    time_limit_seconds: float | None
    tasks: tuple[PredictingTask, ...]

    def write(self, path: Path) -> Path:
        """Write the job as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """The reverse of `write`."""
        values = json.loads(path.read_text(encoding="utf-8"))
        tasks = tuple(
            PredictingTask(**{**task, "synthetic": tuple(Source(**one) for one in task["synthetic"])}) for task in values["tasks"]
        )
        return cls(**{**values, "tasks": tasks})


def main(arguments: list[str]) -> int:
    """Run the job in `arguments[0]`: one answer a task."""
    events = Events.take_stdout()
    end_with_parent()
    job = PredictingJob.read(Path(arguments[0]))
    for task in job.tasks:
        events.phase(task.phase)
        sys.stderr.write(f"{task.phase}:\n")
        begin = time.perf_counter()
        try:
            answer = _answer(job, task, events)
            write_json_atomically(Path(task.answer), {**answer, "seconds": round(time.perf_counter() - begin, 3)})
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            events.send("end", status="preempted", phase=task.phase, message=message_of(error), errno=error.errno)
            return 1
    events.send("end", status="ok", phase="done", message="")
    return 0


def _answer(job: PredictingJob, task: PredictingTask, events: Events) -> dict[str, Any]:
    """Predictions, or the reason why there are none."""
    try:
        return predict(job, task, events)
    except Exception as error:
        # The plugin boundary: what goes wrong costs this classifier on this arm. A full disk is not its fault.
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        traceback.print_exc()
        said = sayable(str(error)) if isinstance(error, GenobenchError) else message_of(error)
        return {"predicted": [], "classes": [], "reason": said}


def predict(job: PredictingJob, task: PredictingTask, events: Events) -> dict[str, Any]:
    """Fit one classifier on one arm and predict the holdout.

    Returns:
        `predicted`, `classes` and `reason` (None) of a record.

    Raises:
        GenobenchError: If the arm cannot be put together, or the classifier breaks its contract.
        Exception: Whatever the classifier raises.
    """
    trait, train = Trait.from_json(job.trait), read_store(Path(job.train))
    drawn = [source.taken(trait) for source in task.synthetic]
    samples = training_samples(train, drawn, trait, arm=task.arm, has_real=task.has_real)
    module, _, name = task.target.partition(":")
    classifier = with_settings(getattr(import_module(module), name), task.settings)
    with TemporaryDirectory() as folder:
        context = FitContext(
            trait=trait,
            seed=task.seed,
            device=job.device,
            folder=Path(folder),
            validation=read_store(Path(job.validation)),
            time_limit_seconds=job.time_limit_seconds,
            n_components=task.n_components,
            report=events.step,
        )
        predictor = classifier.fit(samples, context)
        if not isinstance(predictor, Predictor):
            raise ContractError(f"{task.target}.fit returned {type(predictor).__name__}; it must return a genobench.Predictor.")
        holdout = read_store(Path(job.holdout))
        predicted = _checked(predictor.predict(holdout), predictor, trait, holdout, target=task.target)
    classes = trait.classes or predictor.classes
    if classes:
        columns = [predictor.classes.index(name) if name in predictor.classes else None for name in classes]
        predicted = np.column_stack([np.zeros(len(predicted)) if place is None else predicted[:, place] for place in columns])
    return {"predicted": _rounded(predicted), "classes": list(classes), "reason": None}


def _checked(given: object, predictor: Predictor, trait: Trait, holdout: Genotypes, *, target: str) -> NDArray[np.float64]:
    """The predictions, held to the contract of `Predictor.predict`.

    Raises:
        ContractError: If they are no numbers, their shape is another, they are not finite, or are no probabilities of classes of the trait.
    """
    if np.asarray(given).dtype.kind not in _KINDS_OF_NUMBERS:
        raise ContractError(f"{target} gave predictions of type {np.asarray(given).dtype}; numbers were asked for.")
    predicted = np.asarray(given, dtype=np.float64)
    is_value = trait.kind == "quantitative"
    if is_value and len(predictor.classes):
        raise ContractError(f"{target} predicts the classes {predictor.classes} of '{trait.column}', which has values; give none.")
    shape = (holdout.n_samples,) if is_value else (holdout.n_samples, len(predictor.classes))
    if predicted.shape != shape or not np.isfinite(predicted).all():
        n_not = int((~np.isfinite(predicted)).sum())
        raise ContractError(f"{target} gave predictions of shape {predicted.shape}, {n_not} of them not finite; {shape} were asked for.")
    if is_value and np.abs(predicted).max() > GREATEST_VALUE:
        raise ContractError(f"{target} gave predictions up to {np.abs(predicted).max():.3g}; they must lie within ±{GREATEST_VALUE:g}.")
    if is_value:
        return predicted
    unknown = sorted(set(predictor.classes) - set(trait.classes or predictor.classes))
    if unknown or len(set(predictor.classes)) != len(predictor.classes):
        raise ContractError(f"{target} predicts the classes {predictor.classes}; those of '{trait.column}' are {trait.classes}.")
    sums = predicted.sum(axis=1)
    if predicted.min() < 0 or np.abs(sums - 1).max() > _SUM_TOLERANCE:
        raise ContractError(
            f"{target} gave probabilities from {predicted.min():.6g}, whose rows sum to {sums.min():.6g} to {sums.max():.6g}; "
            "they must not be negative, and sum to 1."
        )
    return predicted


def _rounded(predicted: NDArray[np.float64]) -> list[Any]:
    """As lists, with as many digits as float32 has."""
    if predicted.ndim == 2:
        return [_rounded(row) for row in predicted]
    return [float(f"{value:.{_SIGNIFICANT_DIGITS}g}") for value in predicted]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
