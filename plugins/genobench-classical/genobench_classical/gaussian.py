"""Latent normal variables behind ordered calls: thresholds, category means, and correlations that calls show."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LARGEST_THRESHOLD: Final = 8.0
_LARGEST_RHO: Final = 0.995
_N_NODES: Final = 8


def thresholds(at_most: Floats) -> Floats:
    """Where a standard normal variable is cut so that calls have given shares.

    Args:
        at_most: Chance of at most 0 and at most 1 ALT allele, shape (..., 2, n_variants).

    Returns:
        The same shape; -inf and inf where a call is never or always above.
    """
    cut: Floats = ndtri(at_most)
    return cut


def category_means(at_most: Floats) -> Floats:
    """Mean of the latent variable given each call: (phi(a) - phi(b)) / P(a < z < b); 0 for calls that never occur.

    Args:
        at_most: As for `thresholds`.

    Returns:
        Shape (..., 3, n_variants).
    """
    cut = np.clip(thresholds(at_most), -40, 40)
    density = np.exp(-(cut**2) / 2) / np.sqrt(2 * np.pi)
    edge = np.zeros_like(density[..., :1, :])
    density = np.concatenate([edge, density, edge], axis=-2)
    share = np.diff(np.concatenate([edge, at_most, edge + 1], axis=-2), axis=-2)
    means = np.zeros_like(share)
    np.divide(density[..., :-1, :] - density[..., 1:, :], share, out=means, where=share > 0)
    return means


class CallCovariance(torch.autograd.Function):
    """Covariance of two calls whose latent variables have correlation rho.

    The sum, over both thresholds of either call, of P(z > h, z' > k) - P(z > h) P(z' > k), which is the integral of the bivariate normal
    density at (h, k) from correlation 0 to rho: equations 2 and 3 of Drezner and Wesolowsky, by Gauss-Legendre quadrature over arcsin.

    References:
        Drezner Z., Wesolowsky G.O. 1990. On the computation of the bivariate normal integral. Journal of Statistical Computation and
        Simulation 35: 101-107. https://doi.org/10.1080/00949659008811236
    """

    @staticmethod
    def forward(ctx: Any, rho: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Covariances.

        Args:
            ctx: Keeps what the gradient needs.
            rho: Shape (..., n_left, n_right), in (-1, 1).
            left: Thresholds, finite, shape (..., 2, n_left).
            right: Thresholds, finite, shape (..., 2, n_right).
        """
        ctx.save_for_backward(rho, left, right)
        upper = torch.asin(rho)
        total = torch.zeros_like(rho)
        for node, weight in _quadrature():
            sine = torch.sin(upper * ((1 + node) / 2))
            total += weight / 2 * _exponentials(sine, left, right)
        return total * upper / (2 * torch.pi)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """The derivative is the bivariate density at the thresholds."""
        rho, left, right = ctx.saved_tensors
        return gradient * _exponentials(rho, left, right) / (2 * torch.pi * (1 - rho * rho).sqrt()), None, None


def call_covariance(rho: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """`CallCovariance`, with correlations kept away from 1, where its density has no bound."""
    bounded: torch.Tensor = CallCovariance.apply(rho.clamp(-_LARGEST_RHO, _LARGEST_RHO), left, right)  # type: ignore[no-untyped-call] # torch leaves it untyped
    return bounded


def finite_thresholds(cut: Floats) -> torch.Tensor:
    """Thresholds as float32, clipped to eight standard deviations."""
    return torch.from_numpy(np.clip(cut, -_LARGEST_THRESHOLD, _LARGEST_THRESHOLD).astype(np.float32))


@cache
def _quadrature() -> tuple[tuple[float, float], ...]:
    """Nodes and weights of Gauss and Legendre on [-1, 1], in the precision of float32."""
    nodes, weights = (values.astype(np.float32).tolist() for values in np.polynomial.legendre.leggauss(_N_NODES))
    return tuple(zip(nodes, weights, strict=True))


def _exponentials(sine: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Sum over pairs of thresholds of exp(-(h² + k² - 2 h k s) / (2 (1 - s²)))."""
    scale = -0.5 / (1 - sine * sine)
    total = torch.zeros_like(sine)
    for h in left.unbind(dim=-2):
        for k in right.unbind(dim=-2):
            h_, k_ = h[..., :, None], k[..., None, :]
            total += ((h_ * h_ + k_ * k_ - 2 * h_ * k_ * sine) * scale).exp_()
    return total
