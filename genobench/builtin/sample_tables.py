"""Sample tables of synthetic samples."""

from __future__ import annotations

import pandas as pd

from genobench import synthetic_ids


def synthetic_samples(n_samples: int, condition: pd.DataFrame | None) -> pd.DataFrame:
    """A table of new ids, with the condition's columns where one is given.

    Args:
        n_samples: How many.
        condition: Trait and covariates, a row a sample; its column `id`, if any, is left out.

    Returns:
        A table whose column `id` counts from synthetic-000001, as in all samplers.
    """
    ids = pd.DataFrame({"id": synthetic_ids(n_samples)})
    if condition is None:
        return ids
    return pd.concat([ids, condition.drop(columns="id", errors="ignore").reset_index(drop=True)], axis=1)
