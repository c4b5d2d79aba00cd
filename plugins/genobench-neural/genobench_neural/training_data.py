"""What a fit begins with: packed samples on the device, their encoded conditions and the fit's random generator; and what it ends with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from genobench import SamplerTables
from genobench.statgen import genotype_counts
from genobench_neural.batches import PackedBatches, RowOrder
from genobench_neural.optimising import checked_device
from genobench_neural.ranks import ONE, Ranks, ranks_of
from genobench_neural.sampling import trained_sampler

if TYPE_CHECKING:
    from genobench import ConditionEncoder, FitContext, Genotypes
    from genobench.statgen import BlockLayout
    from genobench_neural.sampling import GenotypeNetwork, NetworkSampler


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training samples as networks take them.

    Args:
        genotypes: The training samples as they came.
        layout: Where each variant lies in a batch.
        tables: What the sampler will need beside its network.
        condition: Of the training samples, shape (n_samples, encoder.width).
        batches: The packed calls, in the places of the layout.
        random: Draws everything in the fit.
        ranks: The processes that share the fit.
    """

    genotypes: Genotypes
    layout: BlockLayout
    tables: SamplerTables
    condition: torch.Tensor
    batches: PackedBatches
    random: torch.Generator
    ranks: Ranks = ONE

    @property
    def encoder(self) -> ConditionEncoder:
        """Conditions as numbers."""
        return self.tables.encoder

    @property
    def n_samples(self) -> int:
        """Training samples."""
        return self.batches.n_samples

    @property
    def n_variants(self) -> int:
        """Variants; the places of the layout beyond them are padding."""
        return self.genotypes.n_variants

    @property
    def device(self) -> torch.device:
        """Where all of it lies."""
        return self.batches.device

    @cached_property
    def counts(self) -> torch.Tensor:
        """Calls of each genotype, shape (n_places, 3) over all blocks; padding has none."""
        placed = self.layout.placed(genotype_counts(self.genotypes.calls), 0).reshape(3, -1)
        return torch.from_numpy(placed.T.copy()).to(self.device)

    @cached_property
    def shares(self) -> torch.Tensor:
        """Share of each genotype among the calls, shape (n_places, 3) over all blocks; padding and all-missing variants read 1, 0, 0."""
        counts = self.counts.float()
        total = counts.sum(dim=1, keepdim=True)
        return torch.where(total > 0, counts / total.clamp(min=1.0), torch.tensor([1.0, 0.0, 0.0], device=self.device))

    @property
    def block_shares(self) -> torch.Tensor:
        """`shares` block by block, shape (n_blocks, block_size, 3)."""
        return self.shares.view(*self.layout.variant_at.shape, 3)

    @classmethod
    def of_genotypes(cls, train: Genotypes, context: FitContext, layout: BlockLayout) -> TrainingData:
        """Take training samples in a layout.

        Raises:
            GenobenchError: If there are fewer than two samples, or no variant.
        """
        device = checked_device(context.device)
        tables = SamplerTables.of_training(train, context.trait)
        return cls(
            genotypes=train,
            layout=layout,
            tables=tables,
            condition=torch.from_numpy(tables.encoder.encode(train.samples)).to(device),
            batches=PackedBatches.of_genotypes(train, layout, device),
            random=torch.Generator(device).manual_seed(context.seed),
            ranks=ranks_of(context),
        )

    def batch_size(self, wanted: int) -> int:
        """The batch: what is wanted, or all samples where there are fewer."""
        return min(wanted, self.n_samples)

    def row_order(self, batch_size: int) -> RowOrder:
        """Endless batches of positions of these samples, or this process's share of each."""
        return RowOrder(self.n_samples, batch_size, self.random, self.ranks)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Batches that show every sample about once."""
        return math.ceil(self.n_samples / batch_size)

    def steps_within(self, *, training_calls: float, max_epochs: int, samples_per_step: int) -> int:
        """Updates: as many as both bounds allow, the same for the same settings and data (never the clock).

        Args:
            training_calls: The most calls that training sees.
            max_epochs: The most often that a sample is seen.
            samples_per_step: Samples that an update sees, over all its batches.
        """
        return math.ceil(min(training_calls / self.n_variants, max_epochs * self.n_samples) / samples_per_step)

    def validation(self, context: FitContext) -> tuple[PackedBatches, torch.Tensor] | None:
        """Validation samples and their conditions, on the device, None where there are none; a class not in training reads as missing."""
        if context.validation is None or context.validation.n_samples == 0:
            return None
        condition = torch.from_numpy(self.encoder.encode_known(context.validation.samples)).to(self.device)
        return PackedBatches.of_genotypes(context.validation, self.layout, self.device), condition

    def sampler(self, network: GenotypeNetwork, description: dict[str, Any]) -> NetworkSampler:
        """The sampler of a network that was trained on this.

        Args:
            network: Trained; it is moved to the CPU, and trains no more.
            description: What a loader needs to build it anew: plain values.
        """
        return trained_sampler(network, description, layout=self.layout, tables=self.tables)
