"""Call rates, Hardy-Weinberg tests, inbreeding and runs of homozygosity against PLINK 1.9 and 2 on the same file."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed, to_bed

from genobench import MISSING
from genobench.statgen import (
    genotype_counts,
    hardy_weinberg_log10_p,
    runs_of_homozygosity,
    sample_call_rate,
    sample_inbreeding,
    variant_call_rate,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.oracle

plink2 = pytest.mark.skipif(shutil.which("plink2") is None, reason="plink2 is not installed")
plink1 = pytest.mark.skipif(shutil.which("plink1.9") is None, reason="plink1.9 is not installed")

FIVE_DIGITS = 6e-6
"""PLINK prints six digits, so the last one may be half a unit off."""


class Data(NamedTuple):
    """Autosomal calls, and the file that holds them."""

    bed: Path
    calls: np.ndarray
    chromosomes: np.ndarray
    positions: np.ndarray


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Data:
    """400 samples x 600 variants, rare ones among them; from variant to variant F runs from -0.5 to 1; one call in twenty missing."""
    rng = np.random.default_rng(8)
    p, f = rng.uniform(0, 1, 600) ** 2, np.linspace(-0.5, 1, 600)
    heterozygous = np.minimum(2 * p * (1 - p) * (1 - f), 2 * np.minimum(p, 1 - p))
    draws = rng.random((400, 600))
    calls = np.where(draws < heterozygous, 1, np.where(draws < heterozygous / 2 + p, 2, 0)).astype(np.int8)
    calls[rng.random(calls.shape) < 0.05] = MISSING
    chromosomes = np.repeat(["1", "2"], 300)
    return _written(tmp_path_factory.mktemp("simulated"), calls, chromosomes, np.tile(np.arange(1, 301) * 1000, 2))


@pytest.fixture(scope="module")
def rats(shared_data, tmp_path_factory) -> Data:
    """The 62,663 autosomal variants of 192 rats, without their few missing calls (filled with 0: PLINK counts them as part of a run)."""
    with open_bed(shared_data / "rat_hs_192" / "original" / "TEST.bed", count_A1=True) as source:
        is_autosomal = np.char.isdecimal(source.chromosome)
        calls = source.read(np.s_[:, is_autosomal], dtype="int8")
        chromosomes, positions = source.chromosome[is_autosomal], source.bp_position[is_autosomal]
    calls[calls == -127] = 0
    return _written(tmp_path_factory.mktemp("rats"), calls, chromosomes, positions)


def _written(folder: Path, calls: np.ndarray, chromosomes: np.ndarray, positions: np.ndarray) -> Data:
    n_samples, n_variants = calls.shape
    properties = {
        "fid": np.arange(1, n_samples + 1).astype(str),
        "iid": np.arange(1, n_samples + 1).astype(str),
        "sex": np.full(n_samples, 2),
        "chromosome": chromosomes,
        "bp_position": positions,
        "sid": np.arange(n_variants).astype(str),
        "allele_1": np.full(n_variants, "C"),
        "allele_2": np.full(n_variants, "A"),
    }
    to_bed(folder / "data.bed", np.where(calls == MISSING, -127, calls).astype(np.int8), properties=properties, count_A1=True)
    return Data(folder / "data.bed", calls, chromosomes, positions)


def _table(program: str, data: Data, folder: Path, ending: str, *options: str) -> Any:
    command = [program, "--bfile", str(data.bed.with_suffix("")), "--out", str(folder / "out"), "--chr-set", "29", *options]
    subprocess.run(command, check=True, capture_output=True)
    return pd.read_csv(folder / f"out.{ending}", sep=r"\s+")


@plink2
def test_call_rates__agree_with_plink2(simulated, tmp_path):
    by_variant = _table("plink2", simulated, tmp_path, "vmiss", "--missing")
    np.testing.assert_allclose(1 - variant_call_rate(simulated.calls), by_variant["F_MISS"], rtol=FIVE_DIGITS)
    by_sample = pd.read_csv(tmp_path / "out.smiss", sep=r"\s+")
    np.testing.assert_allclose(1 - sample_call_rate(simulated.calls), by_sample["F_MISS"], rtol=FIVE_DIGITS)


@plink2
@pytest.mark.parametrize("data", ["simulated", "rats"])
def test_hardy_weinberg__agrees_with_plink2(data, request, tmp_path):
    """p from 1 down to below 1e-20."""
    data = request.getfixturevalue(data)
    table = _table("plink2", data, tmp_path, "hardy", "--hardy", "--nonfounders")
    ours = hardy_weinberg_log10_p(genotype_counts(data.calls))
    # A difference of logarithms is a relative difference of p.
    np.testing.assert_allclose(ours, np.log10(table["P"]), rtol=0, atol=FIVE_DIGITS / np.log(10))
    assert ours.min() < -20


@plink2
@pytest.mark.parametrize("data", ["simulated", "rats"])
def test_sample_inbreeding__agrees_with_plink2(data, request, tmp_path):
    data = request.getfixturevalue(data)
    table = _table("plink2", data, tmp_path, "het", "--het", "small-sample", "--nonfounders")
    np.testing.assert_allclose(sample_inbreeding(data.calls), table["F"], rtol=FIVE_DIGITS, atol=1e-6)


@plink1
@pytest.mark.parametrize("data", ["simulated", "rats"])
def test_runs_of_homozygosity__agree_with_plink1(data, request, tmp_path):
    """With no heterozygote allowed and one whole window enough to take a variant in, PLINK's runs are ours to the last base."""
    data = request.getfixturevalue(data)
    limits: dict[str, Any] = {"min_length_bp": 2e6, "min_variants": 30}
    if len(data.calls) == 400:
        limits = {"min_length_bp": 20_000, "min_variants": 12}
    calls = np.maximum(data.calls, 0)
    filled = _written(tmp_path, calls, data.chromosomes, data.positions)
    table = _homozyg(filled, tmp_path, limits, window=10, heterozygotes=0)
    ours = runs_of_homozygosity(calls, chromosomes=data.chromosomes, positions_bp=data.positions, max_heterozygotes=0, **limits)
    ends = [data.positions[places] for places in (ours.first_variant, ours.last_variant)]
    found = pd.DataFrame(
        {"IID": ours.sample + 1, "CHR": data.chromosomes[ours.first_variant].astype(int), "POS1": ends[0], "POS2": ends[1]}
    )
    found = found.assign(NSNP=ours.n_called).sort_values(["IID", "CHR", "POS1"])
    assert len(found) > 300
    np.testing.assert_array_equal(found, table[list(found.columns)].sort_values(["IID", "CHR", "POS1"]))


@plink1
def test_runs_of_homozygosity__with_a_heterozygote_are_near_those_of_plink1(rats, tmp_path):
    """Windows of 30 variants with a heterozygote: PLINK lets a window's ends decide where a run begins; lengths of samples agree
    to r > .98."""
    table = _homozyg(rats, tmp_path, {"min_length_bp": 4e6, "min_variants": 30}, window=30, heterozygotes=1)
    theirs = np.bincount(table["IID"] - 1, weights=table["KB"], minlength=192)
    ours = runs_of_homozygosity(rats.calls, chromosomes=rats.chromosomes, positions_bp=rats.positions)
    assert np.corrcoef(ours.total_bp, theirs)[0, 1] > 0.98
    assert ours.total_bp.sum() / 1000 == pytest.approx(theirs.sum(), rel=0.05)


def _homozyg(data: Data, folder: Path, limits: dict[str, Any], *, window: int, heterozygotes: int) -> pd.DataFrame:
    options = ["--homozyg", "--homozyg-snp", str(limits["min_variants"]), "--homozyg-kb", f"{limits['min_length_bp'] / 1000:g}"]
    options += ["--homozyg-gap", "1000", "--homozyg-density", "1000000", "--homozyg-het", str(heterozygotes)]
    options += ["--homozyg-window-threshold", "0.001" if heterozygotes == 0 else "0.05"]
    options += ["--homozyg-window-snp", str(window), "--homozyg-window-het", str(heterozygotes), "--homozyg-window-missing", "0"]
    table: pd.DataFrame = _table("plink1.9", data, folder, "hom", *options)
    return table
