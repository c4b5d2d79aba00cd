"""Association against plink2 `--glm`, and clumps against PLINK 1.9 `--clump`, on the same files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from bed_reader import to_bed

from genobench import MISSING, PackedCalls
from genobench.builtin.demos import CattleDemo
from genobench.statgen import Association, clump, linear_association

pytestmark = pytest.mark.oracle

plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
plink1 = pytest.mark.skipif(shutil.which("plink1.9") is None, reason="plink1.9 is not installed")


class Study(NamedTuple):
    """Calls, a trait and covariates; `bed` is the same for PLINK, with variants named by their place."""

    bed: Path
    calls: np.ndarray
    chromosomes: np.ndarray
    positions_bp: np.ndarray
    values: np.ndarray
    covariates: np.ndarray


def _written(folder: Path, calls: np.ndarray, chromosomes: np.ndarray, positions_bp: np.ndarray) -> Path:
    names = [f"s{row}" for row in range(len(calls))]
    ids = [str(column) for column in range(calls.shape[1])]
    properties = {"fid": names, "iid": names, "sex": [2] * len(names), "chromosome": chromosomes, "bp_position": positions_bp}
    properties |= {"sid": ids, "allele_1": ["C"] * len(ids), "allele_2": ["A"] * len(ids)}
    with_missing = np.where(calls == MISSING, np.nan, calls.astype(np.float32))
    to_bed(folder / "data.bed", with_missing, properties=properties, count_A1=True)
    return folder / "data.bed"


@pytest.fixture(scope="module")
def cattle(tmp_path_factory) -> Study:
    """The shipped demo: fat content beside birth year and one random column; no call is missing, some samples lack a value."""
    genotypes = CattleDemo().load(Path("never-written"))
    calls = genotypes.to_array()
    chromosomes = genotypes.variants["chromosome"].to_numpy(dtype=str)
    positions = genotypes.variants["position_bp"].to_numpy()
    bed = _written(tmp_path_factory.mktemp("cattle"), calls, chromosomes, positions)
    rng = np.random.default_rng(1)
    values = np.array(genotypes.samples["fat_content"], dtype=np.float64)
    values[rng.choice(len(values), 20, replace=False)] = np.nan
    # PLINK refuses a covariate as far from 0 as a year.
    birth_year = genotypes.samples["birth_year"].to_numpy(dtype=np.float64)
    covariates = np.column_stack([birth_year - birth_year.mean(), rng.standard_normal(len(values))])
    return Study(bed, calls, chromosomes, positions, values, covariates)


@pytest.fixture(scope="module")
def mice(shared_data, tmp_path_factory) -> Study:
    """1,940 mice, autosomes: weight beside sex, litter, density and month of birth; 0.4 % of calls missing, up to 24 % of a variant."""
    folder = shared_data / "mouse_hs_1940"
    variants, samples = pd.read_csv(folder / "variants.csv", dtype={"chrom": str}), pd.read_csv(folder / "samples.csv")
    is_autosomal = (variants["chrom"] != "X").to_numpy()
    calls = np.load(folder / "genotypes.npz")["dosage"][:, is_autosomal]
    chromosomes = variants["chrom"].to_numpy(dtype=str)[is_autosomal]
    # The genetic map is whole; half a cM a Mb keeps its order.
    positions = 1 + np.rint(variants["cM"].to_numpy()[is_autosomal] * 2e6).astype(int)
    months = pd.get_dummies(samples["birthMonth"], drop_first=True, dtype=float)
    months[samples["birthMonth"].isna()] = np.nan
    covariates = np.column_stack([samples["sex"] == "male", samples["Litter"], samples["CageDensity"], months]).astype(np.float64)
    bed = _written(tmp_path_factory.mktemp("mice"), calls, chromosomes, positions)
    return Study(bed, calls, chromosomes, positions, samples["weight_6w_g"].to_numpy(dtype=np.float64), covariates)


def _plink2_glm(study: Study, values: np.ndarray, folder: Path, *, covariates: np.ndarray | None, modifiers: tuple[str, ...] = ()):
    """PLINK's table, one row a variant."""
    names = pd.DataFrame({"#FID": [f"s{row}" for row in range(len(values))]}).assign(IID=lambda table: table["#FID"])
    options = ["--pheno", str(folder / "trait.txt"), "--glm", "omit-ref", *modifiers]
    names.assign(trait=values).to_csv(folder / "trait.txt", sep="\t", index=False, na_rep="NA", float_format="%.17g")
    if covariates is None:
        options += ["allow-no-covars"]
    else:
        table = pd.DataFrame(covariates, columns=[f"c{place}" for place in range(covariates.shape[1])])
        pd.concat([names, table], axis=1).to_csv(folder / "covariates.txt", sep="\t", index=False, na_rep="NA", float_format="%.17g")
        options += ["hide-covar", "--covar", str(folder / "covariates.txt")]
    command = ["plink2", "--bfile", str(study.bed.with_suffix("")), "--chr-set", "29", "--threads", "1", "--out", str(folder / "out")]
    subprocess.run([*command, *options], check=True, capture_output=True)
    table = pd.read_csv(folder / "out.trait.glm.linear", sep="\t")
    assert (table["A1"] == "C").all()
    return table.set_index("ID").reindex(range(study.calls.shape[1]))


def _check(ours: Association, table: pd.DataFrame, *, fewest: int = 1_000) -> None:
    """PLINK prints six digits, so that 1e-5 is all that can be asked."""
    assert np.isfinite(ours.effect).sum() > fewest
    np.testing.assert_array_equal(np.isnan(ours.effect), table["BETA"].isna())
    np.testing.assert_allclose(ours.effect, table["BETA"], rtol=1e-5)
    np.testing.assert_allclose(ours.standard_error, table["SE"], rtol=1e-5)
    np.testing.assert_allclose(ours.statistic, table["T_STAT"], rtol=1e-5)
    np.testing.assert_allclose(10**ours.log10_p, table["P"], rtol=1e-5)
    np.testing.assert_array_equal(ours.n_samples, table["OBS_CT"])


@plink2
def test_association__of_the_demo_is_that_of_plink2(cattle, tmp_path):
    ours = linear_association(PackedCalls.from_calls(cattle.calls), cattle.values, cattle.covariates)
    _check(ours, _plink2_glm(cattle, cattle.values, tmp_path, covariates=cattle.covariates))


@plink2
def test_association__without_covariates_is_that_of_plink2(cattle, tmp_path):
    _check(linear_association(cattle.calls, cattle.values), _plink2_glm(cattle, cattle.values, tmp_path, covariates=None))


@plink2
def test_association__of_mice_with_missing_calls_is_that_of_plink2(mice, tmp_path):
    ours = linear_association(PackedCalls.from_calls(mice.calls), mice.values, mice.covariates)
    _check(ours, _plink2_glm(mice, mice.values, tmp_path, covariates=mice.covariates))


@plink2
def test_association__goes_on_below_the_smallest_float(cattle, tmp_path):
    """A trait that is one variant with little noise: log10 p of about -2,000, which `--glm log10` prints."""
    strong = int(np.argmin(np.abs(cattle.calls.mean(axis=0) - 1)))
    values = cattle.calls[:, strong] + 0.1 * np.random.default_rng(2).standard_normal(len(cattle.calls))
    ours = linear_association(cattle.calls, values)
    table = _plink2_glm(cattle, values, tmp_path, covariates=None, modifiers=("log10",))
    assert ours.log10_p[strong] < -1_000
    np.testing.assert_allclose(-ours.log10_p, table["LOG10_P"], rtol=1e-5)


@plink2
@pytest.mark.parametrize("is_class", [False, True], ids=["values", "classes"])
@pytest.mark.parametrize("has_covariates", [False, True], ids=["alone", "beside covariates"])
def test_association__of_what_can_hardly_be_tested_is_that_of_plink2(is_class, has_covariates, tmp_path):
    """Constant calls, a single carrier, few calls, a class or a covariate without calls, calls that are a covariate."""
    rng = np.random.default_rng(3)
    calls = rng.binomial(2, 0.4, (60, 12)).astype(np.int8)
    is_rare = np.arange(60) % 10 == 0
    calls[:8, 0], calls[:7, 1], calls[is_rare, 2] = MISSING, MISSING, MISSING
    calls[:, 3:7] = [0, 2, 1, MISSING]
    calls[:, 7] = np.arange(60) == 0
    for column, n_called in ((8, 5), (9, 4), (10, 6)):
        calls[n_called:, column] = MISSING
    calls[:, 11] = is_rare
    values = 1.5 + (np.arange(60) < 8) if is_class else rng.normal(size=60)
    covariates = np.column_stack([rng.normal(size=60), is_rare]) if has_covariates else None
    positions = np.arange(1, 13)
    bed = _written(tmp_path, calls, np.full(12, "1"), positions)
    study = Study(bed, calls, np.full(12, "1"), positions, values, np.zeros((60, 0)))
    _check(linear_association(calls, values, covariates), _plink2_glm(study, values, tmp_path, covariates=covariates), fewest=1)


@plink1
@pytest.mark.parametrize("data", ["cattle", "mice"])
@pytest.mark.parametrize("limits", [(1e-3, 0.05, 0.5, 250), (0.01, 0.5, 0.1, 5_000)])
def test_clumps__are_those_of_plink1(data, limits, request, tmp_path):
    p1, p2, r2, kb = limits
    study: Study = request.getfixturevalue(data)
    tested = linear_association(study.calls, study.values, study.covariates)
    report = pd.DataFrame({"SNP": np.arange(len(tested.effect)), "P": 10**tested.log10_p}).dropna()
    report.to_csv(tmp_path / "report.txt", sep="\t", index=False, float_format="%.17g")
    options = ["--clump-p1", str(p1), "--clump-p2", str(p2), "--clump-r2", str(r2), "--clump-kb", str(kb)]
    command = ["plink1.9", "--bfile", str(study.bed.with_suffix("")), "--chr-set", "29", "--out", str(tmp_path / "out")]
    subprocess.run([*command, "--clump", str(tmp_path / "report.txt"), *options], check=True, capture_output=True)
    theirs = pd.read_csv(tmp_path / "out.clumped", sep=r"\s+", dtype={"SP2": str}, keep_default_na=False)
    ours = clump(
        PackedCalls.from_calls(study.calls),
        tested.log10_p,
        chromosomes=study.chromosomes,
        positions_bp=study.positions_bp,
        most_index_p=p1,
        most_member_p=p2,
        least_r2=r2,
        reach_bp=1_000 * kb,
    )
    assert len(theirs) > 10
    members = [[] if text == "NONE" else [int(word.removesuffix("(1)")) for word in text.split(",")] for text in theirs["SP2"]]
    assert dict(zip(ours.index.tolist(), map(np.ndarray.tolist, ours.members), strict=True)) == dict(
        zip(theirs["SNP"].tolist(), members, strict=True)
    )
    np.testing.assert_array_equal(np.bincount(ours.clump_of[ours.clump_of >= 0]) - 1, theirs["TOTAL"])
