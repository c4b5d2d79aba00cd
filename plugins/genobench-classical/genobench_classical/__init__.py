"""Classical and statistical generators of genotypes for genobench.

This module holds the hook alone and imports nothing heavy.
"""

from __future__ import annotations

from genobench import Offer, hookimpl

__all__ = ["genobench_generators"]


@hookimpl
def genobench_generators() -> list[Offer]:
    """The generators of this distribution."""
    return [
        Offer("mosaic", "genobench_classical.mosaic:Mosaic", "segments of phased training haplotypes, copied as Li and Stephens have it"),
        Offer("hmm", "genobench_classical.hmm:HaplotypeHmm", "paths through haplotype clusters, a hidden Markov model as in fastPHASE"),
        Offer("gene-drop", "genobench_classical.gene_drop:GeneDrop", "descendants of training samples, mated for some generations"),
        Offer("offspring", "genobench_classical.gene_drop:Offspring", "control: children of training samples, not private at all"),
        Offer("copula", "genobench_classical.copula:Copula", "normal variables cut at thresholds: factors and blocks along chromosomes"),
        Offer("markov", "genobench_classical.markov:Markov", "chains of genotypes along chromosomes, of the order that the data choose"),
    ]
