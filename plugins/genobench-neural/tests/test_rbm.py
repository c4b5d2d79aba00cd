"""The Boltzmann machine: its gradient and conditionals against enumeration of a tiny one, and every rule for generators."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from genobench import MISSING, GenobenchError, SettingsError
from genobench.testing import GeneratorSuite, example_context, example_genotypes, genotypes_of
from genobench_neural.energy.boltzmann import Boltzmann, BoltzmannSize
from genobench_neural.rbm import Rbm
from genobench_neural.sampling import NetworkSampler

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from genobench import Genotypes

    KillAt = Callable[[int], AbstractContextManager[Callable[..., None]]]

QUICK = Rbm(max_epochs=3, n_local=4, n_global=4, n_sweeps=6, batch_size=32)
LINKING = Rbm(max_epochs=60, n_local=8, n_global=4)


class TestRbm(GeneratorSuite):
    """Every rule for generators."""

    plugin = Rbm
    settings = {"max_epochs": 2, "n_local": 4, "n_global": 4, "n_sweeps": 4}  # noqa: RUF012 - a suite's attribute


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


@pytest.fixture(scope="module")
def linked() -> Genotypes:
    return example_genotypes(n_samples=600, n_variants=16)


@pytest.fixture(scope="module")
def synthetic(linked: Genotypes, tmp_path_factory: pytest.TempPathFactory) -> Genotypes:
    return LINKING.fit(linked, example_context(tmp_path_factory.mktemp("linked"))).generate(2000, seed=1)


def neighbour_r(calls: np.ndarray) -> float:
    """Mean correlation of neighbours."""
    return float(np.corrcoef(calls.T).diagonal(1).mean())


def test_rbm__learns_linkage(linked: Genotypes, synthetic: Genotypes, assert_linked: Callable[[Genotypes, Genotypes], None]) -> None:
    assert_linked(synthetic, linked)


def test_rbm__missing_calls_take_no_linkage_away(linked: Genotypes, synthetic: Genotypes, tmp_path: Path) -> None:
    """Calls that are missing at random leave what goes together as it is; divided by all samples, r falls to a half at 25 %."""
    calls = linked.to_array()
    with_missing = np.where(np.random.default_rng(1).random(calls.shape) < 0.25, MISSING, calls).astype(np.int8)
    found = LINKING.fit(genotypes_of(with_missing), example_context(tmp_path)).generate(2000, seed=1)
    # Parts of whole families, which are six samples in a row.
    parts = np.array([neighbour_r(part) for part in np.array_split(calls, 10)])
    # Of 600 samples with both calls in 9 of 16 pairs, and of 2,000 that are drawn, twice.
    error = (parts.var(ddof=1) / 10 * (16 / 9 + 2 * 600 / 2000)) ** 0.5
    assert neighbour_r(found.to_array()) == pytest.approx(neighbour_r(synthetic.to_array()), abs=4 * error)


@pytest.mark.usefixtures("always_saved")
def test_rbm__goes_on_after_a_kill_to_the_same_machine(tmp_path: Path, killed_at: KillAt) -> None:
    train = example_genotypes(n_samples=96)
    settings = dataclasses.replace(QUICK, max_epochs=10)
    whole = settings.fit(train, example_context(tmp_path / "whole"))
    assert isinstance(whole, NetworkSampler)
    interrupted = example_context(tmp_path / "killed")
    with killed_at(2) as report:
        settings.fit(train, dataclasses.replace(interrupted, report=report))
    steps: list[int] = []
    again = settings.fit(train, dataclasses.replace(interrupted, report=lambda step, _losses: steps.append(step)))
    assert steps[0] > 2
    assert isinstance(again, NetworkSampler)
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, again.network.state_dict()[name]), name


def test_rbm__constant_variants_stay_constant(tmp_path: Path) -> None:
    train = example_genotypes(n_constant=6)
    synthetic = QUICK.fit(train, example_context(tmp_path)).generate(200, seed=1).to_array()
    assert (synthetic[:, :6] == train.to_array()[0, :6]).all()


def test_rbm__a_divergent_fit_is_an_error_that_says_when(tmp_path: Path) -> None:
    with pytest.raises(GenobenchError, match=r"became (nan|inf) at step \d+ of"):
        dataclasses.replace(QUICK, learning_rate=1e38, max_epochs=40).fit(example_genotypes(), example_context(tmp_path))


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("n_global", 0), ("learning_rate", 0.0), ("weight_decay", -1.0)])
def test_settings__refuse_values_out_of_range(name: str, value: Any) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        dataclasses.replace(QUICK, **changes)
