"""Everything that is offered here keeps its contract: built-ins are asked here, the plugins of plugins/ by suites beside them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pytest

from genobench import write_genotypes
from genobench.registry import KINDS, load_registry
from genobench.testing import RULES, check_plugin, example_genotypes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genobench.registry import Registered

PLUGINS: Final = Path(__file__).parents[2] / "plugins"
REDRAW: Final = Path(__file__).parents[1] / "builtin" / "programs" / "redraw.py"
SETTINGS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "genobench/bayesr": {"n_sweeps": 20, "n_discarded": 5},
        "genobench/command": {"program": f"{sys.executable} {REDRAW} {{train}} {{conditions}} {{synthetic}} {{seed}}"},
        "genobench/dgg-precision": {"k": 5},
        "genobench/dgg-recall": {"k": 5},
        "genobench/ldpred": {"reach_bp": 500_000, "n_sweeps": 20, "n_discarded": 5},
    }
)
"""The examples have 48 samples, fewer than the 50 neighbours that two metrics ask for; `bayesr` and `ldpred` need no long chains here,
and `command` runs whatever it is given."""

OFFERS: Final = tuple(entry for kind in KINDS for entry in load_registry().offers(kind))
BUILT_IN: Final = tuple(entry for entry in OFFERS if entry.distribution == "genobench")
OF_PLUGINS: Final = tuple(entry for entry in OFFERS if (PLUGINS / entry.distribution).is_dir())


def test_registry__every_plugin_loads() -> None:
    assert load_registry().failures() == ()
    assert {entry.distribution for entry in OF_PLUGINS} == {folder.name for folder in PLUGINS.iterdir() if folder.is_dir()}


@pytest.mark.parametrize("offer", [pytest.param(entry, id=f"{entry.kind}-{entry.name}") for entry in OF_PLUGINS])
def test_plugin__is_asked_for_every_rule_by_a_suite_beside_it(offer: Registered) -> None:
    """As CONTRIBUTING.md asks of a third party: a class of genobench.testing with `plugin = ...` in the plugin's own tests."""
    name = offer.target.partition(":")[2]
    suites = [
        node
        for path in (PLUGINS / offer.distribution / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and any(isinstance(base, ast.Name) and base.id.endswith("Suite") for base in node.bases)
    ]
    assert any(ast.unparse(line) == f"plugin = {name}" for suite in suites for line in suite.body)


@pytest.mark.parametrize("offer", [pytest.param(entry, id=f"{entry.kind}-{entry.name}") for entry in BUILT_IN])
def test_plugin__keeps_every_rule(offer: Registered, tmp_path: Path) -> None:
    assert offer.kind is not None
    settings = SETTINGS.get(offer.qualified_name)
    if offer.qualified_name == "genobench/file":
        settings = {"path": str(tmp_path / "ready.bed")}
        write_genotypes(example_genotypes(n_samples=140), tmp_path / "ready.bed")
    plugin = load_registry().load(offer.kind, offer.qualified_name)
    checks = check_plugin(offer.kind, plugin, settings)
    assert len(checks) == len(RULES[offer.kind])
    assert [check.message for check in checks if not check.ok] == []
