"""A factor model of training samples, in closed form and a few seconds: where a network may start from.

Each variant has a latent normal value of variance 1 that two thresholds cut into the genotypes 0, 1 and 2. The latent value is a sum of

- an effect of the condition (ridge regression on the training samples),
- a few factors shared by the whole genome (principal components: families, populations),
- local factors, each of which loads on two neighbouring blocks of a chromosome (linkage disequilibrium),
- and noise of its own, which a Gumbel-softmax supplies.

Only correlations of neighbours and a few principal components are taken from the samples. That is on purpose: the correlations of
distant variants, estimated from n samples, are mostly noise, and this noise is what tells a training sample from its siblings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from genobench_neural.batches import MISSING_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from genobench_neural.batches import PackedBatches
    from genobench_neural.layout import Layout

_HERMITE_TERMS: Final = 12
_LARGEST_LATENT: Final = 0.98
_SMALLEST_NOISE: Final = 0.02
_LOGISTIC_SLOPE: Final = 1.702
"""A logistic curve of this slope is within .01 of the normal distribution function (Haley 1952)."""

_NEVER: Final = -1000.0
"""Logarithm of the share of a genotype that no training sample has: it is never generated."""

_CONSTANT: Final = 1e-4
_LARGEST_SHARED: Final = 0.8
_OVERSAMPLING: Final = 10
_SUBSPACE_ITERATIONS: Final = 5
_BISECTIONS: Final = 12
_REFINEMENT_RATE: Final = 0.01
_NODES: Final = 65
_FARTHEST_NODE: Final = 4.0
_CALIBRATIONS: Final = 60
_PLACES_PER_CHUNK: Final = 1 << 22


@dataclass(frozen=True, eq=False)
class FactorModel:
    """Loadings and log-odds, in the places of a layout.

    The log-odds of genotypes 1 and 2 against 0 are `slope * u + offset[..., 0]` and `2 * slope * u + offset[..., 1]`, where the latent
    value u is the sum of shared and local factors times their loadings.

    Args:
        shares: Share of each genotype among the calls, shape (n_blocks, block_size, 3).
        shared: Loadings of the condition and then of the genome-wide factors, shape (n_blocks, n_condition + n_shared, block_size).
        local: Loadings of each block's factors on its own places and on those of the next block, shape (n_blocks, n_local, 2 * block_size).
        slope: Shape (n_blocks, block_size).
        offset: Shape (n_blocks, block_size, 2).
    """

    shares: torch.Tensor
    shared: torch.Tensor
    local: torch.Tensor
    slope: torch.Tensor
    offset: torch.Tensor


@dataclass(frozen=True)
class FactorSettings:
    """How much a factor model may take from the samples.

    Args:
        n_shared: Genome-wide factors.
        n_local: Factors of each block.
        ridge: Penalty of the condition's regression, in samples.
        n_refinements: Gradient steps that fit the local factors to the correlations of neighbours.
    """

    n_shared: int
    n_local: int
    ridge: float = 10.0
    n_refinements: int = 200


def genotype_shares(batches: PackedBatches, layout: Layout) -> torch.Tensor:
    """Share of genotypes 0, 1 and 2 among the calls at each place, shape (n_blocks, block_size, 3); padding and all-missing read 1, 0, 0."""
    parts = []
    for blocks in _chunks(batches, layout):
        codes = batches.block_codes(blocks)
        parts.append(torch.stack([(codes == genotype).sum(dim=1) for genotype in range(3)], dim=-1))
    counts = torch.cat(parts).float()
    total = counts.sum(dim=-1, keepdim=True)
    always_zero = torch.tensor([1.0, 0.0, 0.0], device=counts.device)
    return torch.where(total > 0, counts / total.clamp(min=1.0), always_zero)


def fit_factors(
    batches: PackedBatches, layout: Layout, condition: torch.Tensor, settings: FactorSettings, generator: torch.Generator
) -> FactorModel:
    """Fit the model.

    Args:
        batches: The training samples.
        layout: Where their variants lie.
        condition: Encoded conditions, shape (n_samples, n_condition).
        settings: How much to take.
        generator: Starts the search for principal components.

    Returns:
        A factor model on the device of `batches`.
    """
    shares = genotype_shares(batches, layout)
    hermite = _hermite_coefficients(shares)
    gram = condition.T @ condition
    penalty = settings.ridge * torch.eye(gram.shape[0], device=gram.device)
    regress = torch.linalg.solve(gram + penalty, condition.T)
    view = _Residuals(batches=batches, layout=layout, shares=shares, condition=condition, regress=regress)
    scores = _principal_scores(view, settings.n_shared, generator)
    attenuation = hermite[..., 0].clamp(min=0.1)[:, None, :]
    effects, loadings, own, across = [], [], [], []
    last: torch.Tensor | None = None
    for values, effect in view.blocks():
        effects.append(effect)
        loadings.append(scores.T @ (values - condition @ effect) / batches.n_samples)
        own.append(values.transpose(1, 2) @ values / batches.n_samples)
        joined = values if last is None else torch.cat([last, values])
        across.append(joined[:-1].transpose(1, 2) @ joined[1:] / batches.n_samples)
        last = values[-1:]
    shared = torch.cat([torch.cat(effects), torch.cat(loadings)], dim=1) / attenuation
    moments = torch.block_diag(gram / batches.n_samples, torch.eye(scores.shape[1], device=gram.device))
    shared = _within_variance(shared, moments, limit=_LARGEST_SHARED)
    return _with_local_factors(
        shares,
        shared,
        moments,
        (torch.cat(own), torch.cat(across)),
        layout,
        settings=settings,
        n_samples=batches.n_samples,
    )


@dataclass(frozen=True, eq=False)
class _Residuals:
    """Standardised calls of the training samples, some blocks at a time, with the condition's effect on them."""

    batches: PackedBatches
    layout: Layout
    shares: torch.Tensor
    condition: torch.Tensor
    regress: torch.Tensor

    def blocks(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Standardised calls, shape (n_some_blocks, n_samples, block_size), and effects, (n_some_blocks, n_condition, block_size)."""
        for blocks in _chunks(self.batches, self.layout):
            codes = self.batches.block_codes(blocks)
            shares = self.shares[blocks]
            mean = (shares[..., 1] + 2 * shares[..., 2])[:, None, :]
            values = torch.where(codes == MISSING_CODE, torch.zeros((), device=codes.device), codes.float() - mean)
            deviation = values.square().mean(dim=1, keepdim=True).sqrt()
            values = values / deviation.clamp(min=1e-6)
            values[(deviation < _CONSTANT).expand_as(values)] = 0.0
            yield values, self.regress @ values


def _principal_scores(view: _Residuals, n_scores: int, generator: torch.Generator) -> torch.Tensor:
    """Scores of the first principal components of the standardised calls less the condition's effect.

    Randomised subspace iteration (Halko, Martinsson and Tropp 2011, doi:10.1137/090771806, algorithm 4.4).

    Returns:
        Shape (n_samples, at most n_scores); each column has mean square s in (0, 1], the share of its variance that exceeds what noise
        of independent samples gives, so that loadings fitted to the scores come out shrunk.
    """
    n_samples = view.batches.n_samples
    n_scores = min(n_scores, max(0, n_samples - 2))
    width = min(n_samples, n_scores + _OVERSAMPLING)
    basis = torch.randn(n_samples, width, generator=generator, device=view.condition.device)
    product, total = basis, 0.0
    for _ in range(_SUBSPACE_ITERATIONS):
        basis = torch.linalg.qr(product).Q
        product, total = torch.zeros_like(basis), 0.0
        for values, effect in view.blocks():
            residual = values - view.condition @ effect
            product += (residual @ (residual.transpose(1, 2) @ basis)).sum(dim=0)
            total += float(residual.square().sum())
    eigenvalues, vectors = torch.linalg.eigh(basis.T @ product)
    eigenvalues, vectors = eigenvalues.flip(0)[:n_scores], vectors.flip(1)[:, :n_scores]
    noise = total / n_samples
    keep = (1 - noise / eigenvalues.clamp(min=1e-6)).clamp(min=0.0)
    return (basis @ vectors) * math.sqrt(n_samples) * keep.sqrt()


def _hermite_coefficients(shares: torch.Tensor) -> torch.Tensor:
    """Coefficients of the standardised genotype in Hermite polynomials of its latent normal value.

    With thresholds t1, t2 and the normal density f, the k-th is [f(t1) He_{k-1}(t1) + f(t2) He_{k-1}(t2)] / sqrt(k!) over the standard
    deviation of the genotype; Mehler's formula then gives the correlation of two genotypes whose latent values have correlation r as the
    sum over k of the products of their coefficients times r^k.

    Returns:
        Shape (n_blocks, block_size, n_terms); zero where the genotype is constant.
    """
    cuts = torch.stack([shares[..., 0], shares[..., 0] + shares[..., 1]], dim=-1).clamp(1e-6, 1 - 1e-6)
    threshold = torch.special.ndtri(cuts.double())
    density = torch.exp(-threshold.square() / 2) / math.sqrt(2 * math.pi)
    mean = shares[..., 1] + 2 * shares[..., 2]
    variance = (shares[..., 1] + 4 * shares[..., 2] - mean.square()).double()
    before, here = torch.zeros_like(threshold), torch.ones_like(threshold)
    terms = []
    for k in range(1, _HERMITE_TERMS + 1):
        terms.append((density * here).sum(dim=-1) / math.sqrt(math.factorial(k)))
        before, here = here, threshold * here - (k - 1) * before
    coefficients = torch.stack(terms, dim=-1) / variance.clamp(min=1e-9).sqrt()[..., None]
    return torch.where((variance > _CONSTANT**2)[..., None], coefficients, torch.zeros_like(coefficients)).float()


def _latent_correlation(correlation: torch.Tensor, left: torch.Tensor, right: torch.Tensor, n_samples: int) -> torch.Tensor:
    """The latent correlation behind a correlation of genotypes, less the part that sampling noise explains.

    Args:
        correlation: Of genotypes, shape (n_blocks, n_left, n_right).
        left: Hermite coefficients, shape (n_blocks, n_left, n_terms).
        right: Likewise for the columns.
        n_samples: Samples behind each correlation; r2 of independent variants is 1 / n_samples on average.

    Returns:
        Latent correlations within +-_LARGEST_LATENT.
    """
    wanted = correlation.sign() * (correlation.square() - 1 / n_samples).clamp(min=0).sqrt()
    low = torch.full_like(wanted, -_LARGEST_LATENT)
    high = torch.full_like(wanted, _LARGEST_LATENT)
    products = [left[:, :, k, None] * right[:, None, :, k] for k in range(left.shape[-1])]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        value = torch.zeros_like(middle)
        for product in reversed(products):
            value = (value + product) * middle
        is_above = value > wanted
        low, high = torch.where(is_above, low, middle), torch.where(is_above, middle, high)
    return (low + high) / 2


def _with_local_factors(
    shares: torch.Tensor,
    shared: torch.Tensor,
    moments: torch.Tensor,
    correlations: tuple[torch.Tensor, torch.Tensor],
    layout: Layout,
    *,
    settings: FactorSettings,
    n_samples: int,
) -> FactorModel:
    """Fit local factors to what shared ones leave of the neighbours' correlations, then set slopes and offsets."""
    hermite = _hermite_coefficients(shares)
    own, across = correlations
    own = _latent_correlation(own, hermite, hermite, n_samples) - shared.transpose(1, 2) @ moments @ shared
    across = _latent_correlation(across, hermite[:-1], hermite[1:], n_samples) - shared[:-1].transpose(1, 2) @ moments @ shared[1:]
    is_followed = torch.as_tensor(layout.is_followed, device=shares.device)
    across = torch.cat([across, torch.zeros_like(own[:1])]) * is_followed[:, None, None]
    is_varying = (hermite[..., 0] > 0).float()
    budget = (1 - _SMALLEST_NOISE - _variance(shared, moments)) * is_varying
    local = _local_loadings(own, across, budget, settings)
    explained = _variance(shared, moments) + _local_variance(local)
    slope, offset = _calibrated(shares, explained)
    return FactorModel(shares=shares, shared=shared, local=local, slope=slope, offset=offset)


def _local_loadings(own: torch.Tensor, across: torch.Tensor, budget: torch.Tensor, settings: FactorSettings) -> torch.Tensor:
    """Loadings of each block's factors on itself and the next block, so that they reproduce the latent correlations.

    Starts from the principal components of each pair of blocks under a sine taper (its squares sum to 1 over overlapping pairs), then
    least squares off the diagonal ("minres", Harman and Jones 1966, doi:10.1007/BF02289468) by gradient steps.

    Args:
        own: Latent correlations within blocks, shape (n_blocks, block_size, block_size); the diagonal is ignored.
        across: Latent correlations with the next block, likewise; zero at the end of a chromosome.
        budget: The most variance that local factors may explain, shape (n_blocks, block_size).
        settings: How many factors and steps.
    """
    n_blocks, size = budget.shape
    eye = torch.eye(size, device=own.device)
    own = own * (1 - eye) + torch.diag_embed(budget)
    following = torch.cat([own[1:], own[:1]])
    pair = torch.cat([torch.cat([own, across], dim=2), torch.cat([across.transpose(1, 2), following], dim=2)], dim=1)
    angle = (torch.arange(2 * size, device=own.device) + 0.5) * (math.pi / (2 * size))
    has_next = across.abs().sum(dim=(1, 2), keepdim=True)[:, 0] > 0
    has_last = torch.cat([has_next[-1:], has_next[:-1]])
    taper = torch.cat(
        [torch.where(has_last, angle[:size].sin(), 1.0), torch.where(has_next, angle[size:].sin(), 0.0)], dim=1
    )
    eigenvalues, vectors = torch.linalg.eigh(pair * taper[:, :, None] * taper[:, None, :])
    n_local = min(settings.n_local, 2 * size)
    local = (vectors[..., -n_local:] * eigenvalues[:, None, -n_local:].clamp(min=1e-8).sqrt()).transpose(1, 2).contiguous()
    mask = torch.cat([budget > 0, (torch.cat([budget[1:], budget[:1]]) > 0) & has_next], dim=1)[:, None, :]
    local = (local * mask).requires_grad_()
    optimiser = torch.optim.Adam([local], lr=_REFINEMENT_RATE)
    for _ in range(settings.n_refinements):
        optimiser.zero_grad()
        head, tail = local[..., :size], local[..., size:]
        fitted = head.transpose(1, 2) @ head
        fitted = fitted + _shifted(tail.transpose(1, 2) @ tail)
        wrong = (fitted - own) * (1 - eye)
        wrong_across = head.transpose(1, 2) @ tail - across
        (wrong.square().sum() + 2 * wrong_across.square().sum()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            over = (_local_variance(local) / budget.clamp(min=1e-6)).clamp(min=1.0).sqrt()
            local /= torch.cat([over, torch.cat([over[1:], over[:1]])], dim=1)[:, None, :]
            local *= mask
    return local.detach()


def _calibrated(shares: torch.Tensor, explained: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Slope and offsets that give each genotype its share when the latent value is normal with variance `explained`."""
    slope = _LOGISTIC_SLOPE / (1 - explained).clamp(min=_SMALLEST_NOISE).sqrt()
    nodes = torch.linspace(-_FARTHEST_NODE, _FARTHEST_NODE, _NODES, device=shares.device)
    weights = (-nodes.square() / 2).softmax(dim=0)
    push = (slope * explained.clamp(min=0).sqrt())[..., None] * nodes
    is_seen = shares > 0
    log_shares = torch.where(is_seen, shares.clamp(min=1e-9).log(), _NEVER)
    offset = log_shares[..., 1:] - log_shares[..., :1]
    rate = slope[..., None] / _LOGISTIC_SLOPE
    for _ in range(_CALIBRATIONS):
        one, two = push + offset[..., :1], 2 * push + offset[..., 1:]
        total = torch.logaddexp(torch.logaddexp(torch.zeros_like(one), one), two)
        fitted = torch.stack([((part - total).exp() * weights).sum(dim=-1) for part in (torch.zeros_like(one), one, two)], dim=-1)
        change = torch.where(is_seen, log_shares - fitted.clamp(min=1e-9).log(), 0.0)
        offset = offset + rate * (change[..., 1:] - change[..., :1])
    return slope, offset


def _within_variance(shared: torch.Tensor, moments: torch.Tensor, *, limit: float) -> torch.Tensor:
    """Loadings scaled down where they explain more than `limit` of a variant's variance."""
    return shared / (_variance(shared, moments) / limit).clamp(min=1.0).sqrt()[:, None, :]


def _variance(shared: torch.Tensor, moments: torch.Tensor) -> torch.Tensor:
    return (shared * (moments @ shared)).sum(dim=1)


def _local_variance(local: torch.Tensor) -> torch.Tensor:
    size = local.shape[-1] // 2
    squares = local.square().sum(dim=1)
    return squares[:, :size] + _shifted(squares[:, size:])


def _shifted(blocks: torch.Tensor) -> torch.Tensor:
    """What each block is handed by the one before it; nothing for the first."""
    return torch.cat([torch.zeros_like(blocks[:1]), blocks[:-1]])


def _chunks(batches: PackedBatches, layout: Layout) -> Iterator[slice]:
    """Slices of blocks, each with a bounded number of calls."""
    step = max(1, _PLACES_PER_CHUNK // max(1, batches.n_samples * layout.block_size))
    for start in range(0, layout.n_blocks, step):
        yield slice(start, min(start + step, layout.n_blocks))
