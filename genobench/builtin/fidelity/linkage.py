"""Fidelity: linkage disequilibrium within populations: its decay, which variants are linked, and what lies between chromosomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import CallMatrix, Comparison, Genotypes, Metric, PackedCalls, Score, ScoreSpec
from genobench.builtin.estimates import all_missing, jackknifed
from genobench.builtin.fidelity.populations import POPULATION_COLUMNS, no_population, populations, shared_column
from genobench.statgen import (
    LD_EDGES_BP,
    LD_EDGES_CM,
    LdDecay,
    far_agreement,
    filled_positions_bp,
    genome_blocks,
    haplotype_calls,
    is_autosome,
    ld_decay,
    minor_allele_frequency,
    near_agreement,
    unlikely_phases,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MIN_PAIRS: Final = 100
_MIN_SHARE_OF_PAIRS: Final = 0.25
_NEAR_BP: Final = (5e4, 1.5e5)
_FAR_BP: Final = (5e5, 1.5e6)
_ANY: Final = (float("-inf"), float("inf"))
_POSITIVE: Final = (0.0, float("inf"))
_CORRELATION: Final = (-1.0, 1.0)
_FEW_PAIRS: Final = f"Some population has fewer than {_MIN_PAIRS} pairs of varying variants at the distances in question."
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
        genome = _Genome.of(comparison.holdout)
        not_phased = _not_phased(comparison)

        def estimates(population: _Population) -> Floats:
            holdout, synthetic = genome.decays(population.sides, population.is_used)
            levels = [_with_and_without(synthetic.pooled(*bounds))[:, 0] for bounds in (_NEAR_BP, _FAR_BP)]
            nothing = np.full(1 + genome.n_blocks, np.nan)
            on_map = _decay_error(*genome.decays_on_map(population.sides, population.is_used)) if genome.has_map else nothing
            haplotypes = [nothing, nothing] if not_phased else _haplotype_estimates(genome, population)
            return np.stack([_decay_error(holdout, synthetic), *levels, on_map, *haplotypes], axis=1)

        return _scores(
            self,
            comparison,
            genome,
            estimates,
            reasons=(_FEW_PAIRS, _FEW_PAIRS, _FEW_PAIRS, _FEW_PAIRS if genome.has_map else _NO_MAP) + (not_phased or _FEW_PAIRS,) * 2,
            limits=(_POSITIVE, _ANY, _ANY, _POSITIVE, _POSITIVE, _CORRELATION),
        )


@dataclass(frozen=True)
class LdAgreement(Metric):
    """Do synthetic samples and the holdout agree about which variants are linked, and not only about how much on average?

    Signed correlations of calls in the one and in the other are compared over pairs of variants: near one another, and on different
    chromosomes, where relatives, strata and chance are all there is. Correlations are noisier the fewer samples there are, so that these
    scores stay below 1 even for real samples: the band says where. Variants and populations as for `LdDecayError`; a variant that does not
    vary in synthetic samples has r = 0 and an LD score of 0. The standard error leaves out a block of the genome at a time.

    Args:
        population_columns: The first of these columns that both sides have says the population.
        min_minor_allele_frequency: In the population's holdout samples.
        reach_bp: Pairs of variants nearer than this are near, and make up LD scores.
    """

    population_columns: tuple[str, ...] = POPULATION_COLUMNS
    min_minor_allele_frequency: float = 0.05
    reach_bp: float = 1e6

    family = "fidelity"
    scores: ClassVar = (
        ScoreSpec(
            name="ld_correlation_near",
            summary="correlation over pairs of variants within 1 Mb of their r in synthetic and in holdout, within populations",
            unit="correlation",
            direction="higher",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="ld_score_correlation",
            summary="correlation over variants of their LD scores (sum of r2 within 1 Mb) in synthetic and in holdout",
            unit="correlation",
            direction="higher",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="ld_correlation_far",
            summary="correlation over pairs of variants on different chromosomes of their r in synthetic and in holdout",
            unit="correlation",
            direction="higher",
            ideal=None,
            version=1,
        ),
        ScoreSpec(
            name="ld_long_range_r2_excess",
            summary="mean r2 between variants on different chromosomes, in synthetic - in holdout (at most 1,500 variants, evenly spaced)",
            unit="r2",
            direction="target",
            ideal=0.0,
            version=1,
        ),
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The three correlations and the difference in means."""
        genome = _Genome.of(comparison.holdout)

        def estimates(population: _Population) -> Floats:
            near = near_agreement(
                *population.sides,
                chromosomes=genome.chromosomes,
                positions=genome.positions_bp,
                is_used=population.is_used,
                blocks=genome.blocks,
                reach=self.reach_bp,
            )
            far = far_agreement(*population.sides, chromosomes=genome.chromosomes, is_used=population.is_used, blocks=genome.blocks)
            enough = [np.where(agreed.n_pairs >= _MIN_PAIRS, agreed.correlation, np.nan) for agreed in (near, far)]
            excess = np.where(far.n_pairs >= _MIN_PAIRS, far.mean_r2[1] - far.mean_r2[0], np.nan)
            return np.stack([enough[0], _score_correlation(near.ld_scores, genome), enough[1], excess], axis=1)

        few = f"Some population has fewer than {_MIN_PAIRS} pairs of varying variants {{}}, or r is the same for all of them."
        near, far = few.format("within reach"), few.format("on different autosomes")
        limits = (_CORRELATION, _CORRELATION, _CORRELATION, _ANY)
        return _scores(self, comparison, genome, estimates, reasons=(near, near, far, far), limits=limits)


@dataclass(frozen=True, eq=False)
class _Population:
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


@dataclass(frozen=True, eq=False)
class _Genome:
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
    def of(cls, genotypes: Genotypes) -> _Genome:
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
        return int(self.blocks.max(initial=-1)) + 1

    @property
    def has_map(self) -> bool:
        return bool(np.isfinite(self.positions_cm).any())

    def decays(self, sides: Iterable[CallMatrix], is_used: NDArray[np.bool_]) -> list[LdDecay]:
        """Decay over base pairs, of each side."""
        return self._decays(sides, is_used, self.positions_bp, LD_EDGES_BP)

    def decays_on_map(self, sides: Iterable[CallMatrix], is_used: NDArray[np.bool_]) -> list[LdDecay]:
        """Decay over the genetic map, of each side."""
        return self._decays(sides, is_used, self.positions_cm, LD_EDGES_CM)

    def _decays(self, sides: Iterable[CallMatrix], is_used: NDArray[np.bool_], positions: Floats, edges: Sequence[float]) -> list[LdDecay]:
        return [
            ld_decay(side, chromosomes=self.chromosomes, positions=positions, is_used=is_used, blocks=self.blocks, edges=edges)
            for side in sides
        ]


def _scores(
    metric: LdDecayError | LdAgreement,
    comparison: Comparison,
    genome: _Genome,
    estimates_of: Callable[[_Population], Floats],
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


def _populations(metric: LdDecayError | LdAgreement, comparison: Comparison, genome: _Genome) -> Iterator[_Population]:
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
        yield _Population(sides=(sides[0], sides[1]), phases=(phases[0], phases[1]), train=train, is_used=is_used)


def _decay_error(holdout: LdDecay, synthetic: LdDecay) -> Floats:
    """Mean absolute difference over the bins that count, from everything and with each block left out, shape (1 + n_blocks,)."""
    n_pairs = holdout.pair_count.sum(axis=0)
    is_counted = n_pairs >= _MIN_PAIRS
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


def _haplotype_estimates(genome: _Genome, population: _Population) -> list[Floats]:
    """Error of r2 between haplotypes, and excess of unlikely phases, shape (1 + n_blocks,) each."""
    sides = [haplotype_calls(calls, phase) for calls, phase in zip(population.sides, population.phases, strict=True) if phase is not None]
    error = _decay_error(*genome.decays(sides, population.is_used))
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
    is_enough = min(int(side.n_pairs.sum()) for side in phases) >= _MIN_PAIRS
    return [error, rates[1] - rates[0] if is_enough else nothing]


def _score_correlation(ld_scores: Floats, genome: _Genome) -> Floats:
    """Correlation of LD scores over variants, from everything and with each block left out, shape (1 + n_blocks,)."""
    is_known = np.isfinite(ld_scores[0])
    scores, blocks = np.nan_to_num(ld_scores[:, is_known]), genome.blocks[is_known]
    # Centred once, for the sake of rounding; leaving a block out shifts the means by little.
    x, y = scores - scores.mean(axis=1, keepdims=True) if len(blocks) else scores
    by_block = [np.bincount(blocks, weights=values, minlength=genome.n_blocks) for values in (np.ones(len(x)), x, y, x * x, y * y, x * y)]
    n, sum_x, sum_y, xx, yy, xy = (np.array([sums.sum(), *(sums.sum() - sums)]) for sums in by_block)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (xx - sum_x**2 / n) * (yy - sum_y**2 / n)
        found: Floats = np.where(spread > 0, (xy - sum_x * sum_y / n) / np.sqrt(spread), np.nan)
    return found
