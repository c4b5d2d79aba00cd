"""What the built-in module offers; tests/conformance asks whether each keeps the rules for plugins."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

from genobench import builtin

HOOKS = {
    "generator": builtin.genobench_generators,
    "classifier": builtin.genobench_classifiers,
    "metric": builtin.genobench_metrics,
}
OFFERS = [(kind, offer) for kind, hook in HOOKS.items() for offer in hook()]


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
