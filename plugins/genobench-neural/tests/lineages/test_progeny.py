"""Offspring of known and made-up parents: walks along the genome, and what the trait chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from genobench.statgen import HaplotypeClusters
from genobench_neural.lineages.matings import MatingTable
from genobench_neural.lineages.predictor import TraitPredictor
from genobench_neural.lineages.progeny import ProgenyNetwork, ProgenySize


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
    differences = torch.einsum("bpv,bv->pb", haplotypes[:, :, 0].float() - haplotypes[:, :, 1].float(), predictor.effects[..., 0])
    expected = heritability_of_chosen(differences.numpy(), heritability=heritability)
    # Four standard errors of a squared correlation, of 4,000 samples and of as many expected ones; the spread is measured on 1,024.
    error = 2 * (heritability * 2 / 4000) ** 0.5 * (1 - heritability) + heritability * (1 - heritability) * (2 / 1024) ** 0.5
    assert explained == pytest.approx(expected, abs=4 * error)


def heritability_of_chosen(differences: np.ndarray, *, heritability: float) -> float:
    """Squared correlation of wanted values with those of pairs of gametes, chosen by weight among 8 times 4 of each of two parents.

    Args:
        differences: Between the values of the two haplotypes of each parent's blocks, shape (2, 40); blocks are inherited independently.
        heritability: Variance of the values before they are chosen; wanted ones have 1.
    """
    random = np.random.default_rng(3)
    signs = random.choice(np.array([-0.5, 0.5], dtype=np.float32), (2, 4000, 8, 4, 40))
    sires, dams = np.einsum("pntmb,pb->pntm", signs, differences)
    values = (sires[..., None] + dams[..., None, :]).reshape(4000, -1) * (4 * heritability / (differences**2).sum()) ** 0.5
    wanted = random.standard_normal(4000)
    weights = np.exp(-((wanted[:, None] - values) ** 2) / (2 * (1 - heritability)))
    reached = weights.cumsum(axis=1) > random.random((4000, 1)) * weights.sum(axis=1, keepdims=True)
    chosen = values[np.arange(4000), reached.argmax(axis=1)]
    return float(np.corrcoef(chosen, wanted)[0, 1] ** 2)


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


def test_draw__makes_meioses_of_made_up_parents_differ() -> None:
    """Without a grandparent a parent has two walks: at three clusters, they differ in two thirds of the blocks."""
    network = predicting_network(torch.ones(40, 4, 1), heritability=0.5, random=torch.Generator().manual_seed(5))
    unknown = torch.zeros(200, dtype=torch.long)
    both = network.parents(unknown, unknown, torch.zeros(200, 1), torch.Generator().manual_seed(6))
    share = float((both[:, 0] != both[:, 1]).float().mean())
    assert share == pytest.approx(2 / 3, abs=4 * (2 / 9 / 8000) ** 0.5)
