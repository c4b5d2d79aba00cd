"""Autoregression over haplotype blocks: inferred parents against simulated ones, the chain it begins as, and the rules of generators."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import FitContext, Genotypes, PackedCalls, SettingsError, Trait
from genobench.statgen import BlockLayout, HaplotypeClusters
from genobench.testing import EXAMPLE_TRAITS, GeneratorSuite, example_genotypes
from genobench_neural.batches import PackedBatches
from genobench_neural.lineages.autoregression import GameteNetwork
from genobench_neural.lineages.gametes import fit_gamete_clusters
from genobench_neural.lineages.parents import Matings, block_size_within, infer_parents, recombination
from genobench_neural.lineages.progeny import trait_effects
from genobench_neural.virtual_progeny import VirtualProgeny

if TYPE_CHECKING:
    from pathlib import Path

QUICK: dict[str, Any] = {
    "n_clusters": 4,
    "n_cluster_rounds": 2,
    "n_parent_rounds": 3,
    "training_blocks": 2000,
    "batch_size": 16,
    "n_hidden": 4,
}
TRAIT = Trait(column="weight", kind="quantitative")
N_VARIANTS = 240


class TestVirtualProgeny(GeneratorSuite):
    plugin = VirtualProgeny
    settings = QUICK


def families(*, n_families: int, n_offspring: int, has_one_dam: bool, seed: int) -> tuple[Genotypes, np.ndarray]:
    """Offspring of sires with random haplotypes, with a dam each or one for the family; and the sires' haplotypes.

    Two chromosomes of one Morgan.
    """
    random = np.random.default_rng(seed)
    sires, dams = random.integers(0, 2, (2, n_families, 2, N_VARIANTS), dtype=np.int8)
    half = N_VARIANTS // 2
    fractions = np.full(N_VARIANTS, 0.5 * (1 - np.exp(-2 / half)))
    fractions[[0, half]] = 0.5
    rows = []
    for family in range(n_families):
        for _ in range(n_offspring):
            dam = dams[family] if has_one_dam else random.integers(0, 2, (2, N_VARIANTS), dtype=np.int8)
            walks = (random.random((2, N_VARIANTS)) < fractions).cumsum(axis=1) % 2
            rows.append(sum(np.where(walk == 0, parent[0], parent[1]) for walk, parent in zip(walks, (sires[family], dam), strict=True)))
    number = np.repeat(np.arange(n_families), n_offspring)
    n_samples = len(number)
    samples = pd.DataFrame(
        {"id": [f"s{k}" for k in range(n_samples)], "sire": [f"S{k}" for k in number], "weight": random.normal(size=n_samples)}
    )
    samples["dam"] = [f"D{k}" for k in number] if has_one_dam else [f"D{k}" for k in range(n_samples)]
    variants = pd.DataFrame(
        {
            "chromosome": np.repeat(["1", "2"], half),
            "position_bp": np.tile(np.arange(half) * 100_000_000 // half + 1, 2),
            "id": [f"v{k}" for k in range(N_VARIANTS)],
            "ref": "A",
            "alt": "G",
        }
    )
    return Genotypes(PackedCalls.from_calls(np.array(rows, dtype=np.int8)), samples, variants), sires


@pytest.mark.parametrize("has_one_dam", [False, True])
def test_infer_parents__finds_the_haplotypes_of_sires(*, has_one_dam: bool) -> None:
    """Each inferred haplotype follows one true haplotype of the sire (or, where sire and dam are told apart by nothing, of either)."""
    train, sires = families(n_families=4, n_offspring=16, has_one_dam=has_one_dam, seed=5)
    layout = BlockLayout.of_variants(train.variants, block_size=4)
    batches = PackedBatches.of_genotypes(train, layout, torch.device("cpu"))
    matings = Matings.of_samples(train.samples, TRAIT, min_offspring=4)
    assert matings.n_parents == (8 if has_one_dam else 4)
    inferred = infer_parents(
        batches,
        layout,
        recombination(train.variants, layout),
        matings,
        rows=torch.arange(train.n_samples),
        n_rounds=20,
        prior=1.0,
        generator=torch.Generator().manual_seed(1),
    )
    gametes = inferred.gametes.numpy()
    calls = gametes[:, 0] + gametes[:, 1]
    assert (calls.transpose(1, 0, 2).reshape(train.n_samples, -1)[:, layout.place_of] == train.to_array()).all()
    if has_one_dam:
        return
    found = inferred.haplotypes.numpy().transpose(1, 2, 0, 3).reshape(4, 2, -1)[:, :, layout.place_of]
    for family, truth in zip(found, sires, strict=True):
        for part in (slice(0, N_VARIANTS // 2), slice(N_VARIANTS // 2, None)):
            agreement = (family[:, None, part] == truth[None, :, part]).mean(axis=2)
            assert max(agreement[0, 0] + agreement[1, 1], agreement[0, 1] + agreement[1, 0]) / 2 > 0.95


def test_matings__leave_out_parents_of_few() -> None:
    samples = pd.DataFrame({"sire": ["a", "a", "a", "b"], "dam": ["x", "y", "z", "z"], "weight": 0.0})
    matings = Matings.of_samples(samples, TRAIT, min_offspring=2)
    assert matings.n_parents == 2
    assert matings.sires.tolist() == [0, 0, 0, 2]
    assert matings.dams.tolist() == [2, 2, 1, 1]


def test_recombination__follows_haldane() -> None:
    variants = pd.DataFrame({"chromosome": "1", "position_bp": 1, "position_cm": np.repeat([0.0, 20.0], 4)})
    fractions = recombination(variants, BlockLayout.of_variants(variants, block_size=4))
    np.testing.assert_allclose(fractions.numpy(), [0.5, (1 - np.exp(-0.4)) / 2], rtol=1e-5)


def test_recombination__a_chromosome_without_a_map_goes_by_base_pairs() -> None:
    """As a PLINK file has it whose second chromosome has 0 cM throughout: blocks 100 Mb apart are a Morgan apart."""
    positions = [1, 2, 100_000_001, 100_000_002]
    variants = pd.DataFrame(
        {"chromosome": ["1"] * 4 + ["2"] * 4, "position_bp": positions * 2, "position_cm": [0.0, 0.0, 20.0, 20.0] + [0.0] * 4}
    )
    fractions = recombination(variants, BlockLayout.of_variants(variants, block_size=2)).reshape(2, -1)[:, 1:]
    np.testing.assert_allclose(fractions[:, 0], [(1 - np.exp(-2 * d)) / 2 for d in (0.2, 1.0)], rtol=1e-5)


@pytest.mark.parametrize(("span_cm", "size"), [(10.0, 16), (100.0, 8), (1000.0, 4), (0.0, 8)])
def test_block_size__follows_the_map(span_cm: float, size: int) -> None:
    variants = pd.DataFrame({"chromosome": "1", "position_bp": 1, "position_cm": np.linspace(0, span_cm, 400)})
    assert block_size_within(variants, most_variants=16, most_cm=2.0) == size


def test_gamete_network__begins_as_the_chain() -> None:
    random = torch.Generator().manual_seed(3)
    transitions = torch.rand(5, 3, 3, generator=random) + 0.1
    transitions[0] = transitions[0, 0]
    transitions /= transitions.sum(dim=-1, keepdim=True)
    network = GameteNetwork(n_blocks=5, n_clusters=3, n_condition=2, n_embedding=2, n_hidden=4, generator=random)
    network.begin_with(HaplotypeClusters(alleles=torch.rand(5, 3, 4, generator=random), transitions=transitions))
    tokens = torch.randint(3, (5, 7), generator=random)
    expected = -torch.stack([transitions[b, tokens[b - 1] if b else 0, tokens[b]].log() for b in range(5)]).mean(dim=0)
    condition = torch.randn(7, 2, generator=random)
    assert torch.allclose(network.losses(tokens, condition), expected, atol=1e-5)
    drawn = network.draw(torch.zeros(4000, 2), random)
    usual = transitions[0, 0]
    for block in range(5):
        usual = usual @ transitions[block] if block else usual
        share = torch.bincount(drawn[block], minlength=3) / 4000
        # Four standard errors of a share of 4,000.
        assert (share - usual).abs().max() < 4 * (0.25 / 4000) ** 0.5


def test_fit_gamete_clusters__tells_two_haplotypes_apart() -> None:
    random = torch.Generator().manual_seed(4)
    two = torch.randint(2, (2, 6, 8), generator=random, dtype=torch.uint8)
    which = torch.arange(40) % 2
    variants = pd.DataFrame({"chromosome": "1", "position_bp": range(1, 49)})
    layout = BlockLayout.of_variants(variants, block_size=8)
    _, tokens = fit_gamete_clusters(two[which].transpose(0, 1), layout, n_clusters=6, n_rounds=8, generator=random)
    # Within a block, a cluster holds gametes of one haplotype alone.
    for block in tokens:
        assert not set(block[which == 0].tolist()) & set(block[which == 1].tolist())


def test_trait_effects__are_those_of_ridge_regression() -> None:
    """In the primal form, by numpy: (X'X / s + k I)^-1 X'y / s has the same predictions as the dual."""
    train = example_genotypes(n_samples=30)
    layout = BlockLayout.of_variants(train.variants, block_size=8)
    batches = PackedBatches.of_genotypes(train, layout, torch.device("cpu"))
    y = torch.randn(30, 1, generator=torch.Generator().manual_seed(5))
    by_place, centre = trait_effects(batches, y, torch.arange(30), heritability=0.25)
    effects = by_place.reshape(-1)[torch.from_numpy(layout.place_of)]
    calls = train.to_array().astype(float)
    masked = np.ma.masked_less(calls, 0)
    x = (masked - masked.mean(axis=0)).filled(0.0)
    scale = np.mean((x**2).sum(axis=1))
    expected = np.linalg.solve(x.T @ x / scale + 3 * np.eye(x.shape[1]), x.T @ y.numpy()[:, 0] / scale)
    np.testing.assert_allclose(effects.numpy(), expected, rtol=1e-2, atol=1e-5)
    np.testing.assert_allclose(centre.numpy(), [masked.mean(axis=0).filled(0.0) @ effects.numpy()], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n_variants", [1, 6])
def test_fit__takes_few_and_constant_variants(n_variants: int, tmp_path: Path) -> None:
    train = example_genotypes(n_samples=12).take_variants(np.arange(n_variants))
    calls = train.to_array().copy()
    calls[:, -1] = 0
    train = Genotypes(PackedCalls.from_calls(calls), train.samples, train.variants)
    context = FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=tmp_path)
    synthetic = VirtualProgeny(**QUICK).fit(train, context).generate(9, seed=2)
    assert synthetic.calls.shape == (9, n_variants)
    assert (synthetic.to_array()[:, -1] == 0).all()


def test_generate__gives_families_back(tmp_path: Path) -> None:
    """Offspring of inferred sires are related to one another as half sibs are; samples of the population alone would not be."""
    train, _ = families(n_families=3, n_offspring=12, has_one_dam=False, seed=6)
    settings = VirtualProgeny(**{**QUICK, "n_parent_rounds": 15, "grandparents": 0.0})
    context = FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)
    synthetic = settings.fit(train, context).generate(60, seed=3)
    x = synthetic.to_array() - 1.0
    relationship = x @ x.T / (x**2).sum(axis=1).mean()
    pairs = relationship[np.triu_indices(60, k=1)]
    # A third of the pairs have one sire and a relationship of about a quarter; without families, all spread by 1 / sqrt(variants) about 0.
    assert np.quantile(pairs, 0.9) > 0.2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_offspring": 1}, "min_offspring is 1; it must be at least 2"),
        ({"heritability": 1.0}, "between 0 and 1"),
        ({"grandparents": 1.5}, "at most 1"),
    ],
)
def test_settings__out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        dataclasses.replace(VirtualProgeny(), **settings)
