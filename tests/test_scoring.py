"""The scoring worker: bands, and metrics that raise."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from genobench.answers import Answers
from genobench.containment import run_worker
from genobench.contracts import Metric, Score, ScoreSpec
from genobench.registry import load_registry
from genobench.scoring import ScoringJob, _Bench, _draws, _fingerprint, _read_comparison, _scored
from genobench.storage import write_store
from genobench.testing.examples import EXAMPLE_TRAITS

WEIGHT = EXAMPLE_TRAITS["quantitative"]
SPEC = ScoreSpec(name="one", summary="", unit="", direction="lower", ideal=0.0, version=1)


class _Raises(Metric):
    family = "fidelity"
    scores: ClassVar = (SPEC,)

    def score(self, comparison, *, seed):
        raise ZeroDivisionError("by nothing")


class _Undeclared(Metric):
    family = "fidelity"
    scores: ClassVar = (SPEC,)

    def score(self, comparison, *, seed):
        return (Score("another", 1.0),)


class _SilentNan(Metric):
    family = "fidelity"
    scores: ClassVar = (SPEC,)

    def score(self, comparison, *, seed):
        return (Score("one", math.inf),)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (_Raises(), "ZeroDivisionError: by nothing"),
        (_Undeclared(), r"declares the scores ['one'] and gave ['another']"),
        (_SilentNan(), "not finite, no reason given"),
    ],
)
def test_scored__metric_that_fails_costs_its_own_scores_with_a_reason(comparison, metric, reason):
    (score,) = _scored(metric, comparison, Answers(load_registry(), comparison.train), 0)
    assert math.isnan(score.value)
    assert reason in (score.reason or "")


def test_main__band_of_copies_of_the_holdout_is_zero(comparison, tmp_path):
    """With the holdout as training set every draw of whole groups of its own size is the holdout itself: the frequency error is 0."""
    record = tmp_path / "record.json"
    holdout = str(write_store(comparison.holdout, tmp_path / "holdout"))
    groups = {part: (np.arange(30) // 6).tolist() for part in ("train", "holdout", "nonmembers")}
    job = ScoringJob(
        metrics={"genobench/allele-frequency": str(record)},
        trait=asdict(WEIGHT),
        train=holdout,
        holdout=holdout,
        nonmembers=holdout,
        synthetic="",
        groups=groups,
        has_families=True,
        seed=0,
        n_draws=5,
    )
    ending = run_worker(
        "genobench.scoring", job.write(tmp_path / "job.json"), log=tmp_path / "log", seconds_per_phase=60.0, on_event=lambda _event: None
    )
    assert ending.status == "ok", ending.message
    band = json.loads(record.read_text())["bands"]["allele_frequency_error"]
    assert (band["mean"], band["standard_deviation"], band["n_draws"]) == (0.0, 0.0, 5)


def test_main__only_what_a_classifier_predicts_has_a_ceiling(comparison, tmp_path):
    """An association study of all training samples is cut to as many as the holdout has: that is a draw of the band."""
    files = {name: tmp_path / f"{name}.json" for name in ("tstr-values", "gwas")}
    stores: dict[str, Any] = {part: str(write_store(comparison.part(part), tmp_path / part)) for part in ("train", "holdout", "nonmembers")}
    job = ScoringJob(
        metrics={f"genobench/{name}": str(file) for name, file in files.items()},
        trait=asdict(WEIGHT),
        **stores,
        synthetic="",
        groups={part: list(range(comparison.part(part).n_samples)) for part in stores},
        has_families=False,
        seed=0,
        n_draws=2,
    )
    run_worker("genobench.scoring", job.write(tmp_path / "job.json"), log=tmp_path / "log", seconds_per_phase=60.0, on_event=lambda _: None)
    ceilings = {name: json.loads(file.read_text())["ceilings"] for name, file in files.items()}
    assert set(ceilings["tstr-values"]) == {"tstr_pearson_r", "tstr_r2"}
    assert ceilings["gwas"] == {}


def test_draws__against_train_are_for_attacks_alone(comparison):
    """Fidelity to train depends on how many samples there are, and the draws have fewer: their band would say nothing."""
    registry = load_registry()
    job = ScoringJob(
        metrics={},
        trait=asdict(WEIGHT),
        train="",
        holdout="",
        nonmembers="",
        synthetic="",
        groups={},
        has_families=True,
        seed=0,
        n_draws=3,
    )
    bench = _Bench(job=job, comparison=comparison, answers=Answers(registry, comparison.train))
    drawn = {name: len(list(_draws(bench, registry.load("metric", name)()))) for name in ("dgg-fst", "membership-distance")}
    assert drawn == {"dgg-fst": 0, "membership-distance": 3}


def test_job__hands_on_the_causal_variants(comparison, tmp_path):
    part = str(write_store(comparison.holdout, tmp_path / "part"))
    numbers = {name: list(range(comparison.holdout.n_samples)) for name in ("train", "holdout", "nonmembers")}
    parts: dict[str, Any] = dict.fromkeys(("train", "holdout", "nonmembers", "synthetic"), part)
    for causal in (None, {"variant0001": 0.5}):
        job = ScoringJob(metrics={}, trait=asdict(WEIGHT), **parts, groups=numbers, has_families=False, seed=0, causal=causal)
        assert _read_comparison(ScoringJob.read(job.write(tmp_path / "job.json"))).causal == causal


class _Pairs(_Raises):
    most_samples = 12


def test_sized_for__shows_a_metric_no_more_samples_than_it_takes(comparison):
    settings: dict[str, Any] = {"train": "", "holdout": "", "nonmembers": "", "synthetic": "", "groups": {}}
    job = ScoringJob(metrics={}, trait=asdict(WEIGHT), **settings, has_families=True, seed=0)
    bench = _Bench(job=job, comparison=comparison, answers=Answers(load_registry(), comparison.train))
    assert bench.sized_for(_Raises()) is bench
    small = bench.sized_for(_Pairs())
    assert {small.comparison.part(part).n_samples for part in ("train", "holdout", "nonmembers", "synthetic")} == {12}
    assert bench.sized_for(_Pairs()) is small
    assert set(small.comparison.train.sample_ids) <= set(comparison.train.sample_ids)


class _FewPairs(_Raises):
    most_samples = 10


def test_sized_for__draws_are_made_of_more_samples_than_stand_in(comparison):
    """Ten stand-ins out of ten training samples would be the same ten in every draw, and the band would have no width."""
    settings: dict[str, Any] = {"train": "", "holdout": "", "nonmembers": "", "synthetic": ""}
    job = ScoringJob(metrics={}, trait=asdict(WEIGHT), **settings, groups={}, has_families=False, seed=0, n_draws=8)
    bench = _Bench(job=job, comparison=comparison, answers=Answers(load_registry(), comparison.train))
    small = bench.sized_for(_FewPairs(), is_for_draws=True)
    assert [small.comparison.part(part).n_samples for part in ("train", "holdout", "nonmembers", "synthetic")] == [20, 10, 10, 10]
    drawn = list(_draws(small, _FewPairs()))
    assert {shown.synthetic.n_samples for shown in drawn} == {shown.train.n_samples for shown in drawn} == {10}
    assert len({tuple(shown.synthetic.sample_ids) for shown in drawn}) == 8


def test_with_control__is_as_many_samples_as_the_band_draws(comparison):
    settings: dict[str, Any] = {"train": "", "holdout": "", "nonmembers": "", "synthetic": ""}
    job = ScoringJob(metrics={}, trait=asdict(WEIGHT), **settings, groups={}, has_families=True, seed=0, n_synthetic=12)
    bench = _Bench(job=job, comparison=comparison, answers=Answers(load_registry(), comparison.train))
    assert bench.with_control("fidelity").comparison.synthetic.n_samples == 12
    assert bench.with_control("privacy").comparison.synthetic.n_samples == 30


def test_fingerprint__tells_a_metric_that_changed_the_tables(comparison):
    before = _fingerprint(comparison)
    assert _fingerprint(comparison) == before
    fresh = replace(comparison, holdout=comparison.holdout.take_samples(np.arange(30)))
    assert _fingerprint(fresh) == before
    fresh.holdout.samples.loc[0, "weight"] = 0.0
    assert _fingerprint(fresh) != before
