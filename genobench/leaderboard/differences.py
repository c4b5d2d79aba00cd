"""Two cells side by side: what differs between their scores, and between what they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from genobench.outcomes import Z_95

if TYPE_CHECKING:
    from genobench.outcomes import Band, Outcome, ScoreRecord

_ABSENT: Final = "not set"


@dataclass(frozen=True)
class Difference:
    """One score of two cells.

    Args:
        metric: The score's name.
        first: The first cell's record; None where it has none.
        second: The second cell's record; None where it has none.
        band: What real samples score.
        value: Second less first; NaN where they cannot be compared.
        standard_error: Of the difference; None where one of the two has none. The errors are added as if independent. Cells of one split
            share their holdout, so this is on the wide side.
        reason: Why there is no difference; "" where there is one.
    """

    metric: str
    first: ScoreRecord | None
    second: ScoreRecord | None
    band: Band | None
    value: float
    standard_error: float | None
    reason: str

    @property
    def is_clear(self) -> bool:
        """Whether the difference is more than 1.96 standard errors."""
        return self.standard_error is not None and abs(self.value) > Z_95 * self.standard_error


def differences(first: Outcome, second: Outcome) -> list[Difference]:
    """The scores of both cells, in the first one's order, then those that only the second has."""
    names = dict.fromkeys(score.metric for outcome in (first, second) for score in outcome.scores)
    return [_difference(name, first.score(name), second.score(name)) for name in names]


def what_differs(first: Outcome, second: Outcome) -> list[tuple[str, Any, Any]]:
    """What two cells are, where it differs: name, the first one's value, the second one's; settings as `settings.name`."""
    fields = (
        "dataset",
        "dataset_sha256",
        "trait",
        "generator",
        "distribution",
        "plugin_version",
        "code_sha256",
        "budget",
        "seed",
        "n_generated",
    )
    pairs: list[tuple[str, Any, Any]] = [(name, getattr(first, name), getattr(second, name)) for name in fields]
    pairs += [(f"split.{name}", first.split.get(name, _ABSENT), second.split.get(name, _ABSENT)) for name in ("scheme", "seed", "sha256")]
    names = dict.fromkeys([*first.settings, *second.settings])
    pairs += [(f"settings.{name}", first.settings.get(name, _ABSENT), second.settings.get(name, _ABSENT)) for name in names]
    return [(name, one, other) for name, one, other in pairs if one != other]


def why_not_comparable(first: Outcome, second: Outcome) -> str:
    """Why the scores of two cells do not bear comparison; "" where they do."""
    reasons = []
    if first.dataset_sha256 != second.dataset_sha256:
        reasons.append("other genotypes")
    elif first.split["sha256"] != second.split["sha256"]:
        reasons.append("another split")
    if first.trait != second.trait:
        reasons.append("another trait")
    if first.budget != second.budget:
        reasons.append("another budget")
    return " and ".join(reasons)


def _difference(metric: str, first: ScoreRecord | None, second: ScoreRecord | None) -> Difference:
    band = next((score.band for score in (first, second) if score is not None and score.band is not None), None)
    reason, value, error = "", math.nan, None
    if first is None or second is None:
        reason = "only one cell has it"
    elif first.is_missing or second.is_missing:
        reason = (first.reason if first.is_missing else second.reason) or "missing"
    elif first.version != second.version:
        reason = f"versions {first.version} and {second.version} of the definition are not compared"
    else:
        value = second.value - first.value
        if first.error is not None and second.error is not None:
            error = math.hypot(first.error, second.error)
    return Difference(metric, first, second, band, value, error, reason)
