"""Fst by three definitions: scikit-allel, DiscreteGenoGen's published numbers, and what must hold; PLINK 2 is in tests/oracles."""

from __future__ import annotations

import json

import allel
import numpy as np
import pytest

from genobench.statgen import aggregate_fst, genotype_counts, hudson_fst, weir_cockerham_fst


@pytest.fixture(scope="module")
def populations() -> list[np.ndarray]:
    """Three populations of 30, 50 and 80 samples, 400 variants; some vary in one only."""
    rng = np.random.default_rng(3)
    ancestral = rng.uniform(0, 1, 400)
    return [rng.binomial(2, np.clip(ancestral + 0.1 * rng.standard_normal(400), 0, 1), size=(n, 400)).astype(np.int8) for n in (30, 50, 80)]


def _allele_counts(calls: np.ndarray) -> np.ndarray:
    alt = calls.sum(axis=0)
    return np.stack([2 * len(calls) - alt, alt], axis=1)


def test_hudson__agrees_with_scikit_allel(populations):
    terms = hudson_fst(genotype_counts(populations[0]), genotype_counts(populations[1]))
    numerator, denominator = allel.hudson_fst(_allele_counts(populations[0]), _allele_counts(populations[1]))
    np.testing.assert_allclose(terms.numerator, numerator, atol=1e-12)
    np.testing.assert_allclose(terms.denominator, denominator, atol=1e-12)
    assert terms.fst == pytest.approx(numerator.sum() / denominator.sum(), rel=1e-12)


@pytest.mark.parametrize("n_populations", [2, 3])
def test_weir_cockerham__agrees_with_scikit_allel(populations, n_populations):
    chosen = populations[:n_populations]
    terms = weir_cockerham_fst([genotype_counts(calls) for calls in chosen])
    pooled = np.concatenate(chosen).T
    alleles = np.stack([pooled >= 1, pooled == 2], axis=2).astype(np.int8)
    places = np.split(np.arange(pooled.shape[1]), np.cumsum([len(calls) for calls in chosen])[:-1])
    a, b, c = (term.sum(axis=1) / 2 for term in allel.weir_cockerham_fst(alleles, [list(place) for place in places]))
    np.testing.assert_allclose(terms.numerator, a, atol=1e-12)
    np.testing.assert_allclose(terms.denominator, a + b + c, atol=1e-12)


def test_aggregate__is_what_discretegenogen_gives(shared_data):
    """Its own functions, called on the recipes that the file lists."""
    vectors = json.loads((shared_data.parent / "reference" / "reference-vectors.json").read_text())
    for pair, expected in vectors["pairs"].items():
        sides = [genotype_counts(np.array(vectors["datasets"][name]["matrix"], dtype=np.int8)) for name in pair.split("__vs__")]
        assert aggregate_fst(*sides).fst == pytest.approx(expected["aggregated_fst"], rel=1e-9)


def test_aggregate__is_undefined_where_nothing_varies():
    counts = genotype_counts(np.zeros((5, 4), dtype=np.int8))
    assert np.isnan(aggregate_fst(counts, counts).fst)


def test_fst__of_one_population_is_zero_without_bias_by_numbers_of_samples():
    """Two draws of 20 and 60 samples from one population, 4,000 variants: the unbiased ones within 4 SE, the aggregate near 1 / (4 n)."""
    rng = np.random.default_rng(5)
    frequencies = rng.uniform(0.1, 0.9, 4_000)
    sides = [genotype_counts(rng.binomial(2, frequencies, size=(n, 4_000)).astype(np.int8)) for n in (20, 60)]
    # p - q has the variance p (1 - p) (1 / 40 + 1 / 120): a term over the mean denominator has an SD of about sqrt(2) times 1 / 60.
    error = np.sqrt(2) / 60 / np.sqrt(4_000)
    assert abs(hudson_fst(*sides).fst) < 4 * error
    assert abs(weir_cockerham_fst(sides).fst) < 4 * error
    assert aggregate_fst(*sides).fst == pytest.approx((1 / 40 + 1 / 120) / 4, rel=0.1)


def test_fst__of_fixed_differences_is_one():
    one, other = (genotype_counts(np.full((6, 5), value, dtype=np.int8)) for value in (0, 2))
    assert hudson_fst(one, other).fst == 1
    assert weir_cockerham_fst([one, other]).fst == pytest.approx(1)
    assert aggregate_fst(one, other).fst == 1


def test_fst__passes_over_variants_without_calls(populations):
    counts = [genotype_counts(calls) for calls in populations[:2]]
    emptied = [counts[0].copy(), counts[1]]
    emptied[0][:, 100:] = 0
    cut = [side[:, :100] for side in counts]
    assert hudson_fst(*emptied).fst == pytest.approx(hudson_fst(*cut).fst)
    assert weir_cockerham_fst(emptied).fst == pytest.approx(weir_cockerham_fst(cut).fst)
    assert aggregate_fst(*emptied).fst == pytest.approx(aggregate_fst(*cut).fst)


def test_fst__without_a_block_is_that_of_the_other_variants(populations):
    counts = [genotype_counts(calls) for calls in populations[:2]]
    blocks = np.arange(400) // 100
    kept = [side[:, blocks != 2] for side in counts]
    assert hudson_fst(*counts).without(blocks)[2] == pytest.approx(hudson_fst(*kept).fst)


def test_weir_cockerham__needs_two_populations(populations):
    with pytest.raises(ValueError, match="needs two populations or more; there are 1"):
        weir_cockerham_fst([genotype_counts(populations[0])])
