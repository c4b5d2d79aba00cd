"""Allele and genotype frequencies: plain sums, what must hold, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from genobench import MISSING, Comparison, Genotypes, PackedCalls
from genobench.builtin.fidelity.frequencies import AlleleFrequency
from genobench.statgen import genome_blocks, jackknife_standard_error
from genobench.testing import EXAMPLE_TRAITS, example_comparison, example_genotypes

if TYPE_CHECKING:
    from genobench.contracts import TraitKind

ALL = example_genotypes(n_samples=200, n_variants=240, seed=3)


def _with_calls(genotypes: Genotypes, calls: np.ndarray) -> Genotypes:
    return replace(genotypes, calls=PackedCalls.from_calls(calls.astype(np.int8)))


def _drawn(*, seed: int = 1, trait: TraitKind = "categorical", missing_share: float = 0.0) -> Comparison:
    """Two draws of 100 samples from the same frequencies, many of them low, on two chromosomes; vendors alternate."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0, 0.7, 240) ** 3
    sides = []
    for start in (0, 100):
        calls = rng.binomial(2, p, size=(100, 240))
        calls = np.where(rng.random(calls.shape) < missing_share, MISSING, calls)
        side = _with_calls(ALL.take_samples(np.arange(start, start + 100)), calls)
        vendor = np.where(np.arange(100) % 2, "one", "two")
        sides.append(side.with_samples(side.samples.assign(vendor=vendor)))
    return Comparison(trait=EXAMPLE_TRAITS[trait], train=sides[0], holdout=sides[0], nonmembers=sides[0], synthetic=sides[1])


def _scores(comparison: Comparison) -> dict[str, Any]:
    return {score.name: score for score in AlleleFrequency().score(comparison, seed=1)}


def _values(comparison: Comparison) -> dict[str, float]:
    return {name: score.value for name, score in _scores(comparison).items()}


def _frequencies(genotypes: Genotypes) -> np.ndarray:
    """Of genotypes 0, 1 and 2, by masked arrays, shape (3, n_variants)."""
    calls = np.ma.masked_equal(genotypes.to_array(), MISSING)
    return np.stack([np.asarray((calls == value).mean(axis=0)) for value in range(3)])


def test_allele_frequency__of_two_draws_is_what_sampling_gives():
    """Two draws of n = 48 at p: E|difference| = sqrt(2 / pi) sqrt(2 p (1 - p) / (2 n)), about normal; 60 variants, 4 standard errors."""
    rng = np.random.default_rng(1)
    comparison = example_comparison()
    draws = [rng.binomial(2, 0.4, size=(48, 60)).astype(np.int8) for _ in range(2)]
    comparison = replace(
        comparison,
        synthetic=_with_calls(comparison.synthetic, draws[0]),
        holdout=_with_calls(comparison.holdout, draws[1]),
    )
    spread = np.sqrt(2 * 0.24 / 96)
    expected, error = spread * np.sqrt(2 / np.pi), spread * np.sqrt((1 - 2 / np.pi) / 60)
    score = _scores(comparison)["allele_frequency_error"]
    assert abs(score.value - expected) < 4 * error
    assert score.standard_error == pytest.approx(error, rel=0.6)


def test_allele_frequency__passes_over_variants_without_calls_and_says_when_none_is_left():
    comparison = _drawn(missing_share=0.02)
    calls = comparison.holdout.to_array().copy()
    calls[:, :120] = MISSING
    half = _scores(replace(comparison, holdout=_with_calls(comparison.holdout, calls)))
    assert np.isfinite(half["allele_frequency_error"].value)
    calls[:] = MISSING
    none = _scores(replace(comparison, holdout=_with_calls(comparison.holdout, calls)))["allele_frequency_error"]
    assert np.isnan(none.value)
    assert "No variant has a call in both" in none.reason


@pytest.mark.parametrize("missing_share", [0.0, 0.1])
def test_scores__are_plain_means_over_the_variants_in_question(missing_share):
    comparison = _drawn(missing_share=missing_share)
    genotypes = [_frequencies(side) for side in (comparison.holdout, comparison.synthetic)]
    holdout, synthetic = (side[1] / 2 + side[2] for side in genotypes)
    errors, maf = np.abs(synthetic - holdout), np.minimum(holdout, 1 - holdout)
    values = _values(comparison)
    bins = {"below_1pct": maf < 0.01, "1_to_5pct": (maf >= 0.01) & (maf < 0.05)}
    bins |= {"5_to_10pct": (maf >= 0.05) & (maf < 0.1), "above_10pct": maf >= 0.1}
    assert sum(is_inside.sum() for is_inside in bins.values()) == 240
    assert values["allele_frequency_error"] == pytest.approx(errors.mean())
    for name, is_inside in bins.items():
        assert values[f"allele_frequency_error_maf_{name}"] == pytest.approx(errors[is_inside].mean())
    by_chromosome = [errors[comparison.holdout.variants["chromosome"] == name].mean() for name in ("1", "2")]
    assert values["allele_frequency_error_worst_chromosome"] == pytest.approx(max(by_chromosome))
    assert values["genotype_frequency_error"] == pytest.approx(np.abs(genotypes[1] - genotypes[0]).sum(axis=0).mean() / 2)
    assert values["allele_frequency_correlation"] == pytest.approx(np.corrcoef(holdout, synthetic)[0, 1])
    assert values["genotype_frequency_correlation"] == pytest.approx(np.corrcoef(genotypes[0].ravel(), genotypes[1].ravel())[0, 1])
    varies = (synthetic > 0) & (synthetic < 1)
    assert values["rare_variant_recall_5pct"] == pytest.approx(varies[(maf > 0) & (maf < 0.05)].mean())
    assert values["rare_variant_recall_1pct"] == pytest.approx(varies[(maf > 0) & (maf < 0.01)].mean())


def test_correlation__has_the_error_of_leaving_blocks_out_one_by_one():
    comparison = _drawn()
    holdout, synthetic = (side.to_array().mean(axis=0) / 2 for side in (comparison.holdout, comparison.synthetic))
    blocks = genome_blocks(comparison.holdout.variants["chromosome"].to_numpy(dtype=object))
    without = [np.corrcoef(holdout[blocks != block], synthetic[blocks != block])[0, 1] for block in range(blocks.max() + 1)]
    expected = jackknife_standard_error(np.corrcoef(holdout, synthetic)[0, 1], without, np.bincount(blocks))
    assert _scores(comparison)["allele_frequency_correlation"].standard_error == pytest.approx(expected)


def test_worst_population__is_the_one_that_went_wrong():
    comparison = _drawn()
    synthetic = comparison.synthetic.to_array().copy()
    synthetic[1::2] = 2 - synthetic[1::2]
    wrong = replace(comparison, synthetic=_with_calls(comparison.synthetic, synthetic))
    own = [np.abs(synthetic[start::2].mean(axis=0) - comparison.holdout.to_array()[start::2].mean(axis=0)).mean() / 2 for start in (0, 1)]
    assert own[1] > 5 * own[0]
    assert _values(wrong)["allele_frequency_error_worst_population"] == pytest.approx(own[1])


def test_worst_class__is_of_the_classes_of_the_trait():
    comparison = _drawn()
    column = comparison.trait.column
    classes = comparison.holdout.samples[column].unique()
    errors = []
    for name in classes:
        sides = [
            side.to_array()[(side.samples[column] == name).to_numpy()].mean(axis=0) / 2
            for side in (comparison.holdout, comparison.synthetic)
        ]
        errors.append(np.abs(sides[0] - sides[1]).mean())
    assert _values(comparison)["allele_frequency_error_worst_class"] == pytest.approx(max(errors))
    for without in (
        _drawn(trait="quantitative"),
        replace(comparison, synthetic=comparison.synthetic.with_samples(comparison.synthetic.samples[["id"]])),
    ):
        score = _scores(without)["allele_frequency_error_worst_class"]
        assert np.isnan(score.value)
        assert "No column that both sample tables have says the class" in score.reason


def test_worst_class__needs_ten_samples_on_both_sides():
    comparison = _drawn()
    few = replace(comparison, synthetic=comparison.synthetic.take_samples(np.arange(9)))
    assert "has 10 samples on both sides" in _scores(few)["allele_frequency_error_worst_class"].reason


def test_scores__of_the_holdout_itself_are_ideal():
    comparison = _drawn()
    values = _scores(replace(comparison, synthetic=comparison.holdout))
    ideal = {spec.name: spec.ideal for spec in AlleleFrequency.scores}
    assert {name: pytest.approx(score.value, abs=1e-12) for name, score in values.items()} == ideal


def test_genotype_frequencies__see_what_allele_frequencies_do_not():
    """Heterozygotes alone against Hardy-Weinberg proportions at 1/2: no allele frequency differs much, half of the samples do."""
    comparison = _drawn()
    rng = np.random.default_rng(2)
    half = replace(
        comparison,
        holdout=_with_calls(comparison.holdout, rng.binomial(2, 0.5, size=(100, 240))),
        synthetic=_with_calls(comparison.synthetic, np.ones((100, 240))),
    )
    values = _values(half)
    assert values["allele_frequency_error"] < 0.05
    assert values["genotype_frequency_error"] == pytest.approx(0.5, abs=0.02)


def test_rare_variant_recall__is_zero_for_a_generator_that_lost_them():
    comparison = _drawn()
    p = comparison.holdout.to_array().mean(axis=0) / 2
    lost = np.where(p < 0.05, 0, comparison.synthetic.to_array())
    scores = _scores(replace(comparison, synthetic=_with_calls(comparison.synthetic, lost)))
    recall = scores["rare_variant_recall_5pct"]
    assert (recall.value, recall.standard_error) == (0, None)
    assert 0 < recall.interval[1] < 0.05


def test_standard_errors__are_near_the_spread_over_fresh_draws():
    """40 pairs of draws: a spread of 40 numbers is known to 11 %, so the mean error lies within a third of it."""
    names = ("allele_frequency_error", "allele_frequency_correlation", "genotype_frequency_error", "rare_variant_recall_5pct")
    drawn = [_scores(_drawn(seed=draw)) for draw in range(40)]
    for name in names:
        error = np.mean([scores[name].standard_error for scores in drawn])
        assert error == pytest.approx(np.std([scores[name].value for scores in drawn], ddof=1), rel=0.35), name


def test_scores__say_when_too_few_variants_are_there():
    rare = _scores(example_comparison(n_constant=6))["rare_variant_recall_1pct"]
    assert np.isnan(rare.value)
    assert "variants with a minor allele frequency of 0 to 1 % in the holdout; 20 are needed" in rare.reason
    comparison = _drawn()
    nothing = replace(comparison, synthetic=_with_calls(comparison.synthetic, np.full((100, 240), MISSING)))
    assert all(np.isnan(score.value) and score.reason for score in _scores(nothing).values())
    fixed = replace(comparison, synthetic=_with_calls(comparison.synthetic, np.zeros((100, 240))))
    assert "the same at all variants" in _scores(fixed)["allele_frequency_correlation"].reason


def test_scores__do_not_mind_which_allele_is_alt():
    comparison = _drawn(missing_share=0.05)

    def swapped(genotypes: Genotypes) -> Genotypes:
        calls = genotypes.to_array()
        return _with_calls(genotypes, np.where(calls == MISSING, MISSING, 2 - calls))

    other = replace(comparison, holdout=swapped(comparison.holdout), synthetic=swapped(comparison.synthetic))
    first, second = _values(comparison), _values(other)
    assert second == {name: pytest.approx(value) for name, value in first.items()}
