"""Linkage disequilibrium between calls: correlations of pairs of variants from exact products of whole numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from genobench.statgen.genetic_path import BP_PER_MORGAN
from genobench.statgen.products import MISSING_CODE, call_codes, inner_products

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls

_BP_PER_CM: Final = BP_PER_MORGAN / 100
_WIDEST_SPAN: Final = 4


@dataclass(frozen=True, eq=False)
class VariantPlanes:
    """Calls with variants as rows, as exact products take them.

    Args:
        alt: ALT alleles, int8, shape (n_variants, n_samples), in 0, 1, 2; 0 where the call is missing.
        observed: 1 where there is a call, else 0, int8, same shape; None where no call is missing.
    """

    alt: torch.Tensor
    observed: torch.Tensor | None

    def __getitem__(self, rows: slice) -> VariantPlanes:
        """Some of the variants; nothing is copied."""
        return VariantPlanes(self.alt[rows], None if self.observed is None else self.observed[rows])

    def __len__(self) -> int:
        """Number of variants."""
        return len(self.alt)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return self.alt.shape[1]


def variant_planes(calls: Calls | CallMatrix, places: NDArray[np.intp], *, device: str = "cpu") -> VariantPlanes:
    """The calls of some variants as planes.

    Args:
        calls: Calls, shape (n_samples, n_variants), in 0, 1, 2 or MISSING; an array, or packed.
        places: Which variants, in which order, shape (n_chosen,).
        device: Where the planes stand.

    Returns:
        Planes of shape (n_chosen, n_samples).
    """
    # Whole bytes of packed calls are read much faster than scattered variants, as long as most of what is read is wanted.
    first, last = (int(places.min()), int(places.max())) if len(places) else (0, -1)
    span = slice(first - first % 4, last + 1)
    if span.stop - span.start <= _WIDEST_SPAN * len(places):
        wanted = torch.from_numpy(places - span.start).to(device)
        codes = call_codes(calls, span, device=device).t().index_select(0, wanted)
    else:
        chosen = calls[:, places] if isinstance(calls, np.ndarray) else calls.columns(places)
        codes = call_codes(chosen, slice(None), device=device).t().contiguous()
    is_missing = codes == MISSING_CODE
    if not bool(is_missing.any()):
        return VariantPlanes(codes, None)
    codes[is_missing] = 0
    return VariantPlanes(codes, is_missing.logical_not_().view(torch.int8))


def correlations(left: VariantPlanes, right: VariantPlanes) -> tuple[torch.Tensor, torch.Tensor]:
    """Pearson correlations of calls between two sets of variants, each over the samples that have both calls.

    Args:
        left: Variants, shape (n_left, n_samples).
        right: Variants of the same samples, shape (n_right, n_samples).

    Returns:
        r in [-1, 1], float64, shape (n_left, n_right), NaN where a variant does not vary among the samples with both calls; and the number
        of those samples, float64, same shape, or of one element where it is the same everywhere. Sums are of whole numbers, so that the
        only rounding is that of the last division.

    References:
        Rogers A.R., Huff C. 2009. Linkage disequilibrium between loci with unknown phase. Genetics 182: 839-844.
        https://doi.org/10.1534/genetics.108.093153
    """
    if left.observed is None and right.observed is None:
        return _complete_correlations(left.alt, right.alt)
    x_seen = torch.ones_like(left.alt) if left.observed is None else left.observed
    y_seen = torch.ones_like(right.alt) if right.observed is None else right.observed
    n_both = inner_products(x_seen, y_seen).double()
    sum_x, sum_y = inner_products(left.alt, y_seen).double(), inner_products(x_seen, right.alt).double()
    r = inner_products(left.alt, right.alt).double().mul_(n_both).sub_(sum_x * sum_y)
    spread_x = inner_products(left.alt * left.alt, y_seen).double().mul_(n_both).sub_(sum_x.square_())
    spread_y = inner_products(x_seen, right.alt * right.alt).double().mul_(n_both).sub_(sum_y.square_())
    # 0 / 0 where a variant does not vary: whole numbers, so that nothing but zero can stand for zero.
    return r.div_(spread_x.sqrt_()).div_(spread_y.sqrt_()).clamp_(-1, 1), n_both


def _complete_correlations(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    n_samples = x.shape[1]
    (sum_x, scale_x), (sum_y, scale_y) = (_sum_and_scale(plane) for plane in (x, y))
    r = inner_products(x, y).double().mul_(n_samples).addr_(sum_x, sum_y, alpha=-1)
    return r.mul_(scale_x[:, None]).mul_(scale_y).clamp_(-1, 1), torch.tensor(float(n_samples))


def _sum_and_scale(alt: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum over samples, and 1 / sqrt(n * sum of squares - sum ** 2), shape (n_variants,) each; a scale of NaN where nothing varies."""
    ones = torch.ones((1, alt.shape[1]), dtype=torch.int8, device=alt.device)
    total = inner_products(alt, ones)[:, 0].double()
    spread = alt.shape[1] * inner_products(alt * alt, ones)[:, 0].double() - total * total
    return total, torch.where(spread > 0, spread.rsqrt(), torch.nan)


def r2_matrix(
    left: Calls | CallMatrix, right: Calls | CallMatrix, *, device: str = "cpu"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared correlation of calls between two sets of variants, over the samples that have both calls.

    Args:
        left: Calls, shape (n_samples, n_left), in 0, 1, 2 or MISSING.
        right: Calls of the same samples, shape (n_samples, n_right).
        device: Where the products are taken.

    Returns:
        r2 in [0, 1], shape (n_left, n_right), NaN where a variant does not vary among the samples with both calls; and the number of those
        samples, same shape. Not corrected for the number of samples; this is PLINK's `--r2` for unphased calls.

    References:
        Rogers A.R., Huff C. 2009. Linkage disequilibrium between loci with unknown phase. Genetics 182: 839-844.
        https://doi.org/10.1534/genetics.108.093153
    """
    planes = variant_planes(left, np.arange(left.shape[1]), device=device)
    others = planes if right is left else variant_planes(right, np.arange(right.shape[1]), device=device)
    r, n_both = correlations(planes, others)
    return r.square_().cpu().numpy(), n_both.expand(r.shape).cpu().numpy()


def corrected_r2(r2: NDArray[np.floating[Any]], n_samples: ArrayLike) -> NDArray[np.floating[Any]]:
    """r2 less what chance alone gives among few samples: r2 - (1 - r2) / (n - 2), about zero on average for unlinked variants.

    Args:
        r2: Squared correlations, any shape.
        n_samples: Samples behind each, a number or the same shape, above 2.

    Returns:
        Same shape; a little below zero for some pairs.

    References:
        Bulik-Sullivan B. et al. 2015. LD score regression. Nature Genetics 47: 291-295, online methods.
        https://doi.org/10.1038/ng.3211
    """
    corrected: NDArray[np.floating[Any]] = r2 - (1 - r2) / (np.asarray(n_samples, dtype=r2.dtype) - 2)
    return corrected


def filled_positions_bp(*, chromosomes: Iterable[str], positions_bp: ArrayLike, positions_cm: ArrayLike | None) -> NDArray[np.float64]:
    """Positions, those that are not known read off the genetic map.

    Args:
        chromosomes: Shape (n_variants,).
        positions_bp: Shape (n_variants,); NaN where not known.
        positions_cm: Shape (n_variants,); used where every variant has one. None where there is no map.

    Returns:
        Shape (n_variants,), whole numbers: as given where known; else linear between the neighbours on the map that are known, beyond
        the last of them by the chromosome's mean rate, or at 1 Mb a cM where the chromosome has no two that are known; NaN where there
        is no whole map.
    """
    filled = np.array(positions_bp, dtype=np.float64)
    centimorgans = None if positions_cm is None else np.asarray(positions_cm, dtype=np.float64)
    if centimorgans is None or not np.isfinite(centimorgans).all():
        return filled
    names = np.asarray(list(chromosomes), dtype=str)
    for name in np.unique(names[np.isnan(filled)]):
        places = np.flatnonzero(names == name)
        known = places[np.isfinite(filled[places])]
        unknown = places[np.isnan(filled[places])]
        if len(known) < 2 or np.ptp(centimorgans[known]) == 0:
            filled[places] = np.rint(centimorgans[places] * _BP_PER_CM)
            continue
        knots_cm, knots_bp = np.sort(centimorgans[known]), np.sort(filled[known])
        bp_per_cm = (knots_bp[-1] - knots_bp[0]) / (knots_cm[-1] - knots_cm[0])
        beyond = centimorgans[unknown] - np.clip(centimorgans[unknown], knots_cm[0], knots_cm[-1])
        filled[unknown] = np.rint(np.interp(centimorgans[unknown], knots_cm, knots_bp) + beyond * bp_per_cm)
    return filled
