"""The training curves of a cell, as its worker reported them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Point = dict[str, float]
"""One point of the curves: `step`, and a value a loss."""


def read_curves(path: Path) -> list[Point]:
    """The points of a curves file.

    Args:
        path: JSON lines with `step` and losses; need not be there.

    Returns:
        Points in the order of the file, with finite losses only; a last line that was cut short by a kill is left out.
    """
    if not path.exists():
        return []
    points = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and "step" in values:
            points.append({name: float(value) for name, value in values.items() if name != "total_steps" and _is_finite(value)})
    return points


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
