"""Attacks on counts of alleles, against what theory says they reach on samples without linkage."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genobench import MISSING, Comparison, FitContext, Genotypes, PackedCalls
from genobench.builtin.controls import Copy, Independent
from genobench.builtin.privacy.frequencies import Beacon, FrequencyLikelihoodRatio, _beacon_ratios, _sums_over_calls
from genobench.testing import EXAMPLE_TRAITS

TRAIT = EXAMPLE_TRAITS["quantitative"]
CONTEXT: Any = FitContext(trait=TRAIT, seed=1, device="cpu", folder=None)  # type: ignore[arg-type]  # the controls ask for no folder
_SIZES = {"train": 200, "nonmembers": 200, "holdout": 400}


def _unlinked(frequencies: np.ndarray, *, seed: int) -> Comparison:
    """Parts of a population without linkage; the training samples stand for the synthetic ones."""
    rng = np.random.default_rng(seed)
    n_variants = len(frequencies)
    variants = pd.DataFrame(
        {"chromosome": "1", "position_bp": 1 + np.arange(n_variants), "id": np.arange(n_variants).astype(str), "ref": "A", "alt": "G"}
    )
    parts: dict[str, Any] = {}
    for part, n_samples in _SIZES.items():
        calls = rng.binomial(2, frequencies, size=(n_samples, n_variants)).astype(np.int8)
        samples = pd.DataFrame({"id": [f"{part}{row}" for row in range(n_samples)]})
        parts[part] = Genotypes(calls=PackedCalls.from_calls(calls), samples=samples, variants=variants)
    return Comparison(trait=TRAIT, synthetic=parts["train"], **parts)


def _powerful(seed: int = 1) -> Comparison:
    """200 members x 10,000 variants, half of them with a minor allele rarer than 1 %; either allele may be the rarer one."""
    rng = np.random.default_rng(seed)
    rare, common = rng.uniform(0.001, 0.01, 5000), rng.uniform(0.05, 0.5, 5000)
    frequencies = np.concatenate([rare, common])
    return _unlinked(np.where(rng.random(10_000) < 0.5, frequencies, 1 - frequencies), seed=seed + 1)


POWERFUL = _powerful()


def _scores(metric: Any, comparison: Comparison) -> dict[str, Any]:
    return {score.name: score for score in metric.score(comparison, seed=1)}


def _aucs(metric: Any, comparison: Comparison) -> list[tuple[float, float]]:
    """What the attack finds and what it could find, each with its standard error."""
    scores = [score for name, score in _scores(metric, comparison).items() if name.endswith("_auc")]
    return [(score.value, (score.interval[1] - score.interval[0]) / 3.92) for score in scores]


def _expected_auc(n_variants: int, *, n_train: int, n_reference: int, n_synthetic: float = np.inf) -> float:
    """Of the frequency attack on common, independent variants, members and others normal with one variance."""
    distance = np.sqrt(n_variants / n_train) / np.sqrt(1 + n_train / n_reference + n_train / n_synthetic)
    return NormalDist().cdf(distance / np.sqrt(2))


@pytest.mark.parametrize("metric", [FrequencyLikelihoodRatio(), Beacon()])
def test_attack__finds_copied_members_where_there_is_power(metric):
    """10,000 variants and 200 members lie 5.8 standard deviations apart by frequencies; and no beacon denies a member's allele."""
    copied = replace(POWERFUL, synthetic=Copy().fit(POWERFUL.train, CONTEXT).generate(200, seed=3))
    assert min(auc for auc, _ in _aucs(metric, copied)) > 0.999
    assert max(score.value for name, score in _scores(metric, copied).items() if name.endswith("_at_10pct_fpr")) == 1


@pytest.mark.parametrize("metric", [FrequencyLikelihoodRatio(), Beacon()])
def test_attack__finds_members_in_draws_from_exact_frequencies(metric):
    """By the closed forms, within four standard errors: an AUC of 0.999 by frequencies, 0.97 by the beacon."""
    (attack, error), (power, _) = _aucs(
        metric, replace(POWERFUL, synthetic=Independent().fit(POWERFUL.train, CONTEXT).generate(200, seed=3))
    )
    if isinstance(metric, Beacon):
        expected = _expected_beacon_auc(_frequencies(POWERFUL), n_members=200)
    else:
        expected = _expected_auc(10_000, n_train=200, n_reference=400, n_synthetic=200)
    assert expected > 0.95
    assert abs(attack - expected) < 4 * error
    assert power > 0.999


def _expected_beacon_auc(alt_frequencies: np.ndarray, *, n_members: int) -> float:
    """Of the beacon attack on n draws from the frequencies of n members, a sum over independent variants being about normal.

    Given the answer a, the gap between members and others is E[ratio | a, member] - E[ratio | a, other]. A copy among the members is
    missed in n draws with chance exp(-1), and their 2n - 2 other alleles with (1 - f (1 - exp(-1)))^(2n - 2).
    """
    rarer = np.clip(np.minimum(alt_frequencies, 1 - alt_frequencies), 1e-4, 0.5)
    genotype = np.stack([(1 - rarer) ** 2, 2 * rarer * (1 - rarer), rarer**2])
    missed = 1 - rarer * (1 - np.exp(-1))
    no_other = missed ** (2 * n_members)
    no_member = missed ** (2 * n_members - 2) * np.exp(-np.arange(3))[:, None]
    gap = variance = 0.0
    for is_yes in (0, 1):
        ratios = _beacon_ratios(np.stack([np.ones_like(rarer), np.full_like(rarer, is_yes)]), rarer, n_members=n_members)
        of_member = genotype * (no_member if is_yes == 0 else 1 - no_member)
        of_member /= of_member.sum(axis=0)
        weight = no_other if is_yes == 0 else 1 - no_other
        means = [(chance * ratios).sum(axis=0) for chance in (of_member, genotype)]
        squares = [(chance * ratios**2).sum(axis=0) for chance in (of_member, genotype)]
        gap += float(np.sum(weight * (means[0] - means[1])))
        variance += float(np.sum(weight * (squares[0] - means[0] ** 2 + squares[1] - means[1] ** 2)))
    return NormalDist().cdf(gap / np.sqrt(variance))


@pytest.mark.parametrize("metric", [FrequencyLikelihoodRatio(), Beacon()])
def test_attack__finds_nothing_in_samples_that_nobody_trained_on(metric):
    """The holdout's own draw stands for the synthetic samples: the power is as high as ever, the AUC within four errors of 0.5."""
    fresh = _unlinked(np.clip(_frequencies(POWERFUL), 0.001, 0.999), seed=9).train
    (attack, error), (power, _) = _aucs(metric, replace(POWERFUL, synthetic=fresh))
    assert abs(attack - 0.5) < 4 * error < 0.2
    assert power > 0.999


def _frequencies(comparison: Comparison) -> np.ndarray:
    frequencies: np.ndarray = comparison.holdout.to_array().mean(axis=0) / 2
    return frequencies


@pytest.mark.parametrize(("n_variants", "n_synthetic"), [(100, 200), (400, 200), (400, 100)])
def test_frequency_attack__reaches_what_theory_says(n_variants, n_synthetic):
    """The mean over eight draws, within four standard errors; Sankararaman et al. 2009 with the noise of both pools."""
    found, most = [], []
    for seed in range(8):
        frequencies = np.random.default_rng(seed).uniform(0.2, 0.8, n_variants)
        comparison = _unlinked(frequencies, seed=10 + seed)
        synthetic = Independent().fit(comparison.train, CONTEXT).generate(n_synthetic, seed=seed)
        attack, power = _aucs(FrequencyLikelihoodRatio(), replace(comparison, synthetic=synthetic))
        found.append(attack)
        most.append(power)
    sizes = {"n_train": 200, "n_reference": 400}
    for values, expected in (
        (found, _expected_auc(n_variants, n_synthetic=n_synthetic, **sizes)),
        (most, _expected_auc(n_variants, **sizes)),
    ):
        auc, error = np.mean(values, axis=0)
        assert abs(auc - expected) < 4 * error / np.sqrt(len(values))


def test_beacon__cannot_tell_by_common_variants_and_says_so():
    """Every allele at 20 to 80 % occurs among 200 samples, so that the answers are the same for everybody."""
    comparison = _unlinked(np.random.default_rng(1).uniform(0.2, 0.8, 300), seed=2)
    scores = _scores(Beacon(), comparison)
    assert scores["beacon_power_auc"].value < 0.6
    assert _scores(FrequencyLikelihoodRatio(), comparison)["frequency_lr_power_auc"].value > 0.7


@pytest.mark.parametrize("metric", [FrequencyLikelihoodRatio(), Beacon()])
def test_attack__does_not_mind_which_allele_is_alt(metric):
    def swapped(genotypes: Genotypes) -> Genotypes:
        calls = genotypes.to_array()
        return replace(genotypes, calls=PackedCalls.from_calls(np.where(calls == MISSING, MISSING, 2 - calls).astype(np.int8)))

    comparison = _unlinked(np.random.default_rng(1).uniform(0.001, 0.3, 301), seed=2)
    parts: Any = {part: swapped(comparison.part(part)) for part in ("train", "holdout", "nonmembers", "synthetic")}
    before, after = _scores(metric, comparison), _scores(metric, replace(comparison, **parts))
    for name, score in before.items():
        assert after[name].value == pytest.approx(score.value, abs=1e-9, nan_ok=True)


def test_sums_over_calls__are_those_of_a_loop():
    rng = np.random.default_rng(1)
    calls, table = rng.integers(-1, 3, size=(7, 11)).astype(np.int8), rng.normal(size=(3, 11))
    expected = [sum(table[call, place] for place, call in enumerate(row) if call != MISSING) for row in calls]
    np.testing.assert_allclose(_sums_over_calls(PackedCalls.from_calls(calls), table), expected)


@pytest.mark.parametrize("metric", [FrequencyLikelihoodRatio(), Beacon()])
@pytest.mark.parametrize(
    ("part", "n_left", "reason"),
    [
        ("holdout", 0, "there is no holdout sample"),
        ("synthetic", 0, "There is no synthetic sample."),
        ("nonmembers", 1, "two members and two nonmembers; there are 200 and 1."),
    ],
)
def test_attack__says_why_there_is_none(metric, part, n_left, reason):
    parts: Any = {part: POWERFUL.part(part).take_samples(np.arange(n_left))}
    for score in _scores(metric, replace(POWERFUL, **parts)).values():
        assert np.isnan(score.value)
        assert reason in score.reason
