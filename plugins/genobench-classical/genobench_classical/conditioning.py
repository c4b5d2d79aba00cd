"""What the samplers of a condition share: tables of conditions, strata of classes with their genotype shares, rows packed in chunks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from genobench import ConditionEncoder, GenobenchError, Genotypes, PackedCalls
from genobench.statgen import genotype_counts

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from genobench import Trait

    Floats = NDArray[np.float64]
    Places = NDArray[np.intp]

SCHEMA: Final = 1
_MOST_STRATA: Final = 64
_SMALLEST_FST: Final = 1e-4
_LARGEST_FST: Final = 0.5


@dataclass(frozen=True, eq=False)
class Frame:
    """Everything of a sampler but its model: how conditions are read and drawn, and the variants.

    Args:
        encoder: Conditions as numbers.
        variants: The variant table of training.
    """

    encoder: ConditionEncoder
    variants: pd.DataFrame

    @classmethod
    def of_training(cls, train: Genotypes, trait: Trait) -> Frame:
        """The frame of training samples.

        Raises:
            GenobenchError: If there are fewer than two samples, or no variant.
        """
        if train.n_samples < 2 or train.n_variants < 1:
            raise GenobenchError(
                f"There are {train.n_samples} samples and {train.n_variants} variants; a fit needs 2 samples and 1 variant."
            )
        return cls(encoder=ConditionEncoder.of_samples(train.samples, trait), variants=train.variants)

    def table(self, n_samples: int, condition: pd.DataFrame | None, *, seed: int) -> pd.DataFrame:
        """The condition of each sample; drawn from what was seen in training where none is given.

        Raises:
            GenobenchError: If the condition's length is not `n_samples`.
        """
        if condition is None:
            return self.encoder.draw(n_samples, np.random.default_rng([seed, 1]))
        if len(condition) != n_samples:
            raise GenobenchError(f"The condition has {len(condition)} rows; {n_samples} samples need as many.")
        return condition.drop(columns="id", errors="ignore").reset_index(drop=True)

    def genotypes(self, packed: NDArray[np.uint8], table: pd.DataFrame) -> Genotypes:
        """Packed rows under their conditions."""
        ids = pd.DataFrame({"id": [f"synthetic-{number + 1:06d}" for number in range(len(packed))]})
        calls = PackedCalls(packed=packed, n_variants=len(self.variants))
        return Genotypes(calls=calls, samples=pd.concat([ids, table], axis=1), variants=self.variants)

    def packed_rows(self, n_samples: int) -> NDArray[np.uint8]:
        """Room for so many samples."""
        return np.zeros((n_samples, -(-len(self.variants) // 4)), dtype=np.uint8)

    def save(self, folder: Path, **description: Any) -> None:
        """Write `sampler.json`, with what else is to be known, and `variants.parquet`."""
        folder.mkdir(parents=True, exist_ok=True)
        values = {"schema": SCHEMA, "condition": self.encoder.to_json(), **description}
        (folder / "sampler.json").write_text(json.dumps(values), encoding="utf-8")
        self.variants.to_parquet(folder / "variants.parquet", index=False)

    @classmethod
    def load(cls, folder: Path) -> tuple[Frame, dict[str, Any]]:
        """The reverse of `save`: the frame and its description.

        Raises:
            GenobenchError: If the folder holds no sampler of this version.
        """
        try:
            description = json.loads((folder / "sampler.json").read_text(encoding="utf-8"))
            variants = pd.read_parquet(folder / "variants.parquet")
        except (OSError, ValueError) as error:
            raise GenobenchError(f"The folder {folder} holds no whole sampler: {error}") from error
        if description.get("schema") != SCHEMA:
            raise GenobenchError(
                f"The sampler in {folder} has schema {description.get('schema')}; this version reads {SCHEMA}. Fit it again."
            )
        return cls(encoder=ConditionEncoder.from_json(description["condition"]), variants=variants), description


@dataclass(frozen=True, eq=False)
class ClassStrata:
    """Samples that share all classes, for the most frequent combinations; the last stratum is for all other samples.

    Args:
        codes: Place of each column's class (-1: missing) in each stratum but the last, shape (n_strata - 1, n_class_columns).
        starts: First number of each class column in an encoded condition.
        widths: Classes of each class column.
        quantitative: Numbers of an encoded condition that are quantitative columns.
    """

    codes: NDArray[np.int64]
    starts: tuple[int, ...]
    widths: tuple[int, ...]
    quantitative: tuple[int, ...]

    @property
    def n_strata(self) -> int:
        """Strata, with the last one."""
        return len(self.codes) + 1

    @classmethod
    def of_encoder(cls, encoder: ConditionEncoder) -> ClassStrata:
        """The strata that an encoder saw; none but the last where no column has classes."""
        place, starts, widths, quantitative = 0, [], [], []
        for column in encoder.columns:
            width = len(column.classes) or 1
            if column.classes:
                starts.append(place)
                widths.append(width)
            else:
                quantitative.append(place)
            place += width
        columns = [column for column in encoder.columns if column.classes]
        largest = sorted(encoder.strata, key=lambda stratum: -stratum.count)[:_MOST_STRATA] if columns else []
        codes = [
            [column.classes.index(name) if name else -1 for column, name in zip(columns, stratum.classes, strict=True)]
            for stratum in largest
        ]
        table = np.array(codes, dtype=np.int64).reshape(len(largest), len(columns))
        return cls(codes=table, starts=tuple(starts), widths=tuple(widths), quantitative=tuple(quantitative))

    def places(self, encoded: NDArray[np.float32]) -> Places:
        """The stratum of each encoded condition, shape (n_rows,)."""
        codes = np.full((len(encoded), len(self.starts)), -1, dtype=np.int64)
        for k, (start, width) in enumerate(zip(self.starts, self.widths, strict=True)):
            part = encoded[:, start : start + width]
            # A missing class is encoded as zeros; so is the only class of a column.
            codes[:, k] = np.where((part.max(axis=1) > 0) | (width == 1), part.argmax(axis=1), -1)
        places = np.full(len(encoded), self.n_strata - 1, dtype=np.intp)
        for stratum, wanted in enumerate(self.codes):
            places[(codes == wanted).all(axis=1)] = stratum
        return places


def cumulative_shares(train: Genotypes, places: Places, n_strata: int) -> Floats:
    """Chance of at most 0 and of at most 1 ALT allele in each stratum, drawn towards that of all samples.

    The prior of a stratum is worth as many samples as the strata's differences say: Hudson-like F of the strata, by moments and
    chromosome by chromosome (classes such as sex matter on some only), makes it (1 - F) / 2F samples, as Balding and Nichols' model does.

    Args:
        train: Training samples.
        places: The stratum of each, shape (n_samples,).
        n_strata: Strata; the last one has the shares of all samples.

    Returns:
        Shape (n_strata, 2, n_variants); a variant without a call is always 0.

    References:
        Balding D.J., Nichols R.A. 1995. Genetica 96: 3-12. https://doi.org/10.1007/BF01441146
    """
    pooled = genotype_counts(train.calls).astype(np.float64)
    pooled[0, pooled.sum(axis=0) == 0] = 1
    at_most = np.cumsum(pooled, axis=0)[:2] / pooled.sum(axis=0)
    shares = np.broadcast_to(at_most, (n_strata, *at_most.shape)).copy()
    if n_strata == 1:
        return shares
    counts = np.stack([genotype_counts(train.take_samples(np.flatnonzero(places == s)).calls) for s in range(n_strata - 1)])
    n_calls = counts.sum(axis=1)
    prior = _prior_samples(counts, pooled, train.variants["chromosome"].to_numpy())
    shares[:-1] = (np.cumsum(counts, axis=1)[:, :2] + prior * at_most) / (n_calls[:, None] + prior)
    return shares


def _prior_samples(counts: NDArray[np.int64], pooled: Floats, chromosomes: NDArray[Any]) -> Floats:
    """Samples that the prior is worth at each variant, shape (n_variants,)."""
    n_calls = np.maximum(counts.sum(axis=1), 1).astype(np.float64)
    frequency = (counts[:, 1] + 2 * counts[:, 2]) / (2 * n_calls)
    mean = (pooled[1] + 2 * pooled[2]) / (2 * pooled.sum(axis=0))
    weight = n_calls / n_calls.sum(axis=0)
    spread = mean * (1 - mean)
    between = (weight * ((frequency - mean) ** 2 - (1 - weight) * spread / (2 * n_calls))).sum(axis=0)
    prior = np.empty(len(mean))
    for name in dict.fromkeys(chromosomes):
        here = chromosomes == name
        fst = between[here].sum() / max(spread[here].sum(), 1e-9)
        fst = float(np.clip(fst, _SMALLEST_FST, _LARGEST_FST))
        prior[here] = (1 - fst) / (2 * fst)
    return prior
