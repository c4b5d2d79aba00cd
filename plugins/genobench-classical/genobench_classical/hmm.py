"""A hidden Markov model of haplotype clusters, as in fastPHASE."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import torch

from genobench import (
    FitContext,
    Generator,
    Genotypes,
    Sampler,
    SamplerTables,
    SettingsError,
    Trial,
    check_lowest,
    whole_sampler,
    with_settings,
)
from genobench.statgen import BlockedCallMatrix, BlockLayout, HaplotypeClusters, cluster_pairs, fit_haplotype_clusters
from genobench_classical.donors import LEAST_DONORS, Donors, check_kernel
from genobench_classical.haplotype_copies import packed_in_chunks
from genobench_classical.stored_arrays import load_arrays, save_arrays

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

_MOST_CLUSTERS: Final = 64
_PRIOR_HAPLOTYPES: Final = 5.0
"""The occupancy of all training samples counts as so many haplotypes beside those of the donors."""

_ROWS_PER_CHUNK: Final = 2048
_KINDS: Final = {
    "variant_at": "int64 n_blocks block_size",
    "is_followed": "bool n_blocks",
    "alleles": "float32 n_blocks n_clusters block_size",
    "transitions": "float32 n_blocks n_clusters n_clusters",
    "pairs": "uint8 n_blocks n_train 2",
    "encoded": "float32 n_train width",
}
"""See `load_arrays`."""

_CALLS_PER_CHUNK: Final = 1 << 27
"""What training samples pass in a block is looked up once for so many samples."""


@dataclass(frozen=True)
class HaplotypeHmm(Generator):
    """Haplotypes from a hidden Markov model of common haplotypes (fastPHASE: Scheet and Stephens 2006, doi:10.1086/502802).

    Expectation-maximisation learns clusters of haplotypes from the unphased calls: the alleles of each cluster in each block of variants
    and the transitions between blocks. A synthetic haplotype is a path through the clusters, with each allele drawn by its frequency in
    the cluster. No haplotype of a training sample is kept.

    The condition: training samples are weighted by a kernel of their trait around the one asked for and by their classes, as in
    `mosaic`, and the transitions into each block are tilted so that the clusters have the shares that they have in the weighted
    samples. Each block then brings its part of their expected genetic value. For this the saved sampler keeps the clusters that each
    training sample passes, and its condition: give away samples, not the sampler. All variants are taken for autosomal.

    Args:
        n_clusters: Clusters in each block, 2 to 64; more fit longer haplotypes. 20 is what fastPHASE's authors took as ample.
        n_rounds: Rounds of expectation-maximisation.
        block_variants: Variants in a block; a haplotype changes its cluster only between blocks.
        kernel_width: Standard deviation of the kernel in the trait (and quantitative covariates), in standard deviations of the column.
        least_donors: Effective number of weighted samples, 1 / sum(weight²), below which no condition goes (but a quarter of them).
    """

    n_clusters: int = 20
    n_rounds: int = 12
    block_variants: int = 12
    kernel_width: float = 0.3
    least_donors: int = LEAST_DONORS

    def __post_init__(self) -> None:
        check_lowest(self, {"n_clusters": 2, "n_rounds": 1, "block_variants": 1, "least_donors": 1})
        check_kernel(self)
        if self.n_clusters > _MOST_CLUSTERS:
            raise SettingsError(f"n_clusters is {self.n_clusters}; it must be at most {_MOST_CLUSTERS}.")

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """Few to many clusters, short and long blocks, narrow and wide kernels."""
        return cls(
            n_clusters=trial.suggest_int("n_clusters", 6, 40, log=True),
            block_variants=trial.suggest_categorical("block_variants", [4, 8, 12, 16]),
            kernel_width=trial.suggest_float("kernel_width", 0.1, 1.0, log=True),
        )

    def fit(self, train: Genotypes, context: FitContext) -> HmmSampler:
        """Learn the clusters, and draw which ones each training sample passes."""
        tables = SamplerTables.of_training(train, context.trait)
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_variants)
        calls = BlockedCallMatrix(train.calls, layout)
        generator = torch.Generator().manual_seed(context.seed)
        clusters = fit_haplotype_clusters(calls, layout, n_clusters=self.n_clusters, n_rounds=self.n_rounds, generator=generator)
        pairs = cluster_pairs(calls, layout, clusters, generator=generator)
        return HmmSampler(
            settings=self, tables=tables, layout=layout, clusters=clusters, pairs=pairs, encoded=tables.encoder.encode(train.samples)
        )

    @classmethod
    def load(cls, folder: Path) -> HmmSampler:
        """The sampler that `HmmSampler.save` wrote.

        Raises:
            GenobenchError: If the folder holds no whole sampler of this version.
        """
        tables, description = SamplerTables.load(folder, needs=("settings",))
        arrays = load_arrays(folder, _KINDS, width=tables.encoder.width)
        alleles, transitions = (torch.from_numpy(arrays[name]) for name in ("alleles", "transitions"))
        with whole_sampler(folder):
            return HmmSampler(
                settings=with_settings(cls, description["settings"]),
                tables=tables,
                layout=BlockLayout.from_arrays(arrays, n_variants=len(tables.variants)),
                clusters=HaplotypeClusters(alleles=alleles, transitions=transitions),
                pairs=arrays["pairs"],
                encoded=arrays["encoded"],
            )


@dataclass(frozen=True, eq=False)
class HmmSampler(Sampler):
    """Draws paths through the clusters.

    Args:
        settings: Those of the fit.
        tables: Conditions and variants.
        layout: Blocks of variants.
        clusters: Alleles and transitions.
        pairs: Clusters of the training samples, shape (n_blocks, n_train, 2).
        encoded: Training conditions, shape (n_train, width).
    """

    settings: HaplotypeHmm
    tables: SamplerTables
    layout: BlockLayout
    clusters: HaplotypeClusters
    pairs: NDArray[np.uint8]
    encoded: NDArray[np.float32]

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Pairs of paths; without a condition, conditions are drawn from the distribution kept from training.

        Raises:
            GenobenchError: If the condition's length is not n_samples, or it asks for what training did not have.
        """
        settings, encoder = self.settings, self.tables.encoder
        conditions = self.tables.conditions(n_samples, condition, seed=seed)
        asked = encoder.encode(conditions)
        rng = np.random.default_rng([seed, 2])
        donors = Donors(encoder, self.encoded, kernel_width=settings.kernel_width, least_donors=settings.least_donors)

        def drawn(rows: slice) -> NDArray[np.int8]:
            return self._calls(donors.weights_in_chunks(asked[rows]), rng)

        packed = packed_in_chunks(
            n_samples, len(self.tables.variants), drawn, calls_per_chunk=_CALLS_PER_CHUNK, rows_per_chunk=_ROWS_PER_CHUNK
        )
        return self.tables.genotypes(packed, conditions)

    def _calls(self, weights: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int8]:
        """Calls of samples with these donors, shape (n_rows, n_variants)."""
        alleles, transitions = self.clusters.alleles.numpy(), self.clusters.transitions.numpy()
        n_clusters = alleles.shape[1]
        n_haplotypes = 2 / (weights**2).sum(axis=1, keepdims=True)
        calls = np.empty((len(weights), len(self.tables.variants)), dtype=np.int8)
        path, share = np.zeros((len(weights), 2), dtype=np.int64), np.zeros((len(weights), n_clusters), dtype=np.float32)
        for block in range(self.layout.n_blocks):
            is_first = block == 0 or not self.layout.is_followed[block - 1]
            passed = self._passed(block, n_clusters)
            wanted = (n_haplotypes * (weights @ passed) + _PRIOR_HAPLOTYPES * passed.mean(axis=0)) / (n_haplotypes + _PRIOR_HAPLOTYPES)
            if is_first:
                chance = np.repeat(wanted[:, None], 2, axis=1)
            else:
                # What the tilt of the blocks before brings about by itself is not asked for a second time.
                tilt = wanted / np.maximum(share @ transitions[block], 1e-6)
                chance = transitions[block][path] * tilt[:, None]
            path, share = _drawn(chance, rng), wanted
            is_here = self.layout.is_variant[block]
            theta = alleles[block][:, is_here][path]
            calls[:, self.layout.variant_at[block][is_here]] = (rng.random(theta.shape, dtype=np.float32) < theta).sum(axis=1)
        return calls

    def _passed(self, block: int, n_clusters: int) -> NDArray[np.float32]:
        """Share of each training sample's two haplotypes in each cluster, shape (n_train, n_clusters)."""
        shares: NDArray[np.float32] = (self.pairs[block][:, :, None] == np.arange(n_clusters)).mean(axis=1, dtype=np.float32)
        return shares

    def save(self, folder: Path) -> None:
        """Write the tables, the layout, the clusters, what training samples pass, and their conditions."""
        self.tables.save(folder, {"settings": asdict(self.settings)})
        arrays = {
            "alleles": self.clusters.alleles.numpy(),
            "transitions": self.clusters.transitions.numpy(),
            "pairs": self.pairs,
            "encoded": self.encoded,
        }
        save_arrays(folder, {**self.layout.to_arrays(), **arrays})


def _drawn(chance: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """A column by weight along the last axis, shape (n_rows, 2)."""
    cumulative = chance.cumsum(axis=2)
    place = rng.random(chance.shape[:2], dtype=np.float32)[..., None] * cumulative[..., -1:]
    columns: NDArray[np.int64] = np.minimum((cumulative <= place).sum(axis=2), chance.shape[2] - 1)
    return columns
