"""Offspring of inferred parents: parents against simulated ones, who mates with whom, the trait's part, and the rules of generators."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import ConditionEncoder, FitContext, Genotypes, PackedCalls, SettingsError, Trait
from genobench.statgen import BlockLayout, HaplotypeClusters
from genobench.testing import EXAMPLE_TRAITS, GeneratorSuite, example_genotypes
from genobench_neural import virtual_progeny
from genobench_neural.batches import PackedBatches
from genobench_neural.lineages.matings import Matings, MatingTable, facts_per_number
from genobench_neural.lineages.parents import add_to_parents, infer_parents, recombination
from genobench_neural.lineages.populations import population_columns, population_leanings
from genobench_neural.lineages.predictor import TraitPredictor, fit_predictor
from genobench_neural.lineages.progeny import ProgenyNetwork, ProgenySize
from genobench_neural.virtual_progeny import VirtualProgeny, with_counted_moves

if TYPE_CHECKING:
    from pathlib import Path

QUICK: dict[str, Any] = {"min_offspring": 4, "n_clusters": 4, "n_matings": 2, "n_meioses": 2}
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
    matings = Matings.of_samples(train.samples, TRAIT)
    assert matings.n_parents == (8 if has_one_dam else 4)
    inferred = infer_parents(
        batches,
        layout,
        recombination(train.variants, layout),
        matings,
        rows=torch.arange(train.n_samples),
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


def test_infer_parents__adds_samples_of_one_parent_up() -> None:
    """As numpy's unbuffered addition does, without an operation whose order a GPU leaves open."""
    random = np.random.default_rng(8)
    parents, values = random.integers(0, 4, 50), random.integers(0, 9, (50, 2, 3)).astype(np.float32)
    expected = np.ones((5, 2, 3), dtype=np.float32)
    np.add.at(expected, parents, values)
    total = torch.ones(5, 2, 3)
    add_to_parents(total, torch.from_numpy(parents), torch.from_numpy(values))
    assert (total.numpy() == expected).all()


def test_matings__number_parents_of_two_and_more() -> None:
    samples = pd.DataFrame({"sire": ["a", "a", "a", "b"], "dam": ["x", "y", "z", "z"], "weight": 0.0})
    matings = Matings.of_samples(samples, TRAIT)
    assert matings.n_parents == 2
    assert matings.sires.tolist() == [0, 0, 0, 2]
    assert matings.dams.tolist() == [2, 2, 1, 1]
    assert matings.n_offspring().tolist() == [3, 2]
    left = matings.of_parents(torch.tensor([False, True]))
    assert left.n_parents == 1
    assert left.sires.tolist() == [1, 1, 1, 1]
    assert left.dams.tolist() == [1, 1, 0, 0]


def mating_table(pairs: list[tuple[int, int]], *, n_parents: int, seed: int) -> torch.Tensor:
    """The mates of synthetic samples where training has these pairs; n_parents is the unknown parent."""
    sires, dams = torch.tensor(pairs).T
    samples = pd.DataFrame({"weight": np.arange(len(pairs), dtype=float)})
    encoder = ConditionEncoder.of_samples(samples, TRAIT)
    matings = Matings(sires=sires, dams=dams, n_parents=n_parents)
    condition = torch.from_numpy(encoder.encode(samples))
    random = torch.Generator().manual_seed(seed)
    return MatingTable.of_matings(matings, condition, encoder, is_population=torch.tensor([False]), generator=random).mates


@pytest.mark.parametrize(
    ("pairs", "n_parents"),
    [([(0, 2), (0, 3), (1, 2), (1, 3)], 4), ([(0, 1), (0, 2), (0, 3)], 4), ([(0, 1)], 2), ([(0, 3), (1, 4), (2, 5), (6, 3)], 6)],
)
def test_mating_table__never_mates_parents_of_training_samples(pairs: list[tuple[int, int]], n_parents: int) -> None:
    """Factorial matings, one sire for all, one mating, and ones that leave a choice; without a choice the dam is unknown."""
    for seed in range(20):
        mates = [tuple(pair) for pair in mating_table(pairs, n_parents=n_parents, seed=seed).tolist()]
        assert not {pair for pair in mates if max(pair) < n_parents} & set(pairs)
        if n_parents < 6:
            assert all(dam == n_parents for _, dam in mates)
        else:
            assert {mates[k][1] for k in range(3)} <= {3, 4, 5}


FACTORIAL = [(sire, dam) for sire in (0, 1) for dam in (2, 3, 4)]


@pytest.mark.parametrize(
    "n_offspring",
    [(20, 20, 1, 20, 20, 20), (20, 20, 1, 20, 20, 3), (20, 20, 20, 4, 1, 20), (1, 1, 1, 1, 1, 1), (20, 1, 20, 3, 3, 2), (1, 5, 5, 5, 5, 5)],
)
def test_mating_table__gives_no_sample_away(n_offspring: tuple[int, ...]) -> None:
    """Matings of one offspring, and a covariate that one offspring of a mating has: no mean or remainder of sums is one sample's."""
    random = np.random.default_rng(3)
    pairs = np.repeat(FACTORIAL, n_offspring, axis=0)
    samples = pd.DataFrame({"weight": random.normal(60, 5, len(pairs)), "age": random.normal(9, 1, len(pairs))})
    samples.loc[(pairs == FACTORIAL[1]).all(axis=1).nonzero()[0][1:], "age"] = np.nan
    encoder = ConditionEncoder.of_samples(samples, Trait(column="weight", kind="quantitative", covariates=("age",)))
    condition = torch.from_numpy(encoder.encode(samples))
    sires, dams = torch.from_numpy(pairs).T
    matings = Matings(sires, dams, n_parents=5)
    table = MatingTable.of_matings(
        matings, condition, encoder, is_population=torch.zeros(2, dtype=torch.bool), generator=torch.Generator().manual_seed(1)
    )
    assert table.counts.tolist() == list(n_offspring)
    for column, known in zip(table.means.double().numpy().T, condition.double().numpy().T, strict=True):
        # What a reader can undo: the drawing in of a mean by one sample, and any difference of sums over matings that share a mean.
        shared, group = np.unique(column, return_inverse=True)
        sums = shared * (np.bincount(group, weights=n_offspring) + 1)
        signs = np.array(list(itertools.product([-1, 0, 1], repeat=len(sums))))
        guesses = np.concatenate([column, column * (np.array(n_offspring) + 1), signs @ sums])
        assert np.abs(guesses[:, None] - known[known != 0]).min() > 1e-5


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


def network_of(*, n_parents: int, n_matings: int = 1, n_condition: int = 1, n_trait: int = 1, **sizes: Any) -> ProgenyNetwork:
    """With three clusters in 40 blocks of four."""
    size = {"n_blocks": 40, "block_size": 4, "n_clusters": 3, "n_tried": 1, "n_meioses": 1, "grandparents": 1.0} | sizes
    return ProgenyNetwork(ProgenySize(n_parents=n_parents, n_matings=n_matings, n_condition=n_condition, n_trait=n_trait, **size))


def test_draw__makes_no_dam_a_daughter_of_her_mate() -> None:
    """Sire 0 mates with unknown dams alone; parent 1 is the only other one. Sources 3 and 4 are the haplotypes of sire 0."""
    network = network_of(n_parents=2, n_matings=2)
    network.mates.copy_(torch.tensor([[0, 2], [1, 2]]))
    network.counts.copy_(torch.tensor([1000.0, 1.0]))
    network.transitions.fill_(1 / 3)
    network.fractions.fill_(0.5)
    random = torch.Generator().manual_seed(1)
    unknown, sire = torch.full((200,), 2), torch.zeros(200, dtype=torch.long)
    dams = network.parents(unknown, sire, torch.zeros(200, 1), random)
    assert not torch.isin(dams, torch.tensor([3, 4])).any()
    assert torch.isin(dams[:, 0], torch.tensor([5, 6])).all()


def test_draw__walks_as_the_chain() -> None:
    random = torch.Generator().manual_seed(3)
    transitions = torch.rand(5, 3, 3, generator=random) + 0.1
    transitions[0] = transitions[0, 0]
    transitions /= transitions.sum(dim=-1, keepdim=True)
    network = network_of(n_parents=0, n_blocks=5)
    network.transitions.copy_(transitions)
    drawn = network.walk(torch.zeros(4000, 1), random)
    usual = transitions[0, 0]
    for block in range(5):
        usual = usual @ transitions[block] if block else usual
        share = torch.bincount(drawn[:, block], minlength=3) / 4000
        # Four standard errors of a share of 4,000.
        assert (share - usual).abs().max() < 4 * (0.25 / 4000) ** 0.5


@pytest.mark.parametrize("heritability", [0.2, 0.5, 0.8])
def test_draw__gives_the_trait_its_heritability(heritability: float) -> None:
    """Over samples whose wanted values are normal, their squared correlation with predicted values is the heritability."""
    network = network_of(n_parents=2, grandparents=0.0, n_tried=8, n_meioses=4)
    random = torch.Generator().manual_seed(2)
    clusters = HaplotypeClusters(alleles=torch.rand(40, 3, 4, generator=random).round(), transitions=torch.full((40, 3, 3), 1 / 3))
    haplotypes = torch.randint(2, (40, 2, 2, 4), generator=random, dtype=torch.uint8)
    table = MatingTable(mates=torch.tensor([[0, 1]]), counts=torch.ones(1), means=torch.zeros(1, 1), precision=torch.zeros(1))
    network.begin_with(clusters, leanings=torch.zeros(40, 2, 3), haplotypes=haplotypes, table=table, fractions=torch.full((40,), 0.5))
    share = torch.tensor([heritability])
    predictor = TraitPredictor(
        effects=torch.randn(40, 4, 1, generator=random),
        slopes=torch.zeros(1, 1),
        explained=share,
        residual=1 - share,
        is_population=torch.tensor([False]),
    )
    network.predict_with(predictor, torch.zeros(1, 1), random)
    wanted = torch.randn(4000, 1, generator=random)
    codes = network.draw(wanted, random).transpose(0, 1).float()
    predicted = torch.einsum("nbv,bvt->n", codes, predictor.effects)
    explained = float(torch.corrcoef(torch.stack([predicted, wanted[:, 0]]))[0, 1] ** 2)
    # Four standard errors of a squared correlation; the spread is measured on 1,024 samples, and 128 pairs of gametes stand for all.
    error = 2 * (heritability / 4000) ** 0.5 * (1 - heritability) + heritability * (1 - heritability) * (2 / 1024) ** 0.5
    assert explained == pytest.approx(heritability, abs=4 * error + 0.03)


def predicting_network(effects: torch.Tensor, *, heritability: float, random: torch.Generator) -> ProgenyNetwork:
    """Of made-up parents alone, for a trait with these effects, shape (40, 4, n_trait), and variance 1 in each number."""
    n_trait = effects.shape[2]
    network = network_of(n_parents=0, n_condition=n_trait, n_trait=n_trait, n_tried=4, n_meioses=4)
    table = MatingTable(
        mates=torch.zeros(1, 2, dtype=torch.long), counts=torch.ones(1), means=torch.zeros(1, n_trait), precision=torch.zeros(n_trait)
    )
    network.begin_with(
        HaplotypeClusters(alleles=torch.rand(40, 3, 4, generator=random).round(), transitions=torch.full((40, 3, 3), 1 / 3)),
        leanings=torch.zeros(40, n_trait + 1, 3),
        haplotypes=torch.zeros(40, 0, 2, 4, dtype=torch.uint8),
        table=table,
        fractions=torch.full((40,), 0.5),
    )
    predictor = TraitPredictor(
        effects=effects,
        slopes=torch.zeros(n_trait, n_trait),
        explained=torch.full((n_trait,), heritability),
        residual=torch.full((n_trait,), 1 - heritability),
        is_population=torch.zeros(n_trait, dtype=torch.bool),
    )
    network.predict_with(predictor, torch.zeros(1, n_trait), random)
    return network


def test_draw__counts_two_classes_as_the_one_number_that_they_are() -> None:
    effects = torch.randn(40, 4, 1, generator=torch.Generator().manual_seed(1))
    wanted = torch.randn(200, 1, generator=torch.Generator().manual_seed(2))
    of_one, of_two = (
        predicting_network(effects * signs, heritability=0.5, random=torch.Generator().manual_seed(3)).draw(
            wanted * signs, torch.Generator().manual_seed(4)
        )
        for signs in (torch.ones(1), torch.tensor([1.0, -1.0]))
    )
    # All but what rounding decides.
    assert (of_one == of_two).all(dim=2).all(dim=0).float().mean() > 0.99


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_facts_per_number__makes_distances_mahalanobis_ones(n_classes: int) -> None:
    one_hot = np.eye(n_classes) - 1 / n_classes
    covariance = one_hot.T @ one_hot / n_classes
    away = np.random.default_rng(1).normal(size=(5, n_classes))
    away -= away.mean(axis=1, keepdims=True)
    expected = np.einsum("ni,ij,nj->n", away, np.linalg.pinv(covariance), away)
    found = facts_per_number(n_classes) * (away**2 / covariance.diagonal()).sum(axis=1)
    np.testing.assert_allclose(found, expected)


def test_draw__makes_meioses_of_made_up_parents_differ() -> None:
    """Without a grandparent a parent has two walks: at three clusters, they differ in two thirds of the blocks."""
    network = predicting_network(torch.ones(40, 4, 1), heritability=0.5, random=torch.Generator().manual_seed(5))
    unknown = torch.zeros(200, dtype=torch.long)
    both = network.parents(unknown, unknown, torch.zeros(200, 1), torch.Generator().manual_seed(6))
    share = float((both[:, 0] != both[:, 1]).float().mean())
    assert share == pytest.approx(2 / 3, abs=4 * (2 / 9 / 8000) ** 0.5)


def test_with_counted_moves__counts_moves() -> None:
    """Of 6 gametes, 3 go from cluster 0 to 1, 1 stays in 0; a tenth of a gamete goes as before; a chromosome begins as before."""
    variants = pd.DataFrame({"chromosome": ["1"] * 8 + ["2"] * 4, "position_bp": range(1, 13)})
    layout = BlockLayout.of_variants(variants, block_size=4)
    clusters = HaplotypeClusters(alleles=torch.zeros(3, 2, 4), transitions=torch.full((3, 2, 2), 0.5))
    tokens = torch.tensor([[0, 0, 0, 0, 1, 1], [1, 1, 1, 0, 1, 1], [0, 0, 0, 0, 0, 0]])
    moves = with_counted_moves(clusters, tokens, layout).transitions
    assert torch.allclose(moves[1], torch.tensor([[1.05 / 4.1, 3.05 / 4.1], [0.05 / 2.1, 2.05 / 2.1]]))
    assert torch.equal(moves[[0, 2]], clusters.transitions[[0, 2]])


def test_population_leanings__follow_bayes() -> None:
    """Cluster 0 has the gametes of breed A alone, cluster 1 both alike; herd says nothing beyond breed."""
    samples = pd.DataFrame({"weight": 0.0, "breed": ["A", "B"] * 60, "herd": ["1", "2"] * 60})
    samples.loc[0, "weight"] = 1.0
    trait = Trait(column="weight", kind="quantitative", covariates=("breed", "herd"))
    encoder = ConditionEncoder.of_samples(samples, trait)
    condition = torch.from_numpy(encoder.encode(samples))
    columns = population_columns(condition, encoder, torch.tensor([False] + [True] * 4))
    assert columns == [slice(1, 3)]
    tokens = torch.tensor([0, 1] * 20 + [1] * 80)[None]
    leanings = population_leanings(tokens, condition, encoder, columns, n_clusters=2)
    asked = torch.from_numpy(encoder.encode(pd.DataFrame({"weight": 0.0, "breed": ["A", "B"], "herd": ["1", "2"]})))
    ratio = (torch.cat([asked, torch.ones(2, 1)], dim=1) @ leanings[0]).exp()
    # 20 gametes of A in cluster 0 and 40 of A, 60 of B in cluster 1, with half a gamete of each breed more.
    expected = torch.tensor([[20.5 / 21, 40.5 / 101], [0.5 / 21, 60.5 / 101]]) / 0.5
    assert torch.allclose(ratio, expected, rtol=1e-4)


def predictor_of(batches: PackedBatches, condition: torch.Tensor, *, n_trait: int = 1, n_quantitative: int = 2) -> TraitPredictor:
    is_class = torch.arange(condition.shape[1]) >= n_quantitative
    random = torch.Generator().manual_seed(1)
    return fit_predictor(batches, condition, torch.arange(len(condition)), n_trait=n_trait, is_class=is_class, generator=random)


def test_fit_predictor__has_the_effects_of_ridge_regression() -> None:
    """In the primal form, by numpy: (X'X / s + k I)^-1 X'y / s has the same predictions as the dual."""
    train = example_genotypes(n_samples=30)
    layout = BlockLayout.of_variants(train.variants, block_size=8)
    batches = PackedBatches.of_genotypes(train, layout, torch.device("cpu"))
    condition = torch.randn(30, 2, generator=torch.Generator().manual_seed(5))
    found = predictor_of(batches, condition)
    effects = found.effects.reshape(-1)[torch.from_numpy(layout.place_of)]
    calls = train.to_array().astype(float)
    masked = np.ma.masked_less(calls, 0)
    x = (masked - masked.mean(axis=0)).filled(0.0)
    scale = np.mean((x**2).sum(axis=1))
    covariate, trait = condition[:, 1].double().numpy(), condition[:, 0].double().numpy()
    y = trait - covariate * (covariate @ trait) / (covariate @ covariate + 1)
    ratio = float(found.residual / found.explained)
    expected = np.linalg.solve(x.T @ x / scale + ratio * np.eye(x.shape[1]), x.T @ y / scale)
    np.testing.assert_allclose(effects.numpy(), expected, rtol=1e-2, atol=1e-5)
    np.testing.assert_allclose(float(found.explained + found.residual), y.var(ddof=1), rtol=1e-4)


def test_fit_predictor__finds_heritability() -> None:
    """A trait of 400 independent variants in 600 samples: the standard error is near sqrt(2 * 400) / 600 (Visscher et al. 2014)."""
    random = np.random.default_rng(6)
    calls = random.integers(0, 3, (600, 400)).astype(np.int8)
    variants = pd.DataFrame({"chromosome": "1", "position_bp": range(1, 401), "id": [f"v{k}" for k in range(400)], "ref": "A", "alt": "G"})
    layout = BlockLayout.of_variants(variants, block_size=8)
    train = Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": [f"s{k}" for k in range(600)]}), variants)
    batches = PackedBatches.of_genotypes(train, layout, torch.device("cpu"))
    value = (calls - 1.0) @ random.normal(size=400)
    trait = 0.8**0.5 * value / value.std() + 0.2**0.5 * random.normal(size=600)
    condition = torch.tensor(np.stack([trait, random.normal(size=600)], axis=1), dtype=torch.float32)
    found = predictor_of(batches, condition)
    assert float(found.explained / (found.explained + found.residual)) == pytest.approx(0.8, abs=4 * 800**0.5 / 600)
    assert found.is_population.tolist() == [False, False]


def half_sibs(n_traits: int, *, n_families: int) -> tuple[PackedBatches, torch.Tensor, np.ndarray]:
    """Of 15 a family, traits of heritability .5 with a herd for each family, one-hot, and the relationship beside herds."""
    random = np.random.default_rng(7)
    number = np.repeat(np.arange(n_families), 15)
    shares = random.uniform(0.1, 0.5, 800)
    sires = random.binomial(1, shares, (2, n_families, 800))
    is_first = random.random((len(number), 800)) < 0.5
    calls = np.where(is_first, sires[0, number], sires[1, number]) + random.binomial(1, shares, is_first.shape)
    variants = pd.DataFrame({"chromosome": "1", "position_bp": range(1, 801), "id": [f"v{k}" for k in range(800)], "ref": "A", "alt": "G"})
    layout = BlockLayout.of_variants(variants, block_size=8)
    samples = pd.DataFrame({"id": [f"s{k}" for k in range(len(number))]})
    batches = PackedBatches.of_genotypes(
        Genotypes(PackedCalls.from_calls(calls.astype(np.int8)), samples, variants), layout, torch.device("cpu")
    )
    x = calls - calls.mean(axis=0)
    values = x @ random.normal(size=(800, n_traits))
    herd = (number[:, None] == np.arange(n_families)) - 1 / n_families
    traits = values / values.std(axis=0) + random.normal(size=values.shape) + herd @ random.normal(size=(n_families, n_traits))
    relationship = x @ x.T / np.mean((x**2).sum(axis=1))
    within = np.eye(len(number)) - (number[:, None] == number) / 15
    return batches, torch.tensor(np.hstack([traits - traits.mean(axis=0), herd]), dtype=torch.float32), within @ relationship @ within


def test_fit_predictor__finds_heritability_beside_herds_that_are_families() -> None:
    """As simulated, within four standard errors of a mean over traits.

    That of one trait is near 1 / the root of the sum of squared relationships of pairs (Visscher et al. 2014).
    """
    batches, condition, relationship = half_sibs(16, n_families=30)
    found = predictor_of(batches, condition, n_trait=16, n_quantitative=16)
    error = (relationship[np.triu_indices(len(relationship), k=1)] ** 2).sum() ** -0.5
    heritability = found.explained / (found.explained + found.residual)
    assert float(heritability.mean()) == pytest.approx(0.5, abs=4 * error / 16**0.5)
    assert not found.is_population[:16].any()


def test_fit_predictor__only_classes_are_populations() -> None:
    """Two populations, F_ST near 1/3, as a class and as a quantitative column."""
    random = np.random.default_rng(2)
    population = np.arange(60) % 2
    calls = random.binomial(2, np.where(np.arange(200) % 2 == population[:, None], 0.2, 0.8)).astype(np.int8)
    variants = pd.DataFrame({"chromosome": "1", "position_bp": range(1, 201), "id": [f"v{k}" for k in range(200)], "ref": "A", "alt": "G"})
    train = Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": [f"s{k}" for k in range(60)]}), variants)
    batches = PackedBatches.of_genotypes(train, BlockLayout.of_variants(variants, block_size=8), torch.device("cpu"))
    named = torch.tensor(population[:, None] - 0.5, dtype=torch.float32)
    condition = torch.cat([torch.tensor(random.normal(size=(60, 1)), dtype=torch.float32), named, named, -named], dim=1)
    assert predictor_of(batches, condition).is_population.tolist() == [False, False, True, True]


def test_fit_predictor__a_trait_without_heritability_has_no_effects() -> None:
    """Each of 30 pairs of one genotype twice has opposite values, so that relatives are less alike than others: the estimate is 0."""
    random = np.random.default_rng(3)
    calls = np.repeat(random.integers(0, 3, (30, 80)), 2, axis=0).astype(np.int8)
    variants = pd.DataFrame({"chromosome": "1", "position_bp": range(1, 81), "id": [f"v{k}" for k in range(80)], "ref": "A", "alt": "G"})
    train = Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": [f"s{k}" for k in range(60)]}), variants)
    batches = PackedBatches.of_genotypes(train, BlockLayout.of_variants(variants, block_size=8), torch.device("cpu"))
    trait = torch.tensor([1.0, -1.0]).repeat(30)[:, None]
    found = predictor_of(batches, trait)
    assert float(found.explained) == pytest.approx(0, abs=1e-5)
    assert float(found.effects.abs().max()) == pytest.approx(0, abs=1e-5)


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


@pytest.mark.parametrize("fewest_gametes", [1, 384])
def test_generate__gives_families_back(fewest_gametes: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With clusters of what sires' offspring got from dams, and of statistical phasing.

    Offspring of inferred sires are related to one another as half sibs are; samples of the population alone would not be.
    """
    monkeypatch.setattr(virtual_progeny, "_FEWEST_GAMETES", fewest_gametes)
    train, _ = families(n_families=3, n_offspring=12, has_one_dam=False, seed=6)
    settings = VirtualProgeny(**QUICK, grandparents=0.0)
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
        ({"n_meioses": 0}, "n_meioses is 0; it must be at least 1"),
        ({"grandparents": 1.5}, "grandparents is 1.5; it must lie in"),
    ],
)
def test_settings__out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        dataclasses.replace(VirtualProgeny(), **settings)
