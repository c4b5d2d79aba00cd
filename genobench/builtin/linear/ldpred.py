"""A polygenic score by LDpred: marginal effects, shrunken given a prior and the linkage between variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from genobench import Classifier, SettingsError, check_lowest, check_positive
from genobench.builtin.linear.linkage_band import LinkageBand, infinitesimal_effects, sparse_effects
from genobench.builtin.linear.score_predictors import covariates_left, scaled_score_predictor
from genobench.builtin.linear.variant_weights import CallTable, known_positions
from genobench.statgen import fit_gblup

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes, Predictor, Trial

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

SHARES: Final = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Of variants with an effect, from which the best is taken; beside them the infinitesimal model, solved exactly."""

_EXPLAINED: Final = 1e-5
"""A variant of which covariates leave a smaller share of the variance has no effect beside them."""


@dataclass(frozen=True)
class LdPred(Classifier):
    """LDpred2 with a grid: effects from marginal ones, given linkage and a prior under which a share of the variants has an effect.

    Marginal effects are those of standardised calls on the standardised trait, beside covariates, which are projected out of both first.
    Linkage is that of the same training samples, in a band along each chromosome (`LinkageBand`). Of variants with an effect the share is
    one of `SHARES`, or all have one (LDpred-inf), with variances that together make the heritability, which restricted maximum likelihood
    gives (`fit_gblup`; LDpred takes it from LD scores, which relatives mislead). Share and scale of the score are those with the least
    squared error on the validation samples where there are any, else in cross-validation within training that keeps families together, as
    for `prs`. Where no variant varies, covariates alone are used.

    Classes in order are scored as values (0, 1, 2, ...), by folds alone, and the score becomes probabilities by a cumulative logit.

    Args:
        reach_bp: Where linkage between variants of a chromosome ends, to which it fades linearly. LDpred2 has 3 cM, for unrelated people;
            among relatives in a closed population linkage reaches as far as the stretches that parents hand on.
        n_sweeps: Of Gibbs sampling, over all variants.
        n_discarded: So many first ones do not count.

    References:
        Privé F., Arbel J., Vilhjálmsson B.J. 2020. LDpred2: better, faster, stronger. Bioinformatics 36: 5424-5431.
        https://doi.org/10.1093/bioinformatics/btaa1029
    """

    reach_bp: int = 20_000_000
    n_sweeps: int = 150
    n_discarded: int = 50

    trait_kinds = frozenset({"ordinal", "quantitative"})

    def __post_init__(self) -> None:
        check_positive(self, ["reach_bp"])
        check_lowest(self, {"n_sweeps": 1, "n_discarded": 0})
        if not self.n_discarded < self.n_sweeps:
            raise SettingsError(f"n_discarded is {self.n_discarded}; it must be below n_sweeps, which is {self.n_sweeps}.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """How far linkage is taken into account."""
        return cls(reach_bp=trial.suggest_int("reach_bp", 500_000, 50_000_000, log=True))

    def fit(self, train: Genotypes, context: FitContext) -> Predictor:
        """Fit on the samples whose trait is known.

        Raises:
            DatasetError: If a covariate is absent, values are too few, constant, or follow from the covariates, fewer than two classes
                occur, there are neither covariates nor variants that vary, or no variant has a position.
        """
        table = CallTable.of(train, context)
        if not len(table.variants):
            return covariates_left(table)
        return scaled_score_predictor(lambda table, rows: self.effects(table, rows, seed=context.seed), table, context)

    def effects(self, table: CallTable, rows: Indices, *, seed: int) -> Floats:
        """Of standardised calls, learned at `rows`: under the infinitesimal model, then for each of `SHARES`, shape (n_varying, 10)."""
        genotypes = table.known.genotypes.take_samples(rows)
        values = table.beside_covariates(rows, table.values[rows])
        positions = known_positions(table, "ldpred")
        spreads = np.zeros(len(table.variants))
        marginal = np.zeros(len(table.variants))
        spread_of_values = float(values.std())

        def columns(variants: Indices) -> Floats:
            calls = table.beside_covariates(rows, table.x[np.ix_(rows, variants)].astype(np.float64))
            found = calls.std(axis=0)
            found[found**2 < _EXPLAINED] = 0.0
            spreads[variants] = found
            calls *= np.where(found > 0, 1 / np.where(found > 0, found, 1.0), 0.0)
            marginal[variants] = values @ calls / (spread_of_values * len(rows))
            return calls

        band = LinkageBand.of(
            columns,
            chromosomes=table.known.genotypes.variants["chromosome"].to_numpy()[table.variants],
            positions_bp=positions,
            reach_bp=self.reach_bp,
        )
        n_variants, shares = np.count_nonzero(spreads), np.array(SHARES)
        found = np.zeros((len(spreads), 1 + len(shares)))
        if n_variants:
            heritability = fit_gblup(genotypes.calls, table.values[rows], table.known.columns[rows]).heritability
            n_left = len(rows) - table.known.design.shape[1]
            found[:, 0] = infinitesimal_effects(band, marginal, ridge=n_variants / (n_left * heritability))
            found[:, 1:] = sparse_effects(
                band,
                marginal,
                shares=shares,
                variances=heritability / (n_variants * shares),
                n_samples=n_left,
                n_sweeps=self.n_sweeps,
                n_discarded=self.n_discarded,
                seed=seed,
            )
        return found * np.where(spreads > 0, spread_of_values / np.where(spreads > 0, spreads, 1.0), 0.0)[:, None]
