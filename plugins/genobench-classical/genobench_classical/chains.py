"""Latent variables along chromosomes: blocks of neighbours, each a linear function of the block before and of fresh noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from genobench.statgen import steps_along
from genobench_classical.gaussian import call_covariance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from genobench.statgen import BlockLayout

_LEARNING_RATE: Final = 0.03
"""Of Adam. On cattle-demo the root of the mean squared difference after 50 steps is .099, .067 and .060 at .01, .03 and .1."""

_SMALLEST_EIGENVALUE: Final = 1e-3
"""Of a block's covariance; directions with less have no white variable. That difference is .098, .067, .060 at 1e-4, 1e-3 and 1e-2."""

_SMALLEST_SPREAD: Final = 0.02
"""The standard deviation of calls with one ALT allele in 2,500 samples; rarer variants, and constant ones, weigh nothing."""

_LARGEST_START: Final = 0.95
"""Latent correlations are greater than those of calls, by which weights begin, so any start short of 1 will do (.8 to .99: the same)."""

_WEIGHT_OF_R2: Final = 4.0
"""Of differences of r2 beside those of r: normal variables fall short of linkage, and it is strong linkage that is wanted most."""


@dataclass(frozen=True, eq=False)
class Chain:
    """Block k is `from_before[k] @ block k - 1 + from_noise[k] @ noise`; the first block of a chromosome has noise alone.

    Args:
        from_before: Shape (n_blocks, block_size, block_size).
        from_noise: Likewise.
    """

    from_before: torch.Tensor
    from_noise: torch.Tensor


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A block as the next one sees it: white variables, of which directions without variance are left out.

    Args:
        is_kept: Which white variables have variance, 1 or 0, shape (block_size,).
        root: Covariance of the block with its white variables, shape (block_size, block_size).
        whitening: The white variables are `whitening @ block`; likewise.
    """

    is_kept: torch.Tensor
    root: torch.Tensor
    whitening: torch.Tensor


@dataclass(frozen=True, eq=False)
class _Walk:
    """What stays the same along the chromosomes.

    Args:
        cut: Finite thresholds, shape (n_blocks, 2, block_size).
        loadings: Of factors, shape (n_blocks, block_size, n_factors).
        n_rounds: Steps of Adam.
    """

    cut: torch.Tensor
    loadings: torch.Tensor
    n_rounds: int


@dataclass(frozen=True, eq=False)
class _Block:
    """A block of training calls.

    Args:
        number: Which block.
        calls: Standardised calls, 0 where missing, shape (n_samples, block_size).
        is_called: 1 where there is a call and 0 where not, the same shape.
    """

    number: int
    calls: torch.Tensor
    is_called: torch.Tensor

    @classmethod
    def of_calls(cls, number: int, calls: NDArray[np.float32]) -> _Block:
        """From standardised calls that are NaN where missing."""
        values = torch.from_numpy(calls)
        return cls(number=number, calls=values.nan_to_num(0.0), is_called=(~values.isnan()).float())


def fit_chain(
    calls_of: Callable[[int], NDArray[np.float32]],
    *,
    cut: torch.Tensor,
    loadings: torch.Tensor,
    layout: BlockLayout,
    n_rounds: int,
    report: Callable[[int, float], None],
) -> Chain:
    """Latent correlations whose calls have the correlations of training calls, as near as normal variables can have them.

    A matrix of pairwise tetrachoric or polychoric correlations is no correlation matrix in general (haplotypes are not normal). Here the
    weights of each block on noise and on the block before, which always make a correlation matrix, minimise the squared differences of
    call correlations within the block and with the block before, what factors explain counted in.

    Args:
        calls_of: Standardised training calls of a block, shape (n_samples, block_size), NaN where missing, 0 for padding and constant
            variants.
        cut: Finite thresholds, shape (n_blocks, 2, block_size).
        loadings: Of factors, shape (n_blocks, block_size, n_factors); their squares add up to less than 1 at each place.
        layout: Where variants lie.
        n_rounds: Steps of Adam.
        report: Told of each step along the chromosomes: its number, and the root of the mean squared difference.

    Returns:
        The chain; block and factors together have variance 1 at every place.
    """
    width = layout.block_size
    walk = _Walk(cut=cut, loadings=loadings, n_rounds=n_rounds)
    chain = Chain(torch.zeros(layout.n_blocks, width, width), torch.zeros(layout.n_blocks, width, width))
    before: dict[int, tuple[_Block, _Fitted]] = {}
    for number, step in enumerate(steps_along(layout.is_followed), start=1):
        errors = []
        done: dict[int, tuple[_Block, _Fitted]] = {}
        for place in step.tolist():
            block = _Block.of_calls(place, calls_of(place))
            unit, error = _fitted_weights(walk, block, before.get(place - 1))
            chain.from_noise[place] = unit[:, -width:]
            if place - 1 in before:
                chain.from_before[place] = unit[:, :width] @ before[place - 1][1].whitening
            if layout.is_followed[place]:
                done[place] = block, _whitened(unit)
            errors.append(error)
        before = done
        report(number, float(np.mean(errors)))
    return chain


def _fitted_weights(walk: _Walk, block: _Block, before: tuple[_Block, _Fitted] | None) -> tuple[torch.Tensor, float]:
    """Weights on the white variables of the block before, where there is one, and on noise; and the correlations' error.

    Args:
        walk: What stays the same.
        block: The block.
        before: The one before it on its chromosome.

    Returns:
        Weights, shape (block_size, block_size or twice as many), and the root of the mean squared difference.
    """
    own, width = walk.loadings[block.number], block.calls.shape[1]
    room = 1 - (own**2).sum(dim=1)
    wanted, shared = _correlations(block, block), own @ own.T
    edges = walk.cut[block.number]
    spread = [_spread(edges)]
    fitted = None
    if before is not None:
        earlier, fitted = before
        wanted = torch.cat([_correlations(block, earlier), wanted], dim=1)
        shared = torch.cat([own @ walk.loadings[earlier.number].T, shared], dim=1)
        edges = torch.cat([walk.cut[earlier.number], edges], dim=1)
        spread = [_spread(walk.cut[earlier.number]), *spread]
    scale = torch.outer(1 / spread[-1], 1 / torch.cat(spread))
    mask = torch.ones_like(wanted)
    mask[:, -width:].fill_diagonal_(0)
    wanted_squared = wanted * wanted.abs()
    weights = _start(wanted, shared, room, fitted).requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=_LEARNING_RATE)
    loss = torch.zeros(())
    for _ in range(walk.n_rounds):
        unit = _rows_of_length(weights, room, fitted)
        latent = _joined(unit, fitted, width) + shared
        found = call_covariance(latent, walk.cut[block.number], edges) * scale
        squared = (found * found.abs() - wanted_squared) * mask
        loss = (((found - wanted) * mask).square().sum() + _WEIGHT_OF_R2 * squared.square().sum()) / mask.sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        optimiser.step()
    return _rows_of_length(weights.detach(), room, fitted), float(loss.detach().sqrt())


def _correlations(left: _Block, right: _Block) -> torch.Tensor:
    """Correlations over the samples that have both calls, less what chance alone shows, so that small sets are not learned.

    Returns:
        r (1 - 1 / (n r²)), or 0 where that is negative, with n samples that have both; shape (block_size, block_size).
    """
    n_both = (left.is_called.T @ right.is_called).clamp(min=1)
    r = (left.calls.T @ right.calls / n_both).clamp(-1, 1)
    return r * (1 - 1 / (n_both * r.square()).clamp(min=1e-12)).clamp(min=0)


def _spread(cut: torch.Tensor) -> torch.Tensor:
    """Standard deviation of calls with these thresholds; large for constant ones, so that they weigh nothing."""
    above = torch.special.ndtr(-cut)
    variance = above[0] + 3 * above[1] - above.sum(dim=0) ** 2
    return torch.where(variance > _SMALLEST_SPREAD**2, variance.clamp(min=0).sqrt(), torch.full_like(variance, torch.inf))


def _rows_of_length(weights: torch.Tensor, squared: torch.Tensor, before: _Fitted | None) -> torch.Tensor:
    """Weights on what has variance, with rows of given squared length.

    Args:
        weights: Shape (block_size, n_weights): on the white variables of the block before, where there is one, and on noise.
        squared: Shape (block_size,).
        before: The block before.

    Returns:
        Shape (block_size, n_weights).
    """
    if before is not None:
        weights = weights * torch.cat([before.is_kept, torch.ones_like(before.is_kept)])
    return weights * (squared / weights.square().sum(dim=1).clamp(min=1e-9)).sqrt()[:, None]


def _joined(unit: torch.Tensor, before: _Fitted | None, width: int) -> torch.Tensor:
    """Local covariance with the block before, where there is one, and within the block.

    Args:
        unit: Weights, shape (block_size, n_weights).
        before: The block before.
        width: Variables of the block before.

    Returns:
        Shape (block_size, n_weights).
    """
    within = unit @ unit.T
    return within if before is None else torch.cat([unit[:, :width] @ before.root.T, within], dim=1)


def _whitened(unit: torch.Tensor) -> _Fitted:
    """What the next block sees of one with these weights, shape (block_size, n_weights)."""
    values, vectors = torch.linalg.eigh((unit @ unit.T).double())
    is_kept = values > _SMALLEST_EIGENVALUE
    root = values.clamp(min=_SMALLEST_EIGENVALUE).sqrt()
    return _Fitted(
        is_kept=is_kept.float(), root=(vectors * root * is_kept).float(), whitening=(vectors / root * is_kept).T.contiguous().float()
    )


def _start(wanted: torch.Tensor, shared: torch.Tensor, room: torch.Tensor, before: _Fitted | None) -> torch.Tensor:
    """Weights whose latent correlations are about those of the calls.

    Args:
        wanted: Correlations of calls with the block before, where there is one, and within the block, shape (block_size, n_weights).
        shared: Latent correlations by factors, the same shape.
        room: Variance that factors leave, shape (block_size,).
        before: The block before.

    Returns:
        Shape (block_size, n_weights).
    """
    width = len(wanted)
    local = wanted.clamp(-_LARGEST_START, _LARGEST_START) - shared
    within = local[:, -width:].clone()
    within.diagonal().copy_(room)
    if before is not None:
        carried = local[:, :width] @ before.whitening.T
        within -= carried @ carried.T
    values, vectors = torch.linalg.eigh((within + within.T) / 2)
    # The gradient of a product of weights is 0 where they are 0, so each direction begins with some.
    fresh = (vectors * values.clamp(min=0.01).sqrt()) @ vectors.T
    return fresh if before is None else torch.cat([carried, fresh], dim=1)
