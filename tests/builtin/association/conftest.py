"""Genotypes and comparisons that tests of association share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from genobench import Comparison, Genotypes, PackedCalls, Trait

if TYPE_CHECKING:
    from collections.abc import Callable

_PER_CHROMOSOME = 20
_SPACING_BP = 6_000_000


@pytest.fixture(scope="session")
def genotypes_with() -> Callable[..., Genotypes]:
    """A function that makes genotypes of calls, ids that begin with a prefix, and further columns of samples.

    There are twenty variants a chromosome, farther apart than a locus reaches.
    """

    def made(calls: np.ndarray[Any, Any], prefix: str, **columns: Any) -> Genotypes:
        places = np.arange(calls.shape[1])
        variants = pd.DataFrame(
            {
                "chromosome": (1 + places // _PER_CHROMOSOME).astype(str),
                "position_bp": 1 + _SPACING_BP * (places % _PER_CHROMOSOME),
                "id": [f"v{place}" for place in places],
                "ref": "A",
                "alt": "G",
            }
        )
        samples = pd.DataFrame({"id": [f"{prefix}{row:05d}" for row in range(len(calls))], **columns})
        return Genotypes(PackedCalls.from_calls(calls.astype(np.int8)), samples, variants)

    return made


@pytest.fixture(scope="session")
def compared() -> Callable[..., Comparison]:
    """A function that compares holdout with synthetic samples; nobody else is there. The trait is `weight` unless given."""

    def made(holdout: Genotypes, synthetic: Genotypes, *, trait: Trait | None = None, causal: dict[str, float] | None = None) -> Comparison:
        asked = Trait("weight", "quantitative") if trait is None else trait
        nobody = holdout.take_samples(np.zeros(0, dtype=np.intp))
        return Comparison(trait=asked, train=nobody, holdout=holdout, nonmembers=nobody, synthetic=synthetic, causal=causal)

    return made
