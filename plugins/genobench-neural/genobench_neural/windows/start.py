"""Where a `WindowVae` begins: principal components as latents, and each variant regressed on them and on its neighbours, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

from genobench_neural.batches import MISSING_CODE, PackedBatches
from genobench_neural.factors import leading_scores
from genobench_neural.layers import ridge_slopes, standardising

if TYPE_CHECKING:
    from genobench_neural.training_data import TrainingData
    from genobench_neural.windows.networks import WindowVae

_MOST_SAMPLES: Final = 4096
_N_ROUNDS: Final = 8
_LARGEST_STANDARDISER: Final = 10.0
_LARGEST_CHANGE: Final = 0.2
_LARGEST_SCALE: Final = 2.0
_SMALLEST_SPREAD: Final = 1e-3
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
    means, scales = standardising(share)
    network.means.copy_(means)
    network.scales.copy_(scales.clamp(max=_LARGEST_STANDARDISER))
    rows = torch.randperm(data.n_samples, generator=data.random, device=data.device)[:_MOST_SAMPLES]
    codes, condition = data.batches.codes(rows)[0].T.contiguous(), data.condition[rows, : network.size.n_condition]
    # The same bytes as blocks of four places, so that no more than some of them are looked at at a time.
    packed = PackedBatches(packed=data.batches.packed[rows], n_blocks=data.batches.packed.shape[1])
    scores = leading_scores(packed, share.view(-1, 4, 3), condition, n_factors=network.size.n_latent, generator=data.random)
    x = network.standardised(codes)
    axes = functional.normalize(x @ scores, dim=0)
    z = axes.T @ x
    spread = z.std(dim=1, correction=0).clamp(min=_SMALLEST_SPREAD)
    n_latent = len(spread)
    network.entry.weight[:n_latent, : len(x)] = (axes / spread).T
    network.to_mean.weight[:n_latent, :n_latent] = torch.eye(n_latent, device=data.device)
    network.to_log_variance.bias.fill_(_FIRST_LOG_VARIANCE)
    network.bias.copy_(share.clamp(min=_SMALLEST_SHARE).log())
    factors = torch.cat([condition.T, z / spread[:, None]])
    step = max(1, _NUMBERS_PER_CHUNK // (len(rows) * (len(factors) + 2 * network.size.n_window)))
    for start in range(0, len(codes), step):
        some = slice(start, start + step)
        windows = network.windows(codes, some)
        _regress(network, codes[some], factors, windows, some=some, ridge=ridge)
        _calibrate(network, codes[some], factors, windows, some=some)


def _regress(network: WindowVae, codes: torch.Tensor, factors: torch.Tensor, windows: torch.Tensor, *, some: slice, ridge: float) -> None:
    """Ridge regression of some variants on factors and window; effects in alleles become log-odds by the variance that is left over."""
    means = network.means[some, None]
    alleles = torch.where(codes == MISSING_CODE, means, codes.float()) - means
    seen = torch.cat([factors.T.expand(len(windows), -1, -1), windows[:, 0]], dim=-1)
    effects = ridge_slopes(seen, alleles[..., None], ridge=ridge)
    left = (alleles[..., None] - seen @ effects).square().mean(dim=(1, 2)).clamp(min=_SMALLEST_VARIANCE)
    log_odds = (effects[..., 0] / left[:, None]).clamp(-_LARGEST_EFFECT, _LARGEST_EFFECT)
    network.loadings[some] = log_odds[:, : len(factors)]
    network.window[some, 0] = log_odds[:, len(factors) :]


def _calibrate(network: WindowVae, codes: torch.Tensor, factors: torch.Tensor, windows: torch.Tensor, *, some: slice) -> None:
    """Shrink log-odds and shift biases until each genotype has its share on average (Newton steps, proportional fitting)."""
    linear = network.loadings[some] @ factors + (windows[:, 0] @ network.window[some, 0, :, None])[..., 0]
    alleles = torch.where(codes == MISSING_CODE, network.means[some, None], codes.float())
    wanted = network.bias[some].exp()
    scale = torch.ones(len(codes), 1, device=codes.device)
    for _ in range(_N_ROUNDS):
        slope = scale * linear
        logits = torch.stack([torch.zeros_like(slope), slope, 2 * slope], dim=-1) + network.bias[some, None]
        p = torch.softmax(logits, dim=-1)
        network.bias[some] += (wanted / p.mean(dim=1).clamp(min=_SMALLEST_SHARE)).log()
        expected = p[..., 1] + 2 * p[..., 2]
        curvature = (linear.square() * (p[..., 1] + 4 * p[..., 2] - expected.square())).sum(dim=1, keepdim=True)
        change = ((alleles - expected) * linear).sum(dim=1, keepdim=True) / (curvature + 1)
        scale = (scale + change.clamp(-_LARGEST_CHANGE, _LARGEST_CHANGE)).clamp(0.0, _LARGEST_SCALE)
    network.loadings[some] *= scale
    network.window[some] *= scale[..., None]
