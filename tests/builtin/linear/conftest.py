"""Samples and contexts that tests of linear classifiers share."""

from __future__ import annotations

import numpy as np
import pytest

from genobench import FitContext, Genotypes
from genobench.testing import EXAMPLE_TRAITS, example_genotypes


@pytest.fixture(scope="session")
def genotypes() -> Genotypes:
    return example_genotypes(n_samples=150, n_variants=300, n_constant=3, missing_share=0.02, seed=6)


@pytest.fixture(scope="session")
def train(genotypes: Genotypes) -> Genotypes:
    return genotypes.take_samples(np.arange(100))


@pytest.fixture(scope="session")
def others(genotypes: Genotypes) -> Genotypes:
    return genotypes.take_samples(np.arange(100, 150))


@pytest.fixture(scope="session")
def halves(train: Genotypes, others: Genotypes) -> tuple[Genotypes, Genotypes]:
    return train, others


@pytest.fixture
def context(tmp_path):
    """By kind of trait; each has `sex` for a covariate."""
    return {kind: FitContext(trait=trait, seed=1, device="cpu", folder=tmp_path) for kind, trait in EXAMPLE_TRAITS.items()}


@pytest.fixture(scope="session")
def standardised():
    """What gives calls of two sets, completed, less their mean over their deviation, over the root of the number that vary."""
    from genobench.statgen import Imputer

    def of(first: Genotypes, second: Genotypes) -> tuple[np.ndarray, np.ndarray]:
        imputer = Imputer.fit(first.to_array())
        calls, other_calls = (imputer.complete(part.to_array()).astype(float) for part in (first, second))
        varies = calls.std(axis=0) > 0
        scale = calls.std(axis=0)[varies] * np.sqrt(varies.sum())
        return (calls - calls.mean(axis=0))[:, varies] / scale, (other_calls - calls.mean(axis=0))[:, varies] / scale

    return of


@pytest.fixture(scope="session")
def is_male():
    """What gives 1 for males and 0 for females, as a column."""
    return lambda part: (part.samples["sex"] == "male").to_numpy(dtype=float)[:, None]
