"""What one classifier, trained on one arm, said of the holdout of one split: a line of evidence, to and from JSON.

Records hold predictions, not measures of them, so that a new measure needs no fit. No sample's id is in them.
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self, get_args

from genobench.contracts import TraitKind
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SCHEMA: Final = 1
"""Version of the JSON form; a record of another version is refused, and its prediction made again."""

_TUPLES: Final = ("truth", "predicted", "classes", "groups")


@dataclass(frozen=True, kw_only=True)
class PredictionRecord:
    """Predictions of one classifier, trained on one arm, for the holdout of one split; or why there are none.

    Args:
        dataset: Its name.
        dataset_sha256: Content hash of its genotypes.
        split: `scheme`, `seed`, `sha256`, `n` and `largest_kinship`, as in an outcome.
        trait: The phenotype's column.
        kind: `quantitative`, `categorical` or `ordinal`.
        generator: `distribution/name`; "" for arms without synthetic samples, which all generators share.
        generator_settings: All its settings; empty where there is no generator.
        seed: Of the generator's fit and of the classifier's; where there is no generator, the split's.
        classifier: `distribution/name`.
        classifier_settings: All its settings.
        code_sha256: Hash of the code that the prediction hangs on: the classifier's, that of covariates, and the making of arms.
        arm: `real`, `synthetic`, `real+1x`, ..., `minority` or `covariates`.
        n_real: Real samples trained on.
        n_synthetic: Synthetic samples trained on.
        n_components: Principal components among the covariates.
        truth: Class labels, or values of a quantitative trait, of each holdout sample.
        predicted: For classes a row of probabilities a sample, in the order of `classes`; else a value a sample. Seven significant digits.
            Empty where there is a reason.
        classes: The classes in column order; empty for a quantitative trait.
        groups: A number a holdout sample that relatives share.
        seconds: Fitting and predicting took so long.
        reason: Why there are no predictions, in full sentences; None where there are.
        cell_id: The generator's cell; "" where there is no generator.
        budget: What each phase of the generator's fit was allowed ("3cpu-min"); "" for no budget, or no generator.
    """

    dataset: str
    dataset_sha256: str
    split: Mapping[str, Any]
    trait: str
    kind: TraitKind
    generator: str
    generator_settings: Mapping[str, Any]
    seed: int
    classifier: str
    classifier_settings: Mapping[str, Any]
    code_sha256: str
    arm: str
    n_real: int
    n_synthetic: int
    n_components: int
    truth: tuple[str, ...] | tuple[float, ...]
    predicted: tuple[float, ...] | tuple[tuple[float, ...], ...]
    classes: tuple[str, ...]
    groups: tuple[int, ...]
    seconds: float
    reason: str | None = None
    cell_id: str = ""
    budget: str = ""

    def __post_init__(self) -> None:
        if self.kind not in get_args(TraitKind):
            raise GenobenchError(f"A prediction record is of kind '{self.kind}'; it must be one of {', '.join(get_args(TraitKind))}.")
        n_samples = len(self.truth)
        if len(self.groups) != n_samples:
            raise GenobenchError(f"A prediction record has {len(self.groups)} groups for {n_samples} holdout samples.")
        if self.reason is not None:
            if self.predicted:
                raise GenobenchError(f"A prediction record has predictions and a reason for none: {self.reason}")
            return
        if len(self.predicted) != n_samples:
            raise GenobenchError(f"A prediction record has {len(self.predicted)} predictions for {n_samples} holdout samples.")
        width = None if self.kind == "quantitative" else len(self.classes)
        for row in self.predicted:
            numbers = (row,) if isinstance(row, (int, float)) else row
            if (width is None) != isinstance(row, (int, float)) or len(numbers) != (width or 1) or not all(map(math.isfinite, numbers)):
                wanted = "one finite number" if width is None else f"{width} finite numbers"
                raise GenobenchError(f"A prediction record holds {row!r} for a sample of a {self.kind} trait; it must hold {wanted}.")

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object; equal records give equal objects."""
        return {"schema": SCHEMA} | {item.name: _to_json(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`.

        Raises:
            GenobenchError: If the schema is another one, a key is unknown or missing, or what it says does not fit together.
        """
        try:
            if values["schema"] != SCHEMA:
                raise GenobenchError(f"A prediction record has schema {values['schema']}; this genobench reads {SCHEMA}.")
            known, given = {item.name for item in fields(cls)}, values.keys() - {"schema"}
            if known != given:
                raise GenobenchError(f"A prediction record lacks or has too much the keys {', '.join(sorted(known ^ given))}.")
            taken: dict[str, Any] = {name: tuple(values[name]) if name in _TUPLES else values[name] for name in known}
            taken["predicted"] = tuple(tuple(row) if isinstance(row, list) else row for row in taken["predicted"])
            return cls(**taken)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise GenobenchError(f"This is no prediction record: {type(error).__name__}: {error}") from error


def read_record(path: Path) -> PredictionRecord | None:
    """The record in a JSON file; None where there is none, or it is damaged and must be made again."""
    try:
        return PredictionRecord.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, GenobenchError):
        return None


def read_records(path: Path) -> list[PredictionRecord]:
    """The records of a file that `lines_of` gave, a line each.

    Raises:
        GenobenchError: If the file cannot be read, or a line is no record; the message names file and line.
    """
    try:
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise GenobenchError(f"The predictions {path} cannot be read ({error}).") from error
    records = []
    for place, line in enumerate(lines, start=1):
        if line:
            try:
                records.append(PredictionRecord.from_json(json.loads(line)))
            except (ValueError, GenobenchError) as error:
                raise GenobenchError(f"{path}, line {place}: {error}") from error
    return records


def lines_of(records: Iterable[PredictionRecord]) -> bytes:
    """Records as compressed JSON lines, the same bytes for the same records."""
    text = "".join(json.dumps(record.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n" for record in records)
    return gzip.compress(text.encode(), mtime=0)


def _to_json(value: Any) -> Any:
    return [_to_json(item) for item in value] if isinstance(value, tuple) else dict(value) if isinstance(value, dict) else value
