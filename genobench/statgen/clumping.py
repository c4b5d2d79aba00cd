"""Clumping: associated variants that stand for one signal, by linkage with the most significant of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench.errors import GenotypesError
from genobench.statgen.linkage import VariantPlanes, variant_planes
from genobench.statgen.products import inner_products, is_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

# Newton's steps after the closed form of a cubic, whose digits cancel where two roots are close.
_NEWTON_STEPS: Final = 3
# plink's own: a difference from independence below this is none.
_NO_LINKAGE: Final = 1e-11


@dataclass(frozen=True, eq=False)
class Clumps:
    """Clumps of variants, the most significant first.

    Args:
        index: The most significant variant of each clump, shape (n_clumps,).
        members: Of each clump, the other variants that are significant too, in the order of the genome; n_clumps arrays.
        clump_of: The clump that a variant went to, significant or not, shape (n_variants,); -1 for none.
    """

    index: Places
    members: tuple[Places, ...]
    clump_of: Places


def clump(
    calls: Calls | CallMatrix,
    log10_p: ArrayLike,
    *,
    chromosomes: Iterable[str],
    positions_bp: ArrayLike,
    most_index_p: float = 1e-4,
    most_member_p: float = 1e-2,
    least_r2: float = 0.5,
    reach_bp: float = 250_000,
    device: str = "cpu",
) -> Clumps:
    """Clumps of variants, as `plink --clump` of PLINK 1.9 makes them.

    The most significant variant that is in no clump yet becomes the index of one, to which all variants go that are within reach, linked
    with it, and in no clump yet. It goes on until no such variant has a p-value of at most `most_index_p`. Of equal p-values the first in
    the order of the genome counts as the lower one. Every sample counts, and calls on X are taken as they are (PLINK leaves out
    samples with parents, and counts males once).

    Args:
        calls: Shape (n_samples, n_variants), in 0, 1, 2 or MISSING; of the samples that linkage is measured on.
        log10_p: Base-10 logarithms of p-values, shape (n_variants,); a variant with NaN is in no clump.
        chromosomes: Shape (n_variants,).
        positions_bp: Shape (n_variants,), in any order; a variant with NaN is in no clump.
        most_index_p: Above it, no variant is an index (PLINK's p1).
        most_member_p: Below it, a variant of the clump is listed among its members (p2).
        least_r2: Above it, a variant is linked with the index; see `haplotype_r2`.
        reach_bp: Below this distance in bp it is within reach.
        device: Where pairs of variants are counted.

    Returns:
        The clumps.

    Raises:
        GenotypesError: If there are not as many p-values, chromosomes and positions as variants.
        ValueError: If a limit of p-values is not above 0 and at most 1.

    References:
        Purcell S. et al. 2007. PLINK: a tool set for whole-genome association and population-based linkage analyses. American Journal of
        Human Genetics 81: 559-575; `--clump` of PLINK 1.9, https://www.cog-genomics.org/plink/1.9/postproc#clump
    """
    significance, positions = np.asarray(log10_p, dtype=np.float64), np.asarray(positions_bp, dtype=np.float64)
    names = np.asarray(list(chromosomes), dtype=str)
    n_variants = calls.shape[1]
    if not len(significance) == len(names) == len(positions) == n_variants:
        raise GenotypesError(
            f"calls have {n_variants} variants, but there are {len(significance)} p-values, {len(names)} chromosomes and "
            f"{len(positions)} positions; each variant needs one of each."
        )
    for name, limit in (("most_index_p", most_index_p), ("most_member_p", most_member_p)):
        if not 0 < limit <= 1:
            raise ValueError(f"{name} is {limit}; it must be above 0 and at most 1.")
    leader = np.full(n_variants, -1, dtype=np.intp)
    is_there = np.isfinite(positions) & ~np.isnan(significance)
    for name in np.unique(names[is_there & (significance <= np.log10(most_index_p))]):
        places = np.flatnonzero(is_there & (names == name))
        places = places[np.argsort(positions[places], kind="stable")]
        planes = variant_planes(calls, places, device=device)
        chosen = _leaders(
            planes, significance[places], positions[places], most=np.log10(most_index_p), least_r2=least_r2, reach_bp=reach_bp
        )
        leader[places[chosen >= 0]] = places[chosen[chosen >= 0]]
    return _clumps(leader, significance, np.log10(most_member_p))


def _leaders(planes: VariantPlanes, significance: Floats, positions: Floats, *, most: float, least_r2: float, reach_bp: float) -> Places:
    """Of each variant of a chromosome the row of its index variant, its own for an index, -1 for none, shape (n_rows,)."""
    leader = np.full(len(positions), -1, dtype=np.intp)
    order = np.argsort(significance, kind="stable")
    for row in order[significance[order] <= most]:
        if leader[row] >= 0:
            continue
        leader[row] = row
        first = np.searchsorted(positions, positions[row] - reach_bp, side="right")
        last = np.searchsorted(positions, positions[row] + reach_bp, side="left")
        window = first + np.flatnonzero(leader[first:last] < 0)
        if len(window):
            is_linked = haplotype_r2(_pair_counts(planes, int(row), window)) > least_r2
            leader[window[is_linked]] = row
    return leader


def _pair_counts(planes: VariantPlanes, row: int, others: Places) -> NDArray[np.int64]:
    """Samples by the calls of one variant and of others, shape (3, 3, n_others)."""
    chosen = torch.from_numpy(others).to(planes.alt.device)
    one = _indicators(planes.alt[row : row + 1], None if planes.observed is None else planes.observed[row : row + 1])
    many = _indicators(planes.alt[chosen], None if planes.observed is None else planes.observed[chosen])
    return inner_products(one, many).cpu().numpy().astype(np.int64).reshape(3, 3, len(others))


def _indicators(alt: torch.Tensor, observed: torch.Tensor | None) -> torch.Tensor:
    """Where calls are 0, then 1, then 2, int8, shape (3 * n_variants, n_samples)."""
    zero = is_call(alt, 0)
    return torch.cat([zero if observed is None else zero & observed, is_call(alt, 1), is_call(alt, 2)])


def _clumps(leader: Places, significance: Floats, most_member: float) -> Clumps:
    index = np.flatnonzero(leader == np.arange(len(leader)))
    index = index[np.argsort(significance[index], kind="stable")]
    number = np.full(len(leader), -1, dtype=np.intp)
    number[index] = np.arange(len(index))
    clump_of = np.where(leader >= 0, number[leader], -1)
    is_member = (clump_of >= 0) & (leader != np.arange(len(leader))) & (significance < most_member)
    listed = np.flatnonzero(is_member)
    listed = listed[np.argsort(clump_of[listed], kind="stable")]
    edges = np.searchsorted(clump_of[listed], np.arange(1, len(index)))
    return Clumps(index=index, members=tuple(np.split(listed, edges)) if len(index) else (), clump_of=clump_of)


def haplotype_r2(counts: NDArray[np.int64]) -> Floats:
    """r2 between two variants from the likeliest frequencies of their haplotypes, under random mating.

    Only samples heterozygous at both variants can have either pair of haplotypes. Of x, their share of all haplotypes that is in coupling,
    the likelihood is stationary where x = w f11 f22 / (f11 f22 + f12 f21), with w that of all of them and f11 = a + x, f22 = d + x,
    f12 = b + w - x, f21 = c + w - x for the shares a, b, c, d of the haplotypes that are known: a cubic, of whose roots the likeliest is
    taken.

    Args:
        counts: Samples by the calls of one variant and of the other, shape (3, 3, n_pairs).

    Returns:
        In [0, 1], shape (n_pairs,); NaN where one of the two does not vary among the samples that have both calls.

    References:
        Hill W.G. 1974. Estimation of linkage disequilibrium in randomly mating populations. Heredity 33: 229-239.
        https://doi.org/10.1038/hdy.1974.89. The cubic: Gaunt T.R., Rodriguez S., Day I.N.M. 2007. Cubic exact solutions for the estimation
        of pairwise haplotype frequencies. BMC Bioinformatics 8: 428. https://doi.org/10.1186/1471-2105-8-428
    """
    n_haplotypes = 2 * counts.sum(axis=(0, 1))
    n_alt = [counts.sum(axis=axis)[1] + 2 * counts.sum(axis=axis)[2] for axis in (0, 1)]
    is_varying = np.logical_and.reduce([(n > 0) & (n < n_haplotypes) for n in n_alt])
    with np.errstate(divide="ignore", invalid="ignore"):
        table = counts / n_haplotypes
        d = 2 * table[0, 0] + table[0, 1] + table[1, 0]
        c = 2 * table[0, 2] + table[0, 1] + table[1, 2]
        b = 2 * table[2, 0] + table[2, 1] + table[1, 0]
        a = 2 * table[2, 2] + table[2, 1] + table[1, 2]
        w = table[1, 1]
        p, q = a + b + w, a + c + w
        x = _likeliest(np.stack([a, b, c, d]), w)
        covariance = a + x - p * q
        covariance[np.abs(covariance) < _NO_LINKAGE] = 0.0
        r2: Floats = np.where(is_varying, np.minimum(covariance**2 / (p * (1 - p) * q * (1 - q)), 1.0), np.nan)
    return r2


def _likeliest(known: Floats, w: Floats) -> Floats:
    """The root x of the cubic in [0, w] with the largest likelihood, shape (n_pairs,)."""
    a, b, c, d = known
    # (x - w) (a + x) (d + x) + x (b + w - x) (c + w - x), over 2.
    square = (a + d - b - c - 3 * w) / 2
    linear = (a * d - w * (a + d) + (b + w) * (c + w)) / 2
    constant = -w * a * d / 2
    candidates = np.clip(np.concatenate([_real_roots(square, linear, constant), np.zeros((1, len(w))), w[None]]), 0.0, w)
    f11, f22, f12, f21 = a + candidates, d + candidates, b + w - candidates, c + w - candidates
    likelihood = w * _log(f11 * f22 + f12 * f21)
    for share, frequency in ((a, f11), (b, f12), (c, f21), (d, f22)):
        likelihood += share * _log(frequency)
    likelihood[np.isnan(likelihood)] = -np.inf
    likeliest: Floats = np.take_along_axis(candidates, likelihood.argmax(axis=0)[None], axis=0)[0]
    return likeliest


def _log(values: Floats) -> Floats:
    """Logarithms, a large negative number for zero, so that zero times it is zero."""
    logarithms: Floats = np.log(np.maximum(values, np.finfo(np.float64).tiny))
    return logarithms


def _real_roots(square: Floats, linear: Floats, constant: Floats) -> Floats:
    """Real roots of x ** 3 + square x ** 2 + linear x + constant, shape (3, n); where there is one only, it stands three times."""
    third = square / 3
    p, q = (third**2 - linear / 3), (third**3 - third * linear / 2 + constant / 2)
    discriminant = q**2 - p**3
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = np.arccos(np.clip(q / np.sqrt(np.maximum(p, 0)) ** 3, -1, 1)) / 3
        three = np.stack([-2 * np.sqrt(np.maximum(p, 0)) * np.cos(angle + turn) for turn in (0, 2 * np.pi / 3, -2 * np.pi / 3)])
        outer = -np.sign(q) * np.cbrt(np.abs(q) + np.sqrt(np.maximum(discriminant, 0)))
        single = outer + np.where(outer != 0, p / outer, 0.0)
        roots = np.where(discriminant > 0, single, np.nan_to_num(three)) - third
        for _ in range(_NEWTON_STEPS):
            value, slope = ((roots + square) * roots + linear) * roots + constant, (3 * roots + 2 * square) * roots + linear
            closer = roots - value / slope
            is_better = np.abs(((closer + square) * closer + linear) * closer + constant) < np.abs(value)
            roots = np.where(is_better, closer, roots)
    found: Floats = roots
    return found
