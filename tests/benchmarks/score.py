"""`genobench score` on large files: OMP_WAIT_POLICY=PASSIVE python tests/benchmarks/score.py [--samples 10000] [--variants 50161] [--pair].

Not a test: minutes long, and no machine is another's. Made-up populations (mosaics of 200 founder haplotypes with linkage) are written as
.bed files: train, holdout and two sets of synthetic samples of one size, a fifth as many nonmembers. The whole default score is asked for
in a fresh home, which also makes what stands beside scores once for all sets (anchors, self-checks; no bands), and then again for the
second set; what counts is the time of the second, from the command to its JSON. Printed beside it: the metrics that took longest, and
the largest process's memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from genobench import Genotypes, PackedCalls
from genobench.formats import write_genotypes

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMIT_SECONDS: Final = 600.0
N_CHROMOSOMES: Final = 29
N_FOUNDERS: Final = 200
VARIANTS_PER_SEGMENT: Final = 250
SAMPLES_PER_BLOCK: Final = 500


def main() -> None:
    """Print each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--variants", type=int, default=50_161)
    parser.add_argument("--pair", action="store_true", help="train and synthetic samples alone")
    chosen = parser.parse_args()
    generator = np.random.default_rng(1)
    founders = _founders(chosen.variants, generator)
    with tempfile.TemporaryDirectory() as folder:
        real = ("train",) if chosen.pair else ("train", "holdout", "nonmembers")
        for part in (*real, "first", "second"):
            n_samples = chosen.samples // 5 if part == "nonmembers" else chosen.samples
            write_genotypes(_samples(part, n_samples, founders, generator), Path(folder) / f"{part}.bed")
        print(f"{', '.join(real)} and synthetic: {chosen.samples:,} samples x {chosen.variants:,} variants", flush=True)
        files = [text for part in real for text in (f"--{part}", f"{folder}/{part}.bed")]
        for part in ("first", "second"):
            command = ["genobench", "score", *files, "--synthetic", f"{folder}/{part}.bed", "--draws", "0", "--json"]
            begin = time.perf_counter()
            done = subprocess.run(command, env={**os.environ, "GENOBENCH_HOME": f"{folder}/home"}, stdout=subprocess.PIPE, check=True)
            seconds = time.perf_counter() - begin
            print(f"        {part} set: {seconds:.0f} s", flush=True)
    scores = json.loads(done.stdout)["scores"]
    n_missing = sum(score["value"] is None for score in scores)
    print(f"{'kept  ' if seconds <= LIMIT_SECONDS else 'BROKEN'}  {len(scores)} scores ({n_missing} missing) in {seconds:.0f} s")
    by_plugin = {score["plugin"]: score["seconds"] for score in scores}
    for plugin, taken in sorted(by_plugin.items(), key=lambda item: -item[1])[:12]:
        print(f"        {taken:6.1f} s  {plugin}")
    print(f"        largest process: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20:.1f} GiB")


def _founders(n_variants: int, generator: np.random.Generator) -> NDArray[np.int8]:
    """Haplotypes with linkage between neighbours, shape (N_FOUNDERS, n_variants)."""
    noise = generator.standard_normal((N_FOUNDERS, n_variants), dtype=np.float32)
    for column in range(1, n_variants):
        noise[:, column] = 0.9 * noise[:, column - 1] + np.float32(np.sqrt(1 - 0.81)) * noise[:, column]
    return (noise < generator.normal(size=n_variants)).astype(np.int8)


def _samples(name: str, n_samples: int, founders: NDArray[np.int8], generator: np.random.Generator) -> Genotypes:
    """Diploid mosaics of the founders."""
    n_variants = founders.shape[1]
    segment = np.arange(n_variants) // VARIANTS_PER_SEGMENT
    packed = []
    for start in range(0, n_samples, SAMPLES_PER_BLOCK):
        n_block = min(SAMPLES_PER_BLOCK, n_samples - start)
        calls = np.zeros((n_block, n_variants), dtype=np.int8)
        for _ in range(2):
            origin = generator.integers(N_FOUNDERS, size=(n_block, segment[-1] + 1))
            calls += founders[origin[:, segment], np.arange(n_variants)]
        packed.append(PackedCalls.from_calls(calls).packed)
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
    samples = pd.DataFrame({"id": [f"{name}{row}" for row in range(n_samples)]})
    return Genotypes(calls=PackedCalls(packed=np.concatenate(packed), n_variants=n_variants), samples=samples, variants=variants)


if __name__ == "__main__":
    main()
