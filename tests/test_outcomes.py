"""Outcomes: the JSON form loses nothing and lets nothing else in."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from genobench.errors import GenobenchError
from genobench.outcomes import (
    Band,
    Outcome,
    ScoreRecord,
    board_name,
    read_local_outcomes,
    read_outcome,
    settings_sha256,
    write_outcome,
)

if TYPE_CHECKING:
    from pathlib import Path

    from genobench.contracts import Direction

BAND = Band(mean=0.5, standard_deviation=0.02, low=0.46, high=0.54, n_draws=100)
AUC = ScoreRecord(
    metric="membership_auc",
    family="privacy",
    value=0.58,
    interval=(0.52, 0.64),
    band=BAND,
    unit="AUC",
    direction="target",
    ideal=0.5,
    version=1,
    is_primary=True,
    plugin="genobench/membership",
)
MISSING = ScoreRecord(
    metric="tpr_at_1_percent",
    family="privacy",
    value=math.nan,
    unit="share",
    direction="lower",
    version=1,
    plugin="genobench/membership",
    reason="195 nonmembers; 1,000 are needed.",
)
OUTCOME = Outcome(
    cell_id="c1",
    status="ok",
    phase="done",
    dataset="cattle-demo",
    dataset_sha256="d" * 64,
    split={"scheme": "family", "seed": 0, "sha256": "e" * 64, "n": {"train": 1072, "holdout": 390}, "largest_kinship": 0.05},
    trait="fat",
    generator="wgan",
    distribution="genobench-neural",
    plugin_version="0.1.0",
    code_sha256="f" * 64,
    settings={"n_steps": 100, "rate": 0.5, "layers": [3, 2]},
    seed=3,
    n_generated=390,
    scores=(AUC, MISSING),
    timings={"fit": 1.5},
    peak_memory_bytes={"host": 10, "gpu": None},
    created_at="2026-01-02T03:04:05+00:00",
)


def test_outcome_json__round_trip_through_text_is_the_identity():
    text = json.dumps(OUTCOME.to_json(), allow_nan=False)

    back = Outcome.from_json(json.loads(text))

    assert back.scores[0] == AUC
    assert math.isnan(back.scores[1].value)
    assert replace(back, scores=()) == replace(OUTCOME, scores=())
    assert json.dumps(back.to_json()) == text


def test_outcome_json__writes_nan_as_null():
    assert OUTCOME.to_json()["scores"][1]["value"] is None


def test_outcome_json__takes_numpy_scalars():
    outcome = replace(OUTCOME, settings={"n": np.int64(3), "rate": np.float32(0.5)})

    assert json.loads(json.dumps(outcome.to_json()))["settings"] == {"n": 3, "rate": 0.5}


def test_outcome_json__refuses_values_that_are_not_json():
    with pytest.raises(GenobenchError, match="of type object; it must hold JSON values only"):
        replace(OUTCOME, settings={"n": object()}).to_json()


def test_outcome_json__of_schema_2_is_one_without_a_budget():
    old = {name: value for name, value in OUTCOME.to_json().items() if name not in ("budget", "processor_seconds")} | {"schema": 2}

    assert Outcome.from_json(old) == replace(OUTCOME, budget="", processor_seconds={})


def test_board_name__says_the_budget():
    assert board_name(replace(OUTCOME, budget="3cpu-min")) == f"{board_name(OUTCOME)}.3cpu-min"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "has schema 99; this genobench reads 2, 3"),
        ({"colour": "red"}, "of Outcome has the unknown key 'colour'"),
        ({"scores": [{**AUC.to_json(), "sd": 1}]}, "of ScoreRecord has the unknown key 'sd'"),
        ({"scores": [{**AUC.to_json(), "band": {"mean": 0.5}}]}, "of Band lacks the key 'high'"),
        ({"status": "fine"}, "has status 'fine'; it must be one of ok, failed"),
        ({"scores": [AUC.to_json(), AUC.to_json()]}, "the score 'membership_auc' more than once"),
    ],
)
def test_outcome_json__refuses_what_it_does_not_know(change, message):
    with pytest.raises(GenobenchError, match=message):
        Outcome.from_json({**OUTCOME.to_json(), **change})


def test_outcome_json__refuses_a_missing_key():
    values = OUTCOME.to_json()
    del values["seed"]

    with pytest.raises(GenobenchError, match="lacks the key 'seed'"):
        Outcome.from_json(values)


def test_score_bounds__are_196_standard_errors_or_the_stated_interval():
    by_error = replace(AUC, interval=None, standard_error=0.01)

    assert by_error.bounds == pytest.approx((0.5604, 0.5996), abs=1e-4)
    assert AUC.bounds == (0.52, 0.64)
    assert AUC.error == pytest.approx(0.12 / 3.92, abs=1e-5)


def test_score_bounds__are_none_where_nothing_is_known():
    assert MISSING.bounds is None
    assert replace(AUC, interval=None).bounds is None
    assert replace(AUC, interval=None).error is None


def test_scaled__is_0_for_the_control_and_1_for_real_samples():
    error = replace(AUC, family="fidelity", direction="lower", value=0.62, anchor=0.9)
    assert error.scaled == pytest.approx(1 - 0.12 / 0.4)
    assert replace(error, value=0.9).scaled == pytest.approx(0)
    assert replace(AUC, direction="lower", value=0.6, anchor=1.0).scaled == pytest.approx(0.2)


@pytest.mark.parametrize(("direction", "anchor"), [("higher", 0.6), ("lower", 0.4), ("higher", 0.45), ("lower", 0.55), ("target", 0.55)])
def test_scaled__is_none_where_the_control_is_no_worse_than_real_samples(direction: Direction, anchor: float):
    """A precision of 0.1 beside a band about 0.5 and a control at 0.6 must not come out far above 1."""
    score = replace(AUC, family="fidelity", direction=direction, value=0.1, anchor=anchor)
    assert not score.has_headroom
    assert score.scaled is None


def test_scaled__is_none_for_an_attack_too_noisy_to_place_anything():
    """Kinship of independent samples: .62 with an error of .11, where copies reach .65 themselves."""
    attack = replace(AUC, direction="lower", value=0.62, anchor=0.65, interval=None, standard_error=0.01)
    assert attack.scaled is not None
    assert replace(attack, standard_error=0.11).scaled is None


def test_board_name__is_dataset_and_scheme():
    assert board_name(OUTCOME) == "cattle-demo.family"


def test_score__is_found_by_name():
    assert OUTCOME.score("membership_auc") == AUC
    assert OUTCOME.score("absent") is None


def test_settings_sha256__does_not_depend_on_order():
    assert settings_sha256({"a": 1, "b": [1, 2]}) == settings_sha256({"b": (1, 2), "a": 1})
    assert settings_sha256({"a": 1}) != settings_sha256({"a": 2})


def test_local_outcomes__are_read_in_the_order_of_their_ends(tmp_path: Path):
    late, early = replace(OUTCOME, cell_id="a", created_at="2026-02-01T00:00:00+00:00"), replace(OUTCOME, cell_id="b")
    for outcome in (late, early):
        write_outcome(outcome, tmp_path / "cells" / outcome.cell_id)
    (tmp_path / "cells" / "unfinished").mkdir()

    found = read_local_outcomes(tmp_path, pytest.fail)

    assert [outcome.cell_id for outcome, _ in found] == ["b", "a"]
    assert found[0][1] == tmp_path / "cells" / "b"


def test_local_outcomes__of_a_fresh_home_are_none(tmp_path: Path):
    assert read_local_outcomes(tmp_path, pytest.fail) == []


def test_local_outcomes__leave_out_what_cannot_be_read_and_say_so(tmp_path: Path):
    write_outcome(OUTCOME, tmp_path / "cells" / OUTCOME.cell_id)
    old = tmp_path / "cells" / "older" / "outcome.json"
    old.parent.mkdir()
    old.write_text('{"schema": 0}')
    complaints: list[str] = []

    found = read_local_outcomes(tmp_path, complaints.append)

    assert [outcome for outcome, _ in found] == [OUTCOME]
    assert str(old) in complaints[0]
    assert "schema 0" in complaints[0]


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_read_outcome__names_the_file_that_is_none(tmp_path: Path, text: str):
    path = tmp_path / "outcome.json"
    path.write_text(text)

    with pytest.raises(GenobenchError, match=r"outcome\.json is not an outcome that can be read"):
        read_outcome(path)


def test_local_outcomes__of_another_version_are_told_in_few_lines(tmp_path: Path):
    for number in range(7):
        folder = tmp_path / "cells" / str(number)
        folder.mkdir(parents=True)
        (folder / "outcome.json").write_text('{"schema": 1}')
    told: list[str] = []
    assert read_local_outcomes(tmp_path, told.append) == []
    assert len(told) == 4
    assert told[-1] == "4 more outcomes cannot be read and are left out likewise."
