"""Frequencies, LD and kinship against PLINK 1.9 and 2 on the same file."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed, to_bed

from genobench import MISSING, Genotypes, PackedCalls
from genobench.statgen import alt_frequency, genotype_counts, king_robust, ld_decay, r2_matrix

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.oracle

plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
plink1 = pytest.mark.skipif(shutil.which("plink1.9") is None, reason="plink1.9 is not installed")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> tuple[Path, Genotypes]:
    """60 samples x 300 variants on chromosomes 1, 2 and X, in LD, one call in twenty missing."""
    rng = np.random.default_rng(8)
    calls = np.zeros((60, 300), dtype=np.int8)
    for _ in range(2):
        latent = rng.standard_normal((60, 300))
        for column in range(1, 300):
            latent[:, column] = 0.8 * latent[:, column - 1] + 0.6 * latent[:, column]
        calls += latent < rng.normal(0, 0.7, 300)
    calls[rng.random(calls.shape) < 0.05] = MISSING
    variants = pd.DataFrame(
        {
            "chromosome": np.repeat(["1", "2", "X"], 100),
            "position_bp": np.tile(1 + np.cumsum(rng.integers(500, 9_000, 100)), 3),
            "id": [f"v{column}" for column in range(300)],
            "ref": "A",
            "alt": "C",
        }
    )
    samples = pd.DataFrame({"id": [f"s{row}" for row in range(60)]})
    return _written(tmp_path_factory.mktemp("simulated"), calls, samples, variants), Genotypes(
        PackedCalls.from_calls(calls), samples, variants
    )


@pytest.fixture(scope="module")
def rats(shared_data) -> tuple[Path, Genotypes]:
    """The published PLINK files of 192 rats, read here by bed-reader."""
    bed = shared_data / "rat_hs_192" / "original" / "TEST.bed"
    with open_bed(bed, count_A1=True) as source:
        calls = source.read(dtype="int8")
        calls[calls == -127] = MISSING
        variants = pd.DataFrame(
            {
                "chromosome": source.chromosome,
                "position_bp": source.bp_position,
                "id": source.sid,
                "ref": source.allele_2,
                "alt": source.allele_1,
            }
        )
        samples = pd.DataFrame({"id": source.iid})
    return bed, Genotypes(calls, samples, variants)


def _written(folder: Path, calls: np.ndarray, samples: pd.DataFrame, variants: pd.DataFrame) -> Path:
    properties = {
        "fid": samples["id"].to_numpy(),
        "iid": samples["id"].to_numpy(),
        "sex": np.full(len(samples), 2),
        "chromosome": variants["chromosome"].to_numpy(dtype=str),
        "bp_position": variants["position_bp"].to_numpy(),
        "sid": variants["id"].to_numpy(dtype=str),
        "allele_1": variants["alt"].to_numpy(dtype=str),
        "allele_2": variants["ref"].to_numpy(dtype=str),
    }
    values = calls.astype(np.float32)
    values[calls == MISSING] = np.nan
    to_bed(folder / "data.bed", values, properties=properties, count_A1=True)
    return folder / "data.bed"


def _run(program: str, bed: Path, folder: Path, *options: str) -> Path:
    command = [program, "--bfile", str(bed.with_suffix("")), "--out", str(folder / "out"), *options]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "out"


@plink2
@pytest.mark.parametrize("data", ["simulated", "rats"])
def test_frequencies__agree_with_plink2(data, request, tmp_path):
    bed, genotypes = request.getfixturevalue(data)
    out = _run("plink2", bed, tmp_path, "--chr-set", "29", "--autosome", "--geno-counts", "--freq")
    is_autosomal = genotypes.variants["chromosome"].str.isdecimal().to_numpy()
    calls = genotypes.to_array()[:, is_autosomal]
    counts = pd.read_csv(f"{out}.gcount", sep="\t")
    ours = genotype_counts(calls)
    np.testing.assert_array_equal(counts[["HOM_REF_CT", "HET_REF_ALT_CTS", "TWO_ALT_GENO_CTS"]].to_numpy().T, ours)
    frequencies = pd.read_csv(f"{out}.afreq", sep="\t")["ALT_FREQS"]
    np.testing.assert_allclose(frequencies, alt_frequency(calls), atol=1e-5)


@plink2
@pytest.mark.parametrize("data", ["simulated", "rats"])
def test_kinship__agrees_with_plink2(data, request, tmp_path):
    bed, genotypes = request.getfixturevalue(data)
    out = _run("plink2", bed, tmp_path, "--chr-set", "29", "--autosome", "--make-king-table")
    table = pd.read_csv(f"{out}.kin0", sep="\t")
    place = {name: row for row, name in enumerate(genotypes.sample_ids)}
    rows, columns = table["IID1"].map(place), table["IID2"].map(place)
    assert len(table) == genotypes.n_samples * (genotypes.n_samples - 1) // 2
    np.testing.assert_allclose(king_robust(genotypes)[rows, columns], table["KINSHIP"], atol=2e-6)


@plink1
def test_r2__agrees_with_plink1(simulated, tmp_path):
    bed, genotypes = simulated
    table = _pairs(bed, tmp_path, "--chr", "1")
    calls = genotypes.to_array()[:, :100]
    r2, _ = r2_matrix(calls, calls)
    place = {name: column for column, name in enumerate(genotypes.variants["id"])}
    ours = r2[table["SNP_A"].map(place), table["SNP_B"].map(place)]
    assert len(table) > 1_000
    np.testing.assert_allclose(ours, table["R2"], rtol=1e-4, atol=1e-5)


@plink1
def test_ld_decay__agrees_with_plink1_on_the_rats(rats, tmp_path):
    """Chromosome 20: PLINK's r2 of every pair within 1 Mb, corrected and averaged here by bin, missing calls and all."""
    bed, genotypes = rats
    table = _pairs(bed, tmp_path, "--chr-set", "20", "--chr", "20", "--maf", "0.05")
    on_twenty = (genotypes.variants["chromosome"] == "20").to_numpy()
    calls = genotypes.to_array()
    frequency = alt_frequency(calls)
    decay = ld_decay(
        calls,
        chromosomes=genotypes.variants["chromosome"].to_numpy(),
        positions=genotypes.variants["position_bp"],
        is_used=on_twenty & (np.minimum(frequency, 1 - frequency) >= 0.05),
        edges=(1e3, 1e4, 1e5, 5e5, 9e5),
    )
    bins = pd.cut(table["BP_B"] - table["BP_A"], list(decay.edges), right=False)
    grouped = table["R2"].groupby(bins, observed=False)
    np.testing.assert_array_equal(decay.pair_count.sum(axis=0), grouped.size())
    means = grouped.mean()
    # Few calls are missing (0.18 %), so the correction by 192 samples differs from the pairwise one by less than 1e-4.
    np.testing.assert_allclose(decay.mean_r2, means - (1 - means) / 190, atol=1e-4)


def _pairs(bed: Path, folder: Path, *options: str) -> pd.DataFrame:
    window = ["--r2", "--ld-window-kb", "1000", "--ld-window", "99999", "--ld-window-r2", "0"]
    out = _run("plink1.9", bed, folder, *options, *window)
    return pd.read_csv(f"{out}.ld", sep=r"\s+")
