"""The whole walk on a small dataset, from the command line: what each arm holds, told by a classifier that predicts what it was given."""

from __future__ import annotations

import io
import json
import re
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from genobench.cells import Cell
from genobench.cli import main
from genobench.downstream.boards import read_board
from genobench.formats import write_genotypes
from genobench.testing.examples import example_genotypes

FACTS = ("n_samples", "n_validation", "n_components", "seed", "n_families", "n_unique_ids", "sum_of_trait", "sum_of_calls")
"""What the first predictions of `witness` say, where the trait is quantitative."""

WHOLE = example_genotypes(n_samples=240, n_variants=30)


@pytest.fixture(scope="module")
def user(tmp_path_factory, witnesses):
    """A home with a small dataset of two traits, and a function that calls the command line there."""
    folder = tmp_path_factory.mktemp("user")

    def genobench(*arguments: str):
        out, err, code = io.StringIO(), io.StringIO(), None
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(folder)
            patch.setattr(sys, "argv", ["genobench", *arguments])
            patch.setenv("GENOBENCH_HOME", str(folder / "home"))
            try:
                main()
            except SystemExit as end:
                code = end.code
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        return SimpleNamespace(code=int(code or 0), out=out.getvalue(), err=err.getvalue())

    table = WHOLE.samples.assign(coat=np.where(np.arange(240) % 4 == 0, "white", "red"))
    write_genotypes(WHOLE.with_samples(table), folder / "example.npz")
    for name, trait in (("values", "weight"), ("classes", "coat")):
        done = genobench("data", "import", name, "example.npz", "--trait", trait, "--covariate", "sex", "--family", "family")
        assert done.code == 0, done.err
    return folder, genobench


def records_of(done):
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def told(record):
    """The facts that `witness` told."""
    return dict(zip(FACTS, record["predicted"], strict=False))


@pytest.fixture(scope="module")
def values(user):
    """Records of a quantitative trait, with a generator that echoes, and the command that gives them."""
    _, genobench = user
    arms = "real,synthetic,real+1x,real+3x,minority,covariates"
    command = ["downstream", "-d", "values", "-g", "echo", "-c", "witness", "--arms", arms, "--components", "2", "--json"]
    return command, records_of(genobench(*command))


def test_downstream__each_arm_holds_what_its_name_says(values):
    """`echo` gives the training samples in turn, so its calls sum to a multiple of the real ones."""
    _, records = values
    by_arm = {record["arm"]: record for record in records}
    assert list(by_arm) == ["real", "covariates", "synthetic", "real+1x", "real+3x"], "minority means nothing for values"
    n_train, real = by_arm["real"]["split"]["n"]["train"], told(by_arm["real"])
    assert (real["n_samples"], real["n_unique_ids"], real["n_components"]) == (n_train, n_train, 2)
    assert real["n_validation"] == by_arm["real"]["split"]["n"]["validation"]
    for arm, n_fold in (("synthetic", 1), ("real+1x", 2), ("real+3x", 4)):
        facts = told(by_arm[arm])
        assert facts["n_samples"] == facts["n_unique_ids"] == n_fold * n_train
        assert facts["sum_of_calls"] == n_fold * real["sum_of_calls"]
        assert facts["n_families"] == (real["n_families"] if arm != "synthetic" else -1)
        assert facts["n_validation"] == real["n_validation"]
        assert (by_arm[arm]["n_real"], by_arm[arm]["n_synthetic"]) == (
            0 if arm == "synthetic" else n_train,
            (n_fold - (arm != "synthetic")) * n_train,
        )
    assert by_arm["covariates"]["classifier"] == "genobench/covariates"


def test_downstream__records_hold_the_truth_and_the_families_of_the_holdout_and_no_id(values):
    _, records = values
    weights = set(np.round(WHOLE.samples["weight"], 9))
    for record in records:
        assert len(record["truth"]) == len(record["predicted"]) == record["split"]["n"]["holdout"]
        assert {round(value, 9) for value in record["truth"]} <= weights
        assert max(np.bincount(record["groups"])) <= 6, "six samples a family"
        assert len(record["covariate_groups"]) == len(record["truth"])
        assert set(record["covariate_groups"]) == {0, 1}, "two sexes"
        assert record["is_control"] is False
        assert "sample0" not in json.dumps(record)
    assert len({tuple(record["truth"]) for record in records}) == 1


def test_downstream__again_predicts_nothing_and_says_the_same(user, values):
    folder, genobench = user
    command, records = values
    times = {path: path.stat().st_mtime_ns for path in (folder / "home").rglob("records/*.json")}
    assert len(times) == len(records)
    done = genobench(*command)
    assert records_of(done) == records
    assert "predict: " not in done.err
    assert {path: path.stat().st_mtime_ns for path in (folder / "home").rglob("records/*.json")} == times


def test_downstream__more_samples_do_not_hang_on_the_other_arms(user, values):
    """The store that is there for real+3x serves real+2x, from its beginning."""
    folder, genobench = user
    _, records = values
    stores = [path.name for path in (folder / "home").rglob("more/*/*x")]
    assert stores == ["3x"]
    done = genobench("downstream", "-d", "values", "-g", "echo", "-c", "witness", "--arms", "real+2x", "--json")
    assert "generate" not in done.err
    (record,) = records_of(done)
    n_train = record["n_real"]
    assert told(record)["n_samples"] == 3 * n_train
    assert record["cell_id"] == next(item["cell_id"] for item in records if item["cell_id"])


def test_downstream__plan_only_says_what_is_there(user, values):
    _, genobench = user
    command, _ = values
    done = genobench(*command[:-3], "--components", "2", "-c", "calm", "--plan-only")
    assert done.code == 0, done.err
    states = [line.split()[-3:] for line in done.out.splitlines()[1:]]
    assert ["witness-plugin/witness", "real+3x", "finished"] in states
    assert ["witness-plugin/calm", "real+3x", "to", "do"][1:] in states


def test_downstream__plan_only_knows_cells_that_do_not_state_what_they_hold(user, values, monkeypatch):
    """Those of earlier versions; their predictions were said to be to do."""
    _, genobench = user
    command, _ = values
    found = Cell.result.fget  # type: ignore[attr-defined]  # a property, which mypy takes for its value
    monkeypatch.setattr(Cell, "result", property(lambda cell: replace(found(cell), synthetic_sha256="")))
    done = genobench(*command[:-1], "--plan-only")
    assert done.out.count("finished") == 5
    assert "to do" not in done.out


def test_downstream__classes_are_filled_up_and_stand_in_the_order_of_the_trait(user):
    """A quarter is white; filled up, as many are white as red. The witness gives the last class first, and the echo heeds no condition."""
    _, genobench = user
    done = genobench("downstream", "-d", "classes", "-g", "echo", "-c", "witness", "-c", "broken", "--arms", "real,minority", "--json")
    by_arm = {(record["classifier"].split("/")[1], record["arm"]): record for record in records_of(done)}
    real, minority = by_arm["witness", "real"], by_arm["witness", "minority"]
    assert real["classes"] == ["red", "white"]
    n_white = real["predicted"][0][1] * real["n_real"]
    # Four standard errors of a quarter, drawn without replacement from all 240.
    error = np.sqrt(real["n_real"] * 3 / 16 * (1 - real["n_real"] / 240))
    assert n_white == pytest.approx(real["n_real"] / 4, abs=4 * error)
    assert minority["n_synthetic"] == pytest.approx(real["n_real"] - 2 * n_white, abs=1e-4)
    assert minority["predicted"][0] == [0.5, 0.5]
    assert by_arm["broken", "minority"]["reason"] == "RuntimeError: it never worked"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-c", "witnes", "-g", "echo"), "There is no classifier 'witnes'. Did you mean 'witness'?"),
        (("-c", "witness", "-g", "ehco"), "There is no generator 'ehco'. Did you mean 'echo'?"),
        (("-c", "witness"), "The arm 'synthetic' needs synthetic samples, and no generator is named"),
        (("-g", "echo"), "No classifier is named"),
        (("-c", "witness", "--arms", "real,unreal"), "There is no arm 'unreal'"),
        (
            ("-c", "logistic", "--arms", "real"),
            "genobench: logistic takes no quantitative trait, and 'weight' is one; name another",
        ),
        (("-c", "logistic", "-c", "ordinal", "--arms", "real"), "genobench: logistic and ordinal take no quantitative trait, and 'weight'"),
        (("-c", "broken", "--set", "how=nan"), "--set how=nan does not say whose setting it is; write --set NAME.setting=value"),
        (("-c", "broken", "--set", "broken.how"), "--set broken.how does not say whose setting it is"),
        (("-c", "broken", "--set", "calm.how=nan"), "is of 'calm', which is named neither with --classifier nor with --generator"),
        (("-c", "broken", "-g", "x/broken", "--set", "broken.how=nan"), "is of 'broken', which may be x/broken or broken"),
        (("-c", "broken", "--arms", "real", "--set", "broken.why=nan"), "Broken has no setting 'why'. Its settings: how."),
        (("-c", "witness", "--heritability", "0"), "--heritability 0 is no share of variance"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_downstream__what_a_user_did_is_one_line_and_exit_2(user, arguments, message):
    _, genobench = user
    done = genobench("downstream", "-d", "values", *arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


def test_downstream__a_trait_among_its_own_covariates_is_refused_before_anybody_is_shown_it(user):
    folder, genobench = user
    assert genobench("data", "import", "shown", "example.npz", "--trait", "weight").code == 0
    card = folder / "home" / "datasets" / "shown" / "card.json"
    stated = json.loads(card.read_text())
    stated["traits"][0]["covariates"] = ["weight"]
    card.write_text(json.dumps(stated))
    done = genobench("downstream", "-d", "shown", "-c", "calm", "--arms", "real")
    assert done.code == 2
    assert "The trait 'weight' cannot be among its own covariates" in done.err


def test_downstream__a_generator_that_fails_costs_its_own_arms(user, values):
    _, genobench = user
    done = genobench(
        "downstream", "-d", "values", "-g", "unfit", "-c", "witness", "--arms", "real,synthetic", "--components", "2", "--json"
    )
    real, synthetic = records_of(done)
    assert (real["arm"], real["reason"]) == ("real", None)
    assert synthetic["reason"] == "The fit of unfit is failed in fit: RuntimeError: it cannot be fitted"
    assert (synthetic["n_synthetic"], synthetic["predicted"]) == (real["n_real"], [])


def test_downstream__samples_that_cannot_be_had_cost_their_arms_and_are_asked_for_once(user):
    """As from a cell that failed: `--retry` asks again."""
    _, genobench = user
    command = ["downstream", "-d", "values", "-g", "stingy", "-c", "calm", "--arms", "synthetic,real+3x", "--json"]
    first = genobench(*command)
    synthetic, more = records_of(first)
    n_train = more["n_real"]
    assert synthetic["reason"] is None
    assert synthetic["is_control"] is True
    assert f"generated calls of shape ({n_train}, 30); ({2 * n_train}, 30) were asked for." in more["reason"]
    again = genobench(*command)
    assert again.out == first.out
    assert "more samples (3x)" in first.err
    assert "more samples (3x)" not in again.err
    assert "more samples (3x)" in genobench(*command, "--retry").err


def test_downstream__takes_settings_of_the_plugin_that_they_name(user):
    _, genobench = user
    done = genobench("downstream", "-d", "values", "-c", "broken", "--set", "broken.how=nan", "--arms", "real", "--json")
    (record,) = records_of(done)
    assert record["classifier_settings"] == {"how": "nan"}
    assert "not finite" in record["reason"]
    assert "1 of 1 predictions are missing; the first, witness-plugin/broken on real: " in done.err


def test_downstream__publishes_evidence_and_its_page(user, values):
    """The same command again changes nothing, and the page is made again from the evidence."""
    folder, genobench = user
    command, records = values
    publish = [*command[:-1], "--publish", "boards", "--heritability", "0.5"]
    done = genobench(*publish)
    assert done.code == 0, done.err
    board = folder / "boards" / "values.family.downstream"
    name = "boards/values.family.downstream"
    assert f"{len(records)} of {len(records)} predictions are new or changed in {name}; its page is {name}/README.md." in done.err
    assert "values, family splits, weight:" in done.out
    assert "**" not in done.out
    page = (board / "README.md").read_text()
    assert "witness" in page
    assert f"0 of {len(records)} predictions are new or changed" in genobench(*publish).err
    (board / "README.md").unlink()
    assert genobench("leaderboard", "render", "boards").code == 0
    assert (board / "README.md").read_text() == page


def test_downstream__what_was_cut_short_is_not_published(user, values):
    """It would stand against what the next run predicts."""
    folder, genobench = user
    done = genobench(
        "downstream", "-d", "values", "-g", "killed", "-c", "witness", "--arms", "real,synthetic", "--components", "2", "--publish", "cut"
    )
    assert done.code == 0, done.err
    said = "witness-plugin/witness on synthetic of witness-plugin/killed, seed 0: none. The fit of killed is preempted in fit: the worker"
    assert said in done.err
    assert "1 of 2 predictions were cut short and are not published; the same command tries them again." in done.err
    assert [record.arm for record in read_board(folder / "cut" / "values.family.downstream")] == ["real"]


def test_downstream__tells_of_each_prediction_once_and_gives_what_real_samples_came_to(user):
    """Each was told twice, and the terminal gave no figure for real samples alone."""
    _, genobench = user
    command = ["downstream", "-d", "values", "-g", "echo", "-c", "witness", "--arms", "real,synthetic,covariates", "--components", "1"]
    done = genobench(*command)
    assert done.code == 0, done.err
    told = [
        "witness-plugin/witness on real",
        "genobench/covariates on covariates",
        "witness-plugin/witness on synthetic of witness-plugin/echo, seed 0",
    ]
    both = (done.out + done.err).splitlines()
    assert [sum(re.fullmatch(rf"  {one}: \d+\.\d s", line) is not None for line in both) for one in told] == [1, 1, 1]
    first, heading, real, covariates, *_ = done.out.splitlines()
    assert first == "values, family splits, weight:"
    assert heading == "  Pearson r (↑ higher is better), mean and 95 % interval:"
    assert re.fullmatch(r"    witness on real samples  .?0\.\d+ \[.*\]", real)
    assert covariates.startswith("    covariates only          ")
    again = genobench(*command)
    assert "3 of 3 predictions were there already." in again.err
    assert "witness on real:" not in again.err
    assert again.out == done.out


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda board: board.touch(), "File exists"),
        (lambda board: [board.mkdir(), (board / ".lock").symlink_to("elsewhere")], "Too many levels of symbolic links"),
        (lambda board: [board.mkdir(), (board / "figures").touch()], "File exists"),
    ],
    ids=["the board is a file", "its lock is a link", "its figures are a file"],
)
def test_downstream__what_stands_in_the_place_of_a_board_is_named_and_left(user, values, tmp_path, spoil, message):
    _, genobench = user
    board = tmp_path / "values.family.downstream"
    spoil(board)
    before = {path: path.lstat().st_ino for path in [board, *tmp_path.glob("*/*")]}
    command, _ = values
    done = genobench(*command, "--publish", str(tmp_path))
    assert done.code == 2
    assert f"genobench: {message} ({board}" in done.err
    assert {path: path.lstat().st_ino for path in before} == before
