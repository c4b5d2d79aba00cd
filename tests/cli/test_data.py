from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from genobench.cli.data import app
from genobench.errors import DatasetError, FormatError, SplitError, UnknownNameError
from genobench.formats import read_genotypes, write_genotypes
from genobench.testing.examples import example_genotypes


@pytest.fixture
def files(home, tmp_path):
    """Paths of a .bed of 60 samples without phenotypes, and of a table of 59 of them and a stranger."""
    made = example_genotypes(n_samples=60, n_variants=40, missing_share=0.05)
    write_genotypes(made.with_samples(made.samples[["id"]]), tmp_path / "x.bed")
    table = made.samples.iloc[1:].assign(year=2000 + np.arange(59) // 10)
    pd.concat([table, table.iloc[:1].assign(id="stranger")]).to_csv(tmp_path / "x.csv", index=False)
    return tmp_path / "x.bed", tmp_path / "x.csv"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.fixture
def imported(files):
    """What `import` printed for dataset `mine`."""
    bed, table = files
    return run("import", "mine", bed, "--phenotypes", table, "--trait", "weight", "--covariate", "sex", "--birth", "year")


def test_import__says_what_matched(imported, files):
    assert "mine: 60 samples x 40 variants from" in imported
    assert "59 of 60 samples found among the 60 rows of" in imported
    assert "1 samples without phenotypes: sample0000" in imported
    assert "1 phenotyped but not genotyped: stranger" in imported
    assert "trait 'weight': quantitative, known in 59 samples\n    beside it covariates: sex; families: family\n" in imported


def test_import__as_json_says_the_same(files):
    bed, table = files
    report = json.loads(run("import", "mine", bed, "--phenotypes", table, "--trait", "coat", "--json"))
    assert report["join"]["without_genotypes"] == ["stranger"]
    assert report["traits"][0]["classes"] == ["red", "white"]
    assert len(report["sha256"]) == 64


def test_import__takes_an_ordinal_trait_with_its_order(files):
    bed, table = files
    options = ("--trait", "grade", "--kind", "ordinal", "--classes", "low,medium,high")
    assert "trait 'grade': ordinal (low < medium < high)" in run("import", "mine", bed, "--phenotypes", table, *options)


def test_import__says_what_the_reader_decided(files):
    bed, _ = files
    bim = bed.with_suffix(".bim")
    bim.write_text(bim.read_text().replace("variant0003", "variant0002"))
    assert "1 variants repeat the id of an earlier one (variant0002)" in run("import", "mine", bed)


def test_import__refuses_a_kind_that_is_none_and_a_name_that_is_taken(imported, files):
    bed, _ = files
    with pytest.raises(DatasetError, match="'numbers' is no kind of trait; choose one of categorical, ordinal, quantitative"):
        run("import", "other", bed, "--kind", "numbers")
    with pytest.raises(DatasetError, match="already"):
        run("import", "mine", bed)
    run("import", "mine", bed, "--replace")
    with pytest.raises(DatasetError, match="is taken: genobench"):
        run("import", "cattle-demo", bed)


def test_list__shows_imported_datasets(imported):
    assert "mine" in run("list")
    listed = {entry["name"]: entry for entry in json.loads(run("list", "--json"))}
    assert listed["mine"]["n_samples"] == 60
    assert listed["cattle-demo"]["origin"] == "genobench"


def test_info__shows_card_genotypes_and_traits(imported):
    shown = run("info", "mine")
    assert "60 samples x 40 variants" in shown
    assert "variants by chromosome: 1:20 2:20" in shown
    assert "licence   not stated" in shown
    facts = json.loads(run("info", "mine", "--json"))
    assert facts["card"]["traits"][0]["column"] == "weight"
    assert facts["genotypes"]["n_variants"] == 40


def test_info_of_a_file__shows_what_a_reader_finds(files):
    bed, _ = files
    for path in (bed, bed.with_suffix("")):
        assert "x.bed: PLINK 1\n  60 samples x 40 variants" in run("info", path)
    assert json.loads(run("info", bed, "--json"))["read"]["format"] == "PLINK 1"


def test_info_of_a_wrong_name__gives_the_nearest(imported):
    with pytest.raises(UnknownNameError, match=r"There is no dataset 'mina'\. Did you mean 'mine'"):
        run("info", "mina")


@pytest.mark.parametrize("name", ["out.bed", "out.vcf.gz", "out.npz", "out"])
def test_export__writes_what_reads_back(imported, tmp_path, name):
    printed = run("export", "mine", tmp_path / name, "--samples", tmp_path / "samples.csv")
    assert "60 samples x 40 variants written to" in printed
    assert np.array_equal(read_genotypes(tmp_path / name).to_array(), read_genotypes(tmp_path / "x.bed").to_array())
    assert pd.read_csv(tmp_path / "samples.csv")["weight"].notna().sum() == 59


def test_export__says_that_traits_stay_behind(imported, tmp_path):
    assert "Traits and covariates may have no place in this format: --samples FILE writes them." in run(
        "export", "mine", tmp_path / "a.bed"
    )
    assert "--samples" not in run("export", "mine", tmp_path / "b.bed", "--samples", tmp_path / "b.csv")


def test_export__refuses_an_ending_before_anything_is_opened(home, tmp_path):
    with pytest.raises(FormatError, match=r"x\.docx ends in '\.docx', which genobench does not write"):
        run("export", "nothing", tmp_path / "x.docx")


def test_export__replaces_only_when_told(imported, tmp_path):
    run("export", "mine", tmp_path / "out.bed")
    with pytest.raises(FormatError, match=r"out\.bed exists already; choose another place, or add --replace"):
        run("export", "mine", tmp_path / "out.bed")
    run("export", "mine", tmp_path / "out.bed", "--replace")


def test_split__prints_parts_and_writes_them(imported, tmp_path, home):
    printed = run("split", "mine", "--out", tmp_path / "parts.csv")
    assert "family split by 'family', seed 0, trait 'weight'" in printed
    assert "largest kinship across the edge of the holdout" in printed
    assert "1 samples have no 'weight' and were left out." in printed
    parts = pd.read_csv(tmp_path / "parts.csv")
    assert parts["part"].value_counts().to_dict().keys() == {"train", "validation", "holdout", "nonmembers", "left out"}
    assert parts.groupby("group")["part"].apply(lambda column: "holdout" not in set(column) or set(column) == {"holdout"}).all()
    assert len(list((home / "splits").glob("*.json"))) == 1


def test_split__is_the_same_each_time(imported):
    values = json.loads(run("split", "mine", "--split", "forward", "--split-seed", "3", "--json"))
    assert json.loads(run("split", "mine", "--split", "forward", "--split-seed", "3", "--json")) == values
    assert (values["scheme"], values["column"], values["seed"]) == ("forward", "year", 3)


def test_split__says_what_is_wrong(imported):
    with pytest.raises(SplitError, match="There is no split scheme 'famly'"):
        run("split", "mine", "--split", "famly")
    with pytest.raises(DatasetError, match="The dataset has no trait 'height'; its traits are: weight"):
        run("split", "mine", "--trait", "height")
