"""From a record of predictions to its measures, and to what they are without each group of families, which tells their noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.downstream.measures import Judged, measures_for
from genobench.errors import GenobenchError
from genobench.statgen import jackknife_standard_error, sample_groups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from genobench.downstream.records import PredictionRecord

_N_GROUPS: Final = 20
"""Families are put into so many groups, each of which is left out once."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A measure of one record, and what it is without each group of relatives.

    Args:
        value: From all samples; NaN where it is not defined.
        deleted: Without each group, shape (n_groups,).
        sizes: Samples in each group, shape (n_groups,).
        samples: A hash of the samples' truths and families: two that differ in it were not judged on the same samples.
        reason: Why the value is NaN; "" where it is not.
    """

    value: float
    deleted: NDArray[np.float64]
    sizes: NDArray[np.intp]
    samples: str = ""
    reason: str = ""

    @property
    def standard_error(self) -> float | None:
        """Of the value over draws of the holdout, by the delete-a-group jackknife; None where it cannot be had."""
        error = jackknife_standard_error(self.value, self.deleted, self.sizes)
        return error if math.isfinite(error) else None


def judged(record: PredictionRecord, *, heritability: float | None = None) -> Judged:
    """Truth and predictions of a record as arrays, without samples whose trait is not known.

    Args:
        record: With predictions.
        heritability: Of its trait, in (0, 1]; None where it is not known.

    Raises:
        GenobenchError: If the record has no predictions, knows the trait of no sample, or has a class that the classifier was not told of.
    """
    if record.reason is not None:
        raise GenobenchError(record.reason)
    families, predicted = np.asarray(record.groups, dtype=np.intp), np.asarray(record.predicted, dtype=np.float64)
    if record.kind == "quantitative":
        values = np.array([math.nan if value is None else value for value in record.truth], dtype=np.float64)
        known, truth = np.flatnonzero(np.isfinite(values)), values
    else:
        places = {label: place for place, label in enumerate(record.classes)}
        foreign = sorted({str(label) for label in record.truth if label} - set(places))
        if foreign:
            raise GenobenchError(f"The holdout has the class '{foreign[0]}', which '{record.classifier}' was never told of.")
        known = np.flatnonzero([bool(label) for label in record.truth])
        truth = np.array([places.get(str(label), 0) for label in record.truth])
    if not len(known):
        raise GenobenchError("The trait is known of no holdout sample.")
    groups = np.asarray(record.covariate_groups, dtype=np.intp) if record.covariate_groups else None
    return Judged(truth, predicted, families, heritability, groups).rows(known)


def measure(record: PredictionRecord, *, heritability: float | None = None) -> Mapping[str, Measured]:
    """Every measure of a record's kind of trait.

    Groups of families are drawn by the families alone, so that records of one holdout leave out the same samples: the difference of
    two has the difference of their estimates without each group.

    Args:
        record: With predictions, or a reason for none.
        heritability: Of its trait, in (0, 1]; None where it is not known.

    Returns:
        By name, the primary measure first; where there is none, with the reason.
    """
    measures = measures_for(record.kind)
    nothing = np.empty(0), np.empty(0, dtype=np.intp)
    try:
        whole = judged(record, heritability=heritability)
    except GenobenchError as error:
        return {one.name: Measured(math.nan, *nothing, reason=str(error)) for one in measures}
    groups = sample_groups(whole.families, len(whole.truth), seed=0, n_groups=_N_GROUPS)
    sizes, samples = np.bincount(groups), sha256(whole.truth.tobytes() + whole.families.tobytes()).hexdigest()
    parts = [whole.rows(np.flatnonzero(groups != group)) for group in range(len(sizes))]
    found = {}
    for one in measures:
        value = one.value(whole)
        deleted = np.array([one.value(part) for part in parts]) if math.isfinite(value) and len(sizes) > 1 else np.full(len(sizes), np.nan)
        found[one.name] = Measured(value, deleted, sizes, samples, "" if math.isfinite(value) else one.why_missing)
    return found
