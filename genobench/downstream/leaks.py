"""Covariates that give the trait away: with one of them, no use of genotypes can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from genobench.contracts import Trait

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


def _gives_away(both: pd.DataFrame, trait: Trait) -> bool:
    covariate, truth = both.iloc[:, 0], both.iloc[:, 1]
    if truth.nunique() < 2:
        return False
    # Among values that are nearly all different, each has one value of anything.
    if 2 * covariate.nunique() <= len(both) and int(truth.groupby(covariate, observed=True).nunique().max()) == 1:
        return True
    if not _is_number(covariate) or covariate.nunique() < 2:
        return False
    if trait.kind == "quantitative":
        return abs(float(np.corrcoef(covariate.to_numpy(dtype=float), truth.to_numpy(dtype=float))[0, 1])) > _NEARLY_ONE
    ordered = truth.astype(str).to_numpy()[np.argsort(covariate.to_numpy(dtype=float), kind="stable")]
    return int((ordered[1:] != ordered[:-1]).sum()) == truth.nunique() - 1


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))
