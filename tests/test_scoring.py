"""The scoring worker: draws of real samples, requests, metrics that raise."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genobench.builtin.fidelity import AlleleFrequency
from genobench.builtin.privacy import MembershipDistance
from genobench.containment import run_worker
from genobench.contracts import Comparison, Distances, Metric, Part, Predictions, Score, ScoreSpec
from genobench.registry import load_registry
from genobench.scoring import ScoringJob, _real_draws, _Requests, _scored, draw_whole_groups
from genobench.splitting.drawing import spread_over_groups
from genobench.storage import write_store
from genobench.testing.examples import EXAMPLE_TRAITS, example_genotypes

WEIGHT = EXAMPLE_TRAITS["quantitative"]
SPEC = ScoreSpec(name="one", summary="", unit="", direction="lower", ideal=0.0, version=1)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    whole = example_genotypes(n_samples=120, missing_share=0.02)
    parts = [whole.take_samples(np.arange(start, start + 30)) for start in (0, 30, 60, 90)]
    return Comparison(
        trait=WEIGHT,
        train=parts[0],
        holdout=parts[1],
        nonmembers=parts[2],
        synthetic=parts[3],
        groups={"train": np.arange(30) // 6, "holdout": np.arange(30) // 6, "nonmembers": np.arange(30) // 6},
    )


def test_draw_whole_groups__cuts_at_most_one_group():
    groups = np.repeat(np.arange(8), [1, 2, 3, 4, 5, 6, 7, 8])
    for seed in range(20):
        drawn = groups[draw_whole_groups(groups, 15, np.random.default_rng(seed))]
        cut = [group for group in np.unique(drawn) if (drawn == group).sum() < (groups == group).sum()]
        assert len(drawn) == 15
        assert len(cut) <= 1


def test_draw_whole_groups__every_group_has_its_turn():
    groups = np.repeat(np.arange(5), 4)
    seen = {group for seed in range(50) for group in groups[draw_whole_groups(groups, 4, np.random.default_rng(seed))]}
    assert seen == {0, 1, 2, 3, 4}


def test_requests__distances_of_drawn_samples_equal_those_computed_afresh(comparison):
    requests = _Requests(load_registry(), comparison.train)
    positions = np.array([3, 8, 20])
    drawn = requests.take(comparison.train, positions)
    shown = Comparison(**{**vars(comparison), "synthetic": drawn})
    got = requests.result(Distances("holdout", "synthetic", "squared-euclidean"), shown)
    holdout, synthetic = (requests._calls(part).astype(float) for part in (comparison.holdout, drawn))
    np.testing.assert_array_equal(got, cdist(holdout, synthetic, "sqeuclidean"))


def test_requests__predictions_withhold_the_trait(comparison, monkeypatch):
    seen: list[list[str]] = []
    registry = load_registry()
    ridge = registry.load("classifier", "ridge")
    fitted = type(ridge().fit(comparison.train, _context()))
    real = fitted.predict

    def spy(self, genotypes):
        seen.append(list(genotypes.samples.columns))
        return real(self, genotypes)

    monkeypatch.setattr(fitted, "predict", spy)
    prediction = _Requests(registry, comparison.train).result(Predictions("ridge", "synthetic"), comparison)
    assert seen == [["id", "sex"]]
    np.testing.assert_array_equal(prediction.truth, comparison.holdout.samples["weight"])


def _context():
    from pathlib import Path

    from genobench.contracts import FitContext

    return FitContext(trait=WEIGHT, seed=0, device="cpu", folder=Path())


def test_requests__synthetic_samples_without_the_trait_give_a_reason(comparison):
    bare = comparison.synthetic.with_samples(comparison.synthetic.samples[["id"]])
    shown = Comparison(**{**vars(comparison), "synthetic": bare})
    assert (
        _Requests(load_registry(), comparison.train).result(Predictions("ridge", "synthetic"), shown)
        == "the synthetic samples carry no 'weight'"
    )


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
    (score,) = _scored(metric, comparison, _Requests(load_registry(), comparison.train), 0)
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


def _job(comparison: Comparison, *, n_draws: int = 1, n_synthetic: int | None = None) -> ScoringJob:
    return ScoringJob(
        metrics={},
        trait=asdict(WEIGHT),
        train="",
        holdout="",
        nonmembers="",
        synthetic="",
        groups={part: comparison.groups[part].tolist() for part in ("train", "holdout", "nonmembers")},
        has_families=True,
        seed=3,
        n_draws=n_draws,
        n_synthetic=n_synthetic,
    )


def test_real_draws__attack_on_unseen_relatives_is_no_better_than_guessing():
    """Families of six with a nonmember or two each, as a split spreads them: halves of the nonmembers themselves gave an AUC of 0.58."""
    whole = example_genotypes(n_samples=360, n_variants=200, seed=2)
    families = np.arange(360) // 6
    is_nonmember = spread_over_groups(families, 77, np.random.default_rng(0))
    parts = {"train": np.flatnonzero(~is_nonmember), "nonmembers": np.flatnonzero(is_nonmember)}
    train, nonmembers = (whole.take_samples(rows) for rows in parts.values())
    groups: dict[Part, Any] = {"train": families[parts["train"]], "nonmembers": families[parts["nonmembers"]], "holdout": np.zeros(77)}
    shown = Comparison(WEIGHT, train=train, holdout=nonmembers, nonmembers=nonmembers, synthetic=train, groups=groups)
    metric, requests = MembershipDistance(), _Requests(load_registry(), train)
    aucs = []
    for drawn in _real_draws(metric, shown, _job(shown, n_draws=60), requests):
        assert (drawn.nonmembers.n_samples, drawn.synthetic.n_samples) == (77, 38)
        assert not set(drawn.train.sample_ids) & {*drawn.synthetic.sample_ids, *drawn.nonmembers.sample_ids}
        aucs.append(next(score.value for score in _scored(metric, drawn, requests, 0) if score.name == "membership_auc"))
    # Without families one AUC of 77 nonmembers and 245 members has a standard error of sqrt((1/77 + 1/245) / 12) = 0.038; they lower it.
    assert np.mean(aucs) == pytest.approx(0.5, abs=4 * 0.038 / np.sqrt(60))
    assert np.std(aucs) < 0.05


def test_real_draws__are_as_many_as_there_are_synthetic_samples(comparison):
    requests = _Requests(load_registry(), comparison.train)
    for n_synthetic, expected in ((12, 12), (None, 30), (50, 30)):
        drawn = next(_real_draws(AlleleFrequency(), comparison, _job(comparison, n_synthetic=n_synthetic), requests))
        assert drawn.synthetic.n_samples == expected
