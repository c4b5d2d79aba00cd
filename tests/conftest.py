"""Fixtures that more than one test file needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from genobench.contracts import Comparison

_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real genotypes; tests that need it skip where it is absent (the data may not be redistributed)."""
    folder = Path(os.environ.get("GENOBENCH_SHARED_DATA", _BESIDE_THE_REPOSITORY))
    if not folder.is_dir():
        pytest.skip(f"no real genotypes at {folder}: set GENOBENCH_SHARED_DATA to the folder that holds them")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh GENOBENCH_HOME."""
    folder = tmp_path / "home"
    monkeypatch.setenv("GENOBENCH_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def comparison() -> Comparison:
    """Four parts of 30 samples, five families each, with a quantitative trait and missing calls."""
    from genobench.contracts import Comparison
    from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

    whole = example_genotypes(n_samples=120, missing_share=0.02)
    train, holdout, nonmembers, synthetic = (whole.take_samples(np.arange(start, start + 30)) for start in (0, 30, 60, 90))
    families = np.arange(30) // 6
    return Comparison(
        trait=EXAMPLE_TRAITS["quantitative"],
        train=train,
        holdout=holdout,
        nonmembers=nonmembers,
        synthetic=synthetic,
        groups={"train": families, "holdout": families, "nonmembers": families},
    )
