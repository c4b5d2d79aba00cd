"""Public means listed and documented; a rule in prose is forgotten, a rule in a test is not."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import Final

import pytest

import genobench
from genobench import errors, hookspecs, statgen

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = tuple(sorted((ROOT / "genobench").rglob("*.py")))
PLUGIN_SOURCES: Final = tuple(sorted((ROOT / "plugins").rglob("*.py")))
BUILTIN_SOURCES: Final = tuple(sorted((ROOT / "genobench" / "builtin").rglob("*.py")))
FURTHER_IMPORTS: Final = {"plugins/genobench-simulation/tests/test_simulation.py": ("genobench.builtin.demos",)}
"""The simulation makes the demos that genobench ships, and its test compares both."""

FORBIDDEN_NAMES: Final = frozenset({"utils", "util", "helpers", "helper", "common", "core", "base", "misc", "manager"})
HEAVY: Final = ("torch", "pandas", "optuna", "mlflow", "typer", "scipy", "sklearn", "matplotlib")
PUBLIC_PACKAGES: Final = ("genobench", "genobench.statgen", "genobench.testing")
PLAIN_DEFINITIONS: Final = frozenset(
    {
        "alt_frequency",
        "alt_frequency_from_counts",
        "chromosome_numbers",
        "covered_genome",
        "filled_positions_bp",
        "genome_blocks",
        "genotype_counts",
        "genotype_frequencies",
        "genotype_frequencies_from_counts",
        "hidden_variants",
        "is_autosome",
        "is_dense",
        "kinship_clusters",
        "ld_decay",
        "minor_allele_frequency",
        "nearest_distance",
        "nearest_distances",
        "neighbour_radii",
        "neighbour_radius",
        "observed_heterozygosity",
        "pairwise",
        "relative_clusters",
        "relative_components",
        "sample_call_rate",
        "sample_counts",
        "sample_groups",
        "sample_heterozygosity",
        "steps_along",
        "true_positive_rate",
        "variant_call_rate",
    }
)
"""Exported statistics that count, sort or look up, and have no source but their first line; any other cites where its formula is from."""

SOURCED: Final = ("References:", "doi.org", "doi ", "arXiv", "Source:", "PLINK")


def _modules() -> list[str]:
    return [module.name for module in pkgutil.walk_packages(genobench.__path__, "genobench.") if not module.name.endswith("__main__")]


@pytest.mark.parametrize("package", PUBLIC_PACKAGES)
def test_public_face__lists_what_exists_in_order(package: str) -> None:
    module = importlib.import_module(package)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert len(set(module.__all__)) == len(module.__all__)


def test_public_face__holds_exactly_the_lazy_names() -> None:
    """`genobench.__all__` is what its type-checking imports name, no more and no less."""
    tree = ast.parse((ROOT / "genobench" / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    imported = {alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(genobench.__all__)


@pytest.mark.parametrize("package", ["genobench.statgen", "genobench.testing"])
def test_public_face__exports_nothing_by_accident(package: str) -> None:
    """What a package's `__init__` imports from its own modules is listed, and the other way round."""
    tree = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))
    imported = {alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported - {"annotations"} == set(importlib.import_module(package).__all__)


@pytest.mark.parametrize("package", PUBLIC_PACKAGES)
def test_public_face__every_name_has_a_docstring(package: str) -> None:
    module = importlib.import_module(package)
    callables = {name: value for name in module.__all__ if callable(value := getattr(module, name)) and not hasattr(value, "__origin__")}
    silent = [name for name, value in callables.items() if not inspect.getdoc(value) or inspect.getdoc(value) == inspect.getdoc(object)]
    assert silent == []


def test_public_face__an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'Genotype'; its public names are in genobench\.__all__"):
        _ = genobench.Genotype
    assert set(genobench.__all__) <= set(dir(genobench))


def _imported(path: Path) -> list[str]:
    """The modules that a file imports from, in the order of their lines; relative ones as ".name"."""
    imported = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported.append("." * node.level + (node.module or ""))
    return imported


def _own_package(path: Path) -> str:
    """The package that a plugin's file, or its test, belongs to."""
    parts = path.relative_to(ROOT).parts
    return "genobench.builtin" if parts[0] == "genobench" else parts[1].replace("-", "_")


@pytest.mark.parametrize("path", PLUGIN_SOURCES + BUILTIN_SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_plugin__imports_the_public_face_and_itself_alone(path: Path) -> None:
    """The plugins here, built-in ones included, get by with what a third party gets, and none leans on another."""
    own = _own_package(path)
    allowed = {*PUBLIC_PACKAGES, *FURTHER_IMPORTS.get(path.relative_to(ROOT).as_posix(), ())}
    ours = [name for name in _imported(path) if name.startswith((".", "genobench"))]
    assert [name for name in ours if name not in allowed and name != own and not name.startswith(f"{own}.")] == []


@pytest.mark.parametrize("path", SOURCES + PLUGIN_SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module__has_a_docstring_and_a_name_that_says_something(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path} has no docstring"
    assert path.stem not in FORBIDDEN_NAMES


def test_import__brings_in_nothing_heavy() -> None:
    command = f"import sys, genobench; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "list"], ["run", "--help"]])
def test_command_line__lists_and_helps_without_heavy_imports(arguments: list[str]) -> None:
    heavy = [name for name in HEAVY if name != "typer"]
    command = (
        "import sys; from genobench.cli import main\n"
        f"sys.argv = ['genobench', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('heavy:', [name for name in {heavy!r} if name in sys.modules])"
    )
    finished = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines()[-1] == "heavy: []"


def test_hooks__each_is_explained_to_plugin_authors() -> None:
    hooks = [name for name, value in vars(hookspecs).items() if isinstance(value, FunctionType) and hasattr(value, "genobench_spec")]
    assert len(hooks) == 4
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [name for name in hooks if f"`{name}`" not in contributing or not inspect.getdoc(getattr(hookspecs, name))] == []


def test_errors__each_class_derives_from_one_and_is_raised_somewhere() -> None:
    classes = {name: value for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__}
    assert all(issubclass(value, errors.GenobenchError) for value in classes.values())
    raised = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name):
                raised.add(node.exc.func.id)
    assert set(classes) - raised == set()


def test_statistics__each_cites_its_source_or_is_a_plain_definition() -> None:
    functions = {name: inspect.getdoc(value) or "" for name in statgen.__all__ if inspect.isfunction(value := getattr(statgen, name))}
    assert {name for name, text in functions.items() if not any(word in text for word in SOURCED)} == PLAIN_DEFINITIONS


def test_modules__all_can_be_imported() -> None:
    assert [name for name in _modules() if importlib.import_module(name).__name__ != name] == []


def test_broad_except__stands_only_with_its_reason() -> None:
    """`except Exception` stands at plugin boundaries, each with its reason on the line."""
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES + PLUGIN_SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if line.strip().startswith(("except Exception", "except BaseException", "except:")) and "noqa: BLE001 - " not in line
    ]
    reraised = [place for place in bare if not _reraises(place)]
    assert reraised == []


def _reraises(place: str) -> bool:
    """Whether the handler at `file:line` ends by raising."""
    name, _, number = place.partition(":")
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler) and node.lineno == int(number):
            return any(isinstance(part, ast.Raise) for part in ast.walk(node))
    return False
