"""Boosted trees by LightGBM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import lightgbm
import numpy as np

from genobench_boosting.boosting import BoostedTrees, n_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import FitContext
    from genobench_boosting.design import Part

    Floats = NDArray[np.float64]

_CALL_BINS: Final = 3
_COVARIATE_BINS: Final = 255


@dataclass(frozen=True)
class LightGbm(BoostedTrees):
    """Gradient-boosted trees by LightGBM: of all leaves, the one whose split gains most is split next.

    Trees see calls, completed with the most frequent genotype, and covariates. Classes weigh the same however many samples they have; those
    of an ordinal trait are taken without their order. The round with the least loss on the validation samples is kept; where there are
    none, `n_folds` parts of training, families together, say how many rounds are grown on all of it, each with variants chosen without
    it.

    The three calls are three bins; covariates have up to 255. It runs on the processor, whatever the device of the fit; the same seed
    gives the same trees with any number of threads (OMP_NUM_THREADS).

    Args:
        most_variants: Of more variants, only those with the highest marginal association in training, beside the covariates, are seen.
            Variants that act only together with others may be lost so.
        n_rounds: At most so many rounds (a tree, or one for each of three or more classes).
        patience: Growth ends when the loss has not fallen for so many rounds.
        n_folds: Parts of training that judge where there are no validation samples.
        learning_rate: Share of each tree that is added.
        max_depth: Splits on the way to a leaf: so many variants may act together.
        least_leaf_samples: A leaf holds at least so many.
        sample_share: Of the samples, drawn for each round.
        column_share: Of calls and covariates, drawn for each tree.
        l2_penalty: On the values of leaves.

    References:
        Ke G. et al. 2017. LightGBM. Advances in Neural Information Processing Systems 30: 3146-3154. Boosting: Friedman J.H. 2001. Annals
        of Statistics 29: 1189-1232. https://doi.org/10.1214/aos/1013203451
    """

    def start(self, train: Part, judge: Part | None, *, n_classes: int, context: FitContext) -> LightGbmGrowth:
        """Trees before the first round."""
        n_calls = train.columns.shape[1] - train.n_covariates
        settings = {
            **_objective(n_classes),
            "max_bin_by_feature": [_CALL_BINS] * n_calls + [_COVARIATE_BINS] * train.n_covariates,
            "min_data_in_bin": 1,
            "use_missing": False,
            "num_leaves": 2**self.max_depth,
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.least_leaf_samples,
            "bagging_fraction": self.sample_share,
            "bagging_freq": 1,
            "feature_fraction": self.column_share,
            "lambda_l2": self.l2_penalty,
            "seed": context.seed % 2**31,
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": n_threads(),
            "verbosity": -1,
        }
        return LightGbmGrowth(settings, train, judge)


class LightGbmGrowth:
    """Trees of LightGBM that are being grown."""

    def __init__(self, settings: dict[str, Any], train: Part, judge: Part | None) -> None:
        self._settings = settings
        table = lightgbm.Dataset(train.columns, train.numbers, weight=train.weights)
        self._booster = lightgbm.Booster(settings, table)
        if judge is not None:
            self._booster.add_valid(table.create_valid(judge.columns, judge.numbers, weight=judge.weights), "judge")
        self._n_iterations: list[int] = []

    def grow(self) -> None:
        """Add a round; LightGBM counts no iteration where no tree could be split."""
        self._booster.update()
        self._n_iterations.append(self._booster.current_iteration())

    def loss(self) -> float:
        """Of the samples that judge."""
        return float(self._booster.eval_valid()[0][2])

    def forest(self, n_rounds: int) -> LightGbmForest:
        """The first rounds."""
        return LightGbmForest(self._booster, self._n_iterations[n_rounds - 1])


@dataclass(frozen=True, eq=False)
class LightGbmForest:
    """Trees of LightGBM.

    Args:
        booster: What holds them.
        n_iterations: How many of its iterations count.
    """

    booster: lightgbm.Booster
    n_iterations: int

    def raw(self, columns: NDArray[np.float32]) -> Floats:
        """As `Forest.raw`; of two classes LightGBM gives the probability of the second."""
        given = np.asarray(self.booster.predict(columns, num_iteration=self.n_iterations), dtype=np.float64)
        is_two_classes = self.booster.params["objective"] == "binary"
        return np.column_stack([1 - given, given]) if is_two_classes else given


def _objective(n_classes: int) -> dict[str, Any]:
    if not n_classes:
        return {"objective": "regression", "metric": "l2"}
    if n_classes == 2:
        return {"objective": "binary", "metric": "binary_logloss"}
    return {"objective": "multiclass", "metric": "multi_logloss", "num_class": n_classes}
