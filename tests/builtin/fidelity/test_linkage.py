"""The LD-decay score: its ideal, its controls, its populations."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genobench import Comparison, FitContext, Genotypes, PackedCalls, Trait
from genobench.builtin.controls import Independent
from genobench.builtin.fidelity.linkage import LdDecayError
from genobench.statgen import LD_EDGES_BP, ld_decay
from genobench.testing import EXAMPLE_TRAITS, example_genotypes

TRAIT = EXAMPLE_TRAITS["quantitative"]
ALL = example_genotypes(n_samples=360, n_variants=240, seed=2)
THIRDS = [ALL.take_samples(np.arange(start, start + 120)) for start in (0, 120, 240)]


def _comparison(synthetic: Genotypes, holdout: Genotypes = THIRDS[1], trait: Trait = TRAIT) -> Comparison:
    return Comparison(trait=trait, train=THIRDS[0], holdout=holdout, nonmembers=THIRDS[0], synthetic=synthetic)


def _scores(comparison: Comparison, metric: LdDecayError | None = None) -> dict[str, Any]:
    return {score.name: score for score in (metric or LdDecayError()).score(comparison, seed=1)}


def test_ld_decay_error__of_the_holdout_itself_is_zero():
    assert _scores(_comparison(THIRDS[1]))["ld_decay_error"].value == 0


def test_ld_decay_error__ranks_real_samples_far_before_independent_variants(tmp_path):
    context = FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)
    independent = Independent().fit(THIRDS[0], context).generate(120, seed=1)
    real, floor = (_scores(_comparison(synthetic))["ld_decay_error"] for synthetic in (THIRDS[2], independent))
    assert real.value + 4 * real.standard_error < floor.value - 4 * floor.standard_error


def test_ld_decay_error__of_no_linkage_is_the_mean_of_the_holdouts_bins(tmp_path):
    """Against independent variants, the error is the holdout's own mean r2 over its bins, up to noise of about 0.01."""
    context = FitContext(trait=TRAIT, seed=1, device="cpu", folder=tmp_path)
    independent = Independent().fit(THIRDS[0], context).generate(120, seed=1)
    holdout = THIRDS[1]
    frequency = holdout.to_array().mean(axis=0) / 2
    decay = ld_decay(
        holdout.to_array(),
        chromosomes=holdout.variants["chromosome"],
        positions=holdout.variants["position_bp"],
        is_used=np.minimum(frequency, 1 - frequency) >= 0.05,
    )
    means = decay.mean_r2[decay.pair_count.sum(axis=0) >= 100]
    assert _scores(_comparison(independent))["ld_decay_error"].value == pytest.approx(means.mean(), abs=0.01)


def test_ld_levels__are_means_over_the_stated_distances():
    """By pairs: neighbours of one and two steps of 50 kb lie within [50, 150) kb."""
    scores = _scores(_comparison(THIRDS[1]), LdDecayError(min_minor_allele_frequency=0.0))
    calls = THIRDS[1].to_array()
    values = []
    for chromosome in ("1", "2"):
        columns = np.flatnonzero(THIRDS[1].variants["chromosome"] == chromosome)
        for step in (1, 2):
            r2 = np.array([np.corrcoef(calls[:, left], calls[:, left + step])[0, 1] ** 2 for left in columns[:-step]])
            values.append(r2 - (1 - r2) / 118)
    assert scores["ld_r2_100kb"].value == pytest.approx(np.concatenate(values).mean(), abs=1e-5)


def test_ld_decay_error__is_not_fooled_by_a_mixture_of_populations():
    """Two populations without any linkage: pooled, their difference in frequency looks like LD; within each there is none."""
    rng = np.random.default_rng(3)
    population = np.repeat(["one", "two"], 60)
    frequencies = np.where((population == "one")[:, None], 0.2, 0.8)
    variants = THIRDS[1].variants

    def draw(name: str) -> Genotypes:
        samples = pd.DataFrame({"id": [f"{name}{row}" for row in range(120)], "population": population})
        calls = rng.binomial(2, frequencies, size=(120, 240)).astype(np.int8)
        return Genotypes(PackedCalls.from_calls(calls), samples, variants)

    holdout, synthetic = draw("h"), draw("s")
    within = _scores(_comparison(synthetic, holdout))
    pooled = _scores(_comparison(synthetic, holdout), LdDecayError(population_columns=()))
    assert abs(within["ld_r2_100kb"].value) < 4 * within["ld_r2_100kb"].standard_error
    assert pooled["ld_r2_100kb"].value > 0.2
    one_lost = replace(synthetic, samples=synthetic.samples.assign(population="one"))
    assert np.isfinite(_scores(_comparison(one_lost, holdout))["ld_decay_error"].value)


def test_ld_decay_error__is_no_better_for_variants_that_do_not_vary():
    """Unlinked variants score the holdout's own r2; unlinked variants of which most are fixed must not score less in fewer bins."""
    rng = np.random.default_rng(4)
    calls = rng.binomial(2, 0.4, size=(120, 240)).astype(np.int8)
    unlinked = replace(THIRDS[2], calls=PackedCalls.from_calls(calls))
    for n_varying in (0, 2, 60):
        fixed = calls.copy()
        fixed[:, n_varying:] = 0
        collapsed = _scores(_comparison(replace(THIRDS[2], calls=PackedCalls.from_calls(fixed))))["ld_decay_error"]
        assert collapsed.value == pytest.approx(_scores(_comparison(unlinked))["ld_decay_error"].value, abs=0.01)


def test_ld_decay_error__reads_the_map_where_positions_are_not_known():
    variants = THIRDS[1].variants.assign(position_cm=THIRDS[1].variants["position_bp"].astype(float) / 1e6)
    hidden = variants.assign(position_bp=variants["position_bp"].where(np.arange(240) % 3 > 0))
    first = _scores(_comparison(THIRDS[2], replace(THIRDS[1], variants=variants)))
    second = _scores(_comparison(THIRDS[2], replace(THIRDS[1], variants=hidden)))
    assert second["ld_decay_error"].value == pytest.approx(first["ld_decay_error"].value, rel=1e-3)


def test_ld_decay_error__says_when_nothing_can_be_measured():
    nowhere = replace(THIRDS[1], variants=THIRDS[1].variants.assign(position_bp=pd.array([pd.NA] * 240, dtype="Int64")))
    few = THIRDS[1].take_samples(np.arange(5))
    elsewhere = dict.fromkeys(("ld_decay_error", "ld_r2_100kb", "ld_r2_1mb"), "fewer than 100 pairs") | {
        "ld_decay_error_cm": "no genetic map",
        "haplotype_r2_error": "not phased: train, holdout, synthetic",
        "haplotype_switch_excess": "not phased: train, holdout, synthetic",
    }
    for holdout, words in ((nowhere, elsewhere), (few, dict.fromkeys(elsewhere, "No population has 10 samples"))):
        for name, score in _scores(_comparison(THIRDS[2], holdout)).items():
            assert np.isnan(score.value)
            assert words[name] in score.reason


def test_ld_decay_error__has_a_standard_error_near_its_spread_over_genomes():
    """30 genomes drawn anew: the mean jackknife error of mean r2 at 100 kb is within a factor of 1.6 of their spread."""
    values: list[float] = []
    errors: list[float] = []
    for seed in range(30):
        drawn = example_genotypes(n_samples=60, n_variants=240, seed=100 + seed)
        score = _scores(_comparison(drawn, drawn))["ld_r2_100kb"]
        values.append(score.value)
        errors.append(score.standard_error)
    assert 1 / 1.6 < np.mean(errors) / np.std(values, ddof=1) < 1.6


def test_edges__rise():
    assert all(low < high for low, high in pairwise(LD_EDGES_BP))


def test_ld_decay_error__on_a_map_of_one_mb_a_cm_is_that_over_base_pairs():
    # Steps of 50,050 bp: none of their multiples is the edge of a bin, where rounding would decide.
    spaced = THIRDS[1].variants["position_bp"] * 1001 // 1000
    mapped = replace(THIRDS[1], variants=THIRDS[1].variants.assign(position_bp=spaced, position_cm=spaced.astype(float) / 1e6))
    scores = _scores(_comparison(THIRDS[2], mapped))
    assert scores["ld_decay_error_cm"].value == pytest.approx(scores["ld_decay_error"].value, rel=1e-9)
    assert scores["ld_decay_error_cm"].standard_error > 0


def _phased(haplotypes: np.ndarray) -> Genotypes:
    """Genotypes from haplotypes of shape (2 * n_samples, 240), with their phase."""
    first, second = haplotypes[0::2], haplotypes[1::2]
    return Genotypes(
        PackedCalls.from_calls((first + second).astype(np.int8)),
        pd.DataFrame({"id": [f"s{row}" for row in range(len(first))]}),
        THIRDS[1].variants,
        phase=np.packbits((first == 1) & (second == 0), axis=1, bitorder="little"),
    )


def test_haplotypes__are_compared_where_all_are_phased():
    """Mosaics of haplotypes keep LD; calls with shuffled phase lose it between haplotypes, and half of their phases are unlikely."""
    rng = np.random.default_rng(6)
    latent = rng.standard_normal((600, 240))
    for column in range(1, 240):
        latent[:, column] = 0.9 * latent[:, column - 1] + np.sqrt(1 - 0.81) * latent[:, column]
    train, holdout, real = (_phased((part < 0.2).astype(np.int8)) for part in np.split(latent, 3))
    shuffled = replace(real, phase=np.packbits(rng.random(real.calls.shape) < 0.5, axis=1, bitorder="little"))
    first, second = (_scores(Comparison(TRAIT, train, holdout, train, synthetic)) for synthetic in (real, shuffled))
    assert first["ld_decay_error"].value == second["ld_decay_error"].value
    assert first["haplotype_r2_error"].value + 4 * first["haplotype_r2_error"].standard_error < second["haplotype_r2_error"].value
    excess = first["haplotype_switch_excess"]
    assert abs(excess.value) < 4 * excess.standard_error
    assert second["haplotype_switch_excess"].value > 0.2
    unphased = _scores(Comparison(TRAIT, train, holdout, train, replace(real, phase=None)))
    assert unphased["haplotype_r2_error"].reason == "Haplotypes need phased calls; not phased: synthetic."
