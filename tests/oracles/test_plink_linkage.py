"""LD scores, LD between chromosomes, signed correlations and haplotypes against PLINK 1.9 and 2."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from bed_reader import to_bed

from genobench import MISSING, PackedCalls
from genobench.statgen import corrected_r2, far_agreement, haplotype_calls, ld_scores, near_agreement, r2_matrix

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.oracle

plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
plink1 = pytest.mark.skipif(shutil.which("plink1.9") is None, reason="plink1.9 is not installed")

N_SAMPLES, N_VARIANTS = 80, 150
CHROMOSOMES = np.repeat(["1", "2", "3"], 50)
POSITIONS = np.tile(1 + np.arange(50) * 7_000, 3)
IDS = np.array([f"v{column}" for column in range(N_VARIANTS)])


def _haplotypes(seed: int) -> np.ndarray:
    """Autoregressive haplotypes, shape (2 * n_samples, n_variants)."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((2 * N_SAMPLES, N_VARIANTS))
    for column in range(1, N_VARIANTS):
        latent[:, column] = 0.85 * latent[:, column - 1] + np.sqrt(1 - 0.85**2) * latent[:, column]
    return (latent < 0.2).astype(np.int8)


def _calls(seed: int) -> np.ndarray:
    """Calls of those haplotypes, one in fifty missing."""
    haplotypes = _haplotypes(seed)
    calls: np.ndarray = haplotypes[0::2] + haplotypes[1::2]
    calls[np.random.default_rng(seed).random(calls.shape) < 0.02] = MISSING
    return calls


def _plink1_pairs(calls: np.ndarray, folder: Path, *options: str) -> pd.DataFrame:
    """PLINK's table of pairs, with their columns `left` and `right`, and the samples that have both calls as `n_both`."""
    folder.mkdir()
    names = [f"s{row}" for row in range(N_SAMPLES)]
    properties = {"fid": names, "iid": names, "chromosome": CHROMOSOMES, "bp_position": POSITIONS, "sid": IDS}
    properties |= {"allele_1": ["C"] * N_VARIANTS, "allele_2": ["A"] * N_VARIANTS}
    values = calls.astype(np.float32)
    values[calls == MISSING] = np.nan
    to_bed(folder / "data.bed", values, properties=properties, count_A1=True)
    command = ["plink1.9", "--bfile", str(folder / "data"), "--out", str(folder / "out"), "--keep-allele-order", *options]
    subprocess.run(command, check=True, capture_output=True)
    table = pd.read_csv(folder / "out.ld", sep=r"\s+")
    left, right = (table[column].str[1:].astype(int).to_numpy() for column in ("SNP_A", "SNP_B"))
    observed = (calls != MISSING).astype(int)
    return table.assign(left=left, right=right, n_both=(observed.T @ observed)[left, right])


@plink1
def test_ld_scores__are_sums_of_plinks_r2(tmp_path):
    calls = _calls(1)
    window = ("--ld-window-kb", "100", "--ld-window", "99999", "--ld-window-r2", "0")
    table = _plink1_pairs(calls, tmp_path / "one", "--r2", *window)
    table = table[table["BP_B"] - table["BP_A"] < 100_000]
    corrected = corrected_r2(table["R2"].to_numpy(), table["n_both"].to_numpy())
    expected = 1 + sum(np.bincount(table[side], weights=corrected, minlength=N_VARIANTS) for side in ("left", "right"))
    np.testing.assert_allclose(ld_scores(calls, chromosomes=CHROMOSOMES, positions=POSITIONS, window=1e5), expected, atol=1e-4)


@plink1
def test_far_agreement__is_over_plinks_pairs_between_chromosomes(tmp_path):
    sides = [_calls(1), _calls(2)]
    tables = [_plink1_pairs(side, tmp_path / str(seed), "--r2", "inter-chr", "--ld-window-r2", "0") for seed, side in enumerate(sides)]
    found = far_agreement(sides[0], sides[1], chromosomes=CHROMOSOMES)
    for mean, table in zip(found.mean_r2[:, 0], tables, strict=True):
        between = table[table["CHR_A"] != table["CHR_B"]]
        assert len(between) == found.n_pairs == 3 * 50 * 50
        assert mean == pytest.approx(corrected_r2(between["R2"].to_numpy(), between["n_both"].to_numpy()).mean(), abs=1e-6)


@plink1
def test_near_agreement__is_the_correlation_of_plinks_signed_r(tmp_path):
    sides = [_calls(1), _calls(2)]
    window = ("--ld-window-kb", "100", "--ld-window", "99999", "--ld-window-r2", "0")
    tables = [_plink1_pairs(side, tmp_path / str(seed), "--r", *window) for seed, side in enumerate(sides)]
    merged = tables[0].merge(tables[1], on=["left", "right"])
    merged = merged[merged["BP_B_x"] - merged["BP_A_x"] < 100_000]
    found = near_agreement(sides[0], sides[1], chromosomes=CHROMOSOMES, positions=POSITIONS, reach=1e5)
    assert found.n_pairs == len(merged)
    assert found.correlation[0] == pytest.approx(np.corrcoef(merged["R_x"], merged["R_y"])[0, 1], abs=1e-5)


@plink2
def test_r2_of_haplotypes__is_that_of_plink2(tmp_path):
    """`--ld` of a phased VCF, for three pairs."""
    haplotypes = _haplotypes(3)
    lines = ["##fileformat=VCFv4.2", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines += [f"##contig=<ID={name}>" for name in np.unique(CHROMOSOMES)]
    lines.append(
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *(f"s{row}" for row in range(N_SAMPLES))])
    )
    for column in range(N_VARIANTS):
        phased = [f"{a}|{b}" for a, b in zip(haplotypes[0::2, column], haplotypes[1::2, column], strict=True)]
        lines.append("\t".join([CHROMOSOMES[column], str(POSITIONS[column]), IDS[column], "A", "C", ".", ".", ".", "GT", *phased]))
    (tmp_path / "data.vcf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    first, second = haplotypes[0::2], haplotypes[1::2]
    phase = np.packbits((first == 1) & (second == 0), axis=1, bitorder="little")
    packed = haplotype_calls(PackedCalls.from_calls((first + second).astype(np.int8)), phase)
    ours = r2_matrix(packed, packed)[0]
    for left, right in ((0, 1), (60, 63), (110, 118)):
        command = ["plink2", "--vcf", str(tmp_path / "data.vcf"), "--ld", IDS[left], IDS[right], "--out", str(tmp_path / "out")]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        theirs = re.search(r"r\^2 = ([\d.e-]+)", output)
        assert theirs is not None
        assert ours[left, right] == pytest.approx(float(theirs[1]), abs=1e-5)
