"""Clusters of known haplotypes, against data made of few haplotypes and sums over all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from genobench.statgen import BlockLayout, fit_gamete_clusters, gamete_clusters


def _layout(n_variants: int, block_size: int) -> BlockLayout:
    return BlockLayout.of_variants(pd.DataFrame({"chromosome": "1", "position_bp": range(1, n_variants + 1)}), block_size=block_size)


def test_fit_gamete_clusters__finds_the_haplotypes_that_gametes_are_copies_of() -> None:
    random = torch.Generator().manual_seed(4)
    two = torch.randint(2, (2, 6, 8), generator=random, dtype=torch.uint8)
    which = torch.arange(80) % 2
    clusters, tokens = fit_gamete_clusters(two[which].transpose(0, 1), _layout(48, 8), n_clusters=6, n_rounds=8, generator=random)
    assert clusters.alleles.shape == (6, 6, 8)
    # Within a block, a cluster holds gametes of one haplotype alone.
    for block in tokens:
        assert not set(block[which == 0].tolist()) & set(block[which == 1].tolist())


@pytest.mark.parametrize("at_once", [1 << 26, 1])
def test_fit_gamete_clusters__one_round_is_the_sum_over_all_paths(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three blocks, two clusters, 24 gametes: 8 paths each, weighed one by one."""
    monkeypatch.setattr(gamete_clusters, "probabilities_at_once", lambda _device: at_once)
    random = torch.Generator().manual_seed(6)
    x = torch.randint(2, (3, 24, 4), generator=random, dtype=torch.uint8)
    start, _ = fit_gamete_clusters(x, _layout(12, 4), n_clusters=2, n_rounds=0, generator=random.manual_seed(7))
    found, _ = fit_gamete_clusters(x, _layout(12, 4), n_clusters=2, n_rounds=1, generator=random.manual_seed(7))
    calls, theta, moves = x.double().numpy(), start.alleles.double().clamp(1e-5, 1 - 1e-5).numpy(), start.transitions.double().numpy()
    alt, total, moved = np.zeros((3, 2, 4)), np.zeros((3, 2, 1)), np.zeros((3, 2, 2))
    for gamete in range(24):
        own = calls[:, gamete]
        seen = np.prod(np.where(own[:, None] == 1, theta, 1 - theta), axis=2)
        paths = list(itertools.product(range(2), repeat=3))
        chances = np.array([moves[0, 0, a] * moves[1, a, b] * moves[2, b, c] * seen[0, a] * seen[1, b] * seen[2, c] for a, b, c in paths])
        for path, chance in zip(paths, chances / chances.sum(), strict=True):
            for block in range(3):
                alt[block, path[block]] += chance * own[block]
                total[block, path[block]] += chance
                moved[block, path[block - 1] if block else slice(None), path[block]] += chance
    # One haplotype of the population's frequencies, and one spread over all transitions.
    alleles = (alt + calls.mean(axis=1)[:, None]) / (total + 1)
    moved += 1 / 2
    np.testing.assert_allclose(found.alleles.numpy(), alleles, atol=1e-5)
    np.testing.assert_allclose(found.transitions.numpy(), moved / moved.sum(axis=2, keepdims=True), atol=1e-5)
