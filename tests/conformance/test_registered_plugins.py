"""Everything that is installed here keeps its contract: the built-ins and the plugins of plugins/, by the same door."""

from __future__ import annotations

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

REDRAW: Final = Path(__file__).parents[1] / "builtin" / "programs" / "redraw.py"
QUICK: Final[Mapping[str, dict[str, Any]]] = MappingProxyType(
    {
        "genobench/command": {"program": f"{sys.executable} {REDRAW} {{train}} {{conditions}} {{synthetic}} {{seed}}"},
        "genobench/dgg-precision": {"k": 5},
        "genobench/dgg-recall": {"k": 5},
        "genobench-neural/diffusion": {"max_epochs": 2, "widths": (8, 8, 8), "n_sampling_steps": 5},
        "genobench-neural/gan": {"max_epochs": 1, "n_rounds": 1, "n_clusters": 4, "n_shared": 2},
        "genobench-neural/latent-flow": {"n_factors": 2, "n_clusters": 4, "n_rounds": 2, "chain_epochs": 1, "flow_steps": 5, "width": 8},
        "genobench-neural/vae": {"max_epochs": 2, "n_latent": 4, "n_window": 4, "width": 8},
        "genobench-classical/copula": {"n_components": 4, "n_rounds": 5},
        "genobench-classical/rbm": {"max_epochs": 2, "n_local": 4, "n_global": 4, "n_sweeps": 4},
        "genobench-classical/hmm": {"n_clusters": 4, "n_rounds": 2},
        "genobench-neural/ctgan": {"max_epochs": 2, "batch_size": 20, "n_hidden": 16},
        "genobench-neural/dp-autoregressive": {"n_frequency_steps": 3, "n_linkage_steps": 3, "n_lags": 2},
        "genobench-neural/virtual-progeny": {
            "n_clusters": 4,
            "n_cluster_rounds": 2,
            "n_parent_rounds": 2,
            "training_blocks": 2000,
        },
        "genobench-neural/wgan": {"max_epochs": 1, "n_rounds": 1, "n_clusters": 4},
        "genobench-simulation/cattle-sim": {
            "n_samples": 120,
            "chromosomes": ("5", "14", "20"),
            "whole": (),
            "block_variants": 20,
            "n_polygenic": 20,
        },
        "genobench-simulation/rat-sim": {"n_samples": 200, "chromosomes": ("1", "2"), "blocks": 1, "block_variants": 20, "n_causal": 20},
    }
)
"""Settings that make a plugin quick, or fit for the few samples of the examples; a conformance suite asks whether it keeps the rules, not
whether it is good."""

OFFERS: Final = tuple(entry for kind in KINDS for entry in load_registry().offers(kind))


def test_registry__every_plugin_loads() -> None:
    assert load_registry().failures() == ()
    assert {entry.distribution for entry in OFFERS} >= {"genobench", "genobench-example", "genobench-neural", "genobench-simulation"}


def test_registry__quick_settings_are_for_what_is_offered() -> None:
    assert set(QUICK) <= {entry.qualified_name for entry in OFFERS}


@pytest.mark.parametrize("offer", [pytest.param(entry, id=f"{entry.kind}-{entry.name}") for entry in OFFERS])
def test_plugin__keeps_every_rule(offer: Registered, tmp_path: Path) -> None:
    assert offer.kind is not None
    settings = QUICK.get(offer.qualified_name)
    if offer.qualified_name == "genobench/file":
        settings = {"path": str(tmp_path / "ready.bed")}
        write_genotypes(example_genotypes(n_samples=140), tmp_path / "ready.bed")
    plugin = load_registry().load(offer.kind, offer.qualified_name)
    checks = check_plugin(offer.kind, plugin, settings)
    assert len(checks) == len(RULES[offer.kind])
    assert [check.message for check in checks if not check.ok] == []
