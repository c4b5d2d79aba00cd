"""Phased calls: the two haplotypes of each sample, and how often their phase is the less likely one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from genobench.calls import MISSING, PackedCalls, pack_calls
from genobench.statgen.linkage_windows import placed_variants

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from genobench.calls import CallMatrix, Calls, PackedBytes

_CALLS_PER_BLOCK: Final = 1 << 24
_VARIANTS_PER_BLOCK: Final = 1_024


@dataclass(frozen=True, eq=False)
class UnlikelyPhases:
    """Pairs of neighbouring heterozygous calls, by block of the genome.

    Args:
        n_unlikely: Those whose phase is the less likely one, shape (n_blocks,).
        n_pairs: All of them, shape (n_blocks,). A pair belongs to the block of its left-hand variant.
    """

    n_unlikely: NDArray[np.int64]
    n_pairs: NDArray[np.int64]

    @property
    def rate(self) -> float:
        """The share of unlikely ones; NaN without pairs."""
        n_pairs = int(self.n_pairs.sum())
        return float(self.n_unlikely.sum() / n_pairs) if n_pairs else float("nan")

    @property
    def rate_without(self) -> NDArray[np.float64]:
        """The same with each block left out, shape (n_blocks,)."""
        n_left = self.n_pairs.sum() - self.n_pairs
        rates = np.full(len(n_left), np.nan)
        np.divide(self.n_unlikely.sum() - self.n_unlikely, n_left, out=rates, where=n_left > 0)
        return rates


def haplotype_calls(calls: CallMatrix, phase: PackedBytes) -> PackedCalls:
    """The alleles on each haplotype of phased calls, as `genobench.Genotypes` holds them.

    Rows of 0 and 1 are as good as calls to the statistics of linkage: r of them is the classical one between gametes.

    Args:
        calls: Calls, shape (n_samples, n_variants).
        phase: One bit a call, set where a heterozygous call carries ALT on the first haplotype, shape (n_samples, ceil(n_variants / 8)).

    Returns:
        Packed, shape (2 * n_samples, n_variants): 1 for ALT, 0 for REF, MISSING for a missing call; the two haplotypes of a sample one
        below the other.

    References:
        Hill W.G., Robertson A. 1968. Linkage disequilibrium in finite populations. Theoretical and Applied Genetics 38: 226-231.
        https://doi.org/10.1007/BF01245622
    """
    n_samples, n_variants = calls.shape
    packed = []
    for start in range(0, max(1, n_samples), max(1, _CALLS_PER_BLOCK // max(1, n_variants))):
        rows = slice(start, start + max(1, _CALLS_PER_BLOCK // max(1, n_variants)))
        chosen = calls.rows(rows)
        is_first = np.unpackbits(phase[rows], axis=1, count=n_variants, bitorder="little").view(np.int8)
        first = np.where(chosen == 1, is_first, chosen >> 1)
        second = np.where(chosen == MISSING, MISSING, chosen - first)
        packed.append(pack_calls(np.stack([first, second], axis=1).reshape(2 * len(chosen), n_variants)))
    return PackedCalls(packed=np.concatenate(packed), n_variants=n_variants)


def unlikely_phases(
    haplotypes: CallMatrix,
    reference: CallMatrix,
    *,
    chromosomes: Iterable[str],
    positions: ArrayLike,
    is_used: NDArray[np.bool_] | None = None,
    blocks: NDArray[np.intp] | None = None,
) -> UnlikelyPhases:
    """How often two neighbouring heterozygous calls are phased in the way that haplotypes of a reference make the less likely.

    With haplotype counts n11, n10, n01, n00 in the reference, ALT alleles of a double heterozygote lie on one haplotype with odds
    n11 n00 : n10 n01. A switch of phase turns the one into the other; haplotypes put together at random are unlikely half of the time.

    Args:
        haplotypes: As `haplotype_calls` gives them, shape (2 * n_samples, n_variants).
        reference: Haplotypes of other samples over the same variants, shape (n_haplotypes, n_variants).
        chromosomes: Shape (n_variants,); only autosomes take part.
        positions: Shape (n_variants,); NaN where not known. Neighbours are next to one another among the variants that take part.
        is_used: Which variants take part, shape (n_variants,); None: all.
        blocks: A number from 0 for each variant, as `genobench.statgen.genome_blocks` gives; None: a block a chromosome.

    Returns:
        Numbers by block; pairs of variants with even odds count nowhere.

    References:
        Switches between neighbouring heterozygous sites: Lin S., Cutler D.J., Zwick M.E., Chakravarti A. 2002. Haplotype inference in
        random population samples. American Journal of Human Genetics 71: 1129-1137. https://doi.org/10.1086/344347 ; here the phase is
        measured against haplotype frequencies, since the true phase of a synthetic sample does not exist.
    """
    variants = placed_variants(chromosomes=chromosomes, positions=positions, is_used=is_used, blocks=blocks)
    n_unlikely, n_pairs = np.zeros((2, variants.n_blocks), dtype=np.int64)
    for start in range(0, len(variants.places) - 1, _VARIANTS_PER_BLOCK):
        # One variant more, so that the last one has its right-hand neighbour.
        here = slice(start, start + _VARIANTS_PER_BLOCK + 1)
        places = variants.places[here]
        odds = _coupling_determinant(reference.columns(places))
        odds[np.diff(variants.chromosomes[here]) > 0] = 0
        alleles = haplotypes.columns(places)
        first, second = alleles[0::2], alleles[1::2]
        is_heterozygous = (first + second == 1) & (first != MISSING)
        is_pair = is_heterozygous[:, :-1] & is_heterozygous[:, 1:] & (odds != 0)
        is_coupled = first[:, :-1] == first[:, 1:]
        np.add.at(n_pairs, variants.blocks[here][:-1], np.count_nonzero(is_pair, axis=0))
        np.add.at(n_unlikely, variants.blocks[here][:-1], np.count_nonzero(is_pair & (is_coupled == (odds < 0)), axis=0))
    return UnlikelyPhases(n_unlikely=n_unlikely, n_pairs=n_pairs)


def _coupling_determinant(alleles: Calls) -> NDArray[np.int64]:
    """n11 n00 - n10 n01 of each variant and the next, over the haplotypes that have both alleles, shape (n_variants - 1,)."""
    left, right = alleles[:, :-1], alleles[:, 1:]
    n_11, n_10, n_01, n_00 = (
        np.count_nonzero((left == a) & (right == b), axis=0).astype(np.int64) for a, b in ((1, 1), (1, 0), (0, 1), (0, 0))
    )
    determinant: NDArray[np.int64] = n_11 * n_00 - n_10 * n_01
    return determinant
