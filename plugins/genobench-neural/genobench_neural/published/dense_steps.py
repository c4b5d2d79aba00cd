"""The critic's part of a step of the dense WGAN-GP, with as few large matrix products as it takes.

Written plainly, an update takes the first layer's product four times: for training samples, generated ones, those between, and for the
gradient at the input; and each has its own products on the way back. Here training and generated samples pass as one batch, and what lies
between them costs nothing, since the first layer is linear: W(εx + (1 - ε)x') = εWx + (1 - ε)Wx'. The gradient at the input is one more
product with W.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch.nn import functional

from genobench_neural.published.dense import NEGATIVE_SLOPE

if TYPE_CHECKING:
    from genobench_neural.published.dense import DenseCritic


def penalised_distance(
    critic: DenseCritic, seen: torch.Tensor, generated: torch.Tensor, condition: torch.Tensor, *, mix: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a critic update of the WGAN-GP is made of (Gulrajani et al. 2017, arXiv:1704.00028, equation 3).

    Args:
        critic: The critic.
        seen: Training samples, shape (n_samples, n_variants, 3).
        generated: Soft samples of the same shape and type, without a gradient.
        condition: Of both, shape (n_samples, n_columns).
        mix: Share of `seen` in what lies between, shape (n_samples, 1).

    Returns:
        mean(D(seen)) - mean(D(generated)), and the mean of (norm of the gradient - 1)².
    """
    n = len(condition)
    hidden, weight = _entered(critic, torch.cat([in_planes(seen), in_planes(generated)]), condition.repeat(2, 1))
    scores = _scored(critic, hidden, condition.repeat(2, 1))
    between = torch.lerp(hidden[n:].float(), hidden[:n].float(), mix)
    (pulled,) = torch.autograd.grad(_scored(critic, between, condition).sum(), between, create_graph=True)
    norm = torch.linalg.vector_norm(pulled.to(weight.dtype) @ weight, dim=1, dtype=torch.float32)
    return scores[:n].mean() - scores[n:].mean(), (norm - 1).square().mean()


def critic_scores(critic: DenseCritic, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    """Scores, float32, shape (n_samples,), of genotypes (n_samples, n_variants, 3): what the critic gives, without a copy of them."""
    return _scored(critic, _entered(critic, in_planes(x), condition)[0], condition)


def in_planes(x: torch.Tensor) -> torch.Tensor:
    """Genotypes (n_samples, n_variants, 3) in the order of the critic's columns, shape (n_samples, 3 * n_variants)."""
    return x.transpose(1, 2).flatten(1)


def _entered(critic: DenseCritic, x: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What the first layer gives before its activation, and its weights for genotypes, of the type of x."""
    first = cast("torch.nn.Linear", critic.entry[0])
    n_before = critic.beside.n_before * condition.shape[1]
    cuts = [n_before, x.shape[1], first.in_features - n_before - x.shape[1]]
    # A split, not slices: the gradient of each slice would be a matrix of its own, as large as the whole.
    before, of_genotypes, after = torch.split(first.weight, cuts, dim=1)
    # Contiguous, so that both products with it give its gradient in the same layout.
    weight: torch.Tensor = of_genotypes.to(x.dtype).contiguous()
    beside = critic.beside(x.new_zeros(len(condition), 0), condition.to(x.dtype))
    of_beside = torch.cat([before, after], dim=1).to(x.dtype)
    return functional.linear(x, weight) + functional.linear(beside, of_beside, first.bias.to(x.dtype)), weight


def _scored(critic: DenseCritic, hidden: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    """Scores of what the first layer gave."""
    hidden = functional.leaky_relu(hidden, NEGATIVE_SLOPE)
    for stage in critic.stages:
        hidden = stage(critic.beside(hidden, condition))
    score: torch.Tensor = critic.exit(hidden)
    return score[:, 0].float()
