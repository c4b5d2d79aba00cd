"""The short way to a critic's losses, against the plain one and against closed forms."""

from __future__ import annotations

import pytest
import torch

from genobench_neural.published.dense import DenseCritic
from genobench_neural.published.dense_steps import critic_scores, penalised_distance

N, M = 6, 5


def linear_critic() -> DenseCritic:
    """A critic without stages whose activation never bends: the score is <w, x> up to a constant."""
    critic = DenseCritic(widths=(1,), n_variants=M)
    ones = {name: torch.ones_like(weight) for name, weight in critic.state_dict().items()}
    critic.load_state_dict({**ones, "entry.0.weight": torch.arange(1.0, 3 * M + 1)[None] / 10, "entry.0.bias": torch.tensor([100.0])})
    return critic


def soft(seed: int) -> torch.Tensor:
    return torch.rand(N, M, 3, generator=torch.Generator().manual_seed(seed)).softmax(dim=-1)


def test_penalised_distance__of_a_linear_critic_is_closed() -> None:
    seen, generated = soft(1), soft(2)
    nothing = torch.zeros(N, 0)
    distance, penalty = penalised_distance(linear_critic(), seen, generated, nothing, mix=torch.full((N, 1), 0.3))
    weight = (torch.arange(1.0, 3 * M + 1) / 10).view(3, M).T
    assert distance.item() == pytest.approx(float(((seen - generated) * weight).sum(dim=(1, 2)).mean()), rel=1e-4)
    assert penalty.item() == pytest.approx((float(weight.square().sum()) ** 0.5 - 1) ** 2, rel=1e-5)


@pytest.mark.parametrize(("n_before", "n_after"), [(0, 1), (2, 2)])
def test_penalised_distance__is_what_autograd_gives_at_the_interpolates(n_before: int, n_after: int) -> None:
    """With the weights' gradients, which go through the gradient of the gradient."""
    torch.manual_seed(3)
    critic = DenseCritic(widths=(8, 4), n_variants=M, n_columns=2, n_before=n_before, n_after=n_after)
    seen, generated, condition = soft(1), soft(2), torch.randn(N, 2)
    mix = torch.rand(N, 1)
    distance, penalty = penalised_distance(critic, seen, generated, condition, mix=mix)
    between = torch.lerp(generated, seen, mix[..., None]).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between, condition).sum(), between, create_graph=True)
    expected_penalty = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    expected_distance = critic(seen, condition).mean() - critic(generated, condition).mean()
    torch.testing.assert_close((distance, penalty), (expected_distance, expected_penalty))
    weights = list(critic.parameters())
    ours = torch.autograd.grad(10 * penalty - distance, weights)
    expected = torch.autograd.grad(10 * expected_penalty - expected_distance, weights)
    torch.testing.assert_close(ours, expected)


def test_critic_scores__are_the_critics() -> None:
    critic = DenseCritic(widths=(8, 4), n_variants=M, n_columns=2)
    condition = torch.randn(N, 2)
    torch.testing.assert_close(critic_scores(critic, soft(1), condition), critic(soft(1), condition))
