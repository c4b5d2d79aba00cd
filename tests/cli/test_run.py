"""`genobench` from a user's chair: run, generate, plugins, and what errors look like."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from genobench.cli import main
from genobench.formats import read_genotypes, write_genotypes
from genobench.testing.examples import example_genotypes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def called(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """`genobench` in this process, which has imported already what a new one would spend seconds on."""
    out, err, code = io.StringIO(), io.StringIO(), None
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["genobench", *arguments])
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            main()
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return subprocess.CompletedProcess(arguments, int(code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """A home with a small imported dataset and one fitted cell, a function that calls the command line there, and what the fit printed."""
    folder = tmp_path_factory.mktemp("user")
    environment = {"GENOBENCH_HOME": str(folder / "home"), "COLUMNS": "200"}

    def genobench(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return called(arguments, folder, {**environment, **changes})

    write_genotypes(example_genotypes(n_samples=240, n_variants=60), folder / "example.npz")
    done = genobench("data", "import", "example", "example.npz", "--trait", "weight", "--covariate", "sex", "--family", "family")
    assert done.returncode == 0, done.stderr
    done = genobench("run", "-g", "independent", "-d", "example", "--metric", "allele-frequency")
    assert done.returncode == 0, done.stderr
    return folder, genobench, done


def test_main__from_a_shell(user):
    """What a shell gets: the exit code of a process of its own, and one line."""
    folder, _, _ = user
    command = [sys.executable, "-m", "genobench", "run", "-g", "copi", "-d", "example"]
    environment = {**os.environ, "GENOBENCH_HOME": str(folder / "home")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no generator 'copi'. Did you mean 'copy'?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-g", "copi"), "There is no generator 'copi'"),
        (("-g", "copy", "-d", "exampel"), "There is no dataset 'exampel'"),
        (("-g", "copy", "--metric", "fstt"), "There is no metric 'fstt'"),
    ],
)
def test_run__says_a_wrong_name_before_it_imports_what_takes_seconds(tmp_path, arguments, message):
    heavy = "{'torch', 'scipy', 'matplotlib'} & {*sys.modules}"
    code = f"import sys\nfrom genobench.cli import main\ntry:\n    main()\nfinally:\n    print(*({heavy}))"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "GENOBENCH_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "\n")
    assert message in done.stderr


def test_run__prints_the_scores_the_board_and_where_it_is(user):
    _, _, done = user
    assert "independent on example, family split, seed 0: ok" in done.stdout
    assert "allele_frequency_error" in done.stdout
    assert "example.family" in done.stdout, "the board follows"
    assert "largest kinship between the holdout and the rest" in done.stderr


def test_run__again_is_quick_and_says_that_it_fitted_nothing(user):
    _, genobench, first = user
    again = genobench("run", "-g", "independent", "-d", "example", "--metric", "allele-frequency")
    assert "already fitted (ok), taken as it is" in again.stderr
    assert again.stdout == first.stdout


def test_run__json_prints_one_outcome_a_line_and_nothing_else(user):
    _, genobench, _ = user
    done = genobench("run", "-g", "copy", "-d", "example", "--metric", "membership-distance", "--seeds", "2", "--json", "--no-track")
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [outcome["status"] for outcome in outcomes] == ["ok", "ok"]
    for outcome in outcomes:
        assert {"cell_id", "status", "phase", "scores"} <= outcome.keys()
        (auc,) = (score for score in outcome["scores"] if score["metric"] == "membership_auc")
        assert auc["value"] >= 0.99
        assert auc["interval"] is not None
        assert auc["band"]["n_draws"] == 100


def test_run__devices_that_a_generator_cannot_share_a_fit_among_are_refused(user):
    _, genobench, _ = user
    done = genobench("study", "-g", "leaky", "-g", "copy", "-d", "example", "--devices", "2")
    assert done.returncode == 2
    assert "genobench/leaky cannot be fitted so: Leaky cannot share a fit among 2 devices; leave --devices out." in done.stderr
    assert genobench("run", "-g", "leaky", "-d", "example", "--devices", "0").returncode == 2


def test_run__plan_only_shows_the_cells_and_fits_nothing(user):
    folder, genobench, _ = user
    before = sorted((folder / "home" / "cells").iterdir())
    done = genobench("study", "-g", "leaky", "-g", "copy", "-d", "example", "--seeds", "3", "--plan-only")
    assert len([line for line in done.stdout.splitlines() if "leaky" in line]) == 3
    assert sorted((folder / "home" / "cells").iterdir()) == before


def test_study__plan_of_several_splits_shows_the_pairs_and_the_budget(user):
    _, genobench, _ = user
    done = genobench("study", "-g", "leaky", "-d", "example", "--splits", "2", "--budget", "3cpu-min", "--plan-only")
    assert done.returncode == 0, done.stderr
    assert [line.split()[1:] for line in done.stdout.splitlines() if "leaky" in line] == [
        ["leaky", "seed", "0", "to", "do"],
        ["leaky", "seed", "1", "to", "do"],
    ]
    assert "family split of seed 1" in done.stdout
    assert done.stdout.count("budget 3cpu-min") == 2


def test_generate__writes_a_plink_file_from_the_model(user):
    folder, genobench, _ = user
    (cell,) = (path.parent for path in (folder / "home" / "cells").glob("*/cell.json") if '"genobench/independent"' in path.read_text())
    done = genobench("generate", cell.name[:8], "--n", "13", "--out", "more.bed")
    assert done.returncode == 0, done.stderr
    assert "13 synthetic samples x 60 variants written to more.bim, more.fam, more.bed" in done.stdout
    assert read_genotypes(folder / "more.bed").calls.shape == (13, 60)
    assert "--samples FILE writes it" in done.stderr
    refused = genobench("generate", cell.name[:8], "--out", "more.bed")
    assert (refused.returncode, "more.bed exists already" in refused.stderr) == (2, True)
    done = genobench("generate", cell.name[:8], "--n", "13", "--out", "more.bed", "--samples", "more.csv", "--replace")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(folder / "more.csv")
    assert list(table.columns) == ["id", "weight", "sex"]
    assert len(table) == 13


def test_plugins_list__as_json_gives_objects(user):
    _, genobench, _ = user
    entries = json.loads(genobench("plugins", "list", "--json").stdout)
    assert {"kind", "name", "distribution", "version", "error"} <= entries[0].keys()
    assert ("generator", "copy") in {(entry["kind"], entry["name"]) for entry in entries}


def test_plugins_info__shows_settings_and_citation(user):
    _, genobench, _ = user
    shown = genobench("plugins", "info", "leaky").stdout
    assert "Share of copies" in shown
    assert "share  float = 0.05" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "-g", "copy", "-d", "exampel"), "There is no dataset 'exampel'. Did you mean 'example'?"),
        (("run", "-g", "leaky", "--set", "share"), "--set share has no '='; write --set name=value."),
        (("run", "-g", "leaky", "--settings", "absent.json"), "The settings file absent.json cannot be read as JSON"),
        (("run", "-g", "leaky", "-g", "copy", "--set", "share=1"), "--set and --settings are for one generator, and 2 are named"),
        (("generate", "nothing", "--out", "x.bed"), "'nothing' should name one cell"),
        (("generate", "nothing", "--out", "x.docx"), "x.docx ends in '.docx', which genobench does not write"),
        (("generators",), "There is no command 'generators'; `genobench plugins list` lists generators."),
        (("datasets", "list", "--json"), "There is no command 'datasets'; `genobench data list` lists datasets."),
        (("run", "-g", "leaky", "--set", "share=many"), "Leaky does not take share = 'many': it must be a number."),
        (("plugins", "info", "leakyy"), "There is no plugin 'leakyy'. Did you mean 'leaky'?"),
    ],
)
def test_main__what_a_user_did_is_one_line_and_exit_2(user, arguments, message):
    _, genobench, _ = user
    done = genobench(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-g", "command"), "command: program is empty"),
        (("-g", "command", "--set", "program=sh /nosuch.sh {synthetic}"), "runs the script /nosuch.sh, which is not there"),
        (("-g", "file"), "file: path is empty"),
    ],
)
def test_run__of_nothing_to_run_leaves_no_cell(user, arguments, message):
    """A failed cell would be a row of the board for good."""
    folder, genobench, _ = user
    before = sorted((folder / "home" / "cells").iterdir())
    done = genobench("run", "-d", "example", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert sorted((folder / "home" / "cells").iterdir()) == before


def test_main__unwritable_home(user):
    _, genobench, _ = user
    done = genobench("data", "list", GENOBENCH_HOME="/proc/nowhere")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_main__ctrl_c_is_exit_130_and_the_same_command_goes_on(user):
    folder, genobench, _ = user
    arguments = ["run", "-g", "segments", "-d", "example", "--metric", "allele-frequency", "--no-track"]
    command = [sys.executable, "-c", "from genobench.cli import main; main()", *arguments]
    environment = {**os.environ, "GENOBENCH_HOME": str(folder / "home")}
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)
    assert running.stderr is not None
    for line in running.stderr:
        if "load samples" in line:
            break
    running.send_signal(signal.SIGINT)
    rest = running.stderr.read()
    running.stderr.close()
    assert running.wait() == 130
    assert "stopped. What is finished is kept; the same command goes on from there." in rest
    assert genobench(*arguments).returncode == 0


def test_settings_file__toml_and_pairs_together(user):
    folder, genobench, _ = user
    Path(folder / "leaky.toml").write_text("share = 0.5\n")
    done = genobench(
        "run", "-g", "leaky", "-d", "example", "--settings", "leaky.toml", "--metric", "membership-distance", "--json", "--no-track"
    )
    assert json.loads(done.stdout)["settings"] == {"share": 0.5}
