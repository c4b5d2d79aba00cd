"""The latent flow: flows and chains against closed forms, codes that leave a chromosome out, and what must hold of any generator."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LinearRegression

from genobench import MISSING, FitContext, GenobenchError, Genotypes, PackedCalls, SettingsError, Trait
from genobench.statgen import BlockLayout, HaplotypeClusters, haseman_elston, vanraden_1
from genobench.testing import GeneratorSuite
from genobench_neural.flow.chain import ChainTask, LatentChain
from genobench_neural.flow.codes import LatentCodes, genome_parts
from genobench_neural.flow.flow_matching import FlowTask, VelocityNetwork, carried
from genobench_neural.flow.path_counts import PathCounts
from genobench_neural.flow.trait_tilts import beside, shrunken_heritability
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
    assert reached[:, 0].tolist() == pytest.approx([math.e, 2 * math.e], rel=1e-4)


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


def counts_of(paths: list[list[list[int]]], transitions: torch.Tensor, *, order: int, prior: float) -> PathCounts:
    """Counts on one chromosome; paths by block, sample and haplotype."""
    clusters = HaplotypeClusters(alleles=torch.zeros(*transitions.shape[:2], 4), transitions=transitions)
    return PathCounts.of_paths(torch.tensor(paths), clusters, torch.arange(len(transitions)), order=order, prior=prior)


TRANSITIONS = torch.tensor([[[0.3, 0.7], [0.3, 0.7]], [[0.9, 0.1], [0.2, 0.8]]])


def two_block_chain() -> LatentChain:
    chain = LatentChain(torch.tensor([True, False]), n_clusters=2, order=1, n_code=1, device=torch.device("cpu"))
    chain.log_transitions.copy_(counts_of([[[0, 0]], [[0, 0]]], TRANSITIONS, order=1, prior=1e9).log_transitions())
    return chain


def test_counts__of_order_two_count_pairs_before_a_block() -> None:
    """The third block repeats the first whatever the second; one haplotype of prior weight counts against two seen."""
    counts = counts_of([[[0, 1], [0, 1]], [[0, 0], [0, 0]], [[0, 1], [0, 1]]], torch.full((3, 2, 2), 0.5), order=2, prior=1.0)
    chances = counts.log_transitions().exp()[2]
    # First order: 2 of 4 after cluster 0 and the prior's half: 1/2. Second: (2 + 1/2) / (2 + 1). Before: the nearest is the lowest digit.
    assert float(chances[0, 0]) == pytest.approx(2.5 / 3)
    assert float(chances[2, 1]) == pytest.approx(2.5 / 3)


def test_counts__leave_a_sample_out_as_if_it_had_not_been_there() -> None:
    random = np.random.default_rng(1)
    paths = random.integers(0, 2, (4, 5, 2))
    transitions = torch.from_numpy(random.dirichlet([1, 1], (4, 2))).float()
    chances = counts_of(paths.tolist(), transitions, order=2, prior=3.0).log_chances_without(torch.from_numpy(paths))
    for sample in range(5):
        others = counts_of(np.delete(paths, sample, axis=1).tolist(), transitions, order=2, prior=3.0).log_transitions()
        for haplotype in range(2):
            path = paths[:, sample, haplotype]
            before = [0, path[0], path[1] + 2 * path[0], path[2] + 2 * path[1]]
            expected = torch.stack([others[block, before[block]] for block in range(4)])
            assert chances[:, sample, haplotype].numpy() == pytest.approx(expected.numpy(), abs=1e-5)


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
    codes = LatentCodes.of_training(train, BlockLayout.of_variants(train.variants, block_size=8), n_factors=2, seed=0)
    assert codes.part_of.tolist() == [0, 0, 0, 1, 1, 1]
    assert codes.whole.square().mean(dim=0).tolist() == pytest.approx([1, 1], rel=1e-4)
    # The score is a linear function of the calls of the second chromosome alone.
    assert unexplained(codes.without[0], train.to_array()[:, 20:]) < 1e-6


def unexplained(code: torch.Tensor, calls: np.ndarray) -> float:
    """Share of a code's variance that no linear function of calls gives."""
    seen = np.c_[calls, np.ones(len(calls))]
    fitted = seen @ np.linalg.lstsq(seen, code.numpy(), rcond=None)[0]
    return float(np.square(code.numpy() - fitted).mean() / np.square(code.numpy()).mean())


def test_codes__of_a_single_chromosome_do_not_see_the_piece_and_its_neighbours() -> None:
    """Finding: with one chromosome the code that a part was learned from was the whole score, the part's own calls included."""
    train = one_chromosome(populations(100, 64, seed=1))
    layout = BlockLayout.of_variants(train.variants, block_size=4)
    codes = LatentCodes.of_training(train, layout, n_factors=2, seed=0)
    assert codes.part_of.tolist() == [block // 2 for block in range(16)]
    # The third piece lies on variants 16 to 24, its neighbours on 8 to 32.
    others = np.r_[0:8, 32:64]
    assert unexplained(codes.without[2], train.to_array()[:, others]) < 1e-6


def test_codes__say_of_a_chromosome_what_chance_would() -> None:
    """Finding: loadings on the other chromosomes, found with this one, brought a sample's own calls back (R² .040 where chance is .027)."""
    n_samples, n_factors, n_here = 300, 8, 300
    calls = np.random.default_rng(6).binomial(2, 0.4, (n_samples, 10 * n_here)).astype(np.int8)
    genotypes = genotypes_of(calls)
    chromosomes = np.repeat([str(k) for k in range(1, 11)], n_here)
    train = Genotypes(genotypes.calls, genotypes.samples, genotypes.variants.assign(chromosome=chromosomes))
    codes = LatentCodes.of_training(train, BlockLayout.of_variants(train.variants, block_size=32), n_factors=n_factors, seed=0)
    explained = [1 - unexplained_calls(codes.without[part], calls[:, chromosomes == str(part + 1)]) for part in range(10)]
    # R² of one unlinked variant has mean k / (n - 1) and variance below 2 k / (n - 1)²; 3,000 variants are averaged.
    standard_error = np.sqrt(2 * n_factors / (10 * n_here)) / (n_samples - 1)
    assert np.mean(explained) < n_factors / (n_samples - 1) + 4 * standard_error
    whole = [1 - unexplained_calls(codes.whole, calls[:, chromosomes == str(part + 1)]) for part in range(10)]
    assert np.mean(whole) > n_factors / (n_samples - 1) + 4 * standard_error, "Whole codes leak, which is what this test is able to see."


def unexplained_calls(code: torch.Tensor, calls: np.ndarray) -> float:
    """Share of calls' variance that a code does not give, each variant counting alike."""
    standardised = (calls - calls.mean(axis=0)) / calls.std(axis=0)
    fitted = LinearRegression().fit(code.numpy(), standardised).predict(code.numpy())
    return float(np.square(standardised - fitted).mean())


def test_codes__without_a_chromosome_lie_along_the_whole_ones() -> None:
    """Three populations span a plane, in which components found on other variants may be swapped, mirrored or turned."""
    random = np.random.default_rng(3)
    population = random.integers(0, 3, 300)
    train = genotypes_of(random.binomial(2, random.uniform(0.05, 0.95, (3, 400))[population]).astype(np.int8))
    codes = LatentCodes.of_training(train, BlockLayout.of_variants(train.variants, block_size=8), n_factors=2, seed=0)
    means = np.stack([codes.whole.numpy()[population == k].mean(axis=0) for k in range(3)])
    for without in codes.without.numpy():
        found = np.stack([without[population == k].mean(axis=0) for k in range(3)])
        # Sampling moves a population's mean; the populations' distances, which the components stand for, are ten times as large.
        assert np.abs(found - means).max() < 0.1 * np.ptp(means, axis=0).min()


def test_codes__are_zero_where_nothing_lies_apart_from_a_piece() -> None:
    train = one_chromosome(populations(30, 8, seed=1))
    codes = LatentCodes.of_training(train, BlockLayout.of_variants(train.variants, block_size=4), n_factors=2, seed=0)
    assert not codes.without.any()


def test_genome_parts__cuts_only_a_chromosome_that_is_most_of_the_genome() -> None:
    is_followed = np.array([True] * 11 + [False] + [True] * 3 + [False])
    part_of, is_left_out = genome_parts(BlockLayout(variant_at=np.arange(64).reshape(16, 4), is_followed=is_followed))
    assert part_of.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6]
    assert is_left_out[5].tolist() == [False] * 4 + [True, True, False]
    assert is_left_out[6].tolist() == [False] * 6 + [True]


def one_chromosome(genotypes: Genotypes) -> Genotypes:
    return Genotypes(genotypes.calls, genotypes.samples, genotypes.variants.assign(chromosome="1"))


def panmictic_task(codes_are: str) -> ChainTask:
    """Half of 200 unrelated samples in training, on one chromosome of 24 unlinked blocks whose clusters say which alleles they have."""
    random = np.random.default_rng(5)
    paths = random.integers(0, 2, (24, 200, 2))
    patterns = random.permuted(np.tile([0, 0, 1, 1], (24, 1)), axis=1)
    alleles = np.where(paths[..., None] == 0, patterns[:, None, None], 1 - patterns[:, None, None])
    train = one_chromosome(genotypes_of(alleles.sum(axis=2).transpose(1, 0, 2).reshape(200, 96).astype(np.int8)))
    codes = LatentCodes.of_training(train, BlockLayout.of_variants(train.variants, block_size=4), n_factors=6, seed=0)
    choices = {
        "whole": codes.whole[None],
        "without": codes.without,
        "noise": torch.randn(codes.without.shape, generator=torch.Generator().manual_seed(2)),
    }
    chain = LatentChain(torch.tensor([True] * 23 + [False]), n_clusters=2, order=1, n_code=6, device=torch.device("cpu"))
    return ChainTask(
        chain,
        counts_of(paths.tolist(), torch.full((24, 2, 2), 0.5), order=1, prior=10.0),
        torch.from_numpy(paths),
        codes=choices[codes_are],
        part_of=torch.zeros_like(codes.part_of) if codes_are == "whole" else codes.part_of,
        held_back=torch.arange(100, 200),
        learning_rate=0.01,
        ridge=1.0,
        random=torch.Generator().manual_seed(1),
    )


def gains_of_codes(codes_are: str) -> np.ndarray:
    """What the codes of samples held back say of their own paths after training, in nats, for each of them."""
    task = panmictic_task(codes_are)

    def surprise() -> np.ndarray:
        with torch.no_grad():
            log_p = task.logits(task.held_back).log_softmax(dim=-1)
        return -log_p.gather(-1, task.paths[:, task.held_back, :, None]).sum(dim=(0, 2, 3)).numpy()

    before = surprise()
    for index in range(60):
        task.step(index)
    gains: np.ndarray = before - surprise()
    return gains


def test_decoder__learns_nothing_of_a_sample_on_one_chromosome_from_the_sample_itself() -> None:
    """Among unrelated samples with unlinked blocks a code says no more than noise (with which the decoder overfits, a gain below 0)."""
    noise = gains_of_codes("noise")

    def errors_above_noise(gains: np.ndarray) -> float:
        return float((gains.mean() - noise.mean()) / np.sqrt((gains.var() + noise.var()) / len(gains)))

    assert errors_above_noise(gains_of_codes("without")) < 4
    assert errors_above_noise(gains_of_codes("whole")) > 4, "Whole codes leak, which is what this test is able to see."


def test_generate__keeps_rare_alleles(tmp_path: Path) -> None:
    """Finding: sharpening without a shift of the log-odds took a frequency of .05 to that of no allele at all."""
    calls = np.random.default_rng(4).binomial(2, np.tile([0.02, 0.05, 0.1, 0.3], 20), (300, 80)).astype(np.int8)
    settings = dataclasses.replace(QUICK, n_clusters=8, n_rounds=6)
    synthetic = settings.fit(genotypes_of(calls), context(tmp_path)).generate(600, seed=1).to_array()
    for number, frequency in enumerate([0.02, 0.05, 0.1, 0.3]):
        # The training samples' own frequencies are what is to be kept, so that only drawing adds an error.
        error = synthetic[:, number::4].mean() / 2 - calls[:, number::4].mean() / 2
        assert abs(error) < 4 * np.sqrt(frequency * (1 - frequency) / (2 * 600 * 20))


def test_beside__takes_off_what_covariates_say_of_samples() -> None:
    random = np.random.default_rng(1)
    covariates, z = random.normal(size=(40, 3)), random.normal(size=(40, 60))
    left = z - LinearRegression().fit(covariates, z).predict(covariates)
    assert beside((z @ z.T).astype(np.float32), covariates) == pytest.approx(left @ left.T, abs=1e-3)


@pytest.mark.parametrize("genetic_share", [0.0, 0.5])
def test_generate__synthetic_samples_have_the_heritability_of_training(genetic_share: float, tmp_path: Path) -> None:
    """A trait of 96 effects, in blocks of four haplotypes each, or of none: then all that a fit finds of effects is chance."""
    random = np.random.default_rng(2)
    haplotypes = random.integers(0, 2, (12, 4, 8))
    chosen = haplotypes[np.arange(12)[:, None, None], random.integers(0, 4, (12, 400, 2))]
    calls = chosen.sum(axis=2).transpose(1, 0, 2).reshape(400, 96).astype(np.int8)
    value, noise, age = calls @ random.normal(size=96), random.normal(size=400), random.normal(size=400)
    beside_age = np.sqrt(genetic_share) * (value - value.mean()) / value.std() + np.sqrt(1 - genetic_share) * noise
    samples = pd.DataFrame({"id": [f"s{k}" for k in range(400)], "weight": beside_age + age, "age": age})
    train = Genotypes(PackedCalls.from_calls(calls), samples, genotypes_of(calls).variants)
    trait = Trait(column="weight", kind="quantitative", covariates=("age",))
    settings = dataclasses.replace(QUICK, n_clusters=6, n_rounds=20)
    sampler = settings.fit(train, FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path))

    def explained(genotypes: Genotypes) -> float:
        return haseman_elston(vanraden_1(genotypes.calls, alt_frequencies=calls.mean(axis=0) / 2), beside_age)

    reached = [explained(sampler.generate(400, seed=seed, condition=samples[["weight", "age"]])) for seed in range(6)]
    # Heritability is the mean of these six draws, and was set by the mean of two.
    standard_error = np.std(reached, ddof=1) * np.sqrt(1 / 6 + 1 / 2)
    assert abs(np.mean(reached) - explained(train)) < 4 * standard_error


def test_fit__reaches_heritability_that_coarse_clusters_hold_little_of(tmp_path: Path) -> None:
    """Finding: with unlinked variants in blocks of eight, all of the tilts gave a heritability of .07 for .68, and nothing said so."""
    random = np.random.default_rng(2)
    calls = random.binomial(2, random.uniform(0.2, 0.8, 96), (400, 96)).astype(np.int8)
    value, noise = calls @ random.normal(size=96), random.normal(size=400)
    weight = np.sqrt(0.6) * (value - value.mean()) / value.std() + np.sqrt(0.4) * noise
    samples = pd.DataFrame({"id": [f"s{k}" for k in range(400)], "weight": weight})
    train = Genotypes(PackedCalls.from_calls(calls), samples, genotypes_of(calls).variants)
    trait, reports = Trait(column="weight", kind="quantitative"), list[dict[str, float]]()
    fit_context = FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path, report=lambda _, values: reports.append(dict(values)))
    sampler = QUICK.fit(train, fit_context)

    def explained(seed: int) -> float:
        synthetic = sampler.generate(400, seed=seed, condition=samples[["weight"]])
        return haseman_elston(vanraden_1(synthetic.calls, alt_frequencies=calls.mean(axis=0) / 2), weight)

    reached = [explained(seed) for seed in range(6)]
    wanted, reported = reports[-1]["heritability wanted"], reports[-1]["heritability reached"]
    # The reported one is the mean of two draws, the other of six.
    standard_error = np.std(reached, ddof=1) * np.sqrt(1 / 6 + 1 / 2)
    assert abs(np.mean(reached) - reported) < 4 * standard_error
    assert abs(np.mean(reached) - wanted) < 4 * standard_error


def test_shrunken_heritability__takes_off_the_variance_over_permutations() -> None:
    """The standard error of no heritability is the spread of the slope when traits are dealt out at random."""
    random = np.random.default_rng(1)
    z = random.normal(size=(80, 400))
    relationship, values = (z @ z.T / 400).astype(np.float32), z @ random.normal(size=400)
    slopes = np.array([haseman_elston(relationship, random.permutation(values)) for _ in range(800)])
    found = haseman_elston(relationship, values)
    taken_off = (found - shrunken_heritability(relationship, values)) * found
    # The variance over 800 permutations has a relative standard error of sqrt(2 / 800).
    assert taken_off == pytest.approx(slopes.var(), rel=4 * np.sqrt(2 / 800))
    within = next(
        permuted for permuted in map(random.permutation, [values] * 50) if abs(haseman_elston(relationship, permuted)) < slopes.std() / 2
    )
    assert shrunken_heritability(relationship, within) == 0


def test_generate__populations_keep_their_frequencies(tmp_path: Path) -> None:
    train = populations(300, 40, seed=2)
    settings = LatentFlow(n_factors=2, block_size=8, n_clusters=8, sharpness=1.0, flow_steps=200, width=32)
    condition = pd.DataFrame({"population": ["east"] * 400 + ["west"] * 400})
    synthetic = settings.fit(train, context(tmp_path)).generate(800, seed=1, condition=condition).to_array()
    is_east = (train.samples["population"] == "east").to_numpy()
    wanted = train.to_array()[is_east].mean(axis=0) - train.to_array()[~is_east].mean(axis=0)
    reached = synthetic[:400].mean(axis=0) - synthetic[400:].mean(axis=0)
    assert np.corrcoef(wanted, reached)[0, 1] > 0.9


def test_fit__keeps_constant_variants_among_missing_calls(tmp_path: Path) -> None:
    calls = populations(20, 40, seed=3).to_array().copy()
    calls[np.random.default_rng(1).random(calls.shape) < 0.1] = MISSING
    calls[:, 3] = 2
    synthetic = QUICK.fit(genotypes_of(calls), context(tmp_path)).generate(30, seed=1).to_array()
    assert (synthetic[:, 3] == 2).all()


def test_fit__takes_one_variant(tmp_path: Path) -> None:
    single = QUICK.fit(genotypes_of(np.array([[0], [1], [2]], dtype=np.int8)), context(tmp_path))
    assert single.generate(4, seed=1).to_array().shape == (4, 1)


def test_fit__takes_variants_that_are_all_constant(tmp_path: Path) -> None:
    constant = QUICK.fit(genotypes_of(np.zeros((4, 3), dtype=np.int8)), context(tmp_path))
    assert (constant.generate(4, seed=1).to_array() == 0).all()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("n_factors", 0, "n_factors is 0; it must be at least 1"),
        ("n_clusters", 300, "n_clusters is 300; it must be at most 256"),
        ("order", 4, "order is 4; it must be at most 3"),
    ],
)
def test_settings__out_of_range_are_refused(name: str, value: int, message: str) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=message):
        LatentFlow(**changes)


def test_fit__refuses_a_single_sample(tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match="at least 2 samples"):
        QUICK.fit(genotypes_of(np.array([[0, 1]], dtype=np.int8)), context(tmp_path))
