"""No generator takes what another one saved for its own, nor what is damaged for whole."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from genobench import FitContext, GenobenchError, Sampler, write_genotypes
from genobench.registry import load_registry
from genobench.settings import with_settings
from genobench.testing import EXAMPLE_TRAITS, example_genotypes

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values of a description lie: those in a list are like its first."""
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*place, key))


def _with(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    """A description with another value at a place."""
    if not place:
        return new
    changed = list(value) if isinstance(value, list) else dict(value)
    changed[place[0]] = _with(value[place[0]], place[1:], new)
    return changed


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("name", GENERATORS)
def test_load__of_a_damaged_description_is_refused_or_gives_a_sampler(name: str, saved: dict[str, Path], tmp_path: Path) -> None:
    """Whatever stands in the place of a value, nothing but a GenobenchError is raised."""
    own = name.partition("/")[2]
    folder = shutil.copytree(saved[own], tmp_path / own)
    description = folder / "sampler.json"
    whole = json.loads(description.read_text()) if description.exists() else None
    news: tuple[Any, ...] = (None, [1, "a"])
    # What a condition is made of is the encoder's own to check.
    for place in [place for place in _places(whole) if place[:1] != ("condition",)] if whole is not None else ():
        for new in news:
            description.write_text(json.dumps(_with(whole, place, new)))
            with contextlib.suppress(GenobenchError):
                assert isinstance(_plugin(name).load(folder), Sampler), (place, new)


@pytest.mark.parametrize("name", GENERATORS)
def test_load__of_arrays_of_another_shape_is_refused(name: str, saved: dict[str, Path], tmp_path: Path) -> None:
    own = name.partition("/")[2]
    folder = shutil.copytree(saved[own], tmp_path / own)
    for path in folder.rglob("*.safetensors"):
        arrays = load_file(path)
        for key, array in arrays.items():
            save_file({**arrays, key: array[..., None, None].copy()}, path)
            with pytest.raises(GenobenchError, match="no whole"):
                _plugin(name).load(folder)
        save_file(arrays, path)
    for path in folder.rglob("*.npy"):
        array = np.load(path)
        np.save(path, array[..., None])
        with pytest.raises(GenobenchError, match=r"no whole|not a whole"):
            _plugin(name).load(folder)
        np.save(path, array)
