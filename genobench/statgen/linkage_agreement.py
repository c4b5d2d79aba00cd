"""Do two sets of samples agree about which variants are linked? Correlations of correlations, LD scores, LD between chromosomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.statgen.linkage import corrected_r2, correlations, variant_planes
from genobench.statgen.linkage_windows import placed_variants, windows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls
    from genobench.statgen.linkage_windows import PlacedVariants, Window

    Floats = NDArray[np.float64]

MAX_VARIANTS_BETWEEN_CHROMOSOMES: Final = 1_500
"""Beyond this many variants, so many evenly spaced ones stand for all where pairs on different chromosomes are compared."""

LD_SCORE_WINDOW_BP: Final = 1e6
"""How far the sum of an LD score reaches to each side (Bulik-Sullivan et al. 2015 take 1 cM)."""

_N_SUMS: Final = 6
# A spread less than this share of the sum of squares is rounding.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, eq=False)
class NearAgreement:
    """What two sets of samples say of pairs of variants near one another.

    Args:
        correlation: Pearson correlation, over pairs, of r in the first and r in the second set: from everything, then with each block of
            the genome left out, shape (1 + n_blocks,); NaN where r does not vary.
        n_pairs: Pairs behind the first.
        ld_scores: The LD score of each variant in each set, shape (2, n_variants); NaN where it takes no part or does not vary.
    """

    correlation: Floats
    n_pairs: int
    ld_scores: Floats


@dataclass(frozen=True, eq=False)
class FarAgreement:
    """What two sets of samples say of pairs of variants on different chromosomes.

    Args:
        correlation: As in `NearAgreement`.
        mean_r2: Mean corrected r2 in each set: from everything, then with each block left out, shape (2, 1 + n_blocks); NaN without pairs.
        n_pairs: Pairs behind the first.
        n_variants: Variants among which the pairs are.
    """

    correlation: Floats
    mean_r2: Floats
    n_pairs: int
    n_variants: int


def ld_scores(
    calls: Calls | CallMatrix,
    *,
    chromosomes: Iterable[str],
    positions: ArrayLike,
    is_used: NDArray[np.bool_] | None = None,
    window: float = LD_SCORE_WINDOW_BP,
    device: str = "cpu",
) -> Floats:
    """LD scores: for each variant the sum of corrected r2 with all variants less than `window` away, itself counted with 1.

    Args:
        calls: Calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING; an array, or packed.
        chromosomes: Shape (n_variants,); only autosomes take part.
        positions: In bp or cM, shape (n_variants,); NaN where not known.
        is_used: Which variants take part, shape (n_variants,); None: all.
        window: In the unit of the positions.
        device: Where the products are taken.

    Returns:
        Shape (n_variants,); NaN for variants that take no part or do not vary.

    References:
        Bulik-Sullivan B. et al. 2015. LD score regression distinguishes confounding from polygenicity in genome-wide association studies.
        Nature Genetics 47: 291-295. https://doi.org/10.1038/ng.3211
    """
    variants = placed_variants(chromosomes=chromosomes, positions=positions, is_used=is_used)
    ends = variants.first_at([window])[:, 0]
    scores = _LdScores(variants)
    for found in windows([calls], variants, reach=window, device=device):
        scores.add(found, side=0, is_near=_is_near(found, ends))
    return scores.of_all(calls.shape[1])


def near_agreement(
    first: Calls | CallMatrix,
    second: Calls | CallMatrix,
    *,
    chromosomes: Iterable[str],
    positions: ArrayLike,
    is_used: NDArray[np.bool_] | None = None,
    blocks: NDArray[np.intp] | None = None,
    reach: float = LD_SCORE_WINDOW_BP,
    device: str = "cpu",
) -> NearAgreement:
    """Correlation of signed correlations over pairs on one chromosome less than `reach` apart, and the LD scores within that reach.

    A pair that is not defined in the second set, since a variant does not vary there, counts with r = 0: nothing is won by not varying.
    A pair belongs to the block of its left-hand variant.

    Args:
        first: The reference: calls, shape (n_first, n_variants), in 0, 1, 2 or MISSING; an array, or packed.
        second: Calls of other samples over the same variants, shape (n_second, n_variants).
        chromosomes: Shape (n_variants,); only autosomes take part.
        positions: In bp or cM, shape (n_variants,); NaN where not known.
        is_used: Which variants take part, shape (n_variants,); None: all.
        blocks: A number from 0 for each variant, as `genobench.statgen.genome_blocks` gives; None: a block a chromosome.
        reach: In the unit of the positions.
        device: Where the products are taken.

    Returns:
        The correlation with its leave-one-out values, and the LD scores.

    References:
        A correlation of correlations: Viñas R. et al. 2022. Bioinformatics 38: 730-737. https://doi.org/10.1093/bioinformatics/btab035
    """
    variants = placed_variants(chromosomes=chromosomes, positions=positions, is_used=is_used, blocks=blocks)
    ends = variants.first_at([reach])[:, 0]
    scores = (_LdScores(variants), _LdScores(variants))
    sums = np.zeros((variants.n_blocks, _N_SUMS))
    for found in windows([first, second], variants, reach=reach, device=device):
        is_near = _is_near(found, ends)
        for side, grown in enumerate(scores):
            grown.add(found, side=side, is_near=is_near)
        np.add.at(sums, variants.blocks[found.run], _pair_sums(found.r[0], found.r[1], is_near, axis=1))
    total = sums.sum(axis=0)
    return NearAgreement(
        correlation=_correlation_of_sums(np.vstack([total, total - sums])),
        n_pairs=int(total[0]),
        ld_scores=np.stack([grown.of_all(first.shape[1]) for grown in scores]),
    )


def far_agreement(
    first: Calls | CallMatrix,
    second: Calls | CallMatrix,
    *,
    chromosomes: Iterable[str],
    is_used: NDArray[np.bool_] | None = None,
    blocks: NDArray[np.intp] | None = None,
    max_variants: int = MAX_VARIANTS_BETWEEN_CHROMOSOMES,
    device: str = "cpu",
) -> FarAgreement:
    """The same over pairs of variants on different autosomes, with the mean of corrected r2 there.

    Correlations between chromosomes come from relatives, strata and selection, and for the rest from chance. A pair belongs to the blocks
    of both of its variants.

    Args:
        first: The reference: calls, shape (n_first, n_variants), in 0, 1, 2 or MISSING; an array, or packed.
        second: Calls of other samples over the same variants, shape (n_second, n_variants).
        chromosomes: Shape (n_variants,).
        is_used: Which variants take part, shape (n_variants,); None: all.
        blocks: A number from 0 for each variant, as `genobench.statgen.genome_blocks` gives; None: a block a chromosome.
        max_variants: So many evenly spaced ones stand for all where there are more.
        device: Where the products are taken.

    Returns:
        Correlation and means with their leave-one-out values.

    References:
        LD between chromosomes, less what the number of samples gives: Waples R.S. 2006. A bias correction for estimates of effective
        population size based on linkage disequilibrium at unlinked gene loci. Conservation Genetics 7: 167-184.
        https://doi.org/10.1007/s10592-005-9100-y
    """
    everywhere = np.arange(first.shape[1])
    variants = placed_variants(chromosomes=chromosomes, positions=everywhere, is_used=is_used, blocks=blocks)
    chosen = np.arange(len(variants.places))
    if len(chosen) > max_variants:
        chosen = np.linspace(0, len(chosen) - 1, max_variants).round().astype(np.intp)
    places, numbers, block_of = variants.places[chosen], variants.chromosomes[chosen], variants.blocks[chosen]
    planes = [variant_planes(side, places, device=device) for side in (first, second)]
    # By block of either variant; the last axis: the six sums, then sum and number of corrected r2 in each set.
    sums = np.zeros((variants.n_blocks, variants.n_blocks, _N_SUMS + 4))
    for block in np.unique(block_of):
        mine = np.flatnonzero(block_of == block)
        for part in np.split(mine, np.flatnonzero(np.diff(numbers[mine]) | (np.diff(mine) > 1)) + 1):
            beyond = int(np.searchsorted(numbers, numbers[part[0]], side="right"))
            found = [correlations(plane[part[0] : part[-1] + 1], plane[beyond:]) for plane in planes]
            sides = [(r.cpu().numpy(), n_both.cpu().numpy()) for r, n_both in found]
            agreed = _pair_sums(sides[0][0], sides[1][0], None, axis=0)
            np.add.at(sums[block], block_of[beyond:], np.hstack([agreed, *(_corrected_sums(*side) for side in sides)]))
    total = sums.sum(axis=(0, 1))
    diagonal = np.einsum("iik->ik", sums)
    all_sums = np.vstack([total, total - sums.sum(axis=0) - sums.sum(axis=1) + diagonal])
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.stack([all_sums[:, _N_SUMS] / all_sums[:, _N_SUMS + 1], all_sums[:, _N_SUMS + 2] / all_sums[:, _N_SUMS + 3]])
    return FarAgreement(
        correlation=_correlation_of_sums(all_sums[:, :_N_SUMS]), mean_r2=means, n_pairs=int(total[0]), n_variants=len(chosen)
    )


def _is_near(window: Window, ends: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which entries of a window are pairs, left before right and within reach, shape (n_run, n_others)."""
    columns = np.arange(window.others.start, window.others.stop)
    near: NDArray[np.bool_] = (columns > columns[: window.run.stop - window.run.start, None]) & (columns < ends[window.run, None])
    return near


class _LdScores:
    """LD scores as they grow, a window at a time."""

    def __init__(self, variants: PlacedVariants) -> None:
        self._sums = np.zeros(len(variants.places))
        self._varies = np.zeros(len(variants.places), dtype=bool)
        self._places = variants.places

    def add(self, window: Window, *, side: int, is_near: NDArray[np.bool_]) -> None:
        """Give each pair of the window to both of its variants."""
        r = window.r[side]
        with np.errstate(divide="ignore", invalid="ignore"):
            corrected = corrected_r2(r * r, window.n_both[side])
        corrected = np.where(is_near & np.isfinite(corrected), corrected, 0.0)
        self._varies[window.run] = np.isfinite(np.diagonal(r))
        self._sums[window.run] += corrected.sum(axis=1)
        self._sums[window.others] += corrected.sum(axis=0)

    def of_all(self, n_variants: int) -> Floats:
        """The scores, shape (n_variants,)."""
        scores = np.full(n_variants, np.nan)
        scores[self._places] = np.where(self._varies, 1 + self._sums, np.nan)
        return scores


def _pair_sums(first: Floats, second: Floats, is_pair: NDArray[np.bool_] | None, *, axis: int) -> Floats:
    """Pairs, r in the first and second set, their squares, their product, each summed over one axis of (n_left, n_right).

    Pairs that are not defined in the first set are passed over; in the second set their r is 0.

    Returns:
        Shape (n_right, 6) for axis 0, (n_left, 6) for axis 1.
    """
    is_counted = np.isfinite(first) if is_pair is None else is_pair & np.isfinite(first)
    x = np.where(is_counted, first, 0.0)
    y = np.where(is_counted & np.isfinite(second), second, 0.0)
    kept = "j" if axis == 0 else "i"
    products = [np.einsum(f"ij,ij->{kept}", left, right) for left, right in ((x, x), (y, y), (x, y))]
    return np.stack([np.count_nonzero(is_counted, axis=axis), x.sum(axis=axis), y.sum(axis=axis), *products], axis=1)


def _corrected_sums(r: Floats, n_both: Floats) -> Floats:
    """Sum and number of corrected r2 over the rows of (n_left, n_right), shape (n_right, 2)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected = corrected_r2(r * r, n_both)
    is_known = np.isfinite(corrected)
    return np.stack([np.where(is_known, corrected, 0.0).sum(axis=0), np.count_nonzero(is_known, axis=0)], axis=1)


def _correlation_of_sums(sums: Floats) -> Floats:
    """Pearson correlations from sums over pairs, shape (n, 6) to (n,); NaN where either side does not vary."""
    n, x, y, xx, yy, xy = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        spread_x, spread_y = xx - x * x / n, yy - y * y / n
        is_spread = (spread_x > _ROUNDING * xx) & (spread_y > _ROUNDING * yy)
        found: Floats = np.where(is_spread, (xy - x * y / n) / np.sqrt(spread_x * spread_y), np.nan)
    return found
