"""A split: four parts of the samples, as a value and as JSON."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from genobench.errors import SplitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genobench.calls import Indices
    from genobench.genotypes import Genotypes

SCHEMES: Final = ("auto", "random", "family", "kinship", "forward", "column")
PARTS: Final = ("train", "validation", "holdout", "nonmembers")
SCHEMA: Final = 1
"""Version of the JSON form; a split of another version is refused."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of the four parts; they sum to 1."""

    train: float = 0.55
    validation: float = 0.10
    holdout: float = 0.20
    nonmembers: float = 0.15

    def __post_init__(self) -> None:
        shares = asdict(self)
        if any(not 0 < share < 1 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
            raise SplitError(f"The shares {shares} sum to {sum(shares.values()):g}; they must be positive and sum to 1.")


@dataclass(frozen=True, eq=False, kw_only=True)
class Split:
    """Four parts of the samples of a dataset.

    Args:
        scheme: How it was made: `random`, `family`, `kinship`, `forward` or `column`.
        column: The column that groups samples (`family`, `column`) or orders them (`forward`); None otherwise.
        trait: The trait's column; samples without it are left out.
        seed: Of every draw.
        shares: What was asked for.
        train: Positions of the training samples, ascending.
        validation: Likewise.
        holdout: Likewise.
        nonmembers: Likewise.
        left_out: Samples in no part, because their trait or what the scheme needs is not known.
        groups: A number per sample that relatives share, for intervals, shape (n_samples,).
        largest_kinship: Largest KING-robust kinship of a holdout sample with one of another part, on the autosomes; None where it
            cannot be computed.
        largest_kinship_pair: Ids of that pair, the holdout sample first.
        notes: What a reader of the split must know.
        dataset_sha256: Content hash of the genotypes.
        sha256: Hash of the parts' sample ids.
    """

    scheme: str
    column: str | None
    trait: str
    seed: int
    shares: Shares
    train: Indices
    validation: Indices
    holdout: Indices
    nonmembers: Indices
    left_out: Indices
    groups: Indices
    largest_kinship: float | None = None
    largest_kinship_pair: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()
    dataset_sha256: str = ""
    sha256: str = ""

    def part(self, name: str) -> Indices:
        """Positions of the samples of one part."""
        indices: Indices = getattr(self, name)
        return indices

    @property
    def facts(self) -> dict[str, Any]:
        """What an outcome says of its split."""
        return {
            "scheme": self.scheme,
            "seed": self.seed,
            "sha256": self.sha256,
            "n": {part: len(self.part(part)) for part in PARTS},
            "largest_kinship": self.largest_kinship,
        }

    def to_json(self) -> dict[str, Any]:
        """The split as a JSON object."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["shares"] = asdict(self.shares)
        arrays = (*PARTS, "left_out", "groups")
        return {"schema": SCHEMA} | {name: value.tolist() if name in arrays else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The reverse of `to_json`.

        Raises:
            SplitError: If a field is missing, or the schema is another one.
        """
        try:
            if values["schema"] != SCHEMA:
                raise SplitError(f"The split has schema {values['schema']}; this genobench reads {SCHEMA}.")
            known = {name: values[name] for name in cls.__dataclass_fields__}
            for name in (*PARTS, "left_out", "groups"):
                known[name] = np.array(known[name], dtype=np.intp)
            pair = known["largest_kinship_pair"]
            known |= {
                "shares": Shares(**known["shares"]),
                "notes": tuple(known["notes"]),
                "largest_kinship_pair": (str(pair[0]), str(pair[1])) if pair else None,
            }
            return cls(**known)
        except (KeyError, TypeError, ValueError) as error:
            raise SplitError(f"The split lacks or misstates the field {error}.") from error


def split_sha256(split: Split, genotypes: Genotypes) -> str:
    """Hash of which sample ids stand in which part: 64 hexadecimal digits."""
    ids = genotypes.sample_ids
    parts = {name: ids[split.part(name)].tolist() for name in PARTS}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
