"""How long the commands take that only look things up: python tests/benchmarks/start_up.py. Not a test: no machine is another's.

Wall-clock seconds are what a user waits for; processor seconds are what a busy machine still measures well.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time

COMMANDS = (("--help",), ("plugins", "list"), ("run", "--help"), ("leaderboard", "--help"))
LIMIT_SECONDS = 0.3
N_RUNS = 11


def main() -> None:
    """Print the medians of the wall-clock and processor seconds of each command, and of Python itself."""
    command = shutil.which("genobench")
    if command is None:
        raise SystemExit("genobench is not on PATH: activate the environment that it is installed in.")
    baseline = [sys.executable, "-c", "pass"]
    for name, arguments in (
        ("python -c pass", baseline),
        *((f"genobench {' '.join(words)}", [command, *words]) for words in COMMANDS),
        ("import genobench", [sys.executable, "-c", "import genobench"]),
    ):
        runs = [_seconds(arguments) for _ in range(N_RUNS + 1)][1:]
        wall, processor = (statistics.median(column) for column in zip(*runs, strict=True))
        verdict = "" if wall <= LIMIT_SECONDS else f"  above {LIMIT_SECONDS} s"
        print(f"{name:<28} wall {wall:.3f} s  processor {processor:.3f} s{verdict}")


def _seconds(arguments: list[str]) -> tuple[float, float]:
    """Wall-clock and processor seconds of one run."""
    used, start = os.times(), time.perf_counter()
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)
    wall, now = time.perf_counter() - start, os.times()
    return wall, now.children_user + now.children_system - used.children_user - used.children_system


if __name__ == "__main__":
    main()
