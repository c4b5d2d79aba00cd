"""DiscreteGenoGen's metrics, called as published on small matrices, against our definitions of the same names and the kernels under them.

The file of their answers stands beside the shared data, in `../shared/reference`; where it is absent these tests skip.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pytest

from genobench import MISSING, Comparison, Genotypes, PackedCalls, Trait
from genobench.builtin import discretegenogen as dgg
from genobench.statgen import (
    adversarial_accuracy,
    alt_frequency,
    correlation_score,
    genotype_frequencies,
    ld_decay,
    observed_heterozygosity,
    pairwise,
    precision_recall_curve,
    r2_matrix,
    variant_call_rate,
)
from genobench.testing import answer_requests

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from genobench import Metric

pytestmark = pytest.mark.oracle

PAIRS: Final = (
    "unif_40x30_seed0__vs__unif_60x30_seed1",
    "ar_40x30_seed0__vs__ar_60x30_seed1",
    "ar_60x30_seed1__vs__ar_60x30_seed2_shift",
    "const_40x30__vs__unif_60x30_seed1",
)
SETS: Final = ("unif_40x30_seed0", "unif_60x30_seed1", "ar_40x30_seed0", "ar_60x30_seed1", "ar_60x30_seed2_shift", "const_40x30")
KS: Final = (1, 3, 5, 10, 20)
MEASURES: Final[Mapping[str, Any]] = {"euclidean": "squared-euclidean", "manhattan": "manhattan"}
EXACT: Final = 1e-9
"""Relative; the published code works in float64 but for linkage."""
LINKAGE: Final = 1e-5
"""The published correlations of calls are float32."""
DECAY_EDGES: Final = tuple(np.logspace(3, 6, 50))
"""Of the 49 bins of the file; found from its counts, which no other round edges give."""


@pytest.fixture(scope="module")
def reference(shared_data: Path) -> dict[str, Any]:
    file = shared_data.parent / "reference" / "reference-vectors.json"
    if not file.is_file():
        pytest.skip(f"no answers of the published code at {file}")
    vectors: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return vectors


def _calls(reference: dict[str, Any], name: str) -> np.ndarray:
    return np.array(reference["datasets"][name]["matrix"], dtype=np.int8)


def _both(reference: dict[str, Any], pair: str) -> tuple[np.ndarray, np.ndarray]:
    first, second = pair.split("__vs__")
    return _calls(reference, first), _calls(reference, second)


def _genotypes(calls: np.ndarray, name: str) -> Genotypes:
    n_samples, n_variants = calls.shape
    variants = pd.DataFrame(
        {
            "chromosome": "1",
            "position_bp": 1 + np.arange(n_variants),
            "id": [f"v{column}" for column in range(n_variants)],
            "ref": "A",
            "alt": "C",
        }
    )
    return Genotypes(PackedCalls.from_calls(calls), pd.DataFrame({"id": [f"{name}{row}" for row in range(n_samples)]}), variants)


def _comparison(train: np.ndarray, synthetic: np.ndarray) -> Comparison:
    """There is no holdout and there are no nonmembers, as for whoever checks two published files."""
    trained = _genotypes(train, "train")
    nobody = trained.take_samples(np.zeros(0, dtype=np.intp))
    return Comparison(Trait("", "quantitative"), trained, nobody, nobody, _genotypes(synthetic, "synthetic"))


def _score(metric: Metric, comparison: Comparison) -> float:
    answered = answer_requests(comparison, metric.needs(comparison.trait))
    (score,) = metric.score(answered, seed=1)
    return score.value


def _triple(first: np.ndarray, second: np.ndarray, measure: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return pairwise(first, first, measure), pairwise(second, first, measure), pairwise(second, second, measure)


@pytest.mark.parametrize("pair", PAIRS)
def test_dgg_fst__is_the_published(reference, pair):
    assert _score(dgg.FixationIndex(), _comparison(*_both(reference, pair))) == pytest.approx(
        reference["pairs"][pair]["aggregated_fst"], rel=EXACT
    )


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("distance", MEASURES)
def test_dgg_aats__is_the_published_with_its_halves(reference, pair, distance):
    """Also where one set has 40 samples and the other 60."""
    comparison = _comparison(*_both(reference, pair))
    published = reference["pairs"][pair][f"AATS_{distance}"]
    metrics = {
        "AATS": dgg.AdversarialAccuracy,
        "AA_real": dgg.AdversarialAccuracyReal,
        "AA_synthetic": dgg.AdversarialAccuracySynthetic,
    }
    ours = {name: _score(metric(distance=MEASURES[distance]), comparison) for name, metric in metrics.items()}
    assert ours == pytest.approx(published, rel=EXACT)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("distance", MEASURES)
def test_adversarial_accuracy__with_ties_as_not_nearer_is_the_published(reference, pair, distance):
    published = reference["pairs"][pair][f"AATS_{distance}"]
    halves = adversarial_accuracy(*_triple(*_both(reference, pair), MEASURES[distance]), tie=0.0)
    assert halves == pytest.approx((published["AA_real"], published["AA_synthetic"]), rel=EXACT)


@pytest.mark.parametrize("k", [5, 10])
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("distance", MEASURES)
def test_dgg_precision_and_recall__are_the_published(reference, pair, distance, k):
    comparison = _comparison(*_both(reference, pair))
    published = reference["pairs"][pair][f"precision_recall_{distance}_k{k}"]
    for name, metric in {"precision": dgg.Precision, "recall": dgg.Recall}.items():
        assert _score(metric(k=k, distance=MEASURES[distance]), comparison) == pytest.approx(published[name], rel=EXACT)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("distance", MEASURES)
def test_precision_recall_curve__is_the_published_at_every_k(reference, pair, distance):
    published = reference["pairs"][pair][f"precision_recall_{distance}_ks_1_3_5_10_20"]
    curve = precision_recall_curve(*_triple(*_both(reference, pair), MEASURES[distance]), ks=KS)
    np.testing.assert_allclose(curve.T, [published["precision"], published["recall"]], rtol=EXACT)


@pytest.mark.parametrize("pair", PAIRS)
def test_dgg_corr__is_the_published(reference, pair):
    first, second = _both(reference, pair)
    published = pytest.approx(reference["pairs"][pair]["corr_score"], rel=EXACT)
    assert correlation_score(first, second) == published
    assert _score(dgg.CorrelationScore(), _comparison(first, second)) == published


@pytest.mark.parametrize("name", SETS)
def test_dgg_corr__of_a_set_with_itself_is_the_published(reference, name):
    calls = _calls(reference, name)
    assert correlation_score(calls, calls) == pytest.approx(reference["single"][name]["corr_score_self"], rel=EXACT)


@pytest.mark.parametrize("pair", PAIRS)
def test_dgg_frequency_correlations__are_the_published(reference, pair):
    comparison = _comparison(*_both(reference, pair))
    published = reference["pairs"][pair]
    assert _score(dgg.AlleleFrequencyCorrelation(), comparison) == pytest.approx(published["allele_freq_pearson"], rel=EXACT)
    assert _score(dgg.GenotypeFrequencyCorrelation(), comparison) == pytest.approx(
        published["geno_freq_pearson_concat_het_homalt_homref"], rel=EXACT
    )


@pytest.mark.parametrize("pair", PAIRS)
def test_allele_frequency_error__is_the_published_difference(reference, pair):
    first, second = (alt_frequency(calls) for calls in _both(reference, pair))
    assert np.abs(first - second).mean() == pytest.approx(reference["pairs"][pair]["allele_freq_mean_abs_diff"], rel=EXACT)


@pytest.mark.parametrize("name", SETS)
def test_frequencies__are_the_published(reference, name):
    calls, published = _calls(reference, name), reference["single"][name]
    hom_ref, het, hom_alt = genotype_frequencies(calls)
    np.testing.assert_allclose(alt_frequency(calls), published["allele_freq"], rtol=EXACT)
    np.testing.assert_allclose(het, published["het_rate"], rtol=EXACT)
    np.testing.assert_allclose(observed_heterozygosity(calls), published["het_rate"], rtol=EXACT)
    np.testing.assert_allclose(hom_alt, published["hom_alt_rate"], rtol=EXACT)
    np.testing.assert_allclose(hom_ref, published["hom_ref_rate"], rtol=EXACT, atol=1e-15)


@pytest.mark.parametrize("name", SETS)
def test_linkage__is_the_published(reference, name):
    """Pairs of a variant that does not vary have none; the first ten pairs, the mean and the number of those without."""
    calls, published = _calls(reference, name), reference["single"][name]
    upper = np.triu_indices(calls.shape[1], 1)
    r2 = r2_matrix(calls, calls)[0][upper]
    np.testing.assert_allclose(r2[:10], np.array(published["LD_r2_first10"], dtype=float), rtol=LINKAGE, atol=1e-7)
    assert np.nanmean(r2) == pytest.approx(published["LD_r2_nanmean"], rel=LINKAGE)
    assert (len(r2), np.isnan(r2).sum()) == (published["LD_r2_len"], published["LD_r2_nan_count"])


@pytest.mark.parametrize("name", SETS)
def test_ld_decay__is_the_published_without_the_correction(reference, name):
    """Ours is r2 - (1 - r2) / (n - 2), so a mean r2 is (ours (n - 2) + 1) / (n - 1)."""
    calls, published = _calls(reference, name), reference["single"][name]
    decay = ld_decay(calls, chromosomes=["1"] * calls.shape[1], positions=reference["positions_30"], edges=DECAY_EDGES)
    mean_r2 = (decay.mean_r2 * (len(calls) - 2) + 1) / (len(calls) - 1)
    assert decay.pair_count.sum(axis=0).tolist() == published["LD_decay_bin_count_49"]
    np.testing.assert_allclose(mean_r2, np.array(published["LD_decay_bin_mean_49"], dtype=float), rtol=LINKAGE, atol=1e-7)


def test_identical_sets__score_as_published(reference):
    published = reference["edge_cases"]
    calls = _calls(reference, "unif_40x30_seed0")
    comparison = _comparison(calls, calls)
    halves = [_score(metric(), comparison) for metric in (dgg.AdversarialAccuracyReal, dgg.AdversarialAccuracySynthetic)]
    assert halves == [published["identical_sets_AATS_manhattan"][name] for name in ("AA_real", "AA_synthetic")]
    assert _score(dgg.FixationIndex(), comparison) == pytest.approx(published["identical_sets_fst"], abs=1e-15)
    assert [_score(metric(k=5), comparison) for metric in (dgg.Precision, dgg.Recall)] == published["identical_sets_precision_recall_k5"]


def test_k_of_the_number_of_samples__is_missing_where_the_published_raises(reference):
    assert "out of bounds" in reference["edge_cases"]["k_equal_n"]
    comparison = _comparison(_calls(reference, "unif_40x30_seed0"), _calls(reference, "unif_60x30_seed1"))
    assert np.isnan(_score(dgg.Precision(k=40), comparison))
    assert np.isfinite(_score(dgg.Precision(k=39), comparison))


def test_constant_calls__score_as_published(reference):
    published = reference["edge_cases"]
    ones = np.ones((40, 30), dtype=np.int8)
    assert np.isnan(float(published["fst_all_monomorphic"]))
    assert np.isnan(_score(dgg.FixationIndex(), _comparison(0 * ones, 0 * ones)))
    assert _score(dgg.CorrelationScore(), _comparison(ones, ones)) == float(published["corr_score_all_constant"])


def test_missing_call__is_left_out_where_the_published_counts_it_as_reference(reference):
    """Times the call rate ours is theirs: of 80 alleles one call, two ALT alleles, is missing."""
    published = reference["edge_cases"]
    calls = _calls(reference, "unif_40x30_seed0")
    assert alt_frequency(calls)[0] == pytest.approx(published["allele_freq_without_nan_col0"], rel=EXACT)
    calls[0, 0] = MISSING
    assert (alt_frequency(calls) * variant_call_rate(calls))[0] == pytest.approx(published["allele_freq_with_nan_col0"], rel=EXACT)


@pytest.mark.parametrize("pair", PAIRS)
def test_dgg_scores__do_not_mind_the_order_of_samples(reference, pair):
    train, synthetic = _both(reference, pair)
    shuffled = _comparison(*(np.random.default_rng(1).permutation(side) for side in (train, synthetic)))
    comparison = _comparison(train, synthetic)
    for metric in (dgg.Precision(k=5), dgg.AdversarialAccuracy(), dgg.FixationIndex(), dgg.CorrelationScore()):
        assert _score(metric, shuffled) == pytest.approx(_score(metric, replace(comparison)), rel=EXACT)
