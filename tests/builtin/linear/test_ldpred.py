"""LDpred from calls to predictions: effects by numpy's equations, chosen by samples that the fit did not see."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import norm

from genobench import DatasetError, PackedCalls, SettingsError
from genobench.builtin.linear.ldpred import SHARES, LdPred
from genobench.builtin.linear.variant_weights import CallTable, unseen_scores
from genobench.statgen import fit_gblup
from genobench.testing import example_genotypes

REACH = 500_000
QUICK = LdPred(reach_bp=REACH, n_sweeps=15, n_discarded=5)


def labelled(*, n_samples, n_variants, seed, genetic):
    """Values of which the genetic part, of calls standing at `places`, has nine tenths of the variance; noise alone for none."""
    genotypes = example_genotypes(n_samples=n_samples, n_variants=n_variants, seed=seed)
    noise = np.random.default_rng(seed).normal(size=n_samples)
    value = genotypes.to_array()[:, genetic] @ np.resize([1.0, -1.0], len(genetic)) if genetic else np.zeros(n_samples)
    values = value + noise * (value.std() / 3 if genetic else 1.0)
    return genotypes.with_samples(genotypes.samples.assign(weight=values))


@dataclass(frozen=True)
class ByNumpy:
    """What LDpred starts from, beside sex: in the first 80 of 100 samples of 60 variants."""

    table: CallTable
    calls: np.ndarray
    marginal: np.ndarray
    heritability: float
    per_allele: np.ndarray

    @property
    def of_alleles(self):
        """What makes effects of the table's standardised calls those of single alleles, shape (60, 1)."""
        return self.table.scale.factors[:, None] * np.sqrt(60)


@pytest.fixture
def by_numpy(context, is_male):
    train = example_genotypes(n_samples=100, n_variants=60, seed=6)
    part = train.take_samples(np.arange(80))
    design = np.column_stack([np.ones(80), is_male(part)])

    def beside(columns):
        return columns - design @ np.linalg.lstsq(design, columns)[0]

    calls, values = beside(part.to_array().astype(float)), beside(part.samples["weight"].to_numpy())
    standard = calls / calls.std(axis=0)
    return ByNumpy(
        table=CallTable.of(train, context["quantitative"]),
        calls=standard,
        marginal=standard.T @ values / (80 * values.std()),
        heritability=fit_gblup(part.calls, part.samples["weight"].to_numpy(), is_male(part)).heritability,
        per_allele=values.std() / calls.std(axis=0),
    )


def test_ldpred__infinitesimal_effects_are_those_of_its_equations(by_numpy):
    """(D + M / (N h2) I) effects = marginal effects, solved by numpy, for calls and values beside sex; N is 80 less two fixed effects."""
    variants = by_numpy.table.known.genotypes.variants
    chromosomes, at = variants["chromosome"].to_numpy(), variants["position_bp"].to_numpy(dtype=float)
    fading = np.clip(1 - np.abs(at[:, None] - at) / REACH, 0, 1) * (chromosomes[:, None] == chromosomes)
    linked = by_numpy.calls.T @ by_numpy.calls / 80 * fading
    expected = np.linalg.solve(linked + 60 / (78 * by_numpy.heritability) * np.eye(60), by_numpy.marginal) * by_numpy.per_allele
    found = QUICK.effects(by_numpy.table, np.arange(80), seed=1)[:, 0] * by_numpy.of_alleles[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_ldpred__effects_of_a_share_of_the_variants_make_the_heritability_together(by_numpy):
    """Without neighbours within reach no draw has a part in them: each is the mean given its marginal effect, of variance 1 / N, under a
    normal prior of variance h2 / (M share) for a share of the variants (Vilhjálmsson et al. 2015, the special case without linkage)."""
    found = LdPred(reach_bp=1, n_sweeps=2, n_discarded=1).effects(by_numpy.table, np.arange(80), seed=1)[:, 1:] * by_numpy.of_alleles
    marginal, shares = by_numpy.marginal[:, None], np.array(SHARES)
    variances = by_numpy.heritability / (60 * shares)
    has = shares * norm.pdf(marginal, scale=np.sqrt(variances + 1 / 78))
    none = (1 - shares) * norm.pdf(marginal, scale=np.sqrt(1 / 78))
    expected = has / (has + none) * marginal * variances / (variances + 1 / 78) * by_numpy.per_allele[:, None]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_ldpred__chooses_effects_in_the_samples_that_it_is_fitted_on(context):
    """A planted leak. Values drawn at random, 60 samples, 1,000 variants: effects of all samples predict those that were left out of the
    fit, effects learned without them do not."""
    noise = labelled(n_samples=60, n_variants=1_000, seed=22, genetic=[])
    table = CallTable.of(noise, context["quantitative"])
    everyone = np.arange(60)

    def share_explained(weigh):
        unseen = unseen_scores(weigh, table, context["quantitative"])
        return 1 - unseen.scaled(unseen.slopes).errors().min() / np.mean(unseen.values**2)

    assert share_explained(lambda part, _: QUICK.effects(part, everyone, seed=1)) > 0.5
    assert share_explained(lambda part, rows: QUICK.effects(part, rows, seed=1)) < 0.15


def test_ldpred__predicts_a_trait_of_few_variants(context):
    """Three unlinked variants with nine tenths of the variance; with few effects in the prior it comes near what they say."""
    sparse = labelled(n_samples=600, n_variants=200, seed=3, genetic=[20, 90, 170])
    of_validation = replace(context["quantitative"], validation=sparse.take_samples(np.arange(300, 450)))
    predicted = QUICK.fit(sparse.take_samples(np.arange(300)), of_validation).predict(sparse)[450:]
    values = sparse.samples["weight"][450:]
    assert np.corrcoef(predicted, values)[0, 1] > 0.9
    # The scale is that of the trait. Its error, from 150 samples to scale by and 150 to see it with, is 0.06 at a correlation of 0.9.
    assert np.polyfit(predicted, values, 1)[0] == pytest.approx(1, abs=0.24)


def test_ldpred__does_not_predict_values_drawn_at_random(context):
    """200 samples that the fit did not see: within four standard errors of no correlation; or it predicts one value for all."""
    noise = labelled(n_samples=300, n_variants=800, seed=7, genetic=[])
    alone = replace(context["quantitative"], trait=replace(context["quantitative"].trait, covariates=()))
    predicted = QUICK.fit(noise.take_samples(np.arange(100)), alone).predict(noise)[100:]
    assert predicted.std() == 0 or abs(np.corrcoef(predicted, noise.samples["weight"][100:])[0, 1]) < 4 / np.sqrt(200)


def test_ldpred__has_a_choice_for_each_share_and_is_the_same_again(train, context):
    table = CallTable.of(train, context["quantitative"])
    first, again, other = (QUICK.effects(table, np.arange(100), seed=seed) for seed in (1, 1, 2))
    assert first.shape == (len(table.variants), 1 + len(SHARES))
    np.testing.assert_array_equal(first, again)
    assert (first[:, 1:] != other[:, 1:]).any()


def test_ldpred__gives_a_variant_that_covariates_explain_no_effect(context):
    """Calls of males alone vary as sex does."""
    train = example_genotypes(n_samples=100, n_variants=30, seed=6)
    calls = train.to_array()
    calls[:, 7] = (train.samples["sex"] == "male").to_numpy()
    table = CallTable.of(replace(train, calls=PackedCalls.from_calls(calls)), context["quantitative"])
    found = QUICK.effects(table, np.arange(100), seed=1)
    assert np.isfinite(found).all()
    assert not found[list(table.variants).index(7)].any()


def test_ldpred__needs_positions(train, context):
    unplaced = replace(train, variants=train.variants.assign(position_bp=np.nan))
    with pytest.raises(DatasetError, match="No variant has a position, so that none can be compared with its neighbours; ldpred needs"):
        QUICK.fit(unplaced, context["quantitative"])


def test_ldpred__without_variants_that_vary_is_the_covariates(train, context):
    flat = train.take_variants(np.arange(3))
    predicted = LdPred().fit(flat, context["quantitative"]).predict(flat)
    np.testing.assert_allclose(predicted, train.samples.groupby("sex")["weight"].transform("mean"), rtol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"), [({"reach_bp": 0}, "reach_bp is 0"), ({"n_sweeps": 5, "n_discarded": 5}, "n_discarded is 5; it must be below")]
)
def test_ldpred__refuses_settings_that_mean_nothing(settings, message):
    with pytest.raises(SettingsError, match=message):
        LdPred(**settings)
