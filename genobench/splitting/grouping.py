"""Which samples stay on one side of a split, or in which order they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genobench.errors import SplitError
from genobench.relatives import groups_of, is_known
from genobench.splitting.split import SCHEMES
from genobench.statgen.kinship import king_robust, kinship_clusters

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Indices
    from genobench.contracts import Trait
    from genobench.genotypes import Genotypes


@dataclass(frozen=True, eq=False)
class Grouping:
    """How samples hang together.

    Args:
        scheme: The scheme, no longer `auto`.
        column: The column that groups (`family`, `column`) or orders (`forward`) samples; None otherwise.
        groups: A number per sample that relatives share, from 0 in order of first appearance, shape (n_samples,).
        usable: Samples with all that the split needs, shape (n_samples,).
        phi: Kinship, shape (n_samples, n_samples), where the scheme needed it.
        notes: What a reader of the split must know.
    """

    scheme: str
    column: str | None
    groups: Indices
    usable: NDArray[np.bool_]
    phi: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()

    @property
    def keeps_groups_whole(self) -> bool:
        """Whether a group may stand in one of holdout, validation and the rest only."""
        return self.scheme in ("family", "kinship", "column")


def group_samples(genotypes: Genotypes, *, trait: Trait, birth_column: str | None, scheme: str, column: str | None) -> Grouping:
    """Resolve a scheme: see `genobench.splitting.split_samples`.

    Raises:
        SplitError: If a column is absent, the scheme has nothing to go by, or the trait does not vary.
    """
    samples, usable = genotypes.samples, _with_trait(genotypes.samples, trait)
    if scheme not in SCHEMES:
        raise SplitError(f"There is no split scheme '{scheme}'; choose one of {', '.join(SCHEMES)}.")
    if scheme == "column" or (scheme == "auto" and column is not None):
        if column is None:
            raise SplitError("The scheme 'column' needs the name of the column whose values stay on one side.")
        return Grouping("column", column, groups_of(_column(samples, column)), usable)
    recorded = _family_column(samples, trait, usable)
    if scheme in ("family", "auto") and recorded is not None:
        return Grouping("family", recorded, groups_of(samples[recorded]), usable)
    if scheme == "family":
        raise SplitError(
            "No family is recorded: neither a family column of the trait nor 'sire' groups the samples. "
            "Split by 'kinship' instead, or by 'column'."
        )
    if scheme in ("kinship", "auto"):
        phi = king_robust(genotypes)
        return Grouping("kinship", None, kinship_clusters(phi), usable, phi=phi)
    groups = groups_of(samples[recorded]) if recorded is not None else np.arange(len(samples))
    if scheme == "random":
        return Grouping("random", None, groups, usable)
    if birth_column is None:
        raise SplitError("The scheme 'forward' needs a birth column, and the dataset's card names none.")
    known = usable & _column(samples, birth_column).notna().to_numpy(dtype=bool)
    n_without = int((usable & ~known).sum())
    notes = (f"{n_without} samples have no '{birth_column}' and were left out.",) if n_without else ()
    return Grouping("forward", birth_column, groups, known, notes=notes)


def _column(samples: pd.DataFrame, column: str) -> pd.Series[Any]:
    if column not in samples.columns:
        raise SplitError(f"The sample table has no column '{column}' to split by; its columns are {', '.join(samples.columns)}.")
    return samples[column]


def _family_column(samples: pd.DataFrame, trait: Trait, usable: NDArray[np.bool_]) -> str | None:
    """The first column that says of at least half of the samples whose they are, and puts some of them together."""
    if trait.family is not None:
        _column(samples, trait.family)
    for name in (trait.family, "sire"):
        if name is not None and name in samples.columns:
            values = samples.loc[usable & is_known(samples[name]), name]
            if 2 * len(values) >= usable.sum() and values.duplicated().any():
                return name
    return None


def _with_trait(samples: pd.DataFrame, trait: Trait) -> NDArray[np.bool_]:
    if trait.column not in samples.columns:
        raise SplitError(f"The sample table has no column '{trait.column}'; its columns are {', '.join(samples.columns)}.")
    known: NDArray[np.bool_] = samples[trait.column].notna().to_numpy(dtype=bool)
    n_values = samples.loc[known, trait.column].nunique()
    if n_values < 2:
        what = f"is '{samples.loc[known, trait.column].iloc[0]}' in every sample" if n_values else "is not known in any sample"
        raise SplitError(f"The trait '{trait.column}' {what}; it must vary.")
    return known
