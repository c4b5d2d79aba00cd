"""Fidelity: the decay of linkage disequilibrium over distance, within populations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import Comparison, Genotypes, Metric, Score, ScoreSpec
from genobench.statgen import (
    LdDecay,
    filled_positions_bp,
    genome_blocks,
    is_autosome,
    jackknife_standard_error,
    ld_decay,
    minor_allele_frequency,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MIN_SAMPLES: Final = 10
_MIN_PAIRS: Final = 100
_MIN_SHARE_OF_PAIRS: Final = 0.25
_NEAR_BP: Final = (5e4, 1.5e5)
_FAR_BP: Final = (5e5, 1.5e6)


@dataclass(frozen=True)
class LdDecayError(Metric):
    """Mean absolute difference, over bins of distance, of mean r2 between synthetic samples and the holdout.

    r2 is corrected for the number of samples. The variants are the autosomal ones with a known position whose minor allele is frequent
    enough in the holdout. Where samples come from several populations all is done within each and averaged by their share of the holdout:
    a mixture of populations has r2 between any two variants that differ in frequency. A population with fewer than 10 samples on either
    side is left out. A bin counts if the holdout has at least 100 pairs in it; where fewer than a quarter of those vary in the synthetic
    samples (as when half of the variants are fixed there) the bin's synthetic r2 is taken for 0, so that nothing is won by not varying.
    The standard error leaves out a block of the genome at a time.

    Args:
        population_columns: The first of these columns that both sides have says the population.
        min_minor_allele_frequency: In the population's holdout samples.
    """

    population_columns: tuple[str, ...] = ("population", "vendor", "breed")
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
    )

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:  # noqa: ARG002 - nothing is drawn
        """The error, and the level of LD at two distances."""
        populations = _populations(comparison, self.population_columns)
        if not populations:
            return _undefined(f"No population has {_MIN_SAMPLES} samples in both synthetic and holdout.")
        chromosomes = comparison.holdout.variants["chromosome"].to_numpy(dtype=object)
        positions = _positions(comparison.holdout)
        is_placed = is_autosome(chromosomes) & np.isfinite(positions)
        blocks = genome_blocks(chromosomes)
        n_blocks = int(blocks.max()) + 1
        estimates, sizes = np.zeros((n_blocks + 1, len(self.scores))), np.zeros(n_blocks)
        for holdout_rows, synthetic_rows in populations:
            holdout = comparison.holdout.calls.rows(holdout_rows)
            is_used = is_placed & (minor_allele_frequency(holdout) >= self.min_minor_allele_frequency)
            decay_of = partial(ld_decay, chromosomes=chromosomes, positions=positions, is_used=is_used, blocks=blocks)
            values = _estimates(decay_of(comparison.synthetic.calls.rows(synthetic_rows)), decay_of(holdout))
            estimates += len(holdout_rows) * values
            sizes += np.bincount(blocks, weights=is_used, minlength=n_blocks)
        return _scores(estimates / sum(len(rows) for rows, _ in populations), sizes)


def _populations(comparison: Comparison, columns: tuple[str, ...]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Rows of holdout and of synthetic for each population that has enough samples in both; one population where no column says it."""
    holdout, synthetic = comparison.holdout.samples, comparison.synthetic.samples
    column = next((name for name in columns if name in holdout and name in synthetic), None)
    if column is None:
        pairs = [(np.arange(len(holdout)), np.arange(len(synthetic)))]
    else:
        sides = [table[column].astype(str).to_numpy(dtype=object) for table in (holdout, synthetic)]
        pairs = [(np.flatnonzero(sides[0] == name), np.flatnonzero(sides[1] == name)) for name in sorted(set(sides[0]))]
    return [pair for pair in pairs if min(map(len, pair)) >= _MIN_SAMPLES]


def _positions(genotypes: Genotypes) -> Floats:
    table = genotypes.variants
    centimorgans = table["position_cm"].to_numpy(dtype=np.float64, na_value=np.nan) if "position_cm" in table else None
    return filled_positions_bp(
        chromosomes=table["chromosome"].to_numpy(dtype=object),
        positions_bp=table["position_bp"].to_numpy(dtype=np.float64, na_value=np.nan),
        positions_cm=centimorgans,
    )


def _estimates(synthetic: LdDecay, holdout: LdDecay) -> Floats:
    """The three scores from everything, and with each block left out, shape (n_blocks + 1, 3)."""
    n_pairs = holdout.pair_count.sum(axis=0)
    is_counted = n_pairs >= _MIN_PAIRS
    is_fixed = (synthetic.pair_count.sum(axis=0) < _MIN_SHARE_OF_PAIRS * n_pairs)[is_counted]
    decays = np.where(is_fixed, 0.0, _with_and_without(synthetic, is_counted))
    differences = np.abs(decays - _with_and_without(holdout, is_counted))
    n_known = np.isfinite(differences).sum(axis=1)
    errors = np.full(len(differences), np.nan)
    np.divide(np.nansum(differences, axis=1), n_known, out=errors, where=n_known > 0)
    levels = [_level(synthetic, *bounds) for bounds in (_NEAR_BP, _FAR_BP)]
    return np.stack([errors, *levels], axis=1)


def _with_and_without(decay: LdDecay, is_counted: NDArray[np.bool_]) -> Floats:
    """Mean r2 of the counted bins, from everything and with each block left out, shape (n_blocks + 1, n_counted)."""
    return np.vstack([decay.mean_r2, decay.mean_r2_without])[:, is_counted]


def _level(decay: LdDecay, low_bp: float, high_bp: float) -> Floats:
    """Mean r2 over pairs at distances in [low_bp, high_bp), from everything and with each block left out, shape (n_blocks + 1,)."""
    return _with_and_without(decay.pooled(low_bp, high_bp), np.array([True]))[:, 0]


def _scores(estimates: Floats, block_sizes: Floats) -> tuple[Score, ...]:
    scores = []
    for place, spec in enumerate(LdDecayError.scores):
        value = float(estimates[0, place])
        if not np.isfinite(value):
            reason = f"Some population has fewer than {_MIN_PAIRS} pairs of varying variants at the distances in question."
            scores.append(Score(spec.name, float("nan"), reason=reason))
            continue
        is_held = block_sizes > 0
        standard_error = jackknife_standard_error(value, estimates[1:][is_held, place], block_sizes[is_held])
        scores.append(Score(spec.name, value, standard_error=standard_error if np.isfinite(standard_error) else None))
    return tuple(scores)


def _undefined(reason: str) -> tuple[Score, ...]:
    return tuple(Score(spec.name, float("nan"), reason=reason) for spec in LdDecayError.scores)
