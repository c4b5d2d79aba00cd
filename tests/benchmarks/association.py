"""Association of every variant beside plink2 `--glm`: python tests/benchmarks/association.py [n_samples n_variants [n_runs]].

Not a test: no machine is another's, so ratios within one run count. Both sides read the same random calls from files that the system has in
memory, on two threads, ours and PLINK's turn by turn; ours is timed in a process that is warm, from packed calls to arrays, PLINK as the
command that it is, from reading the file to writing its table. The best of the runs of each is compared, in wall-clock and in processor
seconds. Settings: no covariates and no missing call; ten covariates; ten covariates and one call in 500 missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from genobench import MISSING, PackedCalls
from genobench.statgen import linear_association

if TYPE_CHECKING:
    from collections.abc import Callable

    from genobench.statgen import Association

N_THREADS = 2
N_COVARIATES = 10
MISSING_SHARE = 0.002
MOST_TIMES = 4.0
SETTINGS = {"no covariates": (0, 0.0), "10 covariates": (N_COVARIATES, 0.0), "10 covariates, missing calls": (N_COVARIATES, MISSING_SHARE)}


class Seconds(NamedTuple):
    """Of one run."""

    wall: float
    processor: float


def main() -> None:
    """Print seconds of both, their ratio, and how far the results are apart."""
    if shutil.which("plink2") is None:
        raise SystemExit("plink2 is not on PATH: `apt install plink2`.")
    n_samples, n_variants = (int(word) for word in sys.argv[1:3]) if len(sys.argv) > 2 else (10_000, 50_161)
    n_runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    torch.set_num_threads(N_THREADS)
    print(f"{n_samples:,} samples x {n_variants:,} variants, {N_THREADS} threads, load {os.getloadavg()[0]:.1f}", flush=True)
    for setting, (n_covariates, missing_share) in SETTINGS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            calls = _simulate(folder, n_samples, n_variants, missing_share)
            values, covariates = _table(folder, n_samples, n_covariates)
            ours, theirs, found = [], [], None
            for _ in range(n_runs):
                seconds, found = _timed(lambda: linear_association(calls, values, covariates))  # noqa: B023 - called before they change
                ours.append(seconds)
                theirs.append(_plink(folder, n_covariates))
            assert found is not None
            _report(setting, ours, theirs, _apart(found, folder))


def _report(setting: str, ours: list[Seconds], theirs: list[Seconds], apart: float) -> None:
    mine, peer = (Seconds(min(run.wall for run in runs), min(run.processor for run in runs)) for runs in (ours, theirs))
    verdict = "kept  " if mine.wall <= MOST_TIMES * peer.wall else "BROKEN"
    print(
        f"{verdict}  {setting}: {mine.wall:.2f} s ({mine.processor:.2f} s of processors); plink2 --glm {peer.wall:.2f} s "
        f"({peer.processor:.2f} s); ratio {mine.wall / peer.wall:.2f}, by processor {mine.processor / peer.processor:.2f} "
        f"(at most {MOST_TIMES:.0f} promised); load {os.getloadavg()[0]:.1f}; largest relative difference {apart:.1e}",
        flush=True,
    )


def _simulate(folder: Path, n_samples: int, n_variants: int, missing_share: float) -> PackedCalls:
    """Random calls, which are also written as data.bed."""
    from bed_reader import to_bed

    rng = np.random.default_rng(1)
    calls = np.empty((n_samples, n_variants), dtype=np.int8, order="F")
    for column in range(n_variants):
        draws = rng.random((2, n_samples), dtype=np.float32) < rng.uniform(0.05, 0.95)
        calls[:, column] = draws[0].view(np.int8) + draws[1].view(np.int8)
    n_missing = round(missing_share * calls.size)
    calls[rng.integers(0, n_samples, n_missing), rng.integers(0, n_variants, n_missing)] = MISSING
    packed = PackedCalls.from_calls(calls)
    calls[calls == MISSING] = -127
    names, ids = [f"s{row}" for row in range(n_samples)], [f"v{column}" for column in range(n_variants)]
    properties = {"fid": names, "iid": names, "sex": [2] * n_samples, "sid": ids, "bp_position": np.arange(1, n_variants + 1)}
    properties |= {"chromosome": ["1"] * n_variants, "allele_1": ["C"] * n_variants, "allele_2": ["A"] * n_variants}
    to_bed(folder / "data.bed", calls, properties=properties, count_A1=True)
    return packed


def _table(folder: Path, n_samples: int, n_covariates: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Values and covariates, which are also written as trait.txt and covariates.txt."""
    rng = np.random.default_rng(2)
    names = pd.DataFrame({"#FID": [f"s{row}" for row in range(n_samples)], "IID": [f"s{row}" for row in range(n_samples)]})
    covariates = rng.standard_normal((n_samples, n_covariates))
    values = rng.standard_normal(n_samples) + covariates.sum(axis=1)
    names.assign(trait=values).to_csv(folder / "trait.txt", sep="\t", index=False, float_format="%.17g")
    table = pd.DataFrame(covariates, columns=[f"c{place}" for place in range(n_covariates)])
    pd.concat([names, table], axis=1).to_csv(folder / "covariates.txt", sep="\t", index=False, float_format="%.17g")
    return values, covariates if n_covariates else None


def _timed(action: Callable[[], Association]) -> tuple[Seconds, Association]:
    begin, used = time.perf_counter(), time.process_time()
    result = action()
    return Seconds(time.perf_counter() - begin, time.process_time() - used), result


def _plink(folder: Path, n_covariates: int) -> Seconds:
    beside = ("hide-covar", "--covar", str(folder / "covariates.txt")) if n_covariates else ("allow-no-covars",)
    command = ["plink2", "--bfile", str(folder / "data"), "--threads", str(N_THREADS), "--out", str(folder / "out")]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--pheno", str(folder / "trait.txt"), "--glm", "omit-ref", *beside], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"plink2 --glm ended with status {status}.")
    return Seconds(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime)


def _apart(found: Association, folder: Path) -> float:
    """Largest relative difference of effect, standard error and p; PLINK prints six digits."""
    table = pd.read_csv(folder / "out.trait.glm.linear", sep="\t")
    pairs = ((found.effect, table["BETA"]), (found.standard_error, table["SE"]), (10**found.log10_p, table["P"]))
    return max(float(np.abs(mine / theirs.to_numpy() - 1).max()) for mine, theirs in pairs)


if __name__ == "__main__":
    main()
