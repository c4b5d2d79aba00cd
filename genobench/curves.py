"""The training curves of a cell: what its worker reported, kept as JSON lines, and few enough of them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, Self

from genobench.home import write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

MOST_POINTS: Final = 1000
"""A curve is thinned to about as many points when its fit ends."""

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


class CurveWriter:
    """Keeps the curves of a fit; a context manager. A fit that goes on from a checkpoint goes on with the curves that were there.

    Args:
        path: The curves file; what a fit that was cut off has left there is kept up to the first step that is added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = read_curves(path)
        self._file = path.open("a", encoding="utf-8", buffering=1)
        # A fit of its own has an empty file, which is not replaced: a plugin may have removed the folder by now.
        self._is_begun = self._path.stat().st_size == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        points = read_curves(self._path)
        if len(points) > MOST_POINTS:
            every = -(-len(points) // MOST_POINTS)
            self._replace([*points[:-1:every], points[-1]])

    def add(self, step: int, losses: Mapping[str, float]) -> bool:
        """Keep one point.

        Returns:
            Whether it goes on with the curves of a fit that was cut off; True for the first point at most.
        """
        goes_on = False
        if not self._is_begun:
            self._is_begun = True
            self._file.close()
            kept = [point for point in self._before if point["step"] < step]
            goes_on = bool(kept)
            self._replace(kept)
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
        self._file.write(_line({"step": step, **losses}))
        return goes_on

    def _replace(self, points: list[Point]) -> None:
        write_text_atomically(self._path, "".join(map(_line, points)))


def _line(point: Mapping[str, float]) -> str:
    return json.dumps({**point, "step": int(point["step"])}) + "\n"


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
