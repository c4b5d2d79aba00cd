"""What panels of association show, against closed forms and the scores that stand beside them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from scipy.stats import beta, chi2

from genobench.answers import Answers
from genobench.builtin.association.gwas import AssociationStudy
from genobench.registry import load_registry
from genobench.report.association import GenomeAxis, expected_log10_p, order_band, studies, thinned
from genobench.report.association_panels import draw_manhattan, draw_quantiles
from genobench.report.evidence import Evidence
from genobench.scoring import _Bench, _score_record
from genobench.testing import example_comparison


@pytest.fixture(scope="module")
def association(shown):
    found = studies(shown, seed=1)
    assert not isinstance(found, str)
    return found


def _shown_with(association: Any, **changes: Any) -> Any:
    """Evidence with these studies and the fields of both scans changed."""
    scans = {side: replace(getattr(association, side), **changes) for side in ("holdout", "synthetic")}
    return SimpleNamespace(association=replace(association, **scans), studied=SimpleNamespace(causal=None))


def _axes(figure: Any) -> Any:
    return figure.axes[0]


@pytest.mark.parametrize("n_tests", [1, 7, 3000])
def test_order_band__is_that_of_the_order_statistics_of_uniform_numbers(n_tests):
    expected, low, high = order_band(n_tests)
    ranks = np.round(10.0**-expected * (n_tests + 1))
    assert expected == pytest.approx(-np.log10(beta.mean(ranks, n_tests + 1 - ranks)), rel=1e-12)
    assert 10.0**-low == pytest.approx(beta.ppf(0.975, ranks, n_tests + 1 - ranks), rel=1e-9)
    assert 10.0**-high == pytest.approx(beta.ppf(0.025, ranks, n_tests + 1 - ranks), rel=1e-9)
    assert {1.0, float(n_tests)} <= set(ranks)
    assert len(ranks) <= 400


def test_expected__is_the_mean_of_each_order_statistic():
    assert 10.0 ** -expected_log10_p(4) == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_thinned__keeps_every_strong_hit_and_a_neighbour_of_every_other_point():
    rng = np.random.default_rng(5)
    x, y = rng.uniform(size=60_000), rng.exponential(1 / np.log(10), 60_000)
    y[:10] = np.nan
    kept = thinned(x, y, cells=(100, 20))
    assert set(np.flatnonzero(y >= 2)) <= set(kept)
    assert not np.isnan(y[kept]).any()
    assert (y[kept] < 2).sum() <= 100 * 20

    def cells(places):
        return set(zip((x[places] * 100).astype(int), (y[places] * 10).astype(int), strict=True))

    below = np.flatnonzero(y < 2)
    assert cells(below) == cells(kept[y[kept] < 2])


def test_genome_axis__keeps_distances_and_gives_a_single_variant_a_place():
    chromosomes = np.array(["2", "2", "2", "X", "1", "1", "MT"], dtype=object)
    positions = np.array([100.0, 300.0, 1100.0, 70.0, 5.0, 505.0, np.nan])
    axis = GenomeAxis.of(chromosomes, positions)
    assert axis.names == ("2", "X", "1")
    assert axis.number.tolist() == [0, 0, 0, 1, 2, 2, -1]
    assert np.isnan(axis.x[6])
    x = axis.x
    assert (x[1] - x[0]) / (x[2] - x[1]) == pytest.approx(200 / 800)
    assert (x[5] - x[4]) / (x[2] - x[0]) == pytest.approx(500 / 1000)
    assert (axis.starts[1:] > axis.ends[:-1]).all()
    assert axis.starts[1] < x[3] < axis.ends[1]
    assert (axis.starts[0], axis.ends[-1]) == (0.0, 1.0)


@pytest.mark.parametrize("kind", ["quantitative", "categorical", "ordinal"])
def test_evidence__has_the_studies_that_gwas_is_scored_by(kind, monkeypatch):
    """Of fewer samples than there are, drawn by the report and by the scoring worker each for itself."""
    monkeypatch.setattr(AssociationStudy, "most_samples", 40)
    comparison, registry = example_comparison(kind, n_synthetic=60, missing_share=0.02), load_registry()
    job: Any = SimpleNamespace(seed=3, settings={})
    record = _score_record(_Bench(job=job, comparison=comparison, answers=Answers(registry, comparison.train)), "genobench/gwas")
    scores = {score["name"]: score["value"] for score in record["values"]}
    found: Any = Evidence.of(comparison, seed=3, has_families=False).association
    assert found.holdout.cohort.genotypes.n_samples == record["samples"]["holdout"] == 40
    assert found.lambda_difference("x").value == scores["gwas_lambda_difference"]
    assert found.effect_correlation("x", least_frequency=0.05).value == scores["gwas_effect_correlation"]
    assert found.locus_overlap("x").value == pytest.approx(scores["gwas_locus_overlap"], nan_ok=True)


def test_evidence__studies_as_many_synthetic_samples_as_there_are_holdout_ones():
    comparison = example_comparison(n_synthetic=80)
    found: Any = Evidence.of(comparison, seed=1, has_families=False).association
    assert found.holdout.cohort.genotypes.n_samples == comparison.holdout.n_samples == 48


def test_studies__of_one_synthetic_sample_say_why_there_are_none(shown):
    single = replace(shown, synthetic=shown.synthetic.take_samples(np.array([0])))
    # As many as there are synthetic ones.
    assert str(studies(single, seed=0)).startswith("No association in 1 holdout samples: ")


def test_manhattan__has_lines_for_the_causal_variants_that_power_counts(association):
    """Shares by a regression of each variant's part of the genetic value on the covariates of the scan."""
    genotypes, covariates = association.holdout.cohort.genotypes, association.holdout.covariates
    causal = {genotypes.variants["id"][place]: effect for place, effect in ((3, 1.0), (8, -0.6), (20, 0.05))}
    calls = genotypes.calls.columns(np.array([3, 8, 20])).astype(float)
    calls = np.where(calls < 0, np.nan, calls)
    calls = np.where(np.isnan(calls), np.nanmean(calls, axis=0), calls)
    design = np.column_stack([np.ones(len(calls)), covariates])
    values = calls * list(causal.values())
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    places, shares = association.causal_shares(causal | {"not among them": 9.0})
    assert places.tolist() == [3, 8, 20]
    assert shares == pytest.approx(left.var(axis=0) / left.sum(axis=1).var(), rel=1e-9)
    n_large = int((shares >= 0.01).sum())
    assert 0 < n_large < 3
    found: Any = SimpleNamespace(association=association, studied=SimpleNamespace(causal=causal))
    panel = draw_manhattan(found)
    assert f"the 3 causal variants that the dataset names, the {n_large} with 1 % of the genetic variance or more" in panel.caption
    lines = sorted(len(one.get_segments()) for one in _axes(panel.figure).collections if isinstance(one, LineCollection))
    assert lines == sorted([n_large, 3 - n_large])


def test_quantiles__print_the_inflation_of_both_sides(association):
    rng = np.random.default_rng(2)
    statistics = {
        side: factor * rng.chisquare(1, association.holdout.log10_p.shape) for side, factor in (("holdout", 1.0), ("synthetic", 1.5))
    }
    scans = {side: replace(getattr(association, side), log10_p=chi2.logsf(x, 1) / np.log(10)) for side, x in statistics.items()}
    found: Any = SimpleNamespace(association=replace(association, **scans))
    panel = draw_quantiles(found)
    labels = " ".join(text.get_text() for text in _axes(panel.figure).get_legend().get_texts())
    for values in statistics.values():
        wanted = np.median(values) / chi2.median(1)
        assert f"{wanted:.3f}" in panel.caption
        assert f"{wanted:.3f}" in labels


def test_panels__of_p_values_that_are_all_1_are_drawn(association):
    nothing = _shown_with(association, log10_p=np.zeros_like(association.holdout.log10_p))
    assert "No variant is significant" in draw_manhattan(nothing).caption
    panel = draw_quantiles(nothing)
    assert "is 0.000 in holdout and 0.000" in panel.caption
    points = _axes(panel.figure).collections[1].get_offsets()
    assert (points[:, 1] == 0).all()


def test_manhattan__has_holdout_above_and_synthetic_below_with_the_loci_of_each(association):
    log10_p = {side: np.full_like(association.holdout.log10_p, mass) for side, mass in (("holdout", -0.5), ("synthetic", -0.25))}
    log10_p["holdout"][:, [4, 50]] = -9.0
    log10_p["synthetic"][:, [4, 20, 50]] = -7.0
    scans = {side: replace(getattr(association, side), log10_p=values) for side, values in log10_p.items()}
    found: Any = SimpleNamespace(association=replace(association, **scans), studied=SimpleNamespace(causal=None))
    panel = draw_manhattan(found)
    for axes in (_axes(panel.figure), _axes(panel.wide)):
        offsets = np.concatenate([np.asarray(points.get_offsets()) for points in axes.collections if hasattr(points, "get_sizes")])
        assert {*offsets[:, 1].tolist()} == {0.5, 9.0, -0.25, -7.0}
        # Each strong hit is there twice: a point, and the ring of its locus.
        assert [(offsets[:, 1] == y).sum() for y in (9.0, -7.0)] == [4, 6]
        lines = sorted({float(line.get_ydata()[0]) for line in axes.lines})
        wanted = -np.log10(0.05 / log10_p["holdout"].size)
        assert lines == pytest.approx([-wanted, 0.0, wanted])
        assert axes.get_ylim()[0] == -axes.get_ylim()[1]
    assert "2 above and 3 below" in panel.caption
