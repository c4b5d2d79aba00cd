"""What synthetic samples are asked to be: a trait and its covariates, drawn jointly from the training rows.

Quantitative values are smoothed, since an exact value would point at the animal that it was measured on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genobench.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from genobench.contracts import Trait


def draw_condition(samples: pd.DataFrame, trait: Trait, *, n_samples: int, seed: int) -> pd.DataFrame:
    """Rows of trait and covariates for samples to be generated.

    Training rows are drawn jointly, in a random order and as evenly as n_samples allows (each row once before any row twice), so classes
    keep their shares. Quantitative columns are then shrunk towards their means and jittered together by a normal kernel of their own
    covariance, with the bandwidth of Silverman's rule, so that their means, variances and correlations stay what they were. (Differences
    between the means of classes shrink too, by 2 % to 6 % for 2,000 to 200 training samples.)

    Args:
        samples: The sample table of the training part, one row a sample.
        trait: Which columns: the trait and its covariates.
        n_samples: How many rows.
        seed: Seeds the draw and the jitter.

    Returns:
        A table of n_samples rows with the trait's column and the covariates' columns.

    Raises:
        DatasetError: If a column is absent, or no training row has all of them.

    References:
        The smoothed bootstrap with shrinkage: Silverman and Young 1987, Biometrika 74: 469-479, doi 10.1093/biomet/74.3.469.
    """
    columns = [trait.column, *trait.covariates]
    absent = [column for column in columns if column not in samples.columns]
    if absent:
        raise DatasetError(f"The sample table has no column {absent}; its columns are {list(samples.columns)}.")
    complete = samples.loc[samples[columns].notna().all(axis=1), columns].reset_index(drop=True)
    if complete.empty:
        raise DatasetError(f"No training sample has a value in all of {columns}; nothing can be conditioned on.")
    generator = np.random.default_rng(seed)
    n_rounds = -(-n_samples // len(complete))
    order = np.concatenate([generator.permutation(len(complete)) for _ in range(n_rounds)])[:n_samples]
    drawn = complete.iloc[order].reset_index(drop=True)
    quantitative = [column for column in columns if is_quantitative(complete[column], trait, column)]
    if quantitative and len(complete) > 1:
        smoothed = _smoothed(drawn[quantitative].to_numpy(dtype=float), complete[quantitative].to_numpy(dtype=float), generator)
        for place, column in enumerate(quantitative):
            drawn[column] = smoothed[:, place] if complete[column].min() < complete[column].max() else drawn[column]
    return drawn


def first_departure(samples: pd.DataFrame, condition: pd.DataFrame, own: pd.DataFrame) -> str:
    """Where a sample table first says something else than was asked for.

    Args:
        samples: The sample table of what was generated.
        condition: What was asked for, a row a sample.
        own: Samples whose trait and covariates a row may have instead, all of them together: those that a generator may hand out.

    Returns:
        A sentence with the column and the values; "" where there is nothing to say. Numbers may differ by the rounding of float32.
    """
    columns = list(condition.columns)
    for column in columns:
        if column not in samples.columns:
            return f"the sample table lacks the condition's column '{column}'."
    is_same = np.array([_is_same(samples[column], condition[column]) for column in columns]).reshape(len(columns), len(condition))
    places = np.flatnonzero(~is_same.all(axis=0))
    if not len(places):
        return ""
    known = set(zip(*(_plain(own[column], condition[column]) for column in columns), strict=True))
    rows = zip(*(_plain(samples[column].iloc[places], condition[column]) for column in columns), strict=True)
    for place, row in zip(places, rows, strict=True):
        if row not in known:
            column = columns[int(np.argmin(is_same[:, place]))]
            found, wanted = samples[column].iloc[place], condition[column].iloc[place]
            return f"row {place} of the sample table has the {column} '{found}', the condition '{wanted}'."
    return ""


def _is_same(found: pd.Series, wanted: pd.Series) -> NDArray[np.bool_]:
    """Whether values are those that were asked for, shape (n_samples,)."""
    if not _is_number(wanted):
        pairs = zip(_plain(found, wanted), _plain(wanted, wanted), strict=True)
        return np.array([value == asked for value, asked in pairs], dtype=bool)
    values, numbers = _numbers(found), _numbers(wanted)
    rounding = np.finfo(np.float32).eps * np.abs(numbers).max(initial=0.0)
    with np.errstate(invalid="ignore", over="ignore"):
        is_same: NDArray[np.bool_] = (values == numbers) | (np.abs(values - numbers) <= rounding)
    return is_same


def _plain(column: pd.Series, like: pd.Series) -> list[Any]:
    """Values to be compared with those of a column: float32 where that holds numbers, else text; None for missing."""
    if _is_number(like):
        with np.errstate(over="ignore"):
            return [None if np.isnan(value) else value for value in _numbers(column).astype(np.float32).tolist()]
    return [str(value) if is_known else None for value, is_known in zip(column, column.notna(), strict=True)]


def _is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "iufb"


def _numbers(column: pd.Series) -> NDArray[np.float64]:
    """A column as float64, NaN where it holds no number."""
    import pandas as pd

    numbers: NDArray[np.float64] = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers


def is_quantitative(values: pd.Series, trait: Trait, column: str) -> bool:
    """Whether a column holds numbers to be smoothed: a quantitative trait, or a covariate of floats or of over ten whole numbers."""
    if column == trait.column:
        return trait.kind == "quantitative"
    return values.dtype.kind == "f" or (values.dtype.kind in "iu" and values.nunique() > 10)


def _smoothed(drawn: np.ndarray, source: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rows shrunk towards the mean of the source and jittered with its covariance, shape (n_drawn, n_columns)."""
    bandwidth = 1.06 * len(source) ** -0.2
    mean = source.mean(axis=0)
    covariance = np.atleast_2d(np.cov(source, rowvar=False, bias=True))
    # Columns may depend on each other, so the covariance need not have full rank.
    jitter = generator.multivariate_normal(np.zeros(len(mean)), covariance, size=len(drawn), check_valid="ignore", method="eigh")
    smoothed: np.ndarray = mean + (drawn - mean + bandwidth * jitter) / np.sqrt(1.0 + bandwidth**2)
    return smoothed
