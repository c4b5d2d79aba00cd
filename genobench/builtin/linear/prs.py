"""A polygenic score by clumping and thresholding: the effects of single variants, one for each stretch of linkage, added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from genobench import Classifier, check_positive, check_share
from genobench.builtin.linear.score_predictors import covariates_left, scaled_score_predictor
from genobench.builtin.linear.variant_weights import CallTable, known_positions
from genobench.statgen import clump, linear_association

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes, Predictor, Trial

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

THRESHOLDS: Final = (5e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.3, 1.0)
"""p-values up to which variants enter a score; the best is taken."""


@dataclass(frozen=True)
class PolygenicScore(Classifier):
    """Clumping and thresholding: each variant's own effect, of variants in linkage the most significant, up to a p-value.

    Variants are tested one at a time beside covariates, clumped, and added up with their effects for each of `THRESHOLDS`. Threshold and
    scale of the score are those with the least squared error on the validation samples where there are any, else in cross-validation
    within training that keeps families together; tests and clumps are made anew in each fold, so that none has seen what it predicts. A
    score that predicts nothing gets the scale 0, which leaves covariates alone. A scale from folds is somewhat large where few samples
    are decisive: all of training lets more variants pass a threshold than two thirds of it. In the score a missing call stands at the
    most frequent genotype.

    Classes in order are scored as values (0, 1, 2, ...), by folds alone, and the score becomes probabilities by a cumulative logit.

    Args:
        least_r2: A variant with more linkage than this with a more significant one, within reach, is left out.
        reach_bp: Variants further apart are not compared.

    References:
        Purcell S.M. et al. 2009. Nature 460: 748-752. https://doi.org/10.1038/nature08185 ; the practice: Choi S.W., Mak T.S.-H.,
        O'Reilly P.F. 2020. Nature Protocols 15: 2759-2772. https://doi.org/10.1038/s41596-020-0353-1
    """

    least_r2: float = 0.1
    reach_bp: int = 250_000

    trait_kinds = frozenset({"ordinal", "quantitative"})

    def __post_init__(self) -> None:
        check_share(self, ["least_r2"])
        check_positive(self, ["reach_bp"])

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """How linked and how near variants of one clump are."""
        return cls(
            least_r2=trial.suggest_float("least_r2", 0.05, 0.8), reach_bp=trial.suggest_int("reach_bp", 100_000, 2_000_000, log=True)
        )

    def fit(self, train: Genotypes, context: FitContext) -> Predictor:
        """Fit on the samples whose trait is known.

        Raises:
            DatasetError: If a covariate is absent, values are too few, constant, or follow from the covariates, fewer than two classes
                occur, there are neither covariates nor variants that vary, or no variant has a position.
        """
        table = CallTable.of(train, context)
        if not len(table.variants):
            return covariates_left(table)
        return scaled_score_predictor(self._weights, table, context)

    def _weights(self, table: CallTable, rows: Indices) -> Floats:
        """Effects of standardised calls, learned at `rows`, for each threshold, shape (n_varying, n_thresholds)."""
        genotypes = table.known.genotypes.take_samples(rows).take_variants(table.variants)
        tested = linear_association(genotypes.calls, table.values[rows], table.known.columns[rows])
        clumps = clump(
            genotypes.calls,
            tested.log10_p,
            chromosomes=genotypes.variants["chromosome"],
            positions_bp=known_positions(table, "prs"),
            most_index_p=THRESHOLDS[-1],
            least_r2=self.least_r2,
            reach_bp=self.reach_bp,
        )
        weights = np.zeros((len(table.variants), len(THRESHOLDS)))
        enters = tested.log10_p[clumps.index, None] <= np.log10(THRESHOLDS)
        spreads = 1 / (table.scale.factors[table.variants] * np.sqrt(len(table.variants)))
        weights[clumps.index] = np.where(enters, (tested.effect * spreads)[clumps.index, None], 0.0)
        return weights
