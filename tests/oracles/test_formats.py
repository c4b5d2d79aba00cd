"""Files of ours read by PLINK 2, and files of PLINK 2 read by us."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from genobench.calls import MISSING, PackedCalls
from genobench.formats import read_genotypes, read_with_report, write_genotypes
from genobench.genotypes import Genotypes

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed"),
]


@pytest.fixture(scope="module")
def genotypes() -> Genotypes:
    """Phased genotypes, 30 samples x 1,100 variants on two chromosomes, one call in twenty missing."""
    rng = np.random.default_rng(3)
    first, second = (rng.random((2, 30, 1100)) < rng.random(1100)).astype(np.int8)
    calls = (first + second).astype(np.int8)
    calls[rng.random(calls.shape) < 0.05] = MISSING
    variants = pd.DataFrame(
        {
            "chromosome": np.repeat(["1", "2"], 550),
            "position_bp": np.tile(np.arange(550) * 777 + 1, 2),
            "id": [f"v{i}" for i in range(1100)],
            "ref": rng.choice(list("AC"), 1100),
            "alt": rng.choice(list("GT"), 1100),
        }
    )
    return Genotypes(
        calls=PackedCalls.from_calls(calls),
        samples=pd.DataFrame({"id": [f"s{i}" for i in range(30)], "sex": ["male", "female"] * 15}),
        variants=variants,
        phase=np.packbits((calls == 1) & (first == 1), axis=1, bitorder="little"),
    )


def plink2(folder: Path, *arguments: str) -> None:
    subprocess.run(["plink2", "--threads", "1", "--silent", *arguments], cwd=folder, check=True)


def agrees(genotypes: Genotypes, folder: Path, *source: str) -> None:
    """PLINK counts the same alleles at each variant, and sees the same call in every sample."""
    plink2(folder, *source, "--freq", "counts", "--export", "A", "--out", "seen")
    calls = genotypes.to_array()
    counts = pd.read_csv(folder / "seen.acount", sep="\t")
    assert counts["ID"].tolist() == genotypes.variants["id"].tolist()
    assert counts["REF"].tolist() == genotypes.variants["ref"].tolist()
    assert counts["ALT"].tolist() == genotypes.variants["alt"].tolist()
    assert counts["ALT_CTS"].tolist() == np.where(calls == MISSING, 0, calls).sum(axis=0).tolist()
    assert counts["OBS_CT"].tolist() == (2 * (calls != MISSING).sum(axis=0)).tolist()
    table = pd.read_csv(folder / "seen.raw", sep="\t", dtype={"IID": str})
    assert table["IID"].tolist() == genotypes.sample_ids.tolist()
    exported = table.iloc[:, 6:]
    counted = np.array([name.rpartition("_")[2] for name in exported.columns])
    copies = np.where(counted == genotypes.variants["alt"].to_numpy(), exported, 2 - exported)
    assert np.array_equal(np.nan_to_num(copies, nan=MISSING), calls)


def test_plink2__reads_our_bed(genotypes, tmp_path):
    write_genotypes(genotypes, tmp_path / "x.bed")
    agrees(genotypes, tmp_path, "--bfile", "x")


@pytest.mark.parametrize("name", ["x.vcf", "x.vcf.gz"])
def test_plink2__reads_our_vcf(genotypes, tmp_path, name):
    write_genotypes(genotypes, tmp_path / name)
    agrees(genotypes, tmp_path, "--vcf", name)


def test_plink2__reads_our_haplotypes_with_their_phase(genotypes, tmp_path):
    """PLINK takes no missing haplotypes, so the missing calls are filled for this test."""
    calls = np.maximum(genotypes.to_array(), 0)
    whole = Genotypes(
        calls=PackedCalls.from_calls(calls), samples=genotypes.samples, variants=genotypes.variants, phase=genotypes.phase
    ).take_variants(np.arange(550))
    write_genotypes(whole, tmp_path / "x.hap")
    source = ("--haps", "x.hap", "ref-first", "--legend", "x.legend", "1", "--sample", "x.sample")
    agrees(whole, tmp_path, *source)
    plink2(tmp_path, *source, "--export", "vcf", "--out", "back")
    back = read_genotypes(tmp_path / "back.vcf")
    assert np.array_equal(back.to_array(), whole.to_array())
    assert back.phase is not None
    assert whole.phase is not None
    assert np.array_equal(back.phase, whole.phase)


@pytest.mark.parametrize("export", ["vcf", "bcf"])
def test_the_vcf_that_plink2_makes_of_a_bed__reads_as_the_bed(genotypes, tmp_path, export):
    write_genotypes(genotypes, tmp_path / "x.bed")
    plink2(tmp_path, "--bfile", "x", "--export", export, "--out", "y")
    back = read_genotypes(tmp_path / f"y.{export}")
    assert np.array_equal(back.to_array(), genotypes.to_array())
    assert back.variants.iloc[:, :5].equals(genotypes.variants.iloc[:, :5])


def test_the_published_rat_files__read_the_same_through_a_vcf_of_plink2(shared_data, tmp_path):
    source = shared_data / "rat_hs_192" / "original" / "TEST"
    plink2(tmp_path, "--bfile", str(source), "--chr-set", "20", "--export", "vcf", "id-paste=iid", "--out", "rat")
    through_vcf, report = read_with_report(tmp_path / "rat.vcf")
    genotypes = read_genotypes(source)
    assert np.array_equal(through_vcf.to_array(), genotypes.to_array())
    assert through_vcf.sample_ids.tolist() == genotypes.sample_ids.tolist()
    assert through_vcf.variants.iloc[:, :5].equals(genotypes.variants.iloc[:, :5])
    assert report.decisions == ()


def test_plink2__counts_the_rats_as_our_bed_of_the_folder_does(shared_data, tmp_path):
    genotypes = read_genotypes(shared_data / "rat_hs_192")
    write_genotypes(genotypes, tmp_path / "x.bed")
    published = shared_data / "rat_hs_192" / "original" / "TEST.bed"
    assert (tmp_path / "x.bed").read_bytes() == published.read_bytes()
    plink2(tmp_path, "--bfile", "x", "--chr-set", "20", "--freq", "counts", "--chr", "1-20", "--out", "seen")
    counts = pd.read_csv(tmp_path / "seen.acount", sep="\t")
    calls = genotypes.to_array()[:, (genotypes.variants["chromosome"] != "X").to_numpy()]
    assert counts["ALT_CTS"].tolist() == np.where(calls == MISSING, 0, calls).sum(axis=0).tolist()
