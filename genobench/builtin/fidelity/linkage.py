"""Fidelity: the decay of linkage disequilibrium over distance, within populations; between haplotypes where calls are phased."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import CallMatrix, Comparison, Metric, Score, ScoreSpec
from genobench.builtin.fidelity.linked_populations import ANY, MIN_PAIRS, Genome, LinkedPopulation, population_scores
from genobench.builtin.fidelity.populations import POPULATION_COLUMNS
from genobench.statgen import LD_EDGES_BP, LD_EDGES_CM, LdDecay, haplotype_calls, ld_decay, unlikely_phases

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MIN_SHARE_OF_PAIRS: Final = 0.25
_NEAR_BP: Final = (5e4, 1.5e5)
_FAR_BP: Final = (5e5, 1.5e6)
_POSITIVE: Final = (0.0, float("inf"))
_DIFFERENCE: Final = (-1.0, 1.0)
_FEW_PAIRS: Final = f"Some population has fewer than {MIN_PAIRS} pairs of varying variants at the distances in question."
_NO_MAP: Final = "The variant table has no genetic map: its column 'position_cm' is absent or does not vary."


@dataclass(frozen=True)
class LdDecayError(Metric):
    """Mean absolute difference, over bins of distance, of mean r2 between synthetic samples and the holdout.

    r2 is corrected for the number of samples. The variants are the autosomal ones with a known position whose minor allele is frequent
    enough in the holdout. Where samples come from several populations all is done within each and averaged by their share of the holdout:
    a mixture of populations has r2 between any two variants that differ in frequency. A population with fewer than 10 samples on either
    side is left out. A bin counts if the holdout has at least 100 pairs in it; where fewer than a quarter of those vary in the synthetic
    samples (as when half of the variants are fixed there) the bin's synthetic r2 is taken for 0, so that nothing is won by not varying.
    The standard error leaves out a block of the genome at a time.

    Where train, holdout and synthetic are phased, the same error is taken between haplotypes, and the rate of unlikely phases of
    neighbouring heterozygous calls, by the haplotypes of train (of the same population, where train has the column), is compared.

    Args:
        population_columns: The first of these columns that both sides have says the population.
        min_minor_allele_frequency: In the population's holdout samples.
    """

    population_columns: tuple[str, ...] = POPULATION_COLUMNS
    min_minor_allele_frequency: float = 0.05

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="ld_decay_error",
            summary="mean over distance bins (1 kb to 5 Mb) of |mean r2 in synthetic - in holdout|, within populations",
            unit="r2",
            direction="lower",
            ideal=0.0,
            version=2,
            is_primary=True,
        ),
        ScoreSpec(
            name="ld_r2_100kb",
            summary="mean r2 of synthetic samples at 50 to 150 kb",
            unit="r2",
            direction="target",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="ld_r2_1mb",
            summary="mean r2 of synthetic samples at 0.5 to 1.5 Mb",
            unit="r2",
            direction="target",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="ld_decay_error_cm",
            summary="as ld_decay_error, over bins of distance on the genetic map (0.001 to 5 cM)",
            unit="r2",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="haplotype_r2_error",
            summary="as ld_decay_error, for r2 between haplotypes of phased samples",
            unit="r2",
            direction="lower",
            ideal=0.0,
            version=1,
        ),
        ScoreSpec(
            name="haplotype_switch_excess",
            summary="share of neighbouring heterozygous calls in the phase that train makes less likely, in synthetic - in holdout",
            unit="share",
            direction="target",
            ideal=0.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The errors, and the level of LD at two distances."""
        genome = Genome.of(comparison.holdout)
        not_phased = _not_phased(comparison)

        def estimates(population: LinkedPopulation) -> Floats:
            holdout, synthetic = _decays(genome, population.sides, population.is_used)
            levels = [_with_and_without(synthetic.pooled(*bounds))[:, 0] for bounds in (_NEAR_BP, _FAR_BP)]
            nothing = np.full(1 + genome.n_blocks, np.nan)
            on_map = _decay_error(*_decays_on_map(genome, population.sides, population.is_used)) if genome.has_map else nothing
            haplotypes = [nothing, nothing] if not_phased else _haplotype_estimates(genome, population)
            return np.stack([_decay_error(holdout, synthetic), *levels, on_map, *haplotypes], axis=1)

        return population_scores(
            self,
            comparison,
            genome,
            estimates,
            reasons=(_FEW_PAIRS, _FEW_PAIRS, _FEW_PAIRS, _FEW_PAIRS if genome.has_map else _NO_MAP) + (not_phased or _FEW_PAIRS,) * 2,
            limits=(_POSITIVE, ANY, ANY, _POSITIVE, _POSITIVE, _DIFFERENCE),
        )


def _decays(genome: Genome, sides: Iterable[CallMatrix], is_used: NDArray[np.bool_]) -> list[LdDecay]:
    """Decay over base pairs, of each side."""
    return [
        ld_decay(
            side, chromosomes=genome.chromosomes, positions=genome.positions_bp, is_used=is_used, blocks=genome.blocks, edges=LD_EDGES_BP
        )
        for side in sides
    ]


def _decays_on_map(genome: Genome, sides: Iterable[CallMatrix], is_used: NDArray[np.bool_]) -> list[LdDecay]:
    """Decay over the genetic map, of each side."""
    return [
        ld_decay(
            side, chromosomes=genome.chromosomes, positions=genome.positions_cm, is_used=is_used, blocks=genome.blocks, edges=LD_EDGES_CM
        )
        for side in sides
    ]


def _decay_error(holdout: LdDecay, synthetic: LdDecay) -> Floats:
    """Mean absolute difference over the bins that count, from everything and with each block left out, shape (1 + n_blocks,)."""
    n_pairs = holdout.pair_count.sum(axis=0)
    is_counted = n_pairs >= MIN_PAIRS
    is_fixed = synthetic.pair_count.sum(axis=0) < _MIN_SHARE_OF_PAIRS * n_pairs
    decays = np.where(is_fixed, 0.0, _with_and_without(synthetic))
    differences = np.abs(decays - _with_and_without(holdout))[:, is_counted]
    n_known = np.isfinite(differences).sum(axis=1)
    errors = np.full(len(differences), np.nan)
    np.divide(np.nansum(differences, axis=1), n_known, out=errors, where=n_known > 0)
    return errors


def _with_and_without(decay: LdDecay) -> Floats:
    """Mean r2 of each bin, from everything and with each block left out, shape (1 + n_blocks, n_bins)."""
    return np.vstack([decay.mean_r2, decay.mean_r2_without])


def _not_phased(comparison: Comparison) -> str:
    """Which parts are not phased, as a sentence; empty where all are."""
    parts = {"train": comparison.train, "holdout": comparison.holdout, "synthetic": comparison.synthetic}
    unphased = [name for name, part in parts.items() if part.phase is None]
    return f"Haplotypes need phased calls; not phased: {', '.join(unphased)}." if unphased else ""


def _haplotype_estimates(genome: Genome, population: LinkedPopulation) -> list[Floats]:
    """Error of r2 between haplotypes, and excess of unlikely phases, shape (1 + n_blocks,) each."""
    sides = [haplotype_calls(calls, phase) for calls, phase in zip(population.sides, population.phases, strict=True) if phase is not None]
    error = _decay_error(*_decays(genome, sides, population.is_used))
    nothing = np.full(1 + genome.n_blocks, np.nan)
    if population.train.phase is None or population.train.n_samples == 0:
        return [error, nothing]
    likely = haplotype_calls(population.train.calls, population.train.phase)
    phases = [
        unlikely_phases(
            side,
            likely,
            chromosomes=genome.chromosomes,
            positions=genome.positions_bp,
            is_used=population.is_used,
            blocks=genome.blocks,
        )
        for side in sides
    ]
    rates = [np.array([side.rate, *side.rate_without]) for side in phases]
    is_enough = min(int(side.n_pairs.sum()) for side in phases) >= MIN_PAIRS
    return [error, rates[1] - rates[0] if is_enough else nothing]
