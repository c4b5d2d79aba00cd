"""Relationships and principal components beside PLINK 2: python tests/benchmarks/relationship.py [n_samples n_variants [kernel ...]].

Not a test: minutes long, and no machine is another's, so ratios within one run count. Both sides read the same simulated calls (families of
mosaics of 400 founder haplotypes, one call in 500 missing) from files that the system has in memory, on two threads, each in a process of
its own; PLINK writes its matrices in binary, ours stay in memory. Where torch finds a GPU its figures follow.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from genobench import MISSING, PackedCalls

if TYPE_CHECKING:
    from collections.abc import Callable

N_THREADS = 2
N_COMPONENTS = 20
N_FOUNDERS = 400
N_SIRES = 60
SEGMENT_VARIANTS = 120
MISSING_SHARE = 0.002
PEERS = {
    "vanraden-1": (("--make-rel", "cov", "meanimpute", "bin4"), 3.0),
    "vanraden-2": (("--make-rel", "meanimpute", "bin4"), 1.0),
    "principal-components": (("--pca", "approx", str(N_COMPONENTS)), 2.0),
}


def main() -> None:
    """Print seconds, peak memory, ratio to PLINK 2 and agreement of each kernel."""
    if shutil.which("plink2") is None:
        raise SystemExit("plink2 is not on PATH: `apt install plink2`.")
    n_samples, n_variants = (int(word) for word in sys.argv[1:3]) if len(sys.argv) > 2 else (10_000, 50_161)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packed_bytes = _simulate(folder, n_samples, n_variants)
        print(f"{n_samples:,} samples x {n_variants:,} variants, {packed_bytes / 2**20:.0f} MiB packed, {N_THREADS} threads", flush=True)
        for kernel in sys.argv[3:] or PEERS:
            options, promised = PEERS[kernel]
            ours, theirs = _in_a_process(kernel, folder, "cpu"), _plink(folder, kernel, *options)
            ratio = theirs.seconds / ours.seconds
            print(f"{'kept  ' if ratio >= promised else 'BROKEN'}  {kernel}: {ours}; plink2 {' '.join(options)}: {theirs}", flush=True)
            print(f"        {ratio:.1f} times as fast, {promised:.0f} promised; {_agreement(kernel, folder)}", flush=True)
            if _has_gpu():
                print(f"        on the GPU: {_in_a_process(kernel, folder, 'cuda')}", flush=True)


def _simulate(folder: Path, n_samples: int, n_variants: int) -> int:
    """Calls of half-sib families as data.npy (packed) and data.bed; gives the packed bytes."""
    from bed_reader import to_bed

    rng = np.random.default_rng(1)
    founders = _founders(rng, n_variants)
    sire, n_segments = rng.integers(0, N_SIRES, n_samples), -(-n_variants // SEGMENT_VARIANTS)
    paternal = 2 * sire[:, None] + rng.integers(0, 2, (n_samples, n_segments))
    maternal = rng.integers(0, N_FOUNDERS, (n_samples, n_segments))
    calls = np.empty((n_samples, n_variants), dtype=np.int8)
    for segment in range(n_segments):
        columns = slice(segment * SEGMENT_VARIANTS, min((segment + 1) * SEGMENT_VARIANTS, n_variants))
        calls[:, columns] = founders[paternal[:, segment], columns] + founders[maternal[:, segment], columns]
    n_missing = round(MISSING_SHARE * calls.size)
    calls[rng.integers(0, n_samples, n_missing), rng.integers(0, n_variants, n_missing)] = MISSING
    packed = PackedCalls.from_calls(calls).packed
    np.save(folder / "data.npy", packed)
    chromosomes = np.sort(np.arange(n_variants) % 29) + 1
    calls[calls == MISSING] = -127
    properties = {
        "iid": [f"s{row}" for row in range(n_samples)],
        "chromosome": chromosomes.astype(str),
        "bp_position": np.arange(1, n_variants + 1),
        "sid": [f"v{column}" for column in range(n_variants)],
    }
    to_bed(folder / "data.bed", calls, properties=properties, count_A1=True)
    return int(packed.nbytes)


def _founders(rng: np.random.Generator, n_variants: int) -> np.ndarray:
    """Haplotypes in LD: thresholded first-order autoregression over variants."""
    latent = rng.standard_normal(N_FOUNDERS)
    founders = np.empty((N_FOUNDERS, n_variants), dtype=np.int8)
    thresholds = rng.normal(0, 0.8, n_variants)
    for column in range(n_variants):
        latent = 0.9 * latent + np.sqrt(1 - 0.81) * rng.standard_normal(N_FOUNDERS)
        founders[:, column] = latent < thresholds[column]
    return founders


class Cost(NamedTuple):
    """Of one run: wall-clock and processor seconds, and peak memory, the interpreter and the packed calls included."""

    seconds: float
    processor_seconds: float
    peak_gib: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.processor_seconds:.0f} s of processors), peak {self.peak_gib:.1f} GiB"


def _in_a_process(kernel: str, folder: Path, device: str) -> Cost:
    os.environ["OMP_NUM_THREADS"] = str(N_THREADS)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (kernel, folder, device))


def _measured(kernel: str, folder: Path, device: str) -> Cost:
    import torch

    from genobench.statgen import PrincipalComponents, vanraden_1, vanraden_2

    torch.set_num_threads(N_THREADS)
    packed = np.load(folder / "data.npy")
    n_variants = len(pd.read_csv(folder / "data.bim", sep="\t", header=None, usecols=[0]))
    calls = PackedCalls(packed=packed, n_variants=n_variants)
    kernels: dict[str, Callable[[], np.ndarray]] = {
        "vanraden-1": lambda: vanraden_1(calls, device=device),
        "vanraden-2": lambda: vanraden_2(calls, device=device),
        "principal-components": lambda: PrincipalComponents.fit(calls, N_COMPONENTS, seed=1, device=device).eigenvalues,
    }
    if device != "cpu":
        kernels[kernel]()
    begin, used = time.perf_counter(), time.process_time()
    result = kernels[kernel]()
    cost = Cost(time.perf_counter() - begin, time.process_time() - used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    np.save(folder / f"{kernel}.npy", result)
    return cost


def _plink(folder: Path, kernel: str, *options: str) -> Cost:
    command = ["plink2", "--bfile", str(folder / "data"), "--chr-set", "29", "--threads", str(N_THREADS), "--out", str(folder / kernel)]
    begin = time.perf_counter()
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"plink2 {' '.join(options)} ended with status {status}.")
    return Cost(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20)


def _agreement(kernel: str, folder: Path) -> str:
    """How far the two results are apart."""
    ours = np.load(folder / f"{kernel}.npy")
    if kernel == "principal-components":
        theirs = np.loadtxt(folder / f"{kernel}.eigenval")
        return f"largest relative difference of an eigenvalue {np.max(np.abs(ours / 2 / theirs - 1)):.1e}"
    theirs = np.fromfile(folder / f"{kernel}.rel.bin", dtype=np.float32).reshape(ours.shape)
    # PLINK's covariance is per variant, and its mean counts the variants that do not vary.
    theirs *= np.trace(ours) / np.trace(theirs)
    return f"largest difference, on one scale, {np.abs(ours - theirs).max():.1e}"


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    main()
