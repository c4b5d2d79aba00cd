"""Everything of a sampler but its model: how conditions are read and drawn, and the variant table; saved beside the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from genobench.calls import CALLS_PER_BYTE, PackedCalls
from genobench.encoding import ConditionEncoder
from genobench.errors import GenobenchError
from genobench.genotypes import Genotypes, synthetic_ids
from genobench.storage import load_description, save_description, whole_sampler

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from genobench.contracts import Trait

_SCHEMA: Final = 3
_VARIANTS: Final = "variants.parquet"
_CONDITION_STREAM: Final = 1
"""Conditions are drawn from a stream of their own, so that a sampler may use the bare seed for its calls."""


@dataclass(frozen=True, eq=False)
class SamplerTables:
    """Everything of a sampler but its model: how conditions are read and drawn, and the variants.

    Args:
        encoder: Conditions as numbers.
        variants: The variant table of training.
    """

    encoder: ConditionEncoder
    variants: pd.DataFrame

    @classmethod
    def of_training(cls, train: Genotypes, trait: Trait) -> SamplerTables:
        """The tables of training samples.

        Raises:
            GenobenchError: If there are fewer than two samples, or no variant, or a column of the trait has no value.
        """
        if train.n_samples < 2 or train.n_variants < 1:
            raise GenobenchError(
                f"There are {train.n_samples} training samples and {train.n_variants} variants; "
                "a fit needs at least 2 samples and 1 variant."
            )
        return cls(encoder=ConditionEncoder.of_samples(train.samples, trait), variants=train.variants)

    def conditions(self, n_samples: int, condition: pd.DataFrame | None, *, seed: int) -> pd.DataFrame:
        """The condition of each sample: as given, without ids, or drawn from what was seen in training.

        Args:
            n_samples: How many samples are generated.
            condition: What was given to `Sampler.generate`, a row a sample; None to draw one.
            seed: Of the call to `generate`; a drawn condition uses a stream of its own.

        Raises:
            GenobenchError: If the condition's length is not `n_samples`, or a quantitative column of it holds something else than finite
                numbers.
        """
        if condition is None:
            return self.encoder.draw(n_samples, np.random.default_rng([seed, _CONDITION_STREAM]))
        if len(condition) != n_samples:
            raise GenobenchError(f"The condition has {len(condition)} rows; {n_samples} samples need as many.")
        for column in self.encoder.columns:
            if not column.classes and column.name in condition:
                _check_numbers(condition[column.name])
        return condition.drop(columns="id", errors="ignore").reset_index(drop=True)

    def genotypes(self, packed: NDArray[np.uint8], conditions: pd.DataFrame) -> Genotypes:
        """Packed rows under their conditions.

        Args:
            packed: Two bits a call, shape (n_samples, ceil(n_variants / 4)), as `packed_rows` makes room for.
            conditions: As `conditions` gives them, a row a sample.

        Returns:
            Genotypes over the training variants; ids count from synthetic-000001.
        """
        ids = pd.DataFrame({"id": synthetic_ids(len(packed))})
        calls = PackedCalls(packed=packed, n_variants=len(self.variants))
        return Genotypes(calls=calls, samples=pd.concat([ids, conditions], axis=1), variants=self.variants)

    def packed_rows(self, n_samples: int) -> NDArray[np.uint8]:
        """Room for the packed calls of so many samples, all 0, shape (n_samples, ceil(n_variants / 4))."""
        return np.zeros((n_samples, -(-len(self.variants) // CALLS_PER_BYTE)), dtype=np.uint8)

    def save(self, folder: Path, description: Mapping[str, Any]) -> None:
        """Write `sampler.json`, with what else is to be known of the sampler, and `variants.parquet`.

        Args:
            folder: Where; made if it is not there.
            description: Plain values by name, which `load` gives back.
        """
        folder.mkdir(parents=True, exist_ok=True)
        save_description(folder, {"schema": _SCHEMA, "condition": self.encoder.to_json(), "sampler": dict(description)})
        self.variants.to_parquet(folder / _VARIANTS, index=False)

    @classmethod
    def load(cls, folder: Path, needs: Iterable[str] = ()) -> tuple[SamplerTables, dict[str, Any]]:
        """The reverse of `save`: the tables, and what the description says under the names in `needs`.

        Raises:
            GenobenchError: If the folder holds no sampler, one of another schema, or one whose description lacks a name.
        """
        schema = load_description(folder, ("schema",))["schema"]
        if schema != _SCHEMA:
            raise GenobenchError(f"The sampler in {folder} has schema {schema}; this version reads {_SCHEMA}. Fit it again.")
        values = load_description(folder, ("condition", "sampler"))
        with whole_sampler(folder):
            tables = cls(encoder=ConditionEncoder.from_json(values["condition"]), variants=pd.read_parquet(folder / _VARIANTS))
            return tables, {name: values["sampler"][name] for name in needs}


def _check_numbers(asked: pd.Series[Any]) -> None:
    """Raise a GenobenchError where a condition asks for what is no finite number."""
    values = pd.to_numeric(asked, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    places = np.flatnonzero(~np.isfinite(values))
    if len(places):
        raise GenobenchError(
            f"The condition asks for {asked.name} = '{asked.iloc[places[0]]}' in row {places[0]}; {asked.name} is quantitative, so that "
            "every row must hold a finite number."
        )
