"""Which files a generator's numbers hang on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from genobench.sources import package_sha256, running_code, source_files, source_sha256, texts_of

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


@pytest.mark.parametrize(
    ("name", "followed"),
    [
        ("ConditionEncoder", {"encoding", "class_strata"}),
        ("SamplerTables", {"encoding", "class_strata", "sampler_tables"}),
        ("Genotypes", set()),
        ("check_lowest", set()),
    ],
)
def test_source_files__of_the_public_face_what_numbers_hang_on(package: Path, name: str, followed: set[str]) -> None:
    (package / "first.py").write_text(f"from genobench import {name}\n")
    found = set(source_files(f"{package.name}.first"))
    assert found == {f"{package.name}.first", *(f"genobench.{module}" for module in followed)}


def test_source_files__of_a_classifier_are_those_of_its_covariates_and_target(package: Path) -> None:
    (package / "first.py").write_text("from genobench import Covariates, Target\n")
    followed = {"genobench.covariates", "genobench.statgen.structure", "genobench.targets", "genobench.statgen.resampling"}
    assert followed <= set(source_files(f"{package.name}.first"))


@pytest.mark.parametrize(("changed", "is_another"), [("shared/loop.py", True), ("second.py", False), ("shared/__init__.py", False)])
def test_source_sha256__changes_with_what_is_imported_alone(package: Path, changed: str, is_another: bool) -> None:
    before = source_sha256(f"{package.name}.first")
    with (package / changed).open("a") as file:
        file.write("\nCHANGED = 1\n")
    assert (source_sha256(f"{package.name}.first") != before) is is_another


SOURCE = '''"""What it is."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RATE = 0.5  # µ = ½
"""What a rate is,
and why."""
NAME = "# no comment"; "a text"
SPAN = ("ü\\
", 1)  # ü, one


class Settings:
    """Settings."""


def fit(x: int) -> str:
    """Fit: naïve."""
    # By hand.
    return f"{x} # {RATE}"
'''


def test_running_code__is_the_source_without_what_does_not_run() -> None:
    assert running_code(SOURCE).split("\n") == [
        "from typing import TYPE_CHECKING",
        "RATE = 0.5",
        'NAME = "# no comment";',
        'SPAN = ("ü\\',
        '", 1)',
        "class Settings:",
        "def fit(x: int) -> str:",
        '    return f"{x} # {RATE}"',
    ]


def test_source_sha256__comments_and_docstrings_do_not_count(package: Path) -> None:
    loop, hashes = package / "shared" / "loop.py", []
    for said in ("Run.", "Run what is asked."):
        loop.write_text(f'def run():\n    """{said}"""\n    return 1  # {said}\n')
        hashes.append(source_sha256(f"{package.name}.first"))
    assert hashes[0] == hashes[1]


def test_source_files__imports_by_name_count_the_whole_package(package: Path) -> None:
    (package / "first.py").write_text("from importlib import import_module\n")
    assert {f"{package.name}.second", f"{package.name}.shared.other"} <= set(source_files(f"{package.name}.first"))


def test_source_files__a_module_that_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError, match="'genobench_nowhere'"):
        source_files("genobench_nowhere")


def test_package_sha256__covers_the_packages_in_it(package: Path) -> None:
    before = package_sha256(package.name)
    (package / "shared" / "other.py").write_text("def unused(): return 1\n")
    assert package_sha256(package.name) != before
    with pytest.raises(ModuleNotFoundError, match="no package named"):
        package_sha256(f"{package.name}.first")


def test_texts_of__holds_what_imported_files_name(package: Path) -> None:
    (package / "shared" / "loop.py").write_text('def run(): return "ridge"\n')
    assert "ridge" in texts_of(f"{package.name}.first")
    assert "ridge" not in texts_of(f"{package.name}.second")
