"""The lasso and the elastic net: few variants that act together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from genobench import Classifier, check_lowest, check_positive, check_share
from genobench.builtin.linear.score_predictors import covariates_left, score_predictor
from genobench.builtin.linear.variant_weights import CallTable, unseen_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import FitContext, Genotypes, Predictor, Trial

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

_LOWEST_WIDE: Final = 0.02
"""The least penalty of a path over the one that leaves no variant, where variants outnumber samples; below, hundreds of variants follow."""

_LOWEST: Final = 0.001
"""Likewise where samples outnumber variants."""

_TOLERANCE: Final = 1e-3
"""Of the duality gap over the values' sum of squares, while a penalty is chosen; the chosen one is fitted to a tenth of it."""

_MOST_SWEEPS: Final = 10_000


@dataclass(frozen=True)
class Lasso(Classifier):
    """Least squares on standardised calls with an L1 (and an L2) penalty, by coordinate descent; covariates are not penalised.

    Covariates are projected out of calls and values first, which gives the same weights. The penalty is the one of a path with the least
    squared error on the validation samples where there are any, else in cross-validation within training that keeps families together.
    Choosing variants belongs to the fit: each fold chooses its own. Where no variant varies, covariates alone are used.

    Classes in order are fitted as values (0, 1, 2, ...), by folds alone, and the score becomes probabilities by a cumulative logit.

    Args:
        l1_share: 1 is the lasso; less adds an L2 penalty, which spreads weights over variants in linkage disequilibrium.
        n_penalties: Of the path, from the one that leaves no variant down to 2 % of it (.1 % where samples outnumber variants).
        most_variants: Only so many variants, those with the highest correlation with the trait beside covariates, are weighed at all.

    References:
        Zou H., Hastie T. 2005. Journal of the Royal Statistical Society B 67: 301-320.
        https://doi.org/10.1111/j.1467-9868.2005.00503.x ; the path: Friedman J., Hastie T., Tibshirani R. 2010. Journal of Statistical
        Software 33(1). https://doi.org/10.18637/jss.v033.i01 ; screening by correlation: Fan J., Lv J. 2008. Journal of the Royal
        Statistical Society B 70: 849-911. https://doi.org/10.1111/j.1467-9868.2008.00674.x
    """

    l1_share: float = 1.0
    n_penalties: int = 30
    most_variants: int = 5_000

    trait_kinds = frozenset({"ordinal", "quantitative"})

    def __post_init__(self) -> None:
        check_share(self, ["l1_share"])
        check_positive(self, ["l1_share"])
        check_lowest(self, {"n_penalties": 2, "most_variants": 1})

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """How the penalty is shared."""
        return cls(l1_share=trial.suggest_float("l1_share", 0.1, 1.0))

    def fit(self, train: Genotypes, context: FitContext) -> Predictor:
        """Fit on the samples whose trait is known.

        Raises:
            DatasetError: If a covariate is absent, values are too few or constant, fewer than two classes occur, or there are neither
                covariates nor variants that vary.
        """
        table = CallTable.of(train, context)
        if not len(table.variants):
            return covariates_left(table)
        everyone = np.arange(len(table.values))
        penalties = self._penalties(table)
        unseen = unseen_scores(lambda part, rows: self._path(part, rows, penalties, tolerance=_TOLERANCE), table, context)
        chosen = int(np.argmin(unseen.errors()))
        weights = self._path(table, everyone, penalties[: chosen + 1], tolerance=_TOLERANCE / 10)[:, -1]
        return score_predictor(table, weights, unseen, chosen)

    def _penalties(self, table: CallTable) -> Floats:
        """From the one that leaves no variant downwards, shape (n_penalties,)."""
        residual = table.beside_covariates(np.arange(len(table.values)), table.values)
        highest = float(np.abs(residual @ table.x).max()) / (len(residual) * self.l1_share)
        lowest = _LOWEST_WIDE if len(table.variants) > len(residual) else _LOWEST
        return highest * np.geomspace(1.0, lowest, self.n_penalties)

    def _path(self, table: CallTable, rows: Indices, penalties: Floats, *, tolerance: float) -> Floats:
        """Weights learned at `rows` for each penalty, shape (n_varying, n_penalties)."""
        from sklearn.linear_model import enet_path

        values = table.beside_covariates(rows, table.values[rows])
        correlations = np.abs(values @ table.x[rows])
        screened = np.sort(np.argsort(-correlations, kind="stable")[: self.most_variants])
        calls = np.asfortranarray(table.beside_covariates(rows, table.x[np.ix_(rows, screened)].astype(np.float64)))
        # Without a random state of its own scikit-learn draws from the global one, though coordinates take turns in order.
        _, found, _ = enet_path(
            calls, values, l1_ratio=self.l1_share, alphas=penalties, tol=tolerance, max_iter=_MOST_SWEEPS, random_state=0
        )
        weights = np.zeros((len(table.variants), len(penalties)))
        weights[screened] = found
        return weights
