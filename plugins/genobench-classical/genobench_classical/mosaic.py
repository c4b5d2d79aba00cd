"""Mosaics of training haplotypes: the copying model of Li and Stephens."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np

from genobench import FitContext, Generator, Genotypes, PackedCalls, Sampler, SettingsError, Trial
from genobench.statgen import Imputer, phased_haplotypes
from genobench_classical.conditioning import Frame
from genobench_classical.donors import Donors
from genobench_classical.haplotype_copies import copied_alleles, mosaic_donors, mosaic_haplotypes, packed_in_chunks
from genobench_classical.places import GeneticPlaces

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

Phase = Literal["statistical", "diploid"]


@dataclass(frozen=True)
class Mosaic(Generator):
    """Synthetic haplotypes that copy segments of training haplotypes (Li and Stephens 2003, doi:10.1093/genetics/165.4.2213).

    Each haplotype copies a training haplotype, changes to another at a rate along the genetic map (`position_cm`; else 1 cM a Mb; a
    chromosome without positions is one morgan), and takes each allele over with a small chance of the other one. Where the phase of the
    training samples is not recorded it is inferred; `phase="diploid"` does without and copies both haplotypes of a sample at once.

    The condition: donors are drawn by a kernel of their trait around the one asked for, mostly among samples of the same classes of the
    covariates. Each segment brings its share of the donors' expected genetic value, so that the sum follows the trait.

    Long segments keep linkage and give training samples away. The saved sampler holds the training haplotypes: give away samples, not
    the sampler.

    Args:
        switch_rate: Changes of donor a morgan.
        mutation_rate: P(an allele is not copied but drawn by its frequency).
        kernel_width: Standard deviation of the kernel in the trait (and quantitative covariates), in standard deviations of the column.
        phase: `statistical` infers haplotypes (a recorded phase is used as it is); `diploid` copies unphased segments.
    """

    switch_rate: float = 25.0
    mutation_rate: float = 0.002
    kernel_width: float = 0.3
    phase: Phase = "statistical"

    def __post_init__(self) -> None:
        if self.switch_rate < 0:
            raise SettingsError(f"mosaic: switch_rate is {self.switch_rate}; it must be 0 or more changes a morgan.")
        if not 0 <= self.mutation_rate <= 1:
            raise SettingsError(f"mosaic: mutation_rate is {self.mutation_rate}; it must be from 0 to 1.")
        if self.kernel_width <= 0:
            raise SettingsError(f"mosaic: kernel_width is {self.kernel_width}; it must be more than 0.")
        if self.phase not in get_args(Phase):
            raise SettingsError(f"mosaic: phase is '{self.phase}'; it must be one of {', '.join(get_args(Phase))}.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Segments from 0.3 to 10 cM, up to one mutation in fifty alleles, narrow and wide kernels."""
        return cls(
            switch_rate=trial.suggest_float("switch_rate", 10.0, 300.0, log=True),
            mutation_rate=trial.suggest_float("mutation_rate", 1e-4, 2e-2, log=True),
            kernel_width=trial.suggest_float("kernel_width", 0.1, 1.0, log=True),
        )

    def fit(self, train: Genotypes, context: FitContext) -> MosaicSampler:
        """Phase the training samples (or complete their calls) and keep their conditions."""
        frame = Frame.of_training(train, context.trait)
        if self.phase == "statistical":
            copied = phased_haplotypes(train, seed=context.seed)
        else:
            calls = train.to_array()
            copied = PackedCalls.from_calls(Imputer.fit(calls).complete(calls))
        return MosaicSampler(settings=self, frame=frame, copied=copied, encoded=frame.encoder.encode(train.samples))

    @classmethod
    def load(cls, folder: Path) -> MosaicSampler:
        """The sampler that `MosaicSampler.save` wrote."""
        frame, description = Frame.load(folder)
        packed, encoded = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("copied", "encoded"))
        copied = PackedCalls(packed=packed, n_variants=len(frame.variants))
        return MosaicSampler(settings=cls(**description["settings"]), frame=frame, copied=copied, encoded=encoded)


@dataclass(frozen=True, eq=False)
class MosaicSampler(Sampler):
    """Puts mosaics together.

    Args:
        settings: Those of the fit.
        frame: Conditions and variants.
        copied: Training haplotypes, shape (2 * n_train, n_variants); training calls, shape (n_train, n_variants), if diploid.
        encoded: Training conditions, shape (n_train, width).
    """

    settings: Mosaic
    frame: Frame
    copied: PackedCalls
    encoded: NDArray[np.float32]

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Mosaics; without a condition, conditions are drawn from the distribution kept from training.

        Raises:
            GenobenchError: If the condition's length is not n_samples, or it asks for what training did not have.
        """
        table = self.frame.table(n_samples, condition, seed=seed)
        asked = self.frame.encoder.encode(table)
        rng = np.random.default_rng([seed, 2])
        places = GeneticPlaces.of_variants(self.frame.variants)
        donors = Donors(self.frame.encoder, self.encoded, kernel_width=self.settings.kernel_width)
        frequency = self._alt_frequency()
        is_diploid = self.settings.phase == "diploid"

        def drawn(rows: slice) -> NDArray[np.int8]:
            weights = donors.weights(asked[rows])
            if is_diploid:
                return self._diploid(weights, places, frequency, rng)
            first, second = (self._haplotypes(weights, places, frequency, rng) for _ in range(2))
            return first + second

        return self.frame.genotypes(packed_in_chunks(n_samples, len(frequency), drawn), table)

    def _alt_frequency(self) -> NDArray[np.float64]:
        """Of the ALT allele in training, shape (n_variants,)."""
        total = np.zeros(self.copied.shape[1])
        for start in range(0, self.copied.shape[0], 256):
            total += self.copied.rows(slice(start, start + 256)).sum(axis=0, dtype=np.float64)
        return total / (self.copied.shape[0] * (2 if self.settings.phase == "diploid" else 1))

    def _haplotypes(
        self, weights: NDArray[np.float64], places: GeneticPlaces, frequency: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.int8]:
        alleles = mosaic_haplotypes(self.copied, weights, places, rate=self.settings.switch_rate, rng=rng)
        is_drawn = rng.random(alleles.shape) < self.settings.mutation_rate
        alleles[is_drawn] = rng.random(int(is_drawn.sum())) < frequency[np.nonzero(is_drawn)[1]]
        return alleles

    def _diploid(
        self, weights: NDArray[np.float64], places: GeneticPlaces, frequency: NDArray[np.float64], rng: np.random.Generator
    ) -> NDArray[np.int8]:
        donors, _ = mosaic_donors(weights, places.change_probability(self.settings.switch_rate), rng)
        calls = np.empty(donors.shape, dtype=np.int8)
        calls[:, places.order] = copied_alleles(self.copied, donors, places.order)
        is_drawn = rng.random(calls.shape) < self.settings.mutation_rate
        calls[is_drawn] = rng.binomial(2, frequency[np.nonzero(is_drawn)[1]])
        return calls

    def save(self, folder: Path) -> None:
        """Write the frame, what is copied, and the conditions."""
        self.frame.save(folder, settings=asdict(self.settings))
        np.save(folder / "copied.npy", self.copied.packed, allow_pickle=False)
        np.save(folder / "encoded.npy", self.encoded, allow_pickle=False)
