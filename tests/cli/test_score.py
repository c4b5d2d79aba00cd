"""`genobench score` from a user's chair: files of any format in, a table or one JSON object out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from genobench.calls import PackedCalls
from genobench.cli import app
from genobench.errors import GenobenchError
from genobench.formats import write_genotypes
from genobench.testing.examples import example_genotypes

_CHOICE = ("--only", "allele-frequency", "--only", "membership_auc", "--only", "dgg-fst", "--draws", "3")


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """Files of four formats, the synthetic one with REF and ALT exchanged, and a function that runs the command line beside them."""
    folder = tmp_path_factory.mktemp("user")
    whole = example_genotypes(n_samples=120, n_variants=50)
    family = np.arange(120) // 6
    train = whole.take_samples(np.flatnonzero((family < 14) & (np.arange(120) % 3 > 0)))
    write_genotypes(train, folder / "train.bed")
    write_genotypes(whole.take_samples(np.flatnonzero(family >= 14)), folder / "holdout.vcf.gz")
    write_genotypes(whole.take_samples(np.flatnonzero((family < 14) & (np.arange(120) % 3 == 0))), folder / "nonmembers.npz")
    copies = train.with_samples(pd.DataFrame({"id": [f"copy{row}" for row in range(train.n_samples)]}))
    turned = replace(
        copies, variants=copies.variants.assign(ref="G", alt="A"), calls=PackedCalls.from_calls((2 - copies.to_array()).astype(np.int8))
    )
    write_genotypes(turned, folder / "synthetic.csv")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("GENOBENCH_HOME", str(folder / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)

    def genobench(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["score", *arguments], catch_exceptions=False)

    files = ["--train", "train.bed", "--synthetic", "synthetic.csv", "--holdout", "holdout.vcf.gz", "--nonmembers", "nonmembers.npz"]
    yield folder, genobench, genobench(*files, *_CHOICE, "--json"), files
    monkeypatch.undo()


def test_score__json_is_one_object_with_everything_about_each_score(user):
    _, _, done, _ = user
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    scores = {score["metric"]: score for score in said["scores"]}
    asked = {"metric", "family", "value", "standard_error", "interval", "band", "unit", "direction", "ideal", "version", "reason"}
    assert all(score.keys() >= asked | {"anchor", "scaled", "samples", "plugin", "settings"} for score in scores.values())
    assert scores["membership_auc"]["value"] >= 0.99, "the synthetic samples are copies, turned about"
    assert scores["dgg_fst"]["value"] == pytest.approx(0, abs=1e-12)
    assert "copied_share" not in scores, "only the AUC of that attack was asked for"
    assert scores["allele_frequency_error"]["band"]["n_draws"] == 3
    assert said["variants"] | {"files": None} == {"matched": 50, "flipped": 50, "dropped": 0, "files": None}
    assert said["files"].keys() == {"train", "holdout", "nonmembers", "synthetic"}
    assert all(len(file["sha256"]) == 64 for file in said["files"].values())


def test_score__says_how_the_files_met_on_stderr(user):
    _, _, done, _ = user
    assert "50 variants are in all files; 0 of the training file are not" in done.stderr
    assert "synthetic: 50 of 50 variants matched, 50 flipped" in done.stderr
    assert "Relatives are grouped by" in done.stderr


def test_score__again_prints_a_table_and_computes_nothing(user):
    folder, genobench, _, files = user
    done = genobench(*files, *_CHOICE, "--report", "page.html")
    assert done.exit_code == 0, done.stderr
    assert "score: genobench/" not in done.stderr
    assert "synthetic.csv, 56 synthetic samples, against 56 train, 36 holdout, 28 nonmembers; 50 variants" in done.stdout
    assert "membership_auc" in done.stdout
    assert "<html" in (folder / "page.html").read_text()


def test_score__what_absent_parts_make_impossible_says_so(user):
    _, genobench, _, _ = user
    done = genobench("--train", "train.bed", "--synthetic", "synthetic.csv", *_CHOICE, "--json")
    assert done.exit_code == 0, done.stderr
    scores = {score["metric"]: score for score in json.loads(done.stdout)["scores"]}
    assert scores["membership_auc"]["value"] is None
    assert "there are no nonmembers" in scores["membership_auc"]["reason"]
    assert "there are no holdout samples" in scores["allele_frequency_error"]["reason"]
    assert scores["dgg_fst"]["value"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--holdout", "train.bed"], "have the id of a training sample; the first is 'sample0001'"),
        (["--only", "membership_uac"], "Did you mean 'membership_auc'"),
        (["--holdout", "absent.vcf"], "There is no file or folder absent.vcf"),
        (["--report", "nowhere/page.html"], "The report nowhere/page.html lies in a folder that does not exist"),
    ],
)
def test_score__bad_input_is_refused(user, arguments, message):
    _, genobench, _, _ = user
    with pytest.raises(GenobenchError, match=message):
        genobench("--train", "train.bed", "--synthetic", "synthetic.csv", *arguments)


def test_score__bad_input_is_one_line_and_exit_code_2(user):
    folder, _, _, _ = user
    command = [sys.executable, "-c", "from genobench.cli import main; main()", "score", "--train", "train.bed", "--synthetic", "absent.npz"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, stdin=subprocess.DEVNULL, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("genobench: There is no file or folder absent.npz.")
    assert "Traceback" not in done.stderr
