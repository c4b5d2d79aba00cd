"""Attacks on single samples, on generators whose leak is known: copies, a stated share of copies, and nothing."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from genobench import Comparison, FitContext, Metric, PackedCalls
from genobench.builtin import genobench_metrics
from genobench.builtin.controls import Copy, Independent
from genobench.builtin.privacy.calibrated import CalibratedDistance
from genobench.builtin.privacy.density import DensityRatio
from genobench.builtin.privacy.learned import LearnedAttack
from genobench.builtin.privacy.nearest import MembershipDistance
from genobench.builtin.privacy.relatives import KinshipReplay, OpposingHomozygotes, SharedSegment
from genobench.testing import EXAMPLE_TRAITS, answer_requests, example_genotypes

TRAIT = EXAMPLE_TRAITS["quantitative"]
ATTACKS: dict[str, Metric] = {
    "membership": MembershipDistance(),
    "calibrated": CalibratedDistance(),
    "density_ratio": DensityRatio(),
    "shared_segment": SharedSegment(),
    "opposing_homozygotes": OpposingHomozygotes(),
    "learned": LearnedAttack(),
}
NEEDED = tuple(dict.fromkeys(request for metric in ATTACKS.values() for request in metric.needs(TRAIT)))


def _comparison(*, n_samples: int = 900, n_variants: int = 300, seed: int = 8) -> Comparison:
    """Families of six: a third of them in the holdout, of the others four samples in train and two among the nonmembers, at random."""
    genotypes = example_genotypes(n_samples=n_samples, n_variants=n_variants, seed=seed)
    families, rng = np.arange(n_samples) // 6, np.random.default_rng(seed)
    place = np.concatenate([rng.permutation(6) for _ in range(n_samples // 6)])
    is_holdout = families % 3 == 0
    rows = {"train": ~is_holdout & (place < 4), "holdout": is_holdout, "nonmembers": ~is_holdout & (place >= 4)}
    parts: Any = {part: genotypes.take_samples(np.flatnonzero(chosen)) for part, chosen in rows.items()}
    groups: Any = {part: families[chosen] for part, chosen in rows.items()}
    return Comparison(trait=TRAIT, **parts, synthetic=parts["train"], groups=groups)


REAL = _comparison()


@pytest.fixture
def context(tmp_path) -> FitContext:
    return FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)


def _scores(synthetic, *, attacks=ATTACKS, **parts) -> dict[str, Any]:
    given: Any = {"train": REAL.train, "holdout": REAL.holdout, "nonmembers": REAL.nonmembers, "groups": REAL.groups, **parts}
    comparison = answer_requests(Comparison(trait=TRAIT, synthetic=synthetic, **given), NEEDED)
    return {score.name: score for metric in attacks.values() for score in metric.score(comparison, seed=1)}


def test_copies__are_found_by_every_attack(context):
    scores = _scores(Copy().fit(REAL.train, context).generate(REAL.train.n_samples, seed=1))
    for name in ATTACKS:
        assert scores[f"{name}_auc"].value >= 0.99, name
        assert scores[f"{name}_advantage"].value >= 0.95, name
        assert scores[f"{name}_tpr_at_10pct_fpr"].value >= 0.99, name
    assert scores["worst_hit_share"].value == 1
    assert scores["near_copied_share"].value == 1


def test_leaks__raise_every_attack_with_their_share(context):
    """Larger shares hold the smaller ones. A share s of copies, each of another sample, lifts an AUC by s / 2 at most: copies of sibs come
    near to nonmembers too.
    """
    n, aucs = REAL.train.n_samples, {name: np.zeros((3, 4)) for name in ATTACKS}
    for seed in range(3):
        others = Independent().fit(REAL.train, context).generate(n, seed=seed)
        chosen = np.random.default_rng(seed).permutation(n)
        for place, share in enumerate((0.01, 0.05, 0.10, 0.30)):
            n_copies = round(share * n)
            packed = np.concatenate([REAL.train.calls.packed[chosen[:n_copies]], others.calls.packed[n_copies:]])
            scores = _scores(replace(others, calls=PackedCalls(packed=packed, n_variants=others.n_variants)))
            assert scores["worst_hit_share"].value == pytest.approx(share, abs=0.02)
            for name, values in aucs.items():
                values[seed, place] = scores[f"{name}_auc"].value
    for name, values in aucs.items():
        assert (np.diff(values.mean(axis=0)) > 0).all(), name
        assert 0.05 < values[:, 3].mean() - values[:, 0].mean() < 0.15, name


def test_attacks__on_unseen_samples_are_at_chance():
    """Twenty dealings of members and nonmembers: AUCs about 0.5, and at least 17 intervals in 20 that hold it (binomial, 1 in 60).

    The synthetic samples are real ones of other families. Independent draws would not do: their frequencies are those of train, not of
    the population, which the density ratio sees at few training samples.
    """
    aucs: dict[str, list[float]] = {name: [] for name in ATTACKS}
    n_held = dict.fromkeys(ATTACKS, 0)
    for seed in range(20):
        real = _comparison(n_samples=540, n_variants=120, seed=100 + seed)
        unseen, reference = (real.holdout.take_samples(np.arange(start, real.holdout.n_samples, 2)) for start in (0, 1))
        parts: Any = {"train": real.train, "holdout": reference, "nonmembers": real.nonmembers, "groups": real.groups}
        scores = _scores(unseen, **parts)
        for name in ATTACKS:
            low, high = scores[f"{name}_auc"].interval
            aucs[name].append(scores[f"{name}_auc"].value)
            n_held[name] += low <= 0.5 <= high
    for name, values in aucs.items():
        assert np.mean(values) == pytest.approx(0.5, abs=4 * np.std(values, ddof=1) / np.sqrt(20)), name
        assert n_held[name] >= 17, name


@pytest.mark.parametrize("name", ["calibrated", "density_ratio"])
def test_attacks_with_a_reference__say_that_there_is_none(name):
    nobody = REAL.holdout.take_samples(np.arange(0))
    scores = _scores(REAL.holdout, attacks={name: ATTACKS[name]}, holdout=nobody)
    assert all(score.reason.endswith("the holdout has none.") for score in scores.values())


def test_learned_attack__does_without_a_reference(context):
    nobody = REAL.holdout.take_samples(np.arange(0))
    copies = Copy().fit(REAL.train, context).generate(50, seed=1)
    assert _scores(copies, attacks={"learned": LearnedAttack()}, holdout=nobody)["learned_auc"].value > 0.55


@pytest.mark.parametrize("n_nonmembers", [0, 1])
def test_attacks__say_when_there_are_too_few_nonmembers(n_nonmembers):
    few = REAL.nonmembers.take_samples(np.arange(n_nonmembers))
    for name, metric in ATTACKS.items():
        scores = metric.score(Comparison(TRAIT, REAL.train, REAL.holdout, few, REAL.holdout), seed=1) if name != "membership" else ()
        assert all(f"there are {REAL.train.n_samples} and {n_nonmembers}." in str(score.reason) for score in scores)


def test_attacks__say_when_there_is_no_synthetic_sample():
    nobody = REAL.holdout.take_samples(np.arange(0))
    comparison = Comparison(TRAIT, REAL.train, REAL.holdout, REAL.nonmembers, nobody)
    for metric in ATTACKS.values():
        assert all(score.reason == "There is no synthetic sample." for score in metric.score(comparison, seed=1))


def test_privacy_scores__never_call_anything_safe():
    """No better than guessing is inconclusive. AUCs and the replay declare what chance gives, so that the harness checks them."""
    metrics = [offer.target.split(":") for offer in genobench_metrics() if ".privacy." in offer.target]
    for module, name in metrics:
        metric = getattr(import_module(module), name)
        assert "safe" not in (metric.__doc__ or "").lower()
        for spec in metric.scores:
            assert "safe" not in spec.summary.lower()
    for metric in (*ATTACKS.values(), KinshipReplay()):
        assert metric.scores[0].chance == 0.5
        assert "Threat model: " in (metric.__doc__ or "")
