"""Where a `WindowVae` begins: principal components as latents, and each variant regressed on them and on its neighbours, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

from genobench_neural.factors import leading_scores

if TYPE_CHECKING:
    from genobench_neural.training_data import TrainingData
    from genobench_neural.window_vae import WindowVae

_MOST_SAMPLES: Final = 4096
_N_ROUNDS: Final = 8
_MOST_CALIBRATED: Final = 512
_SMALLEST_SHARE: Final = 1e-5
_SMALLEST_VARIANCE: Final = 0.02
_LARGEST_EFFECT: Final = 4.0
_NUMBERS_PER_CHUNK: Final = 1 << 24
_FIRST_LOG_VARIANCE: Final = -1.0


@torch.no_grad()
def begin_with_data(network: WindowVae, data: TrainingData, *, ridge: float) -> None:
    """Set the first weights of a network.

    Args:
        network: To begin; its residual blocks begin as the identity.
        data: Training samples, at most 4,096 of which are looked at.
        ridge: Penalty of the regressions, in samples.
    """
    share = data.shares
    means = share[:, 1] + 2 * share[:, 2]
    variances = share[:, 1] + 4 * share[:, 2] - means.square()
    network.means.copy_(means)
    network.scales.copy_(torch.where(variances > 1e-6, variances.clamp(min=1e-6).rsqrt(), 0.0).clamp(max=10.0))
    rows = torch.randperm(data.n_samples, generator=data.random, device=data.device)[:_MOST_SAMPLES]
    codes, condition = data.batches.codes(rows)[0].T.contiguous(), data.condition[rows, : network.size.n_condition]
    x = network.standardised(codes)
    scores = leading_scores(
        data.batches, share[None], data.condition[:, : network.size.n_condition], n_factors=network.size.n_latent, generator=data.random
    )
    axes = functional.normalize(x @ scores[rows], dim=0)
    z = axes.T @ x
    spread = z.std(dim=1).clamp(min=1e-3)
    n_latent = len(spread)
    network.entry.weight[:n_latent, : len(x)] = (axes / spread).T
    network.to_mean.weight[:n_latent, :n_latent] = torch.eye(n_latent, device=data.device)
    network.to_log_variance.bias.fill_(_FIRST_LOG_VARIANCE)
    factors = torch.cat([condition.T, z / spread[:, None]])
    _regress(network, codes, factors, ridge=ridge)
    network.bias.copy_(share.clamp(min=_SMALLEST_SHARE).log())
    _calibrate(network, codes, factors, share)


def _regress(network: WindowVae, codes: torch.Tensor, factors: torch.Tensor, *, ridge: float) -> None:
    """Ridge regression of each variant on factors and window; effects in alleles become log-odds by the variance that is left over."""
    n_window, n_factors = network.size.n_window, len(factors)
    alleles = torch.where(codes == 3, network.means[:, None], codes.float()) - network.means[:, None]
    n_samples = codes.shape[1]
    step = max(1, _NUMBERS_PER_CHUNK // (n_samples * (n_factors + 2 * n_window)))
    windows = network.windows(codes)
    penalty = ridge * torch.eye(n_factors + n_window, device=codes.device)
    for start in range(0, len(codes), step):
        some = slice(start, start + step)
        seen = torch.cat([factors.T.expand(len(windows[some]), -1, -1), windows[some, 0]], dim=-1)
        cross = seen.transpose(1, 2) @ alleles[some][..., None]
        effects = torch.linalg.solve(seen.transpose(1, 2) @ seen + penalty, cross)
        left = (alleles[some][..., None] - seen @ effects).square().mean(dim=(1, 2)).clamp(min=_SMALLEST_VARIANCE)
        log_odds = (effects[..., 0] / left[:, None]).clamp(-_LARGEST_EFFECT, _LARGEST_EFFECT)
        network.loadings[some] = log_odds[:, :n_factors]
        network.window[some, 0] = log_odds[:, n_factors:]


def _calibrate(network: WindowVae, codes: torch.Tensor, factors: torch.Tensor, share: torch.Tensor) -> None:
    """Shrink log-odds and shift biases until the mean probability of each genotype is its share (Newton, proportional fitting)."""
    some = slice(_MOST_CALIBRATED)
    codes, factors = codes[:, some], factors[:, some]
    windows = network.windows(codes)
    linear = network.loadings @ factors + (windows[:, 0] @ network.window[:, 0, :, None])[..., 0]
    scale = torch.ones(len(codes), 1, device=codes.device)
    alleles = torch.where(codes == 3, network.means[:, None], codes.float())
    wanted = share.clamp(min=_SMALLEST_SHARE)
    for _ in range(_N_ROUNDS):
        slope = scale * linear
        p = torch.softmax(torch.stack([torch.zeros_like(slope), slope, 2 * slope], dim=-1) + network.bias[:, None], dim=-1)
        network.bias.add_((wanted / p.mean(dim=1).clamp(min=_SMALLEST_SHARE)).log())
        expected = p[..., 1] + 2 * p[..., 2]
        curvature = (linear.square() * (p[..., 1] + 4 * p[..., 2] - expected.square())).sum(dim=1, keepdim=True)
        change = ((alleles - expected) * linear).sum(dim=1, keepdim=True) / (curvature + 1)
        scale = (scale + change.clamp(-0.2, 0.2)).clamp(0.0, 2.0)
    network.loadings.mul_(scale)
    network.window.mul_(scale[:, None])
