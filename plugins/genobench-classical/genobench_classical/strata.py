"""Strata: samples that share all classes of their condition, with genotype shares and column means of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from genobench.statgen import genotype_counts, weir_cockerham_fst

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import ConditionEncoder, Genotypes

    Floats = NDArray[np.float64]
    Strata = NDArray[np.intp]

_MOST_STRATA: Final = 64
_SMALLEST_FST: Final = 1e-4
_LARGEST_FST: Final = 0.5


@dataclass(frozen=True, eq=False)
class ClassStrata:
    """Samples that share all classes, for the most frequent combinations; the last stratum is for all other samples.

    Args:
        codes: Number of each column's class (-1: missing) in each stratum but the last, shape (n_strata - 1, n_class_columns).
        parts: Numbers of an encoded condition that are the classes of each class column.
        columns: Names of the quantitative columns.
        numbers: Numbers of an encoded condition that are quantitative columns.
        means: Of these columns in each stratum, in standard deviations, drawn in as the encoder has them; 0, the mean of all samples, in
            the last one. Shape (n_strata, n_columns).
    """

    codes: NDArray[np.int64]
    parts: tuple[slice, ...]
    columns: tuple[str, ...]
    numbers: tuple[int, ...]
    means: NDArray[np.float32]

    @property
    def n_strata(self) -> int:
        """Strata, with the last one."""
        return len(self.codes) + 1

    @classmethod
    def of_encoder(cls, encoder: ConditionEncoder) -> ClassStrata:
        """The strata that an encoder keeps, each of 5 samples or more; none but the last where no column has classes."""
        with_classes = [column for column in encoder.columns if column.classes]
        without = [column.name for column in encoder.columns if not column.classes]
        slices = encoder.slices()
        largest = sorted(encoder.strata, key=lambda stratum: -stratum.count)[:_MOST_STRATA] if with_classes else []
        codes = [
            [column.classes.index(name) if name else -1 for column, name in zip(with_classes, stratum.classes, strict=True)]
            for stratum in largest
        ]
        means = [stratum.means for stratum in largest] + [(0.0,) * len(without)]
        return cls(
            codes=np.array(codes, dtype=np.int64).reshape(len(codes), len(with_classes)),
            parts=tuple(slices[column.name] for column in with_classes),
            columns=tuple(without),
            numbers=tuple(slices[name].start for name in without),
            means=np.array(means, dtype=np.float32).reshape(len(means), len(without)),
        )

    def read(self, encoder: ConditionEncoder, table: pd.DataFrame) -> tuple[Strata, NDArray[np.float32]]:
        """The stratum of each row of a table of conditions, and its quantitative columns less the stratum's means; see `deviations`."""
        encoded = encoder.encode(table)
        return self.stratum_of(encoded), self.deviations(encoded, table)

    def stratum_of(self, encoded: NDArray[np.float32]) -> Strata:
        """The stratum of each encoded condition, shape (n_rows,)."""
        codes = np.full((len(encoded), len(self.parts)), -1, dtype=np.int64)
        for k, numbers in enumerate(self.parts):
            part = encoded[:, numbers]
            # A missing class is encoded as zeros; so is the only class of a column.
            codes[:, k] = np.where((part.max(axis=1) > 0) | (part.shape[1] == 1), part.argmax(axis=1), -1)
        stratum_of = np.full(len(encoded), self.n_strata - 1, dtype=np.intp)
        for stratum, wanted in enumerate(self.codes):
            stratum_of[(codes == wanted).all(axis=1)] = stratum
        return stratum_of

    def deviations(self, encoded: NDArray[np.float32], table: pd.DataFrame) -> NDArray[np.float32]:
        """The quantitative columns less the mean of the row's stratum, in standard deviations, shape (n_rows, n_columns).

        0 where the table has no value.
        """
        values = encoded[:, list(self.numbers)] - self.means[self.stratum_of(encoded)]
        for k, name in enumerate(self.columns):
            values[pd.to_numeric(table[name], errors="coerce").isna().to_numpy(dtype=bool), k] = 0.0
        return values


def cumulative_shares(train: Genotypes, stratum_of: Strata, n_strata: int) -> Floats:
    """Chance of at most 0 and of at most 1 ALT allele in each stratum, drawn towards that of all samples.

    The prior of a stratum is worth as many samples as the strata's differences say: (1 - F) / 2F, as in Balding and Nichols' model,
    with Weir and Cockerham's F of the strata, chromosome by chromosome (classes such as sex matter on some only).

    Args:
        train: Training samples.
        stratum_of: The stratum of each, shape (n_samples,).
        n_strata: Strata; the last one has the shares of all samples.

    Returns:
        Shape (n_strata, 2, n_variants); a variant without a call is always 0.

    References:
        Balding D.J., Nichols R.A. 1995. Genetica 96: 3-12. https://doi.org/10.1007/BF01441146
    """
    pooled = genotype_counts(train.calls).astype(np.float64)
    pooled[0, pooled.sum(axis=0) == 0] = 1
    at_most = np.cumsum(pooled, axis=0)[:2] / pooled.sum(axis=0)
    shares = np.broadcast_to(at_most, (n_strata, *at_most.shape)).copy()
    if n_strata == 1:
        return shares
    counts = np.stack([genotype_counts(train.take_samples(np.flatnonzero(stratum_of == s)).calls) for s in range(n_strata - 1)])
    n_calls = counts.sum(axis=1)
    prior = _prior_samples(counts, train.variants["chromosome"].to_numpy())
    shares[:-1] = (np.cumsum(counts, axis=1)[:, :2] + prior * at_most) / (n_calls[:, None] + prior)
    return shares


def _prior_samples(counts: NDArray[np.int64], chromosomes: NDArray[Any]) -> Floats:
    """Samples that the prior is worth at each variant, shape (n_variants,)."""
    prior = np.full(len(chromosomes), (1 - _SMALLEST_FST) / (2 * _SMALLEST_FST))
    if len(counts) < 2:
        return prior
    terms = weir_cockerham_fst(list(counts))
    for name in dict.fromkeys(chromosomes):
        here = chromosomes == name
        fst = terms.numerator[here].sum() / max(terms.denominator[here].sum(), 1e-9)
        fst = float(np.clip(fst, _SMALLEST_FST, _LARGEST_FST))
        prior[here] = (1 - fst) / (2 * fst)
    return prior
