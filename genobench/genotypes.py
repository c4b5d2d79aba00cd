"""Genotypes: the one value that crosses every border.

Axis 0 is samples, axis 1 is variants. The constructor is the only place that checks what must hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genobench.calls import CallMatrix, PackedCalls
from genobench.errors import GenotypesError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from genobench.calls import Calls, Indices, PackedBytes

VARIANT_COLUMNS = ("chromosome", "position_bp", "id", "ref", "alt")
"""The columns that every variant table begins with; `position_cm` and others may follow."""


@dataclass(frozen=True, eq=False)
class Genotypes:
    """Calls with the tables that say what their rows and columns are. Read-only.

    Args:
        calls: A `CallMatrix`, or an int8 array that is packed at once; shape (n_samples, n_variants), in 0, 1, 2 or MISSING.
        samples: One row a sample. Column `id` (str, unique, not empty) comes first; then whatever is known: `sex`, `family`, `sire`,
            `dam`, covariates, traits.
        variants: One row a variant, in file order: `chromosome` (str), `position_bp` (1-based Int64; <NA> where not known), `id`,
            `ref`, `alt` (str, "" where not known), then for example `position_cm`.
        phase: For phased data, one bit a call, packed by `numpy.packbits(..., axis=1, bitorder="little")`, shape (n_samples,
            ceil(n_variants / 8)): set where a heterozygous call carries ALT on the first haplotype. None where phase is not known.

    Raises:
        GenotypesError: If shapes disagree, a column is missing, a sample id is empty or stands twice.
    """

    calls: CallMatrix
    samples: pd.DataFrame
    variants: pd.DataFrame
    phase: PackedBytes | None = None

    def __post_init__(self) -> None:
        if isinstance(self.calls, np.ndarray):
            object.__setattr__(self, "calls", PackedCalls.from_calls(self.calls))
        object.__setattr__(self, "samples", _checked_samples(self.samples, self.calls.shape))
        object.__setattr__(self, "variants", _checked_variants(self.variants, self.calls.shape))
        if self.phase is not None and self.phase.shape != (self.n_samples, -(-self.n_variants // 8)):
            raise GenotypesError(
                f"the phase plane has shape {self.phase.shape}; calls of shape {self.calls.shape} need "
                f"{(self.n_samples, -(-self.n_variants // 8))}."
            )

    @property
    def n_samples(self) -> int:
        """Number of samples (axis 0)."""
        return self.calls.shape[0]

    @property
    def n_variants(self) -> int:
        """Number of variants (axis 1)."""
        return self.calls.shape[1]

    @property
    def sample_ids(self) -> NDArray[np.object_]:
        """Sample ids, shape (n_samples,)."""
        return self.samples["id"].to_numpy(dtype=object)

    def to_array(self) -> Calls:
        """All calls at once, int8, shape (n_samples, n_variants): one byte a call."""
        return self.calls.rows(slice(None))

    def take_samples(self, indices: Indices) -> Genotypes:
        """The samples at `indices` (positions, in that order; none may stand twice), still packed."""
        return Genotypes(
            calls=PackedCalls(packed=np.asarray(self.calls.packed[indices]), n_variants=self.n_variants),
            samples=self.samples.iloc[indices],
            variants=self.variants,
            phase=None if self.phase is None else np.asarray(self.phase[indices]),
        )

    def take_variants(self, indices: Indices) -> Genotypes:
        """The variants at `indices` (positions, in that order)."""
        phase = self.phase
        if phase is not None:
            bits = np.unpackbits(phase, axis=1, count=self.n_variants, bitorder="little")[:, indices]
            phase = np.packbits(bits, axis=1, bitorder="little")
        return Genotypes(
            calls=PackedCalls.from_calls(self.calls.columns(indices)),
            samples=self.samples,
            variants=self.variants.iloc[indices],
            phase=phase,
        )

    def with_samples(self, samples: pd.DataFrame) -> Genotypes:
        """The same calls under another sample table (same number of rows, in the same order)."""
        return Genotypes(calls=self.calls, samples=samples, variants=self.variants, phase=self.phase)


def synthetic_ids(n_samples: int) -> list[str]:
    """The ids of synthetic samples, as every sampler gives them: they count from synthetic-000001."""
    return [f"synthetic-{number:06d}" for number in range(1, n_samples + 1)]


def _checked_samples(samples: pd.DataFrame, shape: tuple[int, int]) -> pd.DataFrame:
    if len(samples) != shape[0]:
        raise GenotypesError(f"calls have shape {shape} but the sample table lists {len(samples)} samples.")
    if "id" not in samples.columns:
        raise GenotypesError(f"the sample table has no column 'id'; its columns are {list(samples.columns)}.")
    ids = samples["id"].astype(str)
    if (samples["id"].isna() | (ids == "")).any():
        row = int(np.flatnonzero((samples["id"].isna() | (ids == "")).to_numpy())[0])
        raise GenotypesError(f"the sample in row {row} has an empty id; every sample needs one of its own.")
    if ids.duplicated().any():
        twice = ids[ids.duplicated()].iloc[0]
        raise GenotypesError(f"the sample id '{twice}' stands more than once; every sample needs an id of its own.")
    return samples.assign(id=ids.to_numpy(dtype=object)).reset_index(drop=True)


def _checked_variants(variants: pd.DataFrame, shape: tuple[int, int]) -> pd.DataFrame:
    if len(variants) != shape[1]:
        raise GenotypesError(f"calls have shape {shape} but the variant table lists {len(variants)} variants.")
    absent = [column for column in VARIANT_COLUMNS if column not in variants.columns]
    if absent:
        raise GenotypesError(f"the variant table has no column {absent}; it must have {list(VARIANT_COLUMNS)}.")
    table = variants.reset_index(drop=True)
    if table["chromosome"].isna().any():
        raise GenotypesError(
            f"the variant in row {int(np.flatnonzero(table['chromosome'].isna())[0])} has no chromosome; give '0' where it is not known."
        )
    texts = {column: table[column].fillna("").astype(str).to_numpy(dtype=object) for column in ("id", "ref", "alt")}
    return table.assign(
        chromosome=table["chromosome"].astype(str).to_numpy(dtype=object),
        position_bp=table["position_bp"].astype("Int64"),
        **texts,
    )
