"""Rows and columns of a board, from outcomes."""

from __future__ import annotations

import json

import pytest

from genobench.errors import GenobenchError
from genobench.leaderboard import standings


def test_standings__do_not_depend_on_the_order_of_the_outcomes(board_outcomes):
    assert standings(board_outcomes).to_json() == standings(board_outcomes[::-1]).to_json()


def test_standings__give_every_planned_generator_a_row(board_outcomes):
    table = standings(board_outcomes)

    assert {row.generator for row in table.rows} == {outcome.generator for outcome in board_outcomes}
    failed = next(row for row in table.rows if row.generator == "ctgan")
    assert (failed.statuses, failed.place) == ({"out-of-memory": 3}, None)
    assert failed.messages == ("out-of-memory in fit: the worker asked for more than 8 GiB.",)


def test_standings__count_a_failed_seed_with_its_generator(board_outcomes):
    vae = next(row for row in standings(board_outcomes).rows if row.generator == "vae")

    assert vae.statuses == {"ok": 3, "timeout": 1}
    assert vae.estimates["membership_auc"].n_seeds == 3


def test_standings__tell_settings_apart(board_outcomes):
    labels = {row.label for row in standings(board_outcomes).rows}

    assert {"leaky (share=0.01)", "leaky (share=0.1)", "wgan"} <= labels


def test_standings__tell_other_code_of_one_version_apart(make_outcome):
    labels = {row.label for row in standings([make_outcome("vae"), make_outcome("vae", 1, code_sha256="a" * 64)]).rows}

    assert labels == {"vae (code ffffff)", "vae (code aaaaaa)"}


def test_standings__compare_only_the_newest_version_of_a_score(make_outcome, make_score):
    old = make_outcome("vae", scores=(make_score("membership_auc", 0.5, version=1),))
    new = make_outcome("wgan", scores=(make_score("membership_auc", 0.7, version=2),))

    rows = {row.generator: row for row in standings([old, new]).rows}

    assert rows["vae"].estimates["membership_auc"].is_missing
    assert "version 1 of the definition; the board compares version 2" in rows["vae"].estimates["membership_auc"].reasons[0]


@pytest.mark.parametrize("change", [{"trait": "milk"}, {"dataset_sha256": "a" * 64}, {"split": {"scheme": "family", "sha256": "b" * 64}}])
def test_standings__refuse_what_may_not_be_compared(make_outcome, change):
    with pytest.raises(GenobenchError, match="one dataset, split and trait; these are of 2"):
        standings([make_outcome("vae"), make_outcome("wgan", **change)])


def test_standings__of_nothing_are_refused():
    with pytest.raises(GenobenchError, match="these are of 0: none"):
        standings([])


def test_standings__become_json_without_nan(board_outcomes):
    text = json.dumps(standings(board_outcomes).to_json(), allow_nan=False)

    rows = {row["label"]: row for row in json.loads(text)["rows"]}
    assert rows["ctgan"]["estimates"]["ridge_r2"]["mean"] is None
