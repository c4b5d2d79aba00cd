"""DiscreteGenoGen's definitions: answers of the published code on small draws, closed forms, and what happens at the edges.

Numbers without a derivation are what SihanXXX/DiscreteGenoGen, commit 89e1b74, gives for `A`, 40 samples, and `B`, 60 samples; all others
of its answers are in tests/oracles/test_reference_vectors.py.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from genobench import MISSING, Comparison, Genotypes, PackedCalls, Score
from genobench.builtin import discretegenogen as dgg
from genobench.statgen import aggregate_fst, genome_blocks, genotype_counts, pairwise
from genobench.testing import answer_requests, example_comparison, example_genotypes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genobench import Metric

A: Final = np.random.default_rng(0).integers(0, 3, size=(40, 30)).astype(np.int8)
B: Final = np.random.default_rng(1).integers(0, 3, size=(60, 30)).astype(np.int8)
EUCLIDEAN: Final = "squared-euclidean"
PUBLISHED: Final[Mapping[Metric, float]] = MappingProxyType(
    {
        dgg.FixationIndex(): 0.009234627843973432,
        dgg.AdversarialAccuracy(): 0.5291666666666667,
        dgg.AdversarialAccuracyReal(): 0.375,
        dgg.AdversarialAccuracySynthetic(): 0.6833333333333333,
        dgg.AdversarialAccuracy(distance=EUCLIDEAN): 0.5125,
        dgg.AdversarialAccuracyReal(distance=EUCLIDEAN): 0.425,
        dgg.AdversarialAccuracySynthetic(distance=EUCLIDEAN): 0.6,
        dgg.Precision(k=5): 0.9833333333333333,
        dgg.Recall(k=5): 0.95,
        dgg.Precision(k=3, distance="manhattan"): 0.9333333333333333,
        dgg.Recall(k=1, distance="manhattan"): 0.475,
        dgg.CorrelationScore(): -0.062104467555405676,
        dgg.AlleleFrequencyCorrelation(): -0.18045244710207595,
        dgg.GenotypeFrequencyCorrelation(): -0.002021175619546168,
    }
)
NEIGHBOUR_METRICS: Final = (
    dgg.Precision(k=5),
    dgg.Recall(k=5),
    dgg.AdversarialAccuracy(),
    dgg.AdversarialAccuracyReal(),
    dgg.AdversarialAccuracySynthetic(),
)


def _genotypes(calls: np.ndarray) -> Genotypes:
    template = example_genotypes(n_samples=len(calls), n_variants=calls.shape[1])
    return replace(template, calls=PackedCalls.from_calls(calls.astype(np.int8)))


def _comparison(train: np.ndarray, synthetic: np.ndarray) -> Comparison:
    """Train and synthetic samples alone: nobody has a holdout or nonmembers."""
    trained = _genotypes(train)
    nobody = trained.take_samples(np.zeros(0, dtype=np.intp))
    return Comparison(example_comparison().trait, trained, nobody, nobody, _genotypes(synthetic))


def _score(metric: Metric, comparison: Comparison) -> Score:
    (score,) = metric.score(answer_requests(comparison, metric.needs(comparison.trait)), seed=1)
    return score


@pytest.mark.parametrize("metric", PUBLISHED, ids=repr)
def test_score__is_what_the_published_code_gives(metric):
    assert (A.sum(), B.sum()) == (1225, 1846)
    assert _score(metric, _comparison(A, B)).value == pytest.approx(PUBLISHED[metric], rel=1e-9)


@pytest.mark.parametrize("metric", PUBLISHED, ids=repr)
def test_metric__waits_to_be_asked_for_and_needs_no_holdout(metric):
    assert metric.is_on_request
    assert metric.parts == ("train", "synthetic")
    assert all({request.queries, request.references} <= {"train", "synthetic"} for request in metric.needs(example_comparison().trait))


def test_defaults__are_the_published():
    assert (dgg.Precision().k, dgg.Recall().k) == (50, 50)
    assert (dgg.Precision().distance, dgg.AdversarialAccuracy().distance) == (EUCLIDEAN, "manhattan")


@pytest.mark.parametrize("metric", NEIGHBOUR_METRICS, ids=repr)
def test_copies__are_in_every_neighbourhood_and_nearer_than_any_other(metric):
    value = _score(metric, _comparison(A, A)).value
    assert value == (1.0 if isinstance(metric, (dgg.Precision, dgg.Recall)) else 0.0)


def test_ties__count_as_not_nearer():
    """Every sample is like every other: published code gives 0, where ties that count one half would give .5."""
    ones = np.ones((40, 30))
    assert [_score(metric, _comparison(ones, ones)).value for metric in NEIGHBOUR_METRICS[2:]] == [0, 0, 0]


def test_precision__holds_what_lies_on_the_surface():
    """One variant, one neighbour: balls around 0 and 2 of radius 2 hold 1; around 0 and 0 of radius 0 they do not."""
    synthetic = np.array([[1], [1]])
    assert _score(dgg.Precision(k=1), _comparison(np.array([[0], [2]]), synthetic)).value == 1
    assert _score(dgg.Precision(k=1), _comparison(np.array([[0], [0]]), synthetic)).value == 0


@pytest.mark.parametrize("metric", [dgg.Precision(k=40), dgg.Recall(k=40), dgg.Precision(k=0)], ids=repr)
def test_k_without_so_many_neighbours__is_missing_and_says_so(metric):
    score = _score(metric, _comparison(A, B))
    assert np.isnan(score.value)
    assert f"k is {metric.k}, but the smaller set has 40 samples" in str(score.reason)


def test_precision__with_the_largest_k_has_no_noise():
    """39 neighbours there are, but not after a group is left out."""
    score = _score(dgg.Precision(k=39), _comparison(A, B))
    assert np.isfinite(score.value)
    assert (score.standard_error, score.interval) == (None, None)


@pytest.mark.parametrize("metric", NEIGHBOUR_METRICS[2:], ids=repr)
def test_single_synthetic_sample__has_no_neighbour(metric):
    score = _score(metric, _comparison(A, B[:1]))
    assert np.isnan(score.value)
    assert "the smaller one has 1" in str(score.reason)


@pytest.mark.parametrize("metric", [dgg.FixationIndex(), dgg.AlleleFrequencyCorrelation(), dgg.GenotypeFrequencyCorrelation()], ids=repr)
def test_nothing_that_varies__is_missing_and_says_so(metric):
    calls = np.zeros((40, 30)) if isinstance(metric, dgg.FixationIndex) else np.full((40, 30), 1)
    if isinstance(metric, dgg.GenotypeFrequencyCorrelation):
        calls = np.full((40, 30), MISSING)
    score = _score(metric, _comparison(calls, calls))
    assert np.isnan(score.value)
    assert score.reason


def test_corr__of_calls_that_do_not_vary_is_zero():
    assert _score(dgg.CorrelationScore(), _comparison(np.ones((40, 30)), B)).value == 0


def test_fst__of_two_draws_of_one_population_is_a_quarter_over_n():
    """Without a correction: E (p - q)^2 / 2 is p (1 - p) / (2 n), over 2 p (1 - p). 3,000 variants: the ratio's error is sqrt(2 / 3000)."""
    rng = np.random.default_rng(6)
    first, second = (rng.binomial(2, 0.4, size=(50, 3000)) for _ in range(2))
    score = _score(dgg.FixationIndex(), _comparison(first, second))
    assert score.value == pytest.approx(1 / 200, rel=4 * np.sqrt(2 / 3000))
    assert score.standard_error == pytest.approx(np.sqrt(2 / 3000) / 200, rel=0.6)


def test_fst__leaves_out_a_block_of_the_genome_at_a_time():
    """Busing et al. 1999, equation 5, for 20 blocks of two variants."""
    rng = np.random.default_rng(7)
    first, second = (rng.binomial(2, 0.4, size=(50, 40)).astype(np.int8) for _ in range(2))
    comparison = _comparison(first, second)
    blocks = genome_blocks(comparison.train.variants["chromosome"].to_numpy(dtype=object))
    assert np.bincount(blocks).tolist() == [2] * 20
    deleted = np.array(
        [aggregate_fst(genotype_counts(first[:, blocks != block]), genotype_counts(second[:, blocks != block])).fst for block in range(20)]
    )
    expected = np.sqrt(19 / 20 * np.sum((deleted - deleted.mean()) ** 2))
    assert _score(dgg.FixationIndex(), comparison).standard_error == pytest.approx(expected)


def test_frequencies__are_over_the_calls_that_are_there():
    """A variant without any call on one side is left out; what is missing elsewhere is not counted as REF."""
    train = A.copy()
    train[:20, 0] = MISSING
    train[:, 1] = MISSING
    kept = np.arange(30) != 1
    halved = A[:, kept].copy()
    with_missing = _score(dgg.AlleleFrequencyCorrelation(), _comparison(train, B)).value
    p = halved.mean(axis=0) / 2
    p[0] = A[20:, 0].mean() / 2
    assert with_missing == pytest.approx(np.corrcoef(p, B[:, kept].mean(axis=0) / 2)[0, 1])


def test_relatives__are_left_out_together():
    """Five litters of eight are left out whole; the value is the same, its noise is not."""
    comparison = _comparison(A, B)
    with_litters = replace(comparison, groups={"train": np.arange(40) // 8})
    alone, together = (_score(dgg.AdversarialAccuracyReal(), shown) for shown in (comparison, with_litters))
    assert alone.value == together.value
    assert alone.standard_error != together.standard_error


def test_distances__are_those_of_all_samples():
    """Train has 40 and synthetic 60: nothing is drawn, the published numbers would not come out."""
    nearest_other = pairwise(A, A).astype(float)
    np.fill_diagonal(nearest_other, np.inf)
    expected = (nearest_other.min(axis=1) < pairwise(B, A).min(axis=0)).mean()
    assert _score(dgg.AdversarialAccuracyReal(), _comparison(A, B)).value == expected


@pytest.mark.parametrize("metric", PUBLISHED, ids=repr)
def test_score__does_not_mind_which_allele_is_alt(metric):
    assert _score(metric, _comparison(2 - A, 2 - B)).value == pytest.approx(PUBLISHED[metric], rel=1e-9)


@pytest.mark.parametrize(
    ("metric", "turned"),
    [
        (dgg.Precision(k=3), dgg.Recall(k=3)),
        (dgg.AdversarialAccuracyReal(), dgg.AdversarialAccuracySynthetic()),
        (dgg.AdversarialAccuracy(), dgg.AdversarialAccuracy()),
        (dgg.FixationIndex(), dgg.FixationIndex()),
        (dgg.CorrelationScore(), dgg.CorrelationScore()),
    ],
    ids=repr,
)
def test_score__of_the_sets_exchanged_is_that_of_the_other_half(metric, turned):
    assert _score(metric, _comparison(A, B)).value == pytest.approx(_score(turned, _comparison(B, A)).value, rel=1e-9)
