"""Hyperparameter studies: Optuna asks a generator for settings, a cell is fitted and scored on validation samples, Optuna is told.

The study lives in one file under the home, and each trial is a cell, so a killed study goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from genobench.errors import CellError
from genobench.settings import with_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from genobench.contracts import Direction, Generator

DEFAULT_OBJECTIVE: Final = "ld_decay_error"
"""The score that is tuned for unless another is named: linkage is what separates a genotype model from allele frequencies."""


@dataclass(frozen=True)
class Objective:
    """The score of a study.

    Args:
        score: Its name.
        direction: As declared; for `target` the distance from the ideal is minimised.
        ideal: As declared.
    """

    score: str
    direction: Direction
    ideal: float | None

    def loss(self, value: float) -> float:
        """The number to minimise."""
        if self.direction == "higher":
            return -value
        return value if self.direction == "lower" or self.ideal is None else abs(value - self.ideal)


def tune(
    generator: type[Any],
    *,
    fixed: Mapping[str, Any],
    evaluate: Callable[[Generator, int], float],
    objective: Objective,
    n_trials: int,
    seed: int,
    storage: Path,
) -> Generator:
    """The best settings of a study.

    The first trial is the defaults, so tuning cannot end below them on the validation samples. Each trial's sampler is seeded by the
    trial's number, so a study that was cut off and resumed asks what one in a single piece would have asked.

    Args:
        generator: The class; its `suggest` names the settings worth trying, by the names of its fields.
        fixed: Settings that stay as the user gave them, in every trial.
        evaluate: Given settings and the trial's number, fits a cell and gives the objective's value on validation samples; NaN for a
            trial that gave none.
        objective: What is tuned for.
        n_trials: Trials in all, those of earlier calls included.
        seed: Of the study's sampler.
        storage: The study's journal; made when absent.

    Returns:
        The settings of the best finished trial.

    Raises:
        CellError: If no trial gave a value.
    """
    study = _open_study(storage)
    if not study.trials:
        study.enqueue_trial(dataclasses.asdict(generator()), user_attrs={"is_default": True})
    for number in range(_n_spent(study), n_trials):
        study.sampler = optuna.samplers.TPESampler(seed=1_000_003 * seed + number)
        trial = study.ask()
        settings = dataclasses.replace(generator.suggest(trial), **fixed)
        trial.set_user_attr("settings", dataclasses.asdict(settings))
        value = evaluate(settings, number)
        trial.set_user_attr("is_spent", value=True)
        if math.isfinite(value):
            trial.set_user_attr(objective.score, value)
            study.tell(trial, objective.loss(value))
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if not complete:
        raise CellError(f"None of the {len(study.trials)} trials of the study gave a value of '{objective.score}'; see the trials' logs.")
    best: Generator = with_settings(generator, min(complete, key=lambda trial: (trial.value, trial.number)).user_attrs["settings"])
    return best


def _open_study(storage: Path) -> optuna.Study:
    """The study of that journal; a trial that was cut off by a kill is queued again."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(storage))),
        study_name=storage.stem,
        load_if_exists=True,
    )
    for stale in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(stale.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(stale.params)
    return study


def _n_spent(study: optuna.Study) -> int:
    return sum(bool(trial.user_attrs.get("is_spent")) for trial in study.trials)
