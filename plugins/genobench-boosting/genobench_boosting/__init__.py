"""Gradient-boosted trees as classifiers for genobench.

This module holds the hook alone and imports nothing heavy.
"""

from __future__ import annotations

from genobench import Offer, hookimpl

__all__ = ["genobench_classifiers"]


@hookimpl
def genobench_classifiers() -> list[Offer]:
    """The classifiers of this distribution."""
    return [
        Offer("lightgbm", "genobench_boosting.lightgbm_trees:LightGbm", "gradient-boosted trees grown leaf by leaf, by LightGBM"),
        Offer("xgboost", "genobench_boosting.xgboost_trees:XgBoost", "gradient-boosted trees grown level by level, by XGBoost"),
    ]
