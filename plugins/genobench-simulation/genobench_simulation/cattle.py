"""A dairy cattle population on a chip: Holstein history, then a pedigree of few sires, and a trait with known causal variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from genobench import Dataset, DatasetCard, SettingsError
from genobench_simulation.cards import CATTLE_CARD
from genobench_simulation.coalescent import founder_haplotypes
from genobench_simulation.gene_drop import drop_genes
from genobench_simulation.panel import NO_SITE, Cells, carrier_counts, spaced_cells, variant_table
from genobench_simulation.pedigree import FEMALE, FOUNDER, MALE, DairyDesign, dairy_pedigree
from genobench_simulation.simulated import Simulated, cached_genotypes, check_size
from genobench_simulation.traits import additive_trait

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from genobench import Genotypes
    from genobench_simulation.pedigree import Indices, Pedigree

MODEL: Final = "HolsteinFriesian_1M13"
AUTOSOMES: Final = tuple(str(number) for number in range(1, 30))
FOUNDER_GENERATION: Final = 6.0
"""How many generations before the model's present the founders lived: the pedigree takes the place of the last ones."""
DISCRETE_GENERATIONS: Final = 30.0

QTL_WINDOW_BP: Final = 150_000
"""How far from its locus a causal variant may lie, so that one of the wanted frequency is found."""

_LEAST_WEIGHT: Final = 1e-6
"""Weight of a frequency bin that has all its variants, so that a cell with sites in no other bin still gets one."""

_FEWEST_CALVES: Final = 1000
_CALVES_PER_SAMPLE: Final = 4
"""A dam is not genotyped beside her daughter, so there must be more calves than samples."""

MAF_EDGES: Final = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
MAF_COUNTS: Final = (1272, 667, 984, 2564, 4593, 9446, 9959, 10187, 10489)
"""Minor allele frequencies of 50,161 chip variants in 93,484 Holstein cows, computed from the mean dosages published with
Xie et al. 2026, Deep generative models for discrete genotype simulation, doi:10.1093/gigascience/giag044."""


@dataclass(frozen=True)
class Qtl:
    """A causal variant of large effect.

    Args:
        chromosome: Its chromosome.
        position_bp: Near where it lies.
        alt_frequency: Frequency, among the samples, of the allele that raises the trait.
        share: Share of the phenotypic variance that it explains alone: 2 p q a^2 as it is among the samples.
    """

    chromosome: str
    position_bp: int
    alt_frequency: float
    share: float


FAT_QTL: Final = (
    Qtl(chromosome="14", position_bp=611_019, alt_frequency=0.37, share=0.200),
    Qtl(chromosome="5", position_bp=93_520_000, alt_frequency=0.45, share=0.035),
    Qtl(chromosome="20", position_bp=31_890_000, alt_frequency=0.20, share=0.023),
)
"""Where DGAT1, MGST1 and GHR lie on ARS-UCD1.3, nearly; frequencies of the second and third are ours."""


@dataclass(frozen=True)
class CattleSim(Dataset):
    """Simulated Holstein-like cows of any number; the defaults give `cattle-demo`.

    Args:
        n_samples: Genotyped cows, drawn evenly from the birth years.
        chromosomes: Autosomes to simulate.
        whole: Which of them are covered from end to end; of the others, one block of neighbours.
        mean_gap_bp: Mean distance between neighbours.
        block_variants: Variants in a block.
        n_polygenic: Causal variants beside the three large ones.
        heritability: Share of the trait's variance that the causal variants explain together.
        first_birth_year: First birth year of the genotyped cows.
        last_birth_year: Last birth year of the genotyped cows.
        seed: Seed of everything.
    """

    n_samples: int = 1950
    chromosomes: tuple[str, ...] = AUTOSOMES
    whole: tuple[str, ...] = ("14",)
    mean_gap_bp: int = 46_530
    block_variants: int = 80
    n_polygenic: int = 400
    heritability: float = 0.50
    first_birth_year: int = 2010
    last_birth_year: int = 2019
    seed: int = 20260714

    def __post_init__(self) -> None:
        check_size(self.n_samples, self.chromosomes, AUTOSOMES)
        if not set(self.whole) <= set(AUTOSOMES):
            raise SettingsError(f"whole is {self.whole}; it must name autosomes of cattle, '1' to '29'.")

    @property
    def card(self) -> DatasetCard:
        """What is simulated and how; its sha256 is left empty, since it depends on the settings."""
        return DatasetCard.from_json(CATTLE_CARD)

    def load(self, cache: Path) -> Genotypes:
        """The genotypes, simulated once and kept in `cache`."""
        return cached_genotypes(self, cache)

    def simulate(self) -> Simulated:
        """Simulate the population: calls, samples, variants, causal variants and the whole recorded pedigree."""
        seeds = np.random.SeedSequence(self.seed)
        pedigree_rng, trait_rng, *chromosome_rngs = (np.random.default_rng(s) for s in seeds.spawn(2 + len(self.chromosomes)))
        n_years = self.last_birth_year - self.first_birth_year + 1
        calves_a_year = max(_FEWEST_CALVES, _CALVES_PER_SAMPLE * self.n_samples // n_years)
        everyone = dairy_pedigree(DairyDesign(last_year=self.last_birth_year, calves_a_year=calves_a_year), pedigree_rng)
        genotyped = _genotyped_cows(everyone, self, pedigree_rng)
        rows = everyone.ancestry_of(genotyped)
        pedigree, panel = everyone.subset(rows), np.searchsorted(rows, genotyped)
        parts = [
            _simulate_chromosome(chromosome, self, pedigree, panel, rng)
            for chromosome, rng in zip(self.chromosomes, chromosome_rngs, strict=True)
        ]
        calls = np.concatenate([calls for calls, _, _ in parts], axis=1)
        variants = pd.concat([variants for _, variants, _ in parts], ignore_index=True)
        shares = {variant: share for _, _, large in parts for variant, share in large.items()}
        values, causal = additive_trait(
            calls, variants, large_shares=shares, n_polygenic=self.n_polygenic, heritability=self.heritability, rng=trait_rng
        )
        table = _pedigree_table(pedigree)
        samples = table.iloc[panel].reset_index(drop=True)[["id", "sex", "birth_year", "sire", "dam"]]
        return Simulated(calls, samples.assign(fat_content=np.round(values, 4)), variants, causal, table)


def _genotyped_cows(everyone: Pedigree, settings: CattleSim, rng: np.random.Generator) -> Indices:
    # The dam of a genotyped cow is not genotyped, so that families by sire can be told apart.
    first, last = settings.first_birth_year, settings.last_birth_year
    n_years = last - first + 1
    per_year = np.full(n_years, settings.n_samples // n_years)
    per_year[: settings.n_samples % n_years] += 1
    chosen: list[Indices] = []
    for year, wanted in zip(range(last, first - 1, -1), per_year[::-1], strict=True):
        cows = np.flatnonzero((everyone.birth == year) & (everyone.sex == FEMALE))
        free = cows if not chosen else cows[~np.isin(cows, everyone.dam[np.concatenate(chosen)])]
        if len(free) < wanted:
            raise SettingsError(
                f"Only {len(free)} cows born in {year} can be genotyped, {wanted} are wanted; take fewer samples or more birth years."
            )
        chosen.append(rng.choice(free, size=wanted, replace=False))
    return np.sort(np.concatenate(chosen))


def _simulate_chromosome(
    chromosome: str, settings: CattleSim, pedigree: Pedigree, panel: Indices, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int8], pd.DataFrame, dict[str, float]]:
    import stdpopsim

    species = stdpopsim.get_species("BosTau")
    contig = species.genome.get_chromosome(chromosome)
    qtl = [q for q in FAT_QTL if q.chromosome == chromosome]
    cells = _cells(chromosome, int(contig.length), settings, qtl, rng)
    origins = drop_genes(pedigree, cells.centre_bp, recombination_rate=contig.recombination_rate, rng=rng)[panel]
    n_founders = int((pedigree.sire == FOUNDER).sum())
    founders = founder_haplotypes(
        species.get_demographic_model(MODEL).model,
        {"Holstein_Friesian": n_founders},
        regions=[(int(cells.first_bp[0]), int(cells.last_bp[-1]))],
        recombination_rate=contig.recombination_rate,
        mutation_rate=contig.mutation_rate,
        sampling_time=FOUNDER_GENERATION,
        discrete_generations=DISCRETE_GENERATIONS,
        seed=int(rng.integers(1, 2**31 - 2)),
    )
    carried = carrier_counts(origins, 2 * n_founders)
    frequencies = [founders.alleles[sites] @ count / (2 * len(panel)) for sites, count in zip(cells.slices(founders), carried, strict=True)]
    chosen = _chosen_sites(founders.position_bp, cells, frequencies, rng)
    swap = rng.random(len(cells)) < 0.5
    shares = np.zeros(len(cells))
    for locus in qtl:
        cell, chosen[cell], swap[cell] = _site_like(locus, founders.position_bp, cells, frequencies)
        shares[cell] = locus.share
    kept = np.flatnonzero(chosen != NO_SITE)
    derived = np.stack([founders.alleles[chosen[cell]][origins[:, :, cell]].sum(axis=1) for cell in kept], axis=1)
    variants = variant_table(chromosome, founders.position_bp[chosen[kept]], prefix="BTA", rng=rng)
    calls = np.where(swap[kept], 2 - derived, derived).astype(np.int8)
    return calls, variants, dict(zip(variants["id"][shares[kept] > 0], shares[shares > 0], strict=True))


def _cells(chromosome: str, length: int, settings: CattleSim, qtl: list[Qtl], rng: np.random.Generator) -> Cells:
    if chromosome in settings.whole:
        return spaced_cells(1, length, round(length / settings.mean_gap_bp), rng)
    extent = min(settings.block_variants * settings.mean_gap_bp, length)
    centre = qtl[0].position_bp if qtl else int(rng.integers(0, length))
    first = min(max(centre - extent // 2, 1), length - extent + 1)
    return spaced_cells(first, first + extent - 1, settings.block_variants, rng)


def _chosen_sites(
    position_bp: npt.NDArray[np.int64], cells: Cells, frequencies: list[npt.NDArray[np.float64]], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """For each cell the site nearest its centre in a drawn bin of minor allele frequency; NO_SITE where no site segregates.

    Bins are drawn among those that the cell has a site for, by how many of each are still wanted, so that the histogram is met.
    """
    wanted = np.array(MAF_COUNTS) / sum(MAF_COUNTS) * len(cells)
    chosen = np.full(len(cells), NO_SITE)
    for cell in rng.permutation(len(cells)):
        frequency = frequencies[cell]
        start = int(np.searchsorted(position_bp, cells.first_bp[cell]))
        distance = np.abs(position_bp[start : start + len(frequency)] - cells.centre_bp[cell])
        minor = np.minimum(frequency, 1 - frequency)
        in_bin = np.digitize(minor, MAF_EDGES[1:-1])
        in_bin[minor == 0] = NO_SITE
        weight = np.maximum(wanted, _LEAST_WEIGHT) * np.isin(np.arange(len(wanted)), in_bin)
        if weight.any():
            target = int(rng.choice(len(wanted), p=weight / weight.sum()))
            wanted[target] -= 1
            chosen[cell] = start + int(np.argmin(np.where(in_bin == target, distance, np.iinfo(np.int64).max)))
    return chosen


def _site_like(
    locus: Qtl, position_bp: npt.NDArray[np.int64], cells: Cells, frequencies: list[npt.NDArray[np.float64]]
) -> tuple[int, int, bool]:
    """The cell, site and orientation near a locus whose ALT frequency comes closest to the one wanted."""
    best: tuple[float, int, int, bool] = (np.inf, 0, 0, False)
    near = np.flatnonzero(np.abs(cells.centre_bp - locus.position_bp) <= QTL_WINDOW_BP)
    for cell in near:
        start = int(np.searchsorted(position_bp, cells.first_bp[cell]))
        for swap, frequency in ((False, frequencies[cell]), (True, 1 - frequencies[cell])):
            site = int(np.argmin(np.abs(frequency - locus.alt_frequency)))
            best = min(best, (float(abs(frequency[site] - locus.alt_frequency)), int(cell), start + site, swap))
    return best[1:]


def _pedigree_table(pedigree: Pedigree) -> pd.DataFrame:
    ids = np.array([f"HOL{row:05d}" for row in range(len(pedigree))] + [""], dtype=object)
    return pd.DataFrame(
        {
            "id": ids[:-1],
            "sire": ids[pedigree.sire],
            "dam": ids[pedigree.dam],
            "sex": np.where(pedigree.sex == MALE, "male", "female"),
            "birth_year": pedigree.birth,
        }
    )
