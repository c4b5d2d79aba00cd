"""Samples whose trait is known to hang on their calls in a certain way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from genobench import FitContext
from genobench.testing import genotypes_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genobench import Genotypes, Trait


@pytest.fixture
def context_of(tmp_path: Path) -> Callable[..., FitContext]:
    """`context_of(trait, ...)`: a context with a folder of its own and seed 4."""

    def made(trait: Trait, **fields: Any) -> FitContext:
        return FitContext(**{"trait": trait, "seed": 4, "device": "cpu", "folder": tmp_path, **fields})

    return made


def _with_columns(calls: np.ndarray[Any, np.dtype[np.int8]], **columns: Any) -> Genotypes:
    genotypes = genotypes_of(calls)
    return genotypes.with_samples(genotypes.samples[["id"]].assign(**columns))


@pytest.fixture
def with_columns() -> Callable[..., Genotypes]:
    """`with_columns(calls, name=values)`: genotypes whose samples have an id and these columns."""
    return _with_columns


@pytest.fixture
def random_calls() -> Callable[..., np.ndarray[Any, np.dtype[np.int8]]]:
    """`random_calls(n_samples, n_variants, seed=...)`: independent calls with an ALT frequency of .4."""
    return lambda n_samples, n_variants, *, seed: np.random.default_rng(seed).binomial(2, 0.4, (n_samples, n_variants)).astype(np.int8)
