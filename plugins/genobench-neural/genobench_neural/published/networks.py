"""The published dense models as networks that a sampler draws from, and how their shapes follow from a preset and the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

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
        calls = logits.argmax(dim=-1).byte() if self.output == "argmax" else drawn_genotypes(logits, generator)
        return in_one_block(calls)


class GanNetwork(GenotypeNetwork):
    """The generator of a published GAN or WGAN.

    Args:
        scalars: How many numbers of the encoded condition each column has; empty where the model knows no condition.
        generator: The arguments of `DenseGenerator`.
    """

    to_scalars: torch.Tensor

    def __init__(self, *, scalars: tuple[int, ...], generator: dict[str, Any]) -> None:
        super().__init__()
        self.generator = DenseGenerator(**{**generator, "widths": tuple(generator["widths"])})
        self.scalars = tuple(scalars)
        self.register_buffer("to_scalars", condition_scalars(self.scalars), persistent=False)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says, in one block."""
        z = torch.randn(len(condition), self.generator.n_noise, generator=generator, device=condition.device)
        return in_one_block(drawn_genotypes(self.generator(z, self.as_scalars(condition)), generator))

    def as_scalars(self, condition: torch.Tensor) -> torch.Tensor:
        """One number a column, shape (n_samples, n_columns), of an encoded condition."""
        return condition[:, : len(self.to_scalars)] @ self.to_scalars


def condition_scalars(widths: tuple[int, ...]) -> torch.Tensor:
    """The matrix that turns an encoded condition into one scalar a column, as published: values as they are, classes by their number.

    Args:
        widths: Numbers of the encoded condition that each column has: 1 for a value, its classes for a categorical one.

    Returns:
        Shape (sum of widths, n_columns).
    """
    matrix = torch.zeros(sum(widths), len(widths), device="cpu")
    place = 0
    for column, width in enumerate(widths):
        matrix[place : place + width, column] = torch.arange(width, device="cpu") if width > 1 else 1.0
        place += width
    return matrix


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


def gan_description(preset: PublishedGan, n_variants: int, scalars: tuple[int, ...]) -> dict[str, Any]:
    """The arguments of `GanNetwork`."""
    return {
        "scalars": list(scalars),
        "generator": {
            "n_noise": preset.n_noise,
            "widths": list(preset.generator_widths(n_variants)),
            "n_variants": n_variants,
            "is_last_conditioned": preset.is_last_conditioned,
            **_placement(preset, scalars),
        },
    }


def gan_critic(preset: PublishedGan, n_variants: int, scalars: tuple[int, ...]) -> DenseCritic:
    """The discriminator or critic of a published model."""
    return DenseCritic(widths=preset.critic_widths(n_variants), n_variants=n_variants, **_placement(preset, scalars))


def scalars_of(encoder: ConditionEncoder) -> tuple[int, ...]:
    """How many numbers of the encoded condition each column has."""
    return tuple(len(column.classes) or 1 for column in encoder.columns)


def in_one_block(calls: torch.Tensor) -> torch.Tensor:
    """Calls (n_samples, n_variants) in the shape that a sampler takes, (1, n_samples, n_variants rounded up to a multiple of four)."""
    return functional.pad(calls, (0, -calls.shape[1] % 4))[None]


def _placement(preset: PublishedGan, scalars: tuple[int, ...]) -> dict[str, int]:
    return {"n_columns": len(scalars), "n_before": preset.n_before, "n_after": preset.n_after}
