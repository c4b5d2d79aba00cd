"""The published dense models as networks that a sampler draws from, and how their shapes follow from a preset and the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from genobench_neural.finite import check_drawn_by
from genobench_neural.published.conditions import condition_scalars
from genobench_neural.published.dense import DenseCritic, DenseDecoder, DenseEncoder, DenseGenerator
from genobench_neural.sampling import GenotypeNetwork
from genobench_neural.simplex import drawn_genotypes

if TYPE_CHECKING:
    from genobench import ConditionEncoder
    from genobench_neural.published.presets import PublishedGan, PublishedVae


class VaeNetwork(GenotypeNetwork):
    """The decoder of a published autoencoder.

    Args:
        n_variants: Variants.
        widths: Of the decoder.
        n_latent: Numbers of z.
        n_condition: Numbers of condition, 0 as published.
        output: "argmax" or "draw".
    """

    def __init__(self, *, n_variants: int, widths: tuple[int, ...], n_latent: int, n_condition: int, output: str) -> None:
        super().__init__()
        self.n_variants, self.n_latent, self.n_condition, self.output = n_variants, n_latent, n_condition, output
        self.decoder = DenseDecoder(widths=tuple(widths), n_latent=n_latent, n_variants=n_variants, n_condition=n_condition)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says, in one block."""
        z = torch.randn(len(condition), self.n_latent, generator=generator, device=condition.device)
        logits = self.decoder(z, condition[:, : self.n_condition])
        check_drawn_by(logits)
        calls = logits.argmax(dim=-1).byte() if self.output == "argmax" else drawn_genotypes(logits, generator)
        return in_one_block(calls)


class GanNetwork(GenotypeNetwork):
    """The generator of a published GAN or WGAN.

    Args:
        n_condition: Numbers of an encoded condition; 0 where the model knows none.
        n_columns: Its columns, of which each is one scalar.
        generator: The arguments of `DenseGenerator`.
    """

    to_scalars: torch.Tensor
    scalar_offset: torch.Tensor

    def __init__(self, *, n_condition: int, n_columns: int, generator: dict[str, Any]) -> None:
        super().__init__()
        self.generator = DenseGenerator(n_columns=n_columns, **{**generator, "widths": tuple(generator["widths"])})
        self.register_buffer("to_scalars", torch.zeros(n_condition, n_columns, device="cpu"))
        self.register_buffer("scalar_offset", torch.zeros(n_columns, device="cpu"))

    def take(self, encoder: ConditionEncoder) -> None:
        """Take how a condition is encoded."""
        if self.to_scalars.numel():
            matrix, offset = condition_scalars(encoder)
            self.to_scalars.copy_(matrix)
            self.scalar_offset.copy_(offset)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says, in one block."""
        z = torch.randn(len(condition), self.generator.n_noise, generator=generator, device=condition.device)
        return in_one_block(drawn_genotypes(self.generator(z, self.as_scalars(condition)), generator))

    def as_scalars(self, condition: torch.Tensor) -> torch.Tensor:
        """One raw number a column, shape (n_samples, n_columns), of an encoded condition."""
        return condition[:, : len(self.to_scalars)] @ self.to_scalars + self.scalar_offset


def vae_description(preset: PublishedVae, n_variants: int, n_condition: int) -> dict[str, Any]:
    """The arguments of `VaeNetwork`."""
    return {
        "n_variants": n_variants,
        "widths": list(preset.decoder),
        "n_latent": preset.n_latent,
        "n_condition": n_condition,
        "output": preset.output,
    }


def vae_encoder(preset: PublishedVae, n_variants: int, n_condition: int) -> DenseEncoder:
    """The encoder of a published autoencoder."""
    return DenseEncoder(widths=preset.encoder, n_latent=preset.n_latent, n_variants=n_variants, n_condition=n_condition)


def gan_description(preset: PublishedGan, n_variants: int, *, n_condition: int, n_columns: int) -> dict[str, Any]:
    """The arguments of `GanNetwork`."""
    return {
        "n_condition": n_condition,
        "n_columns": n_columns,
        "generator": {
            "n_noise": preset.n_noise,
            "widths": list(preset.generator_widths(n_variants)),
            "n_variants": n_variants,
            "is_last_conditioned": preset.is_last_conditioned,
            "n_before": preset.n_before,
            "n_after": preset.n_after,
        },
    }


def gan_critic(preset: PublishedGan, n_variants: int, *, n_columns: int) -> DenseCritic:
    """The discriminator or critic of a published model."""
    widths = preset.critic_widths(n_variants)
    return DenseCritic(widths=widths, n_variants=n_variants, n_columns=n_columns, n_before=preset.n_before, n_after=preset.n_after)


def in_one_block(calls: torch.Tensor) -> torch.Tensor:
    """Calls (n_samples, n_variants) in the shape that a sampler takes, (1, n_samples, n_variants rounded up to a multiple of four)."""
    return functional.pad(calls, (0, -calls.shape[1] % 4))[None]
