from __future__ import annotations

import sys
import types
from importlib import metadata

import pytest

from genobench.errors import ContractError, DuplicateNameError, PluginLoadError, UnknownNameError
from genobench.hookspecs import Offer, hookimpl
from genobench.registry import Registered, Registry, code_sha256, load_registry, load_target


def _entry(name: str, distribution: str = "dist-a", **changes) -> Registered:
    values = {"kind": "generator", "version": "1.0", "target": "tests_absent:Class", "summary": "", "error": None, **changes}
    return Registered(name=name, distribution=distribution, **values)


class _Distribution:
    name = "someone"
    version = "2.3"


def _install(monkeypatch, name: str, module: types.ModuleType | None) -> None:
    """Make one more entry point visible, and its module importable."""
    real = metadata.entry_points(group="genobench")
    if module is not None:
        monkeypatch.setitem(sys.modules, name, module)
    added = metadata.EntryPoint(name="plugin", value=name, group="genobench")
    vars(added).update(dist=_Distribution())
    monkeypatch.setattr(metadata, "entry_points", lambda **_: [*real, added])


def _module(name: str, offers) -> types.ModuleType:
    module = types.ModuleType(name)

    @hookimpl
    def genobench_generators():
        return offers

    vars(module)["genobench_generators"] = genobench_generators
    return module


def test_load_registry__offers_the_built_ins_by_the_same_door():
    found = load_registry().find("generator", "copy")
    assert (found.distribution, found.qualified_name) == ("genobench", "genobench/copy")


def test_load_registry__keeps_the_error_of_a_plugin_that_raises_at_import(monkeypatch):
    _install(monkeypatch, "no_such_module_anywhere", None)
    registry = load_registry()
    (failure,) = (entry for entry in registry.failures() if entry.distribution == "someone")
    assert "ModuleNotFoundError" in (failure.error or "")
    assert registry.offers("metric"), "the others are still there"
    with pytest.raises(PluginLoadError, match=r"someone 2\.3 could not be loaded"):
        registry.find("generator", "someone")


@pytest.mark.parametrize(
    ("offers", "message"),
    [
        (["wgan"], "must return genobench.Offer objects"),
        ([Offer("Bad Name", "a:B", "")], "lower-case letters"),
        ([Offer("good", "no-colon", "")], "a target is 'module:Class'"),
        (7, "TypeError"),
        ([Offer("good", "a:B", ""), Offer("good", "a:C", "")], "more than once"),
    ],
)
def test_load_registry__keeps_the_error_of_a_plugin_that_offers_nonsense(monkeypatch, offers, message):
    _install(monkeypatch, "tests_nonsense", _module("tests_nonsense", offers))
    (failure,) = (entry for entry in load_registry().failures() if entry.distribution == "someone")
    assert message in (failure.error or "")


def test_load__class_that_breaks_the_contract(monkeypatch):
    module = _module("tests_wrong_class", [Offer("wrong", "tests_wrong_class:Thing", "")])
    vars(module)["Thing"] = int
    _install(monkeypatch, "tests_wrong_class", module)
    with pytest.raises(ContractError, match=r"must be a class that derives from genobench\.Generator"):
        load_registry().load("generator", "wrong")


def test_load__class_that_is_not_there(monkeypatch):
    _install(monkeypatch, "tests_no_class", _module("tests_no_class", [Offer("ghost", "tests_no_class:Ghost", "")]))
    with pytest.raises(PluginLoadError, match=r"'ghost' of someone 2\.3 could not be loaded from tests_no_class:Ghost"):
        load_registry().load("generator", "ghost")


def test_find__wrong_name_gives_the_nearest():
    with pytest.raises(UnknownNameError, match=r"There is no generator 'wgann'\. Did you mean 'wgan'"):
        Registry((_entry("wgan"), _entry("copy"))).find("generator", "wgann")


def test_find__one_name_of_two_distributions():
    registry = Registry((_entry("wgan", "dist-a"), _entry("wgan", "dist-b")))
    with pytest.raises(DuplicateNameError, match=r"dist-a 1\.0 and dist-b 1\.0. Write dist-a/wgan or dist-b/wgan"):
        registry.find("generator", "wgan")
    assert registry.find("generator", "dist-b/wgan").distribution == "dist-b"


def test_code_sha256__changes_with_the_code(tmp_path, monkeypatch):
    (tmp_path / "tests_changing.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = _entry("changing", target="tests_changing:Class")
    before = code_sha256(entry)
    assert before == code_sha256(entry)
    (tmp_path / "tests_changing.py").write_text("x = 2\n")
    assert code_sha256(entry) != before


def test_load_registry__plugin_that_exits_or_prints_at_import(tmp_path, monkeypatch, capsys):
    """Results go to stdout, so nothing that a plugin prints may."""
    (tmp_path / "tests_leaves.py").write_text("print('junk')\nraise SystemExit(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PluginLoadError, match="SystemExit: 0"):
        load_target("metric", _entry("leaves", target="tests_leaves:Class"))
    assert capsys.readouterr().out == ""
