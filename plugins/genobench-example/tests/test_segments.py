"""The example plugin keeps every rule, and does what its docstring says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from genobench import FitContext, SettingsError
from genobench.testing import EXAMPLE_TRAITS, GeneratorSuite, example_genotypes
from genobench_example.segments import Segments

if TYPE_CHECKING:
    from pathlib import Path


class TestSegments(GeneratorSuite):
    """Every rule for generators."""

    plugin = Segments


def test_segments__whole_chromosomes_come_from_training(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=30)
    context = FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=tmp_path)
    synthetic = Segments(segment_variants=1000).fit(train, context).generate(200, seed=2)
    for chromosome in ("1", "2"):
        columns = np.flatnonzero(train.variants["chromosome"] == chromosome)
        known = {row.tobytes() for row in train.to_array()[:, columns]}
        rows = [row.tobytes() for row in synthetic.to_array()[:, columns]]
        assert set(rows) <= known
    whole = {row.tobytes() for row in train.to_array()}
    n_whole = sum(row.tobytes() in whole for row in synthetic.to_array())
    # Two chromosomes come from one sample by chance, one time in 30: 6.7 of 200, and more than 22 has a chance below 1e-6.
    assert n_whole <= 22


def test_segments__single_variants_have_no_linkage(tmp_path: Path) -> None:
    train = example_genotypes(n_samples=300)
    context = FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=tmp_path)
    calls = Segments(segment_variants=1).fit(train, context).generate(4000, seed=3).to_array().astype(float)
    r2 = np.diag(np.corrcoef(calls.T)[:30, :30], 1) ** 2
    # The expectation of r2 without linkage is 1 / n; its mean over 29 pairs has a standard error near sqrt(2 / 29) / n.
    assert r2.mean() < (1 + 5 * np.sqrt(2 / 29)) / 4000


@pytest.mark.parametrize(
    ("n_variants", "message"),
    [
        (0, "segment_variants is 0; it must be at least 1"),
        (10**21, r"segment_variants is 10+; it must be at most 9,223,372,036,854,775"),
    ],
)
def test_segments__refuses_stretches_that_cannot_be(n_variants: int, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Segments(segment_variants=n_variants)
