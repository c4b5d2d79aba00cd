"""Trials that answer `suggest` without Optuna, at the ends of each range and between."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genobench.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHOICE_TYPES = (type(None), bool, int, float, str)


@dataclass(frozen=True)
class FixedTrial:
    """Answers every question with the value at one place of its range.

    Args:
        place: In [0, 1]: 0 gives each lower end and the first choice, 1 each upper end and the last choice.
        asked: The names asked for so far, with the answers.

    Example:
        >>> FixedTrial(1.0).suggest_int("width", 64, 256, step=64)
        256
    """

    place: float
    asked: dict[str, Any] = field(default_factory=dict)

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
        """A number in [low, high]; with `log`, the place is on the logarithmic scale."""
        self._check_range(name, low, high, log=log)
        value = math.exp(math.log(low) + self.place * (math.log(high) - math.log(low))) if log else low + self.place * (high - low)
        if step is not None:
            value = low + step * math.floor((value - low) / step + 1e-9)
        return float(self._answer(name, min(max(value, low), high)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number in [low, high]."""
        self._check_range(name, low, high, log=log)
        return int(self._answer(name, low + step * int(self.place * ((high - low) // step))))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices."""
        if not choices:
            raise ContractError(f"suggest asks for '{name}' with no choices; give at least one.")
        odd = [choice for choice in choices if not isinstance(choice, _CHOICE_TYPES)]
        if odd:
            raise ContractError(f"suggest offers the choice {odd[0]!r} for '{name}'; a study can only keep None, bool, int, float and str.")
        return self._answer(name, choices[round(self.place * (len(choices) - 1))])

    def _check_range(self, name: str, low: float, high: float, *, log: bool) -> None:
        if not low <= high:
            raise ContractError(f"suggest asks for '{name}' in [{low}, {high}]; the lower end must come first.")
        if log and low <= 0:
            raise ContractError(f"suggest asks for '{name}' in [{low}, {high}] on a logarithmic scale; the lower end must be above 0.")

    def _answer(self, name: str, value: Any) -> Any:
        if name in self.asked:
            raise ContractError(f"suggest asks for '{name}' twice; a study gives one answer a name.")
        self.asked[name] = value
        return value
