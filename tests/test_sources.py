"""Which files a generator's numbers hang on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genobench.sources import source_files, source_sha256

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A distribution of two models with a shared part, handed on by a package; named after the test, since modules are imported once."""
    name = f"sources_{abs(hash(request.node.name))}"
    folder = tmp_path / name
    (folder / "shared").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "shared" / "__init__.py").write_text(f"from {name}.shared.loop import run\nfrom {name}.shared.other import unused\n")
    (folder / "shared" / "loop.py").write_text("from genobench.statgen import Imputer\n\n\ndef run(): ...\n")
    (folder / "shared" / "other.py").write_text("def unused(): ...\n")
    (folder / "first.py").write_text(f"def fit():\n    from {name}.shared import run\n    run()\n")
    (folder / "second.py").write_text("from .shared.other import unused\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_source_files__are_those_that_a_module_imports(package: Path) -> None:
    name = package.name
    found = source_files(f"{name}.first")
    assert {f"{name}.first", f"{name}.shared.loop", "genobench.statgen.impute"} <= set(found)
    assert not {f"{name}.second", f"{name}.shared.other", f"{name}.shared", "genobench.statgen"} & set(found)
    assert set(source_files(f"{name}.second")) == {f"{name}.second", f"{name}.shared.other"}


@pytest.mark.parametrize(("changed", "is_another"), [("shared/loop.py", True), ("second.py", False), ("shared/__init__.py", False)])
def test_source_sha256__changes_with_what_is_imported_alone(package: Path, changed: str, is_another: bool) -> None:
    before = source_sha256(f"{package.name}.first")
    with (package / changed).open("a") as file:
        file.write("\n# changed\n")
    assert (source_sha256(f"{package.name}.first") != before) is is_another


def test_source_files__imports_by_name_count_the_whole_package(package: Path) -> None:
    (package / "first.py").write_text("from importlib import import_module\n")
    assert {f"{package.name}.second", f"{package.name}.shared.other"} <= set(source_files(f"{package.name}.first"))


def test_source_files__a_module_that_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError, match="'genobench_nowhere'"):
        source_files("genobench_nowhere")
