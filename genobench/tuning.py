"""Hyperparameter studies: Optuna asks a generator for settings, a cell is fitted and scored on validation samples, Optuna is told.

The study lives in one file under the home, and each trial is a cell, so a killed study goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from genobench.errors import CellError, ContractError
from genobench.settings import settings_json, with_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import optuna

    from genobench.contracts import Direction, Generator

DEFAULT_OBJECTIVE: Final = "ld_decay_error"
"""The score that is tuned for unless another is named: linkage is what separates a genotype model from allele frequencies."""

_IS_SPENT: Final = "is_spent"
"""Attribute of a trial that was evaluated, whatever came of it."""


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
    import optuna

    study = _open_study(storage, objective)
    if not study.trials:
        study.enqueue_trial(dataclasses.asdict(generator()))
    for number in range(_n_spent(study), n_trials):
        study.sampler = optuna.samplers.TPESampler(seed=1_000_003 * seed + number)
        trial = study.ask()
        settings = _suggested(generator, trial, fixed) if number else _defaults(generator, trial, fixed)
        trial.set_user_attr("settings", settings_json(settings))
        value = evaluate(settings, number)
        if math.isfinite(value):
            trial.set_user_attr(objective.score, value)
        trial.set_user_attr(_IS_SPENT, value=True)
        _tell(study, trial.number, objective, value)
    complete = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    if not complete:
        raise CellError(f"None of the {len(study.trials)} trials of the study gave a value of '{objective.score}'; see the trials' logs.")
    best: Generator = with_settings(generator, min(complete, key=lambda trial: (trial.value, trial.number)).user_attrs["settings"])
    return best


def _defaults(generator: type[Any], trial: optuna.Trial, fixed: Mapping[str, Any]) -> Any:
    """The defaults, told to the study as far as they are points of its space; None, for what a preset or the data say, is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _suggested(generator, trial, fixed)
        except ContractError as error:
            if not isinstance(error.__cause__, ValueError):  # Optuna's answer to what is no point; anything else is the plugin's fault.
                raise
    return dataclasses.replace(generator(), **fixed)


def _suggested(generator: type[Any], trial: optuna.Trial, fixed: Mapping[str, Any]) -> Any:
    try:
        return dataclasses.replace(generator.suggest(trial), **fixed)
    except Exception as error:  # the plugin boundary: `suggest` may raise anything
        raise ContractError(f"{generator.__name__}.suggest gave no settings: {type(error).__name__}: {error}") from error


def _tell(study: optuna.Study, number: int, objective: Objective, value: float) -> None:
    from optuna.trial import TrialState

    if math.isfinite(value):
        study.tell(number, objective.loss(value))
    else:
        study.tell(number, state=TrialState.FAIL)


def _open_study(storage: Path, objective: Objective) -> optuna.Study:
    """The study of that journal; a trial that was cut off by a kill is queued again, unless its value is known.

    Raises:
        CellError: If the journal is damaged.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(storage))),
            study_name=storage.stem,
            load_if_exists=True,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CellError(
            f"The journal {storage} of the study is damaged ({type(error).__name__}: {error}). Remove it: the study is told anew, and "
            "its finished cells are taken as they are."
        ) from error
    for stale in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
        if stale.user_attrs.get(_IS_SPENT):
            _tell(study, stale.number, objective, stale.user_attrs.get(objective.score, math.nan))
            continue
        study.tell(stale.number, state=optuna.trial.TrialState.FAIL)
        study.enqueue_trial(stale.params)
    return study


def _n_spent(study: optuna.Study) -> int:
    return sum(bool(trial.user_attrs.get(_IS_SPENT)) for trial in study.trials)
