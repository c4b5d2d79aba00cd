"""A suite is a class to subclass: pytest finds one test a rule, and a broken plugin fails the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from genobench.builtin.linear.ridge import RidgeRegression
from genobench.errors import SettingsError
from genobench.testing import RULES, Check, FixedTrial, GeneratorSuite, check_plugin, iterate_checks
from genobench.testing.saved_files import find_unsafe_file
from genobench_example.segments import Segments

if TYPE_CHECKING:
    from pathlib import Path

    from genobench import FitContext, Genotypes
    from genobench.registry import Kind

pytest_plugins = ["pytester"]

_SUITE = """
    from dataclasses import dataclass
    from genobench.testing import GeneratorSuite
    from genobench_example.segments import Segments

    @dataclass(frozen=True)
    class WithoutFit(Segments):
        "Raises in fit."

        def fit(self, train, context):
            raise RuntimeError("nothing to learn")

    class TestSegments(GeneratorSuite):
        plugin = Segments
        settings = {"segment_variants": 7}

    class TestWithoutFit(GeneratorSuite):
        plugin = WithoutFit
"""


def test_suite__one_test_a_rule_and_a_readable_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(_SUITE)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] + outcomes["failed"] == 2 * len(RULES["generator"])
    # Six rules need no fit: those on the docstring and the settings, and that a foreign folder is refused.
    assert outcomes["passed"] == len(RULES["generator"]) + 6
    result.stdout.fnmatch_lines(["*ContractError: *WithoutFit breaks the rule fit_gives_a_sampler (*RuntimeError: nothing to learn*"])


@pytest.mark.parametrize(("named", "device"), [("cuda:7", "cuda:7"), (None, "cpu")])
def test_suite__fits_on_the_device_that_the_environment_names(named: str | None, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GENOBENCH_TEST_DEVICE", raising=False)
    if named:
        monkeypatch.setenv("GENOBENCH_TEST_DEVICE", named)

    class OfSegments(GeneratorSuite):
        plugin = Segments

    def is_fitted_there(subject: Any) -> str | None:
        """Fits are on the device."""
        return None if subject.device == device else f"{subject.device}."

    OfSegments.setup_class()
    OfSegments().test_rule(is_fitted_there)
    OfSegments.teardown_class()


@pytest.mark.parametrize(("kind", "plugin"), [("generator", Segments), ("classifier", RidgeRegression)])
def test_check_plugin__fits_on_the_device_asked_for(kind: Kind, plugin: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fit, devices = plugin.fit, set()

    def noting(self: Any, train: Genotypes, context: FitContext) -> Any:
        devices.add(context.device)
        return fit(self, train, context)

    monkeypatch.setattr(plugin, "fit", noting)
    check_plugin(kind, plugin, device="cuda:7")
    assert devices == {"cuda:7"}


def test_iterate_checks__gives_each_check_as_it_is_done() -> None:
    first = next(iter(iterate_checks("generator", Segments)))
    assert first == Check(rule="is_documented", ok=True)


def test_check_plugin__wrong_settings_are_the_callers_fault() -> None:
    with pytest.raises(SettingsError, match=r"no setting 'segment'\. Did you mean 'segment_variants'"):
        check_plugin("generator", Segments, {"segment": 3})


def test_fixed_trial__stays_within_the_range() -> None:
    for place in (0.0, 0.3, 1.0):
        trial = FixedTrial(place)
        assert 1e-4 <= trial.suggest_float("rate", 1e-4, 1e-1, log=True) <= 1e-1
        assert trial.suggest_float("dropout", 0.0, 0.5, step=0.25) in (0.0, 0.25, 0.5)
        assert trial.suggest_int("width", 64, 256, step=64) in (64, 128, 192, 256)
        assert trial.suggest_categorical("norm", ["batch", "none"]) in ("batch", "none")


def test_fixed_trial__reaches_both_ends() -> None:
    assert [FixedTrial(place).suggest_int("width", 64, 256, step=64) for place in (0.0, 1.0)] == [64, 256]
    assert FixedTrial(0.5).suggest_float("rate", 1e-4, 1e-2, log=True) == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.pt", b"PK\x03\x04", "model.pt; a saved model is made of"),
        ("model.safetensors", b"\x02\x00\x00\x00\x00\x00\x00\x00xx", "model.safetensors, which is not what its name says"),
        ("model.parquet", b"\x80\x04\x95", "begins as a pickle or an archive does"),
        ("notes.txt", b"\x80\x04\x95", "notes.txt, which is not what its name says"),
    ],
)
def test_find_unsafe_file__names_the_file(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in str(find_unsafe_file(tmp_path))


def test_find_unsafe_file__passes_plain_data(tmp_path: Path) -> None:
    import numpy as np
    import safetensors.numpy

    safetensors.numpy.save_file({"weights": np.zeros(3)}, tmp_path / "model.safetensors")
    np.savez(tmp_path / "arrays.npz", calls=np.zeros(3))
    (tmp_path / "settings.json").write_text("{}")
    assert find_unsafe_file(tmp_path) is None
