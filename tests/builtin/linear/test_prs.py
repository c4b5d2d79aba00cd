"""Clumping and thresholding: effects by least squares, chosen within the samples that they are learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genobench import DatasetError, SettingsError
from genobench.builtin.linear.prs import THRESHOLDS, PolygenicScore
from genobench.builtin.linear.variant_weights import CallTable, unseen_scores
from genobench.testing import example_genotypes

NO_CLUMPS = PolygenicScore(reach_bp=1)
"""No variant is within reach of another."""


def _noise(context, *, n_samples, n_variants, seed):
    """Values drawn at random, in a table of their samples."""
    genotypes = example_genotypes(n_samples=n_samples, n_variants=n_variants, seed=seed)
    values = np.random.default_rng(seed).normal(size=n_samples)
    labelled = genotypes.with_samples(genotypes.samples.assign(weight=values))
    return labelled, CallTable.of(labelled, context["quantitative"])


def test_prs__weights_are_effects_of_single_variants_beside_covariates(context, is_male):
    """By numpy's least squares, one variant after the other; all of them have a p-value of at most 1."""
    train = example_genotypes(n_samples=100, n_variants=40, seed=6)
    table = CallTable.of(train, context["quantitative"])
    weights = NO_CLUMPS._weights(table, np.arange(100))[:, -1]
    calls = train.to_array().astype(float)
    for variant in (0, 17, 39):
        design = np.column_stack([calls[:, variant], np.ones(100), is_male(train)])
        effect = np.linalg.lstsq(design, train.samples["weight"].to_numpy())[0][0]
        assert weights[variant] == pytest.approx(effect * calls[:, variant].std(), rel=1e-4)


def test_prs__thresholds_let_in_ever_more_variants(train, context):
    weights = NO_CLUMPS._weights(CallTable.of(train, context["quantitative"]), np.arange(100))
    entered = np.count_nonzero(weights, axis=0)
    assert (np.diff(entered) >= 0).all()
    assert entered[-1] > entered[0]
    assert len(entered) == len(THRESHOLDS)


def test_prs__variants_of_one_score_are_hardly_linked(context):
    """Correlation of calls is near that of haplotypes under random mating; 0.3 is three of its errors above the limit of 0.1."""
    genotypes = example_genotypes(n_samples=400, n_variants=60, seed=8)
    table = CallTable.of(genotypes, context["quantitative"])
    chosen = np.flatnonzero(PolygenicScore(least_r2=0.1, reach_bp=10_000_000)._weights(table, np.arange(400))[:, -1])
    calls = genotypes.to_array()[:, table.variants[chosen]]
    chromosomes = genotypes.variants["chromosome"].to_numpy()[table.variants[chosen]]
    r2 = np.corrcoef(calls.T) ** 2 * (chromosomes[:, None] == chromosomes)
    assert 10 < len(chosen) < 60
    assert r2[~np.eye(len(chosen), dtype=bool)].max() < 0.3
    assert len(np.flatnonzero(NO_CLUMPS._weights(table, np.arange(400))[:, -1])) == 60


def test_prs__chooses_variants_in_the_samples_that_it_is_fitted_on(context):
    """A planted leak. Values drawn at random, 40 samples in the fit, 2,000 variants: variants tested in all samples predict those that
    were left out of the fit, variants tested within the fit do not."""
    _, table = _noise(context, n_samples=60, n_variants=2_000, seed=22)
    everyone = np.arange(60)
    seen = NO_CLUMPS._weights(table, everyone)[:, list(THRESHOLDS).index(1e-2)] != 0

    def leaky(part, rows):
        return NO_CLUMPS._weights(part, rows) * seen[:, None]

    def share_explained(weigh):
        unseen = unseen_scores(weigh, table, context["quantitative"])
        return 1 - unseen.scaled(unseen.slopes).errors().min() / np.mean(unseen.values**2)

    assert share_explained(leaky) > 0.5
    assert share_explained(NO_CLUMPS._weights) < 0.15


def test_prs__does_not_predict_values_drawn_at_random(context):
    """200 samples that the fit did not see: within four standard errors of no correlation; or it predicts one value a sex."""
    labelled, _ = _noise(context, n_samples=300, n_variants=800, seed=7)
    alone = replace(context["quantitative"], trait=replace(context["quantitative"].trait, covariates=()))
    predicted = PolygenicScore().fit(labelled.take_samples(np.arange(100)), alone).predict(labelled)[100:]
    assert predicted.std() == 0 or abs(np.corrcoef(predicted, labelled.samples["weight"][100:])[0, 1]) < 4 / np.sqrt(200)


def test_prs__predicts_a_trait_of_few_variants(context):
    """Three unlinked variants with nine tenths of the variance, of which a sum of single effects misses little."""
    genotypes = example_genotypes(n_samples=600, n_variants=200, seed=3)
    genetic = genotypes.to_array()[:, [20, 90, 170]] @ [1.0, -1.0, 1.0]
    values = genetic + np.random.default_rng(3).normal(size=600) * genetic.std() / 3
    labelled = genotypes.with_samples(genotypes.samples.assign(weight=values))
    of_validation = replace(context["quantitative"], validation=labelled.take_samples(np.arange(300, 450)))
    predicted = PolygenicScore().fit(labelled.take_samples(np.arange(300)), of_validation).predict(labelled)[450:]
    assert np.corrcoef(predicted, values[450:])[0, 1] > 0.8
    # The scale is that of the trait. Its error, from 150 samples to scale by and 150 to see it with, is 0.06 at a correlation of 0.9.
    assert np.polyfit(predicted, values[450:], 1)[0] == pytest.approx(1, abs=0.24)


def test_prs__that_predicts_the_wrong_way_is_left_out(context):
    """Validation samples with turned values: the scale is 0, and covariates are left."""
    genotypes = example_genotypes(n_samples=300, n_variants=60, seed=3)
    train, validation = genotypes.take_samples(np.arange(200)), genotypes.take_samples(np.arange(200, 300))
    turned = validation.with_samples(validation.samples.assign(weight=-validation.samples["weight"]))
    predicted = PolygenicScore().fit(train, replace(context["quantitative"], validation=turned)).predict(validation)
    assert np.unique(predicted.round(6)).size == 2


def test_prs__needs_positions(train, context):
    unplaced = replace(train, variants=train.variants.assign(position_bp=np.nan))
    with pytest.raises(DatasetError, match="No variant has a position"):
        PolygenicScore().fit(unplaced, context["quantitative"])


def test_prs__without_variants_that_vary_is_the_covariates(train, context):
    predicted = PolygenicScore().fit(train.take_variants(np.arange(3)), context["quantitative"]).predict(train.take_variants(np.arange(3)))
    np.testing.assert_allclose(predicted, train.samples.groupby("sex")["weight"].transform("mean"), rtol=1e-9)


@pytest.mark.parametrize(("settings", "message"), [({"least_r2": 1.5}, "least_r2 is 1.5"), ({"reach_bp": 0}, "reach_bp is 0")])
def test_prs__refuses_settings_that_mean_nothing(settings, message):
    with pytest.raises(SettingsError, match=message):
        PolygenicScore(**settings)
