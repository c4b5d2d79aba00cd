"""Haplotype clusters, against data made of few haplotypes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from genobench import Genotypes, PackedCalls
from genobench.statgen import BlockLayout, fit_haplotype_clusters
from genobench_neural.batches import PackedBatches


def test_fit_haplotype_clusters__finds_the_haplotypes_that_samples_are_made_of() -> None:
    """Unphased samples of three haplotypes over two blocks: each is a cluster, whatever its number."""
    random = np.random.default_rng(1)
    haplotypes = random.integers(0, 2, (3, 16)).astype(np.int8)
    pairs = random.integers(0, 3, (300, 2))
    calls = haplotypes[pairs[:, 0]] + haplotypes[pairs[:, 1]]
    variants = pd.DataFrame(
        {"chromosome": "1", "position_bp": np.arange(1, 17), "id": [f"v{k}" for k in range(16)], "ref": "A", "alt": "G"}
    )
    genotypes = Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": [f"s{k}" for k in range(300)]}), variants)
    layout = BlockLayout.of_variants(variants, block_size=8)
    batches = PackedBatches.of_genotypes(genotypes, layout, torch.device("cpu"))
    clusters = fit_haplotype_clusters(batches, layout, n_clusters=6, n_rounds=40, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(clusters.transitions.sum(dim=-1), torch.ones(2, 6), atol=1e-5)
    for block in range(2):
        wanted = torch.from_numpy(haplotypes[:, 8 * block : 8 * block + 8]).float()
        nearest = torch.cdist(wanted, clusters.alleles[block], p=float("inf")).amin(dim=1)
        assert (nearest < 0.1).all()
