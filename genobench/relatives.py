"""Groups of relatives among samples of several files: recorded ones, else by kinship, else nobody is a relative."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from genobench.calls import PackedCalls
from genobench.errors import DatasetError
from genobench.genotypes import Genotypes
from genobench.statgen.kinship import king_robust, kinship_clusters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from genobench.calls import Indices
    from genobench.contracts import Part

MOST_FOR_KINSHIP: Final = 4_000
"""Real samples; kinship is between all pairs, and of more than this relatives must be named to be known."""

_VARIANTS_FOR_KINSHIP: Final = 10_000
"""Evenly spaced; second-degree relatives need fewer."""

_FEWEST_FAMILIES: Final = 5
_FAMILY_COLUMNS: Final = ("family", "sire")


def group_relatives(real: Mapping[Part, Genotypes], column: str | None) -> tuple[dict[Part, Indices], str, str | None]:
    """Groups of relatives across parts: by a named column, by a recorded one that says something, by kinship, else every sample alone.

    Args:
        real: Genotypes by part, over the same variants.
        column: The column to go by; None to find out.

    Returns:
        For each part, a number per sample that relatives share, shape (n_samples,); a sentence on how they were found; and the column.

    Raises:
        DatasetError: If no table has the column.
    """
    samples = pd.concat([genotypes.samples for genotypes in real.values()], ignore_index=True)
    if column is not None and column not in samples.columns:
        raise DatasetError(f"There is no column '{column}' to group relatives by; the columns are {', '.join(samples.columns)}.")
    tables = [genotypes.samples for genotypes in real.values() if genotypes.n_samples]
    found = column or next((name for name in _FAMILY_COLUMNS if _says_something(name, tables)), None)
    if found is not None:
        groups = groups_of(samples[found])
        how = f"Relatives are grouped by '{found}': {groups.max() + 1:,} groups of {len(groups):,} real samples."
    elif len(samples) <= MOST_FOR_KINSHIP:
        groups = _kinship_groups(list(real.values()))
        how = f"Relatives are grouped by kinship, no family being recorded: {groups.max() + 1:,} groups of {len(groups):,} real samples."
    else:
        groups = np.arange(len(samples))
        how = (
            f"Every sample stands alone: no family is recorded, and kinship is computed for up to {MOST_FOR_KINSHIP:,} real samples, not "
            f"{len(samples):,}. Where there are relatives, intervals are too narrow; name a column of families."
        )
    ends = np.cumsum([genotypes.n_samples for genotypes in real.values()])
    return dict(zip(real, np.split(groups, ends[:-1]), strict=True)), how, found


def _kinship_groups(real: list[Genotypes]) -> Indices:
    n_variants = real[0].n_variants
    places = np.unique(np.linspace(0, n_variants - 1, min(n_variants, _VARIANTS_FOR_KINSHIP)).round().astype(np.intp))
    calls = PackedCalls.from_calls(np.concatenate([genotypes.calls.columns(places) for genotypes in real]))
    variants = real[0].variants.iloc[places]
    phi = king_robust(Genotypes(calls=calls, samples=pd.DataFrame({"id": [str(row) for row in range(calls.shape[0])]}), variants=variants))
    return kinship_clusters(np.nan_to_num(phi, nan=0.0))


def groups_of(column: pd.Series[Any]) -> Indices:
    """Groups by the values of a column.

    Args:
        column: A value a sample, shape (n_samples,).

    Returns:
        Numbers from 0 in order of first appearance, shape (n_samples,); a sample without a value is a group of its own.
    """
    texts = [f"={value}" if known else f"#{row}" for row, (value, known) in enumerate(zip(column, is_known(column), strict=True))]
    return np.asarray(pd.factorize(np.array(texts, dtype=object))[0], dtype=np.intp)


def is_known(column: pd.Series[Any]) -> NDArray[np.bool_]:
    """Whether each sample has a value, shape (n_samples,); empty text is none."""
    known: NDArray[np.bool_] = (column.notna() & (column.astype(str) != "")).to_numpy(dtype=bool)
    return known


def _says_something(name: str, tables: list[pd.DataFrame]) -> bool:
    """Whether a column of families is known of half of the samples of each part, puts some together, and not all into a few.

    A part without it would be all strangers, to one another and to their relatives in the other parts.
    """
    if not all(name in table.columns and 2 * int(is_known(table[name]).sum()) >= len(table) for table in tables):
        return False
    known = pd.concat([table.loc[is_known(table[name]), name] for table in tables]).astype(str)
    return bool(known.duplicated().any()) and known.nunique() >= _FEWEST_FAMILIES
