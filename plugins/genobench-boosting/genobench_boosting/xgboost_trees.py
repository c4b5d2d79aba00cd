"""Boosted trees by XGBoost."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xgboost

from genobench_boosting.boosting import BoostedTrees, n_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import FitContext
    from genobench_boosting.design import Part

    Floats = NDArray[np.float64]

_MOST_BINS: Final = 256
"""Of a column with fewer values, the calls among them, each value is a bin."""


@dataclass(frozen=True)
class XgBoost(BoostedTrees):
    """Gradient-boosted trees by XGBoost, grown level by level.

    Trees see calls, completed with the most frequent genotype, and covariates. Classes weigh the same however many samples they have; those
    of an ordinal trait are taken without their order. The round with the least loss on the validation samples is kept; where there are
    none, `n_folds` parts of training, families together, say how many rounds are grown on all of it, each with variants chosen without
    it.

    Each of the three calls is a bin. Where the fit's device is a GPU, trees are grown there by an xgboost that was built for it;
    xgboost-cpu, which is installed on Linux unless one replaces it, warns and grows them on the processor. The same seed gives the same
    trees with the same number of threads (OMP_NUM_THREADS).

    Args:
        most_variants: Of more variants, only those with the highest marginal association in training, beside the covariates, are seen.
            Variants that act only together with others may be lost so.
        n_rounds: At most so many rounds (a tree, or one for each of three or more classes).
        patience: Growth ends when the loss has not fallen for so many rounds.
        n_folds: Parts of training that judge where there are no validation samples.
        learning_rate: Share of each tree that is added.
        max_depth: Splits on the way to a leaf: so many variants may act together.
        least_leaf_samples: A leaf holds at least so many; of classes as many as have that weight while all are equally likely, and
            more once they are told apart.
        sample_share: Of the samples, drawn for each round.
        column_share: Of calls and covariates, drawn for each tree.
        l2_penalty: On the values of leaves.

    References:
        Chen T., Guestrin C. 2016. XGBoost. Proceedings of KDD 2016: 785-794. https://doi.org/10.1145/2939672.2939785
    """

    def start(self, train: Part, judge: Part | None, *, n_classes: int, context: FitContext) -> XgBoostGrowth:
        """Trees before the first round."""
        settings = {
            **_objective(n_classes),
            "tree_method": "hist",
            "max_bin": _MOST_BINS,
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "min_child_weight": self.least_leaf_samples * _first_curvature(n_classes),
            "subsample": self.sample_share,
            "colsample_bytree": self.column_share,
            "lambda": self.l2_penalty,
            "seed": context.seed % 2**31,
            "device": usable_device(context.device),
            "nthread": n_threads(),
            "verbosity": 1,
        }
        return XgBoostGrowth(settings, train, judge)


class XgBoostGrowth:
    """Trees of XGBoost that are being grown."""

    def __init__(self, settings: dict[str, Any], train: Part, judge: Part | None) -> None:
        self._train = _table(train, settings)
        self._judge = None if judge is None else _table(judge, settings)
        self._booster = xgboost.Booster(settings, [self._train] if self._judge is None else [self._train, self._judge])
        self._is_two_classes = settings["objective"] == "binary:logistic"
        self._is_root = settings["eval_metric"] == "rmse"
        self._n_rounds = 0

    def grow(self) -> None:
        """Add a round."""
        self._booster.update(self._train, self._n_rounds)
        self._n_rounds += 1

    def loss(self) -> float:
        """Of the samples that judge; NaN without any."""
        if self._judge is None:
            return float("nan")
        # XGBoost answers with a line: [round], then name:value.
        loss = float(self._booster.eval_set([(self._judge, "judge")], self._n_rounds - 1).rsplit(":", 1)[1])
        return loss**2 if self._is_root else loss

    def forest(self, n_rounds: int) -> XgBoostForest:
        """The first rounds, on the processor."""
        kept = self._booster[:n_rounds]
        kept.set_param({"device": "cpu", "nthread": n_threads()})
        return XgBoostForest(kept, self._is_two_classes)


@dataclass(frozen=True, eq=False)
class XgBoostForest:
    """Trees of XGBoost.

    Args:
        booster: What holds them, and no others.
        is_two_classes: Whether XGBoost gives the probability of the second class alone.
    """

    booster: xgboost.Booster
    is_two_classes: bool

    def raw(self, columns: NDArray[np.float32]) -> Floats:
        """As `Forest.raw`."""
        given = np.asarray(self.booster.predict(xgboost.DMatrix(columns, nthread=n_threads())), dtype=np.float64)
        return np.column_stack([1 - given, given]) if self.is_two_classes else given


def usable_device(device: str) -> str:
    """The device of the fit where this xgboost can use it, else the processor, with a warning."""
    if device == "cpu" or xgboost.build_info().get("USE_CUDA"):
        return device
    warnings.warn(
        f"The fit's device is {device}, but this xgboost was built without CUDA, so it runs on the processor; "
        f"for a GPU: pip uninstall xgboost-cpu && pip install xgboost.",
        stacklevel=2,
    )
    return "cpu"


def _table(part: Part, settings: dict[str, Any]) -> xgboost.DMatrix:
    return xgboost.DMatrix(part.columns, part.numbers, weight=part.weights, nthread=settings["nthread"])


def _first_curvature(n_classes: int) -> float:
    """What a sample of weight 1 adds to a leaf in XGBoost's count, the second derivative of its loss, before the first round."""
    if not n_classes:
        return 1.0
    share = 1 / n_classes
    return share * (1 - share) * (1 if n_classes == 2 else 2)


def _objective(n_classes: int) -> dict[str, Any]:
    if not n_classes:
        return {"objective": "reg:squarederror", "eval_metric": "rmse"}
    if n_classes == 2:
        return {"objective": "binary:logistic", "eval_metric": "logloss"}
    return {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": n_classes}
