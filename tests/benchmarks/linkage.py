"""How fast r2 and the correlation score are: python tests/benchmarks/linkage.py [--large]. Not a test: no machine is another's.

Side by side in one run: r2 of 1,771 variants in 2,000 samples by scikit-allel and here, with the share of the rate that int8 products reach
on this machine; decay, agreement and LD scores of 400 samples x 4,000 variants; and, with --large, the correlation score of two sets of
10,000 samples x 50,161 variants with its peak of memory.
"""

from __future__ import annotations

import argparse
import resource
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import allel
import numpy as np
import torch

from genobench.calls import PackedCalls
from genobench.statgen import correlation_score, far_agreement, genome_blocks, ld_decay, near_agreement, r2_matrix

if TYPE_CHECKING:
    from collections.abc import Callable

SEED = 5
N_VARIANTS = 1_771
N_SAMPLES = 2_000
LEAST_RATIO = 30
LARGE = (10_000, 50_161)
PEAK_GIB = 4.0


def main() -> None:
    """Print seconds, ratios and shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also the correlation score of 10,000 x 50,161")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    print(f"device {arguments.device}, {torch.get_num_threads()} threads")
    _r2(arguments.device)
    _metrics_size(arguments.device)
    if arguments.large:
        _large(arguments.device)


def _r2(device: str) -> None:
    calls = _calls(N_SAMPLES, N_VARIANTS)
    by_variant = np.ascontiguousarray(calls.T)
    theirs, r = _timed(lambda: allel.rogers_huff_r(by_variant), n_runs=1)
    ours, (r2, _) = _timed(lambda: r2_matrix(calls, calls, device=device))
    furthest = np.abs(r.astype(np.float64) ** 2 - r2[np.triu_indices(N_VARIANTS, 1)]).max()
    print(
        f"r2, {N_VARIANTS} variants, {N_SAMPLES} samples: scikit-allel {theirs:.2f} s, genobench {ours:.4f} s, "
        f"ratio {theirs / ours:.0f} (wanted {LEAST_RATIO}), largest difference {furthest:.1e}"
    )
    planes = torch.from_numpy(by_variant).to(device)
    product, _ = _timed(lambda: _int_product(planes))
    rate = 2 * N_VARIANTS**2 * N_SAMPLES / 1e9
    print(f"  the product alone {product:.4f} s = {rate / product:.0f} GOP/s; all of r2 runs at {product / ours:.0%} of that")


def _int_product(planes: torch.Tensor) -> torch.Tensor:
    n = len(planes) // 8 * 8
    product = torch._int_mm(planes[:n], planes[:n].t())
    if planes.is_cuda:
        torch.cuda.synchronize()
    return product


def _metrics_size(device: str) -> None:
    n_samples, n_variants = 400, 4_000
    first, second = _calls(n_samples, n_variants), _calls(n_samples, n_variants, seed=SEED + 1)
    chromosomes, positions = np.repeat(np.arange(1, 30).astype(str), 138)[:n_variants], np.arange(n_variants) % 138 * 40_000.0
    where: dict[str, Any] = {"chromosomes": chromosomes, "blocks": genome_blocks(chromosomes), "device": device}
    for name, action in (
        ("decay", partial(ld_decay, first, positions=positions, **where)),
        ("agreement near, LD scores", partial(near_agreement, first, second, positions=positions, **where)),
        ("agreement between chromosomes", partial(far_agreement, first, second, **where)),
        ("correlation score", partial(correlation_score, first, second, device=device)),
    ):
        print(f"{n_samples} x {n_variants}: {name} {_timed(action)[0]:.3f} s")


def _large(device: str) -> None:
    sides = [_packed(*LARGE, seed=seed) for seed in (SEED, SEED + 1)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, score = _timed(lambda: correlation_score(*sides, device=device), n_runs=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"correlation score of {LARGE[0]} x {LARGE[1]} twice: {score:.6f} in {seconds:.0f} s; peak {peak / 2**20:.2f} GiB in all "
        f"(wanted {PEAK_GIB}), {before / 2**20:.2f} GiB before"
    )


def _calls(n_samples: int, n_variants: int, *, seed: int = SEED) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.binomial(2, rng.uniform(0.05, 0.95, n_variants), size=(n_samples, n_variants)).astype(np.int8)


def _packed(n_samples: int, n_variants: int, *, seed: int) -> PackedCalls:
    """Calls of many samples, drawn and packed a few at a time, each like its neighbour in one variant of two."""
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(0, n_samples, 500):
        calls = rng.integers(0, 3, (500, n_variants), dtype=np.int8)
        calls[:, 1::2] = np.where(rng.random((500, n_variants // 2)) < 0.5, calls[:, : n_variants - 1 : 2], calls[:, 1::2])
        parts.append(PackedCalls.from_calls(calls).packed)
    return PackedCalls(np.concatenate(parts)[:n_samples], n_variants)


def _timed(action: Callable[[], Any], *, n_runs: int = 5) -> tuple[float, Any]:
    """Seconds of the fastest run, and what the last one gave."""
    best, result = float("inf"), None
    for _ in range(n_runs):
        begin = time.perf_counter()
        result = action()
        best = min(best, time.perf_counter() - begin)
    return best, result


if __name__ == "__main__":
    main()
