"""What the built-in module offers, and that each offer keeps the rules for plugins."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from genobench import builtin, write_genotypes
from genobench.testing import check_plugin, example_genotypes

HOOKS = {
    "generator": builtin.genobench_generators,
    "classifier": builtin.genobench_classifiers,
    "metric": builtin.genobench_metrics,
}
REDRAW = f"{sys.executable} {Path(__file__).parent / 'programs' / 'redraw.py'} {{train}} {{conditions}} {{synthetic}} {{seed}}"
SETTINGS: dict[str, dict[str, Any]] = {"dgg-precision": {"k": 5}, "dgg-recall": {"k": 5}, "command": {"program": REDRAW}}
"""The examples have 48 samples, fewer than the 50 neighbours that the first two ask for; the third runs whatever it is told to."""
OFFERS = [(kind, offer) for kind, hook in HOOKS.items() for offer in hook()]


@pytest.mark.parametrize(("kind", "offer"), OFFERS, ids=[offer.name for _, offer in OFFERS])
def test_offer__keeps_the_rules_of_its_kind(kind, offer, tmp_path):
    module, name = offer.target.split(":")
    settings = SETTINGS.get(offer.name)
    if offer.name == "file":
        settings = {"path": str(tmp_path / "ready.bed")}
        write_genotypes(example_genotypes(n_samples=140), tmp_path / "ready.bed")
    checks = check_plugin(kind, getattr(import_module(module), name), settings)
    broken = [check.message for check in checks if not check.ok]
    assert not broken


def test_offers__have_names_of_their_own():
    names = [offer.name for _, offer in OFFERS]
    assert len(names) == len(set(names))
    assert [offer.name for offer in builtin.genobench_datasets()] == ["cattle-demo", "rat-demo"]


def test_scores__have_names_of_their_own():
    metrics = [offer.target.split(":") for offer in builtin.genobench_metrics()]
    names = [spec.name for module, name in metrics for spec in getattr(import_module(module), name).scores]
    assert len(names) == len(set(names))


def test_offers__are_listed_without_importing_anything_heavy():
    heavy = ["numpy", "pandas", "scipy", "sklearn", "torch"]
    code = f"import sys, genobench.builtin as b; b.genobench_metrics(); sys.exit(str([m for m in {heavy} if m in sys.modules] or ''))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == ""
