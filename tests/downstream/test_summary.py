"""Records of a board become lines: what stands beside what."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from genobench.downstream.summary import Key, arm_order, summaries
from genobench.errors import GenobenchError


@pytest.fixture(scope="module")
def board(make_board):
    (summary,) = summaries(make_board())
    return summary


def _r(record):
    return stats.pearsonr(record.truth, record.predicted).statistic


def _mean_r(records, **wanted):
    return np.mean([_r(one) for one in records if all(getattr(one, name) == value for name, value in wanted.items())])


def test_lines__are_means_over_splits(board, make_board):
    records = make_board()
    found = board.line("prs", "bad", "real+10x").means["pearson_r"]
    assert found.mean == pytest.approx(_mean_r(records, classifier="genobench/prs", generator="genobench/bad", arm="real+10x"))
    assert found.n_splits == 3


def test_gains__are_over_the_same_classifier_and_over_each_score(board, make_board):
    records = make_board()
    line = board.line("prs", "good", "real+1x")
    own = _mean_r(records, classifier="genobench/prs", generator="genobench/good", arm="real+1x")
    real = {name: _mean_r(records, classifier=f"genobench/{name}", arm="real") for name in ("prs", "ridge")}
    assert line.over_real["pearson_r"].mean == pytest.approx(own - real["prs"])
    assert {name: one.mean for name, one in line.over_scores.items()} == pytest.approx({name: own - value for name, value in real.items()})
    covariates = _mean_r(records, arm="covariates")
    assert line.over_covariates["pearson_r"].mean == pytest.approx(own - covariates)
    assert line.relative.value == pytest.approx((own - covariates) / (real["prs"] - covariates))


def test_real_samples__have_no_gain_over_themselves_and_a_relative_utility_of_one(board):
    line = board.lines[Key("ridge", "", "real")]
    assert line.over_real == {}
    assert set(line.over_scores) == {"prs"}
    assert line.relative.value == pytest.approx(1)
    assert line.relative.interval == pytest.approx((1, 1))


def test_covariates__are_one_line_beside_every_classifier(board):
    assert board.covariates is board.lines[Key("covariates", "", "covariates")]
    assert (board.covariates.over_covariates, board.covariates.relative) == ({}, None)
    assert board.classifiers == ("prs", "ridge")
    assert board.scores == ("prs", "ridge")


def test_order_of_records__does_not_matter(make_board, board):
    (turned,) = summaries(make_board()[::-1])
    assert list(turned.lines) == list(board.lines)
    assert turned.splits == board.splits
    key = Key("ridge", "good", "real+1x")
    assert turned.lines[key].means["pearson_r"].interval == pytest.approx(board.lines[key].means["pearson_r"].interval)


def test_arms__are_in_the_order_of_a_reader():
    arms = ["minority", "real+10x", "synthetic", "real+1x", "covariates", "real", "real+3x"]
    assert sorted(arms, key=arm_order) == ["covariates", "real", "synthetic", "real+1x", "real+3x", "real+10x", "minority"]


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"classifier_settings": {"penalty": 2}}, ("ridge (penalty=2)", "ridge (penalty=None)")),
        ({"n_components": 5}, ("ridge (components=0)", "ridge (components=5)")),
        ({"code_sha256": "e" * 64}, ("ridge (code=cccccc)", "ridge (code=eeeeee)")),
        ({"classifier": "other-plugin/ridge"}, ("genobench/ridge", "other-plugin/ridge")),
    ],
)
def test_classifiers__that_differ_are_never_averaged(make_record, changes, labels):
    (summary,) = summaries([make_record(), make_record(**changes)])
    assert summary.classifiers == labels


def test_generators__of_other_settings_or_budgets_are_lines_of_their_own(make_record):
    asked = {"arm": "synthetic", "generator": "genobench/good"}
    records = [make_record(**asked, budget=budget, generator_settings={"k": k}) for budget, k in (("", 1), ("3cpu-min", 1), ("", 2))]
    (summary,) = summaries(records)
    assert summary.generators == ("good (budget=3cpu-min, k=1)", "good (budget=none, k=1)", "good (budget=none, k=2)")


def test_missing_predictions__leave_their_reason_and_the_other_pairs(make_board):
    records = make_board()
    place = next(place for place, one in enumerate(records) if one.generator and one.arm == "real+1x")
    lost = dataclasses.replace(records[place], predicted=(), reason="It took too long.")
    (summary,) = summaries([*records[:place], lost, *records[place + 1 :]])
    line = summary.line(lost.classifier.split("/")[1], lost.generator.split("/")[1], lost.arm)
    assert line is not None
    for one in (line.means["pearson_r"], line.over_real["pearson_r"]):
        assert (one.n_splits, one.reasons) == (2, ("It took too long.",))


def test_traits__have_a_summary_each(make_record):
    found = summaries([make_record(), make_record("ordinal", trait="grade")])
    assert [(one.trait, one.primary.name) for one in found] == [("grade", "balanced_accuracy"), ("weight", "pearson_r")]


@pytest.mark.parametrize("changes", [{"dataset_sha256": "0" * 64}, {"split": {"scheme": "random", "seed": 0, "sha256": "r", "n": {}}}])
def test_records__of_two_boards_are_refused(make_record, changes):
    with pytest.raises(GenobenchError, match="for one dataset and one scheme of splits; these are of made"):
        summaries([make_record(), make_record(**changes)])


def test_no_records__are_refused():
    with pytest.raises(GenobenchError, match="these are of none"):
        summaries([])
