from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from genobench.calls import MISSING
from genobench.genotypes import Genotypes

MakeGenotypes = Callable[..., Genotypes]


@pytest.fixture
def make_genotypes() -> MakeGenotypes:
    """A function that makes random genotypes; the numbers of samples and variants are no multiples of four by default."""

    def make(n_samples=7, n_variants=13, *, seed=5, phased=False, missing_share=0.1) -> Genotypes:
        rng = np.random.default_rng(seed)
        first, second = rng.integers(0, 2, size=(2, n_samples, n_variants), dtype=np.int8)
        calls = first + second
        calls[rng.random(calls.shape) < missing_share] = MISSING
        phase = np.packbits((calls == 1) & (first == 1), axis=1, bitorder="little") if phased else None
        half = n_variants // 2
        variants = pd.DataFrame(
            {
                "chromosome": ["1"] * half + ["X"] * (n_variants - half),
                "position_bp": np.concatenate([np.arange(half), np.arange(n_variants - half)]) * 1000 + 5,
                "id": [f"rs{i}" for i in range(n_variants)],
                "ref": rng.choice(list("AC"), n_variants),
                "alt": rng.choice(list("GT"), n_variants),
            }
        )
        return Genotypes(calls=calls, samples=pd.DataFrame({"id": [f"s{i}" for i in range(n_samples)]}), variants=variants, phase=phase)

    return make


@pytest.fixture
def same() -> Callable[[Genotypes, Genotypes], None]:
    """A function that asserts that two genotypes agree in calls, phase, ids, and the columns that every variant table has."""

    def check(left: Genotypes, right: Genotypes) -> None:
        assert np.array_equal(left.to_array(), right.to_array())
        assert (left.phase is None) == (right.phase is None)
        if left.phase is not None and right.phase is not None:
            assert np.array_equal(left.phase, right.phase)
        assert left.sample_ids.tolist() == right.sample_ids.tolist()
        columns = ["chromosome", "position_bp", "id", "ref", "alt"]
        pd.testing.assert_frame_equal(left.variants[columns], right.variants[columns], check_dtype=False)

    return check
