"""Rows and columns of a board, from outcomes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from genobench.errors import GenobenchError
from genobench.leaderboard import standings
from genobench.leaderboard.text import status_text
from genobench.outcomes import Band


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


@pytest.mark.parametrize(
    "change", [{"trait": "milk"}, {"dataset_sha256": "a" * 64}, {"split": {"scheme": "random", "sha256": "b" * 64}}, {"budget": "3cpu-min"}]
)
def test_standings__refuse_what_may_not_be_compared(make_outcome, change):
    with pytest.raises(GenobenchError, match="one board, dataset and trait; these are of 2"):
        standings([make_outcome("vae"), make_outcome("wgan", **change)])


def test_standings__of_nothing_are_refused():
    with pytest.raises(GenobenchError, match="these are of 0: none"):
        standings([])


def test_standings__become_json_without_nan(board_outcomes):
    text = json.dumps(standings(board_outcomes).to_json(), allow_nan=False)

    rows = {row["label"]: row for row in json.loads(text)["rows"]}
    assert rows["ctgan"]["estimates"]["ridge_r2"]["mean"] is None


def _split(seed: int) -> dict[str, Any]:
    counts = {"train": 550, "validation": 100, "holdout": 200, "nonmembers": 150}
    return {"scheme": "family", "seed": seed, "sha256": f"{seed}" * 64, "n": counts, "largest_kinship": 0.01 * seed}


def test_standings__average_over_splits_with_bands_and_ceilings_of_their_own(make_outcome, make_score):
    """Two splits, one with two seeds; the second split's real samples score .02 more."""
    band = Band(mean=0.01, standard_deviation=0.002, low=0.006, high=0.014, n_draws=100)
    other = Band(mean=0.03, standard_deviation=0.004, low=0.022, high=0.038, n_draws=100)
    cells = [(0, 0, 0.02, band), (0, 1, 0.04, band), (1, 2, 0.09, other)]
    outcomes = [
        make_outcome("wgan", seed, split=_split(split), scores=(make_score("ld_decay_error", value, error=0.01, band=band, ceiling=value),))
        for split, seed, value, band in cells
    ]

    table = standings([*outcomes, make_outcome("vae", 0, split=_split(0), scores=(make_score("ld_decay_error", 0.02),))])

    row = next(row for row in table.rows if row.generator == "wgan")
    found = row.estimates["ld_decay_error"]
    assert found.mean == pytest.approx(0.06)
    assert (found.n_seeds, found.n_splits) == (3, 2)
    assert found.spread == pytest.approx(np.std([0.02, 0.04, 0.09], ddof=1))
    assert found.band is not None
    numbers = (found.band.mean, found.band.standard_deviation, found.band.low, found.band.high)
    assert numbers == pytest.approx((0.02, 0.003, 0.014, 0.026))
    assert [split["seed"] for split in table.splits] == [0, 1]
    assert status_text(row, len(table.splits)) == "3 of 3"
    assert status_text(next(row for row in table.rows if row.generator == "vae"), 2) == "1 of 1 (1 of 2 splits)"


def test_standings__shorten_a_long_setting_in_a_label(make_outcome):
    long = [make_outcome("command", seed, settings={"program": f"Rscript {'very-' * 20}{seed}.R"}) for seed in range(2)]

    labels = [f"command (program=Rscript very-ver…ry-very-very-{seed}.R)" for seed in range(2)]
    assert sorted(row.label for row in standings(long).rows) == labels


@pytest.mark.parametrize(
    ("device", "recorded", "clock", "seconds"),
    [("cpu", {"fit": 40.0}, "processor", 40.0), ("cpu", {}, "wall", 60.0), ("cuda", {"fit": 40.0}, "wall", 60.0)],
)
def test_standings__time_fits_in_processor_seconds_where_all_have_them(make_outcome, device, recorded, clock, seconds):
    known = make_outcome("wgan", 0, processor_seconds={"fit": 40.0}, environment={"device": "cpu"})
    other = make_outcome("markov", 0, processor_seconds=recorded, environment={"device": device})

    shown = standings([known, other])

    assert shown.fit_clock == clock
    assert {row.label: row.fit_seconds for row in shown.rows} == {"wgan": seconds, "markov": seconds}


def test_standings__take_splits_of_a_few_more_training_samples_for_one_row(make_outcome):
    splits = [{**_split(seed), "n": {**_split(seed)["n"], "train": 550 + seed}} for seed in range(2)]
    asked = [make_outcome("wgan", seed, split=split) for seed, split in enumerate(splits)]
    failed = make_outcome("wgan", 2, split=splits[0], n_generated=0, status="timeout", phase="fit", message="too slow")
    more = make_outcome("wgan", 0, split=splits[0], n_generated=5000, cell_id="more")

    shown = {row.label: set(row.cells) for row in standings([*asked, failed]).rows}
    beside = {row.label: row.n_asked for row in standings([*asked, more]).rows}

    assert shown == {"wgan": {outcome.cell_id for outcome in (*asked, failed)}}
    assert beside == {"wgan": None, "wgan (n=5000)": 5000}
