"""The samples that two studies of one trait are made of: as many synthetic ones as holdout ones, with the trait as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genobench import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Comparison, Genotypes, Trait

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Samples whose trait is known, in the order of their ids, so that no result hangs on how they were handed over.

    Args:
        genotypes: The samples.
        responses: The trait as numbers, shape (n_contrasts, n_samples): values; two or ordered classes as 0, 1, 2, ...; of other classes
            each against the rest, 1 and 0.
    """

    genotypes: Genotypes
    responses: Floats


def paired_cohorts(comparison: Comparison, *, seed: int) -> tuple[Cohort, Cohort]:
    """As many holdout as synthetic samples whose trait is known; of the part that has more, so many are drawn.

    Args:
        comparison: Its holdout and synthetic samples are used: against train, copies of it would share its noise.
        seed: Of the draw.

    Returns:
        The holdout and the synthetic samples.

    Raises:
        DatasetError: If a part lacks the trait or a covariate, no sample's trait is known, a class is absent that is tested against the
            others, or all samples are of one.
    """
    parts = {"holdout": comparison.holdout, "synthetic": comparison.synthetic}
    known = {name: _known(genotypes, comparison.trait, name) for name, genotypes in parts.items()}
    n_samples = min(len(rows) for rows in known.values())
    cohorts = {name: _cohort(parts[name], comparison.trait, rows, n_samples, seed) for name, rows in known.items()}
    for name, cohort in cohorts.items():
        _check_classes(cohort, comparison.trait, name)
    return cohorts["holdout"], cohorts["synthetic"]


def _known(genotypes: Genotypes, trait: Trait, name: str) -> NDArray[np.intp]:
    """Samples whose trait is known, in the order of their ids."""
    columns = genotypes.samples.columns
    absent = [column for column in (trait.column, *trait.covariates) if column not in columns]
    if absent:
        raise DatasetError(f"The {name} samples carry no '{absent[0]}', which an association needs; their columns are {list(columns)}.")
    rows = np.flatnonzero(np.isfinite(_responses(genotypes, trait)).all(axis=0))
    if not len(rows):
        raise DatasetError(f"The trait '{trait.column}' is known of no {name} sample.")
    in_order: NDArray[np.intp] = rows[np.argsort(genotypes.sample_ids[rows].astype(str), kind="stable")]
    return in_order


def _cohort(genotypes: Genotypes, trait: Trait, rows: NDArray[np.intp], n_samples: int, seed: int) -> Cohort:
    if n_samples < len(rows):
        rows = rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:n_samples])]
    taken = genotypes.take_samples(rows)
    return Cohort(taken, _responses(taken, trait))


def _check_classes(cohort: Cohort, trait: Trait, name: str) -> None:
    """Raise DatasetError if a response of classes does not vary."""
    is_alike = np.ptp(cohort.responses, axis=1) == 0
    if trait.kind == "quantitative" or not is_alike.any():
        return
    n_samples, first = cohort.genotypes.n_samples, cohort.responses[:, 0]
    if is_alike.all():
        label = trait.classes[int(first[0] if len(first) == 1 else first.argmax())]
        raise DatasetError(f"All {n_samples} {name} samples have the class '{label}'; an association needs two.")
    label = trait.classes[int(is_alike.argmax())]
    raise DatasetError(f"None of {n_samples} {name} samples has the class '{label}', and each class is tested against the others.")


def _responses(genotypes: Genotypes, trait: Trait) -> Floats:
    """See `Cohort`; NaN where the trait is not known."""
    column = genotypes.samples[trait.column]
    if trait.kind == "quantitative":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isfinite(values), values, np.nan)[None]
    labels = column.astype(object).where(column.notna(), "").astype(str).to_numpy(dtype=object)
    is_class = labels == np.array(trait.classes, dtype=object)[:, None]
    is_known = is_class.any(axis=0)
    if trait.kind == "ordinal" or len(trait.classes) == 2:
        return np.where(is_known, is_class.argmax(axis=0).astype(np.float64), np.nan)[None]
    return np.where(is_known, is_class.astype(np.float64), np.nan)
