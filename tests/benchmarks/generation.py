"""Time and memory of generating at full size: python tests/benchmarks/generation.py GENERATOR [--set name=value ...] [--n 10000].

Not a test: minutes long, and no machine is another's. Samples are made up (haplotypes that follow one another for a while, drawn from a
few founders), imported as a dataset in a fresh home, and the generator is fitted to them by `genobench run` with one cheap metric. What
counts is the second command, `genobench generate CELL --n 10000 --out x.bed`: its seconds, the memory of its largest process, and the
largest sum of memory over its processes at one time. Settings that make the fit quick (fewer rounds or epochs) do not change what
generation needs; those that change the model do.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from genobench import Genotypes, PackedCalls
from genobench.formats import write_genotypes

LIMIT_BYTES: Final = 2 << 30
N_CHROMOSOMES: Final = 29
N_FOUNDERS: Final = 40
VARIANTS_PER_SEGMENT: Final = 100
SECONDS_BETWEEN_LOOKS: Final = 0.1


def main() -> None:
    """Fit, generate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator")
    parser.add_argument("--set", action="append", default=[], help="a setting, name=value")
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--variants", type=int, default=50_161)
    parser.add_argument("--n", type=int, default=10_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GENOBENCH_HOME"] = str(folder / "home")
        _import(folder, n_samples=chosen.samples, n_variants=chosen.variants)
        settings = [text for setting in chosen.set for text in ("--set", setting)]
        begin = time.perf_counter()
        run = ["genobench", "run", "-g", chosen.generator, *settings, "-d", "made-up", "--metric", "copies", "--no-track", "--json"]
        done = subprocess.run(run, stdout=subprocess.PIPE, check=True, text=True)
        outcome = json.loads(done.stdout.splitlines()[-1])
        print(f"{chosen.generator}: fitted and scored in {time.perf_counter() - begin:.0f} s: {outcome['status']}", flush=True)
        out = folder / "x.bed"
        begin = time.perf_counter()
        generate = subprocess.Popen(
            ["genobench", "generate", outcome["cell_id"], "--n", str(chosen.n), "--out", str(out)], stdout=subprocess.DEVNULL
        )
        largest, total = _watched(generate)
        seconds = time.perf_counter() - begin
        if generate.returncode:
            raise SystemExit(generate.returncode)
        verdict = "kept  " if total <= LIMIT_BYTES else "BROKEN"
        mebibytes = out.stat().st_size / 2**20
        print(f"{verdict}  {chosen.n:,} x {chosen.variants:,} to .bed ({mebibytes:.0f} MiB) in {seconds:.0f} s")
        print(f"        largest process {largest / 2**30:.2f} GiB, all at one time {total / 2**30:.2f} GiB")


def _watched(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Bytes of the largest process, and the largest sum over the process and its descendants at one time, until it ends."""
    largest = total = 0
    while process.poll() is None:
        sizes = [_resident_bytes(pid) for pid in _descendants(process.pid)]
        largest, total = max(largest, *sizes), max(total, sum(sizes))
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return largest, total


def _descendants(pid: int) -> list[int]:
    found = [pid]
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                found += _descendants(int(child))
    except OSError:
        pass
    return found


def _resident_bytes(pid: int) -> int:
    """Memory that a process alone holds in RAM; pages of files, which can be dropped, are not counted."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def _import(folder: Path, *, n_samples: int, n_variants: int) -> None:
    rng = np.random.default_rng(1)
    frequency = rng.uniform(0.05, 0.95, n_variants)
    founders = (rng.random((N_FOUNDERS, n_variants)) < frequency).astype(np.int8)
    segment = np.arange(n_variants) // VARIANTS_PER_SEGMENT
    calls = np.zeros((n_samples, n_variants), dtype=np.int8)
    for _ in range(2):
        calls += founders[rng.integers(N_FOUNDERS, size=(n_samples, segment[-1] + 1))[:, segment], np.arange(n_variants)]
    places = np.arange(n_variants)
    chromosome = places * N_CHROMOSOMES // n_variants
    variants = pd.DataFrame(
        {
            "chromosome": (chromosome + 1).astype(str),
            "position_bp": 50_000 * (1 + places - np.searchsorted(chromosome, chromosome)),
            "id": [f"v{place}" for place in places],
            "ref": "A",
            "alt": "G",
        }
    )
    ids = [f"s{row}" for row in range(n_samples)]
    samples = pd.DataFrame({"id": ids, "weight": calls[:, ::500].sum(axis=1) + rng.normal(0, 5, n_samples)})
    write_genotypes(Genotypes(calls=PackedCalls.from_calls(calls), samples=samples[["id"]], variants=variants), folder / "made-up.bed")
    samples.to_csv(folder / "weight.csv", index=False)
    command = ["genobench", "data", "import", "made-up", str(folder / "made-up.bed"), "--trait", "weight"]
    subprocess.run([*command, "--phenotypes", str(folder / "weight.csv")], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
