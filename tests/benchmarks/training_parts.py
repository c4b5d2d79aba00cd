"""What the parts of a training step cost, done in several ways: python tests/benchmarks/training_parts.py [--device cuda].

512 samples of 3,493 variants, 1,309 wide: the first layer over real calls, forward and backward; soft draws; Adam's update. Processor
milliseconds of one thread (on a GPU: by the clock), the best of three.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Final

import torch
from torch.nn import functional

from genobench_neural.onehot import gumbel_noise, one_hot_planes, soft_genotypes

if TYPE_CHECKING:
    from collections.abc import Callable

N_SAMPLES: Final = 512
N_VARIANTS: Final = 3_493
WIDTH: Final = 1_309
N_TURNS: Final = 3


def main() -> None:
    """Print a line for each way."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--device", default="cpu")
    device = torch.device(arguments.parse_args().device)
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {device}")
    for ways in (first_layers(device), draws(device), updates(device)):
        for name, way in ways.items():
            print(f"{name:<70} {min(milliseconds(way, device) for _ in range(N_TURNS + 1)):7.1f} ms", flush=True)


def first_layers(device: torch.device) -> dict[str, Callable[[], object]]:
    """The product of real calls with the first layer's weights, and its gradient."""
    codes = torch.randint(0, 3, (N_SAMPLES, N_VARIANTS), dtype=torch.uint8, device=device)
    weight = torch.randn(WIDTH, 3 * N_VARIANTS, device=device).requires_grad_()
    rows = torch.randn(3 * N_VARIANTS, WIDTH, device=device).requires_grad_()
    back = torch.randn(N_SAMPLES, WIDTH, device=device)
    places = torch.arange(N_VARIANTS, device=device)

    def product(dtype: torch.dtype) -> torch.Tensor:
        x = one_hot_planes(codes).to(dtype).flatten(1)
        return functional.linear(x, weight.to(dtype)).float()

    def differences() -> torch.Tensor:
        none, one, two = weight.view(WIDTH, 3, N_VARIANTS).unbind(dim=1)
        x = torch.cat([codes == 1, codes == 2], dim=1).bfloat16()
        return functional.linear(x, torch.cat([one - none, two - none], dim=1).bfloat16()).float() + none.sum(dim=1)

    def gathered() -> torch.Tensor:
        return functional.embedding_bag(codes.long() * N_VARIANTS + places, rows, mode="sum")

    def both(forward: Callable[[], torch.Tensor], of: torch.Tensor) -> Callable[[], object]:
        return lambda: torch.autograd.grad(forward(), of, back)

    return {
        "first layer: one-hot, float32": both(lambda: product(torch.float32), weight),
        "first layer: gather-sum (embedding_bag), float32": both(gathered, rows),
        "first layer: W0 + (code = 1)(W1 - W0) + (code = 2)(W2 - W0), bfloat16": both(differences, weight),
        "first layer: one-hot, bfloat16": both(lambda: product(torch.bfloat16), weight),
    }


def draws(device: torch.device) -> dict[str, Callable[[], object]]:
    """Soft genotypes from logits."""
    random = torch.Generator(device).manual_seed(1)
    logits = torch.randn(N_SAMPLES, 3 * N_VARIANTS, device=device)
    side_by_side, planes = logits.view(N_SAMPLES, N_VARIANTS, 3), logits.view(N_SAMPLES, 3, N_VARIANTS)
    planes_bf16 = planes.bfloat16()
    return {
        "softmax, three numbers of a variant side by side": lambda: side_by_side.softmax(dim=-1),
        "softmax, planes": lambda: planes.softmax(dim=1),
        "Gumbel noise, torch's exponential_": lambda: -torch.empty_like(logits).exponential_(generator=random).log(),
        "Gumbel noise, ours": lambda: gumbel_noise(tuple(planes.shape), random),
        "Gumbel-softmax, torch's, side by side, float32": lambda: functional.gumbel_softmax(side_by_side),
        "Gumbel-softmax, ours, planes, bfloat16": lambda: soft_genotypes(planes_bf16, 1.0, random),
    }


def updates(device: torch.device) -> dict[str, Callable[[], object]]:
    """Adam over the weights of the first layer."""
    ways: dict[str, Callable[[], object]] = {}
    for is_fused in (False, True):
        weight = torch.randn(WIDTH, 3 * N_VARIANTS, device=device).requires_grad_()
        weight.grad = torch.randn_like(weight)
        ways[f"Adam, {'fused' if is_fused else 'as it comes'}"] = torch.optim.Adam([weight], fused=is_fused or None).step
    return ways


def milliseconds(way: Callable[[], object], device: torch.device) -> float:
    """Of one call."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begin = clock()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (clock() - begin) * 1e3


if __name__ == "__main__":
    main()
