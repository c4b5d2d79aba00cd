"""How long the commands take that only look things up: python tests/benchmarks/start_up.py. Not a test: no machine is another's."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time

COMMANDS = (("--help",), ("plugins", "list"), ("run", "--help"), ("leaderboard", "--help"))
LIMIT_SECONDS = 0.3
N_RUNS = 11


def main() -> None:
    """Print the median and the range of the wall-clock seconds of each command, and of Python itself."""
    command = shutil.which("genobench")
    if command is None:
        raise SystemExit("genobench is not on PATH: activate the environment that it is installed in.")
    baseline = [sys.executable, "-c", "pass"]
    for name, arguments in (
        ("python -c pass", baseline),
        *((f"genobench {' '.join(words)}", [command, *words]) for words in COMMANDS),
        ("import genobench", [sys.executable, "-c", "import genobench"]),
    ):
        seconds = [_seconds(arguments) for _ in range(N_RUNS + 1)][1:]
        median = statistics.median(seconds)
        verdict = "" if median <= LIMIT_SECONDS else f"  above {LIMIT_SECONDS} s"
        print(f"{name:<26} median {median:.3f} s, {min(seconds):.3f} to {max(seconds):.3f}{verdict}")


def _seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(arguments, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
