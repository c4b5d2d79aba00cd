"""The panels: which are drawn, and the numbers in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from genobench.contracts import Trait
from genobench.report import privacy_panels
from genobench.report.drawing import envelope, running_mean
from genobench.report.evidence import Evidence
from genobench.report.panels import draw_panels

CURVES = [{"step": float(step), "critic_loss": 1.0 / (step + 1), "generator_loss": -float(step)} for step in range(80)]


def _reasons(evidence: Evidence) -> dict[str, str]:
    return {panel.name: panel.reason for panel in draw_panels(evidence) if panel.figure is None}


def _without(shown, parts):
    nobody = np.zeros(0, dtype=np.intp)
    return replace(shown, **{part: shown.part(part).take_samples(nobody) for part in parts})


def test_panels__are_all_drawn(evidence):
    drawn = draw_panels(evidence, CURVES)
    assert {panel.name: panel.reason for panel in drawn if panel.figure is None} == {}
    assert [panel.name for panel in drawn][-2:] == ["training-critic_loss", "training-generator_loss"]
    assert len({panel.name for panel in drawn}) == len(drawn)


@pytest.mark.parametrize(("n_points", "is_smoothed"), [(80, True), (20, False)])
def test_training_panels__speak_of_a_running_mean_where_they_have_one(shown, n_points, is_smoothed):
    panel = draw_panels(Evidence.of(shown, seed=0, has_families=False), CURVES[:n_points])[-1]
    assert panel.figure is not None
    assert len(panel.figure.axes[0].lines) == (2 if is_smoothed else 1)
    assert ("running mean" in panel.caption) == is_smoothed


def test_panels__without_nonmembers_or_holdout_say_what_is_lacking(shown):
    reasons = _reasons(Evidence.of(_without(shown, ("holdout", "nonmembers")), seed=0, has_families=False))
    assert set(reasons) == {"manifold", "attack", "manhattan", "quantiles"}
    assert "there is none" in reasons["manifold"]
    assert reasons["manhattan"] == reasons["quantiles"] == "there is no holdout"
    assert "nonmembers" in reasons["attack"]


def test_panels__of_one_synthetic_sample_say_what_is_lacking(shown):
    single = replace(shown, synthetic=shown.synthetic.take_samples(np.array([0])))
    reasons = _reasons(Evidence.of(single, seed=0, has_families=False))
    assert {"components", "ld_decay", "kinship", "manifold"} <= set(reasons)
    assert "it needs 10 synthetic samples, and there are 1" in reasons["kinship"]


@pytest.mark.parametrize(("n_samples", "absent"), [(1, "it needs 2 training samples, and there is 1"), (3, None)])
def test_panels__of_few_training_samples_are_still_a_page(shown, n_samples, absent):
    few = replace(shown, train=shown.train.take_samples(np.arange(n_samples)), groups={})
    reasons = _reasons(Evidence.of(few, seed=0, has_families=False))
    assert reasons.get("components") == absent
    assert "manifold" not in reasons


def test_panels__of_samples_that_do_not_vary_are_still_a_page(shown):
    calls = np.ones((48, shown.train.n_variants), dtype=np.int8)
    alike = replace(shown, synthetic=replace(shown.synthetic, calls=calls))
    reasons = _reasons(Evidence.of(alike, seed=0, has_families=False))
    assert reasons == {"quantiles": "no variant could be tested among the synthetic samples"}


def test_panels__without_positions_draw_no_ld(shown):
    variants = shown.holdout.variants.assign(position_bp=None)
    parts = {part: replace(shown.part(part), variants=variants) for part in ("train", "holdout", "nonmembers", "synthetic")}
    reasons = _reasons(Evidence.of(replace(shown, **parts), seed=0, has_families=False))
    assert set(reasons) == {"ld_decay", "ld_heat_map", "runs", "manhattan"}


def test_panels__without_a_phenotype_draw_no_association(shown):
    reasons = _reasons(Evidence.of(replace(shown, trait=Trait("", "quantitative")), seed=0, has_families=False))
    assert reasons == dict.fromkeys(("manhattan", "quantiles"), "there is no phenotype")


def test_ld_decay__is_drawn_within_the_largest_population(shown):
    def with_populations(part):
        return part.with_samples(part.samples.assign(vendor=["north"] * 20 + ["south"] * (part.n_samples - 20)))

    parts = {part: with_populations(shown.part(part)) for part in ("train", "holdout", "nonmembers", "synthetic")}
    evidence = Evidence.of(replace(shown, **parts), seed=0, has_families=False)
    panel = next(panel for panel in draw_panels(evidence) if panel.name == "ld_decay")
    assert "Within vendor south alone" in panel.caption


def test_roc__is_that_of_scikit_learn():
    rng = np.random.default_rng(3)
    members, others = rng.integers(0, 30, 50).astype(float), rng.integers(5, 35, 40).astype(float)
    false_rates, true_rates = privacy_panels._roc(-members, -others)
    expected = roc_curve([1] * 50 + [0] * 40, -np.concatenate([members, others]), drop_intermediate=False)
    assert false_rates == pytest.approx(expected[0])
    assert true_rates == pytest.approx(expected[1])


def test_running__of_a_line_is_the_line_away_from_its_ends():
    line = np.arange(200.0)
    assert running_mean(line, 5)[10:-10] == pytest.approx(line[10:-10])


def test_envelope__is_the_middle_95_percent():
    curves = [np.full(3, float(value)) for value in range(101)]
    low, high = envelope(curves) or (None, None)
    assert low == pytest.approx(2.5)
    assert high == pytest.approx(97.5)
