"""The energy of a restricted Boltzmann machine of calls: conditional distributions, sweeps and gradients."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import torch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIRST_SPREAD: Final = 0.01
_SMALLEST_SPREAD: Final = 0.05
_LARGEST_FIELD: Final = 15.0

Phase = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Standardised calls (n_blocks, n_samples, block_size), hidden means (n_samples, n_hidden in all), conditions (n_samples, n_condition)."""


class Size(NamedTuple):
    """Numbers of units."""

    n_blocks: int
    block_size: int
    n_condition: int
    n_local: int
    n_global: int


@dataclass(frozen=True, eq=False)
class Boltzmann:
    """A machine of calls g, hidden units h in {-1, 1} and a condition c.

    Minus the energy is

        sum_i b_i(g_i) + sum_i x_i (slopes c)_i + sum_ij x_i W_ij h_j + sum_j h_j (a + A c)_j

    with x_i the standardised call. W has a dense part, and a local part in which the hidden units of a block see it and the next block.

    Args:
        mean: Mean call, shape (n_blocks, block_size).
        inverse_spread: 1 / standard deviation of the call, likewise; 0 for constant calls and padding.
        bias: b of 1 and 2 less b of 0, shape (2, n_blocks, block_size); -inf where training has no such call.
        shares: Shares of 1 and 2 in training, likewise.
        slopes: Shape (n_condition, n_blocks, block_size).
        local: Local weights, shape (n_blocks, 2 * block_size, n_local).
        dense: Genome-wide weights, shape (n_blocks, block_size, n_global).
        hidden_bias: a, of local units block by block and then of genome-wide ones, shape (n_hidden,).
        hidden_slopes: A, shape (n_condition, n_hidden).
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
    """

    between_units: ClassVar = ("local", "dense")

    mean: torch.Tensor
    inverse_spread: torch.Tensor
    bias: torch.Tensor
    shares: torch.Tensor
    slopes: torch.Tensor
    local: torch.Tensor
    dense: torch.Tensor
    hidden_bias: torch.Tensor
    hidden_slopes: torch.Tensor
    is_followed: torch.Tensor

    @classmethod
    def begun(cls, size: Size, shares: NDArray[np.float32], is_followed: torch.Tensor, random: torch.Generator) -> Boltzmann:
        """A machine without linkage: calls have their shares, weights are small and random.

        Args:
            size: Numbers of units.
            shares: Of 0, 1 and 2 ALT alleles, shape (3, n_blocks, block_size).
            is_followed: Whether the next block lies on the same chromosome.
            random: Draws weights; its device is the machine's.
        """
        device = random.device
        share = torch.from_numpy(shares).to(device)
        mean = share[1] + 2 * share[2]
        spread = (share[1] + 4 * share[2] - mean**2).clamp(min=0).sqrt()
        # Biases are relative to 0 ALT alleles; where that never occurs, a trace of it stands in, and is taken away when drawing.
        bias = (share[1:] / share[0].clamp(min=1e-6)).log()
        n_hidden = size.n_blocks * size.n_local + size.n_global

        def small(*shape: int) -> torch.Tensor:
            return _FIRST_SPREAD * torch.randn(shape, generator=random, device=device)

        return cls(
            mean=mean,
            inverse_spread=torch.where(spread > _SMALLEST_SPREAD, 1 / spread.clamp(min=_SMALLEST_SPREAD), torch.zeros_like(spread)),
            bias=bias,
            shares=share[1:].clone(),
            slopes=torch.zeros(size.n_condition, size.n_blocks, size.block_size, device=device),
            local=small(size.n_blocks, 2 * size.block_size, size.n_local),
            dense=small(size.n_blocks, size.block_size, size.n_global),
            hidden_bias=torch.zeros(n_hidden, device=device),
            hidden_slopes=torch.zeros(size.n_condition, n_hidden, device=device),
            is_followed=is_followed.to(device),
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        """All by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def weights(self) -> dict[str, torch.Tensor]:
        """Those that are learned."""
        names = ("bias", "slopes", "local", "dense", "hidden_bias", "hidden_slopes")
        return {name: getattr(self, name) for name in names}

    def to(self, device: str) -> Boltzmann:
        """The same machine on another device."""
        return replace(self, **{name: tensor.detach().to(device) for name, tensor in self.tensors().items()})

    def standardised(self, calls: torch.Tensor) -> torch.Tensor:
        """The x of calls, shape (n_blocks, n_samples, block_size); 0 where missing (negative)."""
        x = (calls.float() - self.mean[:, None]) * self.inverse_spread[:, None]
        return torch.where(calls < 0, torch.zeros_like(x), x)

    def hidden_fields(self, x: torch.Tensor, condition: torch.Tensor, *, strength: float = 1.0) -> torch.Tensor:
        """What pushes each hidden unit, shape (n_samples, n_hidden)."""
        local = (self._pairs(x) @ self.local).transpose(0, 1).flatten(1)
        dense = x.transpose(0, 1).flatten(1) @ self.dense.flatten(0, 1)
        field: torch.Tensor = strength * torch.cat([local, dense], dim=1) + self.hidden_bias + condition @ self.hidden_slopes
        return field

    def hidden_means(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """E[h | x, c], shape (n_samples, n_hidden)."""
        return self.hidden_fields(x, condition).tanh()

    def visible_fields(self, hidden: torch.Tensor, condition: torch.Tensor, *, strength: float = 1.0) -> torch.Tensor:
        """What pushes each x, shape (n_blocks, n_samples, block_size)."""
        n_blocks, block_size, n_global = self.dense.shape
        n_local = self.local.shape[2]
        local = hidden[:, : n_blocks * n_local].view(len(hidden), n_blocks, n_local).transpose(0, 1)
        pushed = local @ self.local.transpose(1, 2)
        field = pushed[..., :block_size].clone()
        field[1:] += pushed[:-1, :, block_size:] * self.is_followed[:-1, None, None]
        field += (
            (hidden[:, hidden.shape[1] - n_global :] @ self.dense.flatten(0, 1).T).view(len(hidden), n_blocks, block_size).transpose(0, 1)
        )
        by_condition = (condition @ self.slopes.flatten(1)).view(len(condition), n_blocks, block_size).transpose(0, 1)
        return strength * field + by_condition

    def chances(self, field: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Chance of 1 and of 2 ALT alleles at given fields."""
        push = (field.float() * self.inverse_spread[:, None]).clamp(-_LARGEST_FIELD, _LARGEST_FIELD).exp()
        one, two = self.bias[0, :, None].exp() * push, self.bias[1, :, None].exp() * push * push
        total = 1 + one + two
        return one / total, two / total

    def independent_calls(self, n_samples: int, random: torch.Generator) -> torch.Tensor:
        """Calls of the shares in training, int8, shape (n_blocks, n_samples, block_size)."""
        n_blocks, block_size = self.mean.shape
        draws = torch.rand(n_blocks, n_samples, block_size, generator=random, device=self.mean.device)
        one, two = self.shares[0, :, None], self.shares[1, :, None]
        return (draws < two).to(torch.int8) + (draws < one + two).to(torch.int8)

    def sweep(self, calls: torch.Tensor, condition: torch.Tensor, random: torch.Generator, *, strength: float = 1.0) -> torch.Tensor:
        """One block Gibbs sweep: hidden units given calls, then calls given hidden units.

        Args:
            calls: Shape (n_blocks, n_samples, block_size).
            condition: Shape (n_samples, n_condition).
            random: Draws.
            strength: Factor of the weights between units.

        Returns:
            New calls, int8, the same shape. A constant call stays.
        """
        field = self.hidden_fields(self.standardised(calls), condition, strength=strength)
        draws = torch.rand(field.shape, generator=random, device=field.device)
        hidden = torch.where(draws < torch.sigmoid(2 * field.float()), 1.0, -1.0)
        one, two = self.chances(self.visible_fields(hidden, condition, strength=strength))
        draws = torch.rand(one.shape, generator=random, device=one.device)
        drawn = (draws < two).to(torch.int8) + (draws < one + two).to(torch.int8)
        return torch.where(self.inverse_spread[:, None] > 0, drawn, calls.to(torch.int8))

    def gradients(self, seen: Phase, dreamt: Phase, dreamt_calls: torch.Tensor) -> dict[str, torch.Tensor]:
        """Gradient of the mean log-likelihood: expectations given training calls, less those of the machine.

        Args:
            seen: Training samples.
            dreamt: Samples of the machine.
            dreamt_calls: Their calls, shape (n_blocks, n_samples, block_size).
        """
        positive, negative = self._products(seen), self._products(dreamt)
        gradients = {name: positive[name] - negative[name] for name in positive}
        rates = torch.stack([(dreamt_calls == genotype).float().mean(dim=1) for genotype in (1, 2)])
        varies = (self.inverse_spread > 0) & torch.isfinite(self.bias)
        gradients["bias"] = torch.where(varies, self.shares - rates, torch.zeros_like(rates))
        return gradients

    def reconstruction_error(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Mean squared difference of standardised calls from their mean given the hidden means; 1 where nothing is learned."""
        one, two = self.chances(self.visible_fields(self.hidden_means(x, condition), condition))
        expected = (one + 2 * two - self.mean[:, None]) * self.inverse_spread[:, None]
        is_seen = x != 0
        return ((expected - x)[is_seen] ** 2).mean() if is_seen.any() else torch.zeros(())

    def _products(self, phase: Phase) -> dict[str, torch.Tensor]:
        x, hidden, condition = phase
        n_samples = len(hidden)
        n_blocks, block_size, n_global = self.dense.shape
        n_local = self.local.shape[2]
        local = hidden[:, : n_blocks * n_local].view(n_samples, n_blocks, n_local).transpose(0, 1)
        flat = x.transpose(0, 1).flatten(1)
        return {
            "slopes": (condition.T @ flat).view(-1, n_blocks, block_size) / n_samples,
            "local": self._pairs(x).transpose(1, 2) @ local / n_samples,
            "dense": (flat.T @ hidden[:, hidden.shape[1] - n_global :]).view(n_blocks, block_size, n_global) / n_samples,
            "hidden_bias": hidden.mean(dim=0),
            "hidden_slopes": condition.T @ hidden / n_samples,
        }

    def _pairs(self, x: torch.Tensor) -> torch.Tensor:
        """Each block with the next one of its chromosome, or zeros, shape (n_blocks, n_samples, 2 * block_size)."""
        following = torch.roll(x, -1, dims=0) * self.is_followed[:, None, None]
        return torch.cat([x, following], dim=2)
