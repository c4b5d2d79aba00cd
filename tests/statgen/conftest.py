"""Fixtures for tests of statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from genobench import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def linked_calls() -> Callable[..., np.ndarray]:
    """A function that makes calls with LD: sums of two autoregressive haplotypes, the same ones for the same arguments."""

    def make(n_samples: int, n_variants: int, *, missing: float = 0.0, seed: int = 4) -> np.ndarray:
        rng = np.random.default_rng(seed)
        calls = np.zeros((n_samples, n_variants), dtype=np.int8)
        for _ in range(2):
            noise = rng.standard_normal((n_samples, n_variants))
            latent = noise.copy()
            for column in range(1, n_variants):
                latent[:, column] = 0.85 * latent[:, column - 1] + np.sqrt(1 - 0.85**2) * noise[:, column]
            calls += latent < 0.2
        calls[rng.random(calls.shape) < missing] = MISSING
        return calls

    return make
