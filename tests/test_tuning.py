"""Studies: where they begin, what they keep, and that a cut one goes on as one in a single piece would have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from genobench.contracts import Generator
from genobench.errors import CellError, ContractError
from genobench.registry import load_registry, load_target
from genobench.testing import FixedTrial
from genobench.tuning import Objective, tune

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from genobench.contracts import Sampler

LOWER = Objective("error", direction="lower", ideal=0.0)


@dataclass(frozen=True)
class _Curve(Generator):
    rate: float = 0.5
    widths: tuple[int, ...] = (8, 4)
    depth: int = 2

    @classmethod
    def suggest(cls, trial) -> _Curve:
        return cls(rate=trial.suggest_float("rate", 0.0, 1.0))

    def fit(self, train, context):
        raise NotImplementedError

    @classmethod
    def load(cls, folder) -> Sampler:
        raise NotImplementedError


def _tune(folder: Path, evaluate: Callable[[Any, int], float], *, n_trials: int, objective: Objective = LOWER, **fixed: Any) -> Any:
    return tune(_Curve, fixed=fixed, evaluate=evaluate, objective=objective, n_trials=n_trials, seed=3, storage=folder / "study.log")


OFFERS = [entry for kind in ("generator", "classifier") for entry in load_registry().offers(kind)]


@pytest.mark.parametrize("offer", [pytest.param(entry, id=f"{entry.kind}-{entry.name}") for entry in OFFERS])
def test_tune__every_plugin_is_tried_at_its_defaults_and_then_elsewhere(offer, tmp_path):
    """Defaults may be no point of the search space: None for what a preset or the data say, 0 for none at all."""
    plugin, asked = load_target(offer.kind, offer), []

    def evaluate(settings, number):
        asked.append(settings)
        return float(number)

    best = tune(plugin, fixed={}, evaluate=evaluate, objective=LOWER, n_trials=4, seed=3, storage=tmp_path / "study.log")
    assert asked[0] == best == plugin()
    assert [type(settings) for settings in asked] == [plugin] * 4
    has_space = plugin.suggest(FixedTrial(0.0)) != plugin.suggest(FixedTrial(1.0))
    assert (len(set(map(repr, asked))) > 1) == has_space


@dataclass(frozen=True)
class _Broken(_Curve):
    @classmethod
    def suggest(cls, trial) -> _Broken:
        return cls(**trial.params["a rate never asked for"])


def test_tune__a_suggest_that_is_broken_ends_before_anything_is_fitted(tmp_path):
    with pytest.raises(ContractError, match=r"_Broken\.suggest gave no settings: KeyError"):
        tune(
            _Broken,
            fixed={},
            evaluate=lambda _settings, _number: pytest.fail("a fit for nothing"),
            objective=LOWER,
            n_trials=1,
            seed=3,
            storage=tmp_path / "study.log",
        )


@pytest.mark.parametrize(
    ("direction", "ideal", "better", "worse"), [("lower", 0.0, 0.1, 0.2), ("higher", 1.0, 0.9, 0.8), ("target", 0.5, 0.45, 0.6)]
)
def test_objective__a_better_value_has_the_smaller_loss(direction, ideal, better, worse):
    objective = Objective("score", direction=direction, ideal=ideal)
    assert objective.loss(better) < objective.loss(worse)


def test_tune__begins_with_the_defaults_and_keeps_what_is_fixed(tmp_path):
    asked: list[_Curve] = []

    def evaluate(settings, number):
        assert number == len(asked)
        asked.append(settings)
        return abs(settings.rate - 0.2)

    best = _tune(tmp_path, evaluate, n_trials=6, depth=7)
    assert asked[0] == _Curve(depth=7)
    assert {settings.depth for settings in asked} == {7}
    assert best == min(asked, key=lambda settings: abs(settings.rate - 0.2))
    assert best.widths == (8, 4), "settings come back from the journal with their own types"


def test_tune__a_study_that_was_cut_off_asks_what_one_in_a_single_piece_asks(tmp_path):
    asked: dict[str, list[float]] = {"whole": [], "cut": []}
    kills = [3]

    def evaluate(settings, number, name):
        if name == "cut" and number in kills:
            kills.remove(number)
            raise KeyboardInterrupt
        asked[name].append(settings.rate)
        return settings.rate

    for name in asked:
        (tmp_path / name).mkdir()
    _tune(tmp_path / "whole", partial(evaluate, name="whole"), n_trials=5)
    with pytest.raises(KeyboardInterrupt):
        _tune(tmp_path / "cut", partial(evaluate, name="cut"), n_trials=5)
    _tune(tmp_path / "cut", partial(evaluate, name="cut"), n_trials=5)
    assert asked["cut"] == asked["whole"]


def test_tune__a_finished_study_evaluates_nothing(tmp_path):
    first = _tune(tmp_path, lambda settings, _: settings.rate, n_trials=3)
    assert _tune(tmp_path, lambda _settings, _number: pytest.fail("nothing is left to try"), n_trials=3) == first


def test_tune__without_a_value_is_an_error(tmp_path):
    with pytest.raises(CellError, match="None of the 2 trials of the study gave a value of 'error'"):
        _tune(tmp_path, lambda _settings, _number: math.nan, n_trials=2)


def test_tune__a_value_that_was_not_told_before_a_kill_counts(tmp_path, monkeypatch):
    def cut(*_arguments: Any, **_values: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("optuna.study.Study.tell", cut)
        with pytest.raises(KeyboardInterrupt):
            _tune(tmp_path, lambda _settings, _number: 0.25, n_trials=1)
    assert _tune(tmp_path, lambda _settings, _number: math.nan, n_trials=1) == _Curve()


def test_tune__damaged_journal_says_what_to_do(tmp_path):
    _tune(tmp_path, lambda _settings, _number: 0.25, n_trials=1)
    journal = tmp_path / "study.log"
    journal.write_bytes(b"\x00junk\n" + journal.read_bytes())
    with pytest.raises(CellError, match=r"study\.log of the study is damaged .* Remove it"):
        _tune(tmp_path, lambda _settings, _number: 0.25, n_trials=1)
