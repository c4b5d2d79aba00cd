"""A board's page: what stands in its tables and answers, and what is made beside it."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from scipy import stats

from genobench.downstream.answer import answer, by_generator, levels
from genobench.downstream.arms import DEFAULT_ARMS
from genobench.downstream.boards import publish, state_heritability
from genobench.downstream.estimates import Estimate, holm
from genobench.downstream.figure import draw_curve
from genobench.downstream.pages import write_pages
from genobench.downstream.summary import REAL, Key, summaries
from genobench.downstream.table import Picture, to_markdown
from genobench.downstream.wording import aim_text, arm_text, mean_text, measure_title, signed_text
from genobench.leaderboard.text import MISSING, Footnotes


@pytest.fixture(scope="module")
def board(make_board):
    (summary,) = summaries(make_board())
    return summary


@pytest.fixture(scope="module")
def page(board):
    return to_markdown("made.family.downstream", [board], pictures=[[Picture("figures/weight.curve.prs.svg", "curve", "prs")]])


def _rows(page, heading, *, after=""):
    """The rows of the first table under a heading, as lists of cells."""
    text = page[page.index(after) :]
    lines = text[text.index(heading) :].split("\n")
    start = next(place for place, line in enumerate(lines) if line.startswith("|"))
    found = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return [found[0], *found[2:]]


@pytest.fixture
def undrawn(monkeypatch):
    """Pages whose pictures are empty files: drawing takes most of their time."""
    monkeypatch.setattr("genobench.downstream.pages._svg", lambda figure: b"")  # noqa: ARG005 - as the function's


def test_page__has_classifiers_by_arms_with_intervals_for_each_generator(page, board):
    for generator in ("good", "bad"):
        header, *rows = _rows(page, f"#### {generator}")
        assert header == ["Classifier", "real", "synthetic only", "real + 1x", "real + 10x"]
        assert [row[0] for row in rows] == ["`prs`", "`ridge`"]
        mean = board.line("ridge", generator, "real+1x").means["pearson_r"]
        low, high = mean.interval
        text = rows[1][3].replace("\N{MINUS SIGN}", "-")
        numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", text)]
        assert numbers == pytest.approx([mean.mean, low, high], abs=0.006)


def test_marks__say_which_gains_are_clear(page, board):
    marks = {"helps": "▲", "harms": "▼", "no difference seen": ""}
    arms = ["real", "synthetic", "real+1x", "real+10x"]
    seen = set()
    for generator in ("good", "bad"):
        for row in _rows(page, f"#### {generator}")[1:]:
            assert not re.search("[▲▼]", row[1])
            for arm, cell in zip(arms[1:], row[2:], strict=True):
                verdict = board.line(row[0].strip("`"), generator, arm).over_real["pearson_r"].verdict
                assert "".join(re.findall("[▲▼]", cell)) == marks[verdict]
                seen.add(verdict)
    assert {"helps", "harms"} <= seen


def test_page__has_gains_relative_utility_and_gains_over_each_score(page, board):
    gains = _rows(page, "Gain over the same classifier", after="#### good")
    gain = board.line("prs", "good", "real+1x").over_real["pearson_r"].mean
    assert float(gains[1][2].split()[0].replace("\N{MINUS SIGN}", "-")) == pytest.approx(gain, abs=0.006)
    shares = _rows(page, "Relative utility", after="#### good")
    value = board.line("ridge", "good", "synthetic").relative.value
    assert float(shares[2][1].split()[0]) == pytest.approx(value, abs=0.005)
    over = _rows(page, "Gain over `ridge` on real samples alone:", after="#### good")
    assert over[2][1] == "the score itself"
    assert over[1][1].startswith("\N{MINUS SIGN}")


def test_answer__counts_what_the_gains_say(board):
    gains = {key: line.over_real["pearson_r"] for key, line in board.augmented().items()}
    n_better = sum(one.interval[0] > 0 for one in gains.values())
    n_worse = sum(one.interval[1] < 0 for one in gains.values())
    first = answer(board)[0]
    assert f"of 8 augmented models {n_better} do better and {n_worse} worse; for {8 - n_better - n_worse} no difference is seen" in first
    adjusted = holm([one.p_value for one in gains.values()])
    n_sure = sum(value < 0.05 and one.mean > 0 for one, value in zip(gains.values(), adjusted, strict=True))
    assert f"corrected for all 8 comparisons (Holm), {n_sure} do better" in first
    assert len(gains) == 8
    assert n_better
    assert n_worse


def test_answer__names_the_polygenic_scores_and_what_beats_them(board):
    against = [line for line in answer(board) if line.startswith("**Against")]
    own = board.lines[Key("prs", "", REAL)].means["pearson_r"]
    assert len(against) == 2
    assert f"**Against the polygenic score `prs`**, {mean_text(own)} from real samples alone" in against[0]
    best = max(board.augmented(), key=lambda key: board.lines[key].over_scores["prs"].mean)
    assert f"`{best.classifier}` ({arm_text(best.arm)}, {best.generator})" in against[0]
    assert " The other classifier is `ridge` (real): +" in against[0], "of one there is no best"


def test_answer__says_that_no_help_was_seen_where_none_was(make_record):
    """The same predictions with and without synthetic samples."""
    records = []
    for seed in range(3):
        real = make_record(split_seed=seed)
        records += [real, dataclasses.replace(real, generator="genobench/copy", arm="real+1x")]
    (summary,) = summaries(records)
    first, *others = answer(summary)
    assert "No help was seen." in first
    assert "0 do better and 0 worse; for 1 no difference is seen" in first
    assert "There is no prediction from covariates alone" in others[-1]


def test_controls__are_shown_and_do_not_count_as_models(make_board):
    """`bad` harms; as a control it is told apart in every answer."""
    records = [dataclasses.replace(one, is_control=one.generator == "genobench/bad") for one in make_board()]
    (summary,) = summaries(records)
    harms = [line.over_real["pearson_r"].verdict == "harms" for line in summary.augmented_by_controls().values()]
    assert sum(harms) > 0
    first, prs, _, alone, _ = answer(summary)
    assert "of 4 augmented models" in first
    assert " worse" not in first.partition("Controls (`bad`)")[0].replace(" and 0 worse", "")
    assert first.endswith(f"Controls (`bad`) do not count as models: of their 4 arms 0 do better and {sum(harms)} worse.")
    assert "of 4 augmented models" in prs
    of_models, beside = alone.split(" Those of controls keep ")
    assert "bad)" not in of_models
    assert "good)" not in beside
    assert (summary.generators, summary.controls) == (("good", "bad"), ("bad",))
    assert "| bad (control) | 0 (0) |" in by_generator(summary)[1]
    assert "#### bad (control)" in to_markdown("made", [summary])


def test_controls__alone_are_no_answer(make_board):
    records = [dataclasses.replace(one, is_control=True) for one in make_board() if one.generator != "genobench/good"]
    first, *_, alone, _ = answer(summaries([one if one.generator else dataclasses.replace(one, is_control=False) for one in records])[0])
    assert "this board cannot say. Controls (`bad`) do not count as models" in first
    assert "No relative utility of a model's samples can be given" in alone


def test_pages__stay_in_their_folder_whatever_a_trait_is_called(tmp_path, monkeypatch, make_record):
    """A trait may hold slashes; its pictures were written beside the board, over whatever lay there."""
    board = tmp_path / "boards" / "made.family.downstream"
    publish([make_record(trait=trait, split_seed=seed) for trait in ("../../evil", "x" * 400) for seed in range(2)], board)
    monkeypatch.chdir(board)
    write_pages(Path())
    assert (board / "README.md").read_text().startswith("# made.family.downstream")
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {board, board / "figures"}
    assert [path.name for path in tmp_path.iterdir()] == ["boards"]


def test_page__takes_no_markup_from_names(make_record):
    tag = "<script>alert(1)</script>"
    real = make_record(trait=tag, dataset=tag)
    text = to_markdown(tag, summaries([real, dataclasses.replace(real, generator=f"x/{tag}", arm="synthetic")]))
    # Between backticks it is code.
    assert "<script>" not in re.sub(r"`[^`]*`", "", text)


def test_answer__says_of_a_single_share_what_it_is(make_record):
    """It said "between 0.22 and 0.22"."""
    records = []
    for seed in range(3):
        records.append(make_record(split_seed=seed, arm="covariates", classifier="genobench/covariates", quality=0.1))
        records += [make_record(split_seed=seed), make_record(split_seed=seed, generator="genobench/copy", arm="synthetic", quality=0.7)]
    (summary,) = summaries(records)
    (said,) = [line for line in answer(summary) if line.startswith("**Are synthetic samples")]
    assert "Alone they keep 0." in said
    assert said.endswith("(`ridge` (synthetic only, copy)) of real samples' gain over covariates alone.")


def test_answer__says_why_nothing_can_be_compared_with_covariates_alone(make_record):
    """A model of real samples failed: that covariates alone predicted nothing would be wrong."""
    lost = {"predicted": (), "reason": "The values follow from a covariate."}
    records = [
        make_record(arm="covariates", classifier="genobench/covariates", quality=0.1),
        dataclasses.replace(make_record(), **lost),
        dataclasses.replace(make_record(generator="genobench/copy", arm="synthetic"), **lost),
    ]
    *_, alone, genotypes = answer(summaries(records)[0])
    assert alone.endswith("No relative utility can be given: The values follow from a covariate.")
    assert genotypes.endswith("No classifier can be compared with covariates alone: The values follow from a covariate.")


def test_answer__without_scores_or_generators_says_so(make_record):
    (summary,) = summaries([make_record(classifier="genobench/cnn")])
    told = " ".join(answer(summary))
    assert "this board cannot say" in told
    assert "None of `prs`, `ldpred` and `ridge` was trained" in told
    assert "No relative utility can be given: no classifier was trained on synthetic samples alone; there is no prediction from cov" in told
    assert "| `cnn` |" in to_markdown("made", [summary])


def test_answer__says_whose_predictions_are_missing_for_a_relative_utility(make_board):
    """It gave no reason where nobody had predicted from covariates alone, or from samples of a model alone."""
    records = make_board()
    no_covariates = [one for one in records if one.arm != "covariates"]
    (said,) = [line for line in answer(summaries(no_covariates)[0]) if line.startswith("**Are synthetic")]
    assert said.endswith("No relative utility can be given: there is no prediction from covariates alone to compare with.")
    controls = [dataclasses.replace(one, is_control=one.generator != "") for one in records]
    (said,) = [line for line in answer(summaries(controls)[0]) if line.startswith("**Are synthetic")]
    assert said.endswith("of a model's samples can be given: no classifier was trained on synthetic samples of a model alone.")


def test_levels__are_those_of_real_samples_and_of_covariates_alone(make_board):
    records = make_board()
    rows = dict(levels(summaries(records)[0]))
    assert list(rows) == ["prs on real samples", "ridge on real samples", "covariates only"]
    for name, text in rows.items():
        arm, classifier = ("covariates", "covariates") if name == "covariates only" else ("real", name.split()[0])
        values = [
            stats.pearsonr(one.truth, one.predicted).statistic
            for one in records
            if (one.arm, one.classifier) == (arm, f"genobench/{classifier}")
        ]
        mean, low, high = (float(one) for one in re.findall(r"-?\d+\.\d+", text.replace("\N{MINUS SIGN}", "-")))
        assert mean == pytest.approx(np.mean(values), abs=0.006)
        assert low < mean < high
    lost = [dataclasses.replace(one, predicted=(), reason="It broke.") for one in records if one.arm == "real"]
    assert set(levels(summaries(lost)[0])) == {("prs on real samples", "none. It broke."), ("ridge on real samples", "none. It broke.")}


def test_arms__are_found_again_by_the_names_they_are_asked_by():
    """`minority` was shown as "real + rarest"."""
    for arm in DEFAULT_ARMS:
        assert set(arm.split("+")) <= set(arm_text(arm).split()), arm
    assert arm_text("minority") == "real + minority"


def test_gains__read_as_their_verdict_says_however_near_to_0_a_bound_is():
    """A clear loss read "[-0.027, 0.000]". With so many degrees of freedom the interval is the normal one."""
    half, seen = stats.norm.ppf(0.975), set()
    for mean in (0.0137, -0.0137, 0.0004, -0.0004, 2.0, -2.0):
        for bound in (1e-7, 0.00049, 0.0005, 0.02, -0.0004, -0.02):
            gain = Estimate(mean=mean, standard_error=abs(abs(mean) - bound) / half, degrees=1e9, n_splits=5, n_pairs=5)
            text = signed_text(gain, 3, Footnotes()).replace("\N{MINUS SIGN}", "-")
            shown, low, high = (float(one) for one in re.findall(r"[-+]?\d+\.\d+", text))
            assert (low > 0) == (gain.verdict == "helps"), text
            assert (high < 0) == (gain.verdict == "harms"), text
            assert low <= shown <= high, text
            assert text.startswith("+") == (shown > 0), text
            seen.add(gain.verdict)
    assert seen == {"helps", "harms", "no difference seen"}
    loss = Estimate(mean=-0.0137, standard_error=0.0133 / half, degrees=1e9, n_splits=5, n_pairs=5)
    assert signed_text(loss, 3, Footnotes()).replace("\N{MINUS SIGN}", "-") == "-0.014 [-0.027, -0.0004]"


def test_generators__are_told_apart_below_the_answer(board):
    _, text = by_generator(board)
    rows = _rows(text, "| Generator")
    better = {row[0]: int(row[1].split()[0]) for row in rows[1:]}
    worse = {row[0]: int(row[2].split()[0]) for row in rows[1:]}
    assert better["good"] > better["bad"] == 0
    assert worse["bad"] > worse["good"] == 0


def test_further_measures__stand_for_every_line(page, board):
    text = page[page.index("### Further measures") :]
    assert text.count("<details>") == text.count("</details>") == 3
    assert text.count("| `") == len(board.lines)
    for one in board.measures[1:]:
        if one.name not in {"r_over_h", "within_covariates_r"}:
            assert f"{measure_title(one)} {aim_text(one)[0]}" in text
    assert "Missing for all: r within covariates" in text
    assert ", r/h" in text
    assert "heritability is not known" in text


def test_footnotes__say_why_a_number_is_missing(make_board):
    records = make_board()
    lost = [
        dataclasses.replace(one, predicted=(), reason="The fit ran out of memory.") if one.arm == "synthetic" else one for one in records
    ]
    (summary,) = summaries(lost)
    text = to_markdown("made", [summary])
    assert f"{MISSING}¹" in _rows(text, "#### good")[1][2]
    assert "¹ The fit ran out of memory." in text


@pytest.mark.parametrize(("kind", "kinds"), [("quantitative", ["values"]), ("ordinal", ["confusion", "calibration"])])
def test_pages__are_made_from_the_evidence_alone(tmp_path, make_board, kind, kinds):
    folder = tmp_path / "made.family.downstream"
    publish([one for one in make_board(kind) if one.generator != "genobench/good" and one.classifier != "genobench/prs"], folder)
    (folder / "figures").mkdir()
    (folder / "figures" / "weight.curve.of-before.svg").write_text("<svg/>")
    written = write_pages(folder)
    pictures = {"figures/weight.curve.ridge.svg", *(f"figures/weight.{one}.ridge.bad.svg" for one in kinds)}
    assert {str(path.relative_to(folder)) for path in written} == {"README.md", "measures.csv", *pictures}
    assert {f"figures/{path.name}" for path in (folder / "figures").iterdir()} == pictures
    first = [path.read_bytes() for path in written]
    assert [path.read_bytes() for path in write_pages(folder)] == first
    shown = re.findall(r"!\[([^\[\]]+)\]\(([^)]+)\)", first[0].decode())
    assert {file for _, file in shown} == pictures
    assert all(ET.fromstring((folder / file).read_bytes()).tag.endswith("svg") for _, file in shown)  # noqa: S314 - written a moment ago


@pytest.mark.usefixtures("undrawn")
def test_pictures__of_labels_that_differ_in_signs_alone_have_files_of_their_own(tmp_path, make_board):
    folder = tmp_path / "made.family.downstream"
    records = [one for one in make_board() if not one.generator and one.classifier != "genobench/prs"]
    others = [dataclasses.replace(one, classifier_settings={"share": value}) for one in records for value in (-0.5, 0.5)]
    publish(others, folder)
    names = [path.name for path in write_pages(folder) if ".curve." in path.name]
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"[\w.+=-]+", name) for name in names)


def test_alternatives__of_pictures_give_the_measure_of_each_arm(board):
    picture = Picture("figures/weight.values.prs.bad.svg", "values", "prs", "bad")
    text = to_markdown("made", [board], pictures=[[picture]])
    (told,) = re.findall(r"!\[True against predicted values of prs and bad, slope: ([^\]]+)\]", text)
    arms = {
        "covariates only": "covariates",
        "real": "real",
        "synthetic only": "synthetic",
        "real + 1x": "real+1x",
        "real + 10x": "real+10x",
    }
    for (name, arm), part in zip(arms.items(), told.split("; "), strict=True):
        line = board.covariates if arm == "covariates" else board.line("prs", "bad", arm)
        assert part == f"{name} {mean_text(line.means['slope'])}".replace("[", "(").replace("]", ")")


@pytest.mark.usefixtures("undrawn")
def test_numbers__hold_every_measure_with_its_interval(tmp_path, make_board):
    folder = tmp_path / "made.family.downstream"
    publish([one for one in make_board() if one.generator != "genobench/good"], folder)
    state_heritability(folder, 0.5)
    write_pages(folder)
    (board,) = summaries(make_board(), heritability=0.5)
    with (folder / "measures.csv").open(encoding="utf-8") as file:
        rows = {(row["classifier"], row["generator"], row["arm"], row["measure"], row["quantity"]): row for row in csv.DictReader(file)}
    line = board.lines[Key("prs", "bad", "synthetic")]
    for quantity, found in (("mean", line.means["r_over_h"]), ("gain over real", line.over_real["r_over_h"])):
        assert found.interval is not None
        row = rows["prs", "bad", "synthetic", "r_over_h", quantity]
        assert [float(row[name]) for name in ("value", "low", "high")] == pytest.approx([found.mean, *found.interval], rel=1e-5)
    assert float(rows["ridge", "", "real", "pearson_r", "relative utility"]["value"]) == pytest.approx(1)


@pytest.mark.usefixtures("undrawn")
def test_other_schemes__beside_a_board_say_what_random_splits_flatter(tmp_path, make_board):
    sides = {scheme: tmp_path / f"made.{scheme}.downstream.3cpu-min" for scheme in ("family", "random")}
    for scheme, folder in sides.items():
        publish([one for one in make_board(scheme=scheme) if not one.generator], folder)
    other = tmp_path / "made-too.random.downstream.3cpu-min"
    publish(
        [dataclasses.replace(one, dataset="made-too", dataset_sha256="0" * 64) for one in make_board(scheme="random") if not one.generator],
        other,
    )
    write_pages(sides["family"])
    rows = _rows((sides["family"] / "README.md").read_text(encoding="utf-8"), "### Other splits")
    assert rows[0] == ["Classifier", "family splits", "random splits", "random less family"]
    # Both boards hold the same made-up predictions.
    assert all(row[1] == row[2] and row[3].startswith("0.") for row in rows[1:])
    write_pages(other)
    assert "### Other splits" not in (other / "README.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_other_schemes__without_real_samples_alone_have_nothing_to_compare_with(tmp_path, make_board):
    family = tmp_path / "made.family.downstream"
    publish([one for one in make_board() if not one.generator], family)
    publish([one for one in make_board(scheme="random") if one.arm == "synthetic"], tmp_path / "made.random.downstream")
    write_pages(family)
    assert "### Other splits" not in (family / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("classifier", ["prs", "ridge"])
def test_curve__crosses_the_line_of_real_samples_where_no_difference_is_seen(board, classifier):
    figure = draw_curve(board, classifier)
    axes = figure.axes[0]
    labels = {text.get_text() for text in figure.legends[0].get_texts()}
    levels = {f"{level}{more}" for level in ("real samples", "covariates only") for more in ("", ", 95 % interval")}
    assert labels == {*levels, "good", "bad"}
    real = board.line(classifier, "", "real").means["pearson_r"].mean
    drawn = [(np.asarray(line.get_xdata()), np.asarray(line.get_ydata())) for line in axes.lines]
    whiskers = [tuple(y) for x, y in drawn if len(x) == 2 and x[0] == x[1]]
    crossing = sum(low <= real <= high for low, high in whiskers)
    gains = [line.over_real["pearson_r"] for key, line in board.lines.items() if key.classifier == classifier and line.over_real]
    assert len(whiskers) == len(gains)
    assert crossing == sum(one.verdict == "no difference seen" for one in gains)


def test_curves__of_all_classifiers_have_one_axis_that_holds_everything(board):
    limits = {draw_curve(board, classifier).axes[0].get_ylim() for classifier in board.classifiers}
    (axis,) = limits
    means = [line.means["pearson_r"].mean for line in board.lines.values()]
    assert axis[0] < min(means) < max(means) < axis[1]


def test_curve__shades_the_intervals_of_real_samples_and_of_covariates_alone(board):
    axes = draw_curve(board, "ridge").axes[0]
    bands = sorted((box.y0, box.y1) for box in (patch.get_path().get_extents(patch.get_patch_transform()) for patch in axes.patches))
    wanted = sorted(line.means["pearson_r"].interval for line in (board.line("ridge", "", "real"), board.covariates))
    assert np.array(bands) == pytest.approx(np.array(wanted))
