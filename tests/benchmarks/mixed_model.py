"""GBLUP at size, and mixed-model association beside GEMMA.

Run as python tests/benchmarks/mixed_model.py [gblup [n_samples n_variants] | association]. Not a test: minutes long, and no machine is
another's. Calls are simulated: half-sib families of mosaics of 400 founder haplotypes, one call in 500 missing; the trait has a
heritability of .4 by all variants. Each run has a process of its own and two threads, and is held to what is promised: GBLUP on
10,000 x 50,161 takes under 5 minutes and 8 GiB. Association is that of 1,000 samples x 10,000 variants, with `gemma -lmm 4` beside it.
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

from genobench import MISSING, PackedCalls

if TYPE_CHECKING:
    from collections.abc import Callable

N_THREADS = 2
N_FOUNDERS = 400
N_SIRES = 60
SEGMENT_VARIANTS = 120
MISSING_SHARE = 0.002
HERITABILITY = 0.4
GBLUP_SIZE = (10_000, 50_161)
ASSOCIATION_SIZE = (1_000, 10_000)
MOST_SECONDS = 300
MOST_GIB = 8


def main() -> None:
    """Print seconds, peak memory and agreement."""
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen in {"", "gblup"}:
            size = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else GBLUP_SIZE
            _simulate(folder, *size)
            cost, said = _in_a_process(_gblup, folder)
            is_kept = cost.seconds < MOST_SECONDS and cost.peak_gib < MOST_GIB
            print(f"{'kept  ' if is_kept else 'BROKEN'}  GBLUP of {size[0]:,} samples x {size[1]:,} variants: {cost}; {said}", flush=True)
        if chosen in {"", "association"}:
            _association(folder)


def _association(folder: Path) -> None:
    if shutil.which("gemma") is None:
        raise SystemExit("gemma is not on PATH: `apt install gemma`.")
    calls, trait = _simulate(folder, *ASSOCIATION_SIZE)
    _write_for_gemma(folder, calls, trait)
    for variances in ("each", "null"):
        cost, said = _in_a_process({"each": _each, "null": _null}[variances], folder)
        print(f"        association, variances of {variances}: {cost}; {said}", flush=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    command = ["gemma", "-bfile", "data", "-k", "relationship.txt", "-lmm", "4", "-maf", "0", "-miss", "1", "-r2", "1", "-o", "out"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"        gemma -lmm 4: {time.perf_counter() - begin:.1f} s ({processors:.0f} s of processors)", flush=True)


def _simulate(folder: Path, n_samples: int, n_variants: int) -> tuple[np.ndarray, np.ndarray]:
    """Calls and a trait, kept as calls.npy (packed) and trait.npy; gives both."""
    rng = np.random.default_rng(1)
    latent, thresholds = rng.standard_normal(N_FOUNDERS), rng.normal(0, 0.8, n_variants)
    founders = np.empty((N_FOUNDERS, n_variants), dtype=np.int8)
    for column in range(n_variants):
        latent = 0.9 * latent + np.sqrt(1 - 0.81) * rng.standard_normal(N_FOUNDERS)
        founders[:, column] = latent < thresholds[column]
    n_segments = -(-n_variants // SEGMENT_VARIANTS)
    paternal = 2 * rng.integers(0, N_SIRES, n_samples)[:, None] + rng.integers(0, 2, (n_samples, n_segments))
    maternal = rng.integers(0, N_FOUNDERS, (n_samples, n_segments))
    calls, value = np.empty((n_samples, n_variants), dtype=np.int8), np.zeros(n_samples)
    for segment in range(n_segments):
        columns = slice(segment * SEGMENT_VARIANTS, min((segment + 1) * SEGMENT_VARIANTS, n_variants))
        calls[:, columns] = founders[paternal[:, segment], columns] + founders[maternal[:, segment], columns]
        value += calls[:, columns] @ rng.normal(size=columns.stop - columns.start)
    n_missing = round(MISSING_SHARE * calls.size)
    calls[rng.integers(0, n_samples, n_missing), rng.integers(0, n_variants, n_missing)] = MISSING
    noise = rng.normal(size=n_samples)
    trait = np.sqrt(HERITABILITY) * (value - value.mean()) / value.std() + np.sqrt(1 - HERITABILITY) * noise
    np.save(folder / "calls.npy", PackedCalls.from_calls(calls).packed)
    np.save(folder / "shape.npy", np.array(calls.shape))
    np.save(folder / "trait.npy", trait)
    return calls, trait


def _write_for_gemma(folder: Path, calls: np.ndarray, trait: np.ndarray) -> None:
    from bed_reader import to_bed

    from genobench.statgen import vanraden_1

    np.savetxt(folder / "relationship.txt", vanraden_1(calls), fmt="%.9g")
    to_bed(folder / "data.bed", np.where(calls == MISSING, -127, calls).astype(np.int8), properties={"pheno": trait.astype(str)})


class Cost(NamedTuple):
    """Of one run: wall-clock and processor seconds, and peak memory, the interpreter and the packed calls included."""

    seconds: float
    processor_seconds: float
    peak_gib: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.processor_seconds:.0f} s of processors), peak {self.peak_gib:.1f} GiB"


def _in_a_process(task: Callable[[PackedCalls, np.ndarray], str], folder: Path) -> tuple[Cost, str]:
    os.environ["OMP_NUM_THREADS"] = str(N_THREADS)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (task, folder))


def _measured(task: Callable[[PackedCalls, np.ndarray], str], folder: Path) -> tuple[Cost, str]:
    import torch

    import genobench.statgen  # noqa: F401 - so that its import is not part of the time

    torch.set_num_threads(N_THREADS)
    calls = PackedCalls(packed=np.load(folder / "calls.npy"), n_variants=int(np.load(folder / "shape.npy")[1]))
    trait = np.load(folder / "trait.npy")
    begin, processors = time.perf_counter(), time.process_time()
    said = task(calls, trait)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return Cost(time.perf_counter() - begin, time.process_time() - processors, peak), said


def _gblup(calls: PackedCalls, trait: np.ndarray) -> str:
    from genobench.statgen import fit_gblup

    fitted = fit_gblup(calls, trait)
    return f"heritability {fitted.heritability:.4f} +- {fitted.heritability_error:.4f}, simulated {HERITABILITY}"


def _each(calls: PackedCalls, trait: np.ndarray) -> str:
    from genobench.statgen import mixed_association, vanraden_1

    return f"least log10 p {np.nanmin(mixed_association(calls, trait, vanraden_1(calls)).log10_p):.2f}"


def _null(calls: PackedCalls, trait: np.ndarray) -> str:
    from genobench.statgen import mixed_association, vanraden_1

    return f"least log10 p {np.nanmin(mixed_association(calls, trait, vanraden_1(calls), variances='null').log10_p):.2f}"


if __name__ == "__main__":
    main()
