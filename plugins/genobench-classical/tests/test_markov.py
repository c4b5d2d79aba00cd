"""The Markov chain: its tables against a known chain and worked counts, and every rule for generators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from genobench import FitContext, Genotypes, PackedCalls, SettingsError, Trait
from genobench.testing import GeneratorSuite, example_context, example_genotypes, genotypes_of
from genobench_classical.histories import first_order_slopes, history_tables
from genobench_classical.markov import Markov

if TYPE_CHECKING:
    from pathlib import Path

MOVES = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.05, 0.25, 0.7]])


class TestMarkov(GeneratorSuite):
    """Every rule for generators."""

    plugin = Markov


def chain(n_samples: int, n_variants: int, *, seed: int) -> np.ndarray:
    """Calls of a chain with the moves above, which begins anew at the middle."""
    rng = np.random.default_rng(seed)
    calls = np.empty((n_samples, n_variants), dtype=np.int8)
    for k in range(n_variants):
        at_most = np.full((n_samples, 3), [1 / 3, 2 / 3, 1]) if k in (0, n_variants // 2) else MOVES.cumsum(axis=1)[calls[:, k - 1]]
        calls[:, k] = (rng.random(n_samples)[:, None] >= at_most[:, :2]).sum(axis=1)
    return calls


def test_history_tables__add_prior_samples_that_follow_the_shorter_history() -> None:
    calls = np.array([[0, 0], [0, 1], [1, 1], [2, 1]], dtype=np.int8)
    tables = history_tables(calls, np.array([0, 1]), order=1, prior=2.0)
    # At the second variant 1/4 of calls are 0; after 0, one of each and two samples of the prior: (1 + 2/4) / 4.
    np.testing.assert_allclose(tables[1, 0], [1.5 / 4, 1.0])
    np.testing.assert_allclose(tables[1, 1], [0.5 / 3, 1.0], rtol=1e-6)
    np.testing.assert_allclose(tables[0], [[0.5, 0.75]] * 3)


def test_history_tables__leave_missing_calls_out() -> None:
    calls = np.array([[0, 0], [-1, 2], [0, -1]], dtype=np.int8)
    tables = history_tables(calls, np.array([0, 1]), order=1, prior=1e-6)
    np.testing.assert_allclose(tables[1, 0], [1.0, 1.0], atol=1e-5)


def test_markov__reproduces_known_transitions(tmp_path: Path) -> None:
    sampler = Markov().fit(genotypes_of(chain(1500, 40, seed=1)), example_context(tmp_path))
    synthetic = sampler.generate(3000, seed=2).to_array()
    before = np.concatenate([synthetic[:, :19], synthetic[:, 20:39]], axis=1).ravel()
    after = np.concatenate([synthetic[:, 1:20], synthetic[:, 21:]], axis=1).ravel()
    for call in range(3):
        found = np.bincount(after[before == call], minlength=3) / np.count_nonzero(before == call)
        # 38 moves of 1,500 and of 3,000 samples, a third of them from each call; and at each variant, where 500 samples have the call, at
        # most 16 samples of a prior which move as all samples do.
        error = np.sqrt(MOVES[call] * (1 - MOVES[call]) * (1 / (38 * 500) + 1 / (38 * 1000)))
        pull = 16 / (500 + 16) * np.abs(np.bincount(after, minlength=3) / len(after) - MOVES[call])
        assert (np.abs(found - MOVES[call]) < 4 * error + pull).all()


def test_markov__chooses_short_histories_for_a_first_order_chain(tmp_path: Path) -> None:
    sampler = Markov().fit(genotypes_of(chain(1500, 40, seed=1)), example_context(tmp_path))
    assert sampler.at_most.shape[1] == 3


def test_markov__chromosomes_are_independent(tmp_path: Path) -> None:
    synthetic = Markov().fit(genotypes_of(chain(800, 40, seed=1)), example_context(tmp_path)).generate(4000, seed=2).to_array()
    assert abs(np.corrcoef(synthetic[:, 19], synthetic[:, 20])[0, 1]) < 5 / np.sqrt(4000)


def test_markov__classes_have_shares_of_their_own(tmp_path: Path) -> None:
    calls = chain(600, 40, seed=1)
    train = genotypes_of(calls)
    sexes = np.where(np.random.default_rng(2).random(600) < 0.5, "female", "male")
    calls[sexes == "male", 5] = 2
    train = Genotypes(calls=PackedCalls.from_calls(calls), samples=train.samples.assign(sex=sexes), variants=train.variants)
    condition = pd.DataFrame({"weight": 0.0, "sex": np.repeat(["female", "male"], 500)})
    found = Markov().fit(train, example_context(tmp_path)).generate(1000, seed=1, condition=condition).to_array()[:, 5]
    for sex, rows in (("female", slice(500)), ("male", slice(500, None))):
        members = calls[sexes == sex]
        # Twenty samples of both sexes are added after each call before, so that shares lie between the sex's own and that of all.
        n_after = np.bincount(members[:, 4], minlength=3)
        own, of_all = (members[:, 5] == 2).mean(), (calls[:, 5] == 2).mean()
        drawn = own + (of_all - own) * (n_after * 20 / (n_after + 20)).sum() / n_after.sum()
        error = np.sqrt(0.25 / 500)
        assert min(own, drawn) - 4 * error < (found[rows] == 2).mean() < max(own, drawn) + 4 * error


def test_markov__the_trait_moves_calls(tmp_path: Path) -> None:
    calls = chain(600, 40, seed=1)
    train = genotypes_of(calls)
    train = train.with_samples(train.samples.assign(weight=calls[:, 5] + np.random.default_rng(1).normal(0, 0.5, 600)))
    condition = pd.DataFrame({"weight": np.repeat([0.0, 2.0], 500), "sex": train.samples["sex"].iloc[0]})
    found = Markov().fit(train, example_context(tmp_path)).generate(1000, seed=1, condition=condition).to_array()[:, 5]
    # Against no effect: the variance of a call is at most 1, so this is four standard errors of the difference.
    assert found[500:].mean() - found[:500].mean() > 4 * np.sqrt(2 / 500)


def two_lines(n_samples: int, n_variants: int) -> Genotypes:
    """Two lines with allele frequencies .2 and .8 whose mean weight is -1 and 1; within a line weight says nothing of the calls."""
    rng = np.random.default_rng(7)
    is_second = np.arange(n_samples) % 2 == 1
    calls = rng.binomial(2, np.where(is_second, 0.8, 0.2)[:, None], (n_samples, n_variants))
    train = genotypes_of(calls.astype(np.int8))
    weights = np.where(is_second, 1.0, -1.0) + rng.normal(0, 0.5, n_samples)
    return train.with_samples(train.samples.assign(weight=weights, line=np.where(is_second, "second", "first")))


def test_markov__a_covariate_that_goes_with_a_class_is_not_counted_twice(tmp_path: Path) -> None:
    train = two_lines(4000, 10)
    trait = Trait(column="weight", kind="quantitative", covariates=("line",))
    sampler = Markov().fit(train, FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path))
    found = sampler.generate(4000, seed=2, condition=train.samples[["weight", "line"]]).to_array() / 2
    for line, frequency in (("first", 0.2), ("second", 0.8)):
        means = found[train.samples["line"] == line].mean(axis=0)
        # 4,000 alleles of a variant in training, and as many that were generated.
        np.testing.assert_allclose(means, frequency, atol=4 * np.sqrt(2 * 0.16 / 4000))


@pytest.mark.parametrize("frequency", [0.02, 0.5, 0.95])
def test_markov__columns_of_noise_leave_frequencies_alone(tmp_path: Path, frequency: float) -> None:
    """Six columns that say nothing, 150 samples; tolerated is what a mean frequency of 300 variants has as its error in training."""
    rng = np.random.default_rng(9)
    train = genotypes_of(rng.binomial(2, frequency, (150, 300)).astype(np.int8))
    names = [f"column{k}" for k in range(6)]
    train = train.with_samples(train.samples.assign(**{name: rng.normal(size=150) for name in names}))
    trait = Trait(column=names[0], kind="quantitative", covariates=tuple(names[1:]))
    sampler = Markov(max_order=1).fit(train, FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path))
    found = sampler.generate(2000, seed=2).to_array().mean() / 2
    assert found == pytest.approx(train.to_array().mean() / 2, abs=4 * (frequency * (1 - frequency) / (300 * 300)) ** 0.5)


def test_first_order_slopes__do_not_depend_on_missing_calls() -> None:
    """Calls that go missing at random leave the same slopes, but for the noise of fewer calls."""
    rng = np.random.default_rng(5)
    values = rng.standard_normal((20000, 1)).astype(np.float32)
    before = rng.binomial(2, 0.5, 20000)
    after = np.where(rng.random(20000) < 0.5, before, rng.binomial(2, 1 / (1 + np.exp(-0.5 * values[:, 0]))))
    calls = np.stack([before, after], axis=1).astype(np.int8)
    n_before, stratum_of = np.array([0, 1]), np.zeros(20000, dtype=np.intp)
    whole = first_order_slopes(calls, n_before, values, stratum_of=stratum_of, ridge=10.0)
    calls[rng.random(calls.shape) < 0.25] = -1
    partial = first_order_slopes(calls, n_before, values, stratum_of=stratum_of, ridge=10.0)
    # A slope over the variance that is left, about .4, has a standard error of sqrt(1 / (.4 n)); a quarter of the samples come in addition.
    assert partial[0, 1] == pytest.approx(whole[0, 1], abs=4 * np.sqrt(0.25 / 0.75 / (0.4 * 20000)))


def test_markov__constant_variants_stay_constant(tmp_path: Path) -> None:
    train = example_genotypes(n_constant=6)
    synthetic = Markov().fit(train, example_context(tmp_path)).generate(500, seed=1).to_array()
    assert (synthetic[:, :6] == train.to_array()[0, :6]).all()


@pytest.mark.parametrize(("name", "value"), [("max_order", 8), ("max_order", -1), ("stratum_prior", 0.0), ("ridge", 0.0)])
def test_settings__refuse_values_out_of_range(name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        Markov(**changes)
