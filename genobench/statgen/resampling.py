"""Standard errors by leaving out a part at a time: blocks of the genome, or groups of relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

MIN_FAMILIES: Final = 5
"""With fewer families than this, single samples are grouped instead: a jackknife over four parts says little."""

_UNKNOWN: Final = frozenset({"", "None", "nan", "NaN", "<NA>", "NaT"})


def jackknife_standard_error(estimate: float, deleted: ArrayLike, sizes: ArrayLike) -> float:
    """Standard error from estimates with one group left out at a time; groups may differ in size.

    Args:
        estimate: The estimate from everything.
        deleted: The estimate without each group, shape (n_groups,).
        sizes: Observations in each group, shape (n_groups,), above zero.

    Returns:
        The standard error; NaN with fewer than two groups or where an estimate is NaN.

    References:
        Busing F.M.T.A., Meijer E., Van der Leeden R. 1999. Delete-m jackknife for unequal m. Statistics and Computing 9: 3-8, equations 4
        and 5. https://doi.org/10.1023/A:1008800423698 ; for dependent data in blocks, Künsch H.R. 1989. Annals of Statistics 17:
        1217-1241. https://doi.org/10.1214/aos/1176347265
    """
    without, n_in = np.asarray(deleted, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if len(without) < 2:
        return float("nan")
    share = n_in / n_in.sum()
    pseudo = estimate / share - (1 / share - 1) * without
    jackknifed = len(without) * estimate - np.sum((1 - share) * without)
    return float(np.sqrt(np.mean((pseudo - jackknifed) ** 2 / (1 / share - 1))))


def genome_blocks(chromosomes: Sequence[str] | NDArray[Any], *, largest_share: float = 0.05) -> NDArray[np.intp]:
    """Blocks of neighbouring variants to leave out: chromosomes, cut evenly where one would hold too many variants.

    Args:
        chromosomes: The chromosome of each variant, in file order, shape (n_variants,).
        largest_share: No block holds more than this share of the variants (give or take one), so that there are at least 1 / share blocks.

    Returns:
        The block of each variant, numbered from 0, shape (n_variants,).
    """
    names = np.asarray(chromosomes, dtype=object)
    blocks = np.zeros(len(names), dtype=np.intp)
    n_blocks = 0
    for name in dict.fromkeys(names):
        places = np.flatnonzero(names == name)
        n_pieces = max(1, int(np.ceil(len(places) / max(1.0, largest_share * len(names)) - 1e-9)))
        blocks[places] = n_blocks + np.arange(len(places)) * n_pieces // len(places)
        n_blocks += n_pieces
    return blocks


def sample_groups(families: Sequence[Any] | NDArray[Any] | None, n_samples: int, *, seed: int, n_groups: int = 20) -> NDArray[np.intp]:
    """Groups of samples to leave out, relatives together.

    Args:
        families: The family of each sample (None or NaN: a family of its own), shape (n_samples,); None where no family is known.
        n_samples: Number of samples.
        seed: Which samples or families come together.
        n_groups: At most this many groups, about equal in size.

    Returns:
        The group of each sample, numbered from 0 without a gap, shape (n_samples,). Fewer than `MIN_FAMILIES` families are not kept
        together.
    """
    units = np.arange(n_samples)
    if families is not None:
        numbered = _family_numbers(families)
        units = numbered if numbered.max(initial=-1) + 1 >= MIN_FAMILIES else units
    sizes = np.bincount(units)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    group_of_unit = np.empty(len(sizes), dtype=np.intp)
    filled = np.zeros(min(n_groups, max(1, len(sizes))), dtype=np.intp)
    for unit in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        group = int(np.argmin(filled))
        group_of_unit[unit] = group
        filled[group] += sizes[unit]
    return group_of_unit[units]


def _family_numbers(families: Sequence[Any] | NDArray[Any]) -> NDArray[np.intp]:
    known: dict[str, int] = {}
    numbers = np.empty(len(families), dtype=np.intp)
    for place, family in enumerate(families):
        is_unknown = str(family) in _UNKNOWN
        numbers[place] = known.setdefault(f"alone {place}" if is_unknown else f"family {family}", len(known))
    return numbers
