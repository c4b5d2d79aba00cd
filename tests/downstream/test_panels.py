"""Figures of predictions: the numbers that are drawn in them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from genobench.downstream.panels import draw_calibration, draw_confusion, draw_values
from genobench.downstream.summary import summaries
from genobench.downstream.wording import mean_text


def _texts(axes):
    return [text.get_text() for text in axes.texts]


def _by_title(figure):
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}


@pytest.fixture(scope="module")
def values(make_board):
    (summary,) = summaries(make_board())
    return summary


@pytest.fixture(scope="module")
def classes(make_board):
    (summary,) = summaries(make_board("ordinal"))
    return summary


def test_values__have_the_slope_and_intercept_of_the_tables_for_each_arm(values):
    panels = _by_title(draw_values(values, "prs", "bad"))
    assert list(panels) == ["real", "covariates only", "synthetic only", "real + 1x", "real + 10x"]
    for name, arm in (("real", "real"), ("synthetic only", "synthetic"), ("real + 10x", "real+10x")):
        means = values.line("prs", "bad", arm).means
        identity, drawn = panels[name].lines
        x, y = (np.asarray(side, dtype=float) for side in drawn.get_data())
        assert np.polyfit(x, y, 1) == pytest.approx([means["slope"].mean, means["intercept"].mean])
        assert np.array_equal(*identity.get_data())
        (said,) = _texts(panels[name])
        assert said == f"slope {mean_text(means['slope'])}"
    counts = panels["real"].collections[0].get_array()
    assert counts.sum() == 3 * 120


def test_values__that_are_predicted_alike_have_no_line(make_board):
    alike = [dataclasses.replace(one, predicted=(0.5,) * 120) if one.arm == "covariates" else one for one in make_board()]
    (summary,) = summaries(alike)
    axes = _by_title(draw_values(summary, "ridge", "good"))["covariates only"]
    assert _texts(axes) == ["no slope: all alike"]
    assert len(axes.lines) == 1


def test_panels__of_an_arm_without_predictions_say_so(make_board):
    lost = [
        dataclasses.replace(one, predicted=(), reason="It crashed.") if one.arm == "synthetic" else one for one in make_board("ordinal")
    ]
    (summary,) = summaries(lost)
    for draw in (draw_confusion, draw_calibration):
        assert _texts(_by_title(draw(summary, "prs", "bad"))["synthetic only"]) == ["no prediction"]


def test_confusion__has_shares_of_the_true_class_and_counts(classes):
    records = classes.predictions("prs", "bad", "real+1x")
    truth = np.concatenate([record.truth for record in records])
    called = np.concatenate([np.array(record.classes)[np.argmax(record.predicted, axis=1)] for record in records])
    axes = _by_title(draw_confusion(classes, "prs", "bad"))["real + 1x"]
    wanted = []
    for row in ("low", "medium", "high"):
        for column in ("low", "medium", "high"):
            n = int(((truth == row) & (called == column)).sum())
            wanted.append(f"{n / (truth == row).sum():.2f}\n{n}")
    assert _texts(axes) == wanted
    assert [label.get_text() for label in axes.get_yticklabels()] == ["low", "medium", "high"]


def test_confusion__of_a_holdout_without_a_class_says_none(make_record):
    record = make_record("ordinal", truth=("low",) * 60 + ("medium",) * 60, predicted=((0.2, 0.7, 0.1),) * 120)
    (summary,) = summaries([record])
    axes = _by_title(draw_confusion(summary, "ridge", ""))["real"]
    assert _texts(axes) == [*("0.00\n0", "1.00\n60", "0.00\n0") * 2, *("none",) * 3]


def test_calibration__has_as_many_calls_as_there_are_predictions(classes):
    for axes in _by_title(draw_calibration(classes, "ridge", "good")).values():
        assert sum(int(text) for text in _texts(axes)) == 3 * 120


@pytest.mark.parametrize("draw", [draw_confusion, draw_calibration])
def test_panels__of_one_sample_of_a_class_are_drawn(make_record, draw):
    record = make_record("ordinal", truth=("low",), predicted=((0.5, 0.3, 0.2),), groups=(0,))
    (summary,) = summaries([record])
    assert _texts(_by_title(draw(summary, "ridge", ""))["real"])


def test_values__of_one_sample_are_drawn(make_record):
    (summary,) = summaries([make_record(truth=(1.0,), predicted=(0.5,), groups=(0,))])
    assert _texts(_by_title(draw_values(summary, "ridge", ""))["real"]) == ["no slope: all alike"]
