"""What a metric declares, and whether it and what it gives are of the kind that the contract asks for.

A record is kept and read by later runs, so what is no score must be refused before it is written: kept, it would break each of them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, get_args

from genobench.contracts import PARTS, Direction, Score, ScoreFamily, ScoreSpec
from genobench.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from genobench.contracts import Metric

_TEXTS: Final = ("name", "summary", "unit")


def declared(metric: Metric | type[Metric]) -> dict[str, Any]:
    """The family and the scores that a metric declares, as they stand in its record.

    Raises:
        ContractError: If it is no family, or something is no `ScoreSpec`, or a field of one is not what it must be.
    """
    name = metric.__name__ if isinstance(metric, type) else type(metric).__name__
    if metric.family not in get_args(ScoreFamily):
        raise ContractError(f"{name} has the family {metric.family!r}; it must be one of {', '.join(get_args(ScoreFamily))}.")
    if not (isinstance(metric.scores, tuple | list) and all(isinstance(spec, ScoreSpec) for spec in metric.scores)):
        raise ContractError(f"{name} declares the scores {metric.scores!r}; they must be a tuple of ScoreSpec.")
    check_specs(metric.scores, name)
    return {"specs": [asdict(spec) for spec in metric.scores], "family": metric.family}


def check_specs(specs: Iterable[ScoreSpec], name: str) -> None:
    """Raise ContractError if a score that the metric `name` declares has a field that is not what it must be, or stands twice."""
    listed = list(specs)
    for spec in listed:
        fault = _fault_of(spec)
        if fault:
            raise ContractError(f"{name} declares the score {spec.name!r} with {fault}.")
    names = [spec.name for spec in listed]
    if len(set(names)) < len(names):
        raise ContractError(f"{name} declares a score more than once: {names}.")


def check_demands(metric: Metric) -> None:
    """Raise ContractError if the parts that a metric compares, or the most samples that it is shown, are not what they must be."""
    name = type(metric).__name__
    if not (isinstance(metric.parts, tuple | list) and set(metric.parts) <= set(PARTS)):
        raise ContractError(f"{name} compares the parts {metric.parts!r}; it must be a tuple of names out of {', '.join(PARTS)}.")
    most: Any = metric.most_samples
    if not (isinstance(most, Integral) and int(most) >= 1):
        raise ContractError(f"{name} has most_samples = {most!r}; it must be a whole number of at least 1.")


def checked(scores: Iterable[Score], metric: Metric) -> list[Score]:
    """The declared scores in their declared order, each with a number for its value, NaN where that is not finite.

    Raises:
        ContractError: If they are not those that were declared, or a value, an error, an interval or a reason is not what it must be.
    """
    listed = list(scores)
    expected, names = [spec.name for spec in metric.scores], [score.name for score in listed]
    if sorted(names, key=str) != sorted(expected):
        raise ContractError(f"{type(metric).__name__} declares the scores {expected} and gave {sorted(names, key=str)}.")
    given = {score.name: _sound(score) for score in listed}
    return [given[name] for name in expected]


def _fault_of(spec: ScoreSpec) -> str | None:
    """What is wrong with a declared score; None where nothing is."""
    for field in _TEXTS:
        text: Any = getattr(spec, field)
        if not isinstance(text, str):
            return f"{field} = {text!r}; it must be text"
    if spec.direction not in get_args(Direction):
        return f"direction = {spec.direction!r}; it must be one of {', '.join(get_args(Direction))}"
    version: Any = spec.version
    if not isinstance(version, Integral):
        return f"version = {version!r}; it must be a whole number"
    for field in ("ideal", "chance"):
        value: Any = getattr(spec, field)
        if value is not None and not (isinstance(value, Real) and math.isfinite(value)):
            return f"{field} = {value!r}; it must be a finite number, or None"
    return None


def _sound(score: Score) -> Score:
    """The score with its value as a float.

    Raises:
        ContractError: If a field is not what it must be.
    """
    value: Any = score.value
    error: Any = score.standard_error
    interval: Any = score.interval
    reason: Any = score.reason
    fault = None
    if not isinstance(value, Real):
        fault = f"value = {value!r}; it must be a number, NaN where there is none"
    elif error is not None and not (isinstance(error, Real) and not float(error) < 0):
        fault = f"standard_error = {error!r}; it must be a number of at least 0, or None"
    elif interval is not None and not _is_interval(interval):
        fault = f"interval = {interval!r}; it must be two numbers, the lower one first, or None"
    elif reason is not None and not isinstance(reason, str):
        fault = f"reason = {reason!r}; it must be text, or None"
    if fault:
        raise ContractError(f"The score {score.name} was given {fault}.")
    if math.isfinite(value):
        return replace(score, value=float(value))
    return replace(score, value=math.nan, reason=score.reason or "not finite, no reason given")


def _is_interval(interval: Any) -> bool:
    """Whether it is a pair of numbers in order; one that is not a number is in any order."""
    is_pair = isinstance(interval, tuple | list) and len(interval) == 2 and all(isinstance(end, Real) for end in interval)
    return is_pair and not interval[0] > interval[1]
