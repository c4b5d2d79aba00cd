"""Steps of the published ENSEMBL WGAN, ours beside a plain loop: python tests/benchmarks/training.py [--device cuda] [--threads 2].

Both train the same architecture (3,493 variants, batches of 512, five critic updates a step) on the same calls, in turns in one process.
The plain loop is what the description of the published WGAN amounts to in PyTorch as it comes: all data one-hot in float32 with simplex
noise, three numbers of a variant side by side, float32 products, `gumbel_softmax`, Adam, the penalty at interpolated samples.

Printed: seconds a step of each (best of the turns), by the clock and of the processor, which a busy machine still measures well; their
ratio, each one's share of the device's measured matrix rate, and the bytes of the data.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from genobench import FitContext, Genotypes, PackedCalls, Trait
from genobench_neural.published.gan import PublishedTask, published_task
from genobench_neural.published.presets import WGANS
from genobench_neural.simplex import table_layout
from genobench_neural.training_data import TrainingData

if TYPE_CHECKING:
    from collections.abc import Callable

N_SAMPLES = 4_000
N_VARIANTS = 3_493
N_VARIANTS_COW = 50_161
BATCH_SIZE = 512
N_CRITIC = 5
N_NOISE = 128
GENERATOR_WIDTHS = (436, 873, 1746)
CRITIC_WIDTHS = (1309, 654, 327)
LARGEST_NOISE = 0.025
TEMPERATURE = 0.5


def main() -> None:
    """Print the comparison."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--turns", type=int, default=5)
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    device = torch.device(chosen.device)
    print(f"torch {torch.__version__}, {device}, {chosen.threads} threads")
    rates = {dtype: matrix_rate(device, dtype) for dtype in (torch.float32, torch.bfloat16)}
    for dtype, rate in rates.items():
        print(f"matrix rate, {str(dtype).removeprefix('torch.')}: {rate / 1e9:,.0f} GFLOP/s")
    calls = np.random.default_rng(1).integers(0, 3, (N_SAMPLES, N_VARIANTS), dtype=np.int8)
    condition = torch.randn(N_SAMPLES, 2, generator=torch.Generator().manual_seed(1)).to(device)
    plain = PlainWgan(torch.from_numpy(calls), condition, device)
    ours = our_task(calls, condition, device)
    seconds: dict[str, list[tuple[float, float]]] = {"plain": [], "ours": []}
    work = {"plain": operations(plain.step), "ours": operations(lambda: ours.step(0))}
    for _ in range(chosen.turns):
        seconds["plain"].append(seconds_of(plain.step, device))
        seconds["ours"].append(seconds_of(lambda: ours.step(0), device))
    for name, dtype in (("plain", torch.float32), ("ours", torch.bfloat16)):
        best, processor = (min(column) for column in zip(*seconds[name], strict=True))
        print(
            f"{name}: {best:.3f} s a step ({processor:.3f} processor seconds), {1 / best:.2f} steps a second, "
            f"{work[name] / 1e9:,.0f} GFLOP a step, {work[name] / best / rates[dtype]:.0%} of the matrix rate of its type"
        )
    for kind, name in enumerate(("wall-clock", "processor")):
        plainly, ourly = ([turn[kind] for turn in seconds[which]] for which in ("plain", "ours"))
        medians = statistics.median(plainly) / statistics.median(ourly)
        print(f"ratio of {name} seconds: {min(plainly) / min(ourly):.1f} (of medians {medians:.1f})")
    print_memory(plain, ours)


def print_memory(plain: PlainWgan, ours: PublishedTask) -> None:
    """Bytes of the training data as each loop holds them."""
    one_hot, packed = plain.data.nbytes, ours.data.batches.packed.nbytes
    print(f"data, {N_SAMPLES:,} x {N_VARIANTS:,}: one-hot {one_hot / 1e6:,.1f} MB, packed {packed / 1e6:,.2f} MB: 1/{one_hot / packed:.0f}")
    sample = np.zeros((1, N_VARIANTS_COW), dtype=np.int8)
    one_hot, packed = 3 * N_VARIANTS_COW * 4, PackedCalls.from_calls(sample).packed.nbytes
    print(f"a sample of {N_VARIANTS_COW:,} variants: one-hot {one_hot:,} bytes, packed {packed:,} bytes: 1/{one_hot / packed:.0f}")


def our_task(calls: np.ndarray, condition: torch.Tensor, device: torch.device) -> PublishedTask:
    """The preset of `wgan` on the shared loop's parts, with products in bfloat16 (`is_bf16=true`)."""
    sex, height = condition.cpu().numpy().T
    samples = pd.DataFrame({"id": [f"s{k}" for k in range(len(calls))], "sex": np.where(sex > 0, "male", "female"), "height": height})
    places = np.arange(calls.shape[1])
    table = {"chromosome": "1", "position_bp": places + 1, "id": [f"v{k}" for k in places], "ref": "A", "alt": "G"}
    genotypes = Genotypes(PackedCalls.from_calls(calls), samples, pd.DataFrame(table))
    trait = Trait(column="height", kind="quantitative", covariates=("sex",))
    context = FitContext(trait=trait, seed=1, device=str(device), folder=Path())
    preset = dataclasses.replace(WGANS["human-ensembl"], is_bf16=True)
    return published_task(preset, TrainingData.of_genotypes(genotypes, context, table_layout(N_VARIANTS)))


class Residual(nn.Module):
    """f(x + W2 f(W1 x)), as described."""

    def __init__(self, width: int, *, is_normalised: bool) -> None:
        super().__init__()
        norm: Callable[[], nn.Module] = (lambda: nn.BatchNorm1d(width)) if is_normalised else nn.Identity
        self.inner = nn.Sequential(nn.Linear(width, width), norm(), nn.LeakyReLU(0.05), nn.Linear(width, width), norm())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map x to its shape."""
        return functional.leaky_relu(x + self.inner(x), 0.05)


class Stack(nn.Module):
    """A first layer, then a residual block and a linear layer for each further width, each with the condition behind its input."""

    def __init__(self, n_in: int, widths: tuple[int, ...], n_out: int, *, is_normalised: bool) -> None:
        super().__init__()
        self.first = nn.Linear(n_in + 2, widths[0])
        self.norm = nn.BatchNorm1d(widths[0]) if is_normalised else nn.Identity()
        pairs = list(pairwise(widths))
        self.blocks = nn.ModuleList(Residual(a + 2, is_normalised=is_normalised) for a, _ in pairs)
        self.links = nn.ModuleList(nn.Linear(a + 2, b) for a, b in pairs)
        self.last = nn.Linear(widths[-1], n_out)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """Map (n_samples, n_in) to (n_samples, n_out)."""
        x = functional.leaky_relu(self.norm(self.first(torch.cat([x, condition], dim=1))), 0.05)
        for block, link in zip(self.blocks, self.links, strict=True):
            x = functional.leaky_relu(link(block(torch.cat([x, condition], dim=1))), 0.05)
        y: torch.Tensor = self.last(x)
        return y


class PlainWgan:
    """The plain loop."""

    def __init__(self, calls: torch.Tensor, condition: torch.Tensor, device: torch.device) -> None:
        torch.manual_seed(1)
        one_hot = functional.one_hot(calls.long(), 3).float()
        noise = torch.rand_like(one_hot) * LARGEST_NOISE * (1 - one_hot)
        self.data = (one_hot + noise - one_hot * noise.sum(dim=-1, keepdim=True)).flatten(1).to(device)
        self.condition, self.device = condition, device
        self.generator = Stack(N_NOISE, GENERATOR_WIDTHS, 3 * N_VARIANTS, is_normalised=True).to(device)
        self.critic = Stack(3 * N_VARIANTS, CRITIC_WIDTHS, 1, is_normalised=False).to(device)
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters(), lr=1e-4, betas=(0.5, 0.9))
        self.critic_optimiser = torch.optim.Adam(self.critic.parameters(), lr=1e-4, betas=(0.5, 0.9))

    def generated(self, condition: torch.Tensor) -> torch.Tensor:
        """Soft one-hot samples."""
        z = torch.randn(len(condition), N_NOISE, device=self.device)
        logits = self.generator(z, condition).view(len(condition), N_VARIANTS, 3)
        return functional.gumbel_softmax(logits, TEMPERATURE).flatten(1)

    def step(self) -> None:
        """Five critic updates on one batch and one of the generator."""
        rows = torch.randint(len(self.data), (BATCH_SIZE,), device=self.device)
        seen, condition = self.data[rows], self.condition[rows]
        for _ in range(N_CRITIC):
            fake = self.generated(condition).detach()
            distance = self.critic(fake, condition).mean() - self.critic(seen, condition).mean()
            mix = torch.rand(BATCH_SIZE, 1, device=self.device)
            between = (mix * seen + (1 - mix) * fake).requires_grad_()
            (gradient,) = torch.autograd.grad(self.critic(between, condition).sum(), between, create_graph=True)
            loss = distance + 10 * (gradient.norm(2, dim=1) - 1).square().mean()
            self.critic_optimiser.zero_grad()
            loss.backward()
            self.critic_optimiser.step()
        loss = -self.critic(self.generated(condition), condition).mean()
        self.generator_optimiser.zero_grad()
        loss.backward()
        self.generator_optimiser.step()


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the product of two large square matrices: the best of some."""
    size = 2048 if device.type == "cpu" else 8192
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / min(seconds_of(lambda: left @ right, device)[0] for _ in range(7))


def operations(step: Callable[[], object]) -> float:
    """Floating-point operations of the matrix products of a step."""
    with _Products() as products:
        step()
    return float(products.n_operations)


class _Products(TorchDispatchMode):
    """Counts operations; `FlopCounterMode` cannot, where a step takes gradients of gradients."""

    n_operations = 0

    def __torch_dispatch__(self, function: Any, _types: Any, arguments: Any = (), options: Any = None) -> Any:
        value = function(*arguments, **(options or {}))
        if function._overloadpacket in flop_registry:
            self.n_operations += flop_registry[function._overloadpacket](*arguments, **(options or {}), out_val=value)
        return value


def seconds_of(step: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Wall-clock and processor seconds of one call."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begin, used = time.perf_counter(), time.process_time()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin, time.process_time() - used


if __name__ == "__main__":
    main()
