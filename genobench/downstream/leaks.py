"""Signs that the trait is known from elsewhere: covariates that give it away, and predictions that are the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.downstream.columns import is_number

if TYPE_CHECKING:
    import pandas as pd

    from genobench.contracts import Trait
    from genobench.downstream.records import PredictionRecord

_FEWEST_TO_TELL: Final = 10
"""Of fewer samples all may be right by chance."""

_NEARLY_ONE: Final = 1 - 1e-9
"""A correlation above this is 1 but for rounding."""


def leaking_covariates(samples: pd.DataFrame, trait: Trait) -> tuple[str, ...]:
    """Covariates from which the trait of every sample follows.

    That is one of few values, each with one value of the trait alone; a number that the trait is a straight line of; or one that is cut
    into the classes of the trait.

    Args:
        samples: A sample table with the trait and its covariates; a covariate that is absent is passed over.
        trait: What is predicted.
    """
    return tuple(
        name for name in trait.covariates if name in samples.columns and _gives_away(samples[[name, trait.column]].dropna(), trait)
    )


def equals_truth(record: PredictionRecord) -> bool:
    """Whether predictions are the true values of all holdout samples to five digits, or certain of each one's true class.

    Args:
        record: With predictions or without.
    """
    known = [(true, told) for true, told in zip(record.truth, record.predicted, strict=False) if true not in (None, "")]
    if len(known) < _FEWEST_TO_TELL or len({true for true, _ in known}) < 2:
        return False
    if record.kind == "quantitative":
        true, told = np.array(known, dtype=np.float64).T
        return bool(np.allclose(told, true, rtol=1e-5, atol=0))
    return all(isinstance(told, tuple) and told[record.classes.index(str(true))] == 1 for true, told in known if true in record.classes)


def _gives_away(both: pd.DataFrame, trait: Trait) -> bool:
    covariate, truth = both.iloc[:, 0], both.iloc[:, 1]
    if truth.nunique() < 2:
        return False
    # Among values that are nearly all different, each has one value of anything.
    if 2 * covariate.nunique() <= len(both) and int(truth.groupby(covariate, observed=True).nunique().max()) == 1:
        return True
    if not is_number(covariate) or covariate.nunique() < 2:
        return False
    if trait.kind == "quantitative":
        return abs(float(np.corrcoef(covariate.to_numpy(dtype=float), truth.to_numpy(dtype=float))[0, 1])) > _NEARLY_ONE
    ordered = truth.astype(str).to_numpy()[np.argsort(covariate.to_numpy(dtype=float), kind="stable")]
    return int((ordered[1:] != ordered[:-1]).sum()) == truth.nunique() - 1
