"""Founder haplotypes from the coalescent: msprime's backward-in-time simulations, cut to regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msprime
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import tskit


@dataclass(frozen=True, eq=False)
class Haplotypes:
    """Haplotypes of founders over one chromosome.

    Attributes:
        position_bp: 1-based positions of the segregating sites, increasing, shape (n_sites,).
        alleles: 0 for the ancestral allele, 1 for the derived one, shape (n_sites, n_haplotypes); founders in the order that they were
            asked for, two haplotypes each.
    """

    position_bp: npt.NDArray[np.int64]
    alleles: npt.NDArray[np.int8]


def founder_haplotypes(
    demography: msprime.Demography,
    founders: dict[str, int],
    *,
    regions: Sequence[tuple[int, int]],
    recombination_rate: float,
    mutation_rate: float,
    sampling_time: float,
    discrete_generations: float,
    seed: int,
) -> Haplotypes:
    """Haplotypes of diploid founders over some regions of a chromosome.

    The youngest generations run under the discrete-time Wright-Fisher model, since the coalescent needs
    far fewer samples than parents; older ones under the SMC' (k = 1), whose cost grows with the length
    and not its square. What lies between the regions is simulated too (it links them) but bears no mutations.

    Args:
        demography: The populations' history, times in generations.
        founders: How many diploid founders to draw from each population, by its name.
        regions: Regions as (first, last) positions in bp, 1-based, inclusive, in order, not overlapping.
        recombination_rate: Crossovers per bp per generation.
        mutation_rate: Mutations per bp per generation.
        sampling_time: How many generations ago the founders lived.
        discrete_generations: For how many generations back the Wright-Fisher model runs.
        seed: Seed of the ancestry; the mutations take the next one.

    Returns:
        All sites with exactly one mutation that segregate among the founders.

    References:
        Baumdicker et al. 2022, Efficient ancestry and mutation simulation with msprime 1.0,
        doi:10.1093/genetics/iyab229. Nelson et al. 2020, on the Wright-Fisher hybrid,
        doi:10.1371/journal.pgen.1008619.
    """
    origin = regions[0][0] - 1
    length = regions[-1][1] - origin
    samples = [msprime.SampleSet(count, population=name, time=sampling_time) for name, count in founders.items()]
    ancestry = msprime.sim_ancestry(
        samples=samples,
        demography=demography,
        sequence_length=length,
        recombination_rate=recombination_rate,
        random_seed=seed,
        model=[
            msprime.DiscreteTimeWrightFisher(duration=sampling_time + discrete_generations),
            msprime.SMCK(1),
        ],
    )
    mutated = msprime.sim_mutations(
        ancestry,
        rate=_mutation_map(regions, origin=origin, length=length, mutation_rate=mutation_rate),
        model=msprime.BinaryMutationModel(),
        random_seed=seed + 1,
    )
    return _segregating_sites(mutated, origin=origin)


def _mutation_map(regions: Sequence[tuple[int, int]], *, origin: int, length: int, mutation_rate: float) -> msprime.RateMap:
    borders = [0.0]
    rates: list[float] = []
    for first, last in regions:
        start, end = first - 1 - origin, last - origin
        if start > borders[-1]:
            borders.append(start)
            rates.append(0.0)
        borders.append(end)
        rates.append(mutation_rate)
    if borders[-1] < length:
        borders.append(length)
        rates.append(0.0)
    return msprime.RateMap(position=borders, rate=rates)


def _segregating_sites(sequence: tskit.TreeSequence, *, origin: int) -> Haplotypes:
    keep = np.bincount(sequence.mutations_site, minlength=sequence.num_sites) == 1
    matrix = sequence.genotype_matrix()[keep].astype(np.int8)
    position = sequence.sites_position[keep].astype(np.int64) + origin + 1
    count = matrix.sum(axis=1, dtype=np.int64)
    segregating = (count > 0) & (count < matrix.shape[1])
    return Haplotypes(position[segregating], matrix[segregating])
