"""Agreement of association studies, against closed forms and simulations of unlinked variants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, linregress, nct, poisson, t

from genobench import Comparison, Genotypes, PackedCalls, Trait
from genobench.builtin.association.gwas import AssociationStudy, MixedAssociationStudy
from genobench.builtin.association.importance import VariantImportance
from genobench.testing import example_comparison

ALONE = AssociationStudy(n_components=0)
VALUES = Trait("weight", "quantitative")
N_VARIANTS = 200
LARGE = np.zeros(N_VARIANTS)
LARGE[::20] = 0.8


@pytest.fixture(scope="session")
def with_values(genotypes_with: Any) -> Any:
    """A function that makes the trait `weight`: calls times effects, and normal noise of a standard deviation."""

    def made(calls: Any, effects: Any, noise: float, rng: np.random.Generator, prefix: str) -> Genotypes:
        found: Genotypes = genotypes_with(calls, prefix, weight=calls @ effects + noise * rng.normal(size=len(calls)))
        return found

    return made


@pytest.fixture(scope="session")
def population(with_values: Any) -> Any:
    """A function that makes samples with ten causal variants, one a chromosome; frequencies are the same for every seed."""

    def made(n_samples: int, seed: int, prefix: str = "a", effects: Any = LARGE) -> Genotypes:
        rng = np.random.default_rng(seed)
        frequencies = np.random.default_rng(99).uniform(0.2, 0.5, N_VARIANTS)
        found: Genotypes = with_values(rng.binomial(2, frequencies, (n_samples, N_VARIANTS)).astype(np.int8), effects, 1.0, rng, prefix)
        return found

    return made


def _scores(comparison: Comparison, metric: Any = ALONE, *, seed: int = 0) -> dict[str, Any]:
    return {score.name.replace("gwas_", "").replace("mixed_", ""): score for score in metric.score(comparison, seed=seed)}


@pytest.mark.parametrize("metric", [AssociationStudy(), ALONE, MixedAssociationStudy()])
def test_the_same_samples__agree_in_everything(metric: Any, compared: Any, population: Any) -> None:
    holdout = population(200, 1)
    found = _scores(compared(holdout, holdout, causal={f"v{k}": 0.8 for k in np.flatnonzero(LARGE)}), metric)
    assert found["effect_correlation"].value == pytest.approx(1.0, abs=1e-12)
    assert found["sign_agreement"].value == found["locus_overlap"].value == 1.0
    assert found["lambda_difference"].value == 0.0
    assert found["power"].value > 0
    assert found["false_discovery"].value == 0.0


def test_the_opposite_trait__has_the_same_loci_and_no_sign_in_common(compared: Any, population: Any) -> None:
    holdout = population(200, 1)
    other = holdout.with_samples(holdout.samples.assign(weight=-holdout.samples["weight"]))
    found = _scores(compared(holdout, other))
    assert found["effect_correlation"].value == pytest.approx(-1.0, abs=1e-12)
    assert found["sign_agreement"].value == 0.0
    assert found["locus_overlap"].value == 1.0
    assert found["lambda_difference"].value == pytest.approx(0.0, abs=1e-9)


def test_which_allele_is_counted__does_not_matter(compared: Any, population: Any) -> None:
    holdout, synthetic = population(200, 1), population(200, 2, "s")
    is_swapped = np.arange(N_VARIANTS) % 3 == 0
    swapped = [
        replace(part, calls=PackedCalls.from_calls(np.where(is_swapped, 2 - part.to_array(), part.to_array()).astype(np.int8)))
        for part in (holdout, synthetic)
    ]
    before, after = _scores(compared(holdout, synthetic)), _scores(compared(*swapped))
    names = ("effect_correlation", "sign_agreement", "locus_overlap", "lambda_difference")
    assert [after[name].value for name in names] == pytest.approx([before[name].value for name in names], abs=1e-9)


def test_effect_correlation__is_that_of_regressions_by_scipy(compared: Any, population: Any) -> None:
    """Variants below the limit of frequency are left out, those that do not vary in synthetic samples count as 0."""
    rng = np.random.default_rng(5)
    holdout, synthetic = population(150, 3), population(150, 4, "s")
    calls, others = holdout.to_array().copy(), synthetic.to_array().copy()
    calls[:, :30] = rng.binomial(2, 0.02, (150, 30))
    others[:, 40:50] = 1
    holdout, synthetic = replace(holdout, calls=PackedCalls.from_calls(calls)), replace(synthetic, calls=PackedCalls.from_calls(others))
    frequency = calls.mean(axis=0) / 2
    is_common = np.minimum(frequency, 1 - frequency) >= 0.05
    one, other = (
        np.array([linregress(part[:, k], values).slope if np.ptp(part[:, k]) else 0.0 for k in np.flatnonzero(is_common)])
        for part, values in ((calls, holdout.samples["weight"]), (others, synthetic.samples["weight"]))
    )
    weight = (2 * frequency * (1 - frequency))[is_common]
    expected = (weight * one * other).sum() / np.sqrt((weight * one**2).sum() * (weight * other**2).sum())
    assert is_common.sum() < N_VARIANTS - 20
    assert _scores(compared(holdout, synthetic))["effect_correlation"].value == pytest.approx(expected, rel=1e-9)


def test_effect_correlation__of_two_real_studies_is_attenuated_as_documented(compared: Any, population: Any) -> None:
    """1 - 1 / (mean chi-squared), where all variants have small effects; over 20 pairs of studies of 200 samples."""
    rng = np.random.default_rng(6)
    effects = rng.normal(size=N_VARIANTS)
    found, chi_squared = [], []
    for pair in range(20):
        holdout, synthetic = (population(200, 1_000 + 2 * pair + k, "ab"[k], effects / 10) for k in (0, 1))
        found.append(_scores(compared(holdout, synthetic))["effect_correlation"].value)
        chi_squared.append(_chi_squared(holdout).mean())
    expected = 1 - 1 / np.mean(chi_squared)
    assert 0.2 < expected < 0.9
    assert np.mean(found) == pytest.approx(expected, abs=4 * np.std(found, ddof=1) / np.sqrt(20))


def _chi_squared(holdout: Genotypes) -> Any:
    """Of each variant's test: (n - 2) r^2 / (1 - r^2)."""
    r = np.corrcoef(holdout.to_array().T, holdout.samples["weight"])[-1, :-1]
    return (holdout.n_samples - 2) * r**2 / (1 - r**2)


def test_a_trait_dealt_out_at_random__is_near_chance_and_the_intervals_know_it(compared: Any, population: Any) -> None:
    """Intervals at 95 % over 40 deals hold 0 as often as a binomial count may; inflation is compared where neither trait has effects."""
    correlations, gaps, signs = [], [], []
    for deal in range(40):
        rng = np.random.default_rng(deal)
        holdout, other = population(120, 5_000 + deal), population(120, 9_000 + deal, "s")
        dealt = [part.with_samples(part.samples.assign(weight=rng.permutation(part.samples["weight"]))) for part in (holdout, other)]
        found = _scores(compared(holdout, dealt[1]))
        correlations.append(found["effect_correlation"])
        signs.append(found["sign_agreement"])
        gaps.append(_scores(compared(*dealt))["lambda_difference"])
    for scores in (correlations, gaps):
        values = np.array([score.value for score in scores])
        assert abs(values.mean()) < 4 * values.std(ddof=1) / np.sqrt(40)
        assert sum(score.interval[0] <= 0 <= score.interval[1] for score in scores) >= binom.ppf(0.001, 40, 0.95)
    # The sd of a correlation about 0 of m independent pairs is 1 / sqrt(m).
    assert np.mean([score.standard_error for score in correlations]) == pytest.approx(1 / np.sqrt(N_VARIANTS), rel=0.1)
    agree = np.array([score.value for score in signs if np.isfinite(score.value)])
    assert len(agree) > 25
    assert agree.mean() == pytest.approx(0.5, abs=4 * agree.std(ddof=1) / np.sqrt(len(agree)))


def test_power__is_that_of_the_noncentral_t(compared: Any, with_values: Any) -> None:
    """Causal variants of equal shares q of the trait: t with n - 2 degrees and noncentrality sqrt(n q / (1 - q)), 20 studies."""
    n_samples, n_causal, share, n_studies = 300, 20, 0.03, 20
    degrees = n_samples - 2
    limit = t.isf(0.05 / N_VARIANTS / 2, degrees)
    noncentrality = np.sqrt(n_samples * share / (1 - share))
    power = nct.sf(limit, degrees, noncentrality) + nct.cdf(-limit, degrees, noncentrality)
    assert 0.2 < power < 0.8
    found, n_false, n_loci = [], 0.0, 0
    frequencies = np.random.default_rng(99).uniform(0.2, 0.5, N_VARIANTS)
    causal = np.arange(0, N_VARIANTS, N_VARIANTS // n_causal)
    effects = np.zeros(N_VARIANTS)
    effects[causal] = np.sqrt(share / (2 * frequencies * (1 - frequencies))[causal])
    named = {f"v{place}": effects[place] for place in causal}
    noise = np.sqrt(1 - n_causal * share)
    for study in range(n_studies):
        parts = []
        for k in (0, 1):
            rng = np.random.default_rng([study, k])
            parts.append(with_values(rng.binomial(2, frequencies, (n_samples, N_VARIANTS)).astype(np.int8), effects, noise, rng, "ab"[k]))
        scores = _scores(compared(parts[0], parts[1], causal=named))
        found.append(scores["power"].value)
        loci = round(scores["power"].value * n_causal / (1 - scores["false_discovery"].value))
        n_loci, n_false = n_loci + loci, n_false + scores["false_discovery"].value * loci
    # Variants that do not share a locus are found one by one; 0.05 false ones a study are allowed for.
    assert np.mean(found) == pytest.approx(power, abs=4 * np.sqrt(power * (1 - power) / (n_causal * n_studies)))
    assert n_loci > 0
    assert n_false <= poisson.ppf(0.999, 0.05 * n_studies)


def test_large_causal_variants__are_those_with_the_share_asked_for(compared: Any, with_values: Any) -> None:
    """One causal variant makes nine tenths of the genetic variance: it alone is asked for, and found."""
    rng = np.random.default_rng(7)
    effects = np.zeros(N_VARIANTS)
    effects[[0, 20, 40]] = 3.0, 1.0, 0.1
    holdout, synthetic = (with_values(rng.binomial(2, 0.5, (200, N_VARIANTS)).astype(np.int8), effects, 1.0, rng, name) for name in "ab")
    named = {"v0": 3.0, "v20": 1.0, "v40": 0.1, "elsewhere": 1.0}
    for least, n_large in ((0.5, 1), (0.05, 2)):
        score = _scores(compared(holdout, synthetic, causal=named), AssociationStudy(n_components=0, least_share=least))["power"]
        assert (score.value, score.interval) == (1.0, pytest.approx((n_large / (n_large + 1.959963984540054**2), 1.0)))
    assert (
        "the largest explains 0.8"
        in _scores(compared(holdout, synthetic, causal=named), AssociationStudy(least_share=0.99))["power"].reason
    )


def test_false_loci__are_those_that_no_causal_variant_is_linked_with(compared: Any, population: Any) -> None:
    """The variants of large effect are not those that are named: every locus is false, and no named variant is found."""
    holdout, synthetic = population(200, 1), population(200, 2, "s")
    found = _scores(compared(holdout, synthetic, causal={f"v{k + 1}": 0.8 for k in np.flatnonzero(LARGE)}))
    assert found["false_discovery"].value == 1.0
    assert found["power"].value == 0.0


def test_a_trait_without_effects__gives_reasons(compared: Any, population: Any) -> None:
    holdout, synthetic = (population(100, seed, name, np.zeros(N_VARIANTS)) for seed, name in ((11, "a"), (12, "s")))
    found = _scores(compared(holdout, synthetic), AssociationStudy(n_components=0, level=1e-6))
    for name in ("sign_agreement", "locus_overlap"):
        assert np.isnan(found[name].value)
        assert "No variant is significant (p at most 5e-09) among 100 holdout" in found[name].reason
    assert found["power"].reason == found["false_discovery"].reason == "The dataset names no causal variant of this trait."
    assert np.isfinite(found["lambda_difference"].value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"weight": 3.0}, "No association in 100 synthetic samples: The values of all 100 samples are 3"),
        ({"weight": np.nan}, "The trait 'weight' is known of no synthetic sample"),
        ({"weight": None}, "The synthetic samples carry no 'weight', which an association needs"),
        ({"sex": None}, "The synthetic samples carry no 'sex', which an association needs"),
    ],
)
def test_synthetic_samples_without_what_it_takes__give_the_reason(
    changes: dict[str, Any], reason: str, compared: Any, population: Any
) -> None:
    holdout = population(100, 1)
    holdout = holdout.with_samples(holdout.samples.assign(sex=["f", "m"] * 50))
    table = holdout.samples.drop(columns=[name for name, value in changes.items() if value is None])
    table = table.assign(**{name: value for name, value in changes.items() if value is not None})
    scores = AssociationStudy().score(compared(holdout, holdout.with_samples(table), trait=replace(VALUES, covariates=("sex",))), seed=0)
    assert len(scores) == 6
    assert all(np.isnan(score.value) and reason in (score.reason or "") for score in scores)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (("low", "high"), "All 100 synthetic samples have the class 'low'; an association needs two."),
        (("low", "middle", "high"), "None of 100 synthetic samples has the class 'high', and each class is tested against the others."),
    ],
)
def test_a_class_that_no_synthetic_sample_has__is_named(labels: tuple[str, ...], reason: str, population: Any, compared: Any) -> None:
    holdout = population(100, 1)
    holdout = holdout.with_samples(holdout.samples.assign(grade=np.resize(labels, 100)))
    synthetic = holdout.with_samples(holdout.samples.assign(grade=np.resize(labels[:-1], 100)))
    comparison = compared(holdout, synthetic, trait=Trait("grade", "categorical", labels))
    for metric in (AssociationStudy(), MixedAssociationStudy(), VariantImportance()):
        assert {score.reason for score in metric.score(comparison, seed=0)} == {reason}


def test_variants_without_a_position__are_no_loci_and_cost_no_power(population: Any, compared: Any) -> None:
    """Power was 0 and no variant was said to be significant, though ten are; effects and inflation take no positions."""
    holdout = population(800, 1)
    nowhere = replace(holdout, variants=holdout.variants.assign(position_bp=pd.array([None] * N_VARIANTS, dtype="Int64")))
    found = _scores(compared(nowhere, nowhere, causal={f"v{k}": 0.8 for k in np.flatnonzero(LARGE)}))
    for name in ("sign_agreement", "locus_overlap"):
        assert found[name].reason == "No variant has a known position, without which there are no loci."
    for name in ("power", "false_discovery"):
        assert found[name].reason == "None of the dataset's causal variants is among these variants with a known position."
    assert (found["effect_correlation"].value, found["lambda_difference"].value) == (pytest.approx(1), 0)
    # One causal variant of ten is somewhere unknown: it is not asked for.
    some = replace(
        holdout,
        variants=holdout.variants.assign(position_bp=holdout.variants["position_bp"].astype("Int64").mask(np.arange(N_VARIANTS) == 0)),
    )
    power = _scores(compared(some, some, causal={f"v{k}": 0.8 for k in np.flatnonzero(LARGE)}))["power"]
    whole = _scores(compared(holdout, holdout, causal={f"v{k}": 0.8 for k in np.flatnonzero(LARGE)}))["power"]
    assert whole.value == 1.0
    assert power.value == 1.0
    assert power.interval[0] < whole.interval[0]


def test_two_classes_and_ordered_ones__are_numbers(compared: Any, population: Any) -> None:
    holdout, synthetic = population(200, 1), population(200, 2, "s")
    for trait in (Trait("grade", "categorical", ("low", "high")), Trait("grade", "ordinal", ("low", "middle", "high"))):
        parts, numbered = [], []
        for part in (holdout, synthetic):
            weight = part.samples["weight"]
            number = pd.qcut(weight, len(trait.classes), labels=False)
            parts.append(part.with_samples(part.samples.assign(grade=[trait.classes[k] for k in number])))
            numbered.append(part.with_samples(part.samples.assign(weight=number.astype(float))))
        assert {name: score.value for name, score in _scores(compared(*parts, trait=trait)).items() if score.reason is None} == {
            name: score.value for name, score in _scores(compared(*numbered)).items() if score.reason is None
        }


def _slopes(calls: Any, values: Any) -> Any:
    """Of each variant's regression in closed form: covariance over variance."""
    centred = calls - calls.mean(axis=0)
    return centred.T @ (values - np.mean(values)) / (centred**2).sum(axis=0)


def test_three_classes__are_each_tested_against_the_rest(compared: Any, population: Any) -> None:
    """The correlation is over the tests of all classes: sums of products add up over them."""
    classes = ("red", "white", "roan")
    trait = Trait("coat", "categorical", classes)
    holdout, synthetic = population(150, 1), population(150, 2, "s")
    parts = [
        part.with_samples(part.samples.assign(coat=np.array(classes)[pd.qcut(part.samples["weight"], 3, labels=False)]))
        for part in (holdout, synthetic)
    ]
    frequency = holdout.to_array().mean(axis=0) / 2
    weight = 2 * frequency * (1 - frequency)
    sums = np.zeros(3)
    for label in classes:
        one, other = (_slopes(part.to_array(), (part.samples["coat"] == label).to_numpy(dtype=float)) for part in parts)
        sums += [(weight * a * b).sum() for a, b in ((one, other), (one, one), (other, other))]
    found = _scores(compared(*parts, trait=trait))
    assert found["effect_correlation"].value == pytest.approx(sums[0] / np.sqrt(sums[1] * sums[2]), rel=1e-9)


def test_example__order_and_numbers_of_samples() -> None:
    """With more holdout samples so many are drawn, the same whatever the order they come in; of training samples nothing is used."""
    comparison = example_comparison(n_synthetic=40)
    n_holdout = comparison.holdout.n_samples
    holdout, nobody = (comparison.holdout.take_samples(np.arange(n)[::-1]) for n in (n_holdout, 0))
    turned = replace(comparison, holdout=holdout, train=nobody, nonmembers=nobody)
    assert repr(AssociationStudy().score(turned, seed=3)) == repr(AssociationStudy().score(comparison, seed=3))
    assert repr(AssociationStudy().score(comparison, seed=4)) != repr(AssociationStudy().score(comparison, seed=3))


def test_families__inflate_the_linear_model_and_not_the_mixed_one(genotypes_with: Any, compared: Any) -> None:
    """Full sibs of 25 families that have a trait in common and no causal variant; the other study has the trait dealt out at random."""
    rng = np.random.default_rng(8)
    parents = rng.binomial(1, rng.uniform(0.2, 0.5, 400), (2, 25, 2, 400))
    family = np.repeat(np.arange(25), 12)
    gametes = [np.where(rng.integers(2, size=(300, 400)) == 0, side[family, 0], side[family, 1]) for side in parents]
    weight = rng.normal(size=25)[family] + 0.5 * rng.normal(size=300)
    sibs = genotypes_with((gametes[0] + gametes[1]).astype(np.int8), "a", weight=weight)
    dealt = sibs.with_samples(sibs.samples.assign(weight=rng.permutation(weight)))
    linear, mixed = (_scores(compared(dealt, sibs), metric)["lambda_difference"] for metric in (ALONE, MixedAssociationStudy()))
    assert linear.value > 4 * linear.standard_error
    assert abs(mixed.value) < 3 * mixed.standard_error


def test_components__do_not_take_away_the_effect_of_a_long_stretch_of_linked_variants(genotypes_with: Any, compared: Any) -> None:
    """150 variants within 1 Mb that are one but for errors, and that one is causal; made of all variants, a component stands for it."""
    rng = np.random.default_rng(9)
    causal = rng.binomial(2, 0.5, 300)
    linked = np.where(rng.random((300, 150)) < 0.05, rng.binomial(2, 0.5, (300, 150)), causal[:, None])
    calls = np.concatenate([linked, rng.binomial(2, 0.4, (300, 100))], axis=1).astype(np.int8)
    made = genotypes_with(calls, "a", weight=causal + rng.normal(size=300))
    variants = made.variants.assign(chromosome=np.where(np.arange(250) < 150, "1", made.variants["chromosome"]))
    variants.loc[:149, "position_bp"] = 1 + 6_000 * np.arange(150)
    holdout = replace(made, variants=variants)
    for spacing, power in ((1.0, 0.0), (1e6, 1.0)):
        metric = AssociationStudy(n_components=3, component_spacing_bp=spacing)
        assert _scores(compared(holdout, holdout, causal={"v0": 1.0}), metric)["power"].value == power
