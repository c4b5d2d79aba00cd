"""Classifiers that tell what they were given, and some that misbehave; installed as a distribution of their own by the tests."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from genobench import (
    Classifier,
    Generator,
    Genotypes,
    Offer,
    PackedCalls,
    Predictor,
    Sampler,
    hookimpl,
    read_store,
    synthetic_ids,
    write_store,
)

FACTS = ("n_samples", "n_validation", "n_components", "seed", "n_families", "n_unique_ids", "sum_of_trait", "sum_of_calls")
"""What the first predictions of `witness` say, where the trait is quantitative."""


@hookimpl
def genobench_classifiers() -> list[Offer]:
    return [
        Offer("witness", "witness_plugin:Witness", "what it was given"),
        Offer("broken", "witness_plugin:Broken", "misbehaves as it is told"),
        Offer("calm", "witness_plugin:Calm", "zero"),
        Offer("meddler", "witness_plugin:Meddler", "changes stored samples"),
        Offer("cheat", "witness_plugin:Cheat", "reads the holdout's trait where it is stored"),
    ]


@hookimpl
def genobench_generators() -> list[Offer]:
    return [
        Offer("echo", "witness_plugin:Echo", "the training samples in turn, with their own traits whatever is asked"),
        Offer("stingy", "witness_plugin:Stingy", "as echo, but no more than there are training samples"),
        Offer("unfit", "witness_plugin:Unfit", "cannot be fitted"),
        Offer("killed", "witness_plugin:Killed", "is killed while it is fitted"),
    ]


@dataclass(frozen=True)
class EchoSampler(Sampler):
    known: Any

    def generate(self, n_samples, *, seed, condition=None):
        rows = np.arange(n_samples) % self.known.n_samples
        packed, table = np.asarray(self.known.calls.packed)[rows], self.known.samples.iloc[rows]
        table = table[["sex", *(name for name in condition if name != "sex")]].assign(id=synthetic_ids(n_samples))
        return Genotypes(calls=PackedCalls(packed=packed, n_variants=self.known.n_variants), samples=table, variants=self.known.variants)

    def save(self, folder):
        write_store(self.known, folder / "known")


@dataclass(frozen=True)
class Echo(Generator):
    """The training samples in turn, with their own traits; imports nothing heavy."""

    def fit(self, train, context):
        return EchoSampler(train)

    @classmethod
    def load(cls, folder) -> Any:
        return EchoSampler(read_store(folder / "known"))


@dataclass(frozen=True)
class StingySampler(EchoSampler):
    def generate(self, n_samples, *, seed, condition=None):
        return super().generate(min(n_samples, self.known.n_samples), seed=seed, condition=condition)


@dataclass(frozen=True)
class Stingy(Generator):
    """As `Echo`, but no more samples than there are training samples; a control."""

    is_control = True

    def fit(self, train, context):
        return StingySampler(train)

    @classmethod
    def load(cls, folder) -> Any:
        return StingySampler(read_store(folder / "known"))


@dataclass(frozen=True)
class Unfit(Generator):
    """Cannot be fitted."""

    def fit(self, train, context):
        raise RuntimeError("it cannot be fitted")

    @classmethod
    def load(cls, folder) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Killed(Unfit):
    """As if the system had ended it for want of memory."""

    def fit(self, train, context):
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Told(Predictor):
    values: Any
    labels: tuple[str, ...] = ()

    @property
    def classes(self):
        return self.labels

    def predict(self, genotypes):
        known = set(genotypes.samples.columns)
        if known != {"id", "sex"}:
            raise AssertionError(f"the holdout shows {sorted(known)}")
        if self.labels:
            return np.tile(self.values, (genotypes.n_samples, 1))
        return np.resize(np.array(self.values), genotypes.n_samples)


@dataclass(frozen=True)
class Witness(Classifier):
    """Facts on its training samples: for values `FACTS`, again and again; for classes their shares, the last class first."""

    def fit(self, train, context):
        table, trait = train.samples, context.trait
        if trait.kind != "quantitative":
            shares = [float((table[trait.column] == name).mean()) for name in reversed(trait.classes)]
            return Told(tuple(shares), tuple(reversed(trait.classes)))
        families = table[trait.family].nunique() if trait.family in table else -1
        facts = [train.n_samples, context.validation.n_samples, context.n_components, context.seed, families, table["id"].nunique()]
        return Told((*facts, float(table[trait.column].sum()), float(train.to_array().sum())))


@dataclass(frozen=True)
class Broken(Classifier):
    """Misbehaves."""

    how: Literal["raise", "exit", "full", "nan", "complex", "text", "huge", "classes"] = "raise"

    def fit(self, train, context):
        if self.how == "raise":
            raise RuntimeError("it never worked")
        if self.how == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.how == "exit":
            os._exit(9)
        if self.how == "classes":
            return Told((0.0,), ("low", "high"))
        return Told({"nan": (np.nan,), "complex": (1j,), "text": ("a",), "huge": (1e200,)}[self.how])


@dataclass(frozen=True)
class Calm(Classifier):
    """Zero."""

    def fit(self, train, context):
        return Told((0.0,))


@dataclass(frozen=True)
class Meddler(Classifier):
    """Zero; its samples' order is turned in the stores that it finds."""

    what: Literal["train", "holdout", "synthetic"] = "train"

    def fit(self, train, context):
        job = json.loads(Path(sys.argv[1]).read_text())
        stores = (
            [source["store"] for task in job["tasks"] for source in task["synthetic"]] if self.what == "synthetic" else [job[self.what]]
        )
        known = read_store(Path(stores[0]))
        write_store(known.take_samples(np.arange(known.n_samples)[::-1]), Path(stores[0]))
        return Told((0.0,))


@dataclass(frozen=True)
class Cheat(Classifier):
    """The truth, from beside the training samples."""

    def fit(self, train, context):
        beside = Path(json.loads(Path(sys.argv[1]).read_text())["train"]).parent / "holdout"
        return Told(tuple(read_store(beside).samples[context.trait.column]))
