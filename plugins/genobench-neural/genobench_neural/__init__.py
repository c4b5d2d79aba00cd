"""Neural generators of genotypes for genobench.

This module holds the hook alone and imports nothing heavy: torch comes with the class that is asked for.
"""

from __future__ import annotations

from genobench import Offer, hookimpl

__all__ = ["genobench_generators"]


@hookimpl
def genobench_generators() -> list[Offer]:
    """The generators of this distribution."""
    return [
        Offer(
            name="vae",
            target="genobench_neural.vae:Vae",
            summary="Variational autoencoder whose decoder sees each variant's neighbours; the published ones as presets.",
        ),
        Offer(
            name="gan",
            target="genobench_neural.gan:Gan",
            summary="GAN with Gumbel-softmax genotypes, begun with haplotype clusters and families; the published ones as presets.",
        ),
        Offer(
            name="wgan",
            target="genobench_neural.wgan:Wgan",
            summary="Conditional WGAN-GP with Gumbel-softmax genotypes, started from a factor model of the training samples.",
        ),
    ]
