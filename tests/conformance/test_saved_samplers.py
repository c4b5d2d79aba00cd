"""No generator takes what another one saved for its own."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from genobench import FitContext, GenobenchError, write_genotypes
from genobench.registry import load_registry
from genobench.settings import with_settings
from genobench.testing import EXAMPLE_TRAITS, example_genotypes

if TYPE_CHECKING:
    from genobench import Generator

REDRAW: Final = Path(__file__).parents[1] / "builtin" / "programs" / "redraw.py"
QUICK: Final = ("max_epochs", "training_calls", "n_rounds", "flow_steps", "chain_epochs", "n_components")
"""Settings that are 1 here where a generator has them: what is saved has the same names, whatever was learnt."""

ALIKE: Final = frozenset(map(frozenset, (("copy", "leaky"), ("gene-drop", "offspring"), ("gan", "wgan"))))
"""Two generators of one sampler: what either saved is whole for the other."""

PLUGINS: Final = Path(__file__).parents[2] / "plugins"
GENERATORS: Final = tuple(
    entry.qualified_name
    for entry in load_registry().offers("generator")
    if entry.distribution == "genobench" or (PLUGINS / entry.distribution).is_dir()
)


def _plugin(name: str) -> type[Generator]:
    plugin: type[Generator] = load_registry().load("generator", name)
    return plugin


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of a saved sampler of every generator."""
    train, folder = example_genotypes(n_samples=40), tmp_path_factory.mktemp("saved")
    write_genotypes(train, folder / "ready.bed")
    given: dict[str, dict[str, Any]] = {
        "command": {"program": f"{sys.executable} {REDRAW} {{train}} {{conditions}} {{synthetic}} {{seed}}"},
        "file": {"path": str(folder / "ready.bed")},
    }
    saved = {}
    for name in GENERATORS:
        plugin, own = _plugin(name), name.partition("/")[2]
        settings = {field.name: 1 for field in fields(plugin) if field.name in QUICK}  # type: ignore[arg-type]
        context = FitContext(trait=EXAMPLE_TRAITS["quantitative"], seed=1, device="cpu", folder=tmp_path_factory.mktemp("fit"))
        sampler = with_settings(plugin, settings | given.get(own, {})).fit(train, context)
        saved[own] = folder / own
        saved[own].mkdir()
        sampler.save(saved[own])
    return saved


@pytest.mark.parametrize("name", GENERATORS)
def test_load__of_what_another_generator_saved_is_refused(name: str, saved: dict[str, Path]) -> None:
    own = name.partition("/")[2]
    for other, folder in saved.items():
        if other != own and {own, other} not in ALIKE:
            with pytest.raises(GenobenchError, match="no whole"):
                _plugin(name).load(folder)
