"""Fixtures that more than one test file needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from genobench.contracts import Comparison
    from genobench.fitting import FitRequest

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


@pytest.fixture
def request_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FitRequest]:
    """Makes a fit request for a plugin of broken_plugins.py."""
    from genobench.cells import CellKey
    from genobench.contracts import Trait
    from genobench.fitting import FitRequest
    from genobench.storage import write_store
    from genobench.testing.examples import genotypes_of

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    generator = np.random.default_rng(0)
    genotypes = genotypes_of(generator.integers(0, 3, (20, 10)).astype(np.int8))
    genotypes = genotypes.with_samples(genotypes.samples[["id"]].assign(height=generator.normal(size=20)))
    train = write_store(genotypes, tmp_path / "train")

    def make(deed: str, *, touch: str = "", limit: float | None = 60.0, retry: bool = False, budget: str = "") -> FitRequest:
        key = CellKey(
            dataset="d",
            dataset_sha256="0" * 64,
            split_sha256="1" * 64,
            trait="height",
            generator="tests/naughty",
            plugin_version="1",
            code_sha256="2" * 64,
            settings={"deed": deed, "touch": touch},
            seed=1,
            n_samples=6,
            device="cpu",
            budget=budget,
        )
        return FitRequest(
            key=key,
            target="broken_plugins:Naughty",
            trait=Trait(column="height", kind="quantitative"),
            train=train,
            validation=train,
            device="cpu",
            time_limit_seconds=limit,
            home=tmp_path / "home",
            retry=retry,
        )

    return make
