"""Outbred rats of two vendors with three facilities each, and a behavioural index that differs between the vendors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msprime
import numpy as np
import pandas as pd

from genobench import Dataset, DatasetCard
from genobench_simulation.cards import RAT_CARD
from genobench_simulation.coalescent import founder_haplotypes
from genobench_simulation.gene_drop import drop_genes
from genobench_simulation.panel import NO_SITE, carrier_counts, joined_cells, spaced_cells, variant_table
from genobench_simulation.pedigree import FOUNDER, MALE, litter_pedigree
from genobench_simulation.simulated import Simulated, cached_genotypes, check_size
from genobench_simulation.traits import conditioning_index

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from genobench import Genotypes
    from genobench_simulation.panel import Cells
    from genobench_simulation.pedigree import Pedigree

AUTOSOMES: Final = tuple(str(number) for number in range(1, 21))
VENDORS: Final = ("charles-river-like", "harlan-like")
VENDOR_SIZES: Final = (250, 80)
ANCESTOR_SIZE: Final = 2000
FACILITY_SIZE: Final = 100
VENDOR_SPLIT: Final = 175
FACILITY_SPLIT: Final = 20
FACILITIES: Final = (("CR1", "CR2", "CR3"), ("HA1", "HA2", "HA3"))
SITE_DENSITY: Final = 100.0
"""How many times the mutation rate of stdpopsim's RatNor is used: with an ancestor of 2,000 its own rate leaves most cells empty.
Only the number of sites to choose from depends on it."""

STUDY_COUNTS: Final = (1780, 2281)
"""Rats of Charles River and Harlan in Gileta et al. 2022, doi:10.1371/journal.pgen.1010234."""
CLASSES: Final = ("GT", "IR", "ST")
CLASS_BORDER: Final = 0.5
"""An index of -.5 or less makes a goal-tracker, one of .5 or more a sign-tracker (Meyer et al. 2012, doi:10.1371/journal.pone.0038987)."""
CLASS_SHARES: Final = ((0.39, 0.41, 0.20), (0.19, 0.37, 0.44))
"""Goal-trackers, intermediate responders and sign-trackers of each vendor."""

POLYMORPHIC_SHARES: Final = (0.82, 0.44)
"""Share of the variants that segregate in each vendor; every variant does in at least one."""
MINOR_FREQUENCY: Final = 0.01
"""What the study asked of a variant within a vendor."""


@dataclass(frozen=True)
class RatSim(Dataset):
    """Simulated outbred rats of two vendors, of any number; the defaults give `rat-demo`.

    Args:
        n_samples: Genotyped rats; the vendors share them as in the study (1,780 to 2,281).
        chromosomes: Autosomes to simulate.
        blocks: Blocks of neighbours on each chromosome, evenly placed.
        block_variants: Variants in a block.
        mean_gap_bp: Mean distance between neighbours in a block.
        n_causal: Causal variants.
        heritability: Share of the index's variance within each vendor that they explain together.
        seed: Seed of everything.
    """

    n_samples: int = 1900
    chromosomes: tuple[str, ...] = AUTOSOMES
    blocks: int = 4
    block_variants: int = 48
    mean_gap_bp: int = 40_000
    n_causal: int = 200
    heritability: float = 0.30
    seed: int = 2

    def __post_init__(self) -> None:
        check_size(self.n_samples, self.chromosomes, AUTOSOMES)

    @property
    def card(self) -> DatasetCard:
        """What is simulated and how; its sha256 is left empty, since it depends on the settings."""
        return DatasetCard.from_json(RAT_CARD)

    def load(self, cache: Path) -> Genotypes:
        """The genotypes, simulated once and kept in `cache`."""
        return cached_genotypes(self, cache)

    def simulate(self) -> Simulated:
        """Simulate the rats: calls, samples, variants, causal variants and the recorded litters."""
        seeds = np.random.SeedSequence(self.seed)
        pedigree_rng, trait_rng, *chromosome_rngs = (np.random.default_rng(s) for s in seeds.spawn(2 + len(self.chromosomes)))
        pedigree = litter_pedigree(FACILITY_SIZE // 2, _facility_counts(self.n_samples), pedigree_rng)
        table = _pedigree_table(pedigree)
        panel = np.flatnonzero(pedigree.sire != FOUNDER)
        samples = table.iloc[panel].reset_index(drop=True)
        parts = [
            _simulate_chromosome(chromosome, self, pedigree, samples["vendor"].to_numpy(), rng)
            for chromosome, rng in zip(self.chromosomes, chromosome_rngs, strict=True)
        ]
        calls = np.concatenate([calls for calls, _ in parts], axis=1)
        variants = pd.concat([variants for _, variants in parts], ignore_index=True)
        values, causal = conditioning_index(
            calls,
            variants,
            samples,
            class_shares=dict(zip(VENDORS, CLASS_SHARES, strict=True)),
            n_causal=self.n_causal,
            heritability=self.heritability,
            rng=trait_rng,
        )
        index = np.round(values, 4)
        classes = np.select([index <= -CLASS_BORDER, index < CLASS_BORDER], CLASSES[:2], CLASSES[2])
        return Simulated(calls, samples.assign(pavca_index=index, pavca_class=classes), variants, causal, table)


def _facility_counts(n_samples: int) -> list[int]:
    first = round(n_samples * STUDY_COUNTS[0] / sum(STUDY_COUNTS))
    counts = []
    for total in (first, n_samples - first):
        counts += [total // 3 + (place < total % 3) for place in range(3)]
    return counts


def _demography() -> msprime.Demography:
    demography = msprime.Demography()
    demography.add_population(name="ancestor", initial_size=ANCESTOR_SIZE)
    for vendor, size, facilities in zip(VENDORS, VENDOR_SIZES, FACILITIES, strict=True):
        name = vendor.replace("-", "_")
        demography.add_population(name=name, initial_size=size)
        for facility in facilities:
            demography.add_population(name=facility, initial_size=FACILITY_SIZE)
        demography.add_population_split(time=FACILITY_SPLIT, derived=list(facilities), ancestral=name)
    demography.add_population_split(time=VENDOR_SPLIT, derived=[vendor.replace("-", "_") for vendor in VENDORS], ancestral="ancestor")
    demography.sort_events()
    return demography


def _simulate_chromosome(
    chromosome: str, settings: RatSim, pedigree: Pedigree, vendor: npt.NDArray[np.object_], rng: np.random.Generator
) -> tuple[npt.NDArray[np.int8], pd.DataFrame]:
    import stdpopsim

    contig = stdpopsim.get_species("RatNor").genome.get_chromosome(chromosome)
    blocks = _blocks(int(contig.length), settings, rng)
    cells = joined_cells(blocks)
    origins = drop_genes(pedigree, cells.centre_bp, recombination_rate=contig.recombination_rate, rng=rng)[pedigree.sire != FOUNDER]
    founders = founder_haplotypes(
        _demography(),
        {facility: FACILITY_SIZE for facilities in FACILITIES for facility in facilities},
        regions=[(int(block.first_bp[0]), int(block.last_bp[-1])) for block in blocks],
        recombination_rate=contig.recombination_rate,
        mutation_rate=contig.mutation_rate * SITE_DENSITY,
        sampling_time=1,
        discrete_generations=30,
        seed=int(rng.integers(1, 2**31 - 2)),
    )
    n_haplotypes = founders.alleles.shape[1]
    frequencies = []
    for name in VENDORS:
        mine = vendor == name
        carried = carrier_counts(origins[mine], n_haplotypes)
        frequencies.append([founders.alleles[s] @ c / (2 * mine.sum()) for s, c in zip(cells.slices(founders), carried, strict=True)])
    chosen = _chosen_sites(founders.position_bp, cells, frequencies, rng)
    kept = np.flatnonzero(chosen != NO_SITE)
    derived = np.stack([founders.alleles[chosen[cell]][origins[:, :, cell]].sum(axis=1) for cell in kept], axis=1)
    swap = rng.random(len(kept)) < 0.5
    variants = variant_table(chromosome, founders.position_bp[chosen[kept]], prefix="RN", rng=rng)
    return np.where(swap, 2 - derived, derived).astype(np.int8), variants


def _blocks(length: int, settings: RatSim, rng: np.random.Generator) -> list[Cells]:
    extent = settings.block_variants * settings.mean_gap_bp
    free = length / settings.blocks - extent
    starts = [round(length * block / settings.blocks + rng.uniform(0, max(free, 1))) + 1 for block in range(settings.blocks)]
    return [spaced_cells(start, start + extent - 1, settings.block_variants, rng) for start in starts]


def _chosen_sites(
    position_bp: npt.NDArray[np.int64], cells: Cells, frequencies: list[list[npt.NDArray[np.float64]]], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """For each cell the site nearest its centre that segregates in the vendors that the cell is given to."""
    first, second = POLYMORPHIC_SHARES
    quota = np.round(np.array([1 - first, first + second - 1, 1 - second]) * len(cells)).astype(np.int64)
    nearest = np.full((len(quota), len(cells)), NO_SITE)
    for cell in range(len(cells)):
        start = int(np.searchsorted(position_bp, cells.first_bp[cell]))
        minor = [np.minimum(f[cell], 1 - f[cell]) for f in frequencies]
        seen = [m >= MINOR_FREQUENCY for m in minor]
        distance = np.abs(position_bp[start : start + len(minor[0])] - cells.centre_bp[cell])
        for kind, suits in enumerate(((minor[0] == 0) & seen[1], seen[0] & seen[1], seen[0] & (minor[1] == 0))):
            if suits.any():
                nearest[kind, cell] = start + np.argmin(np.where(suits, distance, np.iinfo(np.int64).max))
    chosen = np.full(len(cells), NO_SITE)
    # The rarest kind first: in many cells all haplotypes of the smaller vendor descend from one.
    for kind, wanted in enumerate(quota):
        possible = np.flatnonzero((chosen == NO_SITE) & (nearest[kind] != NO_SITE))
        given = rng.permutation(possible)[:wanted]
        chosen[given] = nearest[kind, given]
    # A cell that is left over takes what it has, if anything.
    return np.where(chosen == NO_SITE, nearest.max(axis=0), chosen)


def _pedigree_table(pedigree: Pedigree) -> pd.DataFrame:
    ids = np.array([f"RAT{row:04d}" for row in range(len(pedigree))] + [""], dtype=object)
    founders = pedigree.sire == FOUNDER
    group = np.where(founders, np.arange(len(pedigree)) // FACILITY_SIZE, pedigree.sire // FACILITY_SIZE)
    facility = np.array([name for facilities in FACILITIES for name in facilities], dtype=object)[group]
    litter = np.where(founders, "", [f"L{sire // 2:03d}" for sire in pedigree.sire])
    return pd.DataFrame(
        {
            "id": ids[:-1],
            "sex": np.where(pedigree.sex == MALE, "male", "female"),
            "vendor": np.where(np.isin(facility, FACILITIES[0]), VENDORS[0], VENDORS[1]),
            "facility": facility,
            "family": litter,
            "sire": ids[pedigree.sire],
            "dam": ids[pedigree.dam],
        }
    )
