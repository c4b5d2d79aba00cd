"""Fidelity: runs of homozygosity, the trace of recent common ancestors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import Comparison, Genotypes, Metric, Score, ScoreSpec
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.builtin.fidelity.populations import POPULATION_COLUMNS, left_out, no_population, populations
from genobench.statgen import (
    MAX_BP_PER_VARIANT,
    covered_genome,
    filled_positions_bp,
    is_dense,
    runs_of_homozygosity,
    wasserstein_distance,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BP_PER_MB: Final = 1e6


@dataclass(frozen=True)
class RunsOfHomozygosity(Metric):
    """Runs of homozygosity of single samples: their distributions in synthetic samples and in the holdout.

    A run has at least 4 Mb, 30 variants with a call, at most one heterozygous call and no gap above 1 Mb, on an autosome. A generator that
    draws variants apart has none; one that draws haplotypes apart loses the long ones of recent inbreeding. Distances are Wasserstein-1
    between samples, within populations, averaged by their share of the holdout. Nothing is scored with fewer variants than one per 100 kb,
    where homozygous stretches come about by chance. Standard errors leave out a group of the holdout at a time, relatives together, with
    as many groups of synthetic samples.

    Args:
        population_columns: The first of these columns that both sides have says the population.
    """

    population_columns: tuple[str, ...] = POPULATION_COLUMNS

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="f_roh_distance",
            summary="Wasserstein distance between synthetic and holdout samples in F_ROH, the share of the autosomes in runs",
            unit="F_ROH",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="roh_number_distance",
            summary="Wasserstein distance between synthetic and holdout samples in their number of runs of homozygosity",
            unit="runs",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="roh_length_distance",
            summary="Wasserstein distance between synthetic and holdout samples in the mean length of their runs (0 for none)",
            unit="Mb",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        """The three scores; missing where variants are too sparse."""
        names = tuple(spec.name for spec in self.scores)
        found = populations(comparison, self.population_columns)
        if not found:
            return all_missing(names, no_population(comparison))
        chromosomes, positions = _places(comparison.holdout)
        covered_bp, n_placed = covered_genome(chromosomes, positions)
        if not is_dense(covered_bp, n_placed):
            return all_missing(names, _too_sparse(covered_bp, n_placed))
        holdout, synthetic = (_numbers(side, chromosomes, positions) for side in (comparison.holdout, comparison.synthetic))
        groups = left_out(comparison, seed=seed)
        left_apart = np.arange(-1, groups.n_groups)[:, None]
        estimates = np.zeros((len(names), groups.n_groups + 1))
        for population in found:
            estimates += len(population.holdout) * wasserstein_distance(
                holdout[:, None, population.holdout],
                synthetic[:, None, population.synthetic],
                left_weights=groups.holdout[population.holdout] != left_apart,
                right_weights=groups.synthetic[population.synthetic] != left_apart,
            )
        estimates /= sum(len(population.holdout) for population in found)
        return tuple(
            jackknifed(name, float(row[0]), row[1:], groups.sizes, limits=(0.0, np.inf)) for name, row in zip(names, estimates, strict=True)
        )


def _places(genotypes: Genotypes) -> tuple[NDArray[np.object_], Floats]:
    """Chromosome and position of each variant, positions read off the map where they are not known."""
    table = genotypes.variants
    chromosomes = table["chromosome"].to_numpy(dtype=object)
    centimorgans = table["position_cm"].to_numpy(dtype=np.float64, na_value=np.nan) if "position_cm" in table else None
    positions = table["position_bp"].to_numpy(dtype=np.float64, na_value=np.nan)
    return chromosomes, filled_positions_bp(chromosomes=chromosomes, positions_bp=positions, positions_cm=centimorgans)


def _numbers(genotypes: Genotypes, chromosomes: NDArray[np.object_], positions: Floats) -> Floats:
    """F_ROH, number of runs and their mean length in Mb, of each sample, shape (3, n_samples)."""
    runs = runs_of_homozygosity(genotypes.calls, chromosomes=chromosomes, positions_bp=positions)
    return np.stack([runs.f_roh, runs.number, runs.total_bp / np.maximum(runs.number, 1) / _BP_PER_MB])


def _too_sparse(covered_bp: float, n_placed: int) -> str:
    if not covered_bp:
        return "No two autosomal variants with a position lie within 1 Mb of each other."
    return (
        f"There is one variant per {covered_bp / n_placed / 1000:.0f} kb of autosome; runs of homozygosity are told from chance with at "
        f"least one per {MAX_BP_PER_VARIANT // 1000} kb."
    )
