"""The files around the code agree with it: pins with ranges, documents with what CI runs."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[2]
PYPROJECTS: Final = (ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml")))
PIN: Final = re.compile(r"([a-z0-9][a-z0-9-]*)==(\d[A-Za-z0-9.]*)(?:; sys_platform [!=]= \"linux\")?")
"""A package with a name of its own on Linux (xgboost-cpu) is pinned under both."""


def _lines(name: str) -> list[str]:
    lines = (line.strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _pins(name: str) -> dict[str, str]:
    return {match.group(1): match.group(2) for match in map(PIN.fullmatch, _lines(name)) if match}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements__are_exact_pins_or_folders_of_the_project(name: str) -> None:
    """No range, no local suffix (+cpu), no address of an index: an install next year is the one of today, from wherever pip looks."""
    others = [line for line in _lines(name) if not PIN.fullmatch(line) and line != "-r requirements.txt"]
    folders = [line.removeprefix("-e ") for line in others]
    assert all(line.startswith("-e ./") or line == "-e ." for line in others), others
    assert all((ROOT / folder / "pyproject.toml").is_file() for folder in folders)


def test_requirements__install_the_core_and_every_plugin() -> None:
    installed = {(ROOT / line.removeprefix("-e ")).resolve() for line in _lines("requirements.txt") if line.startswith("-e ")}
    assert installed == {path.parent for path in PYPROJECTS}


@pytest.mark.parametrize("path", PYPROJECTS, ids=lambda path: path.parent.name)
def test_requirements__pin_each_dependency_within_its_range(path: Path) -> None:
    own = {canonicalize_name(tomllib.loads(other.read_text(encoding="utf-8"))["project"]["name"]) for other in PYPROJECTS}
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    pins = {**_pins("requirements.txt"), **_pins("requirements-dev.txt")}
    wanted = [Requirement(text) for text in (*values["project"]["dependencies"], *values.get("dependency-groups", {}).get("dev", ()))]
    outside = [
        str(requirement)
        for requirement in wanted
        if canonicalize_name(requirement.name) not in own
        and not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0.dev0"))
    ]
    assert outside == []


@pytest.mark.parametrize(
    ("document", "marker", "command"),
    [("README.md", "run", "genobench run"), ("README.md", "test", "pytest"), ("CONTRIBUTING.md", "plugin", "genobench plugins check")],
)
def test_document__marks_the_command_that_ci_runs(document: str, marker: str, command: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(rf"^<!-- ci: {marker} -->\n```(?:bash|sh|console)?\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    assert command in blocks[0]
    assert not any(line.startswith("$ ") for line in blocks[0].splitlines())


@pytest.mark.parametrize("path", PYPROJECTS[1:], ids=lambda path: path.parent.name)
def test_plugin__is_in_the_directory_with_its_licence(path: Path) -> None:
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    directory = (ROOT / "plugins" / "README.md").read_text(encoding="utf-8")
    row = next(line for line in directory.splitlines() if line.startswith(f"| [{path.parent.name}]({path.parent.name})"))
    assert project["name"] == path.parent.name
    assert project["license"] in row
    assert (path.parent / "README.md").stat().st_size > 100


def test_changelog__has_the_sections_of_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    sections = re.findall(r"^### (.*)$", text, flags=re.MULTILINE)
    assert set(sections) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
