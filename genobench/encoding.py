"""Trait and covariates as numbers for a network, learned from training samples and saved with the model."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from genobench.class_strata import kept_strata, stratum_moments
from genobench.errors import GenobenchError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench.contracts import Trait

_LARGEST_Z: Final = 4.0
"""Encoded values are held within this many standard deviations of the training mean, where a network has seen something.

Moments are of values as they are, which sum to 0: of clipped ones the sum would be what was cut off, and give an outlier away.
"""


@dataclass(frozen=True)
class Column:
    """One column of a condition.

    Args:
        name: Its name in the sample table.
        classes: The classes seen in training, sorted; empty for a quantitative column.
        mean: Mean of a quantitative column over the training samples.
        standard_deviation: Likewise; 1 where the column is constant.
        shares: Share of each class among the training samples that have one.
        rare_shares: Likewise among those of rare combinations of classes; empty where there are none.
    """

    name: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    standard_deviation: float = 1.0
    shares: tuple[float, ...] = ()
    rare_shares: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Numbers that the column takes in an encoded condition: one a class, or one value."""
        return len(self.classes) or 1


@dataclass(frozen=True)
class Stratum:
    """Samples that share all classes, as far as a sampler keeps them: how many, and their smoothed mean.

    Args:
        classes: The class of each categorical column, in order; "" where it is missing.
        count: Training samples.
        means: Standardised mean of each quantitative column over the samples that have it, drawn towards that of all samples.
    """

    classes: tuple[str, ...]
    count: int
    means: tuple[float, ...]


@dataclass(frozen=True)
class ConditionEncoder:
    """Turns a table of trait and covariates into numbers, and draws such tables.

    Quantitative columns are standardised, classes are one-hot less their share in training, a missing value is 0 (the average).
    `slices` says which numbers of an encoded condition are which column's.

    Of the training samples only moments and class counts are kept, never a value: combinations of classes with fewer than 5 samples are
    one stratum, and so are, for the mean of a column, strata in which fewer than 5 samples have a value. Which classes there are is
    kept, the rarest too. (Of fewer than 5 samples in all, the mean of all is kept.)

    Args:
        columns: The columns, the trait first.
        strata: Combinations of classes with their counts, each of 5 samples or more.
        others: The samples of all rarer combinations, 5 or more or none; it has no classes.
        covariance: Of the standardised quantitative columns within strata.
    """

    columns: tuple[Column, ...]
    strata: tuple[Stratum, ...]
    others: Stratum
    covariance: tuple[tuple[float, ...], ...]

    @property
    def width(self) -> int:
        """Numbers a sample."""
        return sum(column.width for column in self.columns)

    def slices(self) -> dict[str, slice]:
        """Which numbers of an encoded condition belong to each column, by its name, in the order of `columns`."""
        starts = np.cumsum([0, *(column.width for column in self.columns)]).tolist()
        return {column.name: slice(start, start + column.width) for column, start in zip(self.columns, starts, strict=False)}

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
        kept, stratum_of = kept_strata(keys)
        means, covariance = stratum_moments(values, stratum_of, n_strata=len(kept) + 1)
        strata = [Stratum(classes=key, count=int((stratum_of == k).sum()), means=tuple(means[k].tolist())) for k, key in enumerate(kept)]
        others = Stratum(classes=(), count=int((stratum_of == len(kept)).sum()), means=tuple(means[len(kept)].tolist()))
        columns = tuple(_with_rare_shares(c, samples[c.name][stratum_of == len(kept)]) for c in columns)
        return cls(columns=columns, strata=tuple(strata), others=others, covariance=tuple(map(tuple, covariance.tolist())))

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
                parts.append(np.nan_to_num(np.clip(_standardised(table, column), -_LARGEST_Z, _LARGEST_Z), nan=0.0)[:, None])
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
        """Conditions from the distribution seen in training: classes by their counts, values normal within classes.

        Nothing that is drawn is missing, as in the conditions that the harness asks for: a class that samples of a combination lack is
        drawn by its share in training. The classes of rare combinations are drawn one by one, by their shares among those.

        Args:
            n_samples: How many rows.
            generator: Draws them.
        """
        strata = (*self.strata, self.others)
        weights = np.array([stratum.count for stratum in strata], dtype=np.float64)
        chosen = generator.choice(len(strata), size=n_samples, p=weights / weights.sum())
        quantitative = [column for column in self.columns if not column.classes]
        categorical = [column for column in self.columns if column.classes]
        means = np.array([stratum.means for stratum in strata]).reshape(len(strata), len(quantitative))[chosen]
        values = means + generator.standard_normal(means.shape) @ _root(np.array(self.covariance).reshape(means.shape[1], means.shape[1])).T
        drawn: dict[str, Any] = {}
        for k, column in enumerate(quantitative):
            drawn[column.name] = column.mean + column.standard_deviation * values[:, k]
        for k, column in enumerate(categorical):
            names = np.array(column.classes, dtype=object)
            of_strata = np.array([*(stratum.classes[k] for stratum in self.strata), ""], dtype=object)[chosen]
            alone = generator.choice(names, size=n_samples, p=column.shares)
            rare = generator.choice(names, size=n_samples, p=column.rare_shares or column.shares)
            drawn[column.name] = np.where(chosen == len(self.strata), rare, np.where(of_strata == "", alone, of_strata))
        return pd.DataFrame({column.name: drawn[column.name] for column in self.columns})

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> ConditionEncoder:
        """The reverse of `to_json`.

        Raises:
            ValueError: If a value is of another type, or they do not fit together.
        """
        import pydantic

        encoder: ConditionEncoder = pydantic.TypeAdapter(cls).validate_python(values)
        _check_parts(encoder)
        return encoder


def _check_parts(encoder: ConditionEncoder) -> None:
    """Raise a ValueError if columns, strata and covariance are not of one condition."""
    with_classes = [column for column in encoder.columns if column.classes]
    n_values = len(encoder.columns) - len(with_classes)
    for column in encoder.columns:
        if not math.isfinite(column.mean) or not 0 < column.standard_deviation < math.inf:
            raise ValueError(f"'{column.name}' has the mean {column.mean} and the standard deviation {column.standard_deviation}.")
        for shares in (column.shares, column.rare_shares or column.shares):
            if len(shares) != len(column.classes) or (shares and not (min(shares) >= 0 and math.isclose(sum(shares), 1, rel_tol=1e-6))):
                raise ValueError(f"the {len(column.classes)} classes of '{column.name}' have the shares {shares}, which should sum to 1.")
    for stratum in encoder.strata:
        is_known = [name in ("", *column.classes) for name, column in zip(stratum.classes, with_classes, strict=False)]
        if len(stratum.classes) != len(with_classes) or not all(is_known):
            raise ValueError(f"a stratum has the classes {stratum.classes}, which should be one of each column that has classes.")
    strata = (*encoder.strata, encoder.others)
    if not encoder.columns or min(stratum.count for stratum in strata) < 0 or not sum(stratum.count for stratum in strata):
        raise ValueError(f"there are {len(encoder.columns)} columns, and strata of {[stratum.count for stratum in strata]} samples.")
    rows = (*(stratum.means for stratum in strata), *encoder.covariance)
    if len(encoder.covariance) != n_values or not all(len(row) == n_values and all(map(math.isfinite, row)) for row in rows):
        raise ValueError(f"the means of strata and the covariance should be of {n_values} columns, and finite.")


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


def _with_rare_shares(column: Column, rare: pd.Series[Any]) -> Column:
    """The column with the shares of its classes among the samples of rare combinations."""
    if not column.classes or not rare.notna().any():
        return column
    texts = _texts(rare)
    counts = np.array([(texts == name).sum() for name in column.classes])
    return replace(column, rare_shares=tuple((counts / counts.sum()).tolist()))


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """What makes independent standard normal draws covary so; moments over different samples may lack a root, and the nearest is taken."""
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = eigenvectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    return root


def _texts(column: pd.Series[Any]) -> NDArray[np.object_]:
    """Classes as text, "" where missing; 1, 1.0 and "1" are one class, since a missing value turns whole numbers into floats."""
    texts: NDArray[np.object_] = column.astype(object).where(column.notna(), "").map(_class_name).to_numpy(dtype=object)
    return texts


def _class_name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _standardised(table: pd.DataFrame, column: Column) -> NDArray[np.float64]:
    """Values in standard deviations from the mean of training, NaN where missing."""
    values = pd.to_numeric(table[column.name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    z: NDArray[np.float64] = (values - column.mean) / column.standard_deviation
    return z
