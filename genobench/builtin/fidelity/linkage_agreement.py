"""Fidelity: do synthetic samples and the holdout agree about which variants are linked, near one another and between chromosomes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from genobench import Comparison, Metric, Score, ScoreSpec
from genobench.builtin.fidelity.linked_populations import ANY, MIN_PAIRS, Genome, LinkedPopulation, population_scores
from genobench.builtin.fidelity.populations import POPULATION_COLUMNS
from genobench.statgen import far_agreement, near_agreement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CORRELATION: Final = (-1.0, 1.0)


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
        genome = Genome.of(comparison.holdout)

        def estimates(population: LinkedPopulation) -> Floats:
            near = near_agreement(
                *population.sides,
                chromosomes=genome.chromosomes,
                positions=genome.positions_bp,
                is_used=population.is_used,
                blocks=genome.blocks,
                reach=self.reach_bp,
            )
            far = far_agreement(*population.sides, chromosomes=genome.chromosomes, is_used=population.is_used, blocks=genome.blocks)
            enough = [np.where(agreed.n_pairs >= MIN_PAIRS, agreed.correlation, np.nan) for agreed in (near, far)]
            excess = np.where(far.n_pairs >= MIN_PAIRS, far.mean_r2[1] - far.mean_r2[0], np.nan)
            return np.stack([enough[0], _score_correlation(near.ld_scores, genome), enough[1], excess], axis=1)

        few = f"Some population has fewer than {MIN_PAIRS} pairs of varying variants {{}}, or r is the same for all of them."
        near, far = few.format("within reach"), few.format("on different autosomes")
        limits = (_CORRELATION, _CORRELATION, _CORRELATION, ANY)
        return population_scores(self, comparison, genome, estimates, reasons=(near, near, far, far), limits=limits)


def _score_correlation(ld_scores: Floats, genome: Genome) -> Floats:
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
