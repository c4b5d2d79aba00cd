"""Differentially private gradient descent: gradients of one sample at a time, clipping, noise, and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from genobench import SettingsError
from genobench_neural.private.accounting import PrivacyBudget
from genobench_neural.private.descent import DescentPlan, PrivateGradients, clipped_sums
from genobench_neural.private.streams import Noise

if TYPE_CHECKING:
    from collections.abc import Mapping


def loss_of_sample(parameters: Mapping[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (torch.tanh(parameters["weight"] @ x + parameters["bias"]).sum() - y).square()


def gradients(plan: DescentPlan | None = None, *, n_samples: int = 400, seed: int = 3) -> PrivateGradients:
    plan = plan or DescentPlan(PrivacyBudget(1.0, 1e-3), rate=0.5, n_steps=10, noise=2.0)
    return PrivateGradients(plan, n_samples, Noise.of_seed(seed))


def test_clipped_sums__are_those_of_autograd_sample_by_sample() -> None:
    random = torch.Generator().manual_seed(1)
    network = nn.Linear(5, 3)
    x, y = torch.randn(7, 5, generator=random), torch.randn(7, generator=random)
    clipped, lengths = [], []
    for row in range(7):
        own = torch.autograd.grad(loss_of_sample(dict(network.named_parameters()), x[row], y[row]), list(network.parameters()))
        length = torch.cat([gradient.flatten() for gradient in own]).norm()
        lengths.append(float(length))
        clipped.append([gradient * min(1.0, 4.5 / float(length)) for gradient in own])
    assert min(lengths) < 4.5 < max(lengths)
    sums = clipped_sums(dict(network.named_parameters()), loss_of_sample, x, y, clip=4.5)
    expected = [torch.stack(parts).sum(dim=0) for parts in zip(*clipped, strict=True)]
    torch.testing.assert_close([sums["weight"], sums["bias"]], expected)


def test_clipped_sums__change_by_no_more_than_the_clip_with_one_sample() -> None:
    random = torch.Generator().manual_seed(2)
    network = nn.Linear(5, 3)
    x, y = 100 * torch.randn(20, 5, generator=random), torch.randn(20, generator=random)
    with_all = clipped_sums(dict(network.named_parameters()), loss_of_sample, x, y, clip=0.7)
    without = clipped_sums(dict(network.named_parameters()), loss_of_sample, x[1:], y[1:], clip=0.7)
    change = torch.cat([(with_all[name] - without[name]).flatten() for name in with_all])
    assert float(change.norm()) <= 0.7 + 1e-4


def test_set_gradients__has_the_noise_of_the_plan_even_in_an_empty_batch() -> None:
    network = nn.Linear(200, 100)
    empty = torch.zeros(0, dtype=torch.long)
    gradients().set_gradients(network, loss_of_sample, torch.zeros(400, 200)[empty], torch.zeros(400)[empty], clip=0.5)
    assert network.weight.grad is not None
    wanted = 2.0 * 0.5 / (0.5 * 400)
    assert float(network.weight.grad.std()) == pytest.approx(wanted, rel=4 / (2 * 20_000) ** 0.5)


def test_set_gradients__leaves_frozen_parameters_alone() -> None:
    network = nn.Linear(5, 3)
    network.bias.requires_grad_(False)
    gradients().set_gradients(network, lambda parameters, x: (parameters["weight"] @ x).sum(), torch.ones(4, 5), clip=1.0)
    assert network.bias.grad is None


def test_rows__hold_each_sample_with_one_probability() -> None:
    source = gradients(n_samples=2000)
    counts = torch.stack([torch.zeros(2000).index_fill(0, source.rows(), 1.0) for _ in range(100)])
    assert float(counts.mean()) == pytest.approx(0.5, abs=4 * 0.5 / 200_000**0.5)
    assert float(counts.sum(dim=1).std()) == pytest.approx((2000 * 0.25) ** 0.5, rel=4 / 200**0.5)


def test_set_gradients__stops_where_the_budget_ends() -> None:
    source = gradients(DescentPlan(PrivacyBudget(1.0, 1e-3), rate=0.5, n_steps=1, noise=2.0))
    network = nn.Linear(5, 3)
    source.set_gradients(network, loss_of_sample, torch.ones(4, 5), torch.ones(4), clip=1.0)
    with pytest.raises(SettingsError, match="All 1 noisy gradients"):
        source.set_gradients(network, loss_of_sample, torch.ones(4, 5), torch.ones(4), clip=1.0)


def test_plan__keeps_to_its_budget_and_says_what_it_reached() -> None:
    plan = DescentPlan.of_budget(PrivacyBudget(3.0, 1e-3), rate=0.2, n_steps=30)
    assert 2.99 < plan.to_json()["epsilon_reached"] <= 3.0
    assert plan.epsilon_after(10) < plan.epsilon_after(30)


def test_plan__refuses_a_rate_out_of_range() -> None:
    with pytest.raises(SettingsError, match=r"rate is 0.0; .* in \(0, 1\]"):
        DescentPlan.of_budget(PrivacyBudget(3.0, 1e-3), rate=0.0, n_steps=30)
