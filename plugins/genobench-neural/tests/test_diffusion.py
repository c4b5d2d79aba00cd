"""Diffusion: published sizes and noise against their figures, components against numpy, and what must hold of any generator."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from genobench import MISSING, Genotypes, SettingsError, Trait
from genobench.testing import GeneratorSuite, example_context, example_genotypes, genotypes_of
from genobench_neural.component_scores.components import ChromosomeComponents, chromosome_groups, fit_components, scores
from genobench_neural.component_scores.denoising import (
    ConditionPart,
    NoiseNetwork,
    NoiseSchedule,
    ancestral_draw,
    antithetic_timesteps,
)
from genobench_neural.component_scores.diffusion import DiffusionSize, ScoreDiffusion, learning_rate
from genobench_neural.component_scores.plan import DIFFUSIONS
from genobench_neural.component_scores.thresholds import thresholds_of
from genobench_neural.diffusion import Diffusion
from genobench_neural.layers import give_first_weights
from genobench_neural.sampling import NetworkSampler
from genobench_neural.simplex import table_layout
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = Diffusion(max_epochs=3, widths=(8, 8, 8), n_timesteps=20, n_sampling_steps=5, batch_size=8)
COW = (ConditionPart(1, 64, is_categorical=False),)
HUMAN = (ConditionPart(2, 16, is_categorical=True), ConditionPart(1, 32, is_categorical=False))


def data_of(genotypes: Genotypes) -> TrainingData:
    return TrainingData.of_genotypes(genotypes, example_context(Path()), table_layout(genotypes.n_variants))


class TestDiffusionSuite(GeneratorSuite):
    plugin = Diffusion
    settings = dataclasses.asdict(QUICK)


@pytest.mark.parametrize(
    ("preset", "n_scores", "parts", "n_parameters"),
    [
        ("cow-all", 4_819, COW, 216_610_767),
        ("human-ensembl", 2_026, HUMAN, 43_551_480),
        ("human-multi", 18_769, HUMAN, 1_374_777_043),
    ],
)
def test_presets__have_the_published_number_of_parameters(
    preset: str, n_scores: int, parts: tuple[ConditionPart, ...], n_parameters: int
) -> None:
    """With as many components as reached 90 % of the published data's variance."""
    published = DIFFUSIONS[preset]
    with torch.device("meta"):
        network = NoiseNetwork(n_scores, n_time=published.n_time, widths=published.widths, parts=parts)
    assert sum(weight.numel() for weight in network.parameters()) == n_parameters


@pytest.mark.parametrize(("n_timesteps", "last"), [(1500, 2.6e-7), (1200, 5.3e-6)])
def test_schedule__leaves_what_the_publication_leaves(n_timesteps: int, last: float) -> None:
    schedule = NoiseSchedule.linear(n_timesteps)
    assert float(schedule.alpha_bars[0]) == 1
    assert float(schedule.alpha_bars[-1]) == pytest.approx(last, rel=0.02)


def test_timesteps__as_published_never_reach_the_last_one() -> None:
    random = torch.Generator().manual_seed(1)
    drawn = antithetic_timesteps(4000, 10, is_shifted=True, generator=random)
    assert sorted(set(drawn.tolist())) == list(range(10))
    assert torch.equal(drawn[:2000] + drawn[2000:], torch.full((2000,), 9))


def test_timesteps__by_default_are_those_with_noise() -> None:
    drawn = antithetic_timesteps(4001, 10, is_shifted=False, generator=torch.Generator().manual_seed(1))
    assert len(drawn) == 4001
    assert sorted(set(drawn.tolist())) == list(range(1, 11))


@pytest.mark.parametrize("n_steps", [200, 20])
def test_ancestral_draw__with_the_true_noise_has_the_mean_and_spread_of_the_algorithm(n_steps: int) -> None:
    """For data N(2, 0.5²) the best guess of the noise is linear in x_t, so that every step's variance is a closed form.

    With v_t the variance of x_t, steps are (x - (1 - alpha) (x - mean) / v_t) / sqrt(alpha) + sqrt(1 - alpha) noise, the last without it.
    """
    schedule, n = NoiseSchedule.linear(200), 20_000
    kept = schedule.alpha_bars.double().numpy()

    def best_guess(x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        kept = schedule.alpha_bars[t][:, None]
        return (1 - kept).sqrt() * (x_t - kept.sqrt() * 2) / (kept * 0.25 + 1 - kept)

    random = torch.Generator().manual_seed(2)
    x = torch.randn(n, 1, generator=random) * float(1 - kept[-1]) ** 0.5 + 2 * float(kept[-1]) ** 0.5
    drawn = ancestral_draw(best_guess, x, schedule=schedule, n_steps=n_steps, is_last_noisy=False, generator=random)
    variance = 1 - kept[-1]
    for t in range(200, 0, -200 // n_steps):
        following = t - 200 // n_steps
        alpha = kept[t] / kept[following]
        variance *= (1 - (1 - alpha) / (kept[t] * 0.25 + 1 - kept[t])) ** 2 / alpha
        variance += (1 - alpha) * (following > 0)
    assert float(drawn.mean()) == pytest.approx(2, abs=4 * (variance / n) ** 0.5)
    assert float(drawn.std()) == pytest.approx(variance**0.5, abs=4 * (variance / (2 * n)) ** 0.5)


def test_components__are_those_of_a_singular_value_decomposition() -> None:
    genotypes = example_genotypes(n_samples=60, n_variants=40).take_variants(np.arange(30).reshape(5, 6).T.ravel())
    groups = chromosome_groups(genotypes.variants, is_per_chromosome=True)
    assert [len(group) for group in groups] == [20, 10]
    found = fit_components(data_of(genotypes), groups, kept_share=1.0)
    for group, components in zip(groups, found, strict=True):
        x = genotypes.to_array()[:, group].astype(np.float64)
        values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2 / 60
        assert components.variances.numpy() == pytest.approx(values, rel=1e-3, abs=1e-5)


def test_components__reach_the_share_of_variance_that_is_asked_for() -> None:
    genotypes = example_genotypes(n_samples=60, n_variants=30)
    groups = chromosome_groups(genotypes.variants, is_per_chromosome=True)
    every, most = (fit_components(data_of(genotypes), groups, kept_share=share) for share in (1.0, 0.9))
    for components, leading in zip(every, most, strict=True):
        cumulated = components.variances.cumsum(0) / components.variances.sum()
        assert len(leading.variances) == int((cumulated < 0.9).sum()) + 1


def test_scores__have_the_variances_of_their_components() -> None:
    genotypes = example_genotypes(n_samples=60, n_variants=30)
    found = fit_components(data_of(genotypes), chromosome_groups(genotypes.variants, is_per_chromosome=True), kept_share=1.0)
    variances = torch.cat([components.variances for components in found]).numpy()
    assert scores(data_of(genotypes).batches, found).square().mean(dim=0).numpy() == pytest.approx(variances, rel=1e-3)


def test_components__of_fewer_samples_than_variants_are_the_same() -> None:
    genotypes = example_genotypes(n_samples=12, n_variants=40)
    (found,) = fit_components(data_of(genotypes), chromosome_groups(genotypes.variants, is_per_chromosome=False), kept_share=1.0)
    x = genotypes.to_array().astype(np.float64)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[:11] ** 2 / 12
    assert found.variances.numpy() == pytest.approx(values, rel=1e-3)
    assert (found.loadings.T @ found.loadings).numpy() == pytest.approx(np.eye(11), abs=1e-3)


def test_components__missing_calls_do_not_shrink_covariances() -> None:
    """Two variants with all calls have the covariance of numpy; with a quarter of each missing it must be that within its error."""
    n = 4000
    calls = example_genotypes(n_samples=n, n_variants=6).to_array()[:, :2].copy()
    x = calls - calls.mean(axis=0)
    expected = (x[:, 0] * x[:, 1]).mean()
    calls[np.random.default_rng(8).random(calls.shape) < 0.25] = MISSING
    (found,) = fit_components(data_of(genotypes_of(calls)), [np.arange(2)], kept_share=1.0)
    covariance = float(((found.loadings * found.variances) @ found.loadings.T)[0, 1])
    standard_error = (x[:, 0] * x[:, 1]).std() / 0.75 / np.sqrt(n)
    assert abs(covariance - expected) < 4 * standard_error < 0.25 * expected


def test_learning_rate__warms_up_and_falls_to_a_millionth() -> None:
    assert learning_rate(0, 20_000, peak=3e-4, n_warm=1000) == pytest.approx(3e-7)
    assert learning_rate(1000, 20_000, peak=3e-4, n_warm=1000) == pytest.approx(3e-4)
    assert learning_rate(20_000, 20_000, peak=3e-4, n_warm=1000) == pytest.approx(1e-6)


def size_of(n_variants: int) -> DiffusionSize:
    """As many independent scores as variants, in one group, and a condition of one number."""
    return DiffusionSize(
        n_places=-(-n_variants // 4) * 4,
        n_variants=n_variants,
        n_condition=1,
        groups=((n_variants, n_variants),),
        parts=((1, 2, False),),
        n_timesteps=400,
        n_sampling_steps=50,
        n_time=4,
        widths=(4, 4, 4),
        is_last_noisy=False,
        is_rounded=False,
    )


def begun_network(n_variants: int, effect: float, variance: float) -> ScoreDiffusion:
    """A network before training whose scores are calls, each with the same effect of the condition and variance beside it."""
    random = torch.Generator().manual_seed(1)
    network = ScoreDiffusion(size_of(n_variants))
    give_first_weights(network.noise, torch.device("cpu"), random)
    parts = {"places": torch.arange(n_variants), "mean": torch.zeros(n_variants), "weights": torch.ones(n_variants)}
    components = ChromosomeComponents(**parts, loadings=torch.eye(n_variants), variances=torch.ones(n_variants))
    ones = torch.ones(n_variants)
    network.begin_with([components], scale=ones, effects=torch.full((1, n_variants), effect), variances=variance * ones)
    return network.requires_grad_(requires_grad=False)


def drawn_moments(schedule: NoiseSchedule, n_steps: int, *, mean: float, variance: float) -> tuple[float, float]:
    """Mean and variance of what is drawn with the best guess of the noise in data of these moments.

    Steps are linear: with v_t the variance of x_t, (x - (1 - alpha) (x - mean_t) / v_t) / sqrt(alpha) + sqrt(1 - alpha) noise.
    """
    kept = schedule.alpha_bars.double().numpy()
    stride, found = (len(kept) - 1) // n_steps, (0.0, 1.0)
    for t in range(len(kept) - 1, 0, -stride):
        alpha, v_t = kept[t] / kept[t - stride], kept[t] * variance + 1 - kept[t]
        centre = (found[0] - (1 - alpha) * (found[0] - kept[t] ** 0.5 * mean) / v_t) / alpha**0.5
        found = centre, found[1] * (1 - (1 - alpha) / v_t) ** 2 / alpha + (1 - alpha) * (t > stride)
    return found


@pytest.mark.parametrize("variance", [1.0, 0.3])
def test_begun__scores_are_normal_around_the_effects_of_the_condition(variance: float) -> None:
    n = 10_000
    drawn = begun_network(4, 0.7, variance).draw_scores(torch.full((n, 1), 2.0), torch.Generator().manual_seed(2))
    mean, found = drawn_moments(NoiseSchedule.linear(400), 50, mean=1.4, variance=variance)
    assert float(drawn.mean()) == pytest.approx(mean, abs=4 * (found / (4 * n)) ** 0.5)
    assert float(drawn.std()) == pytest.approx(found**0.5, abs=4 * (found / (2 * 4 * n)) ** 0.5)
    assert float(torch.corrcoef(drawn.T)[0, 1:].abs().max()) < 4 / n**0.5


@pytest.mark.parametrize("n_epochs", [1, 100])
def test_fit__populations_are_as_wide_as_in_training(tmp_path: Path, n_epochs: int) -> None:
    """Two populations of 150 samples, F_ST .2: nearly all variance of a chromosome's first score is between them."""
    random, population = np.random.default_rng(4), np.repeat([0, 1], 150)
    p = random.uniform(0.1, 0.9, 200)
    train = genotypes_of(random.binomial(2, random.beta(4 * p, 4 * (1 - p), size=(2, 200))[population]).astype(np.int8))
    train = dataclasses.replace(train, samples=train.samples.assign(population=np.array(["a", "b"])[population]))
    context = dataclasses.replace(example_context(tmp_path), trait=Trait(column="population", kind="categorical", classes=("a", "b")))
    sampler = Diffusion(max_epochs=n_epochs, widths=(32, 32, 32), patience=None).fit(train, context)
    assert isinstance(sampler, NetworkSampler)
    assert isinstance(sampler.network, ScoreDiffusion)
    components = fit_components(data_of(train), chromosome_groups(train.variants, is_per_chromosome=True), kept_share=0.6)
    first = np.cumsum([0, *(len(group.variances) for group in components)])[:-1]
    with torch.no_grad():
        encoded = torch.from_numpy(sampler.tables.encoder.encode(train.samples))
        drawn = sampler.network.draw_scores(encoded, torch.Generator().manual_seed(1)).numpy()[:, first]
    own = scores(data_of(train).batches, components).numpy()[:, first]
    within = np.stack([[values[population == k].var(axis=0) for k in (0, 1)] for values in (own, drawn)]).mean(axis=1)
    share = within[0] / own.var(axis=0)
    assert share.max() < 0.1
    # What 100 steps of 1,000 add, and 4 standard errors of a standard deviation.
    expected = [drawn_moments(NoiseSchedule.linear(1000), 100, mean=0.0, variance=part)[1] / part for part in share]
    assert np.sqrt(within[1] / within[0] / expected) == pytest.approx(1, abs=4 / (2 * 300) ** 0.5)


def test_thresholds__give_rare_genotypes_their_share() -> None:
    """Of standard normal values: 1,024 draws say where .0002 lies only by their spread."""
    values = torch.randn(1024, 3, generator=torch.Generator().manual_seed(3))
    below = torch.tensor([[0.9998, 0.5, 0.0], [1.0, 0.9, 0.0002]], dtype=torch.double)
    found = thresholds_of(values, below)
    assert float(found[1, 0]) == float("inf")
    assert float(found[0, 2]) == -float("inf")
    reached = torch.special.ndtr(found.double())
    # An order statistic's share has the standard error of a binomial share; far out the spread's error counts, and the eighth value's.
    assert 0.00005 < 1 - float(reached[0, 0]) < 0.0008
    assert 0.00005 < float(reached[1, 2]) < 0.0008
    assert abs(float(reached[0, 1]) - 0.5) < 4 * (0.25 / 1024) ** 0.5
    assert abs(float(reached[1, 1]) - 0.9) < 4 * (0.09 / 1024) ** 0.5


def test_generate__a_genotype_of_share_2_in_10000_is_generated() -> None:
    network, random = begun_network(40, 0.0, 1.0), torch.Generator().manual_seed(4)
    network.calibrate(torch.tensor([[0.9998, 0.0002, 0.0]]).expand(40, 3), torch.zeros(10, 1), random)
    drawn = network.draw(torch.zeros(5000, 1), random)[0]
    # 40 are expected of 200,000, and each variant's threshold has an error of its own of about a third.
    assert 15 < int((drawn == 1).sum()) < 90
    assert not (drawn == 2).any()


def test_published__sees_the_condition_as_in_the_table(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=20, n_variants=6)
    sampler = Diffusion(preset="human-multi", max_epochs=1, widths=(4, 4, 4), n_timesteps=3).fit(train, example_context(tmp_path))
    assert isinstance(sampler, NetworkSampler)
    network = sampler.network
    assert isinstance(network, ScoreDiffusion)
    seen = torch.from_numpy(sampler.tables.encoder.encode(train.samples)) * network.condition_scale + network.condition_offset
    np.testing.assert_allclose(seen[:, 0], train.samples["weight"], rtol=1e-4)
    np.testing.assert_allclose(seen[:, 1:], np.column_stack([train.samples["sex"] == name for name in ("female", "male")]), atol=1e-6)


def test_generate__genotypes_have_their_shares_from_training(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=200, n_variants=30)
    synthetic = QUICK.fit(train, example_context(tmp_path)).generate(2000, seed=5).to_array()
    expected = (train.to_array() == 1).mean(axis=0)
    # Thresholds are quantiles of 1,024 generated samples.
    standard_error = np.sqrt(expected * (1 - expected) * (1 / 2000 + 1 / 1024))
    assert (np.abs((synthetic == 1).mean(axis=0) - expected) / standard_error).max() < 4


def test_published__rounds_means_and_so_has_too_many_heterozygous_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the training samples' own scores: without the variance that truncation left out, rounded means lie at 1 too often."""
    train = genotypes_of(np.random.default_rng(3).binomial(2, 0.5, (300, 60)).astype(np.int8))
    small: dict[str, Any] = {"max_epochs": 1, "widths": (4, 4, 4), "n_timesteps": 3, "kept_share": 0.3}
    shares = {}
    for settings in (Diffusion(preset="human-multi", **small), Diffusion(**small)):
        sampler = settings.fit(train, example_context(tmp_path / settings.preset))
        assert isinstance(sampler, NetworkSampler)
        groups = chromosome_groups(train.variants, is_per_chromosome=True)
        own = scores(data_of(train).batches, fit_components(data_of(train), groups, kept_share=0.3))
        monkeypatch.setattr(sampler.network, "draw_scores", lambda *_, own=own: own)
        if isinstance(sampler.network, ScoreDiffusion) and settings.preset == "default":
            sampler.network.calibrate(torch.tensor([0.25, 0.5, 0.25]).repeat(60, 1), torch.zeros(300, 3), torch.Generator().manual_seed(1))
        shares[settings.preset] = (sampler.generate(300, seed=1).to_array() == 1).mean()
    share = float((train.to_array() == 1).mean())
    assert shares["human-multi"] > share + 4 * (share * (1 - share) / (300 * 60)) ** 0.5
    # The thresholds are quartiles of these very 300 values.
    assert shares["default"] == pytest.approx(0.5, abs=1 / 300)


def test_generate__neighbours_stay_linked(tmp_path: Path, assert_linked: Callable[[Genotypes, Genotypes], None]) -> None:
    train = example_genotypes(n_samples=300, n_variants=30)
    settings = Diffusion(widths=(32, 32, 32), max_epochs=30, batch_size=32)
    assert_linked(settings.fit(train, example_context(tmp_path)).generate(2000, seed=5), train)


def test_fit__reports_the_loss_on_validation_samples(tmp_path: Path) -> None:
    whole = example_genotypes(n_samples=60, n_variants=30)
    points: list[dict[str, float]] = []
    recording = dataclasses.replace(
        example_context(tmp_path),
        validation=whole.take_samples(np.arange(40, 60)),
        report=lambda _step, losses: points.append(dict(losses)),
    )
    QUICK.fit(whole.take_samples(np.arange(40)), recording)
    assert "validation loss" in points[-1]


def test_generate__constant_variants_stay_constant(tmp_path: Path) -> None:
    constant = genotypes_of(np.full((4, 3), 2, dtype=np.int8))
    assert (QUICK.fit(constant, example_context(tmp_path)).generate(5, seed=1).to_array() == 2).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "cow"}, r"preset is 'cow'; it must be one of default, cow-all"),
        ({"kept_share": 1.5}, r"kept_share is 1\.5"),
        ({"preset": "cow-all", "patience": 3}, "has no such thing"),
    ],
)
def test_settings__refuse_what_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Diffusion(**changes)
