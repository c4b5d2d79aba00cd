"""What the fields of a prediction record must hold: a board's evidence may come from anywhere, and pages are made from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, get_args

from genobench.contracts import TraitKind
from genobench.downstream.arms import Arm
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GREATEST_VALUE: Final = 1e150
"""No true or predicted value may be farther from 0: its square must be a number, and the sum of some thousands of squares."""

SUM_TOLERANCE: Final = 1e-5
"""By how much probabilities that were rounded to seven digits may sum to something else than 1."""

_MOST_CHARACTERS: Final = 500
_LONGEST_REASON: Final = 20_000
_MOST_GROUPS: Final = 2**31


def check_fields(values: Mapping[str, Any]) -> None:
    """Raise GenobenchError if a field of a record is of another kind than it must be.

    Args:
        values: The fields of a `genobench.downstream.records.PredictionRecord` by name.
    """
    for name, (is_right, wanted) in _FIELDS.items():
        if not is_right(values[name]):
            raise GenobenchError(f"A prediction record has {_shown(values[name])} for '{name}'; it must be {wanted}.")
    Arm.parse(values["arm"])
    is_value = values["kind"] == "quantitative"
    if values["classes"] if is_value else values["reason"] is None and not values["classes"]:
        wanted = "there must be none" if is_value else "they must be those of its probabilities"
        raise GenobenchError(f"A prediction record of a {values['kind']} trait has the classes {_shown(values['classes'])}; {wanted}.")
    wrong = [one for one in values["truth"] if not (_is_true_value(one) if is_value else _is_text(one))]
    if wrong:
        wanted = "numbers, or null where they are not known" if is_value else "labels, or empty where they are not known"
        raise GenobenchError(f"A prediction record has {_shown(wrong[0])} among its true values; they must be {wanted}.")


def check_predictions(values: Mapping[str, Any]) -> None:
    """Raise GenobenchError if the predictions of a record fit neither its samples nor the kind of its trait.

    Args:
        values: The fields of a record by name, which `check_fields` has let pass.
    """
    n_samples = len(values["truth"])
    if len(values["predicted"]) != n_samples:
        raise GenobenchError(f"A prediction record has {len(values['predicted'])} predictions for {n_samples} holdout samples.")
    width = len(values["classes"])
    for row in values["predicted"]:
        if not (_is_value(row) if not width else _are_probabilities(row, width)):
            wanted = f"{width} finite numbers from 0 that sum to 1" if width else f"one finite number within ±{GREATEST_VALUE:g}"
            raise GenobenchError(
                f"A prediction record holds {_shown(row)} for a sample of a {values['kind']} trait; it must hold {wanted}."
            )


def _is_text(value: object) -> bool:
    """Whether it is a line of text that a page and a terminal can take."""
    if not isinstance(value, str) or len(value) > _MOST_CHARACTERS or len(value.splitlines()) > 1:
        return False
    return all(char.isprintable() or char.isspace() for char in value)


def _is_name(value: object) -> bool:
    return _is_text(value) and bool(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_value(value: object) -> bool:
    return _is_number(value) and abs(value) <= GREATEST_VALUE  # type: ignore[arg-type]  # it is a number


def _is_true_value(value: object) -> bool:
    return value is None or _is_value(value)


def _are_probabilities(row: object, width: int) -> bool:
    if not isinstance(row, tuple) or len(row) != width or not all(map(_is_number, row)):
        return False
    return min(row) >= 0 and abs(math.fsum(row) - 1) <= SUM_TOLERANCE


def _are_names(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_name, value)) and len(set(value)) == len(value)


def _are_groups(value: object) -> bool:
    return isinstance(value, tuple) and all(_is_count(one) and one < _MOST_GROUPS for one in value)


def _are_settings(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_name, value))


def _is_split(value: object) -> bool:
    if not isinstance(value, dict) or not {"scheme", "seed", "sha256", "n"} <= value.keys() or not isinstance(value["n"], dict):
        return False
    counts = value["n"]
    return (
        _is_name(value["scheme"])
        and _is_count(value["seed"])
        and _is_text(value["sha256"])
        and all(_is_name(part) and _is_count(count) for part, count in counts.items())
    )


def _is_reason(value: object) -> bool:
    return value is None or (isinstance(value, str) and 0 < len(value) <= _LONGEST_REASON)


def _shown(value: object) -> str:
    """A value, cut where it is long."""
    text = ascii(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


_TEXT: Final = (_is_text, f"one line of at most {_MOST_CHARACTERS} characters")
_NAME: Final = (_is_name, f"one line of 1 to {_MOST_CHARACTERS} characters")
_COUNT: Final = (_is_count, "a whole number from 0")
_GROUPS: Final = (_are_groups, f"whole numbers from 0 to {_MOST_GROUPS - 1}")
_SETTINGS: Final = (_are_settings, "settings by name")

_FIELDS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "dataset": _NAME,
    "dataset_sha256": _TEXT,
    "split": (_is_split, "an object with a scheme, a seed, a sha256, and n: how many samples are in each part"),
    "trait": _NAME,
    "kind": (lambda value: value in get_args(TraitKind), f"one of {', '.join(get_args(TraitKind))}"),
    "generator": _TEXT,
    "generator_settings": _SETTINGS,
    "seed": _COUNT,
    "classifier": _NAME,
    "classifier_settings": _SETTINGS,
    "code_sha256": _TEXT,
    "arm": _NAME,
    "n_real": _COUNT,
    "n_synthetic": _COUNT,
    "n_components": _COUNT,
    "truth": (lambda value: isinstance(value, tuple), "a list"),
    "predicted": (lambda value: isinstance(value, tuple), "a list"),
    "classes": (_are_names, "a list of different labels"),
    "groups": _GROUPS,
    "covariate_groups": _GROUPS,
    "is_control": (lambda value: isinstance(value, bool), "true or false"),
    "seconds": (lambda value: _is_number(value) and value >= 0, "a finite number from 0"),  # type: ignore[operator]  # it is a number
    "reason": (_is_reason, f"null, or a text of 1 to {_LONGEST_REASON:,} characters"),
    "cell_id": _TEXT,
    "budget": _TEXT,
}
