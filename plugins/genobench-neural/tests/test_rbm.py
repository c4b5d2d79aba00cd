"""The Boltzmann machine: its gradient and conditionals against enumeration of a tiny one, and every rule for generators."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

from genobench import MISSING, FitContext, GenobenchError, Genotypes, PackedCalls, SettingsError
from genobench.testing import EXAMPLE_TRAITS, GeneratorSuite, example_genotypes
from genobench_neural import training
from genobench_neural.energy.boltzmann import Boltzmann, BoltzmannSize
from genobench_neural.rbm import Rbm
from genobench_neural.sampling import NetworkSampler

if TYPE_CHECKING:
    from pathlib import Path

QUICK = Rbm(max_epochs=3, n_local=4, n_global=4, n_sweeps=6, batch_size=32)


class TestRbm(GeneratorSuite):
    """Every rule for generators."""

    plugin = Rbm
    settings = {"max_epochs": 2, "n_local": 4, "n_global": 4, "n_sweeps": 4}  # noqa: RUF012 - a suite's attribute


def context(folder: Path) -> FitContext:
    return FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=folder)


def tiny_machine() -> Boltzmann:
    """Two blocks of two calls, one hidden unit for each block and one for all, one number of condition."""
    random = torch.Generator().manual_seed(3)
    shares = torch.tensor([0.3, 0.4, 0.3]).view(3, 1, 1).expand(3, 2, 2)
    machine = Boltzmann(BoltzmannSize(2, 2, 1, 1, 1), torch.tensor([True, False]), n_sweeps=6, is_bf16=False)
    machine.begin_with(shares, random)
    with torch.no_grad():
        for name, weight in machine.named_parameters():
            if name != "bias":
                weight.copy_(0.5 * torch.randn(weight.shape, generator=random))
    return machine


STATES = torch.tensor(list(itertools.product(range(3), repeat=4)), dtype=torch.uint8)
HIDDEN = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)))


def minus_energy(machine: Boltzmann, calls: torch.Tensor, hidden: torch.Tensor, condition: float) -> torch.Tensor:
    """Of one state, written out unit by unit as the class docstring has it."""
    blocks = calls.view(2, 2)
    x = (blocks.float() - machine.mean) * machine.inverse_spread
    total = torch.zeros(())
    for block, place in itertools.product(range(2), range(2)):
        genotype = int(blocks[block, place])
        if genotype:
            total = total + machine.bias[genotype - 1, block, place]
        total = total + x[block, place] * machine.slopes[0, block, place] * condition
        total = total + x[block, place] * machine.local[block, place, 0] * hidden[block]
        total = total + x[block, place] * machine.dense[block, place, 0] * hidden[2]
        if block == 1:
            total = total + x[block, place] * machine.local[0, 2 + place, 0] * hidden[0]
    return total + (hidden * (machine.hidden_bias + machine.hidden_slopes[0] * condition)).sum()


def log_weights(machine: Boltzmann, condition: float) -> torch.Tensor:
    """Logarithm of the unnormalised probability of each of the 81 states of calls, hidden units summed out."""
    return torch.stack([torch.stack([minus_energy(machine, s, h, condition) for h in HIDDEN]).logsumexp(dim=0) for s in STATES])


def as_blocks(states: torch.Tensor) -> torch.Tensor:
    return states.view(-1, 2, 2).transpose(0, 1)


def test_gradients__are_those_of_the_enumerated_likelihood() -> None:
    machine, condition = tiny_machine(), 0.7
    # Calls in the shares of training, so that the bias's positive part is exact: 0, 1 and 2 three, four and three times at each place.
    places = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2], dtype=torch.uint8)
    seen = torch.stack([places.roll(k) for k in range(4)], dim=1)
    index = (seen.long() * torch.tensor([27, 9, 3, 1])).sum(dim=1)
    logs = log_weights(machine, condition)
    (logs[index].mean() - logs.logsumexp(dim=0)).backward()
    wanted = {name: weight.grad for name, weight in machine.named_parameters()}
    with torch.no_grad():
        chance = logs.softmax(dim=0)
        # Expectations of the machine, from many copies of each state in its share.
        copies = torch.multinomial(chance, 400_000, replacement=True, generator=torch.Generator().manual_seed(1))
        phases = []
        for calls in (as_blocks(seen), as_blocks(STATES[copies])):
            c = torch.full((calls.shape[1], 1), condition)
            phases.append(machine.phase(calls, c))
        found = machine.gradients(phases[0], phases[1], as_blocks(STATES[copies]), torch.ones(2, 2))
    for name, gradient in wanted.items():
        assert gradient is not None
        # Means of products of standard deviation near 1 over 400,000 draws: a standard error of .0016.
        torch.testing.assert_close(found[name], gradient, atol=0.012, rtol=0)


def test_sweep__has_the_enumerated_distribution_as_its_equilibrium() -> None:
    machine, condition = tiny_machine(), -0.4
    random = torch.Generator().manual_seed(5)
    n_chains = 40_000
    conditions = torch.full((n_chains, 1), condition)
    calls = machine.independent_calls(n_chains, random)
    with torch.no_grad():
        for _ in range(60):
            calls = machine.sweep(calls, conditions, random)
    states = calls.transpose(0, 1).reshape(n_chains, 4).long()
    found = torch.bincount((states * torch.tensor([27, 9, 3, 1])).sum(dim=1), minlength=81) / n_chains
    wanted = log_weights(machine, condition).softmax(dim=0).detach()
    # Standard error of a share: at most sqrt(.25 / 40,000) = .0025; all 81 stay within five of their own.
    assert ((found - wanted).abs() <= 5 * (wanted * (1 - wanted) / n_chains).sqrt() + 1e-4).all()


def test_rbm__learns_linkage(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(3, size=(400, 1)), rng.integers(3, size=(400, 1))
    calls = np.concatenate([first.repeat(8, axis=1), second.repeat(8, axis=1)], axis=1)
    calls = np.where(rng.random(calls.shape) < 0.1, rng.integers(3, size=calls.shape), calls).astype(np.int8)
    table = example_genotypes(n_samples=400, n_variants=16)
    train = Genotypes(calls=PackedCalls.from_calls(calls), samples=table.samples, variants=table.variants)
    sampler = Rbm(n_local=4, n_global=4, max_epochs=150, learning_rate=0.01, n_sweeps=60).fit(train, context(tmp_path))
    found = np.atleast_2d(np.corrcoef(sampler.generate(1000, seed=1).to_array().T))
    assert np.diag(found, 1)[:7].mean() > 0.5
    assert abs(found[:8, 8:].mean()) < 0.2


def linked_calls(n_samples: int, n_variants: int) -> np.ndarray:
    """Two haplotypes a sample, each a chain of alleles that goes on as it was with probability .9."""
    rng = np.random.default_rng(3)
    p = rng.uniform(0.2, 0.8, n_variants)
    uniform = rng.random(2 * n_samples)
    haplotypes = np.empty((2 * n_samples, n_variants), dtype=np.int8)
    for variant in range(n_variants):
        uniform = np.where(rng.random(2 * n_samples) > 0.9, rng.random(2 * n_samples), uniform)
        haplotypes[:, variant] = uniform < p[variant]
    return haplotypes[:n_samples] + haplotypes[n_samples:]


def neighbour_r(calls: np.ndarray) -> float:
    """Mean correlation of neighbours."""
    return float(np.corrcoef(calls.T).diagonal(1).mean())


def test_rbm__missing_calls_take_no_linkage_away(tmp_path: Path) -> None:
    """Calls that are missing at random leave what goes together as it is; divided by all samples, r falls to a half at 25 %."""
    calls = linked_calls(600, 32)
    table = example_genotypes(n_samples=600, n_variants=32)
    settings = Rbm(max_epochs=120, n_local=8, n_global=4)
    found = []
    for share in (0.0, 0.25):
        with_missing = np.where(np.random.default_rng(1).random(calls.shape) < share, MISSING, calls).astype(np.int8)
        train = Genotypes(calls=PackedCalls.from_calls(with_missing), samples=table.samples, variants=table.variants)
        folder = tmp_path / str(share)
        folder.mkdir()
        found.append(settings.fit(train, context(folder)).generate(2000, seed=1).to_array())
    parts = np.array([neighbour_r(part) for part in np.array_split(calls, 20)])
    # Of 600 samples with both calls in 9 of 16 pairs, and of 2,000 that are drawn, twice.
    error = (parts.var(ddof=1) / 20 * (16 / 9 + 2 * 600 / 2000)) ** 0.5
    assert neighbour_r(found[1]) == pytest.approx(neighbour_r(found[0]), abs=3 * error)


class Killed(Exception):  # noqa: N818 - stands for a kill, which is no error
    pass


def test_rbm__goes_on_after_a_kill_to_the_same_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(training, "_SHARE_OF_WRITING", math.inf)
    monkeypatch.setattr(training, "_REPORT_EVERY_SECONDS", 0.0)
    train = example_genotypes(n_samples=96)
    settings = dataclasses.replace(QUICK, max_epochs=10)
    whole = settings.fit(train, context(tmp_path / "whole"))
    assert isinstance(whole, NetworkSampler)

    def report(step: int, _losses: Any) -> None:
        if step > 1:
            raise Killed

    with pytest.raises(Killed):
        settings.fit(train, dataclasses.replace(context(tmp_path / "killed"), report=report))
    steps: list[int] = []
    again = settings.fit(train, dataclasses.replace(context(tmp_path / "killed"), report=lambda step, _losses: steps.append(step)))
    assert steps[0] > 2
    assert isinstance(again, NetworkSampler)
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name]), name


def test_rbm__constant_variants_stay_constant(tmp_path: Path) -> None:
    train = example_genotypes(n_constant=6)
    synthetic = QUICK.fit(train, context(tmp_path)).generate(200, seed=1).to_array()
    assert (synthetic[:, :6] == train.to_array()[0, :6]).all()


def test_rbm__takes_one_variant_and_two_samples(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=2, n_variants=1)
    assert QUICK.fit(train, context(tmp_path)).generate(5, seed=1).calls.shape == (5, 1)


def test_rbm__a_divergent_fit_is_an_error_that_says_when(tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match=r"became (nan|inf) at step \d+ of"):
        dataclasses.replace(QUICK, learning_rate=1e38, max_epochs=40).fit(example_genotypes(), context(tmp_path))


def test_rbm__refuses_a_class_that_training_did_not_have(tmp_path: Path) -> None:
    sampler = QUICK.fit(example_genotypes(), context(tmp_path))
    with pytest.raises(GenobenchError, match="sex = 'ox', which no training sample has"):
        sampler.generate(1, seed=1, condition=pd.DataFrame({"weight": [1.0], "sex": ["ox"]}))


def test_rbm__a_device_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match="is no device"):
        QUICK.fit(example_genotypes(), FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="abacus", folder=tmp_path))


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("n_global", 0), ("learning_rate", 0.0), ("weight_decay", -1.0)])
def test_settings__refuse_values_out_of_range(name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        dataclasses.replace(QUICK, **changes)
