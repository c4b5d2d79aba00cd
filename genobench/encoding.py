"""Trait and covariates as numbers for a network, learned from training samples and saved with the model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.contracts import Trait

_LARGEST_Z: Final = 4.0
"""Quantitative values are held within this many standard deviations of the training mean, where a network has seen something."""

_POOLING: Final = 5.0
"""A combination of classes with this many samples has its mean half-way between its own and that of all samples."""


@dataclass(frozen=True)
class Column:
    """One column of a condition.

    Args:
        name: Its name in the sample table.
        classes: The classes seen in training, sorted; empty for a quantitative column.
        mean: Mean of a quantitative column over the training samples.
        standard_deviation: Likewise; 1 where the column is constant.
        shares: Share of each class among the training samples.
    """

    name: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    standard_deviation: float = 1.0
    shares: tuple[float, ...] = ()


@dataclass(frozen=True)
class Stratum:
    """Samples that share all classes, as far as a sampler keeps them: how many, and their smoothed mean.

    Args:
        classes: The class of each categorical column, in order.
        count: Training samples.
        means: Standardised mean of each quantitative column, drawn towards that of all samples.
    """

    classes: tuple[str, ...]
    count: int
    means: tuple[float, ...]


@dataclass(frozen=True)
class ConditionEncoder:
    """Turns a table of trait and covariates into numbers, and draws such tables.

    Quantitative columns are standardised, classes are one-hot less their share in training, a missing value is 0 (the average). Of
    the training samples only class counts and smoothed moments are kept, never a value.

    Args:
        columns: The columns, the trait first.
        strata: Combinations of classes with their counts.
        covariance: Of the standardised quantitative columns within strata.
    """

    columns: tuple[Column, ...]
    strata: tuple[Stratum, ...]
    covariance: tuple[tuple[float, ...], ...]

    @property
    def width(self) -> int:
        """Numbers a sample."""
        return sum(len(column.classes) or 1 for column in self.columns)

    @classmethod
    def of_samples(cls, samples: pd.DataFrame, trait: Trait) -> ConditionEncoder:
        """Learn from training samples.

        Raises:
            GenobenchError: If a column is absent, or has no value at all.
        """
        names = [trait.column, *(name for name in trait.covariates if name != trait.column)]
        columns = tuple(
            _learned_column(samples, name, is_quantitative=trait.kind == "quantitative" if name == trait.column else None) for name in names
        )
        classes = pd.DataFrame({c.name: _texts(samples[c.name]) for c in columns if c.classes}, index=samples.index)
        values = np.column_stack([np.zeros((len(samples), 0)), *(_standardised(samples, c) for c in columns if not c.classes)])
        keys: list[tuple[str, ...]] = list(classes.itertuples(index=False, name=None)) if len(classes.columns) else [()] * len(samples)
        return cls(columns=columns, **_learned_strata(keys, values))

    def encode(self, table: pd.DataFrame) -> NDArray[np.float32]:
        """Numbers for each row, shape (n_rows, width).

        Raises:
            GenobenchError: If a column is absent or a class was never seen in training.
        """
        parts = []
        for column in self.columns:
            if column.name not in table.columns:
                raise GenobenchError(f"The condition has no column '{column.name}'; it must have {[c.name for c in self.columns]}.")
            if not column.classes:
                parts.append(_standardised(table, column)[:, None])
                continue
            texts = _texts(table[column.name])
            unseen = sorted(set(texts) - set(column.classes) - {""})
            if unseen:
                raise GenobenchError(
                    f"The condition asks for {column.name} = '{unseen[0]}', which no training sample has; "
                    f"the classes seen in training are {', '.join(column.classes)}."
                )
            one_hot = (texts[:, None] == np.array(column.classes, dtype=object)).astype(np.float64) - np.array(column.shares)
            one_hot[texts == ""] = 0.0
            parts.append(one_hot)
        return np.concatenate(parts, axis=1).astype(np.float32)

    def encode_known(self, table: pd.DataFrame) -> NDArray[np.float32]:
        """Numbers for each row, shape (n_rows, width), a class that was never seen in training read as missing.

        For samples that a fit judges itself by, not for what is asked of it.

        Raises:
            GenobenchError: If a column is absent.
        """
        known = table.copy()
        for column in self.columns:
            if column.classes and column.name in known.columns:
                texts = pd.Series(_texts(known[column.name]), index=known.index)
                known[column.name] = texts.where(texts.isin(column.classes), None)
        return self.encode(known)

    def draw(self, n_samples: int, generator: np.random.Generator) -> pd.DataFrame:
        """Conditions from the distribution seen in training: classes by their counts, values normal within classes."""
        weights = np.array([stratum.count for stratum in self.strata], dtype=np.float64)
        chosen = generator.choice(len(self.strata), size=n_samples, p=weights / weights.sum())
        quantitative = [column for column in self.columns if not column.classes]
        categorical = [column for column in self.columns if column.classes]
        means = np.array([stratum.means for stratum in self.strata]).reshape(len(self.strata), len(quantitative))[chosen]
        covariance = np.array(self.covariance).reshape(len(quantitative), len(quantitative))
        factor = np.linalg.cholesky(covariance + 1e-9 * np.eye(len(quantitative)))
        values = means + generator.standard_normal(means.shape) @ factor.T
        drawn: dict[str, Any] = {}
        for k, column in enumerate(quantitative):
            drawn[column.name] = column.mean + column.standard_deviation * values[:, k]
        for k, column in enumerate(categorical):
            texts = [self.strata[row].classes[k] for row in chosen]
            drawn[column.name] = [text or None for text in texts]
        return pd.DataFrame({column.name: drawn[column.name] for column in self.columns})

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ConditionEncoder:
        """The reverse of `to_json`."""
        return cls(
            columns=tuple(
                Column(**{**column, "classes": tuple(column["classes"]), "shares": tuple(column["shares"])}) for column in values["columns"]
            ),
            strata=tuple(Stratum(classes=tuple(s["classes"]), count=s["count"], means=tuple(s["means"])) for s in values["strata"]),
            covariance=tuple(tuple(row) for row in values["covariance"]),
        )


def _learned_column(samples: pd.DataFrame, name: str, *, is_quantitative: bool | None) -> Column:
    if name not in samples.columns:
        raise GenobenchError(f"The training samples have no column '{name}'; their columns are {list(samples.columns)}.")
    column = samples[name]
    if not column.notna().any():
        raise GenobenchError(f"The column '{name}' has no value in any training sample; leave it out of the trait's covariates.")
    if is_quantitative is None:
        is_quantitative = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if is_quantitative:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        standard_deviation = float(np.nanstd(values))
        return Column(name=name, mean=float(np.nanmean(values)), standard_deviation=standard_deviation or 1.0)
    texts = _texts(column)
    classes, counts = np.unique(texts[texts != ""].astype(str), return_counts=True)
    shares = counts / counts.sum()
    return Column(name=name, classes=tuple(map(str, classes)), shares=tuple(map(float, shares)))


def _learned_strata(keys: list[tuple[str, ...]], values: NDArray[np.float64]) -> dict[str, Any]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    strata = []
    residuals = np.empty_like(values)
    for key in sorted(groups):
        rows = groups[key]
        means = values[rows].sum(axis=0) / (len(rows) + _POOLING)
        residuals[rows] = values[rows] - means
        strata.append(Stratum(classes=key, count=len(rows), means=tuple(map(float, means))))
    covariance = residuals.T @ residuals / max(1, len(values))
    return {"strata": tuple(strata), "covariance": tuple(tuple(map(float, row)) for row in covariance)}


def _texts(column: pd.Series[Any]) -> NDArray[np.object_]:
    """Classes as text, "" where missing; 1, 1.0 and "1" are one class, since a missing value turns whole numbers into floats."""
    texts: NDArray[np.object_] = column.astype(object).where(column.notna(), "").map(_class_name).to_numpy(dtype=object)
    return texts


def _class_name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _standardised(table: pd.DataFrame, column: Column) -> NDArray[np.float64]:
    values = pd.to_numeric(table[column.name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    z = np.clip((values - column.mean) / column.standard_deviation, -_LARGEST_Z, _LARGEST_Z)
    return np.nan_to_num(z, nan=0.0)
