"""Budgets: how much computing each phase of a fit may take, so that only equals are ranked together.

A budget of processor time counts what all threads and processes of a fit use, so that more cores do not buy more; one of GPU time counts
the seconds for which the fit has the GPU.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, Self

from genobench.errors import GenobenchError

_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(cpu|gpu)-(s|min|h)")
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600}
_UNITS: Final = {"s": "second", "min": "minute", "h": "hour"}


@dataclass(frozen=True)
class Budget:
    """What each phase of a fit may take.

    Args:
        kind: `cpu`: processor seconds of all its processes; `gpu`: seconds on the clock, on one GPU; of several, all of theirs.
        seconds: How many, whole.
    """

    kind: Literal["cpu", "gpu"]
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """A budget from text such as "3cpu-min", "90cpu-s" or "10gpu-min".

        Raises:
            GenobenchError: If it is no budget.
        """
        found = _FORM.fullmatch(text.strip().lower())
        exact = Decimal(0) if found is None else Decimal(found[1]) * _SECONDS[found[3]]
        if found is None or exact < 1 or exact % 1:
            raise GenobenchError(f"'{text}' is no budget; write for example 3cpu-min, 90cpu-s or 10gpu-min, at least a whole second.")
        return cls(kind="cpu" if found[2] == "cpu" else "gpu", seconds=int(exact))

    @property
    def name(self) -> str:
        """As it stands in the name of a board, "3cpu-min": in the largest unit that makes it a whole number."""
        number, unit = self._in_unit()
        return f"{number}{self.kind}-{unit}"

    def __str__(self) -> str:
        number, unit = self._in_unit()
        return f"{number} {self.kind.upper()}-{_UNITS[unit]}{'' if number == 1 else 's'}"

    def _in_unit(self) -> tuple[int, str]:
        unit = next((unit for unit in ("h", "min") if self.seconds % _SECONDS[unit] == 0), "s")
        return self.seconds // _SECONDS[unit], unit
