"""A hidden Markov model of haplotype clusters, as in fastPHASE."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from genobench import FitContext, Generator, Genotypes, Sampler, SettingsError, Trial
from genobench.statgen import BlockedCallMatrix, BlockLayout, HaplotypeClusters, cluster_pairs, fit_haplotype_clusters
from genobench_classical.conditioning import Frame
from genobench_classical.donors import Donors
from genobench_classical.haplotype_copies import packed_in_chunks

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

_MOST_CLUSTERS: Final = 64
_PRIOR_HAPLOTYPES: Final = 5.0
"""The occupancy of all training samples counts as so many haplotypes beside those of the donors."""


@dataclass(frozen=True)
class HaplotypeHmm(Generator):
    """Haplotypes from a hidden Markov model of common haplotypes (fastPHASE: Scheet and Stephens 2006, doi:10.1086/502802).

    Expectation-maximisation learns clusters of haplotypes from the unphased calls: the alleles of each cluster in each block of variants
    and the transitions between blocks. A synthetic haplotype is a path through the clusters, with each allele drawn by its frequency in
    the cluster. No haplotype of a training sample is kept.

    The condition: training samples are weighted by a kernel of their trait around the one asked for and by their classes, as in
    `mosaic`, and the transitions into each block are tilted so that the clusters have the shares that they have in the weighted
    samples. Each block then brings its part of their expected genetic value. For this the saved sampler keeps the clusters that each
    training sample passes, and its condition: give away samples, not the sampler.

    Args:
        n_clusters: Clusters in each block, 2 to 64; more fit longer haplotypes. 20 is what fastPHASE's authors took as ample.
        n_rounds: Rounds of expectation-maximisation.
        block_variants: Variants in a block; a haplotype changes its cluster only between blocks.
        kernel_width: Standard deviation of the kernel in the trait (and quantitative covariates), in standard deviations of the column.
    """

    n_clusters: int = 20
    n_rounds: int = 12
    block_variants: int = 12
    kernel_width: float = 0.3

    def __post_init__(self) -> None:
        if not 2 <= self.n_clusters <= _MOST_CLUSTERS:
            raise SettingsError(f"hmm: n_clusters is {self.n_clusters}; it must be from 2 to {_MOST_CLUSTERS}.")
        if self.n_rounds < 1:
            raise SettingsError(f"hmm: n_rounds is {self.n_rounds}; it must be at least 1.")
        if self.block_variants < 1:
            raise SettingsError(f"hmm: block_variants is {self.block_variants}; it must be at least 1.")
        if self.kernel_width <= 0:
            raise SettingsError(f"hmm: kernel_width is {self.kernel_width}; it must be more than 0.")

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
        frame = Frame.of_training(train, context.trait)
        layout = BlockLayout.of_variants(train.variants, block_size=self.block_variants)
        calls = BlockedCallMatrix(train.calls, layout)
        generator = torch.Generator().manual_seed(context.seed)
        clusters = fit_haplotype_clusters(calls, layout, n_clusters=self.n_clusters, n_rounds=self.n_rounds, generator=generator)
        pairs = cluster_pairs(calls, layout, clusters, generator=generator)
        return HmmSampler(
            settings=self, frame=frame, layout=layout, clusters=clusters, pairs=pairs, encoded=frame.encoder.encode(train.samples)
        )

    @classmethod
    def load(cls, folder: Path) -> HmmSampler:
        """The sampler that `HmmSampler.save` wrote."""
        frame, description = Frame.load(folder)
        tensors = load_file(folder / "clusters.safetensors")
        return HmmSampler(
            settings=cls(**description["settings"]),
            frame=frame,
            layout=BlockLayout(variant_at=tensors["variant_at"].numpy(), is_followed=tensors["is_followed"].numpy()),
            clusters=HaplotypeClusters(alleles=tensors["alleles"], transitions=tensors["transitions"]),
            pairs=tensors["pairs"].numpy(),
            encoded=tensors["encoded"].numpy(),
        )


@dataclass(frozen=True, eq=False)
class HmmSampler(Sampler):
    """Draws paths through the clusters.

    Args:
        settings: Those of the fit.
        frame: Conditions and variants.
        layout: Blocks of variants.
        clusters: Alleles and transitions.
        pairs: Clusters of the training samples, shape (n_blocks, n_train, 2).
        encoded: Training conditions, shape (n_train, width).
    """

    settings: HaplotypeHmm
    frame: Frame
    layout: BlockLayout
    clusters: HaplotypeClusters
    pairs: NDArray[np.uint8]
    encoded: NDArray[np.float32]

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Pairs of paths; without a condition, conditions are drawn from the distribution kept from training.

        Raises:
            GenobenchError: If the condition's length is not n_samples, or it asks for what training did not have.
        """
        table = self.frame.table(n_samples, condition, seed=seed)
        asked = self.frame.encoder.encode(table)
        rng = np.random.default_rng([seed, 2])
        donors = Donors(self.frame.encoder, self.encoded, kernel_width=self.settings.kernel_width)

        def drawn(rows: slice) -> NDArray[np.int8]:
            return self._calls(donors.weights(asked[rows]), rng)

        return self.frame.genotypes(packed_in_chunks(n_samples, len(self.frame.variants), drawn), table)

    def _calls(self, weights: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
        """Calls of samples with these donors, shape (n_rows, n_variants)."""
        alleles, transitions = self.clusters.alleles.numpy(), self.clusters.transitions.numpy().astype(np.float64)
        n_clusters = alleles.shape[1]
        n_donors = 1 / (weights**2).sum(axis=1, keepdims=True)
        calls = np.empty((len(weights), len(self.frame.variants)), dtype=np.int8)
        path, share = np.zeros((len(weights), 2), dtype=np.int64), np.zeros((len(weights), n_clusters))
        for block in range(self.layout.n_blocks):
            is_first = block == 0 or not self.layout.is_followed[block - 1]
            passed = self._passed(block, n_clusters)
            wanted = (2 * n_donors * (weights @ passed) + _PRIOR_HAPLOTYPES * passed.mean(axis=0)) / (2 * n_donors + _PRIOR_HAPLOTYPES)
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

    def _passed(self, block: int, n_clusters: int) -> NDArray[np.float64]:
        """Share of each training sample's two haplotypes in each cluster, shape (n_train, n_clusters)."""
        shares: NDArray[np.float64] = (self.pairs[block][:, :, None] == np.arange(n_clusters)).mean(axis=1)
        return shares

    def save(self, folder: Path) -> None:
        """Write the frame and `clusters.safetensors`."""
        self.frame.save(folder, settings=asdict(self.settings))
        tensors = {
            "alleles": self.clusters.alleles,
            "transitions": self.clusters.transitions,
            "variant_at": torch.from_numpy(self.layout.variant_at),
            "is_followed": torch.from_numpy(self.layout.is_followed),
            "pairs": torch.from_numpy(self.pairs),
            "encoded": torch.from_numpy(self.encoded),
        }
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "clusters.safetensors")


def _drawn(chance: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A column by weight along the last axis, shape (n_rows, 2)."""
    cumulative = chance.cumsum(axis=2)
    place = rng.random(chance.shape[:2])[..., None] * cumulative[..., -1:]
    columns: NDArray[np.int64] = np.minimum((cumulative <= place).sum(axis=2), chance.shape[2] - 1)
    return columns
