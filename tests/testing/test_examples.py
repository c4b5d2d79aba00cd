"""The examples are what they say: families, linkage, heritable traits, exchangeable parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from genobench.calls import MISSING
from genobench.contracts import Pairwise, Predictions
from genobench.storage import content_sha256
from genobench.testing import EXAMPLE_TRAITS, answer_requests, example_comparison, example_genotypes, permute_samples

if TYPE_CHECKING:
    from genobench.contracts import TraitKind


def test_example_genotypes__same_seed_same_content() -> None:
    first, second, other = (content_sha256(example_genotypes(seed=seed)) for seed in (3, 3, 4))
    assert first == second != other


def test_example_genotypes__linkage_falls_with_distance() -> None:
    calls = example_genotypes(n_samples=1200).to_array().astype(float)
    r2 = np.corrcoef(calls.T) ** 2
    at_50, at_200, unlinked = np.diag(r2[:30, :30], 1).mean(), np.diag(r2[:30, :30], 4).mean(), r2[:30, 30:].mean()
    assert at_50 > 3 * at_200 > 3 * unlinked


def test_example_genotypes__relatives_share_a_sire() -> None:
    genotypes = example_genotypes(n_samples=600, n_variants=400)
    calls = genotypes.to_array().astype(float)
    scaled = (calls - calls.mean(axis=0)) / calls.std(axis=0)
    relationship = scaled @ scaled.T / calls.shape[1]
    family = genotypes.samples["family"].to_numpy()
    is_sib = (family[:, None] == family) & ~np.eye(600, dtype=bool)
    # Half-sibs through a sire: relationship 1/4, as the sire's two haplotypes are handed down whole; linkage leaves about 80
    # independent segments, so the mean of 1,500 pairs has a standard error well below .01.
    assert relationship[is_sib].mean() == pytest.approx(0.25, abs=0.04)
    assert relationship[~is_sib & ~np.eye(600, dtype=bool)].mean() == pytest.approx(0.0, abs=0.01)


def test_example_genotypes__missing_and_constant_as_asked() -> None:
    calls = example_genotypes(n_samples=500, n_constant=4, missing_share=0.1).to_array()
    # 30,000 calls: the share's standard error is sqrt(.1 * .9 / 30000) = .0017.
    assert (calls == MISSING).mean() == pytest.approx(0.1, abs=4 * 0.0017)
    assert [set(column) - {MISSING} for column in calls.T[:4].tolist()] == [{0}, {2}, {0}, {2}]


@pytest.mark.parametrize("n_variants", [1, 2, 7])
def test_example_genotypes__few_variants(n_variants: int) -> None:
    assert example_genotypes(n_samples=10, n_variants=n_variants).calls.shape == (10, n_variants)


def test_example_genotypes__every_class_occurs() -> None:
    table = example_genotypes().samples
    for trait in EXAMPLE_TRAITS.values():
        assert set(trait.classes) <= set(table[trait.column])


def test_example_comparison__nonmembers_share_families_and_holdout_none() -> None:
    comparison = example_comparison("categorical")
    train, nonmembers, holdout = (set(part.samples["family"]) for part in (comparison.train, comparison.nonmembers, comparison.holdout))
    assert nonmembers == train
    assert not holdout & train


def test_answer_requests__distances_are_those_of_the_formula() -> None:
    comparison = example_comparison()
    request = Pairwise("holdout", "train", "squared-euclidean")
    found = answer_requests(comparison, [request]).results[request]
    holdout, train = comparison.holdout.to_array().astype(int), comparison.train.to_array().astype(int)
    assert np.array_equal(found, ((holdout[:, None] - train[None]) ** 2).sum(axis=2))


@pytest.mark.parametrize("kind", ["quantitative", "categorical", "ordinal"])
def test_answer_requests__predictions_belong_to_the_sample(kind: TraitKind) -> None:
    comparison = example_comparison(kind)
    request = Predictions("ridge", "synthetic")
    before = answer_requests(comparison, [request]).results[request]
    order = permute_samples(comparison.holdout, seed=5)
    places = [list(comparison.holdout.sample_ids).index(name) for name in order.sample_ids]
    after = answer_requests(type(comparison)(**{**vars(comparison), "holdout": order}), [request]).results[request]
    assert np.allclose(before.predicted[places], after.predicted)
    assert list(before.truth[places]) == list(after.truth)
