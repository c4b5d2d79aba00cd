"""What a fit begins with: packed samples on the device, their encoded conditions, genotype shares and the fit's random generator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from genobench import ConditionEncoder, GenobenchError
from genobench_neural.batches import PackedBatches
from genobench_neural.simplex import genotype_shares
from genobench_neural.training import checked_device

if TYPE_CHECKING:
    from genobench import FitContext, Genotypes
    from genobench.statgen import BlockLayout


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training samples as dense networks take them.

    Args:
        layout: A layout of one block.
        n_variants: Variants; places beyond are padding.
        encoder: Conditions as numbers.
        condition: Of the training samples, shape (n_samples, encoder.width).
        batches: The packed calls.
        shares: Share of each genotype, shape (n_places, 3).
        random: Draws everything in the fit.
    """

    layout: BlockLayout
    n_variants: int
    encoder: ConditionEncoder
    condition: torch.Tensor
    batches: PackedBatches
    shares: torch.Tensor
    random: torch.Generator

    @property
    def n_samples(self) -> int:
        """Training samples."""
        return self.batches.n_samples

    @property
    def device(self) -> torch.device:
        """Where all of it lies."""
        return self.batches.device

    @classmethod
    def of_genotypes(cls, train: Genotypes, context: FitContext, layout: BlockLayout) -> TrainingData:
        """Take training samples in a layout of one block.

        Raises:
            GenobenchError: If there are fewer than two samples, or no variant.
        """
        if train.n_samples < 2 or train.n_variants < 1:
            raise GenobenchError(
                f"A neural generator needs at least 2 samples and 1 variant; there are {train.n_samples} and {train.n_variants}."
            )
        device = checked_device(context.device)
        encoder = ConditionEncoder.of_samples(train.samples, context.trait)
        batches = PackedBatches.of_genotypes(train, layout, device)
        return cls(
            layout=layout,
            n_variants=train.n_variants,
            encoder=encoder,
            condition=torch.from_numpy(encoder.encode(train.samples)).to(device),
            batches=batches,
            shares=genotype_shares(batches),
            random=torch.Generator(device).manual_seed(context.seed),
        )

    def batch_size(self, wanted: int) -> int:
        """The batch: what is wanted, or all samples where there are fewer."""
        return min(wanted, self.n_samples)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Batches that show every sample about once."""
        return math.ceil(self.n_samples / batch_size)

    def validation(self, context: FitContext) -> tuple[PackedBatches, torch.Tensor] | None:
        """Validation samples and their conditions, on the device, None where there are none; a class not in training reads as missing."""
        if context.validation is None or context.validation.n_samples == 0:
            return None
        condition = torch.from_numpy(self.encoder.encode_known(context.validation.samples)).to(self.device)
        return PackedBatches.of_genotypes(context.validation, self.layout, self.device), condition
