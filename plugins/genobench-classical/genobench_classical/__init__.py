"""Classical and statistical generators of genotypes for genobench.

This module holds the hook alone and imports nothing heavy.
"""

from __future__ import annotations

from genobench import Offer, hookimpl

__all__ = ["genobench_generators"]


@hookimpl
def genobench_generators() -> list[Offer]:
    """The generators of this distribution."""
    return []
