"""What one classifier, trained on one arm, said of the holdout of one split: a line of evidence, to and from JSON.

Records hold predictions, not measures of them, so that a new measure needs no fit. No sample's id is in them.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import defaultdict
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Self

from genobench.downstream.record_form import check_fields, check_predictions
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from genobench.contracts import TraitKind

SCHEMA: Final = 2
"""Version of the JSON form; a record of another version is refused, and its prediction made again."""

_TUPLES: Final = ("truth", "predicted", "classes", "groups", "covariate_groups")

_OF_WHAT: Final = (
    "dataset",
    "dataset_sha256",
    "split",
    "trait",
    "generator",
    "generator_settings",
    "seed",
    "budget",
    "classifier",
    "classifier_settings",
    "arm",
    "n_components",
)
"""What a prediction is of; two records that agree in these are two of one prediction."""

_MOST_BYTES_OF_LINE: Final = 2**27
"""A line of evidence is no longer: a hundred thousand samples of a dozen classes take a tenth of it."""


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
        truth: The class label of each holdout sample, "" where it is not known; or its value, None where it is not known.
        predicted: For classes a row of probabilities a sample, in the order of `classes`; else a value a sample. Seven significant digits.
            Empty where there is a reason.
        classes: The classes in column order; empty for a quantitative trait.
        groups: A number a holdout sample that relatives share.
        covariate_groups: A number a holdout sample that those share whose covariates of classes (vendor, sex, batch) are the same; empty
            where the trait has none. Which number stands for which classes is not kept.
        is_control: Whether the generator is a control (a floor, a leak), which is shown and does not count as a model.
        seconds: Fitting and predicting took so long.
        reason: Why there are no predictions, in full sentences; None where there are.
        cell_id: The generator's cell; "" where there is no generator.
        budget: What each phase of the generator's fit was allowed ("3cpu-min"); "" for no budget, or no generator.
        is_cut_short: Whether there are no predictions because something from outside ended the work (a kill, a full disk), so that the next
            run tries again. Such a record is neither kept nor published, and this is not in its JSON form.
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
    truth: tuple[str, ...] | tuple[float | None, ...]
    predicted: tuple[float, ...] | tuple[tuple[float, ...], ...]
    classes: tuple[str, ...]
    groups: tuple[int, ...]
    seconds: float
    covariate_groups: tuple[int, ...] = ()
    is_control: bool = False
    reason: str | None = None
    cell_id: str = ""
    budget: str = ""
    is_cut_short: bool = False

    def __post_init__(self) -> None:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        check_fields(values)
        n_samples = len(self.truth)
        for name in ("groups", "covariate_groups"):
            n_groups = len(values[name])
            if n_groups != n_samples and (n_groups or name == "groups"):
                raise GenobenchError(f"A prediction record has {n_groups} {name} for {n_samples} holdout samples.")
        if self.reason is None:
            check_predictions(values)
        elif self.predicted:
            raise GenobenchError(f"A prediction record has predictions and a reason for none: {self.reason}")

    def to_json(self) -> dict[str, Any]:
        """The record as a JSON object; equal records give equal objects."""
        return {"schema": SCHEMA} | {name: _to_json(getattr(self, name)) for name in _names_in_json()}

    @property
    def identity(self) -> str:
        """What the prediction is of, as text that sorts by trait, split and then generator; not which code made it, nor what it says."""
        values: dict[str, Any] = {name: getattr(self, name) for name in _OF_WHAT}
        split = (self.split["seed"], self.split["sha256"])
        return json.dumps([self.trait, *split, values | {"split": None}], sort_keys=True)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`.

        Raises:
            GenobenchError: If the schema is another one, a key is unknown or missing, or what it says does not fit together.
        """
        try:
            if values["schema"] != SCHEMA:
                raise GenobenchError(f"A prediction record has schema {values['schema']}; this genobench reads {SCHEMA}.")
            known, given = {*_names_in_json()}, values.keys() - {"schema"}
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
    except (OSError, ValueError, RecursionError, GenobenchError):
        return None


def kept_record(file: Path, head: PredictionRecord) -> PredictionRecord | None:
    """The record in a JSON file, if it is of what is wanted and made by the same code; one of something else counts as damaged.

    Args:
        file: Where it is kept.
        head: The record that is wanted, with predictions or without. The dataset is called as it says: the same may have been imported
            under another name since.
    """
    found = read_record(file)
    if found is None:
        return None
    found = replace(found, dataset=head.dataset)
    is_wanted = (found.identity, found.code_sha256, found.cell_id) == (head.identity, head.code_sha256, head.cell_id)
    return found if is_wanted else None


def read_records(path: Path) -> list[PredictionRecord]:
    """The records of a file that `lines_of` gave, a line each.

    Raises:
        GenobenchError: If the file cannot be read, or a line is no record; the message names file and line.
    """
    records = []
    try:
        if path.stat().st_size == 0:
            # Decompressed, nothing is nothing, as if there had never been a prediction.
            raise EOFError("it is empty")
        with gzip.open(path) as file:
            for place, line in enumerate(iter(lambda: file.readline(_MOST_BYTES_OF_LINE), b""), start=1):
                records.append(_read_line(line, f"{path}, line {place}"))
    except (OSError, EOFError, zlib.error) as error:
        raise GenobenchError(f"The predictions {path} cannot be read ({error}).") from error
    return records


def _read_line(line: bytes, place: str) -> PredictionRecord:
    if len(line) == _MOST_BYTES_OF_LINE:
        raise GenobenchError(f"{place} is no prediction record: it is longer than {_MOST_BYTES_OF_LINE:,} bytes.")
    try:
        return PredictionRecord.from_json(json.loads(line, parse_constant=_refuse))
    except (ValueError, RecursionError, GenobenchError) as error:
        raise GenobenchError(f"{place}: {error}") from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON.")


def lines_of(records: Iterable[PredictionRecord]) -> bytes:
    """Records as compressed JSON lines, the same bytes for the same records."""
    text = "".join(json.dumps(record.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n" for record in records)
    return gzip.compress(text.encode(), mtime=0)


def by_trait(records: Iterable[PredictionRecord]) -> dict[str, list[PredictionRecord]]:
    """The records of a board by trait.

    Raises:
        GenobenchError: If there is no record, or they may not stand in one table: they are of several datasets or schemes of splits, or
            one trait is of several kinds.
    """
    found: dict[str, list[PredictionRecord]] = defaultdict(list)
    for record in records:
        found[record.trait].append(record)
    boards = {(one.dataset, one.dataset_sha256, one.split["scheme"]) for members in found.values() for one in members}
    if len(boards) != 1:
        listed = "; ".join(f"{name} (sha256 {sha256[:8]}), {scheme} splits" for name, sha256, scheme in sorted(boards))
        raise GenobenchError(f"A table is of predictions for one dataset and one scheme of splits; these are of {listed or 'none'}.")
    for trait, members in found.items():
        kinds = sorted({one.kind for one in members})
        classes = sorted({one.classes for one in members if one.reason is None})
        if len(kinds) > 1 or len(classes) > 1:
            listed = " and ".join(kinds if len(kinds) > 1 else (f"of the classes {', '.join(names)}" for names in classes))
            raise GenobenchError(f"Predictions of the trait '{trait}' are {listed}; a table is of one kind.")
    return dict(found)


def _names_in_json() -> tuple[str, ...]:
    return tuple(item.name for item in fields(PredictionRecord) if item.name != "is_cut_short")


def _to_json(value: Any) -> Any:
    return [_to_json(item) for item in value] if isinstance(value, tuple) else dict(value) if isinstance(value, dict) else value
