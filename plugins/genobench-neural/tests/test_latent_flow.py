"""The latent flow: flows and chains against closed forms, codes that leave a chromosome out, and what must hold of any generator."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import MISSING, FitContext, GenobenchError, Genotypes, PackedCalls, SettingsError, Trait
from genobench.statgen import HaplotypeClusters
from genobench.testing import GeneratorSuite
from genobench_neural.codes.chain import CodeChain
from genobench_neural.codes.flow_matching import FlowTask, VelocityNetwork, carried
from genobench_neural.codes.latent_codes import codes_by_chromosome
from genobench_neural.latent_flow import LatentFlow

if TYPE_CHECKING:
    from pathlib import Path

QUICK = LatentFlow(n_factors=2, block_size=8, n_clusters=4, n_rounds=3, chain_epochs=2, flow_steps=5, width=8, ode_steps=2)
TRAIT = Trait(column="population", kind="categorical", classes=("east", "west"))


def populations(n_samples: int, n_variants: int, *, seed: int) -> Genotypes:
    """Samples of two populations with frequencies of their own, on two chromosomes."""
    random = np.random.default_rng(seed)
    frequencies = np.random.default_rng(99).uniform(0.1, 0.9, (2, n_variants))
    population = random.integers(0, 2, n_samples)
    calls = random.binomial(2, frequencies[population]).astype(np.int8)
    return genotypes_of(calls, population)


def genotypes_of(calls: np.ndarray, population: np.ndarray | None = None) -> Genotypes:
    n_samples, n_variants = calls.shape
    population = np.arange(n_samples) % 2 if population is None else population
    samples = pd.DataFrame({"id": [f"s{k}" for k in range(n_samples)], "population": np.where(population == 1, "east", "west")})
    variants = pd.DataFrame(
        {
            "chromosome": np.where(np.arange(n_variants) * 2 < n_variants, "1", "2"),
            "position_bp": np.arange(1, n_variants + 1) * 1000,
            "id": [f"v{k}" for k in range(n_variants)],
            "ref": "A",
            "alt": "G",
        }
    )
    return Genotypes(PackedCalls.from_calls(calls), samples, variants)


def context(folder: Path) -> FitContext:
    return FitContext(trait=TRAIT, seed=1, device="cpu", folder=folder)


class TestLatentFlowSuite(GeneratorSuite):
    plugin = LatentFlow
    settings = dataclasses.asdict(QUICK)


def test_carried__along_a_linear_velocity_is_the_exponential() -> None:
    x = torch.tensor([[1.0], [2.0]])
    reached = carried(lambda x, _: x, x, n_steps=200)
    assert reached[:, 0].tolist() == pytest.approx([np.e, 2 * np.e], rel=1e-4)


def test_flow__learns_means_that_follow_the_condition() -> None:
    random = torch.Generator().manual_seed(1)
    condition = torch.where(torch.rand(400, 1, generator=random) < 0.5, -1.0, 1.0)
    latents = 2 * condition + 0.5 * torch.randn(400, 1, generator=random)
    network = VelocityNetwork(n_latent=1, n_condition=1, width=32, n_residual=1, generator=random, device=torch.device("cpu"))
    task = FlowTask(network, latents, condition, smoothing=0.0, batch_size=128, learning_rate=5e-3, n_steps=400, random=random)
    for index in range(400):
        task.step(index)
    wanted = torch.ones(2000, 1)
    with torch.no_grad():
        drawn = carried(lambda x, t: network(x, t, wanted), torch.randn(2000, 1, generator=random), n_steps=20)
    assert float(drawn.mean()) == pytest.approx(2, abs=0.2)
    assert float(drawn.std()) == pytest.approx(0.5, abs=0.2)


def two_block_chain() -> CodeChain:
    chain = CodeChain(torch.tensor([True, False]), n_clusters=2, order=1, n_code=1, device=torch.device("cpu"))
    transitions = torch.tensor([[[0.3, 0.7], [0.3, 0.7]], [[0.9, 0.1], [0.2, 0.8]]])
    clusters = HaplotypeClusters(alleles=torch.zeros(2, 2, 4), transitions=transitions)
    chain.begin_with(clusters, torch.zeros(2, 1, 2, dtype=torch.long), prior=1e9)
    return chain


def test_chain__begins_with_the_probabilities_of_the_clusters() -> None:
    paths = torch.tensor([[[0, 1]], [[1, 1]]])
    losses = two_block_chain().losses(paths, torch.zeros(2, 1, 1))
    assert (-losses).exp()[:, 0].flatten().tolist() == pytest.approx([0.3, 0.7, 0.1, 0.8], rel=1e-4)


def test_chain__of_order_two_counts_pairs_before_a_block() -> None:
    """The third block repeats the first whatever the second; one haplotype of prior weight counts against two seen."""
    chain = CodeChain(torch.tensor([True, True, False]), n_clusters=2, order=2, n_code=1, device=torch.device("cpu"))
    clusters = HaplotypeClusters(alleles=torch.zeros(3, 2, 4), transitions=torch.full((3, 2, 2), 0.5))
    paths = torch.tensor([[[0, 1], [0, 1]], [[0, 0], [0, 0]], [[0, 1], [0, 1]]])
    chain.begin_with(clusters, paths, prior=1.0)
    losses = chain.losses(paths, torch.zeros(3, 2, 1))
    # First order: 2 of 4 after cluster 0 and the prior's half: 1/2. Second: (2 + 1/2) / (2 + 1).
    assert (-losses).exp()[2].flatten().tolist() == pytest.approx([2.5 / 3] * 4, rel=1e-4)


def test_chain__walks_as_often_as_it_says() -> None:
    """With a loading of log 3 for the second cluster of the first block its odds are 7/3 times 3, and so 7/8."""
    chain = two_block_chain()
    with torch.no_grad():
        chain.loadings[0, 0, 1] = np.log(3.0)
    paths = chain.walk(torch.ones(20_000, 1), torch.Generator().manual_seed(1))
    second = paths == 1
    standard_error = np.sqrt(0.25 / 40_000)
    assert float(second[0].float().mean()) == pytest.approx(7 / 8, abs=4 * standard_error)
    assert float(second[1][second[0]].float().mean()) == pytest.approx(0.8, abs=4 * standard_error)


def test_codes__of_a_chromosome_do_not_see_it() -> None:
    train = populations(30, 40, seed=1)
    calls = train.to_array().copy()
    whole, without, names = codes_by_chromosome(train, n_factors=2, seed=0)
    assert names == ["1", "2"]
    assert whole.shape == (30, 2)
    on_second = np.linalg.lstsq(np.c_[calls[:, 20:], np.ones(30)], without[0].numpy(), rcond=None)[0]
    fitted = np.c_[calls[:, 20:], np.ones(30)] @ on_second
    # The score is a linear function of the calls of the second chromosome alone.
    assert fitted == pytest.approx(without[0].numpy(), abs=1e-3)
    assert whole.square().mean(dim=0).tolist() == pytest.approx([1, 1], rel=1e-4)


def test_generate__populations_keep_their_frequencies(tmp_path: Path) -> None:
    train = populations(300, 40, seed=2)
    settings = LatentFlow(n_factors=2, block_size=8, n_clusters=8, sharpness=1.0, flow_steps=200, width=32)
    condition = pd.DataFrame({"population": ["east"] * 400 + ["west"] * 400})
    synthetic = settings.fit(train, context(tmp_path)).generate(800, seed=1, condition=condition).to_array()
    is_east = (train.samples["population"] == "east").to_numpy()
    wanted = train.to_array()[is_east].mean(axis=0) - train.to_array()[~is_east].mean(axis=0)
    reached = synthetic[:400].mean(axis=0) - synthetic[400:].mean(axis=0)
    assert np.corrcoef(wanted, reached)[0, 1] > 0.9


def test_fit__takes_missing_calls_constant_variants_and_one_variant(tmp_path: Path) -> None:
    train = populations(20, 40, seed=3)
    calls = train.to_array().copy()
    calls[np.random.default_rng(1).random(calls.shape) < 0.1] = MISSING
    calls[:, 3] = 2
    synthetic = QUICK.fit(genotypes_of(calls), context(tmp_path / "a")).generate(30, seed=1).to_array()
    assert set(np.unique(synthetic)) <= {0, 1, 2}
    assert (synthetic[:, 3] == 2).all()
    single = QUICK.fit(genotypes_of(np.array([[0], [1], [2]], dtype=np.int8)), context(tmp_path / "b"))
    assert single.generate(4, seed=1).to_array().shape == (4, 1)
    constant = QUICK.fit(genotypes_of(np.zeros((4, 3), dtype=np.int8)), context(tmp_path / "c"))
    assert (constant.generate(4, seed=1).to_array() == 0).all()


def test_settings__are_checked(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="n_factors is 0; it must be at least 1"):
        LatentFlow(n_factors=0)
    with pytest.raises(SettingsError, match="n_clusters is 300; it must be at most 256"):
        LatentFlow(n_clusters=300)
    with pytest.raises(GenobenchError, match="at least 2 samples"):
        QUICK.fit(genotypes_of(np.array([[0, 1]], dtype=np.int8)), context(tmp_path))
