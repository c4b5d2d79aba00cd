"""Neighbour metrics, measured side by side: OMP_WAIT_POLICY=PASSIVE python tests/benchmarks/neighbours.py [--large] [--device cuda].

Not a test: minutes long, and no machine is another's. Threads wait passively, as in genobench's workers: a busy machine disturbs them less.

By default 2,000 against 2,000 samples x 1,771 variants: precision, recall and adversarial accuracy for both distances, as published code
gets them (scikit-learn's brute-force neighbours for the one, torch.cdist for the other), and as we do; the values must be the same. With
`--large`, ours alone on 10,000 against 10,000 samples x 50,161 variants, with the peak of memory above the packed data. The machine's own
rate of int8 products is measured in the same run, on two threads. Ours is quick enough to be run five times, of which the best counts;
where others keep the machine busy, processor time says more than the clock.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from genobench import PackedCalls
from genobench.statgen import (
    adversarial_accuracy,
    adversarial_accuracy_without,
    longest_shared_segment,
    manifold_scores,
    manifold_scores_without,
    nearest_distances,
    pairwise,
    sample_groups,
)
from genobench.statgen.products import inner_products

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from genobench.calls import Calls
    from genobench.statgen.neighbours import IntegerMeasure

K: Final = 10
FASTER_AT_LEAST: Final = 100
LARGE_SECONDS: Final = 180
LARGE_GIB: Final = 4.0
MEASURES: Final[tuple[tuple[Literal["manhattan", "squared-euclidean"], float, int], ...]] = (
    ("manhattan", 1.0, 2),
    ("squared-euclidean", 2.0, 1),
)
"""Ours, the p of the peers' Minkowski distance, and the inner products that ours takes for each variant."""


class Cost(NamedTuple):
    """Seconds by the clock, and of all processors together."""

    clock: float
    processor: float

    def __str__(self) -> str:
        return f"{self.clock:.3f} s ({self.processor:.3f} s of processors)"


def main() -> None:
    """Print each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="10,000 against 10,000 samples x 50,161 variants, ours alone")
    parser.add_argument("--device", default="cpu", help="where ours runs: cpu or cuda")
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    rate = _int8_rate(arguments.device)
    print(f"int8 products on {arguments.device}: {rate / 1e9:,.0f} thousand million operations a second and processor")
    (_large if arguments.large else _small)(arguments.device, rate)


def _small(device: str, rate: float) -> None:
    reference, synthetic = _mosaics(2_000, 1_771, seed=1), _mosaics(2_000, 1_771, seed=2)
    _ours(reference, synthetic, device)  # The first call starts threads and makes kernels.
    spent, ours = min((_timed(partial(_ours, reference, synthetic, device)) for _ in range(5)), key=itemgetter(0))
    products = min((_cost_of_products(reference, synthetic, device) for _ in range(5)), key=partial(_busy, device))
    jackknifed = min(_timed(partial(_ours, reference, synthetic, device, jackknife=True))[0] for _ in range(3))
    peer, theirs = _timed(lambda: _peer(reference.rows(slice(None)), synthetic.rows(slice(None))))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    print(f"2,000 against 2,000 x 1,771, both distances: ours {spent}, of which distances {products}")
    print(f"with the jackknife over 20 groups of samples: {jackknifed}")
    print(f"share of the machine's int8 rate in the distances: {_operations(2_000, 1_771) / _busy(device, products) / rate:.0%}")
    print(f"scikit-learn and torch.cdist, same values: {peer}; {peer.processor / spent.processor:,.0f} times ours in processor time")
    is_kept = peer.clock >= FASTER_AT_LEAST * spent.clock
    _say(f"{peer.clock / spent.clock:,.0f} times faster by the clock than scikit-learn and torch.cdist", is_kept)


def _large(device: str, rate: float) -> None:
    reference, synthetic = _mosaics(10_000, 50_161, seed=1), _mosaics(10_000, 50_161, seed=2)
    before = _reset_peak()
    begin = _now()
    products = _cost_of_products(reference, synthetic, device, then=_from_matrices)
    others: tuple[IntegerMeasure, ...] = ("opposing-homozygotes", "manhattan-visible")
    for measure in others:
        spent, _ = _timed(partial(pairwise, synthetic, reference, measure, device=device))
        print(f"{measure}, synthetic to reference: {spent}", flush=True)
    whole, peak = _since(begin), _peak_bytes() - before
    print(f"distances within and between the sets, both measures: {products}")
    print(f"share of the machine's int8 rate in them: {_operations(10_000, 50_161) / _busy(device, products) / rate:.0%}")
    _say(f"all neighbour metrics of 10,000 against 10,000 x 50,161: {whole}", whole.clock <= LARGE_SECONDS)
    _say(f"peak above the packed data: {peak / 2**30:.2f} GiB", peak <= LARGE_GIB * 2**30)
    some = PackedCalls(reference.packed[:1_000], 50_161), PackedCalls(synthetic.packed[:1_000], 50_161)
    spent, _ = _timed(lambda: longest_shared_segment(*some, [str(place * 29 // 50_161) for place in range(50_161)]))
    print(f"longest shared segments of 1,000 against 1,000 x 50,161: {spent}")


def _ours(reference: PackedCalls, synthetic: PackedCalls, device: str, *, jackknife: bool = False) -> list[float]:
    values: list[float] = []
    for measure, _, _ in MEASURES:
        triple = _triple(reference, synthetic, measure, device)
        values += [*manifold_scores(*triple, k=K)[:2], *adversarial_accuracy(*triple, tie=0)]
        if jackknife:
            _without(triple)
    return values


def _triple(
    reference: PackedCalls, synthetic: PackedCalls, measure: Literal["manhattan", "squared-euclidean"], device: str
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    return (
        pairwise(reference, reference, measure, device=device),
        pairwise(synthetic, reference, measure, device=device),
        pairwise(synthetic, synthetic, measure, device=device),
    )


def _without(triple: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]) -> None:
    reference_groups, synthetic_groups = (sample_groups(None, side, seed=side) for side in triple[1].shape[::-1])
    manifold_scores_without(*triple, k=K, reference_groups=reference_groups, synthetic_groups=synthetic_groups)
    adversarial_accuracy_without(*triple, reference_groups=reference_groups, synthetic_groups=synthetic_groups)


def _from_matrices(measure: str, triple: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]) -> None:
    for name, action in (
        ("precision, recall, density, coverage", lambda: manifold_scores(*triple, k=K)),
        ("adversarial accuracy", lambda: adversarial_accuracy(*triple)),
        ("two nearest distances", lambda: nearest_distances(triple[1], 2)),
        ("all of these without each of 20 groups", lambda: _without(triple)),
    ):
        spent, _ = _timed(action)
        print(f"{measure}, {name}: {spent}", flush=True)


def _cost_of_products(reference: PackedCalls, synthetic: PackedCalls, device: str, then: Callable[[str, Any], None] | None = None) -> Cost:
    clock = processor = 0.0
    for measure, _, _ in MEASURES:
        spent, triple = _timed(partial(_triple, reference, synthetic, measure, device))
        clock, processor = clock + spent.clock, processor + spent.processor
        if then is not None:
            then(measure, triple)
        del triple
    return Cost(clock, processor)


def _operations(n: int, n_variants: int) -> float:
    """Multiplications and additions of all distances: a set with itself needs half of them."""
    return sum(2 * n_products for _, _, n_products in MEASURES) * 2.0 * n * n * n_variants


def _peer(reference: Calls, synthetic: Calls) -> list[float]:
    """As published: torch.cdist for precision and recall, scikit-learn's brute force for adversarial accuracy."""
    values: list[float] = []
    first, second = (torch.from_numpy(calls.astype(np.float32)) for calls in (reference, synthetic))
    for _, p, _ in MEASURES:
        within, across, among = (torch.cdist(left, right, p=p) for left, right in ((first, first), (second, first), (second, second)))
        # Distances of float32 are rounded; those between calls are roots of whole numbers, so that they can be told again.
        within, across, among = ((distances**p).round() for distances in (within, across, among))
        radius, synthetic_radius = (torch.kthvalue(distances, K + 1, dim=1).values for distances in (within, among))
        values += [(across <= radius[None, :]).any(dim=1).double().mean().item()]
        values += [(across <= synthetic_radius[:, None]).any(dim=0).double().mean().item()]
        for own, other in ((reference, synthetic), (synthetic, reference)):
            nearest = [
                NearestNeighbors(n_neighbors=1, algorithm="brute", metric="minkowski", p=p).fit(calls.astype(float))
                for calls in (own, other)
            ]
            to_own, to_other = nearest[0].kneighbors()[0][:, 0], nearest[1].kneighbors(own.astype(float))[0][:, 0]
            values += [float(np.mean(np.rint(to_own**p) < np.rint(to_other**p)))]
    return values


def _mosaics(n_samples: int, n_variants: int, seed: int) -> PackedCalls:
    """Samples of two haplotypes each, mosaics of 200 founders in pieces of 100 variants; founders are those of every seed."""
    founders = np.random.default_rng(0)
    alt_frequency = founders.beta(1, 1, size=n_variants)
    haplotypes = (founders.random((200, n_variants)) < alt_frequency).astype(np.int8)
    rng, packed = np.random.default_rng(seed), []
    for start in range(0, n_samples, 500):
        calls = np.zeros((min(500, n_samples - start), n_variants), dtype=np.int8)
        for piece in range(0, n_variants, 100):
            for _ in range(2):
                calls[:, piece : piece + 100] += haplotypes[rng.integers(0, 200, size=len(calls)), piece : piece + 100]
        packed.append(PackedCalls.from_calls(calls).packed)
    return PackedCalls(np.concatenate(packed), n_variants)


def _int8_rate(device: str) -> float:
    """Operations a second (of one processor, where these do the work) in the best of nine large products."""
    planes = torch.ones((4096, 4096), dtype=torch.int8, device=device)
    out = torch.empty((4096, 4096), dtype=torch.int32, device=device)

    def product() -> float:
        return inner_products(planes, planes, out=out)[0, 0].item()  # The value waits for the device.

    return max(2 * 4096.0**3 / _busy(device, _timed(product)[0]) for _ in range(9))


def _busy(device: str, cost: Cost) -> float:
    """Seconds that do not depend on what else the machine does."""
    return cost.processor if device == "cpu" else cost.clock


def _now() -> Cost:
    return Cost(time.perf_counter(), time.process_time())


def _since(begin: Cost) -> Cost:
    now = _now()
    return Cost(now.clock - begin.clock, now.processor - begin.processor)


def _timed(action: Callable[[], Any]) -> tuple[Cost, Any]:
    begin = _now()
    result = action()
    return _since(begin), result


def _reset_peak() -> int:
    """Linux forgets the peak of resident memory when 5 is written here; returns what is resident."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak_bytes()


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _say(figure: str, is_kept: bool) -> None:
    print(f"{'kept  ' if is_kept else 'BROKEN'}  {figure}", flush=True)


if __name__ == "__main__":
    main()
