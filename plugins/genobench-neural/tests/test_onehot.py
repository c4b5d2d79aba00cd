"""One-hot genotypes in planes, and Gumbel-softmax draws against the distributions they are drawn from."""

from __future__ import annotations

import math

import torch

from genobench_neural.batches import MISSING_CODE
from genobench_neural.onehot import gumbel_noise, one_hot_planes, soft_genotypes


def test_one_hot_planes__are_one_hot_and_0_where_missing() -> None:
    codes = torch.tensor([[0, 2, MISSING_CODE]], dtype=torch.uint8)
    assert one_hot_planes(codes).tolist() == [[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]


def test_gumbel_noise__has_the_distribution_of_gumbel() -> None:
    """P(G < g) = exp(-exp(-g)); a share's standard error is sqrt(p (1 - p) / n)."""
    noise = gumbel_noise((1000, 401), torch.Generator().manual_seed(1)).flatten()
    for at in (-1.0, 0.0, 1.0, 3.0):
        expected = math.exp(-math.exp(-at))
        assert abs(float((noise < at).float().mean()) - expected) < 4 * (expected * (1 - expected) / len(noise)) ** 0.5


def test_soft_genotypes__are_hard_with_the_same_distribution_when_cold() -> None:
    """Jang et al. 2017: the argmax of a draw is a draw from softmax(logits), at any temperature."""
    logits = torch.tensor([0.5, 1.0, -0.5])[None, :, None].expand(1, 3, 40_000)
    expected = torch.softmax(logits[0, :, 0], dim=0)
    soft = soft_genotypes(logits, 0.1, torch.Generator().manual_seed(2))
    shares = soft.argmax(dim=1).flatten().bincount(minlength=3) / 40_000
    standard_error = (expected * (1 - expected) / 40_000).sqrt()
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(1, 40_000))
    assert ((shares - expected).abs() < 4 * standard_error).all()


def test_soft_genotypes__gradient_is_that_of_the_softmax() -> None:
    logits = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float32).requires_grad_()
    weight = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(2))
    (ours,) = torch.autograd.grad((soft_genotypes(logits, 0.5, torch.Generator().manual_seed(3)) * weight).sum(), logits)
    noise = gumbel_noise((2, 3, 4), torch.Generator().manual_seed(3))
    (expected,) = torch.autograd.grad((torch.softmax((logits + noise) / 0.5, dim=1) * weight).sum(), logits)
    torch.testing.assert_close(ours, expected)
