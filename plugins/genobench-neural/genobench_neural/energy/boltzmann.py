"""The energy of a restricted Boltzmann machine of calls: conditional distributions, sweeps and gradients."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, NamedTuple

import torch
from torch import nn

from genobench_neural.batches import MISSING_CODE
from genobench_neural.finite import check_drawn_by
from genobench_neural.layers import handed_back
from genobench_neural.optimising import autocast
from genobench_neural.sampling import GenotypeNetwork

_FIRST_SPREAD: Final = 0.01
_SMALLEST_SPREAD: Final = 0.05
_LARGEST_FIELD: Final = 15.0
_TRACE: Final = 1e-12


class Phase(NamedTuple):
    """Samples of one side of the gradient: those of training, or those of the machine.

    Args:
        x: Standardised calls, shape (n_blocks, n_samples, block_size).
        hidden: Means of the hidden units given them, shape (n_samples, n_hidden).
        condition: Shape (n_samples, n_condition).
    """

    x: torch.Tensor
    hidden: torch.Tensor
    condition: torch.Tensor

    def first(self, n_samples: int) -> Phase:
        """The first samples alone."""
        return Phase(self.x[:, :n_samples], self.hidden[:n_samples], self.condition[:n_samples])


@dataclass(frozen=True)
class BoltzmannSize:
    """Numbers of units.

    Args:
        n_blocks: Blocks of the layout.
        block_size: Places of a block.
        n_condition: Numbers of condition a sample.
        n_local: Hidden units of a block, which see the next one, too.
        n_global: Hidden units that see all variants.
    """

    n_blocks: int
    block_size: int
    n_condition: int
    n_local: int
    n_global: int

    @property
    def n_hidden(self) -> int:
        """Hidden units, those of the blocks first."""
        return self.n_blocks * self.n_local + self.n_global


class Boltzmann(GenotypeNetwork):
    """A machine of calls g, hidden units h in {-1, 1} and a condition c.

    Minus the energy is

        sum_i b_i(g_i) + sum_i x_i (slopes c)_i + sum_ij x_i W_ij h_j + sum_j h_j (a + A c)_j

    with x_i the standardised call. W has a dense part, and a local part in which the hidden units of a block see it and the next block.
    Its tensors: `mean` and `inverse_spread` of calls (0 for constant calls and padding), shape (n_blocks, block_size); `bias`, b of 1 and
    2 less b of 0 (-inf where training has no such call), and `shares` of 1 and 2 in training, shape (2, n_blocks, block_size); `slopes`,
    shape (n_condition, n_blocks, block_size); `local`, shape (n_blocks, 2 * block_size, n_local); `dense`, shape (n_blocks, block_size,
    n_global); `hidden_bias` a, shape (n_hidden,); `hidden_slopes` A, shape (n_condition, n_hidden).

    Args:
        size: Numbers of units.
        is_followed: Whether the next block lies on the same chromosome, shape (n_blocks,).
        n_sweeps: Gibbs sweeps of a sample that is drawn.
        is_bf16: Whether it is drawn with matrix products in bfloat16.
    """

    between_units: ClassVar = ("local", "dense")

    mean: torch.Tensor
    inverse_spread: torch.Tensor
    shares: torch.Tensor
    is_followed: torch.Tensor

    def __init__(self, size: BoltzmannSize, is_followed: torch.Tensor, *, n_sweeps: int, is_bf16: bool) -> None:
        super().__init__()
        self.size, self.n_sweeps, self.is_bf16 = size, n_sweeps, is_bf16
        places = (size.n_blocks, size.block_size)
        self.register_buffer("mean", torch.zeros(places))
        self.register_buffer("inverse_spread", torch.zeros(places))
        self.register_buffer("shares", torch.zeros(2, *places))
        self.register_buffer("is_followed", is_followed.clone())
        self.bias = nn.Parameter(torch.zeros(2, *places))
        self.slopes = nn.Parameter(torch.zeros(size.n_condition, *places))
        self.local = nn.Parameter(torch.zeros(size.n_blocks, 2 * size.block_size, size.n_local))
        self.dense = nn.Parameter(torch.zeros(*places, size.n_global))
        self.hidden_bias = nn.Parameter(torch.zeros(size.n_hidden))
        self.hidden_slopes = nn.Parameter(torch.zeros(size.n_condition, size.n_hidden))

    @torch.no_grad()
    def begin_with(self, shares: torch.Tensor, random: torch.Generator) -> None:
        """Begin without linkage: calls have their shares, weights between units are small and random.

        Args:
            shares: Of 0, 1 and 2 ALT alleles, shape (3, n_blocks, block_size).
            random: Draws weights, on the machine's device.
        """
        mean = shares[1] + 2 * shares[2]
        spread = (shares[1] + 4 * shares[2] - mean**2).clamp(min=0).sqrt()
        self.mean.copy_(mean)
        self.inverse_spread.copy_(torch.where(spread > _SMALLEST_SPREAD, 1 / spread.clamp(min=_SMALLEST_SPREAD), 0.0))
        self.shares.copy_(shares[1:])
        # Biases are relative to 0 ALT alleles; where that never occurs, a trace of it stands in, too small to be drawn.
        self.bias.copy_((shares[1:] / shares[0].clamp(min=_TRACE)).log())
        for name in self.between_units:
            weight = getattr(self, name)
            weight.copy_(_FIRST_SPREAD * torch.randn(weight.shape, generator=random, device=weight.device))

    def description(self) -> dict[str, Any]:
        """What it takes to build the machine anew."""
        return {"size": asdict(self.size), "n_sweeps": self.n_sweeps, "is_bf16": self.is_bf16}

    def standardised(self, codes: torch.Tensor) -> torch.Tensor:
        """The x of calls, shape (n_blocks, n_samples, block_size), as matrix products take it; 0 where missing."""
        x = (codes - self.mean[:, None]).mul_(self.inverse_spread[:, None]).masked_fill_(codes == MISSING_CODE, 0.0)
        device = x.device.type
        return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x

    def phase(self, codes: torch.Tensor, condition: torch.Tensor) -> Phase:
        """Samples as one side of the gradient.

        Args:
            codes: 0, 1 or 2 ALT alleles, shape (n_blocks, n_samples, block_size).
            condition: Shape (n_samples, n_condition).
        """
        x = self.standardised(codes)
        return Phase(x, self.hidden_fields(x, condition).tanh(), condition)

    def hidden_fields(self, x: torch.Tensor, condition: torch.Tensor, *, strength: float = 1.0) -> torch.Tensor:
        """What pushes each hidden unit, shape (n_samples, n_hidden)."""
        local = x @ self.local[:, : self.size.block_size]
        local[:-1] += x[1:] @ self._next_local()
        dense = x.transpose(0, 1).flatten(1) @ self.dense.flatten(0, 1)
        pushed = torch.cat([local.transpose(0, 1).flatten(1), dense], dim=1)
        field: torch.Tensor = strength * pushed + self.hidden_bias + condition @ self.hidden_slopes
        return field

    def visible_fields(self, hidden: torch.Tensor, condition: torch.Tensor, *, strength: float = 1.0) -> torch.Tensor:
        """What pushes each x, shape (n_blocks, n_samples, block_size)."""
        size = self.size
        local, dense = self._local_and_dense(hidden)
        field = local @ self.local[:, : size.block_size].transpose(1, 2)
        field[1:] += local[:-1] @ self._next_local().transpose(1, 2)
        field += (dense @ self.dense.flatten(0, 1).T).view(len(hidden), size.n_blocks, size.block_size).transpose(0, 1)
        by_condition = (condition @ self.slopes.flatten(1)).view(len(condition), size.n_blocks, size.block_size).transpose(0, 1)
        return strength * field + by_condition

    def probabilities(self, field: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of 1 and of 2 ALT alleles at given fields of x, shape (n_blocks, n_samples, block_size)."""
        push = (field.float() * self.inverse_spread[:, None]).clamp(-_LARGEST_FIELD, _LARGEST_FIELD).exp()
        one, two = self.bias[0, :, None].exp() * push, self.bias[1, :, None].exp() * push * push
        total = 1 + one + two
        return one / total, two / total

    def independent_calls(self, n_samples: int, random: torch.Generator) -> torch.Tensor:
        """Calls of the shares in training, uint8, shape (n_blocks, n_samples, block_size)."""
        return _drawn(self.shares[0, :, None].expand(-1, n_samples, -1), self.shares[1, :, None], random)

    def sweep(self, codes: torch.Tensor, condition: torch.Tensor, random: torch.Generator, *, strength: float = 1.0) -> torch.Tensor:
        """One block Gibbs sweep: hidden units given calls, then calls given hidden units.

        Args:
            codes: Shape (n_blocks, n_samples, block_size).
            condition: Shape (n_samples, n_condition).
            random: Draws.
            strength: Factor of the weights between units.

        Returns:
            New calls, uint8, the same shape.
        """
        field = self.hidden_fields(self.standardised(codes), condition, strength=strength)
        draws = torch.rand(field.shape, generator=random, device=field.device)
        hidden = torch.where(draws < torch.sigmoid(2 * field.float()), 1.0, -1.0)
        one, two = self.probabilities(self.visible_fields(hidden, condition, strength=strength))
        return _drawn(one, two, random)

    def gradients(self, observed: Phase, drawn: Phase, drawn_codes: torch.Tensor, call_rate: torch.Tensor) -> dict[str, torch.Tensor]:
        """Gradient of the mean log-likelihood: expectations given training calls, less those of the machine.

        A missing call adds 0 to a product with its variant; so that these are means over the calls that there are, as those of the machine
        are, they are divided by the variant's call rate.

        Args:
            observed: Training samples.
            drawn: Samples of the machine.
            drawn_codes: Their calls, shape (n_blocks, n_samples, block_size).
            call_rate: Of each variant in training, above 0, shape (n_blocks, block_size).
        """
        positive, negative = self._products(observed), self._products(drawn)
        of_pairs = torch.cat([call_rate, call_rate.roll(-1, dims=0)], dim=1)
        rates = {"slopes": call_rate, "local": of_pairs[..., None], "dense": call_rate[..., None]}
        gradients = {name: positive[name] / rates.get(name, 1.0) - negative[name] for name in positive}
        shares = torch.stack([(drawn_codes == genotype).float().mean(dim=1) for genotype in (1, 2)])
        varies = (self.inverse_spread > 0) & torch.isfinite(self.bias)
        gradients["bias"] = torch.where(varies, self.shares - shares, 0.0)
        return gradients

    def reconstruction_error(self, observed: Phase) -> torch.Tensor:
        """Mean squared difference of standardised calls from their mean given the hidden means; 1 where nothing is learned."""
        one, two = self.probabilities(self.visible_fields(observed.hidden, observed.condition))
        expected = (one + 2 * two - self.mean[:, None]) * self.inverse_spread[:, None]
        is_there = observed.x != 0
        return torch.where(is_there, (expected - observed.x) ** 2, 0.0).sum() / is_there.sum().clamp(min=1)

    def draw(self, condition: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Genotypes, as `GenotypeNetwork.draw` says: chains from independent calls, with weights that rise over the first half."""
        with autocast(condition.device, is_bf16=self.is_bf16):
            codes = self.independent_calls(len(condition), generator)
            for sweep in range(self.n_sweeps):
                codes = self.sweep(codes, condition, generator, strength=min(1.0, 2 * (sweep + 1) / self.n_sweeps))
            check_drawn_by(self.hidden_fields(self.standardised(codes), condition))
        return codes

    def _products(self, phase: Phase) -> dict[str, torch.Tensor]:
        """Means over samples of the products that weights stand at, in the shapes of the weights."""
        n_samples, size = len(phase.hidden), self.size
        local, dense = self._local_and_dense(phase.hidden)
        flat, after = phase.x.transpose(0, 1).flatten(1), handed_back(phase.x, self.is_followed)
        return {
            "slopes": (phase.condition.T @ flat).view(-1, size.n_blocks, size.block_size) / n_samples,
            "local": torch.cat([phase.x.transpose(1, 2) @ local, after.transpose(1, 2) @ local], dim=1) / n_samples,
            "dense": (flat.T @ dense).view(size.n_blocks, size.block_size, size.n_global) / n_samples,
            "hidden_bias": phase.hidden.mean(dim=0),
            "hidden_slopes": phase.condition.T @ phase.hidden / n_samples,
        }

    def _local_and_dense(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Hidden units of blocks, shape (n_blocks, n_samples, n_local), and genome-wide ones, shape (n_samples, n_global)."""
        size = self.size
        local, dense = hidden[:, : size.n_blocks * size.n_local], hidden[:, size.n_blocks * size.n_local :]
        return local.reshape(len(hidden), size.n_blocks, size.n_local).transpose(0, 1), dense

    def _next_local(self) -> torch.Tensor:
        """Weights between the hidden units of a block and the next block, zeros at a chromosome's end; for all blocks but the last."""
        return self.local[:-1, self.size.block_size :] * self.is_followed[:-1, None, None]


def _drawn(one: torch.Tensor, two: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Calls, uint8, by the probabilities of 1 and of 2 ALT alleles, in the shape of the first."""
    draws = torch.rand(one.shape, generator=random, device=one.device)
    return (draws < two).to(torch.uint8) + (draws < one + two).to(torch.uint8)
