"""Populations within a comparison, and the groups of samples that are left out for standard errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from genobench import PackedCalls
from genobench.statgen import genotype_counts, sample_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from genobench import CallMatrix, Comparison

    Rows = NDArray[np.intp]

POPULATION_COLUMNS: Final = ("population", "vendor", "breed")
"""The first of these columns that both sides have says the population."""

MIN_SAMPLES: Final = 10
"""A population with fewer samples on either side is left out."""

_N_GROUPS: Final = 20


class Population(NamedTuple):
    """Rows of one population on both sides."""

    name: str
    holdout: Rows
    synthetic: Rows


class LeftOut(NamedTuple):
    """The group of each sample that is left out with it, from 0, on both sides."""

    holdout: Rows
    synthetic: Rows

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(max(side.max(initial=-1) for side in self)) + 1

    @property
    def sizes(self) -> NDArray[np.intp]:
        """Samples of both sides in each group, shape (n_groups,)."""
        return sum((np.bincount(side, minlength=self.n_groups) for side in self), np.zeros(self.n_groups, dtype=np.intp))


def populations(comparison: Comparison, columns: Sequence[str]) -> list[Population]:
    """The populations that have enough samples on both sides; all samples are one where no column says it.

    Args:
        comparison: What is compared.
        columns: The first of these that both sample tables have says the population.
    """
    column = shared_column(comparison, columns)
    if column is None:
        whole = Population("", np.arange(comparison.holdout.n_samples), np.arange(comparison.synthetic.n_samples))
        return [whole] if min(len(whole.holdout), len(whole.synthetic)) >= MIN_SAMPLES else []
    return by_label(comparison, column)


def shared_column(comparison: Comparison, columns: Sequence[str]) -> str | None:
    """The first of the columns that the sample tables of both sides have; None where there is none."""
    tables = (comparison.holdout.samples, comparison.synthetic.samples)
    return next((name for name in columns if all(name in table for table in tables)), None)


def by_label(comparison: Comparison, column: str) -> list[Population]:
    """The samples of each label in a column that has enough of them on both sides, in order of the labels; unknown ones are left out."""
    known = [table[table[column].notna()] for table in (comparison.holdout.samples, comparison.synthetic.samples)]
    labels = [table[column].astype(str).to_numpy(dtype=object) for table in known]
    rows = [table.index.to_numpy() for table in known]
    found = []
    for name in sorted(set(labels[0])):
        population = Population(name, *(row[label == name] for row, label in zip(rows, labels, strict=True)))
        if min(len(population.holdout), len(population.synthetic)) >= MIN_SAMPLES:
            found.append(population)
    return found


def no_population(comparison: Comparison) -> str:
    """Why there is no population to compare."""
    n_holdout, n_synthetic = comparison.holdout.n_samples, comparison.synthetic.n_samples
    return f"No population has {MIN_SAMPLES} samples on both sides; there are {n_holdout} in the holdout and {n_synthetic} synthetic ones."


def left_out(comparison: Comparison, *, seed: int) -> LeftOut:
    """Groups to leave out: relatives of the holdout together, synthetic samples at random.

    Args:
        comparison: What is compared.
        seed: Of the groups.
    """
    holdout = sample_groups(comparison.groups.get("holdout"), comparison.holdout.n_samples, seed=seed, n_groups=_N_GROUPS)
    n_groups = int(holdout.max(initial=0)) + 1
    return LeftOut(holdout, sample_groups(None, comparison.synthetic.n_samples, seed=seed + 1, n_groups=n_groups))


def rows_of(calls: CallMatrix, rows: Rows) -> PackedCalls:
    """The calls of some samples, still packed."""
    return PackedCalls(packed=np.asarray(calls.packed[rows]), n_variants=calls.shape[1])


def counts_of(calls: CallMatrix, rows: Rows) -> NDArray[np.int64]:
    """`genotype_counts` of some samples, shape (3, n_variants)."""
    return genotype_counts(rows_of(calls, rows))
