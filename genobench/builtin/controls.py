"""Controls: generators whose scores are known beforehand, so that every scale has its ends.

`independent` keeps nothing but genotype frequencies, `copy` keeps everything, `leaky` mixes the two in a stated share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pandas as pd

from genobench import (
    FitContext,
    Generator,
    Genotypes,
    PackedCalls,
    Sampler,
    Trial,
    check_share,
    load_description,
    read_store,
    save_description,
    whole_sampler,
    with_settings,
    write_store,
)
from genobench.builtin.sample_tables import synthetic_samples
from genobench.statgen import Imputer, genotype_counts

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Calls = NDArray[np.int8]

_CHANCES: Final = "at_most.npy"
_DRAWS_PER_BLOCK: Final = 1 << 22


@dataclass(frozen=True, eq=False)
class IndependentSampler(Sampler):
    """Draws each call by itself.

    Args:
        at_most: Chance of at most 0 and of at most 1 ALT allele, shape (2, n_variants).
        variants: The variant table of training.
    """

    at_most: NDArray[np.float64]
    variants: pd.DataFrame

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Samples whose calls are independent draws; the condition's columns stand in the sample table and change nothing."""
        calls = self.draw_calls(n_samples, np.random.default_rng(seed))
        return Genotypes(calls=calls, samples=synthetic_samples(n_samples, condition), variants=self.variants)

    def draw_calls(self, n_samples: int, rng: np.random.Generator) -> PackedCalls:
        """Independent calls, shape (n_samples, n_variants)."""
        n_variants = self.at_most.shape[1]
        rows = max(1, _DRAWS_PER_BLOCK // max(1, n_variants))
        packed = [np.zeros((0, -(-n_variants // 4)), dtype=np.uint8)]
        for start in range(0, n_samples, rows):
            draws = rng.random((min(rows, n_samples - start), n_variants))
            block = (draws >= self.at_most[0]).astype(np.int8) + (draws >= self.at_most[1])
            packed.append(PackedCalls.from_calls(block).packed)
        return PackedCalls(packed=np.concatenate(packed), n_variants=n_variants)

    def save(self, folder: Path) -> None:
        """Two files: the chances and the variant table."""
        np.save(folder / _CHANCES, self.at_most)
        self.variants.to_parquet(folder / "variants.parquet", index=False)


@dataclass(frozen=True)
class Independent(Generator):
    """Each variant from its own genotype frequencies in training, unconditionally: no linkage, no structure, nobody copied."""

    is_control = True

    def fit(self, train: Genotypes, context: FitContext) -> IndependentSampler:  # noqa: ARG002 - the trait changes nothing
        """Count genotypes; a variant without a call in training becomes 0."""
        return _independent_sampler(train)

    @classmethod
    def load(cls, folder: Path) -> IndependentSampler:
        """The sampler in that folder.

        Raises:
            GenobenchError: If it holds no whole one.
        """
        with whole_sampler(folder):
            variants = pd.read_parquet(folder / "variants.parquet")
            return IndependentSampler(at_most=_read_chances(folder, len(variants)), variants=variants)


@dataclass(frozen=True, eq=False)
class LeakySampler(Sampler):
    """Hands out training samples among independent ones.

    Args:
        share: Share of copies, in [0, 1].
        copied: The training samples, completed, with their ids left out: calls, trait and covariates.
        independent: Where the others come from.
    """

    share: float
    copied: Genotypes
    independent: IndependentSampler

    def generate(self, n_samples: int, *, seed: int, condition: pd.DataFrame | None = None) -> Genotypes:
        """Samples of which `round(share * n_samples)` are training samples, at random places.

        None is handed out a second time before all were once. A copy carries its own trait and covariates, not the condition's.
        """
        rng = np.random.default_rng(seed)
        n_copies = round(self.share * n_samples)
        n_train = self.copied.n_samples
        cycles = [rng.permutation(n_train) for _ in range(-(-n_copies // n_train))]
        chosen = np.concatenate([np.zeros(0, dtype=np.intp), *cycles])[:n_copies]
        places = np.sort(rng.choice(n_samples, size=n_copies, replace=False))
        packed = np.array(self.independent.draw_calls(n_samples, rng).packed) if n_copies < n_samples else self._empty(n_samples)
        packed[places] = self.copied.calls.packed[chosen]
        return Genotypes(
            calls=PackedCalls(packed=packed, n_variants=self.copied.n_variants),
            samples=self._samples(n_samples, condition, places=places, chosen=chosen),
            variants=self.copied.variants,
        )

    def save(self, folder: Path) -> None:
        """The share, the copied samples, and the independent sampler's chances."""
        save_description(folder, {"share": self.share})
        np.save(folder / _CHANCES, self.independent.at_most)
        write_store(self.copied, folder / "copied")

    def _empty(self, n_samples: int) -> NDArray[np.uint8]:
        return np.zeros((n_samples, self.copied.calls.packed.shape[1]), dtype=np.uint8)

    def _samples(
        self, n_samples: int, condition: pd.DataFrame | None, *, places: NDArray[np.intp], chosen: NDArray[np.intp]
    ) -> pd.DataFrame:
        table = synthetic_samples(n_samples, condition)
        if condition is None and len(places) < n_samples:
            return table
        columns = self.copied.samples.columns[1:] if condition is None else [name for name in condition if name in self.copied.samples]
        for name in columns:
            own = self.copied.samples[name].to_numpy()[chosen]
            values = table[name].to_numpy(dtype=object) if name in table else np.empty(n_samples, dtype=object)
            values = values.copy()
            values[places] = own
            table[name] = pd.Series(values).infer_objects()
        return table


@dataclass(frozen=True)
class Leaky(Generator):
    """A stated share of training samples among independent ones: what a privacy score must see.

    Args:
        share: Share of copies, in [0, 1].
    """

    is_control = True

    share: float = 0.05

    def __post_init__(self) -> None:
        check_share(self, ("share",))

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """One, five or ten per cent."""
        return cls(share=trial.suggest_categorical("share", [0.01, 0.05, 0.10]))

    def fit(self, train: Genotypes, context: FitContext) -> LeakySampler:
        """Keep the training samples, missing calls completed."""
        return _leaky_sampler(train, context, share=self.share)

    @classmethod
    def load(cls, folder: Path) -> LeakySampler:
        """The sampler in that folder.

        Raises:
            GenobenchError: If it holds no whole one.
        """
        return _load_leaky(folder)


@dataclass(frozen=True)
class Copy(Generator):
    """The training samples themselves, each once before any comes again: perfect in training, and no privacy at all."""

    is_control = True

    def fit(self, train: Genotypes, context: FitContext) -> LeakySampler:
        """Keep the training samples, missing calls completed."""
        return _leaky_sampler(train, context, share=1.0)

    @classmethod
    def load(cls, folder: Path) -> LeakySampler:
        """The sampler in that folder.

        Raises:
            GenobenchError: If it holds no whole one.
        """
        return _load_leaky(folder)


def _independent_sampler(train: Genotypes) -> IndependentSampler:
    counts = genotype_counts(train.to_array())
    counts[0, counts.sum(axis=0) == 0] = 1
    at_most = np.cumsum(counts, axis=0)[:2] / counts.sum(axis=0)
    return IndependentSampler(at_most=at_most, variants=train.variants)


def _leaky_sampler(train: Genotypes, context: FitContext, *, share: float) -> LeakySampler:
    calls = train.to_array()
    kept = [name for name in (context.trait.column, *context.trait.covariates) if name in train.samples]
    samples = synthetic_samples(train.n_samples, train.samples[list(dict.fromkeys(kept))])
    copied = Genotypes(calls=PackedCalls.from_calls(Imputer.fit(calls).complete(calls)), samples=samples, variants=train.variants)
    return LeakySampler(share=share, copied=copied, independent=_independent_sampler(train))


def _load_leaky(folder: Path) -> LeakySampler:
    about = load_description(folder, ("share",))
    copied = read_store(folder / "copied")
    with whole_sampler(folder):
        settings = with_settings(Leaky, about)
        independent = IndependentSampler(at_most=_read_chances(folder, copied.n_variants), variants=copied.variants)
    return LeakySampler(share=settings.share, copied=copied, independent=independent)


def _read_chances(folder: Path, n_variants: int) -> NDArray[np.float64]:
    """The chances that a sampler saved; a ValueError if they are none, or of other variants."""
    at_most: NDArray[np.float64] = np.load(folder / _CHANCES, allow_pickle=False)
    if at_most.shape != (2, n_variants) or not ((at_most >= 0) & (at_most <= 1)).all():
        raise ValueError(
            f"{_CHANCES} has the shape {at_most.shape}; {n_variants} variants have chances of shape (2, {n_variants}), in [0, 1]."
        )
    return at_most
