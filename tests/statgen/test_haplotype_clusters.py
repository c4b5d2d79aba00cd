"""Haplotype clusters, against data made of few haplotypes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import Genotypes, PackedCalls
from genobench.statgen import BlockedCallMatrix, BlockLayout, HaplotypeClusters, fit_haplotype_clusters, unphased_clusters
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


def _example() -> tuple[BlockedCallMatrix, BlockLayout]:
    """50 samples of one chromosome of two blocks, mosaics of four haplotypes, with missing calls."""
    random = np.random.default_rng(5)
    haplotypes = random.integers(0, 2, (4, 16)).astype(np.int8)
    pairs = random.integers(0, 4, (50, 2))
    calls = (haplotypes[pairs[:, 0]] + haplotypes[pairs[:, 1]]).astype(np.int8)
    calls[random.random(calls.shape) < 0.1] = -1
    layout = BlockLayout.of_variants(pd.DataFrame({"chromosome": "1", "position_bp": np.arange(1, 17)}), block_size=8)
    return BlockedCallMatrix(PackedCalls.from_calls(calls), layout), layout


def _drawn_clusters(n_blocks: int, n_clusters: int, n_variants: int) -> HaplotypeClusters:
    random = torch.Generator().manual_seed(2)
    transitions = torch.rand(n_blocks, n_clusters, n_clusters, generator=random)
    transitions[0] = transitions[0, 0]
    alleles = torch.rand(n_blocks, n_clusters, n_variants, generator=random)
    return HaplotypeClusters(alleles=alleles, transitions=transitions / transitions.sum(dim=-1, keepdim=True))


def test_occupancy__is_that_of_the_chain_and_begins_anew_with_a_chromosome() -> None:
    """By hand: 1/4 and 3/4; then .8 of the quarter and .4 of the rest, one half; another chromosome begins with its own .9 and .1."""
    transitions = torch.tensor([[[0.25, 0.75]] * 2, [[0.8, 0.2], [0.4, 0.6]], [[0.9, 0.1]] * 2])
    occupancy = HaplotypeClusters(alleles=torch.zeros(3, 2, 4), transitions=transitions).occupancy()
    assert torch.allclose(occupancy, torch.tensor([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]]))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0, 4.0])
def test_sharpened__two_clusters_in_closed_form(factor: float) -> None:
    """The shift solves a quadratic equation.

    With odds a and b to the power of the factor, shares v and w and x = exp(shift), v a x / (1 + a x) + w b x / (1 + b x) = t is
    a b (1 - t) x^2 + (v a + w b - t (a + b)) x - t = 0.
    """
    first, second, share = 0.04, 0.3, 0.7
    transitions = torch.tensor([[[share, 1 - share]] * 2])
    alleles = torch.tensor([[[first] * 4, [second] * 4]])
    sharp = HaplotypeClusters(alleles=alleles, transitions=transitions).sharpened(factor).alleles[0, :, 0].tolist()
    a, b = ((p / (1 - p)) ** factor for p in (first, second))
    t = share * first + (1 - share) * second
    x = np.roots([a * b * (1 - t), share * a + (1 - share) * b - t * (a + b), -t]).max()
    assert sharp == pytest.approx([a * x / (1 + a * x), b * x / (1 + b * x)], rel=1e-5)


def test_sharpened__clusters_that_do_not_differ_keep_their_frequency() -> None:
    clusters = HaplotypeClusters(alleles=torch.full((1, 5, 4), 0.05), transitions=torch.full((1, 5, 5), 0.2))
    assert torch.allclose(clusters.sharpened(4).alleles, clusters.alleles, rtol=1e-5)


def test_sharpened__frequencies_stay_and_alleles_part() -> None:
    clusters = _drawn_clusters(6, 8, 12)
    sharp = clusters.sharpened(4)
    occupancy = clusters.occupancy()[:, :, None]
    assert torch.allclose((occupancy * sharp.alleles).sum(dim=1), (occupancy * clusters.alleles).sum(dim=1), atol=1e-6)
    before, after = ((occupancy * c.alleles * (1 - c.alleles)).sum(dim=1) for c in (clusters, sharp))
    assert (after < before).all()
    swapped = HaplotypeClusters(alleles=1 - clusters.alleles, transitions=clusters.transitions).sharpened(4)
    assert torch.allclose(swapped.alleles, 1 - sharp.alleles, atol=1e-6)


def test_sharpened__frequencies_asked_for_are_had_even_those_of_constant_variants() -> None:
    clusters = _drawn_clusters(2, 3, 4)
    wanted = torch.tensor([[0.0, 0.001, 0.5, 1.0], [0.2, 0.2, 0.8, 0.99]])
    sharp = clusters.sharpened(2, alt_frequency=wanted)
    assert torch.allclose((clusters.occupancy()[:, :, None] * sharp.alleles).sum(dim=1), wanted, atol=1e-6)
    fixed = HaplotypeClusters(alleles=torch.zeros(1, 3, 4), transitions=torch.full((1, 3, 3), 1 / 3)).sharpened(4)
    assert fixed.alleles.max() < 1e-9


def test_fit_haplotype_clusters__samples_in_chunks_give_the_same_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expected counts add up over samples; only the order of sums differs, by single precision's rounding in each of three rounds."""
    calls, layout = _example()
    whole: list[torch.Tensor] = []
    chunked: list[torch.Tensor] = []
    for found, at_once in ((whole, 1 << 26), (chunked, 1)):
        monkeypatch.setattr(unphased_clusters, "probabilities_at_once", lambda _device, n=at_once: n)
        random = torch.Generator().manual_seed(3)
        clusters = fit_haplotype_clusters(calls, layout, n_clusters=4, n_rounds=3, generator=random)
        found += [clusters.alleles, clusters.transitions]
    for one, other in zip(whole, chunked, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


def test_fit_haplotype_clusters__each_cluster_has_a_dozen_haplotypes() -> None:
    calls, layout = _example()
    clusters = fit_haplotype_clusters(calls, layout, n_clusters=20, n_rounds=1, generator=torch.Generator().manual_seed(1))
    assert clusters.alleles.shape[1] == 2 * 50 // 12
