"""Stretches of chromosomes copied from the training samples: the simplest generator with linkage disequilibrium and a setting to tune."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from genobench import (
    FitContext,
    Generator,
    Genotypes,
    PackedCalls,
    Sampler,
    Trial,
    check_lowest,
    load_description,
    read_store,
    save_description,
    synthetic_ids,
    whole_sampler,
    with_settings,
    write_store,
)
from genobench.statgen import Imputer

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Segments(Generator):
    """Stretches of consecutive variants, each copied from a training sample drawn at random.

    Long ones keep linkage disequilibrium and give the training samples away; short ones lose it and give away less.

    Args:
        segment_variants: Variants in a stretch; one also ends where its chromosome does.
    """

    segment_variants: int = 100

    def __post_init__(self) -> None:
        check_lowest(self, {"segment_variants": 1})

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """From nearly independent variants to half a chromosome."""
        return cls(segment_variants=trial.suggest_int("segment_variants", 2, 1000, log=True))

    def fit(self, train: Genotypes, context: FitContext) -> SegmentsSampler:  # noqa: ARG002 - nothing is random, nor depends on the trait
        """Keep the calls, with the most frequent genotype where one is missing."""
        calls = train.to_array()
        complete = PackedCalls.from_calls(Imputer.fit(calls).complete(calls))
        ids = pd.DataFrame({"id": [f"donor-{number}" for number in range(1, train.n_samples + 1)]})
        donors = Genotypes(calls=complete, samples=ids, variants=train.variants)
        return SegmentsSampler(donors=donors, segment_variants=self.segment_variants)

    @classmethod
    def load(cls, folder: Path) -> SegmentsSampler:
        """The sampler that `SegmentsSampler.save` wrote; a GenobenchError where there is none, or another generator's."""
        description = load_description(folder, ("segment_variants",))
        with whole_sampler(folder):
            settings = with_settings(cls, description)
        return SegmentsSampler(donors=read_store(folder / "donors"), segment_variants=settings.segment_variants)


@dataclass(frozen=True, eq=False)
class SegmentsSampler(Sampler):
    """Deals stretches.

    Args:
        donors: The training samples, no call missing, without their ids and traits.
        segment_variants: As for `Segments`.
    """

    donors: Genotypes
    segment_variants: int

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Patchworks, the same for the same seed; the condition stands beside them and changes nothing."""
        rng = np.random.default_rng(seed)
        n_train, n_variants = self.donors.calls.shape
        place = self.donors.variants.groupby("chromosome", sort=False).cumcount().to_numpy()
        starts = np.flatnonzero((place % self.segment_variants == 0) | (np.diff(place, prepend=place[:1]) != 1))
        calls = np.empty((n_samples, n_variants), dtype=np.int8)
        for start, stop in zip(starts, [*starts[1:], n_variants], strict=True):
            rows = rng.integers(n_train, size=n_samples)
            calls[:, start:stop] = self.donors.calls.columns(slice(start, stop))[rows]
        samples = pd.DataFrame({"id": synthetic_ids(n_samples)})
        if condition is not None:
            samples = samples.join(condition.reset_index(drop=True))
        return Genotypes(calls=PackedCalls.from_calls(calls), samples=samples, variants=self.donors.variants)

    def save(self, folder: Path) -> None:
        """Plain data; nothing to unpickle."""
        save_description(folder, {"segment_variants": self.segment_variants})
        write_store(self.donors, folder / "donors")
