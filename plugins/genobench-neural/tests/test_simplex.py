"""Genotypes on the simplex: shares, one-hot triples, noise drawn once, Gumbel-softmax draws."""

from __future__ import annotations

import torch

from genobench_neural.batches import MISSING_CODE
from genobench_neural.simplex import (
    LARGEST_NOISE,
    SimplexNoise,
    drawn_genotypes,
    one_hot,
)


def test_one_hot__a_missing_call_reads_as_the_shares() -> None:
    triples = one_hot(torch.tensor([[2, MISSING_CODE]], dtype=torch.uint8), torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]))
    torch.testing.assert_close(triples, torch.tensor([[[0.0, 0.0, 1.0], [0.5, 0.3, 0.2]]]))


def test_simplex_noise__is_uniform_and_keeps_the_sum() -> None:
    """The description: each zero cell gets U(0, .025), the cell with the one is lowered by their sum."""
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(0, 3, (200, 500), generator=generator).byte()
    triples = one_hot(codes, torch.zeros(500, 3))
    noisy = SimplexNoise(200, 500, generator)(triples, codes, torch.arange(200))
    torch.testing.assert_close(noisy.sum(dim=-1), torch.ones(200, 500))
    added = noisy[triples == 0]
    n = len(added)
    assert float(added.min()) >= 0
    assert float(added.max()) <= LARGEST_NOISE
    uniform = added.double() / LARGEST_NOISE
    assert abs(float(uniform.mean()) - 0.5) < 4 / (12 * n) ** 0.5
    assert abs(float(uniform.var()) - 1 / 12) < 4 * (1 / 180 / n) ** 0.5
    zeros = noisy.masked_select(triples == 0).view(-1, 2)
    assert abs(float(torch.corrcoef(zeros.T.double())[0, 1])) < 4 / (n / 2) ** 0.5


def test_simplex_noise__is_drawn_once() -> None:
    noise = SimplexNoise(6, 4, torch.Generator().manual_seed(1))
    codes = torch.ones(6, 4, dtype=torch.uint8)
    triples = one_hot(codes, torch.zeros(4, 3))
    every = noise(triples, codes, torch.arange(6))
    some = noise(triples[:2], codes[:2], torch.tensor([4, 1]))
    assert torch.equal(some, every[[4, 1]])
    assert not torch.equal(every[0], every[1])


def test_simplex_noise__leaves_missing_calls_alone() -> None:
    codes = torch.full((2, 3), MISSING_CODE, dtype=torch.uint8)
    shares = torch.full((3, 3), 1 / 3)
    triples = one_hot(codes, shares)
    assert torch.equal(SimplexNoise(2, 3, torch.Generator().manual_seed(1))(triples, codes, torch.arange(2)), triples)


def test_drawn_genotypes__have_the_softmax_as_distribution() -> None:
    logits = torch.tensor([0.5, 1.0, -0.5]).expand(40_000, 1, 3)
    drawn = drawn_genotypes(logits, torch.Generator().manual_seed(1))
    expected = torch.softmax(logits[0, 0], dim=0)
    shares = drawn.flatten().bincount(minlength=3) / len(drawn)
    standard_error = (expected * (1 - expected) / len(drawn)).sqrt()
    assert ((shares - expected).abs() < 4 * standard_error).all()
