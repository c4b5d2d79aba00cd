"""Arms: on which samples a classifier is trained, and those samples put together.

All arms of a split are judged on the same holdout and given the same validation samples; both are real.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pandas as pd

from genobench.calls import PackedCalls
from genobench.downstream.columns import joined
from genobench.errors import DatasetError, UnknownNameError
from genobench.genotypes import Genotypes, synthetic_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genobench.contracts import Trait

ARMS_VERSION: Final = 1
"""Raised when the samples of an arm are put together in another way; predictions of another version are made again."""

DEFAULT_ARMS: Final = ("real", "synthetic", "real+1x", "real+3x", "real+10x", "minority", "covariates")

_REAL_AND_MORE: Final = re.compile(r"real\+([1-9][0-9]?)x")


@dataclass(frozen=True)
class Arm:
    """On which samples a classifier is trained.

    Args:
        name: As it was asked for.
        has_real: Whether the training samples are among them.
        n_times: So many synthetic samples for each training sample.
        is_minority: Whether synthetic samples are those of the rarest class that make it as frequent as the most frequent one.
        classifier: The only classifier that is fitted; None for those of the plan.
    """

    name: str
    has_real: bool = True
    n_times: int = 0
    is_minority: bool = False
    classifier: str | None = None

    @classmethod
    def parse(cls, name: str) -> Self:
        """The arm of that name.

        Raises:
            UnknownNameError: If there is none.
        """
        if more := _REAL_AND_MORE.fullmatch(name):
            return cls(name, n_times=int(more[1]))
        match name:
            case "real":
                return cls(name)
            case "synthetic":
                return cls(name, has_real=False, n_times=1)
            case "minority":
                return cls(name, is_minority=True)
            case "covariates":
                return cls(name, classifier="genobench/covariates")
        raise UnknownNameError(
            f"There is no arm '{name}'; the arms are {', '.join(DEFAULT_ARMS)}, and real+Kx with K from 1 to 99 for K synthetic samples "
            "beside each training sample."
        )

    @property
    def is_real(self) -> bool:
        """Whether it needs no synthetic samples, so that all generators of a split share it."""
        return not self.n_times and not self.is_minority

    def suits(self, trait: Trait) -> bool:
        """Whether it means anything for this trait."""
        return not self.is_minority or trait.kind != "quantitative"


def n_to_balance(samples: pd.DataFrame, trait: Trait) -> tuple[str, int]:
    """The rarest class of the training samples, and how many more of it make it as frequent as the most frequent one.

    Args:
        samples: The sample table of the training part.
        trait: Categorical or ordinal.
    """
    counts = samples[trait.column].dropna().astype(str).value_counts().sort_index(kind="stable")
    return str(counts.idxmin()), int(counts.max() - counts.min())


def training_samples(train: Genotypes, synthetic: Sequence[Genotypes], trait: Trait, *, arm: str, has_real: bool) -> Genotypes:
    """The samples of an arm: ids, trait, covariates and, of real samples, the family.

    Args:
        train: The training part.
        synthetic: Synthetic samples over the same variants.
        trait: What is predicted.
        arm: Its name, for messages.
        has_real: Whether the training part is in it.

    Raises:
        DatasetError: If the synthetic samples carry no trait or lack a covariate, if a class of the training part is in no sample of the
            arm, or the trait does not vary.
    """
    needed = (trait.column, *trait.covariates)
    for part in synthetic:
        absent = [name for name in needed if name not in part.samples.columns]
        if absent:
            what = "trait" if absent[0] == trait.column else "covariate"
            raise DatasetError(f"The synthetic samples carry no {what} '{absent[0]}', and the arm '{arm}' needs it.")
    _check_trait([*([train] if has_real else []), *synthetic], train, trait, arm=arm)
    family = [trait.family] if trait.family is not None and trait.family in train.samples.columns and trait.family not in needed else []
    real = train.samples[["id", *needed, *family]]
    if not synthetic:
        # Without phase, which arms with synthetic samples have not either.
        return Genotypes(calls=train.calls, samples=real, variants=train.variants)
    drawn = pd.concat([part.samples[list(needed)] for part in synthetic], ignore_index=True)
    drawn.insert(0, "id", synthetic_ids(len(drawn)))
    packed = [np.asarray(part.calls.packed) for part in synthetic]
    if has_real:
        drawn = pd.DataFrame(
            {name: joined((real[name], drawn[name])) for name in ("id", *needed)}
            | {name: np.array([*real[name], *[None] * len(drawn)], dtype=object) for name in family}
        )
        packed = [np.asarray(train.calls.packed), *packed]
    calls = PackedCalls(packed=np.concatenate(packed), n_variants=train.n_variants)
    return Genotypes(calls=calls, samples=drawn, variants=train.variants)


def _check_trait(parts: Sequence[Genotypes], train: Genotypes, trait: Trait, *, arm: str) -> None:
    """Raise DatasetError if nothing can be learned from these samples, or not of all classes that the training part has."""
    values = [part.samples[trait.column].dropna() for part in parts]
    if trait.kind == "quantitative":
        numbers = np.concatenate([column.to_numpy(dtype=np.float64) for column in values])
        if len(numbers) < 2 or numbers.min() == numbers.max():
            raise DatasetError(f"The trait '{trait.column}' does not vary among the samples of the arm '{arm}'; there is nothing to learn.")
        return
    found = set().union(*(column.astype(str) for column in values))
    absent = sorted(set(train.samples[trait.column].dropna().astype(str)) - found)
    if absent:
        raise DatasetError(f"No sample of the arm '{arm}' has the class '{absent[0]}' of '{trait.column}', and training samples have it.")
    if len(found) < 2:
        raise DatasetError(f"The samples of the arm '{arm}' have one class of '{trait.column}' only ({', '.join(found)}); it takes two.")
