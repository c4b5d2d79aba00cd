"""Plugins that do what a plugin must not: the worker must survive each of them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from genobench import (
    Comparison,
    Generator,
    GenobenchError,
    Genotypes,
    Metric,
    Offer,
    Sampler,
    Score,
    ScoreSpec,
    hookimpl,
    read_store,
    write_store,
)


@hookimpl
def genobench_generators() -> list[Offer]:
    return [Offer("naughty", f"{__name__}:Naughty", "does what its setting says")]


def _leave_a_child(pid_file: Path) -> None:
    """A child in a session of its own, which holds every pipe open and never ends."""
    child = os.fork()
    if child == 0:
        os.setsid()
        time.sleep(600)
    pid_file.write_text(str(child))


def _meddle(deed: str, touch: str, cell: Path) -> None:
    """What a plugin may do to its surroundings rather than to its answer."""
    match deed:
        case "exit":
            sys.exit(0)
        case "read-stdin":
            sys.stdin.read()
        case "forge-end":
            for descriptor in range(16):
                with contextlib.suppress(OSError):
                    os.write(descriptor, b'{"event": "end", "status": "splendid"}\n{"event": "phase"}\n[]\n')
        case "orphan":
            _leave_a_child(Path(touch))
        case "orphan-die":
            _leave_a_child(Path(touch))
            os._exit(3)
        case "delete-cell":
            shutil.rmtree(cell)
        case "write-train":
            stored = Path(json.loads((cell / "job.json").read_text())["train"]) / "calls.npy"
            stored.write_bytes(stored.read_bytes()[:-20] + bytes(20))


def _meddle_with_processes(deed: str, cell: Path) -> None:
    """What a plugin may do with its process."""
    match deed:
        case "spin":
            if os.fork() == 0:
                while True:
                    pass
            time.sleep(600)
        case "interrupt":
            raise KeyboardInterrupt
        case "interrupt-from-outside":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(600)
        case "be-killed-once":
            checkpoint = cell / "checkpoints" / "step"
            if not checkpoint.exists():
                checkpoint.write_text("2")
                os.kill(os.getpid(), 9)


def _run_out_of_room(deed: str) -> None:
    """On the disk, or in memory: the system's error as it is, or under words of the plugin's own."""
    if deed == "full-disk":
        raise OSError(errno.EFBIG, "File too large")
    if deed == "memory":
        raise MemoryError("Unable to allocate 1 TiB")
    if deed == "memory-in-its-own-words":
        try:
            raise MemoryError
        except MemoryError as error:
            raise GenobenchError("The batch of 64 does not fit.\nWrite --set batch_size=32.") from error


@dataclass(frozen=True)
class Naughty(Generator):
    """Does what `deed` says.

    Args:
        deed: What to do.
        touch: A file that a fit appends a byte to, to count fits; "" for none.
    """

    deed: str = "behave"
    touch: str = ""

    def fit(self, train: Genotypes, context: Any) -> Sampler:
        if self.touch:
            with Path(self.touch).open("a") as counted:
                counted.write("x")
        print("the plugin prints to stdout")
        checkpoint = context.folder / "step"
        for step in range(int(checkpoint.read_text()) if checkpoint.exists() else 0, 3):
            context.report(step + 1, {"loss": 1.0 / (step + 1), "total_steps": 3})
        _meddle(self.deed, self.touch, context.folder.parent)
        _meddle_with_processes(self.deed, context.folder.parent)
        _run_out_of_room(self.deed)
        match self.deed:
            case "raise":
                raise RuntimeError("the fit went wrong\nin two lines")
            case "raise-unprintable":
                raise RuntimeError("\ud800 \x1b[31m" + "y" * 5_000_000)
            case "hang":
                time.sleep(600)
            case "die":
                sys.stderr.write("\x1b[31m" + "y" * 60_000)
                sys.stderr.flush()
                os._exit(3)
            case "kill":
                os.kill(os.getpid(), 9)
            case "no-sampler":
                return object()  # type: ignore[return-value]
        return NaughtySampler(self.deed, train)

    @classmethod
    def load(cls, folder: Path) -> Sampler:
        return NaughtySampler(json.loads((folder / "sampler.json").read_text())["deed"], read_store(folder / "known"), is_loaded=True)


class NaughtySampler(Sampler):
    def __init__(self, deed: str, train: Genotypes, *, is_loaded: bool = False) -> None:
        self.deed = deed
        self.train = train
        self.is_loaded = is_loaded

    def generate(self, n_samples: int, *, seed: int, condition: Any = None) -> Genotypes:
        import pandas as pd

        generator = np.random.default_rng(seed)
        calls: np.ndarray = generator.integers(0, 3, (n_samples, self.train.n_variants)).astype(np.int8)
        variants = self.train.variants
        if self.deed == "wrong-rows":
            calls = calls[:-1]
        if self.deed == "nan":
            calls = calls.astype(float) * np.nan
        if self.deed == "missing" or (self.deed == "missing-later" and self.is_loaded):
            calls[0, 1] = -1
        if self.deed == "wrong-variants":
            variants = variants.assign(id=[f"other{i}" for i in range(len(variants))])
        if self.deed == "no-genotypes":
            return calls  # type: ignore[return-value]
        samples = pd.DataFrame({"id": [f"s{i}" for i in range(len(calls))]})
        if condition is not None:
            samples = pd.concat([samples, condition.iloc[: len(calls)].reset_index(drop=True)], axis=1)
        if self.deed == "other-condition":
            samples["height"] += 1.0
        return Genotypes(calls=calls, samples=samples, variants=variants)  # type: ignore[arg-type]

    def save(self, folder: Path) -> None:
        if self.deed == "save-nothing":
            return
        (folder / "sampler.json").write_text(json.dumps({"deed": self.deed}))
        write_store(self.train, folder / "known")


@hookimpl
def genobench_metrics() -> list[Offer]:
    return [Offer("crash", f"{__name__}:Crash", "takes its worker down"), Offer("calm", f"{__name__}:Calm", "counts samples")]


@dataclass(frozen=True)
class Crash(Metric):
    """Takes its worker down."""

    family = "fidelity"
    scores: ClassVar = (ScoreSpec(name="crash", summary="", unit="", direction="lower", ideal=None, version=1),)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        os._exit(9)


@dataclass(frozen=True)
class Calm(Metric):
    """Counts samples."""

    family = "fidelity"
    scores: ClassVar = (ScoreSpec(name="calm", summary="", unit="", direction="lower", ideal=None, version=1),)

    def score(self, comparison: Comparison, *, seed: int) -> tuple[Score, ...]:
        return (Score("calm", float(comparison.synthetic.n_samples), standard_error=0.0),)
