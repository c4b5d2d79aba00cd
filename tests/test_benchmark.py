"""The walk on a small imported dataset: outcomes, bands, resuming, tuning."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest

from genobench.benchmark import GeneratorPlan, Plan, prepare, run
from genobench.datasets import TraitRequest, import_dataset
from genobench.errors import GenobenchError, SettingsError, UnknownNameError
from genobench.formats import write_genotypes
from genobench.generating import generate_from_cell
from genobench.leaderboard import standings
from genobench.outcomes import Outcome, board_name, read_local_outcomes
from genobench.registry import load_registry
from genobench.testing.examples import example_genotypes

METRICS = ("allele-frequency", "ld-decay", "precision-recall", "copies", "membership-distance", "tstr-values")
"""Some of each family; that the others keep the rules of metrics is tested with each of them."""


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """A home with a small dataset, and what one run of two controls gave."""
    patch = pytest.MonkeyPatch()
    home = tmp_path_factory.mktemp("home")
    patch.setenv("GENOBENCH_HOME", str(home))
    path = home / "example.npz"
    write_genotypes(example_genotypes(n_samples=240, n_variants=80), path)
    import_dataset("example", path, traits=TraitRequest(columns=("weight",), covariates=("sex",), family="family"))
    plan = Plan(dataset="example", generators=(GeneratorPlan("independent"), GeneratorPlan("copy")), device="cpu", metrics=METRICS)
    outcomes = list(run(plan, registry=load_registry(), home=home))
    yield home, plan, outcomes
    patch.undo()


def _score(outcome, name):
    return next(score for score in outcome.scores if score.metric == name)


def test_run__gives_an_outcome_for_every_cell(walked):
    _, _, outcomes = walked
    assert [(outcome.generator, outcome.status, outcome.is_control) for outcome in outcomes] == [
        ("independent", "ok", True),
        ("copy", "ok", True),
    ]


def test_run__every_score_has_noise_or_a_reason(walked):
    _, _, outcomes = walked
    for score in outcomes[0].scores:
        assert score.reason or score.bounds is not None, score.metric


def test_run__every_fidelity_score_has_a_band_of_100_draws(walked):
    _, _, outcomes = walked
    bands = [score.band for score in outcomes[0].scores if score.family == "fidelity" and not score.is_missing]
    assert bands
    assert all(band is not None and band.n_draws == 100 for band in bands)


def test_run__copy_is_found_out(walked):
    _, _, (_, copy) = walked
    assert _score(copy, "membership_auc").value >= 0.99


def test_run__again_gives_the_same_outcomes_and_fits_nothing(walked):
    home, plan, outcomes = walked
    events: list[str] = []
    again = list(run(plan, registry=load_registry(), home=home, on_event=lambda event: events.append(event["event"])))
    assert [outcome.to_json() for outcome in again] == [outcome.to_json() for outcome in outcomes]
    assert "phase" not in events, "no worker was started"


def test_run__same_seed_same_scores_in_a_fresh_home(walked, tmp_path, monkeypatch):
    _, plan, outcomes = walked
    monkeypatch.setenv("GENOBENCH_HOME", str(tmp_path / "other"))
    path = tmp_path / "example.npz"
    write_genotypes(example_genotypes(n_samples=240, n_variants=80), path)
    import_dataset("example", path, traits=TraitRequest(columns=("weight",), covariates=("sex",), family="family"))
    one = dataclasses.replace(plan, generators=plan.generators[:1])
    (other,) = run(one, registry=load_registry(), home=tmp_path / "other")
    assert other.cell_id == outcomes[0].cell_id
    assert [score.value for score in other.scores if not score.is_missing] == [
        score.value for score in outcomes[0].scores if not score.is_missing
    ]


def test_run__outcomes_lie_beside_their_cells(walked):
    home, _, outcomes = walked
    assert {outcome.cell_id for outcome, _ in read_local_outcomes(home, pytest.fail)} >= {outcome.cell_id for outcome in outcomes}


def test_run__writes_a_report(walked):
    home, _, outcomes = walked
    page = (home / "cells" / outcomes[0].cell_id / "report.html").read_text()
    assert all(score.metric in page for score in outcomes[0].scores)
    assert page.count("data:image/svg+xml;base64,") > 5


def test_run__tunes_on_validation_and_reports_the_best(walked, caplog):
    logging.getLogger("optuna").addHandler(caplog.handler)
    home, plan, _ = walked
    tuned = dataclasses.replace(plan, generators=(GeneratorPlan("leaky"),), trials=2, objective="allele_frequency_error")
    events: list[dict[str, Any]] = []
    (outcome,) = run(tuned, registry=load_registry(), home=home, on_event=lambda event: events.append(dict(event)))
    assert [event["trial"] for event in events if event["event"] == "trial-end"] == [1, 2]
    assert outcome.status == "ok"
    repeated: list[dict[str, Any]] = []
    (again,) = run(tuned, registry=load_registry(), home=home, on_event=lambda event: repeated.append(dict(event)))
    assert again.cell_id == outcome.cell_id
    assert not [event for event in repeated if event["event"] == "trial"], "the study was finished"
    logging.getLogger("optuna").removeHandler(caplog.handler)
    assert "lock file" not in caplog.text, "the journal has a lock of its own"


def test_run__tunes_on_the_first_split_and_keeps_the_settings_on_the_others(walked, monkeypatch):
    """Plans and outcomes alone: what is fitted and scored is told above."""
    home, plan, outcomes = walked
    ran: list[Plan] = []

    def prepare_nothing(pair: Plan, **_: object) -> Plan:
        ran.append(pair)
        return pair

    def end_at_once(pair: Plan, _on_event: object) -> list[Outcome]:
        return [
            dataclasses.replace(outcomes[0], generator=wanted.name.rpartition("/")[2], settings={"share": 0.1}, seed=seed, scores=())
            for wanted in pair.generators
            for seed in pair.seeds
        ]

    monkeypatch.setattr("genobench.benchmark.prepare", prepare_nothing)
    monkeypatch.setattr("genobench.benchmark.run_prepared", end_at_once)
    pairs = dataclasses.replace(plan, generators=(GeneratorPlan("copy"), GeneratorPlan("leaky")), trials=2, n_splits=3, seeds=(0, 1))
    assert len(list(run(pairs, registry=load_registry(), home=home))) == 12
    assert [(one.split_seed, one.seeds, one.trials) for one in ran] == [(0, (0, 1), 2), (1, (2, 3), 0), (2, (4, 5), 0)]
    assert ran[2].generators == (GeneratorPlan("genobench/copy", {"share": 0.1}), GeneratorPlan("genobench/leaky", {"share": 0.1}))


def test_run__of_two_splits_is_one_row(walked):
    home, plan, _ = walked
    pairs = dataclasses.replace(plan, generators=plan.generators[:1], metrics=("copies",), n_splits=2)
    outcomes = list(run(pairs, registry=load_registry(), home=home))
    assert [(one.split["seed"], one.seed) for one in outcomes] == [(0, 0), (1, 1)]
    assert [(row.label, row.n_splits) for row in standings(outcomes).rows] == [("independent", 2)]


def test_run__cells_of_a_budget_are_cells_of_their_own(walked):
    home, plan, outcomes = walked
    limited = dataclasses.replace(plan, generators=plan.generators[:1], metrics=("copies",), budget="60cpu-s")
    (outcome,) = run(limited, registry=load_registry(), home=home)
    assert (outcome.budget, board_name(outcome)) == ("1cpu-min", "example.family.1cpu-min")
    assert outcome.cell_id != outcomes[0].cell_id
    assert 0 < outcome.processor_seconds["load"] < 60


def test_generate_from_cell__generates_more_from_the_saved_model(walked):
    home, _, outcomes = walked
    drawn = [
        generate_from_cell(
            outcomes[0].cell_id[:8], n_samples=7, seed=seed, home=home, registry=load_registry(), on_event=lambda _event: None
        )
        for seed in (5, 5, 6)
    ]
    assert drawn[0].calls.shape == (7, 80)
    assert (drawn[0].to_array() == drawn[1].to_array()).all()
    assert (drawn[0].to_array() != drawn[2].to_array()).any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"dataset": "exmaple"}, UnknownNameError, "example"),
        ({"generators": (GeneratorPlan("indpendent"),)}, UnknownNameError, "Did you mean 'independent'"),
        ({"generators": (GeneratorPlan("leaky", {"shar": "0.1"}),)}, SettingsError, "Did you mean 'share'"),
        ({"trait": "height"}, GenobenchError, "its traits are: weight"),
        ({"device": "cuda:99x"}, GenobenchError, "is no device"),
        ({"trials": 1, "objective": "no_such_score"}, UnknownNameError, "There is no score 'no_such_score'"),
        ({"budget": "3 minutes"}, GenobenchError, "'3 minutes' is no budget"),
        ({"budget": "10gpu-min"}, GenobenchError, "A budget of 10 GPU-minutes is for the device cuda, and cpu was asked for"),
        ({"metrics": ("aatss",)}, UnknownNameError, "Did you mean 'aats'"),
        ({"n_devices": 0}, GenobenchError, "0 devices were asked for"),
        ({"n_devices": 2}, GenobenchError, "genobench/independent cannot be fitted so: Independent cannot share a fit among 2 devices"),
    ],
)
def test_prepare__wrong_name_ends_before_anything_is_fitted(walked, change, error, message):
    home, plan, _ = walked
    with pytest.raises(error, match=message):
        prepare(dataclasses.replace(plan, **change), registry=load_registry(), home=home)


def test_prepared__hands_on_causal_variants_and_stays_the_same_split(walked):
    """What is named beside genotypes changes no identity, so that cells, records and bands stay valid."""
    home, plan, _ = walked
    prepared = prepare(plan, registry=load_registry(), home=home)
    named = dataclasses.replace(prepared, dataset=dataclasses.replace(prepared.dataset, causal={"variant0001": 0.5}))
    assert prepared.real_parts().causal is None
    assert named.real_parts().causal == {"variant0001": 0.5}
    assert named.real_parts().identity == prepared.real_parts().identity
    assert named.comparison(prepared.store("train")).causal == {"variant0001": 0.5}
