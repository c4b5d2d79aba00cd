"""Fixtures that more than one test file needs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
