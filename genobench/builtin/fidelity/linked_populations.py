"""Where variants lie, and the populations within which their linkage is compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from genobench import CallMatrix, Comparison, Genotypes, PackedCalls, Score, ScoreSpec
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.builtin.fidelity.populations import no_population, populations, shared_column
from genobench.statgen import filled_positions_bp, genome_blocks, is_autosome, minor_allele_frequency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MIN_PAIRS: Final = 100
"""Fewer pairs of variants than this say nothing."""

ANY: Final = (float("-inf"), float("inf"))
"""The limits of a score that has none."""


class _WithinPopulations(Protocol):
    """The settings of a metric of linkage."""

    @property
    def population_columns(self) -> tuple[str, ...]:
        """The first of these columns that both sides have says the population."""
        ...

    @property
    def min_minor_allele_frequency(self) -> float:
        """In the population's holdout samples."""
        ...

    @property
    def scores(self) -> tuple[ScoreSpec, ...]:
        """What it declares."""
        ...


@dataclass(frozen=True, eq=False)
class Genome:
    """Where the variants lie.

    Args:
        chromosomes: Shape (n_variants,).
        positions_bp: Shape (n_variants,); NaN where not known.
        positions_cm: The same on the genetic map; all NaN where there is none.
        blocks: The block that is left out with each variant, shape (n_variants,).
    """

    chromosomes: NDArray[np.object_]
    positions_bp: Floats
    positions_cm: Floats
    blocks: NDArray[np.intp]

    @classmethod
    def of(cls, genotypes: Genotypes) -> Genome:
        """The genome that these genotypes are on."""
        table = genotypes.variants
        chromosomes = table["chromosome"].to_numpy(dtype=object)
        centimorgans = table["position_cm"].to_numpy(dtype=np.float64, na_value=np.nan) if "position_cm" in table else None
        is_map = centimorgans is not None and np.unique(centimorgans[np.isfinite(centimorgans)]).size > 1
        bp = table["position_bp"].to_numpy(dtype=np.float64, na_value=np.nan)
        return cls(
            chromosomes=chromosomes,
            positions_bp=filled_positions_bp(chromosomes=chromosomes, positions_bp=bp, positions_cm=centimorgans),
            positions_cm=np.full(len(bp), np.nan) if centimorgans is None or not is_map else centimorgans,
            blocks=genome_blocks(chromosomes),
        )

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return int(self.blocks.max(initial=-1)) + 1

    @property
    def has_map(self) -> bool:
        """Whether any variant has a place on the genetic map."""
        return bool(np.isfinite(self.positions_cm).any())


@dataclass(frozen=True, eq=False)
class LinkedPopulation:
    """One population: its calls in the holdout and among the synthetic samples, their phase, and the samples that say what is likely.

    Args:
        sides: Calls of the holdout and of the synthetic samples.
        phases: Their phase, or None.
        train: All of train, or its samples of this population.
        is_used: The autosomal variants whose minor allele is frequent enough in the holdout, shape (n_variants,).
    """

    sides: tuple[CallMatrix, CallMatrix]
    phases: tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]
    train: Genotypes
    is_used: NDArray[np.bool_]


def population_scores(
    metric: _WithinPopulations,
    comparison: Comparison,
    genome: Genome,
    estimates_of: Callable[[LinkedPopulation], Floats],
    *,
    reasons: Sequence[str],
    limits: Sequence[tuple[float, float]],
) -> tuple[Score, ...]:
    """Means over populations, by their share of the holdout, of estimates from everything and without each block of the genome.

    Args:
        metric: Its settings.
        comparison: What is compared.
        genome: Where the variants lie.
        estimates_of: Gives shape (1 + n_blocks, n_scores) for a population.
        reasons: Why each score is NaN, where it is.
        limits: Of each score.
    """
    found = list(_populations(metric, comparison, genome))
    if not found:
        return all_missing([spec.name for spec in metric.scores], no_population(comparison))
    weights = np.array([population.sides[0].shape[0] for population in found], dtype=np.float64)
    estimates = np.einsum("p,pbs->bs", weights / weights.sum(), np.stack([estimates_of(population) for population in found]))
    sizes = sum(np.bincount(genome.blocks, weights=population.is_used, minlength=genome.n_blocks) for population in found)
    return tuple(
        jackknifed(spec.name, float(column[0]), column[1:], sizes, limits=limit, reason=reason)
        for spec, column, reason, limit in zip(metric.scores, estimates.T, reasons, limits, strict=True)
    )


def _populations(metric: _WithinPopulations, comparison: Comparison, genome: Genome) -> Iterator[LinkedPopulation]:
    is_autosomal = is_autosome(genome.chromosomes)
    column = shared_column(comparison, metric.population_columns)
    for name, *rows in populations(comparison, metric.population_columns):
        parts = (comparison.holdout, comparison.synthetic)
        sides = [
            PackedCalls(packed=np.asarray(part.calls.packed[chosen]), n_variants=part.n_variants)
            for part, chosen in zip(parts, rows, strict=True)
        ]
        phases = [None if part.phase is None else np.asarray(part.phase[chosen]) for part, chosen in zip(parts, rows, strict=True)]
        train = comparison.train
        if train.phase is not None and column is not None and column in train.samples:
            train = train.take_samples(np.flatnonzero(train.samples[column].astype(str).to_numpy(dtype=object) == name))
        is_used = is_autosomal & (minor_allele_frequency(sides[0]) >= metric.min_minor_allele_frequency)
        yield LinkedPopulation(sides=(sides[0], sides[1]), phases=(phases[0], phases[1]), train=train, is_used=is_used)
