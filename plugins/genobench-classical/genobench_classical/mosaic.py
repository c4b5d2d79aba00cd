"""Mosaics of training haplotypes: the copying model of Li and Stephens."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from genobench import (
    FitContext,
    Generator,
    Genotypes,
    PackedCalls,
    Sampler,
    SamplerTables,
    Trial,
    check_lowest,
    check_share,
    whole_sampler,
    with_settings,
)
from genobench.statgen import GeneticPath, alt_frequency, phased_haplotypes
from genobench_classical.donors import LEAST_DONORS, Donors, check_kernel
from genobench_classical.haplotype_copies import mosaic_haplotypes, packed_in_chunks
from genobench_classical.stored_arrays import load_arrays, save_arrays, stored_haplotypes

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Mosaic(Generator):
    """Synthetic haplotypes that copy segments of training haplotypes (Li and Stephens 2003, doi:10.1093/genetics/165.4.2213).

    Each haplotype copies a training haplotype, changes to another at a rate along the genetic map (`position_cm`; else 1 cM a Mb; a
    chromosome without positions is one morgan), and takes each allele over with a small chance of the other one. Where the phase of the
    training samples is not recorded it is inferred. All variants are taken for autosomal.

    The condition: donors are drawn by a kernel of their trait around the one asked for, mostly among samples of the same classes of the
    covariates. Each segment brings its share of the donors' expected genetic value, so that the sum follows the trait. Where few samples
    are near, at an extreme trait or in several quantitative columns at once, the kernel is widened until `least_donors` count, and the
    expected genetic value stays nearer to the mean.

    Long segments keep linkage and give training samples away. The saved sampler holds the training haplotypes: give away samples, not
    the sampler.

    Args:
        switch_rate: Changes of donor a morgan.
        mutation_rate: P(an allele is not copied but drawn by its frequency).
        kernel_width: Standard deviation of the kernel in the trait (and quantitative covariates), in standard deviations of the column.
        least_donors: Effective number of donors, 1 / sum(P(donor)²), below which no condition goes (but a quarter of the training samples).
    """

    switch_rate: float = 25.0
    mutation_rate: float = 0.002
    kernel_width: float = 0.3
    least_donors: int = LEAST_DONORS

    def __post_init__(self) -> None:
        check_lowest(self, {"switch_rate": 0, "least_donors": 1})
        check_share(self, ("mutation_rate",))
        check_kernel(self)

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Segments from 0.3 to 10 cM, up to one mutation in fifty alleles, narrow and wide kernels."""
        return cls(
            switch_rate=trial.suggest_float("switch_rate", 10.0, 300.0, log=True),
            mutation_rate=trial.suggest_float("mutation_rate", 1e-4, 2e-2, log=True),
            kernel_width=trial.suggest_float("kernel_width", 0.1, 1.0, log=True),
        )

    def fit(self, train: Genotypes, context: FitContext) -> MosaicSampler:
        """Phase the training samples and keep their conditions."""
        tables = SamplerTables.of_training(train, context.trait)
        haplotypes = phased_haplotypes(train, seed=context.seed)
        return MosaicSampler(
            settings=self,
            tables=tables,
            haplotypes=haplotypes,
            # A haplotype's allele is read as a call of 0 or 1, so that ALT alleles are counted as out of two.
            frequency=2 * alt_frequency(haplotypes),
            encoded=tables.encoder.encode(train.samples),
        )

    @classmethod
    def load(cls, folder: Path) -> MosaicSampler:
        """The sampler that `MosaicSampler.save` wrote.

        Raises:
            GenobenchError: If the folder holds no whole sampler of this version.
        """
        tables, description = SamplerTables.load(folder, needs=("settings",))
        kinds = {"haplotypes": "uint8 n_haplotypes n_bytes", "frequency": "float64 n_variants", "encoded": "float32 n_train width"}
        arrays = load_arrays(folder, kinds, n_variants=len(tables.variants), width=tables.encoder.width)
        with whole_sampler(folder):
            return MosaicSampler(
                settings=with_settings(cls, description["settings"]),
                tables=tables,
                haplotypes=stored_haplotypes(arrays, len(tables.variants)),
                frequency=arrays["frequency"],
                encoded=arrays["encoded"],
            )


@dataclass(frozen=True, eq=False)
class MosaicSampler(Sampler):
    """Puts mosaics together.

    Args:
        settings: Those of the fit.
        tables: Conditions and variants.
        haplotypes: Training haplotypes, shape (2 * n_train, n_variants).
        frequency: Of the ALT allele among them, in [0, 1], shape (n_variants,).
        encoded: Training conditions, shape (n_train, width).
    """

    settings: Mosaic
    tables: SamplerTables
    haplotypes: PackedCalls
    frequency: NDArray[np.float64]
    encoded: NDArray[np.float32]

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Mosaics; without a condition, conditions are drawn from the distribution kept from training.

        Raises:
            GenobenchError: If the condition's length is not n_samples, or it asks for what training did not have.
        """
        settings, encoder = self.settings, self.tables.encoder
        conditions = self.tables.conditions(n_samples, condition, seed=seed)
        asked = encoder.encode(conditions)
        rng = np.random.default_rng([seed, 2])
        path = GeneticPath.of_variants(self.tables.variants)
        donors = Donors(encoder, self.encoded, kernel_width=settings.kernel_width, least_donors=settings.least_donors)

        def drawn(rows: slice) -> NDArray[np.int8]:
            weights = donors.weights(asked[rows])
            first, second = (self._haplotypes(weights, path, rng) for _ in range(2))
            return first + second

        return self.tables.genotypes(packed_in_chunks(n_samples, len(self.frequency), drawn), conditions)

    def _haplotypes(self, weights: NDArray[np.float64], path: GeneticPath, rng: np.random.Generator) -> NDArray[np.int8]:
        """One haplotype a row of weights, with mutations, shape (n_rows, n_variants)."""
        alleles = mosaic_haplotypes(self.haplotypes, weights, path, rate=self.settings.switch_rate, rng=rng)
        is_drawn = rng.random(alleles.shape) < self.settings.mutation_rate
        alleles[is_drawn] = rng.random(int(is_drawn.sum())) < self.frequency[np.nonzero(is_drawn)[1]]
        return alleles

    def save(self, folder: Path) -> None:
        """Write the tables, the haplotypes, their frequencies and the conditions."""
        self.tables.save(folder, {"settings": asdict(self.settings)})
        save_arrays(folder, {"haplotypes": self.haplotypes.packed, "frequency": self.frequency, "encoded": self.encoded})
