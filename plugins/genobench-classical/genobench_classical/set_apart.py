"""Training samples set apart: those by which a fit chooses, where it was given too few validation samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.statgen import is_autosome, king_between, kinship_clusters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from genobench import Genotypes, Trait

FEWEST_VALIDATION: Final = 50
"""With fewer validation samples a fit chooses by training samples that it sets apart."""

_SHARE: Final = 0.25
_MOST_VARIANTS: Final = 5000
"""So many suffice to know half sibs from strangers: the standard error of kinship is about 1 over the root of their number."""


def set_apart(train: Genotypes, trait: Trait, *, seed: int) -> NDArray[np.bool_]:
    """Which training samples are set apart, shape (n_samples,): whole families, up to a quarter of the samples.

    With relatives on both sides, what is chosen would be what fits these families best. Families are those of the trait's family
    column, or else groups of relatives by kinship. Where no family is that small, single samples are set apart.

    Args:
        train: Training samples.
        trait: Names the family column.
        seed: Which families.
    """
    families = _families(train, trait)
    room = max(1, int(_SHARE * train.n_samples))
    sizes = np.bincount(families)
    rng = np.random.default_rng(seed)
    chosen = []
    for family in rng.permutation(len(sizes)):
        if sizes[family] <= room:
            chosen.append(family)
            room -= int(sizes[family])
    is_apart = np.isin(families, chosen)
    if not chosen:
        is_apart[rng.permutation(train.n_samples)[:room]] = True
    return is_apart


def _families(train: Genotypes, trait: Trait) -> NDArray[np.intp]:
    """The family of each sample, numbered from 0; one whose family is not recorded is a family of its own."""
    if trait.family is not None and trait.family in train.samples.columns and train.samples[trait.family].notna().any():
        numbers = train.samples[trait.family].astype(object)
        codes = np.unique(numbers.dropna().astype(str), return_inverse=True)[1]
        families = np.arange(train.n_samples) + len(codes)
        families[numbers.notna().to_numpy()] = codes
        return np.unique(families, return_inverse=True)[1]
    is_used = is_autosome(train.variants["chromosome"])
    is_used |= not is_used.any()
    used = np.flatnonzero(is_used)
    is_used[used] = np.arange(len(used)) % -(-len(used) // _MOST_VARIANTS) == 0
    return kinship_clusters(king_between(train.calls, train.calls, is_used=is_used))
