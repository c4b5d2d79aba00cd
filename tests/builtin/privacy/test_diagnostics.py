"""Diagnostics on samples whose distances are known, and adversarial accuracy against its definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from genobench import Comparison, FitContext, Pairwise
from genobench.builtin.controls import Copy
from genobench.builtin.privacy.diagnostics import AdversarialAccuracyLoss, ClosestRecords, _as_many_of_each
from genobench.testing import EXAMPLE_TRAITS, answer_requests, example_genotypes

TRAIT = EXAMPLE_TRAITS["quantitative"]
GENOTYPES = example_genotypes(n_samples=480, n_variants=120, seed=9)
FAMILIES = np.arange(480) // 6
IS_MEMBER = np.arange(480) % 6 < 4
METRICS = (ClosestRecords(), AdversarialAccuracyLoss())


def _part(rows):
    return GENOTYPES.take_samples(np.flatnonzero(rows) if np.asarray(rows).dtype == bool else rows)


def _scores(synthetic, *, metrics=METRICS) -> dict[str, Any]:
    parts: Any = {"train": _part(IS_MEMBER), "holdout": _part(~IS_MEMBER), "nonmembers": _part(~IS_MEMBER), "synthetic": synthetic}
    groups: Any = {"train": FAMILIES[IS_MEMBER], "nonmembers": FAMILIES[~IS_MEMBER]}
    comparison = Comparison(trait=TRAIT, **parts, groups=groups)
    return {score.name: score for metric in metrics for score in metric.score(answer_requests(comparison, metric.needs(TRAIT)), seed=1)}


def test_diagnostics__see_copies(tmp_path):
    """Half of the copies' sources are drawn. Everybody's nearest is then a copy: AATS against train falls by the half that has one."""
    context = FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)
    scores = _scores(Copy().fit(_part(IS_MEMBER), context).generate(320, seed=1))
    assert scores["dcr"].value < 0.9
    assert scores["dcr"].interval[1] < 1
    assert scores["nndr"].value == 0
    assert scores["aats_privacy_loss"].value > 0.15
    assert scores["aats_privacy_loss"].interval[0] > 0


def test_dcr_and_nndr__are_ratios_of_medians_and_medians_of_ratios():
    """Every synthetic sample is 10 and 20 from its closest training records and 40 from its closest nonmember."""
    rng = np.random.default_rng(1)
    members, others = np.full((12, 30), 100, dtype=np.int32), np.full((12, 30), 90, dtype=np.int32)
    for column in range(30):
        near, second, other = [*rng.choice(12, 2, replace=False), rng.integers(12)]
        members[near, column], members[second, column], others[other, column] = 10, 20, 40
    parts: Any = [_part(np.arange(n)) for n in (12, 12, 12, 30)]
    results: Any = {Pairwise("train", "synthetic"): members, Pairwise("nonmembers", "synthetic"): others}
    dcr, nndr = ClosestRecords().score(Comparison(TRAIT, parts[0], parts[1], parts[2], parts[3], results=results), seed=1)
    assert dcr.value == 0.25
    assert nndr.value == 0.5


def test_nndr__of_two_records_at_distance_zero_is_1():
    parts: Any = [_part(np.arange(n)) for n in (12, 12, 12, 30)]
    zeros: Any = {request: np.zeros((12, 30), dtype=np.int32) for request in ClosestRecords().needs(TRAIT)}
    dcr, nndr = ClosestRecords().score(Comparison(TRAIT, parts[0], parts[1], parts[2], parts[3], results=zeros), seed=1)
    assert nndr.value == 1
    assert dcr.reason == "The median distance to the closest nonmember is 0."


def test_aats_privacy_loss__is_the_difference_of_two_accuracies():
    """As many samples everywhere, so that nothing is drawn: both accuracies written out, a tie counting one half."""
    rng = np.random.default_rng(2)
    points = {part: rng.integers(0, 9, (40, 6)) for part in ("train", "nonmembers", "synthetic")}
    points["synthetic"][:15] = points["train"][:15]

    def distances(first: str, second: str):
        return np.abs(points[first][:, None] - points[second][None]).sum(axis=2).astype(np.int32)

    def accuracy(part: str) -> float:
        halves = []
        for own, other in ((part, "synthetic"), ("synthetic", part)):
            within = distances(own, own) + 1000 * np.eye(40, dtype=np.int32)
            nearest, across = within.min(axis=1), distances(own, other).min(axis=1)
            halves.append(np.mean((nearest < across) + (nearest == across) / 2))
        return float(np.mean(halves))

    metric = AdversarialAccuracyLoss()
    results: Any = {request: distances(request.queries, request.references) for request in metric.needs(TRAIT)}
    parts: Any = [_part(np.arange(40)) for _ in range(4)]
    (score,) = metric.score(Comparison(TRAIT, parts[0], parts[1], parts[2], parts[3], results=results), seed=1)
    assert score.value == pytest.approx(accuracy("nonmembers") - accuracy("train"))
    assert score.value > 0.1


@pytest.mark.parametrize("n_synthetic", [6, 9, 12])
def test_aats_privacy_loss__of_few_samples_has_a_value_and_an_error(n_synthetic):
    """With fewer samples than groups some groups have nobody among the members, or nobody among the others."""
    rng = np.random.default_rng(3)
    sizes = {"train": 30, "nonmembers": 30, "synthetic": n_synthetic}
    points = {part: rng.integers(0, 9, (size, 6)) for part, size in sizes.items()}
    metric = AdversarialAccuracyLoss()
    results: Any = {
        request: np.abs(points[request.queries][:, None] - points[request.references][None]).sum(axis=2).astype(np.int32)
        for request in metric.needs(TRAIT)
    }
    train, holdout, nonmembers, synthetic = (_part(np.arange(size)) for size in (30, 30, 30, n_synthetic))
    shown = Comparison(TRAIT, train=train, holdout=holdout, nonmembers=nonmembers, synthetic=synthetic, results=results)
    for seed in range(10):
        (score,) = metric.score(shown, seed=seed)
        assert np.isfinite(score.value)
        assert score.standard_error is None or np.isfinite(score.standard_error)


def test_as_many_of_each__takes_a_family_s_share_and_fills_up():
    members, others = np.array([0, 0, 1, 1, 1, 2, 5, 5]), np.array([0, 1, 1, 2, 2])
    chosen = members[_as_many_of_each(members, others)]
    assert sorted(chosen.tolist()) == [0, 0, 1, 1, 2]


def test_diagnostics__say_when_there_are_too_few():
    parts: Any = [_part(np.arange(n)) for n in (12, 12, 2, 30)]
    for metric in METRICS:
        for score in metric.score(Comparison(TRAIT, parts[0], parts[1], parts[2], parts[3]), seed=1):
            assert "there are 12, 2 and 30." in str(score.reason)


def test_diagnostics__say_that_they_are_no_privacy():
    for metric in METRICS:
        assert all(spec.summary.startswith("diagnostic, not privacy: ") for spec in metric.scores)
        assert (metric.__doc__ or "").startswith("Diagnostic, not privacy: ")
