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
            name="wgan",
            target="genobench_neural.wgan:Wgan",
            summary="Conditional WGAN-GP with Gumbel-softmax genotypes, started from a factor model of the training samples.",
        ),
    ]
